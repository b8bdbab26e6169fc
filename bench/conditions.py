"""Conditions of services' logic that no test sees both ways: `python -m bench.conditions [SERVICE …]`.

Every comparison, operand of `and` and `or`, and condition of an `if` in a copy of the checkout says how it came out, while
the tests without slow ones, hosts and PostgreSQL run. What is never worked out, or always comes out the same way, can be wrong without
a test that fails: it is listed, file by file. What is no truth value (a column of a statement) counts when it is worked out.

A cheap look at all places at once; `bench.faults` tries some of them for good.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.faults import LEFT_OUT, ROOT, SERVICES, TESTS, Source, Span, _names_something, _walked

PROBE = """
_known = set()
def outcome(place, value):
    way = "both" if not isinstance(value, (bool, type(None), int, str, bytes, tuple, list, dict, set, frozenset)) else str(bool(value))
    if (place, way) not in _known:
        _known.add((place, way))
        with open(FILE, "a") as file:
            file.write(f"{place} {way}\\n")
    return value
"""


@dataclass(frozen=True)
class Place:
    """A condition: where it stands in its file, and what it says."""

    line: int
    span: Span
    text: str


def places_of(source: Source) -> list[Place]:
    """The conditions of a file, each once."""
    found: dict[Span, Place] = {}
    for node in _walked(ast.parse(source.data)):
        for one in _conditions(node):
            text = " ".join(source.text(one).split())
            found.setdefault(source.span(one), Place(one.lineno, source.span(one), text))
    return [found[span] for span in sorted(found)]


def _conditions(node: ast.AST) -> list[ast.expr]:
    match node:
        case ast.Compare():
            return [node]
        case ast.BoolOp():
            return list(node.values)
        case ast.If() if not _names_something(node.test):
            return [node.test]
    return []


def probed(source: Source, places: Iterable[Place]) -> bytes:
    """A file whose conditions say how they come out."""
    put: list[tuple[int, int, bytes]] = []
    for place in places:
        start, end = place.span
        name = f"{source.path}:{start}-{end}"
        before = f'(__import__("hanok_conditions").outcome("{name}",('
        put += [(start, -end, before.encode()), (end, -start - (1 << 40), b")))")]
    data = source.data
    for at, _, text in sorted(put, reverse=True):
        data = data[:at] + text + data[at:]
    return data


def sources(services: Iterable[str]) -> list[Source]:
    logic = [ROOT / "src" / "hanok" / "services" / one / "logic" for one in services]
    return [Source(path.relative_to(ROOT)) for one in logic for path in sorted(one.rglob("*.py"))]


def outcomes(folder: Path, found: dict[Source, list[Place]], processes: int) -> dict[str, set[str]]:
    """By the name of each place how it came out: "True", "False", "both"."""
    copy, said = folder / "checkout", folder / "said"
    left_out = shutil.ignore_patterns(".git", ".*_cache", "__pycache__", ".hypothesis")
    shutil.copytree(ROOT, copy, ignore=left_out, symlinks=True)
    (copy / "hanok_conditions.py").write_text(PROBE.replace("FILE", repr(str(said))))
    for source, places in found.items():
        (copy / source.path).write_bytes(probed(source, places))
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider"]
    command += ["-n", str(processes), "-m", f"{LEFT_OUT} and not slow", *TESTS]
    folders = os.pathsep.join((str(copy / "src"), str(copy)))
    environment = {**os.environ, "PYTHONPATH": folders, "HANOK_CHECKOUT": str(copy)}
    subprocess.run(command, cwd=copy, env=environment, check=False)
    result: dict[str, set[str]] = defaultdict(set)
    for line in said.read_text().splitlines():
        place, _, way = line.partition(" ")
        result[place].add(way)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description="Conditions that no test sees both ways.")
    parser.add_argument("services", nargs="*", default=list(SERVICES), metavar="SERVICE")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    found = {source: places_of(source) for source in sources(arguments.services)}
    with tempfile.TemporaryDirectory(prefix="hanok-conditions-") as folder:
        ways = outcomes(Path(folder), found, arguments.processes)
    total = one_way = 0
    for source, places in found.items():
        for place in places:
            total += 1
            seen = ways.get(f"{source.path}:{place.span[0]}-{place.span[1]}", set())
            if seen != {"True", "False"} and "both" not in seen:
                one_way += 1
                print(f"{source.path}:{place.line}\t{'/'.join(seen) or 'never'}\t{place.text}")
    print(f"{one_way} of {total} conditions are not seen both ways")


if __name__ == "__main__":
    main()
