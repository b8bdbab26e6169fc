"""Records and tombstones."""

from __future__ import annotations

from pathlib import Path

import pytest

from hanok.base.clock import MovableClock
from hanok.base.ids import new_uuid
from hanok.commands import EnsureInstance
from hanok.node.errors import Late
from hanok.node.records import KEEP_TOMBSTONES_S, Record, Records, check_generation

SERVER = new_uuid()


def a_record(generation: int = 1) -> Record:
    spec = EnsureInstance(
        server_id=SERVER, generation=generation, name="a", hostname="a", project_id="p", user_id="u",
        vcpus=1, memory_mib=64, disk_gib=1, image_id=new_uuid(), image_format="raw",
    )  # fmt: skip
    return Record(server_id=SERVER, generation=generation, spec=spec)


def test_a_record_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    records = Records(tmp_path, MovableClock())
    records.save(a_record())
    records.save(a_record(2))
    assert [r.generation for r in Records(tmp_path, MovableClock()).load()] == [2]
    records.delete(SERVER)
    records.delete(SERVER)
    assert list(records.load()) == [] and records.directories() == []


def test_a_broken_record_stops_only_itself(tmp_path: Path) -> None:
    records = Records(tmp_path, MovableClock())
    records.save(a_record())
    other = records.folder(new_uuid())
    other.mkdir()
    (other / "record.json").write_text("{")
    assert [r.server_id for r in records.load()] == [SERVER]


def test_tombstones_only_rise_and_are_forgotten_in_the_end(tmp_path: Path) -> None:
    clock = MovableClock()
    records = Records(tmp_path, clock)
    records.bury(SERVER, 7)
    records.bury(SERVER, 3)
    assert records.removed_at(SERVER) == 7
    made = (records.removed / SERVER).stat().st_mtime
    clock.move(made - clock.now().timestamp() + KEEP_TOMBSTONES_S - 10)
    records.prune()
    assert records.removed_at(SERVER) == 7
    clock.move(20)
    records.prune()
    assert records.removed_at(SERVER) == -1


def test_only_ids_become_names(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a server id"):
        Records(tmp_path, MovableClock()).folder("../../etc")


def test_generations() -> None:
    check_generation(3, -1, 3)
    with pytest.raises(Late) as late:
        check_generation(2, 1, 3)
    assert late.value.known_generation == 3
