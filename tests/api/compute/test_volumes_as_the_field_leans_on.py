"""What others reported of volumes, tried here: a line a report (docs/field.md lists them)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hanok.base import failpoints
from hanok.base.ids import new_uuid
from tests.api.compute.ground import SERVERS
from tests.api.compute.volume_ground import NEWEST, SNAPSHOTS, VOLUMES, VolumeGround, with_volumes
from tests.cloud import settle

BASE = "/volume/v3"


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[VolumeGround]:
    async with with_volumes(tmp_path) as one:
        yield one


async def _send(ground: VolumeGround, path: str, body: Any, status: int, version: str = "") -> Any:
    headers = {"OpenStack-API-Version": f"volume {version}"} if version else NEWEST
    answer = await ground.user("POST", path, body, headers=headers, status=status)
    await settle(ground.cloud)
    return answer.text if status >= 400 else answer.json() if answer.content else None


async def test_what_a_cluster_does_with_its_volumes(ground: VolumeGround) -> None:
    """A volume goes from node to node, also from one that is off, grows, and goes only after its snapshots."""
    server, other = await ground.server(), await ground.server()
    volume = await ground.volume()
    await ground.attach(server, volume)
    await ground.detach(server, volume)
    # kubernetes/cloud-provider-openstack#2553: it was "reserved" after that
    assert (await ground.volume_of(volume))["status"] == "available"
    await ground.attach(server, volume)
    # terraform-provider-openstack#1929, kubernetes/cloud-provider-openstack#819: larger, in use
    path = f"{VOLUMES}/{volume}/action"
    await _send(ground, path, {"os-extend": {"new_size": 2}}, 400, "3.0")
    await _send(ground, path, {"os-extend": {"new_size": 2}}, 202, "3.42")
    assert (await ground.volume_of(volume))["size"] == 2
    # kubernetes/cloud-provider-openstack#1056: a node that is off gives it away
    await ground.act(server, "os-stop")
    await ground.attach(other, volume, 400)
    await ground.detach(server, volume)
    await ground.attach(other, volume)
    assert set(ground.guest_volumes(other)) == {volume}
    await ground.detach(other, volume)
    # kubernetes/cloud-provider-openstack#2181: its snapshot, of which another volume was made, keeps it
    body = {"snapshot": {"volume_id": volume}}
    snapshot = (await _send(ground, SNAPSHOTS, body, 202))["snapshot"]["id"]
    restored = await ground.volume(2, snapshot_id=snapshot)
    said = await ground.user("DELETE", f"{VOLUMES}/{volume}", status=400)
    assert "have snapshots" in said.text
    for path in (f"{SNAPSHOTS}/{snapshot}", f"{VOLUMES}/{volume}"):
        await ground.user("DELETE", path, status=202)
        await settle(ground.cloud)
    assert (await ground.volume_of(restored))["status"] == "available"
    assert await ground.volume_of(volume) is None
    await ground.assert_clean()


async def test_what_is_not_there_yet_is_not_attached(ground: VolumeGround) -> None:
    """kubernetes/cloud-provider-openstack#1485."""
    server = await ground.server()
    point = "block_storage.create_volume.MakeVolume.before_do"
    with failpoints.armed(point, "hang"):
        made = await ground.user.post(VOLUMES, {"volume": {"size": 1}}, 202)
        body = {"volumeAttachment": {"volumeId": made["volume"]["id"]}}
        path = f"{SERVERS}/{server}/os-volume_attachments"
        answer = await ground.user("POST", path, body, status=400)
        assert "creating" in answer.text
        failpoints.release(point)
    await settle(ground.cloud)
    await ground.attach(server, str(made["volume"]["id"]))


async def test_what_is_said_of_a_volumes_image_is_no_matter_of_its_own_images(
    ground: VolumeGround,
) -> None:
    """kubev2v/forklift#415 (cinder's bug 1945500), hashicorp/packer#8009 and #8178."""
    volume = await ground.volume()
    path = f"{VOLUMES}/{volume}/action"
    said = {
        "os_glance_import_task": "x",
        "direct_url": "file:///x",
        "owner": "somebody",
        "visibility": "public",
        "virtual_size": "7",
        "owner_specified.openstack.md5": "0",
        "image_id": new_uuid(),
        "branch": "main",
    }
    await _send(ground, path, {"os-set_image_metadata": {"metadata": said}}, 200)
    requested = {"os-volume_upload_image": {"image_name": "made", "disk_format": "raw"}}
    made = (await _send(ground, path, requested, 202))["os-volume_upload_image"]
    image = await ground.user.get(f"/image/v2/images/{made['image_id']}")
    assert (image["status"], image["visibility"], image["branch"]) == ("active", "private", "main")
    assert image["owner"] == ground.user.project_id
    assert "os_glance_import_task" not in image and "direct_url" not in image
    body = {"os-set_image_metadata": {"metadata": {"build": "1"}}}
    assert "build" in (await _send(ground, path, body, 200))["metadata"]


async def test_a_backup_of_a_snapshot(ground: VolumeGround) -> None:
    """ContainX/openstack4j#874."""
    volume = await ground.volume()
    snapshot = (await _send(ground, SNAPSHOTS, {"snapshot": {"volume_id": volume}}, 202))[
        "snapshot"
    ]["id"]
    body = {"backup": {"volume_id": volume, "snapshot_id": snapshot, "incremental": False}}
    made = await _send(ground, f"{BASE}/backups", body, 202)
    shown = await ground.user.get(f"{BASE}/backups/{made['backup']['id']}")
    assert (shown["backup"]["snapshot_id"], shown["backup"]["status"]) == (snapshot, "available")


async def test_a_transfer_is_taken_by_the_other_address(ground: VolumeGround) -> None:
    """gophercloud#1868, gtema/openstack#187: offered at one of a transfer's addresses, accepted at the other."""
    volume = await ground.volume()
    body = {"transfer": {"volume_id": volume}}
    made = (await _send(ground, f"{BASE}/os-volume-transfer", body, 202))["transfer"]
    other = await ground.cloud.project_with("other", "member")
    path = f"{BASE}/volume-transfers/{made['id']}/accept"
    key = {"accept": {"auth_key": made["auth_key"]}}
    await other("POST", path, key, headers=NEWEST, status=202)
    await settle(ground.cloud)
    shown = await other.get(f"{VOLUMES}/{volume}", headers=NEWEST)
    assert shown["volume"]["status"] == "available"
    await ground.user("GET", f"{VOLUMES}/{volume}", status=404)


async def test_a_volume_that_is_only_said_to_be_attached(ground: VolumeGround) -> None:
    """hashicorp/terraform#12000: the server has it not; doctor says so, and it can be let go of."""
    server, volume = await ground.server(), await ground.volume()
    path = f"{VOLUMES}/{volume}/action"
    value = {"instance_uuid": server, "mountpoint": "/dev/vdd", "mode": "rw"}
    await _send(ground, path, {"os-attach": value}, 202)
    assert ground.guest_volumes(server) == {}
    (found,) = (await ground.admin.get("/hanok/v1/inventory"))["differences"]
    assert "which does not have it" in found["detail"]
    await _send(ground, path, {"os-detach": {}}, 202)
    assert (await ground.volume_of(volume))["status"] == "available"
    await ground.assert_clean()
