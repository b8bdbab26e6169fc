"""Keys are rows: replaced while people are signed in, by several control processes that share a database."""

from __future__ import annotations

import os
import stat
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet

from hanok.base.clock import Clock, MovableClock
from hanok.base.cloud_key import CloudKey
from hanok.base.errors import Unavailable
from hanok.services.identity import facade
from hanok.services.identity.logic.keys import SETTLE_S, Keys
from hanok.services.identity.tables import sealing_keys
from tests.cloud import Cloud, running

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
    older = room.clock.now() - timedelta(days=room.settings.rotate_keys_days, seconds=1)
    async with database.write() as tx:
        await tx.execute(sealing_keys.update().values(made_at=older))
    for keys in (room.secrets, room.tokens.keys):
        keys._keys = ()  # as a process that has just started
    await facade.follow_keys(database, room)
    assert await facade.rotate_keys_in_time(database, room)
    assert not await facade.rotate_keys_in_time(database, room)
    await admin.get("/v3/auth/tokens", headers={"X-Subject-Token": admin.token})


async def a_process(cloud: Cloud, clock: MovableClock, key: CloudKey) -> Keys:
    """What another control process has of the keys for something new."""
    keys = Keys("toy", key, clock, lambda: None)
    async with cloud.control.database.write() as tx:
        await keys.prepare(tx, Path("/nonexistent"))
    return keys


async def test_a_key_opens_for_as_long_as_what_it_sealed_lives(
    cloud: Cloud, tmp_path: Path
) -> None:
    clock, database = MovableClock(), cloud.control.database
    keys = await a_process(cloud, clock, CloudKey(tmp_path / "key"))
    first = keys.seal(b"first")
    await keys.rotate(database, HOUR_S)
    clock.move(SETTLE_S)
    second = keys.seal(b"second")
    clock.move(HOUR_S - 150)
    await keys.rotate(database, HOUR_S)
    assert keys.open(first) == b"first"
    clock.move(300)
    await keys.rotate(database, HOUR_S)
    assert keys.open(first) is None  # its successor is older than an hour
    assert keys.open(second) == b"second"


async def test_another_process_learns_of_a_key_by_what_it_cannot_open(
    cloud: Cloud, tmp_path: Path
) -> None:
    clock, database, key = MovableClock(), cloud.control.database, CloudKey(tmp_path / "key")
    here, there = [await a_process(cloud, clock, key) for _ in range(2)]
    old = there.seal(b"old")
    await here.rotate(database, HOUR_S)
    assert here.open(old) == b"old"
    assert there.open(here.seal(b"new")) == b"new"  # the new key has not settled
    clock.move(SETTLE_S)
    new = here.seal(b"new")
    assert there.open(new) is None
    assert await there.look(database)
    assert there.open(new) == b"new"
    assert not await there.look(database)  # no statement for each forged token
    await here.rotate(database, HOUR_S)
    clock.move(1)
    assert await there.look(database)
    assert there.newest() == here.newest()


@pytest.mark.parametrize("settled", [True, False])
async def test_a_token_of_another_process_is_good_at_once(cloud: Cloud, settled: bool) -> None:
    """The other process has rotated, and its wake-up got lost."""
    database, room, clock = cloud.control.database, cloud.identity, cloud.control.clock
    tokens = room.tokens
    older = clock.now() - timedelta(seconds=SETTLE_S)
    ours = tokens.keys
    theirs = Keys("token", cloud.control.house.cloud_key, clock, lambda: None)
    async with database.read() as tx:
        await theirs.load(tx)
    await theirs.rotate(database, HOUR_S)
    if settled:
        theirs._keys = tuple(msgspec.structs.replace(key, made_at=older) for key in theirs._keys)
    else:
        ours._looked_s = clock.monotonic_s()  # somebody has just tried a forged token
    tokens.keys = theirs
    admin = await cloud.sign_in()
    tokens.keys = ours
    tokens._opened.forget(admin.token)
    await admin.get("/v3/projects")


async def test_a_key_that_another_process_may_seal_with_stays(cloud: Cloud, tmp_path: Path) -> None:
    clock, database = MovableClock(), cloud.control.database
    key = CloudKey(tmp_path / "key")
    here, slow = [await a_process(cloud, clock, key) for _ in range(2)]
    sealed = slow.seal(b"x")
    for _ in range(3):
        await here.add(database)
        await here.prune(database)
    assert here.open(sealed) == b"x"
    clock.move(91)
    await here.prune(database)
    assert here.open(sealed) is None


async def test_files_of_an_older_version_become_rows(tmp_path: Path) -> None:
    folder = tmp_path / "control" / "token-keys"
    folder.mkdir(parents=True)
    left = Fernet.generate_key()
    (folder / "000041.key").write_bytes(Fernet.generate_key())
    (folder / "000042.key").write_bytes(left)
    (tmp_path / "control" / "secret-keys").mkdir()
    async with running(tmp_path, clock=Clock()) as cloud:
        assert cloud.identity.tokens.keys.newest().name == "000042"
        assert cloud.identity.tokens.keys.open(Fernet(left).encrypt(b"x").decode()) == b"x"
        assert not folder.exists()
        key = cloud.control.settings.cloud_key
        assert stat.S_IMODE(os.stat(key).st_mode) == 0o600
        async with cloud.control.database.read() as tx:
            kept = await tx.scalars(sa.select(sealing_keys.c.sealed))
        assert not any(left.decode() in one for one in kept)
        admin = await cloud.sign_in()
    async with running(tmp_path, clock=Clock()) as cloud:
        admin.http = cloud.http
        await admin.get("/v3/projects")


async def test_a_database_without_its_clouds_key_says_so(tmp_path: Path) -> None:
    async with running(tmp_path) as cloud:
        key = cloud.control.settings.cloud_key
    key.unlink()
    with pytest.raises(Unavailable, match="cloud-key"):
        async with running(tmp_path):
            pass


async def test_processes_that_start_together_share_one_key(
    tmp_path: Path,
) -> None:
    one, other = CloudKey(tmp_path / "key"), CloudKey(tmp_path / "key")
    assert other.open(one.seal(b"x")) == b"x"
    assert one.open(other.seal(b"y")) == b"y"
    (tmp_path / "key").write_text("no key")
    with pytest.raises(Unavailable, match="cannot be used"):
        CloudKey(tmp_path / "key").seal(b"x")
