"""Commits to SQLite that wait for the disk."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from hanok.base.errors import DatabaseAway
from hanok.store import Database

things = sa.Table("things", sa.MetaData(), sa.Column("name", sa.String(20), primary_key=True))


class Disk:
    """Whether it answers: `fdatasync` waits until it may go on, or fails."""

    def __init__(self) -> None:
        self.calls = 0
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.error: OSError | None = None
        self._really = os.fdatasync

    def __call__(self, file: int) -> None:
        self.calls += 1
        assert self.goes_on.wait(30)
        if self.error is not None:
            raise self.error
        self._really(file)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    found = Disk()
    monkeypatch.setattr(os, "fdatasync", found)
    return found


@pytest.fixture
async def database(tmp_path: Path, disk: Disk) -> AsyncIterator[Database]:
    found = Database(f"sqlite:///{tmp_path}/db")
    await found.open()
    await found.make_tables([things])
    yield found
    disk.goes_on.set()
    await found.close()


async def _write(database: Database, name: str, told: list[str]) -> None:
    async with database.write() as tx:
        await tx.insert(things, {"name": name})
        tx.after_commit(lambda: told.append(name))


async def _turns(many: int = 20) -> None:
    for _ in range(many):
        await asyncio.sleep(0.002)


async def test_all_who_wait_for_the_disk_wait_for_one_call(database: Database, disk: Disk) -> None:
    told: list[str] = []
    disk.goes_on.clear()
    before = disk.calls
    writers = [asyncio.ensure_future(_write(database, str(one), told)) for one in range(20)]
    await _turns()
    assert not told and not any(one.done() for one in writers)
    async with database.read() as tx:  # nobody else stands still meanwhile
        assert len(await tx.all(sa.select(things))) == 20
    disk.goes_on.set()
    await asyncio.gather(*writers)
    assert len(told) == 20 and disk.calls - before <= 2


async def test_what_changed_nothing_waits_for_no_disk(database: Database, disk: Disk) -> None:
    before = disk.calls
    async with database.write() as tx:
        await tx.all(sa.select(things))
    assert disk.calls == before


async def test_a_disk_that_fails_is_told_to_who_wrote(database: Database, disk: Disk) -> None:
    told: list[str] = []
    disk.error = OSError(5, "Input/output error")
    with pytest.raises(DatabaseAway):
        await _write(database, "a", told)
    assert not told
    disk.error = None
    await _write(database, "b", told)
    assert told == ["b"]


async def test_who_is_stopped_while_waiting_has_written_all_the_same(
    database: Database, disk: Disk
) -> None:
    told: list[str] = []
    disk.goes_on.clear()
    writer = asyncio.ensure_future(_write(database, "a", told))
    await _turns()
    writer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writer
    assert not told
    disk.goes_on.set()
    await _turns()
    assert told == ["a"]
