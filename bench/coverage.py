"""How much of each API is served: the operations of `hanok routes` against a list of all there are.

`python -m bench.coverage CONTRACT_DIR` (from a checkout, with `src` on the Python path)

CONTRACT_DIR holds a file `SERVICE.tsv` a service, with the columns method, path, body_key and status. Names of path
parameters say nothing: two paths are the same when parameters stand at the same places.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from hanok.cli.commands.routes import operations
from hanok.cli.output import table

Operation = tuple[str, str, str]
REQUESTED = ("current", "unreferenced", "internal", "experimental")
"""The statuses that count as the API of today; the others are told apart from them."""


def form(method: str, path: str, body_key: str) -> Operation:
    """An operation in the form that is compared; HEAD is answered wherever GET is."""
    segments = ["{}" if part.startswith("{") else part for part in path.strip("/").split("/")]
    return "GET" if method == "HEAD" else method, "/".join(segments), body_key


def served() -> dict[str, set[Operation]]:
    """What each room serves, by the room's name as contracts write it."""
    found: dict[str, set[Operation]] = {}
    for room, method, path, body_key in operations():
        name = {"object_storage": "object-store"}.get(room, room.replace("_", "-"))
        found.setdefault(name, set()).add(form(method, path, body_key))
    return found


def _spellings(path: str) -> set[str]:
    """A path, without the project's id, which may be left out, and with the other name of its version."""
    return {
        path,
        path.replace("/v3/{project_id}", "/v3"),
        path.replace("/v1/{tenant_id}", "/v1"),
        path.replace("/v2/", "/v2.0/"),
    }


def counted(
    rows: Iterable[dict[str, str]], has: set[Operation]
) -> tuple[Counter[str], Counter[str]]:
    """Operations served and in all, by status."""
    done: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for row in rows:
        total[row["status"]] += 1
        if has & {form(row["method"], one, row["body_key"]) for one in _spellings(row["path"])}:
            done[row["status"]] += 1
    return done, total


def main() -> None:
    folder = Path(sys.argv[1])
    has = served()
    lines: list[tuple[str, Counter[str], Counter[str]]] = []
    all_done: Counter[str] = Counter()
    all_total: Counter[str] = Counter()
    for path in sorted(folder.glob("*.tsv")):
        with path.open(newline="") as file:
            reader = csv.DictReader(file, delimiter="\t")
            if not {"method", "path", "body_key", "status"} <= set(reader.fieldnames or ()):
                continue
            done, total = counted(reader, has.get(path.stem, set()))
        lines.append((path.stem, done, total))
        all_done += done
        all_total += total
    lines.append(("all", all_done, all_total))
    statuses = [*REQUESTED, *sorted(set(all_total) - set(REQUESTED))]
    print(f"served/listed; the sum is of {', '.join(REQUESTED)}\n")
    rows = [
        (name, _of(REQUESTED, done, total), *(_of([one], done, total) for one in statuses))
        for name, done, total in lines
    ]
    print(table(["Service", "Sum", *statuses], rows))


def _of(statuses: Iterable[str], done: Counter[str], total: Counter[str]) -> str:
    requested = list(statuses)
    listed = sum(total[one] for one in requested)
    return f"{sum(done[one] for one in requested)}/{listed}" if listed else ""


if __name__ == "__main__":
    main()
