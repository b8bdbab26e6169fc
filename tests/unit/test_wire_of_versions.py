"""What hosts and control say to each other, the version before understands: nothing that is sent goes away or changes.

`wire_of_versions.json` is what has been said so far; `python -m tests.unit.test_wire_of_versions` adds what is new to
it, and never takes anything out.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from hanok.commands import Failed, wire
from hanok.commands.all_of_them import COMMAND_TYPES, Answer
from hanok.commands.messages import (
    GuestsQuestion,
    HostState,
    InstanceChanged,
    MetadataDocument,
    MetadataQuestion,
    OwnGuests,
)
from hanok.node.replies import handle

FILE = Path(__file__).with_suffix(".json").with_name("wire_of_versions.json")
SPOKEN = (
    *(COMMAND_TYPES, Answer, HostState, InstanceChanged, GuestsQuestion, OwnGuests),
    *(MetadataQuestion, MetadataDocument),
)

Shapes = dict[str, dict[str, Any]]


def spoken(kinds: tuple[Any, ...] = SPOKEN) -> Shapes:
    """Every structure that goes over the bus: its fields with their types, and whether they must be there."""
    _, found = msgspec.json.schema_components(kinds, ref_template="{name}")
    return {
        name: {
            "fields": {
                one: {key: value for key, value in what.items() if key != "default"}
                for one, what in said.get("properties", {}).items()
            },
            "required": sorted(said.get("required", [])),
        }
        for name, said in sorted(found.items())
    }


def broken(before: Shapes, now: Shapes) -> list[str]:
    """What one of two versions side by side would not understand of the other."""
    found = [f"{name} is gone" for name in before if name not in now]
    for name in before.keys() & now.keys():
        old, new = before[name], now[name]
        for field, what in old["fields"].items():
            if field not in new["fields"]:
                found.append(f"{name}.{field} is gone")
            elif not _takes(what, new["fields"][field]):
                found.append(f"{name}.{field} is another type")
        for field in set(new["required"]) ^ set(old["required"]):
            found.append(f"{name}.{field} is required by one of them only")
    return sorted(found)


def _takes(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether all that was said may still be said; more kinds of it may come."""
    if old == new:
        return True
    if "enum" in old and "enum" in new:
        return set(map(str, old["enum"])) <= set(map(str, new["enum"]))
    if "anyOf" in new:
        return all(one in new["anyOf"] for one in old.get("anyOf", [old]))
    return False


def test_the_version_before_understands_all_that_is_said() -> None:
    known, now = json.loads(FILE.read_text()), json.loads(json.dumps(spoken()))
    assert broken(known, now) == [], "give what is new another name, and a default"
    new = [name for name in now if known.get(name) != now[name]]
    assert new == [], "say so: python -m tests.unit.test_wire_of_versions"


class _Before(Struct, frozen=True):
    power: int
    name: str = ""


@pytest.mark.parametrize(
    ("fields", "seen"),
    [
        ({"power": int, "name": (str, "")}, []),
        ({"power": int, "name": (str, ""), "more": (int, 0)}, []),
        ({"power": int}, ["_Before.name is gone"]),
        ({"power": str, "name": (str, "")}, ["_Before.power is another type"]),
        ({"power": int, "name": (str, ""), "more": int}, ["_Before.more is required by one of them only"]),
    ],
)  # fmt: skip
def test_what_breaks_is_seen(fields: dict[str, Any], seen: list[str]) -> None:
    given = [
        (name, *(kind if isinstance(kind, tuple) else (kind,))) for name, kind in fields.items()
    ]
    given.sort(key=len)
    after = msgspec.defstruct("_Before", given)
    assert broken(spoken((_Before,)), spoken((after,))) == seen


async def test_a_command_of_a_later_version_is_refused_at_once() -> None:
    async def nothing(_command: Any) -> Any:
        raise AssertionError("it was done")

    later = msgspec.msgpack.encode({"type": "ensure_future", "request_id": "r"})
    answer = wire.decode_answer(await handle(nothing, later) or b"")
    assert isinstance(answer, Failed) and not answer.transient and "version" in answer.message


def main() -> int:
    known = json.loads(FILE.read_text()) if FILE.exists() else {}
    now = json.loads(json.dumps(spoken()))
    if wrong := broken(known, now):
        print("\n".join(wrong))
        return 1
    FILE.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
