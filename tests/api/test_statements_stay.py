"""What is asked for again finds the plan of its statements: to make one costs many times what SQLite takes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hanok.store.plans import Plans
from tests.api.compute.ground import SERVERS, Ground, standing
from tests.cloud import Client

NEWEST = {"OpenStack-API-Version": "compute 2.104, placement 1.39"}
COMPUTE, NETWORK, PLACEMENT = "/compute/v2.1", "/network/v2.0", "/placement"
POLLED = (
    SERVERS,
    f"{SERVERS}/detail",
    f"{SERVERS}/detail?status=ACTIVE&sort_key=display_name",
    f"{SERVERS}/{{server}}",
    f"{SERVERS}/{{server}}/os-interface",
    f"{SERVERS}/{{server}}/os-instance-actions",
    f"{SERVERS}/{{server}}/os-volume_attachments",
    f"{SERVERS}/{{server}}/ips",
    f"{SERVERS}/{{server}}/os-security-groups",
    f"{COMPUTE}/flavors",
    f"{COMPUTE}/flavors/detail",
    f"{COMPUTE}/flavors/{{flavor}}",
    f"{COMPUTE}/os-keypairs",
    f"{COMPUTE}/limits",
    f"{COMPUTE}/os-quota-sets/{{project}}/detail",
    f"{COMPUTE}/os-availability-zone",
    f"{NETWORK}/networks",
    f"{NETWORK}/networks/{{network}}",
    f"{NETWORK}/subnets",
    f"{NETWORK}/subnets/{{subnet}}",
    f"{NETWORK}/ports",
    f"{NETWORK}/ports/{{port}}",
    f"{NETWORK}/ports?device_id={{server}}",
    f"{NETWORK}/ports?network_id={{network}}&limit=5",
    f"{NETWORK}/ports?admin_state_up=true",
    f"{NETWORK}/floatingips",
    f"{NETWORK}/routers",
    f"{NETWORK}/security-group-rules",
    "/image/v2/images",
    "/image/v2/images/{image}",
    "/v3/auth/tokens",
)
OPERATORS = (
    f"{COMPUTE}/os-hypervisors/detail",
    f"{COMPUTE}/os-services",
    f"{PLACEMENT}/resource_providers",
    f"{PLACEMENT}/allocation_candidates?resources=VCPU:1",
    f"{PLACEMENT}/usages?project_id={{project}}",
)


@contextmanager
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The statements that got a plan in a with block."""
    found: list[str] = []
    make = Plans._made

    def watched(self: Plans, statement: Any, keys: tuple[str, ...]) -> Any:
        found.append(str(statement))
        return make(self, statement, keys)

    with monkeypatch.context() as patch:
        patch.setattr(Plans, "_made", watched)
        yield found


async def _names(here: Ground) -> dict[str, str]:
    server = await here.server()
    port = (await here.user.get(f"{NETWORK}/ports?device_id={server}"))["ports"][0]
    return {
        "server": server,
        "flavor": here.flavor,
        "image": here.image,
        "network": here.network,
        "port": port["id"],
        "subnet": port["fixed_ips"][0]["subnet_id"],
        "project": here.user.project_id,
    }


async def _poll(client: Client, path: str) -> None:
    await client.get(path, headers={**NEWEST, "X-Subject-Token": client.token})


async def test_what_is_polled_makes_no_plan_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with standing(tmp_path) as here:
        names, anew = await _names(here), dict[str, list[str]]()
        for client, paths in ((here.user, POLLED), (here.admin, POLLED + OPERATORS)):
            for path in [one.format(**names) for one in paths]:
                await _poll(client, path)
                await _poll(client, path)
                with made(monkeypatch) as found:
                    await _poll(client, path)
                if found:
                    anew[path] = found
        assert anew == {}


async def test_a_second_server_like_the_first_makes_no_plan_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with standing(tmp_path) as here:
        for _ in range(2):
            await here.delete(await here.server())
        with made(monkeypatch) as found:
            await here.delete(await here.server())
        assert found == []


async def test_hosts_that_say_again_what_they_have_make_no_plan_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of compute, block storage and shares: a thousand of them took a third of a processor."""
    async with standing(tmp_path, hosts=2) as here:
        rooms = here.cloud.control.house.rooms
        for name in ("block_storage", "shared_file_system"):
            describe = rooms[name]._reconcilers.describe  # type: ignore[attr-defined]
            for _ in range(2):
                await asyncio.gather(describe("host-1"), describe("host-2"))
            with made(monkeypatch) as found:
                await describe("host-1")
            assert found == []
