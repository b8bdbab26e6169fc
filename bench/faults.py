"""Whether the tests see what is wrong with a decision: `python -m bench.faults [--seeds N …] [SERVICE …]`.

Faults are put into the logic of services, one at a time: a comparison is turned, an operand of `and` or `or` is dropped, or
a condition never holds. Where is drawn by chance, larger files more often. All of it is done in a copy of the checkout, so
that nothing has to be taken back when this is interrupted.

First the tests run once, without any fault, and it is written down which of them come by each place; then each fault
is tried by those tests alone, until one fails. What none of them sees is tried by its service's slow tests, too. A
fault that changes nothing that anybody could notice is no fault: name it with `--equivalent`, and the next of its
service's sequence takes its place.

Wanted: of twenty, four a service, at least eighteen are seen.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[1]
SERVICES = ("identity", "image", "placement", "compute", "network")
TESTS = ("tests/api", "tests/unit", "tests/operations")
LEFT_OUT = "not host and not postgres"
LONGEST_S = 3600  # a fault may keep a test waiting for ever
FEW, AT_ONCE = 25, 400  # tests that one command names, the first time and then
TURNED: dict[type[ast.cmpop], tuple[str, ...]] = {
    ast.Eq: ("!=",), ast.NotEq: ("==",), ast.Lt: ("<=", ">"), ast.LtE: ("<", ">="), ast.Gt: (">=", "<"),
    ast.GtE: (">", "<="), ast.In: ("not in",), ast.NotIn: ("in",), ast.Is: ("is not",), ast.IsNot: ("is",),
}  # fmt: skip
OPERATOR = re.compile(rb"==|!=|<=|>=|<|>|not\s+in|is\s+not|\bin\b|\bis\b")
# Who comes by a place: a line a test, of the place's number and the test's name.
PROBE = """
import os
_known = set()
def passed(place):
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    if (place, test) not in _known:
        _known.add((place, test))
        with open(FILE, "a") as file:
            file.write(f"{place} {test}\\n")
"""
Span = tuple[int, int]


@dataclass(frozen=True)
class Fault:
    """What is written instead of the bytes of `span` in a file of the checkout.

    name: the service and the number in its sequence. whole: where the expression that it is in stands.
    """

    name: str
    path: Path
    line: int
    span: Span
    whole: Span
    text: str
    what: str

    @property
    def service(self) -> str:
        return self.path.parts[3]

    @property
    def place(self) -> str:
        return f"{self.path}:{self.whole[0]}-{self.whole[1]}"

    def put_into(self, copy: Path) -> None:
        data = (ROOT / self.path).read_bytes()
        start, end = self.span
        (copy / self.path).write_bytes(data[:start] + self.text.encode() + data[end:])

    def take_from(self, copy: Path) -> None:
        shutil.copy2(ROOT / self.path, copy / self.path)


class Source:
    """A file and where the nodes of its tree stand in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = (ROOT / path).read_bytes()
        self.starts = [0]
        for line in self.data.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))

    def span(self, node: ast.expr) -> Span:
        assert node.end_lineno is not None and node.end_col_offset is not None
        end = self.starts[node.end_lineno - 1] + node.end_col_offset
        return self.starts[node.lineno - 1] + node.col_offset, end

    def text(self, node: ast.expr) -> str:
        start, end = self.span(node)
        return self.data[start:end].decode()

    def faults(self, chance: random.Random) -> list[Fault]:
        """All places of this file, each with one fault of those that it may have."""
        found: list[Fault] = []
        for node in _walked(ast.parse(self.data)):
            match node:
                case ast.Compare():
                    found.append(self._turned(node, chance))
                case ast.BoolOp():
                    found.append(self._dropped(node, chance))
                case ast.If() if not _names_something(node.test):
                    what = f"if {self.text(node.test)} → if False"
                    found.append(self._fault(node.test, self.span(node.test), "False", what))
        return found

    def _turned(self, node: ast.Compare, chance: random.Random) -> Fault:
        number = chance.randrange(len(node.ops))
        left = [node.left, *node.comparators][number]
        between = self.span(left)[1], self.span(node.comparators[number])[0]
        found = OPERATOR.search(self.data, *between)
        assert found is not None, f"{self.path}:{node.lineno}"
        new = chance.choice(TURNED[type(node.ops[number])])
        return self._fault(node, found.span(), new, f"{self.text(node)} → {new}")

    def _dropped(self, node: ast.BoolOp, chance: random.Random) -> Fault:
        number = chance.randrange(len(node.values))
        kept = [self.text(one) for one in node.values if one is not node.values[number]]
        word = " and " if isinstance(node.op, ast.And) else " or "
        what = f"{self.text(node)} → without {self.text(node.values[number])}"
        joined = word.join(f"({one})" for one in kept)
        return self._fault(node, self.span(node), f"({joined})", what)

    def _fault(self, node: ast.expr, span: Span, text: str, what: str) -> Fault:
        whole = self.span(node)
        return Fault("", self.path, node.lineno, span, whole, text, " ".join(what.split()))


def _walked(tree: ast.AST) -> Iterator[ast.AST]:
    """A tree's nodes but for what is inside of f-strings, where nothing can be put that has quotes."""
    if not isinstance(tree, ast.JoinedStr):
        yield tree
        for node in ast.iter_child_nodes(tree):
            yield from _walked(node)


def _names_something(test: ast.expr) -> bool:
    """Whether what follows cannot do without the test, or whether it is for the type checker alone."""
    return any(
        isinstance(one, ast.NamedExpr) or (isinstance(one, ast.Name) and one.id == "TYPE_CHECKING")
        for one in ast.walk(test)
    )


def sequence(service: str, seed: int) -> Iterator[Fault]:
    """The faults of a service in the order that a seed gives; none of them twice."""
    chance = random.Random(f"{seed} {service}")
    logic = ROOT / "src" / "hanok" / "services" / service / "logic"
    paths = sorted(path.relative_to(ROOT) for path in logic.rglob("*.py"))
    sizes = [(ROOT / path).stat().st_size for path in paths]
    left = {path: Source(path).faults(chance) for path in paths}
    number = 0
    while any(left.values()):
        (path,) = chance.choices(paths, sizes)
        if left[path]:
            number += 1
            fault = left[path].pop(chance.randrange(len(left[path])))
            yield Fault(**{**vars(fault), "name": f"{service}:{number}"})


class Copy:
    """A copy of the checkout, and how its tests are run."""

    def __init__(self, folder: Path, processes: int) -> None:
        self.root = folder / "checkout"
        self.processes = processes
        self._passed = folder / "passed"
        left_out = shutil.ignore_patterns(".git", ".*_cache", "__pycache__", ".hypothesis")
        shutil.copytree(ROOT, self.root, ignore=left_out, symlinks=True)
        probe = PROBE.replace("FILE", repr(str(self._passed)))
        (self.root / "hanok_probe.py").write_text(probe)

    def passed(self, faults: Iterable[Fault]) -> dict[str, list[str]]:
        """By each place of faults the tests that come by it and do not fail; "" is the reading of the files."""
        places = {(fault.path, fault.whole) for fault in faults}
        of_files: dict[Path, set[Span]] = defaultdict(set)
        for path, whole in places:
            of_files[path].add(whole)
        for path, spans in of_files.items():
            (self.root / path).write_bytes(_probed(path, spans))
        output = self._pytest(f"{LEFT_OUT} and not slow", TESTS)
        for path in of_files:
            shutil.copy2(ROOT / path, self.root / path)
        failed = set(_failed(output))
        found: dict[str, list[str]] = defaultdict(list)
        for line in sorted(set(self._passed.read_text().splitlines())):
            place, _, test = line.partition(" ")
            if test not in failed:
                found[place].append(test)
        return found

    def caught_by(self, fault: Fault, tests: list[str], also: list[str]) -> str:
        """The first test that fails with a fault, or "" where none does."""
        fault.put_into(self.root)
        try:
            return self._caught_by(fault, tests, also)
        finally:
            fault.take_from(self.root)

    def _caught_by(self, fault: Fault, tests: list[str], also: list[str]) -> str:
        marks = f"{LEFT_OUT} and not slow"
        own = [path for kind in TESTS if (ROOT / (path := f"{kind}/{fault.service}")).exists()]
        if "" in tests:  # it is worked out when the file is read
            return self._first(marks, own) or self._first(marks, TESTS)
        tests = _spread(tests, fault) + also
        for start, end in pairwise([0, *range(FEW, len(tests), AT_ONCE), len(tests)]):
            if start < end and (by := self._first(marks, tests[start:end])):
                return by
        return self._first(f"{LEFT_OUT} and slow", own)

    def _first(self, marks: str, tests: list[str]) -> str:
        """The first of some tests that fails, or ""."""
        output = self._pytest(marks, tests, "-x")
        return next(iter(_failed(output)), "")

    def _pytest(self, marks: str, tests: Sequence[str], *more: str) -> str:
        """Run tests; returns what pytest says."""
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "--tb=no",
            "-p",
            "no:cacheprovider",
            "-m",
            marks,
        ]
        processes = self.processes if len(tests) > FEW or "::" not in tests[0] else 0
        command += ["-n", str(processes), *more, *tests]
        folders = os.pathsep.join((str(self.root / "src"), str(self.root)))
        environment = {**os.environ, "PYTHONPATH": folders, "HANOK_CHECKOUT": str(self.root)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # all is compiled once, not each time
        try:
            done = subprocess.run(
                command,
                cwd=self.root,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=LONGEST_S,
            )
        except subprocess.TimeoutExpired:
            return "FAILED (no end)"
        if done.returncode not in (0, 5) and not _failed(done.stdout):  # 5: no test has these marks
            return f"FAILED (pytest ends with {done.returncode})"
        return done.stdout


def _probed(path: Path, spans: set[Span]) -> bytes:
    """A file that says so when these expressions are worked out."""
    put: list[tuple[int, int, bytes]] = []
    for start, end in spans:
        probe = f'(__import__("hanok_probe").passed("{path}:{start}-{end}") or ('
        put += [(start, -end, probe.encode()), (end, -start - (1 << 40), b"))")]
    data = (ROOT / path).read_bytes()
    for at, _, text in sorted(put, reverse=True):
        data = data[:at] + text + data[at:]
    return data


def _spread(tests: list[str], fault: Fault) -> list[str]:
    """Tests in the order in which they are tried: the service's own first, then one case of each table before others."""
    turns: Counter[str] = Counter()
    order = []
    for test in random.Random(fault.place).sample(tests, len(tests)):
        name = test.partition("[")[0]
        key = f"/{fault.service}/" not in test, turns[name], fault.path.stem not in name
        order.append((key, test))
        turns[name] += 1
    return [test for _, test in sorted(order, key=lambda one: one[0])]


def _failed(output: str) -> list[str]:
    return re.findall(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", output, re.MULTILINE)


def _drawn(arguments: argparse.Namespace, seed: int) -> list[Fault]:
    """Which faults to try: a service's own number of them, without those that change nothing."""
    found = []
    for service in arguments.services or SERVICES:
        kept = 0
        for fault in sequence(service, seed):
            if f"{seed}:{fault.name}" not in arguments.equivalent:
                found.append(fault)
                kept += 1
            if kept == arguments.each:
                break
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Put faults into logic and see whether tests fail."
    )
    parser.add_argument("services", nargs="*", choices=[*SERVICES, []], metavar="SERVICE")
    parser.add_argument("--seeds", type=int, nargs="+", default=[random.randrange(1_000_000)])
    parser.add_argument("--each", type=int, default=4, help="faults a service")
    parser.add_argument("--processes", type=int, default=2, help="for pytest")
    parser.add_argument("--equivalent", nargs="*", default=[], metavar="SEED:SERVICE:NUMBER")
    parser.add_argument("--only", nargs="*", default=[], metavar="SEED:SERVICE:NUMBER")
    parser.add_argument("--also", nargs="*", default=[], metavar="TEST", help="tried for each, too")
    parser.add_argument("--passed", type=Path, help="keeps, or has, which tests come by each place")
    parser.add_argument("--list", action="store_true", help="say what would be tried, and end")
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    drawn = {seed: _drawn(arguments, seed) for seed in arguments.seeds}
    if arguments.list:
        for seed, faults in drawn.items():
            _show(seed, ((fault, "(not tried)") for fault in faults))
        return
    with tempfile.TemporaryDirectory(prefix="hanok-faults-") as folder:
        copy = Copy(Path(folder), arguments.processes)
        passed = _passed(copy, arguments.passed, [one for some in drawn.values() for one in some])
        for seed, faults in drawn.items():
            chosen = [
                one
                for one in faults
                if not arguments.only or f"{seed}:{one.name}" in arguments.only
            ]
            seen = _show(seed, _tried(copy, chosen, passed, arguments.also))
            print(f"{seen} of {len(chosen)} are seen\n")


def _passed(copy: Copy, kept: Path | None, faults: list[Fault]) -> Mapping[str, list[str]]:
    if kept is not None and kept.exists():
        found: dict[str, list[str]] = json.loads(kept.read_text())
        return found
    found = copy.passed(faults)
    if kept is not None:
        kept.write_text(json.dumps(found))
    return found


def _tried(
    copy: Copy, faults: Iterable[Fault], passed: Mapping[str, list[str]], also: list[str]
) -> Iterator[tuple[Fault, str]]:
    for fault in faults:
        tests = passed.get(fault.place, [])
        by = copy.caught_by(fault, tests, also)
        yield fault, by or f"**nothing** ({len(tests)} tests come by)"


def _show(seed: int, tried: Iterable[tuple[Fault, str]]) -> int:
    """A table, line by line as it comes. Gives how many are seen, where all were tried."""
    print(f"seed {seed}\n| fault | place | what | seen by |\n|---|---|---|---|")
    seen = 0
    for fault, by in tried:
        place = f"{fault.path.relative_to('src/hanok/services')}:{fault.line}"
        what = fault.what.replace("|", "\\|")
        print(f"| {fault.name} | {place} | `{what}` | {by} |", flush=True)
        seen += not by.startswith("**")
    print()
    return seen


if __name__ == "__main__":
    main()
