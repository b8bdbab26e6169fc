"""QoS specs act on volumes; default types, filters of lists, clusters, work that is left."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hanok.commands.volumes import VolumeLimits
from hanok.services.block_storage.logic.qos_limits import limits
from tests.api.block_storage.grounds import BASE, NEWEST, VOLUMES, Ground, standing
from tests.cloud import settle

QOS = f"{BASE}/qos-specs"


@pytest.fixture
async def ground(tmp_path: Path, database_url: str) -> AsyncIterator[Ground]:
    async with standing(tmp_path, database=database_url) as ground:
        yield ground


async def specs(ground: Ground, name: str = "q", **values: str) -> str:
    body = {"qos_specs": {"name": name, **values}}
    return str((await ground.admin.post(QOS, body, 200))["qos_specs"]["id"])


async def a_type(ground: Ground, name: str) -> str:
    body = {"volume_type": {"name": name}}
    return str((await ground.admin.post(f"{BASE}/types", body, 200))["volume_type"]["id"])


async def send(ground: Ground, path: str, status: int = 202) -> str:
    answer = await ground.admin("GET", f"{QOS}/{path}", status=status)
    await settle(ground.cloud)
    return answer.text


def in_force(ground: Ground, volume: str) -> VolumeLimits:
    """What the volume's host keeps it to."""
    (host,) = ground.cloud.nodes.values()
    found = host.volumes.shelf.volumes[volume].limits
    assert isinstance(found, VolumeLimits)
    return found


async def test_they_are_kept_changed_and_deleted(ground: Ground) -> None:
    made = await specs(ground, consumer="front-end", read_iops_sec="2000", vendor="x")
    shown = await ground.admin.get(f"{QOS}/{made}")
    assert shown["qos_specs"] == {
        "id": made,
        "name": "q",
        "consumer": "front-end",
        "specs": {"read_iops_sec": "2000", "vendor": "x"},
    }
    assert shown["links"]
    body = {"qos_specs": {"read_iops_sec": "10", "consumer": "both"}}
    assert (await ground.admin("PUT", f"{QOS}/{made}", body, status=200)).json() == body
    drop = {"keys": ["vendor"]}
    await ground.admin("PUT", f"{QOS}/{made}/delete_keys", drop, status=202)
    await ground.admin("PUT", f"{QOS}/{made}/delete_keys", drop, status=404)
    (one,) = (await ground.admin.get(QOS))["qos_specs"]
    assert (one["consumer"], one["specs"]) == ("both", {"read_iops_sec": "10"})
    taken = {"qos_specs": {"name": "q"}}
    await ground.admin("POST", QOS, taken, status=409)
    await ground.user("GET", QOS, status=403)
    await ground.admin("DELETE", f"{QOS}/{made}", status=202)
    await ground.admin("GET", f"{QOS}/{made}", status=404)


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"name": " "},
        {"name": "q", "consumer": "nobody"},
        {"name": "q", "read_iops_sec": "many"},
        {"name": "q", "read_iops_sec": "-1"},
        {"name": "q", "total_iops_sec": "1", "write_iops_sec_max": "1"},
        {"name": "q", "read_bytes_sec_max": "1"},
        {"name": "q", "read_bytes_sec_max": "1", "read_bytes_sec": "2"},
        {"name": "q", "key": 1},
        {"name": "q", "k" * 256: "v"},
    ],
    ids=str,
)
async def test_what_cannot_be_kept_is_refused(ground: Ground, sent: dict[str, Any]) -> None:
    await ground.admin("POST", QOS, {"qos_specs": sent}, status=400)
    assert (await ground.admin.get(QOS))["qos_specs"] == []


async def test_they_act_on_the_volumes_of_their_types(ground: Ground) -> None:
    kind = await a_type(ground, "slow")
    made = await specs(ground, total_iops_sec="100", read_bytes_sec_per_gb="10")
    before = await ground.volume(3, volume_type="slow")
    assert in_force(ground, before) == VolumeLimits()
    await send(ground, f"{made}/associate?vol_type_id={kind}")
    expected = VolumeLimits(total_operations=100, read_bytes=30)
    assert in_force(ground, before) == expected
    assert in_force(ground, await ground.volume(3, volume_type="slow")) == expected
    await ground.act(before, "os-extend", {"new_size": 4})
    assert in_force(ground, before).read_bytes == 40
    body = {"qos_specs": {"total_iops_sec": "50"}}
    await ground.admin("PUT", f"{QOS}/{made}", body, status=200)
    await settle(ground.cloud)
    assert in_force(ground, before).total_operations == 50
    listed = (await ground.admin.get(f"{QOS}/{made}/associations"))["qos_associations"]
    assert listed == [{"association_type": "volume_type", "name": "slow", "id": kind}]
    other = await specs(ground, "r")
    text = await send(ground, f"{other}/associate?vol_type_id={kind}", 400)
    assert "already associated with another qos specs" in text
    answer = await ground.admin("DELETE", f"{QOS}/{made}", status=400)
    assert "still associated with entities" in answer.text
    await send(ground, f"{made}/disassociate_all")
    assert in_force(ground, before) == VolumeLimits()
    await send(ground, f"{made}/associate?vol_type_id={kind}")
    await send(ground, f"{made}/disassociate?vol_type_id={kind}")
    await send(ground, f"{made}/associate?vol_type_id={kind}")
    await ground.admin("DELETE", f"{QOS}/{made}?force=true", status=202)
    await settle(ground.cloud)
    assert in_force(ground, before) == VolumeLimits()
    assert (await ground.admin.get(f"{BASE}/types/{kind}"))["volume_type"]["qos_specs_id"] is None
    await send(ground, f"{other}/associate", 400)
    await send(ground, f"{other}/associate?vol_type_id=x", 404)
    await ground.assert_clean()


def test_what_grows_has_a_least() -> None:
    found = {"total_iops_sec_per_gb": "2", "total_iops_sec_per_gb_min": "50"}
    assert limits(found, 10).total_operations == 50
    assert limits(found, 100).total_operations == 200
    assert limits({"odd": "1", "read_iops_sec": "x"}, 1) == VolumeLimits()


async def test_a_project_has_a_default_type(ground: Ground) -> None:
    kind, path = await a_type(ground, "mine"), f"{BASE}/default-types"
    mine = f"{path}/{ground.user.project_id}"
    await ground.admin("GET", mine, headers=NEWEST, status=404)
    body = {"default_type": {"volume_type": "mine"}}
    said = {"project_id": ground.user.project_id, "volume_type_id": kind}
    answer = await ground.admin("PUT", mine, body, headers=NEWEST, status=200)
    assert answer.json() == {"default_type": said}
    assert await ground.admin.get(mine, headers=NEWEST) == {"default_type": said}
    assert await ground.admin.get(path, headers=NEWEST) == {"default_types": [said]}
    shown = await ground.show(await ground.volume())
    assert shown["volume_type"] == "mine"
    default = await ground.user.get(f"{BASE}/types/default")
    assert default["volume_type"]["id"] == kind
    await ground.delete(f"{VOLUMES}/{shown['id']}")
    answer = await ground.admin("DELETE", f"{BASE}/types/{kind}", status=400)
    assert "is a default volume type" in answer.text
    await ground.user("PUT", mine, body, headers=NEWEST, status=403)
    await ground.admin("PUT", f"{path}/nobody", body, headers=NEWEST, status=400)
    odd = {"default_type": {"volume_type": "nothing"}}
    await ground.admin("PUT", mine, odd, headers=NEWEST, status=404)
    await ground.admin("DELETE", mine, headers=NEWEST, status=204)
    assert (await ground.user.get(f"{BASE}/types/default"))["volume_type"]["name"] == "__DEFAULT__"
    await ground.admin("DELETE", f"{BASE}/types/{kind}", status=202)


async def test_filters_are_listed_as_lists_take_them(ground: Ground) -> None:
    path = f"{BASE}/resource_filters"
    found = (await ground.user.get(path, headers=NEWEST))["resource_filters"]
    assert {"volume", "snapshot", "backup", "pool"} <= {one["resource"] for one in found}
    (volume,) = (await ground.user.get(f"{path}?resource=volume", headers=NEWEST))[
        "resource_filters"
    ]
    assert {"name", "status", "metadata", "bootable"} <= set(volume["filters"])
    for name in ("name", "status", "availability_zone"):
        await ground.user.get(f"{VOLUMES}?{name}=x", headers=NEWEST)


async def test_there_are_no_clusters_and_nothing_is_left(ground: Ground) -> None:
    assert (await ground.admin.get(f"{BASE}/clusters", headers=NEWEST)) == {"clusters": []}
    await ground.admin("GET", f"{BASE}/clusters/c", headers=NEWEST, status=404)
    body = {"name": "c", "binary": "cinder-volume"}
    await ground.admin("PUT", f"{BASE}/clusters/enable", body, headers=NEWEST, status=404)
    await ground.user("GET", f"{BASE}/clusters", headers=NEWEST, status=403)
    answer = await ground.admin("POST", f"{BASE}/workers/cleanup", {}, headers=NEWEST, status=202)
    assert answer.json() == {"cleaning": [], "unavailable": []}
