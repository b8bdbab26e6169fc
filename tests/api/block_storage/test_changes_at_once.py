"""Pairs of requests that each go well alone and not together, sent at once: one of them is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.block_storage.grounds import BASE, NEWEST, SNAPSHOTS, VOLUMES, Ground, standing
from tests.cloud import commits_take, settle

TIMES = 3
Ask = tuple[str, str, Any]


@pytest.fixture
async def ground(tmp_path: Path, database_url: str) -> AsyncIterator[Ground]:
    async with standing(tmp_path, database=database_url) as found:
        yield found


async def _at_once(ground: Ground, *asks: Ask) -> list[httpx.Response]:
    """The answers, when all is done that follows."""
    answers = await asyncio.gather(
        *(ground.user(method, path, body, headers=NEWEST) for method, path, body in asks)
    )
    assert all(one.status_code < 500 for one in answers), [one.text for one in answers]
    await settle(ground.cloud)
    return answers


def _went(answers: list[httpx.Response]) -> int:
    return len([one for one in answers if one.status_code < 300])


def _action(volume: str, name: str, value: Any = None) -> Ask:
    return "POST", f"{VOLUMES}/{volume}/action", {name: value}


def _uses(volume: str) -> dict[str, Ask]:
    """What each needs a volume that is free, and takes it."""
    return {
        "reserve": _action(volume, "os-reserve"),
        "extend": _action(volume, "os-extend", {"new_size": 2}),
        "delete": ("DELETE", f"{VOLUMES}/{volume}", None),
        "attachment": (
            "POST", f"{BASE}/attachments", {"attachment": {"volume_uuid": volume, "mode": "rw"}},
        ),
        "transfer": ("POST", f"{BASE}/volume-transfers", {"transfer": {"volume_id": volume}}),
    }  # fmt: skip


async def _free_again(ground: Ground, volume: str) -> None:
    await ground.act(volume, "os-reset_status", {"status": "available"}, client=ground.admin)


@pytest.mark.parametrize("second", ["reserve", "extend", "delete", "attachment", "transfer"])
@pytest.mark.parametrize("first", ["reserve", "extend", "delete", "attachment", "transfer"])
async def test_a_volume_that_is_free_is_taken_once(ground: Ground, first: str, second: str) -> None:
    volume = await ground.volume()
    answers = await _at_once(ground, _uses(volume)[first], _uses(volume)[second])
    if {first, second} == {"delete"}:  # what goes may be told to go again
        assert _went(answers) >= 1
    elif "extend" in (first, second):  # it ends by itself; another may find it free again
        assert 1 <= _went(answers) <= 2
    else:
        assert _went(answers) == 1, [one.text for one in answers]
    if "delete" in (first, second) and await ground.status(volume) == "gone":
        left = (await ground.admin.get(f"{BASE}/attachments?all_tenants=1", headers=NEWEST))[
            "attachments"
        ]
        assert [one for one in left if one["volume_id"] == volume] == []
    await ground.assert_clean()


async def test_words_that_are_said_of_a_volume_at_once_all_stay(ground: Ground) -> None:
    volume = await ground.volume()
    snapshot = await ground.snapshot(volume)
    names = [f"n{number}" for number in range(6)]
    for path in (f"{VOLUMES}/{volume}", f"{SNAPSHOTS}/{snapshot}"):
        await _at_once(
            ground,
            *(("POST", f"{path}/metadata", {"metadata": {name: "v"}}) for name in names),
            ("PUT", path, {path.split("/")[-2][:-1]: {"name": "new"}}),
            ("PUT", path, {path.split("/")[-2][:-1]: {"description": "said"}}),
        )
        shown = (await ground.user.get(path))[path.split("/")[-2][:-1]]
        assert shown["metadata"] == dict.fromkeys(names, "v")
        assert (shown["name"], shown["description"]) == ("new", "said")
    await _at_once(
        ground,
        *(_action(volume, "os-set_image_metadata", {"metadata": {name: "v"}}) for name in names),
    )
    assert (await ground.show(volume))["volume_image_metadata"] == dict.fromkeys(names, "v")


async def test_a_snapshot_has_a_volume(ground: Ground) -> None:
    for _ in range(TIMES):
        volume = await ground.volume()
        made, gone = await _at_once(
            ground,
            ("POST", SNAPSHOTS, {"snapshot": {"volume_id": volume}}),
            ("DELETE", f"{VOLUMES}/{volume}", None),
        )
        assert (made.status_code == 202) != (gone.status_code == 202)
        assert (await ground.status(volume) == "gone") == (gone.status_code == 202)
    await ground.assert_clean()


@pytest.mark.parametrize("made_first", [True, False], ids=["made first", "deleted first"])
async def test_a_volume_has_a_type(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, made_first: bool
) -> None:
    body = {"volume_type": {"name": "fast"}}
    kind = (await ground.admin.post(f"{BASE}/types", body, 200))["volume_type"]["id"]
    commits_take(monkeypatch, 0.05)

    async def made(after_s: float) -> int:
        await asyncio.sleep(after_s)
        requested = {"volume": {"size": 1, "volume_type": "fast"}}
        return (await ground.user("POST", VOLUMES, requested)).status_code

    async def gone(after_s: float) -> int:
        await asyncio.sleep(after_s)
        return (await ground.admin("DELETE", f"{BASE}/types/{kind}")).status_code

    first, second = (0.0, 0.01) if made_first else (0.01, 0.0)
    answers = await asyncio.gather(made(first), gone(second))
    assert sorted(answers) in ([202, 400], [202, 404]), answers
    await settle(ground.cloud)


async def test_a_transfer_is_accepted_once(ground: Ground) -> None:
    others = [await ground.cloud.project_with(name, "member") for name in ("one", "two")]
    for _ in range(TIMES):
        volume = await ground.volume()
        body = {"transfer": {"volume_id": volume}}
        made = (await ground.user.post(f"{BASE}/volume-transfers", body, 202, headers=NEWEST))[
            "transfer"
        ]
        path = f"{BASE}/volume-transfers/{made['id']}/accept"
        requested = {"accept": {"auth_key": made["auth_key"]}}
        answers = await asyncio.gather(
            *(one("POST", path, requested, headers=NEWEST) for one in others * 2)
        )
        won = [number for number, one in enumerate(answers) if one.status_code == 202]
        assert len(won) == 1
        shown = await ground.show(volume)
        assert shown["os-vol-tenant-attr:tenant_id"] == others[won[0] % 2].project_id


async def test_a_volume_is_in_one_group_or_gone(ground: Ground) -> None:
    kind = await ground.admin.post(
        f"{BASE}/group_types", {"group_type": {"name": "g"}}, 202, headers=NEWEST
    )
    types = (await ground.admin.get(f"{BASE}/types"))["volume_types"]
    body = {"group": {"group_type": kind["group_type"]["id"], "volume_types": [types[0]["id"]]}}
    groups = [
        (await ground.user.post(f"{BASE}/groups", body, 202, headers=NEWEST))["group"]["id"]
        for _ in "ab"
    ]
    await settle(ground.cloud)
    for _ in range(TIMES):
        volume = await ground.volume(volume_type=types[0]["id"])
        asks: list[Ask] = [
            ("PUT", f"{BASE}/groups/{group}", {"group": {"add_volumes": volume}})
            for group in groups
        ]
        answers = await _at_once(ground, *asks, ("DELETE", f"{VOLUMES}/{volume}", None))
        assert _went(answers) == 1, [one.text for one in answers]


async def test_a_backup_is_of_a_volume_that_is_there(ground: Ground) -> None:
    for _ in range(TIMES):
        volume = await ground.volume()
        answers = await _at_once(
            ground,
            ("POST", f"{BASE}/backups", {"backup": {"volume_id": volume}}),
            ("DELETE", f"{VOLUMES}/{volume}", None),
        )
        assert _went(answers) == 1 or await ground.status(volume) == "gone"
        for one in answers:
            assert one.status_code in (202, 400, 404)
    backups = (await ground.user.get(f"{BASE}/backups/detail"))["backups"]
    assert {one["status"] for one in backups} <= {"available"}


async def test_a_backup_does_not_go_while_one_becomes_incremental_to_it(ground: Ground) -> None:
    path = f"{BASE}/backups"
    for _ in range(TIMES):
        volume = await ground.volume()
        body = {"backup": {"volume_id": volume}}
        first = (await ground.user.post(path, body, 202))["backup"]["id"]
        await settle(ground.cloud)
        more = {"backup": {"volume_id": volume, "incremental": True}}
        answers = await _at_once(ground, ("POST", path, more), ("DELETE", f"{path}/{first}", None))
        assert _went(answers) == 1, [one.text for one in answers]
