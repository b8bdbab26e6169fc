"""`hanok test`: what has to hold before a change is taken: form, lint, types, walls, tests."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hanok.cli import packages
from hanok.cli.output import Failure, say

POSTGRES = "postgresql"
CHROMIUM = "/usr/bin/chromium"
PROGRAMS = {
    "slapd": "/usr/sbin/slapd", "ldap-utils": "/usr/bin/ldapadd",  # a directory for tests
    "xmlsec1": "/usr/bin/xmlsec1",  # what a service provider checks signatures with
    "chromium": CHROMIUM,  # the dashboard is looked at in it
}  # fmt: skip
ON_REQUEST = {
    "debian": "minutes each; ./hanok test -- -m debian",
    "ceph": "a cluster is started for them; ./hanok test -- -m ceph",
}
FAILED_TESTS = "HANOK_FAILED_TESTS"  # tests/conftest.py writes them into the file of this name
FAILED = 1  # how pytest ends where tests failed, and nothing else went wrong
MAXIMUM_ONCE_MORE = 3  # more are no chance
MAXIMUM_AT_ONCE = 4  # each has clouds and databases of its own
GIVE_WAY = ("nice", "-n", "10")  # to guests, whose time goes on
CHECKS = (
    ("format", ("ruff", "format", "--check", "--quiet")),
    ("lint", ("ruff", "check", "--quiet")),
    ("types", ("mypy",)),
    ("walls between packages", ("lint-imports",)),
)


@dataclass(frozen=True)
class Checked:
    """How a check ended, after how many seconds, and what it said where it does not pass."""

    title: str
    passes: bool
    seconds: float
    words: str


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Runs the checks, then pytest with the arguments you add (after --)."
    parser.add_argument(
        "--quick", action="store_true", help="leave out what needs root, or takes long"
    )
    parser.add_argument("--checks", action="store_true", help="only format, lint, types, walls")
    parser.add_argument("--migration", metavar="TEXT", help="write a migration instead")
    parser.add_argument("--reference", action="store_true", help="write docs/reference instead")
    parser.add_argument("pytest", nargs="*", metavar="ARGUMENT", help="arguments for pytest")


def run(args: argparse.Namespace) -> int:
    root = _checkout()
    if args.migration:
        command = [sys.executable, "-m", "hanok.store.new_migration", args.migration]
        return subprocess.run(command, cwd=root, env=_environment(root)).returncode
    if args.reference:
        return _write_reference(root)
    say("Checks and tests of the checkout")
    if args.checks:
        return 1 if _told(_check(root)) else 0
    left_out = _left_out(quick=args.quick)
    marks = [] if "-m" in args.pytest else [f"not {mark}" for mark in left_out]
    for mark, why in left_out.items():
        say(f"left out: tests marked {mark!r}: {why}")
    if args.pytest:
        return _pytest(root, marks, args.pytest).wait()
    with ThreadPoolExecutor(1) as beside:
        checked = beside.submit(_check, root)
        status = _all(root, marks, host="host" not in left_out, quick=args.quick)
        failed = _told(checked.result())
    if failed:
        raise Failure(f"these checks do not pass (their words are above): {', '.join(failed)}")
    return status


def _all(root: Path, marks: list[str], *, host: bool, quick: bool) -> int:
    """Run all tests; returns how they ended.

    What plays a whole host waits for its guests more than it works. The rest does its work meanwhile, and makes way.
    """
    cores = os.cpu_count() or 1
    # One more fills what the others wait; with two more, CPU time that tests hold against a bound grew by a fifth.
    shared = ["-n", str(min(cores + 1, MAXIMUM_AT_ONCE)), "--dist", "loadfile"]
    shared.append("--no-loadscope-reorder")  # tests/conftest.py says what is first
    # What a test leaves is some MB: of all of them the disk would get 20 GB to write.
    shared += ["-o", "tmp_path_retention_policy=failed"]
    if quick:
        shared += ["--hypothesis-profile", "quick"]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as words:
        lists = Path(folder, "host"), Path(folder, "others")
        if not host:
            status = _pytest(root, marks, shared, failed=lists[1]).wait()
            return _once_more(root, status, lists)
        # Two would write one cache.
        alone = ["-p", "no:cacheprovider"]
        of_host = _pytest(root, [*marks, "host"], alone, words=words, failed=lists[0])
        others = _pytest(root, [*marks, "not host"], shared, first=GIVE_WAY, failed=lists[1])
        status = others.wait()
        status = max(of_host.wait(), status)
        words.seek(0)
        say("tests that play a whole host:")
        print(words.read().decode(errors="replace"), flush=True)
        return _once_more(root, status, lists)


def _once_more(root: Path, status: int, lists: Sequence[Path]) -> int:
    """Try a few tests that failed beside others once more, alone; what passes then is named (decision 0112)."""
    failed = [one for path in lists if path.exists() for one in path.read_text().splitlines()]
    if status != FAILED or not 0 < len(failed) <= MAXIMUM_ONCE_MORE:
        return status
    say(f"tests that failed are tried once more, alone: {len(failed)}")
    status = _pytest(root, [], ["-p", "no:cacheprovider", *failed]).wait()
    if status == 0:
        say("UNSTEADY, failed beside others and passed alone; the next change mends them:")
        for one in failed:
            say(f"  {one}")
    return status


def _write_reference(root: Path) -> int:
    from hanok.cli import reference  # it loads every service

    folder = root / "docs" / "reference"
    folder.mkdir(exist_ok=True)
    for name, text in reference.pages().items():
        (folder / name).write_text(text)
        say(f"written: docs/reference/{name}")
    return 0


def _pytest(
    root: Path,
    marks: list[str],
    more: list[str],
    *,
    words: IO[bytes] | None = None,
    first: Sequence[str] = (),
    failed: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Begin to run tests; whoever waits for it is told how pytest ended.

    words: where it writes; None: to the terminal. first: a command that the command is given to.
    failed: where the tests that fail are listed, a line each.
    """
    command = [*first, sys.executable, "-m", "pytest", "-q", *more]
    if marks:
        command += ["-m", " and ".join(marks)]
    env = _environment(root)
    if failed is not None:
        env[FAILED_TESTS] = str(failed)
    return subprocess.Popen(command, cwd=root, env=env, stdout=words, stderr=words)


def _checkout() -> Path:
    place = os.environ.get("HANOK_CHECKOUT")
    if not place or not Path(place, "tests").is_dir():
        raise Failure("the tests are in the source checkout: call ./hanok test there")
    if importlib.util.find_spec("pytest") is None:
        raise Failure("this environment has no test tools: call ./hanok test in the checkout")
    return Path(place)


def _check(root: Path) -> list[Checked]:
    """Run every check."""
    return [_checked(root, title, command) for title, command in CHECKS]


def _checked(root: Path, title: str, command: Sequence[str]) -> Checked:
    started = time.monotonic()
    done = subprocess.run(
        [Path(sys.executable).with_name(command[0]), *command[1:]],
        cwd=root,
        env=_environment(root),
        capture_output=True,
        text=True,
    )
    words = "" if done.returncode == 0 else (done.stdout + done.stderr).rstrip()
    return Checked(title, done.returncode == 0, time.monotonic() - started, words)


def _told(checks: list[Checked]) -> list[str]:
    """Say how the checks ended; returns the titles of those that do not pass, after showing their words."""
    for number, one in enumerate(checks, 1):
        verdict = "fine" if one.passes else "does not pass"
        say(f"[{number}/{len(checks)}] {one.title}: {verdict} ({one.seconds:.1f} s)")
        if one.words:
            say(one.words)
    return [one.title for one in checks if not one.passes]


def _environment(root: Path) -> dict[str, str]:
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}", "PATH": programs}


def _left_out(*, quick: bool) -> dict[str, str]:
    """Marks of tests that cannot run here, and why. As root on Debian, what is missing is installed first."""
    if quick:
        return {**ON_REQUEST, **dict.fromkeys(("host", "postgres", "slow"), "--quick")}
    if os.geteuid() == 0 and shutil.which("apt-get"):
        requested = packages.missing()
        if not _has_postgres():
            requested.append(POSTGRES)
        requested += [name for name, program in PROGRAMS.items() if not Path(program).exists()]
        if requested:
            say(f"installing for the tests: {', '.join(requested)}")
            packages.install(requested)
    found = dict(ON_REQUEST)
    if os.geteuid() != 0:
        found["host"] = "they need root (namespaces, taps)"
    elif packages.missing() or not os.path.exists("/dev/net/tun"):
        found["host"] = "QEMU, OVN or /dev/net/tun are not here"
    if not Path(CHROMIUM).exists():
        found["browser"] = "Chromium is not here (Debian: apt install chromium)"
    if not _has_postgres():
        found["postgres"] = (
            "PostgreSQL's server programs are not here (Debian: apt install postgresql)"
        )
    return found


def _has_postgres() -> bool:
    return any(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or bool(shutil.which("initdb"))
