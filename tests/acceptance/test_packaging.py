"""The action's step and the container's entry point, run as they are, each in a place of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import yaml

from tests.acceptance.clouds import ROOT
from tests.ports import free_port

PACKAGING = ROOT / "packaging"


def _environment(**more: str) -> dict[str, str]:
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": programs, "PYTHONPATH": str(ROOT / "src"), **more}


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/v3", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_the_action_starts_a_cloud_and_tells_later_steps_where_it_is(tmp_path: Path) -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    [step] = action["runs"]["steps"]
    assert step["run"].endswith("/packaging/action.sh")
    port, told, said = str(free_port()), tmp_path / "env", tmp_path / "output"
    env = _environment(RUNNER_TEMP=str(tmp_path), GITHUB_ENV=str(told), GITHUB_OUTPUT=str(said))
    for name, value in step["env"].items():
        requested = re.search(r"inputs\.(\w+)", value)
        assert requested is not None and requested[1] in action["inputs"]
        env[name] = port if requested[1] == "port" else action["inputs"][requested[1]]["default"]
    state = tmp_path / "hanok-cloud"
    try:
        subprocess.run([PACKAGING / "action.sh"], env=env, check=True, timeout=300)
        values = dict(line.split("=", 1) for line in told.read_text().splitlines())
        assert values == {
            "OS_CLIENT_CONFIG_FILE": f"{state}/clouds.yaml",
            "OS_CLOUD": "devstack-admin",
        }
        outputs = dict(line.split("=", 1) for line in said.read_text().splitlines())
        assert outputs["url"] == f"http://127.0.0.1:{port}" and _answers(outputs["url"])
        assert set(action["outputs"]) == set(outputs)
        client = [
            str(Path(sys.executable).with_name("openstack")),
            "network",
            "list",
            "-f",
            "value",
        ]
        found = subprocess.run(
            client, env={**env, **values}, check=True, capture_output=True, text=True
        )
        assert "private" in found.stdout
    finally:
        hanok = [sys.executable, "-m", "hanok.cli", "destroy", "--yes", "--state-dir", str(state)]
        subprocess.run(hanok, env=env, check=True, timeout=60)


def test_the_entry_point_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    hanok = programs / "hanok"  # as the wheel installs it
    hanok.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hanok.cli "$@"\n')
    hanok.chmod(0o755)
    port, state = free_port(), tmp_path / "state"
    env = _environment(
        HANOK_STATE_DIR=str(state), HANOK_PORT=str(port), HANOK_LISTEN="127.0.0.1", HANOK_HOSTS="2"
    )
    env["PATH"] = f"{programs}{os.pathsep}{env['PATH']}"
    process = subprocess.Popen([PACKAGING / "entrypoint.sh"], env=env, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while not _answers(f"http://127.0.0.1:{port}"):
            assert time.monotonic() < until and process.poll() is None
            time.sleep(0.1)
    finally:
        process.terminate()
    assert process.wait(timeout=60) == 0
    assert not _answers(f"http://127.0.0.1:{port}")
