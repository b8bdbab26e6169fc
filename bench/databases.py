"""CPU of control per request on PostgreSQL, as a ratio to SQLite's in the same run: `python -m bench.databases`.

Requests reach the application in the process that measures, without a web server; what that costs by itself is the
first line. What a change makes others do (the network engine, the events) is counted with it. PostgreSQL's own
processes are not counted.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median

import uvloop
from tests import postgres
from tests.cloud import NEWEST, Client, Cloud, a_flavor, a_network, an_image, running, settle

COUNT, ROUNDS = 60, 7
PAUSE_S = 0.005
V2 = "/network/v2.0"
Act = Callable[[int], Awaitable[None]]


class Site:
    """A cloud with what the requests ask for."""

    def __init__(self, cloud: Cloud, admin: Client) -> None:
        self.cloud, self.admin = cloud, admin
        self.number = 0

    async def prepare(self) -> None:
        admin = self.admin
        quota = {"quota_set": {"instances": -1, "cores": -1, "ram": -1}}
        await admin("PUT", f"/compute/v2.1/os-quota-sets/{admin.project_id}", quota, status=200)
        limits = {"quota": {"port": -1, "network": -1}}
        await admin("PUT", f"{V2}/quotas/{admin.project_id}", limits, status=200)
        self.image = await an_image(admin)
        self.network = await a_network(admin, cidr="10.1.0.0/16")
        body = {
            "name": "vm", "imageRef": self.image, "flavorRef": await a_flavor(admin),
            "networks": "none", "min_count": 20,
        }  # fmt: skip
        made = await admin.post("/compute/v2.1/servers", {"server": body}, 202, headers=NEWEST)
        self.server = made["server"]["id"]
        await settle(self.cloud)

    def acts(self) -> dict[str, Act]:
        admin = self.admin
        server = f"/compute/v2.1/servers/{self.server}"

        def get(path: str, **more: str) -> Act:
            async def act(_number: int) -> None:
                await admin("GET", path, status=200, headers={**NEWEST, **more})

            return act

        async def project(number: int) -> None:
            await admin.post("/identity/v3/projects", {"project": {"name": f"p{number}"}})

        async def metadata(number: int) -> None:
            await admin("PUT", f"{server}/metadata/a", {"meta": {"a": str(number)}}, status=200)

        async def port(_number: int) -> None:
            await admin.post(f"{V2}/ports", {"port": {"network_id": self.network}})

        async def network(number: int) -> None:
            await admin.post(f"{V2}/networks", {"network": {"name": f"n{number}"}})

        async def image(number: int) -> None:
            body = [{"op": "replace", "path": "/name", "value": f"i{number}"}]
            kind = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
            path = f"/image/v2/images/{self.image}"
            await admin("PATCH", path, body, status=200, headers=kind)

        return {
            "(nothing looked up)": get("/identity/v3"),
            "validate a token": get("/identity/v3/auth/tokens", **{"X-Subject-Token": admin.token}),
            "GET server": get(server),
            "20 servers in detail": get("/compute/v2.1/servers/detail"),
            "GET image": get(f"/image/v2/images/{self.image}"),
            "create project": project,
            "server metadata": metadata,
            "rename image": image,
            "create network": network,
            "create port": port,
        }

    async def measure(self, act: Act) -> float:
        began = time.process_time()
        for _ in range(COUNT):
            self.number += 1
            await act(self.number)
            await asyncio.sleep(
                PAUSE_S
            )  # what follows from it is done, as it is between a client's requests
        spent = time.process_time() - began
        await settle(self.cloud)
        return spent / COUNT * 1000


async def main() -> None:
    async with AsyncExitStack() as stack:
        server = stack.enter_context(postgres.server())
        state = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sites = []
        for number, url in enumerate(("", server.new_database())):
            folder = state / str(number)
            cloud = await stack.enter_async_context(running(folder, database=url))
            site = Site(cloud, await cloud.sign_in())
            await site.prepare()
            sites.append(site)
        print(f"ms of CPU a request, medians of {ROUNDS} times {COUNT}")
        print(f"{'request':22} {'SQLite':>8} {'PostgreSQL':>11} {'ratio':>6}")
        for name in sites[0].acts():
            spent: list[list[float]] = [[], []]
            for _ in range(ROUNDS):
                for place, site in enumerate(sites):
                    spent[place].append(await site.measure(site.acts()[name]))
            one, other = map(median, spent)
            print(f"{name:22} {one:8.3f} {other:11.3f} {other / one:6.2f}", flush=True)


if __name__ == "__main__":
    uvloop.run(main())
