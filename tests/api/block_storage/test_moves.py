"""Other types, places and contents for volumes; what is taken over and let go of; images of volumes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.block_storage.grounds import BASE, NEWEST, SNAPSHOTS, VOLUMES, Ground, at, standing
from tests.cloud import an_image, settle

HOST = "os-vol-host-attr:host"


@pytest.fixture
async def ground(tmp_path: Path, database_url: str) -> AsyncIterator[Ground]:
    async with standing(tmp_path, database=database_url) as ground:
        yield ground


async def _type(ground: Ground, name: str, **specs: str) -> str:
    body = {"volume_type": {"name": name, "extra_specs": specs}}
    return str((await ground.admin.post(f"{BASE}/types", body, 200))["volume_type"]["id"])


async def test_types_choose_their_back_end(ground: Ground) -> None:
    for name in ("files", "files2"):
        await _type(ground, name, volume_backend_name=name)
        volume = await ground.volume(volume_type=name)
        assert (await ground.show(volume))[HOST] == f"host-1@{name}#{name}"
    await _type(ground, "none", volume_backend_name="tape")
    assert await ground.status(await ground.volume(volume_type="none")) == "error"


async def test_a_retype_stays_where_it_may_and_moves_where_it_must(ground: Ground) -> None:
    for name in ("files", "files2"):
        await _type(ground, name, volume_backend_name=name)
    await _type(ground, "plain")
    volume = await ground.volume(volume_type="files")
    await ground.act(volume, "os-retype", {"new_type": "plain", "migration_policy": "never"})
    shown = await ground.show(volume)
    assert (shown["volume_type"], shown["migration_status"]) == ("plain", None)
    assert shown[HOST] == "host-1@files#files"
    await ground.act(volume, "os-retype", {"new_type": "files2", "migration_policy": "never"})
    assert ((await ground.show(volume))["volume_type"], await ground.status(volume)) == (
        "plain",
        "available",
    )
    await ground.act(volume, "os-retype", {"new_type": "files2", "migration_policy": "on-demand"})
    shown = await ground.show(volume)
    assert shown[HOST] == "host-1@files2#files2"
    assert (shown["volume_type"], shown["migration_status"], shown["status"]) == (
        "files2",
        "success",
        "available",
    )
    await ground.act(volume, "os-retype", {"new_type": "files2"}, 400)
    await ground.assert_clean()
    await ground.delete(f"{VOLUMES}/{volume}")
    await ground.assert_nothing_left()


async def test_operators_migrate(ground: Ground) -> None:
    await _type(ground, "files", volume_backend_name="files")
    volume = await ground.volume()
    here = (await ground.show(volume))[HOST]
    there = "host-1@files2#files2" if here == "host-1@files#files" else "host-1@files#files"
    await ground.act(volume, "os-migrate_volume", {"host": there}, 403)
    await ground.act(volume, "os-migrate_volume", {"host": here}, 400, client=ground.admin)
    await ground.act(volume, "os-migrate_volume", {"host": "nowhere@x"}, 404, client=ground.admin)
    await ground.act(volume, "os-migrate_volume", {"host": there}, client=ground.admin)
    assert (await ground.show(volume))[HOST] == there
    await ground.assert_clean()


async def test_a_volume_is_set_back_to_its_last_snapshot_only(ground: Ground) -> None:
    image = await an_image(ground.user)
    volume = await ground.volume()
    first = await ground.snapshot(volume)
    second = await ground.snapshot(volume)
    await ground.act(volume, "revert", {"snapshot_id": first}, 400)
    await ground.act(volume, "revert", {"snapshot_id": second})
    assert await ground.status(volume) == "available"
    assert (await ground.user.get(f"{SNAPSHOTS}/{second}"))["snapshot"]["status"] == "available"
    await ground.act(volume, "os-reimage", {"image_id": image})
    shown = await ground.show(volume)
    assert (shown["status"], shown["bootable"]) == ("available", "true")
    assert shown["volume_image_metadata"]["image_id"] == image


async def test_an_image_is_made_of_a_volume(ground: Ground) -> None:
    volume = await ground.volume(imageRef=await an_image(ground.user, hw_disk_bus="scsi"))
    body = {"image_name": "copy", "disk_format": "qcow2"}
    answer = await ground.act(volume, "os-volume_upload_image", body)
    told = answer.json()["os-volume_upload_image"]
    assert (told["status"], told["size"], told["visibility"]) == ("uploading", 1, "private")
    image = await ground.user.get(f"/image/v2/images/{told['image_id']}")
    assert (image["status"], image["disk_format"], image["hw_disk_bus"]) == (
        "active",
        "qcow2",
        "scsi",
    )
    assert await ground.status(volume) == "available"
    body = {"image_name": "copy", "visibility": "public"}
    await ground.act(volume, "os-volume_upload_image", body, 403)
    await ground.assert_clean()


async def test_what_is_let_go_of_is_found_and_taken_over_again(ground: Ground) -> None:
    volume = await ground.volume(name="old")
    place = (await ground.show(volume))[HOST]
    await ground.act(volume, "os-unmanage", client=ground.admin)
    assert await ground.status(volume) == "gone"
    listed = await ground.admin.get(
        f"{BASE}/manageable_volumes/detail?host={place}", headers=NEWEST
    )
    assert listed["manageable-volumes"] == [
        {
            "reference": {"source-name": f"volume-{volume}"},
            "size": 1,
            "safe_to_manage": True,
            "reason_not_safe": None,
            "cinder_id": None,
            "extra_info": None,
        }
    ]
    body = {"volume": {"host": place, "ref": {"source-name": f"volume-{volume}"}, "name": "new"}}
    made = await ground.admin.post(f"{BASE}/manageable_volumes", body, 202)
    await settle(ground.cloud)
    again = await ground.show(made["volume"]["id"])
    assert (again["status"], again["size"], again[HOST]) == ("available", 1, place)
    await ground.admin("POST", f"{BASE}/manageable_volumes", body, status=400)
    await ground.assert_clean()


async def test_a_snapshot_is_let_go_of_and_taken_over_again(ground: Ground) -> None:
    volume = await ground.volume()
    snapshot = await ground.snapshot(volume)
    await ground.admin("POST", f"{SNAPSHOTS}/{snapshot}/action", {"os-unmanage": {}}, status=202)
    await settle(ground.cloud)
    await ground.user("GET", f"{SNAPSHOTS}/{snapshot}", status=404)
    body = {"snapshot": {"volume_id": volume, "ref": {"source-name": f"_snapshot-{snapshot}"}}}
    made = await ground.admin.post(f"{BASE}/manageable_snapshots", body, 202)
    await settle(ground.cloud)
    shown = await ground.user.get(f"{SNAPSHOTS}/{made['snapshot']['id']}")
    assert shown["snapshot"]["status"] == "available"
    await ground.assert_clean()


async def test_encrypted_volumes_have_keys_that_nobody_is_shown(ground: Ground) -> None:
    kind = await _type(ground, "sealed")
    body = {"encryption": {"provider": "luks", "cipher": "aes-xts-plain64", "key_size": 256}}
    await ground.admin.post(f"{BASE}/types/{kind}/encryption", body, 200)
    volume = await ground.volume(volume_type="sealed")
    shown = await ground.show(volume)
    assert (shown["status"], shown["encrypted"]) == ("available", True)
    assert shown["encryption_key_id"]
    clone = await ground.volume(None, source_volid=volume)
    assert await ground.status(clone) == "available"
    await ground.user(
        "POST",
        VOLUMES,
        {"volume": {"source_volid": volume, "volume_type": "__DEFAULT__"}},
        status=400,
    )
    await ground.admin("DELETE", f"{BASE}/types/{kind}", status=400)


async def test_a_changed_encryption_keeps_what_is_sent_empty(ground: Ground) -> None:
    """gophercloud sends every field: "" and 0 where nothing is set."""
    kind = await _type(ground, "changed")
    path = f"{BASE}/types/{kind}/encryption"
    made = {"provider": "luks", "cipher": "aes-xts-plain64", "key_size": 256}
    key = (await ground.admin.post(path, {"encryption": made}, 200))["encryption"]["encryption_id"]
    sent = {"provider": "", "cipher": "", "key_size": 0}
    changed = {"encryption": {**sent, "control_location": "back-end"}}
    answer = await ground.admin("PUT", f"{path}/{key}", changed, status=200)
    assert answer.json()["encryption"] == {"control_location": "back-end"}
    shown = await ground.admin.get(path)
    assert {name: shown[name] for name in made} == made
    assert shown["control_location"] == "back-end"
    await ground.admin("PUT", f"{path}/{key}", {"encryption": sent}, status=400)
    await ground.admin("POST", path, {"encryption": {**made, "provider": ""}}, status=400)


@pytest.mark.parametrize(
    "how", [{"cipher": "aes-cbc-essiv"}, {"key_size": 128}, {"cipher": "aes-xts-essiv", "key_size": 512}]
)  # fmt: skip
async def test_a_volume_is_not_encrypted_in_another_way_than_its_type_says(
    ground: Ground, how: dict[str, object]
) -> None:
    kind = await _type(ground, "sealed")
    body = {"encryption": {"provider": "luks", **how}}
    await ground.admin.post(f"{BASE}/types/{kind}/encryption", body, 200)
    body = {"volume": {"size": 1, "volume_type": "sealed"}}
    answer = await ground.user("POST", VOLUMES, body, status=400)
    assert "encrypted by aes-xts-plain64 with 256 or 512 bits" in answer.text


async def test_services_pools_and_zones_are_listed(ground: Ground) -> None:
    services = (await ground.admin.get(f"{BASE}/os-services", headers=NEWEST))["services"]
    assert {one["binary"] for one in services} == {
        "cinder-scheduler",
        "cinder-backup",
        "cinder-volume",
    }
    assert all(one["state"] == "up" for one in services)
    pools = (await ground.admin.get(f"{BASE}/scheduler-stats/get_pools"))["pools"]
    assert [one["name"] for one in pools] == ["host-1@files#files", "host-1@files2#files2"]
    zones = (await ground.user.get(f"{BASE}/os-availability-zone"))["availabilityZoneInfo"]
    assert zones == [{"zoneName": "nova", "zoneState": {"available": True}}]
    await ground.user("GET", f"{BASE}/os-services", status=403)
    disabled = {"host": "host-1@files", "binary": "cinder-volume", "disabled_reason": "r"}
    await ground.admin("PUT", f"{BASE}/os-services/disable-log-reason", disabled, status=200)
    volume = await ground.volume()
    assert (await ground.show(volume))[HOST] == "host-1@files2#files2"
    await ground.admin("GET", f"{BASE}/resource_filters", headers=at("3.33"), status=200)
