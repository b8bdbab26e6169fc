"""Keys are replaced while people are signed in, by several control processes that share them."""

from __future__ import annotations

import os
import time
from pathlib import Path

from hanok.services.identity import facade
from hanok.services.identity.logic.keys import Keys
from tests.cloud import Cloud

HOUR_S = 3600.0


async def test_nobody_is_signed_out(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    body = {"credential": {"type": "cert", "blob": "secret words", "user_id": admin.user_id}}
    made = (await admin.post("/v3/credentials", body))["credential"]["id"]
    for _ in range(5):
        assert await admin.post("/hanok/v1/keys/rotate", {}, 200) == {"secrets": 1}
    shown = (await admin.get(f"/v3/credentials/{made}"))["credential"]
    assert shown["blob"] == "secret words"
    member = await cloud.project_with("p", "member")
    await member("POST", "/hanok/v1/keys/rotate", {}, status=403)


async def test_keys_are_replaced_when_they_are_old(cloud: Cloud) -> None:
    database, room = cloud.control.database, cloud.identity
    admin = await cloud.sign_in()
    assert not await facade.rotate_keys_in_time(database, room)
    days = room.settings.rotate_keys_days
    aged(cloud.control.settings.state / "control" / "secret-keys", days * 24 * HOUR_S + 1)
    assert await facade.rotate_keys_in_time(database, room)
    assert not await facade.rotate_keys_in_time(database, room)
    await admin.get("/v3/auth/tokens", headers={"X-Subject-Token": admin.token})


def aged(folder: Path, by_s: float) -> None:
    for path in folder.glob("*.key"):
        then = path.stat().st_mtime - by_s
        os.utime(path, (then, then))


def test_a_key_opens_for_as_long_as_what_it_sealed_lives(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    first = keys.seal(b"first")
    keys.rotate(HOUR_S)
    second = keys.seal(b"second")
    aged(tmp_path, HOUR_S - 120)
    keys.rotate(HOUR_S)
    assert keys.open(first) == b"first"
    aged(tmp_path, 300)
    keys.rotate(HOUR_S)
    assert keys.open(first) is None  # its successor is older than an hour
    assert keys.open(second) == b"second"


def test_another_process_follows_at_once(tmp_path: Path) -> None:
    here, there = Keys(tmp_path), Keys(tmp_path)
    old = there.newest()
    here.rotate(HOUR_S)
    time.sleep(0.01)
    assert there.open(here.seal(b"x")) == b"x"
    assert there.newest() != old
    assert here.open(there.seal(b"y")) == b"y"
