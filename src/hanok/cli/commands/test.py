"""`hanok test`: what has to hold before a change is taken: form, lint, types, walls, tests."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from hanok.cli import packages
from hanok.cli.output import Failure, say

POSTGRES = "postgresql"
SERVERS = {
    "slapd": "/usr/sbin/slapd", "ldap-utils": "/usr/bin/ldapadd",  # a directory for tests
    "xmlsec1": "/usr/bin/xmlsec1",  # what a service provider checks signatures with
}  # fmt: skip
ON_REQUEST = {"debian": "minutes each; ./hanok test -- -m debian"}
MOST_AT_ONCE = 4  # each has clouds and databases of its own
CHECKS = (
    ("format", ("ruff", "format", "--check", "--quiet")),
    ("lint", ("ruff", "check", "--quiet")),
    ("types", ("mypy",)),
    ("walls between packages", ("lint-imports",)),
)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Runs the checks, then pytest with the arguments you add (after --)."
    parser.add_argument(
        "--quick", action="store_true", help="leave out what needs root, or takes long"
    )
    parser.add_argument("--checks", action="store_true", help="only format, lint, types, walls")
    parser.add_argument("--migration", metavar="TEXT", help="write a migration instead")
    parser.add_argument("--reference", action="store_true", help="write docs/reference instead")
    parser.add_argument("pytest", nargs="*", metavar="ARGUMENT", help="for pytest")


def run(args: argparse.Namespace) -> int:
    root = _checkout()
    if args.migration:
        command = [sys.executable, "-m", "hanok.store.new_migration", args.migration]
        return subprocess.run(command, cwd=root, env=_environment(root)).returncode
    if args.reference:
        return _write_reference(root)
    say("Checks and tests of the checkout")
    failed = [] if args.pytest else _check(root)
    if args.checks:
        return 1 if failed else 0
    left_out = _left_out(quick=args.quick)
    marks = [] if "-m" in args.pytest else [f"not {mark}" for mark in left_out]
    for mark, why in left_out.items():
        say(f"left out: tests marked {mark!r}: {why}")
    if args.pytest:
        status = _pytest(root, marks, args.pytest)
    else:
        # What plays a whole host has the machine for itself; the rest share its processors.
        cores = os.cpu_count() or 1
        # The quick run has no engines that need theirs at once: one more fills what the others wait.
        shared = ["-n", str(min(cores + args.quick, MOST_AT_ONCE)), "--dist", "loadfile"]
        if args.quick:
            shared += ["--hypothesis-profile", "quick"]
        status = _pytest(root, [*marks, *([] if "host" in left_out else ["not host"])], shared)
        if "host" not in left_out:
            status = _pytest(root, [*marks, "host"], []) or status
    if failed:
        raise Failure(f"these checks do not pass (their words are above): {', '.join(failed)}")
    return status


def _write_reference(root: Path) -> int:
    from hanok.cli import reference  # it loads every service

    folder = root / "docs" / "reference"
    folder.mkdir(exist_ok=True)
    for name, text in reference.pages().items():
        (folder / name).write_text(text)
        say(f"written: docs/reference/{name}")
    return 0


def _pytest(root: Path, marks: list[str], more: list[str]) -> int:
    """Run tests; returns how pytest ended."""
    command = [sys.executable, "-m", "pytest", "-q", *more]
    if marks:
        command += ["-m", " and ".join(marks)]
    return subprocess.run(command, cwd=root, env=_environment(root)).returncode


def _checkout() -> Path:
    place = os.environ.get("HANOK_CHECKOUT")
    if not place or not Path(place, "tests").is_dir():
        raise Failure("the tests are in the source checkout: call ./hanok test there")
    if importlib.util.find_spec("pytest") is None:
        raise Failure("this environment has no test tools: call ./hanok test in the checkout")
    return Path(place)


def _check(root: Path) -> list[str]:
    """Run every check; returns the titles of those that do not pass, after showing their words."""
    failed = []
    for number, (title, command) in enumerate(CHECKS, 1):
        started = time.monotonic()
        program = Path(sys.executable).with_name(command[0])
        done = subprocess.run(
            [program, *command[1:]],
            cwd=root,
            env=_environment(root),
            capture_output=True,
            text=True,
        )
        verdict = "fine" if done.returncode == 0 else "does not pass"
        say(f"[{number}/{len(CHECKS)}] {title}: {verdict} ({time.monotonic() - started:.1f} s)")
        if done.returncode:
            failed.append(title)
            say((done.stdout + done.stderr).rstrip())
    return failed


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
        requested += [name for name, program in SERVERS.items() if not Path(program).exists()]
        if requested:
            say(f"installing for the tests: {', '.join(requested)}")
            packages.install(requested)
    found = dict(ON_REQUEST)
    if os.geteuid() != 0:
        found["host"] = "they need root (namespaces, taps)"
    elif packages.missing() or not os.path.exists("/dev/net/tun"):
        found["host"] = "QEMU, OVN or /dev/net/tun are not here"
    if not _has_postgres():
        found["postgres"] = (
            "PostgreSQL's server programs are not here (Debian: apt install postgresql)"
        )
    return found


def _has_postgres() -> bool:
    return any(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or bool(shutil.which("initdb"))
