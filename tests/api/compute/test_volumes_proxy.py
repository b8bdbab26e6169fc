"""Volumes and snapshots by way of compute, as clients from before 2.36 ask for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hanok.base.ids import new_uuid
from tests.api.compute.ground import at
from tests.api.compute.volume_ground import VolumeGround, with_volumes
from tests.cloud import settle

OLD = "/compute/v2.1/os-volumes"
SNAPSHOTS = "/compute/v2.1/os-snapshots"


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[VolumeGround]:
    async with with_volumes(tmp_path) as one:
        yield one


async def test_volumes_in_older_words(ground: VolumeGround) -> None:
    body = {"display_name": "v", "display_description": "d", "size": "1", "metadata": {"a": "b"}}
    answer = await ground.user("POST", OLD, {"volume": body}, status=200)
    made = answer.json()["volume"]
    assert answer.headers["Location"].endswith(f"/os-volumes/{made['id']}")
    await settle(ground.cloud)
    shown = (await ground.user.get(f"{OLD}/{made['id']}"))["volume"]
    assert shown == {
        "id": made["id"], "status": "available", "size": 1, "availabilityZone": "nova",
        "createdAt": shown["createdAt"], "attachments": [{}], "displayName": "v",
        "displayDescription": "d", "volumeType": "__DEFAULT__", "snapshotId": None,
        "metadata": {"a": "b"},
    }  # fmt: skip
    for path in (OLD, f"{OLD}/detail"):
        assert (await ground.user.get(path))["volumes"] == [shown]
    assert (await ground.user.get(f"{OLD}?offset=1"))["volumes"] == []
    server = await ground.server()
    await ground.attach(server, made["id"])
    shown = (await ground.user.get(f"{OLD}/{made['id']}"))["volume"]
    assert shown["attachments"] == [
        {"id": made["id"], "volumeId": made["id"], "serverId": server, "device": "/dev/vdb"}
    ]
    said = await ground.user("DELETE", f"{OLD}/{made['id']}", status=400)
    assert "Volume status must be available" in said.text
    await ground.detach(server, made["id"])
    await ground.user("DELETE", f"{OLD}/{made['id']}", status=202)
    await settle(ground.cloud)
    await ground.user.get(f"{OLD}/{made['id']}", 404)


async def test_snapshots_in_older_words(ground: VolumeGround) -> None:
    volume = await ground.volume()
    body = {"volume_id": volume, "display_name": "s", "force": "True"}
    made = (await ground.user.post(SNAPSHOTS, {"snapshot": body}, 200))["snapshot"]
    await settle(ground.cloud)
    shown = (await ground.user.get(f"{SNAPSHOTS}/{made['id']}"))["snapshot"]
    assert (shown["status"], shown["displayName"], shown["volumeId"]) == ("available", "s", volume)
    assert (await ground.user.get(SNAPSHOTS))["snapshots"] == [shown]
    assert (await ground.user.get(f"{SNAPSHOTS}/detail"))["snapshots"] == [shown]
    await ground.user("DELETE", f"{SNAPSHOTS}/{made['id']}", status=202)
    await settle(ground.cloud)
    await ground.user.get(f"{SNAPSHOTS}/{made['id']}", 404)


@pytest.mark.parametrize("path", [OLD, SNAPSHOTS, f"{OLD}/detail", f"{SNAPSHOTS}/x"])
async def test_newer_versions_do_not_know_them(ground: VolumeGround, path: str) -> None:
    await ground.user.get(path, 404, headers=at(36))


async def test_what_is_refused_is_refused_in_block_storages_words(ground: VolumeGround) -> None:
    said = await ground.user("POST", OLD, {"volume": {"size": 0}}, status=400)
    assert "size" in said.text
    await ground.user("GET", f"{OLD}/{new_uuid()}", status=404)
    path = f"/volume/v3/os-quota-sets/{ground.user.project_id}"
    await ground.admin("PUT", path, {"quota_set": {"volumes": 0}}, status=200)
    await ground.user("POST", OLD, {"volume": {"size": 1}}, status=403)


async def test_a_snapshot_is_taken_of_a_volume_in_use_with_the_help_of_compute(
    ground: VolumeGround,
) -> None:
    path = "/compute/v2.1/os-assisted-volume-snapshots"
    volume, server, snapshot = await ground.volume(), await ground.server(), new_uuid()

    async def create(volume_id: str, status: int = 200, client: Any = None, **more: Any) -> Any:
        info = {"snapshot_id": snapshot, "type": "qcow2", "new_file": "f", **more}
        body = {"snapshot": {"volume_id": volume_id, "create_info": info}}
        answer = await (client or ground.admin)("POST", path, body, status=status)
        await settle(ground.cloud)
        return answer

    async def delete(name: str, volume_id: str, status: int) -> Any:
        query = f'?delete_info={{"volume_id":"{volume_id}"}}'
        answer = await ground.admin("DELETE", f"{path}/{name}{query}", status=status)
        await settle(ground.cloud)
        return answer

    await create(volume, 403, ground.user)
    assert "No volume Block Device Mapping" in (await create(volume, 400)).text
    await ground.attach(server, volume)
    await create(volume, 400, snapshot_id="../x")
    for _ in range(2):  # asked again, it is there
        said = (await create(volume)).json()["snapshot"]
        assert said == {"id": snapshot, "volumeId": volume}
    shown = await ground.user.get(f"/volume/v3/snapshots/{snapshot}")
    assert (shown["snapshot"]["volume_id"], shown["snapshot"]["status"]) == (volume, "available")
    assert (await ground.on_host()).volumes[0].snapshots == (snapshot,)
    assert (await create(volume, id="7")).json()["snapshot"]["id"] == "7"
    other = await ground.volume()
    await ground.attach(server, other)
    await create(other, 404)
    await ground.admin("DELETE", f"{path}/{snapshot}", status=400)
    await delete(snapshot, other, 404)
    await delete(new_uuid(), volume, 404)
    await delete(snapshot, volume, 204)
    assert await ground.user("GET", f"/volume/v3/snapshots/{snapshot}", status=404)
    assert all(one.snapshots == () for one in (await ground.on_host()).volumes)
    await ground.assert_clean()


async def test_doctor_compares_attachments(ground: VolumeGround) -> None:
    server, volume = await ground.server(), await ground.volume()
    body = {"attachment": {"volume_uuid": volume, "instance_uuid": server}}
    newest = {"OpenStack-API-Version": "volume latest"}
    await ground.user.post("/volume/v3/attachments", body, 200, headers=newest)
    await ground.assert_clean()  # somebody is about to attach it
    await ground.delete(server)
    (found,) = (await ground.admin.get("/hanok/v1/inventory"))["differences"]
    assert (found["what"], found["mendable"]) == ("attachment", True)
    await ground.admin("POST", "/hanok/v1/inventory/mend", status=200)
    assert (await ground.volume_of(volume))["status"] == "available"
    await ground.assert_clean()
