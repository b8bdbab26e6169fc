"""What is said of a packet's way is what the flows that ovn-northd makes do with it."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from hanok.drivers.ovn.host import run
from tests.api.network.test_engine import settled
from tests.api.test_why import NOTHING, V2, Site
from tests.cloud import a_server, running, settle
from tests.drivers.ovn.support import databases_and_northd

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("ovsdb-server", "ovn-northd", "ovn-trace"))), reason="needs OVN"
)


class Traced(Site):
    """A site whose OVN is real, up to where a host would begin."""

    northbound = southbound = ""

    async def written(self) -> None:
        await settle(self.cloud)
        await settled(self.cloud)
        await run("ovn-nbctl", f"--db={self.northbound}", "--wait=sb", "sync")

    async def plug_in(self) -> None:
        """Say of all guests' ports what a host says of them."""
        await self.written()
        database = f"--db={self.southbound}"
        await run("ovn-sbctl", database, "--may-exist", "chassis-add", "hv", "geneve", "127.0.0.1")
        for port in (await self.admin.get(f"{V2}/ports"))["ports"]:
            if not port["device_owner"].startswith("compute:"):
                continue
            name = port["id"]
            await run("ovn-sbctl", database, "--may-exist", "lsp-bind", name, "hv")
            find = ("--bare", "--columns=_uuid", "find", "port_binding", f"logical_port={name}")
            row = (await run("ovn-sbctl", database, *find)).strip()
            await run("ovn-sbctl", database, "set", "port_binding", row, "up=true")
        async with asyncio.timeout(120):
            while any(
                port["status"] == "DOWN" and port["device_owner"].startswith("compute:")
                for port in (await self.admin.get(f"{V2}/ports"))["ports"]
            ):
                await self.written()

    async def agreed(self, source: str, destination: str) -> bool:
        """Whether it reaches, of which OVN says the same."""
        steps: list[Any] = (await self.why(source, destination))["steps"]
        assert (steps[-1]["at"], steps[-1]["passes"]) == ("OVN", True), steps
        return all(one["passes"] for one in steps)


async def test_the_tables_and_the_flows_agree(tmp_path: Path) -> None:
    async with (
        databases_and_northd() as (north, south),
        running(tmp_path, northbound=north, southbound=south) as cloud,
    ):
        site = Traced(cloud, await cloud.sign_in(), await cloud.project_with("p", "member"))
        site.northbound, site.southbound = north, south
        await site.build()
        floating, public = await site.floating("b"), await site.gateway()
        await site.rule(protocol="icmp")
        await site.written()
        # No guest is plugged in: that OVN has flows for its port all the same is no difference.
        says, _ = await site.stop("outside", floating)
        assert says.endswith("is DOWN: its guest is not plugged in.")

        image = (await site.user.get("/image/v2/images"))["images"][0]["id"]
        await a_server(site.admin, image, "nano", public, name="direct")
        await site.plug_in()
        for source, destination, reaches in (
            ("a", "b", True),
            ("outside", floating, True),
            ("a", "outside", True),
            ("direct", "8.8.8.8", True),
            ("direct", floating, True),
            ("a", "direct", False),
        ):
            assert await site.agreed(source, destination) is reaches, (source, destination)
        for nobody in ("10.1.0.250", "10.2.0.250"):
            assert await site.stop("a", nobody) != NOTHING

        route = {"destination": "192.168.7.0/24", "nexthop": "172.24.4.1"}
        await site.change("router", site.ids["r"], routes=[route])
        await site.written()
        assert await site.agreed("a", "192.168.7.9")
