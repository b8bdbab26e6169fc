"""A host that is gone shows as down in moments, everywhere; one that is back shows as up with its first word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hanok.commands import wire
from hanok.services.compute import reconcilers
from tests.api.compute.ground import Ground, standing
from tests.cloud import NEWEST

HOST = "OS-EXT-SRV-ATTR:host"


@pytest.fixture
async def ground(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Ground]:
    monkeypatch.setattr(reconcilers, "WATCH_S", 0.05)
    monkeypatch.setattr(reconcilers, "QUIET_S", 0.0)
    async with standing(tmp_path, hosts=2, database=database_url) as ground:
        yield ground


async def shown(ground: Ground, host: str) -> set[str]:
    """What the services say of a host."""
    admin = ground.admin
    path = f"/compute/v2.1/os-services?binary=nova-compute&host={host}"
    found = {one["state"] for one in (await admin.get(path, headers=NEWEST))["services"]}
    listed = (await admin.get("/compute/v2.1/os-hypervisors/detail", headers=NEWEST))["hypervisors"]
    found |= {one["state"] for one in listed if one["hypervisor_hostname"] == host}
    agents = (await admin.get(f"/network/v2.0/agents?host={host}"))["agents"]
    found |= {"up" if one["alive"] else "down" for one in agents}
    volumes = f"/volume/v3/{admin.project_id}/os-services?binary=cinder-volume"
    services = (await admin.get(volumes))["services"]
    return found | {one["state"] for one in services if one["host"].startswith(f"{host}@")}


async def until(ground: Ground, host: str, state: str) -> None:
    async with asyncio.timeout(60):
        while await shown(ground, host) != {state}:
            await asyncio.sleep(0.02)


async def test_one_that_is_gone_is_down_and_its_servers_are_evacuated(ground: Ground) -> None:
    server_id = await ground.server()
    here = (await ground.show(server_id))[HOST]
    (other,) = {"host-1", "host-2"} - {here}
    refused = await ground.act(server_id, "evacuate", {}, client=ground.admin, status=400)
    assert "still in use" in refused.text
    gone = ground.cloud.nodes[here]
    await gone.leave()
    await until(ground, here, "down")
    assert await shown(ground, other) == {"up"}
    await ground.act(server_id, "evacuate", {}, client=ground.admin, status=200, minor=94)
    assert (await ground.show(server_id))[HOST] == other
    bus = ground.cloud.control.bus
    await gone.listen(bus)
    await bus.publish(wire.from_host(wire.HEARTBEAT, here), wire.encode(gone.host_state()))
    await until(ground, here, "up")
