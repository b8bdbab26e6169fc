"""One action at a time on a server: what a lock, a task state and a generation keep out."""

from __future__ import annotations

from typing import Any

from hanok.services.compute.logic import servers
from hanok.services.compute.tables import servers as table
from tests.cloud import NEWEST, Client, Cloud, a_flavor, a_server, an_image, settle

SERVERS = "/compute/v2.1/servers"


async def _running(cloud: Cloud) -> tuple[Client, Client, str]:
    admin, member = await cloud.sign_in(), await cloud.project_with("p", "member")
    server_id = await a_server(member, await an_image(member), await a_flavor(admin))
    await settle(cloud)
    return admin, member, server_id


async def _set(cloud: Cloud, **values: Any) -> None:
    async with cloud.control.database.write() as tx:
        await tx.execute(table.update().values(**values))


async def test_a_lock_stops_its_users_and_not_the_operator(cloud: Cloud) -> None:
    admin, member, server_id = await _running(cloud)
    path = f"{SERVERS}/{server_id}/action"
    await member("POST", path, {"lock": None}, status=202)
    await member("POST", path, {"os-stop": None}, status=409)
    await admin("POST", path, {"os-stop": None}, status=202)
    await settle(cloud)
    shown = await member.get(f"{SERVERS}/{server_id}", headers=NEWEST)
    assert shown["server"]["status"] == "SHUTOFF"


async def test_an_action_waits_for_no_other(cloud: Cloud) -> None:
    _, member, server_id = await _running(cloud)
    await _set(cloud, task_state="rebooting")
    path = f"{SERVERS}/{server_id}/action"
    answer = await member("POST", path, {"os-stop": None}, status=409)
    assert "task_state rebooting" in answer.text
    await _set(cloud, task_state=None)
    await member("POST", path, {"os-stop": None}, status=202)


async def test_a_delete_begins_once_whatever_is_under_way(cloud: Cloud) -> None:
    _, _, server_id = await _running(cloud)
    now = cloud.control.clock.now()
    await _set(cloud, task_state="rebooting")
    async with cloud.control.database.write() as tx:
        first = await servers.begin_delete(tx, server_id, now)
        assert first is not None
        assert await servers.begin_delete(tx, server_id, now) is None
        row = await servers.get_any(tx, server_id)
    assert row is not None and row.generation == first


async def test_a_generation_is_raised_and_never_lowered(cloud: Cloud) -> None:
    _, _, server_id = await _running(cloud)
    for least, after in ((7, 7), (3, 7), (8, 8)):
        async with cloud.control.database.write() as tx:
            await servers.raise_generation(tx, server_id, least)
            row = await servers.get_any(tx, server_id)
        assert row is not None and row.generation == after
