"""A project whose load balancers are looked at."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.cloud import Client, Cloud

BASE = "/load-balancer/v2.0/lbaas"
NETWORK = "/network/v2.0"


class Balancing:
    """A cloud, a member of a project in it, and the project's network."""

    def __init__(self, cloud: Cloud, user: Client, network: str, subnet: str) -> None:
        self.cloud, self.user = cloud, user
        self.network, self.subnet = network, subnet

    async def there(self, path: str) -> dict[str, Any]:
        """What is at a path, when nothing of it is pending any more."""
        async with asyncio.timeout(60):
            while True:
                (found,) = (await self.user.get(f"{BASE}/{path}")).values()
                if not found["provisioning_status"].startswith("PENDING"):
                    return dict(found)
                await asyncio.sleep(0.02)

    async def balancer(self, provider: str = "amphora", **values: Any) -> str:
        """A new load balancer, ACTIVE; gives its id."""
        body = {"vip_subnet_id": self.subnet, "provider": provider, **values}
        made = (await self.user.post(f"{BASE}/loadbalancers", {"loadbalancer": body}))[
            "loadbalancer"
        ]
        assert made["provisioning_status"] == "PENDING_CREATE"
        return await self.active(made["id"])

    async def active(self, balancer_id: str) -> str:
        found = await self.there(f"loadbalancers/{balancer_id}")
        assert found["provisioning_status"] == "ACTIVE", found
        return balancer_id

    async def make(self, balancer_id: str, path: str, /, *expected: int, **values: Any) -> Any:
        """Something below a load balancer, when that is ACTIVE again; a refusal's text where one is expected."""
        status = expected[0] if expected else 201
        name = {"listeners": "listener", "pools": "pool", "healthmonitors": "healthmonitor",
                "l7policies": "l7policy", "members": "member", "rules": "rule"}[path.rpartition("/")[2]]  # fmt: skip
        answer = await self.user("POST", f"{BASE}/{path}", {name: values}, status=status)
        if status != 201:
            return answer.json()["faultstring"]
        await self.active(balancer_id)
        return answer.json()[name]

    async def gone(self, balancer_id: str) -> None:
        async with asyncio.timeout(60):
            while (
                await self.user("GET", f"{BASE}/loadbalancers/{balancer_id}")
            ).status_code != 404:
                await asyncio.sleep(0.02)


async def balancing(cloud: Cloud) -> Balancing:
    user = await cloud.project_with("web", "member", "reader")
    net = (await user.post(f"{NETWORK}/networks", {"network": {"name": "n"}}))["network"]["id"]
    subnet = {"network_id": net, "ip_version": 4, "cidr": "10.4.0.0/24"}
    made = (await user.post(f"{NETWORK}/subnets", {"subnet": subnet}))["subnet"]["id"]
    return Balancing(cloud, user, net, made)
