"""A cloud that runs becomes another version, and goes back: what it has goes on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hanok.base.code import code
from tests.acceptance.clouds import CLI, ROOT, host, simulated
from tests.acceptance.test_backup import ask
from tests.acceptance.test_machines import ASK, machines

LATER = '"""Another version."""\n\nALTERED = True\n'


def _other(place: Path) -> Path:
    """A checkout of another version: one that has a file more."""
    (place / "src").mkdir(parents=True)
    shutil.copytree(
        ROOT / "src" / "hanok",
        place / "src" / "hanok",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for name in ("hanok", "requirements.lock", "requirements-test.lock"):
        shutil.copy(ROOT / name, place / name)
    (place / "src" / "hanok" / "base" / "another_version.py").write_text(LATER)
    return place


def _of(cli: CLI, other: Path) -> CLI:
    """The same cloud by the program of another checkout."""
    found = CLI(cli.state, cli.netns)
    found.environment = {**cli.environment, "PYTHONPATH": str(other / "src")}
    found.environment["HANOK_CHECKOUT"] = str(other)
    if cli.netns:
        found.argv = lambda *words: found.inside(  # type: ignore[method-assign]
            [str(other / "hanok"), *words, "--state-dir", str(found.state)]
        )
    return found


def _processes(cli: CLI) -> dict[str, Any]:
    return {row["name"]: row for row in cli.json("status")["processes"]}


def test_a_simulated_cloud_is_another_version(tmp_path: Path) -> None:
    other = _other(tmp_path / "other")
    with simulated() as cli:
        cli("launch")
        later = _of(cli, other)
        first = _processes(cli)["cloud"]
        checked = later.json("upgrade", "--check")
        assert not checked["changed"] and _processes(cli)["cloud"]["pid"] == first["pid"]
        told = later.json("upgrade")
        assert told["code"] != code() and told["late"] == []
        now = _processes(cli)["cloud"]
        assert now["code"] == told["code"] and now["pid"] != first["pid"]
        [server] = ask(cli, "GET", "/compute/v2.1/servers/detail")["servers"]
        assert server["status"] == "ACTIVE"
        assert cli.json("upgrade")["code"] == code()  # and back
        assert cli.json("doctor")["differences"] == []


def test_one_that_cannot_be_brought_there_is_left_alone(tmp_path: Path) -> None:
    other = _other(tmp_path / "other")
    versions = other / "src" / "hanok" / "store" / "migrations" / "versions"
    sys_path = [sys.executable, "-c", "from hanok.store import migrate; print(migrate.head())"]
    head = subprocess.run(sys_path, capture_output=True, text=True, check=True).stdout.strip()
    (versions / "2099_01_01_ffffffffffff_breaks.py").write_text(
        f'revision = "ffffffffffff"\ndown_revision = "{head}"\n\n\ndef upgrade() -> None:\n    raise ValueError\n'
    )
    with simulated() as cli:
        first = _processes(cli)["cloud"]
        refused = _of(cli, other)("upgrade", status=None)
        assert refused.returncode == 1 and "nothing was changed: ValueError" in refused.stderr
        assert _processes(cli)["cloud"]["pid"] == first["pid"]
        assert not list(cli.state.glob(".rehearsal*"))


@pytest.mark.host
@pytest.mark.slow
def test_guests_and_engines_go_on() -> None:
    with host() as cli:
        other = _other(cli.state.parent / "other")
        cli("up")
        cli("launch")
        before = _processes(cli)
        [server] = ask_inside(cli, "/compute/v2.1/servers/detail")
        guests = cli.json("status")["guests"]
        later = _of(cli, other)
        told = later.json("upgrade")
        after = _processes(cli)
        new = {"supervisor", "control", "node"}
        assert {name for name in after if after[name]["pid"] != before[name]["pid"]} == new
        assert {after[name]["code"] for name in new - {"supervisor"}} == {told["code"]}
        assert cli.json("status")["guests"].keys() == guests.keys()
        assert {one["pid"] for one in cli.json("status")["guests"].values()} == {
            one["pid"] for one in guests.values()
        }
        assert told["late"] == [] and len(cli.json("status")["machines"]) == 1
        assert ask_inside(cli, "/compute/v2.1/servers/detail")[0]["id"] == server["id"]
        assert cli.json("doctor")["differences"] == []
        assert cli.json("upgrade")["code"] == code()


@pytest.mark.host
@pytest.mark.slow
def test_machines_follow_the_first_one() -> None:
    with machines(2) as (first, second):
        other = _other(first.state.parent / "other")
        first("up", "--address", "10.77.0.1")
        second("join", first("token").stdout.strip(), "--name", "h2")
        before = _processes(second)
        refused = _of(second, other)("upgrade", status=1)
        assert "hanok upgrade there first" in refused.stderr
        assert _processes(second)["node"]["pid"] == before["node"]["pid"]
        told = _of(first, other).json("upgrade")
        assert told["late"] == ["h2"]
        shown = {one["name"]: one for one in first.json("status")["machines"]}
        assert {one["state"] for one in shown.values()} == {"up"}, "both versions work side by side"
        assert _of(second, other).json("upgrade")["code"] == told["code"]
        after = _processes(second)
        changed = {name for name in after if after[name]["pid"] != before[name]["pid"]}
        assert changed == {"supervisor", "node"}
        codes = {one["code"] for one in first.json("status")["machines"]}
        assert codes == {told["code"]}
        assert first.json("doctor")["differences"] == []


def ask_inside(cli: CLI, path: str) -> Any:
    argv = cli.inside([sys.executable, "-c", ASK, str(cli.state), "GET", path, "null"])
    environment = {**cli.environment, "PYTHONPATH": str(ROOT / "src")}
    environment.pop("HANOK_CHECKOUT", None)
    done = subprocess.run(argv, env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["servers"]
