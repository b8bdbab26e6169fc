"""The routed network that Heat's suite looks for: `python -m bench.heat_net http://127.0.0.1:5000 [PASSWORD]`.

A shared network `heat-net` with the subnet `heat-subnet`, behind a router to the external network. What is there stays.
"""

from __future__ import annotations

import sys
from typing import Any

import httpx


def signed_in(url: str, password: str) -> httpx.Client:
    """A client with an administrator's token."""
    user = {"name": "admin", "domain": {"id": "default"}, "password": password}
    scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
    identity = {"methods": ["password"], "password": {"user": user}}
    body = {"auth": {"identity": identity, "scope": scope}}
    answer = httpx.post(f"{url}/v3/auth/tokens", json=body)
    answer.raise_for_status()
    headers = {"x-auth-token": answer.headers["x-subject-token"]}
    return httpx.Client(base_url=f"{url}/network/v2.0", headers=headers)


def ensure(client: httpx.Client, plural: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
    """A thing of this name is there."""
    there = client.get(f"/{plural}", params={"name": body["name"]}).json()[plural]
    if there:
        return dict(there[0])
    made = client.post(f"/{plural}", json={key: body})
    made.raise_for_status()
    return dict(made.json()[key])


def main(url: str, password: str) -> None:
    with signed_in(url, password) as client:
        network = ensure(client, "networks", "network", {"name": "heat-net", "shared": True})
        subnet = {"name": "heat-subnet", "network_id": network["id"], "cidr": "10.66.0.0/24"}
        subnet_id = ensure(client, "subnets", "subnet", {**subnet, "ip_version": 4})["id"]
        outside = client.get("/networks", params={"router:external": True}).json()["networks"]
        gateway = {"external_gateway_info": {"network_id": outside[0]["id"]}} if outside else {}
        router = ensure(client, "routers", "router", {"name": "heat-router", **gateway})
        client.put(f"/routers/{router['id']}/add_router_interface", json={"subnet_id": subnet_id})


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "secret")
