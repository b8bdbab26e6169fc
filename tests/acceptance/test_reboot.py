"""A reboot of the machine, played: every process is killed, what lived in memory is gone, the boot id is another."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

import pytest

from hanok.supervisor.settings import Cloud, load
from tests.acceptance.clouds import CLI, host

pytestmark = pytest.mark.host

STARTED_S = 300  # an emulated guest on a loaded machine

# Runs inside the cloud's network namespace: the test itself is outside.
ASK = """
import json, sys
from pathlib import Path
from hanok.cli import api
from hanok.supervisor.settings import load
client = api.API(load(Path(sys.argv[1])))
client.sign_in()
print(json.dumps(client(sys.argv[2], sys.argv[3], json.loads(sys.argv[4]))))
"""
BANNER = """
import sys
from websockets.sync.client import connect
with connect(sys.argv[1]) as line:
    print(line.recv(timeout=30)[:12].decode())
"""


def python(cli: CLI, script: str, *words: str) -> str:
    argv = cli.inside([sys.executable, "-c", script, *words])
    done = subprocess.run(argv, env=cli.environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def ask(cli: CLI, method: str, path: str, body: Any = None) -> Any:
    return json.loads(python(cli, ASK, str(cli.state), method, path, json.dumps(body)) or "null")


def status_of(cli: CLI, server_id: str) -> str:
    return str(ask(cli, "GET", f"/compute/v2.1/servers/{server_id}")["server"]["status"])


def hostname(cli: CLI, ssh: str, command: str = "cat /etc/hostname") -> str:
    """What the guest says over ssh; empty while it does not answer."""
    words = [*ssh.split(), "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=5"]
    done = subprocess.run(
        cli.inside([*words, command]), capture_output=True, text=True, timeout=120
    )
    return done.stdout.strip()


def end_of_the_world(cli: CLI, cloud: Cloud) -> None:
    status = cli.json("status")
    rows = sorted(status["processes"], key=lambda row: row["name"] != "supervisor")
    for pid in [*(row["pid"] for row in rows), *(one["pid"] for one in status["guests"].values())]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for name in (cloud.netns, f"{cloud.netns}-md"):
        subprocess.run(["ip", "netns", "del", name], check=True)
    shutil.rmtree(cloud.run)
    another = cloud.state / "node" / "another-boot"
    another.write_text("11111111-2222-3333-4444-555555555555\n")
    (cloud.state / "node-extra.toml").write_text(f'boot_id_file = "{another}"\n')


def test_after_a_reboot_guests_that_ran_run_again() -> None:
    with host() as cli:
        cli("up")
        cloud = load(cli.state)
        assert cloud is not None
        running, stopped = cli.json("launch"), cli.json("launch")
        assert running["ready"] and stopped["ready"]
        path = f"/compute/v2.1/servers/{stopped['server_id']}/action"
        ask(cli, "POST", path, {"os-stop": None})
        until = time.monotonic() + STARTED_S
        while status_of(cli, stopped["server_id"]) != "SHUTOFF":
            assert time.monotonic() < until
            time.sleep(1)

        path = f"/compute/v2.1/servers/{running['server_id']}/remote-consoles"
        requested = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
        url = ask(cli, "POST", path, requested)["remote_console"]["url"]
        token = url.partition("token%3D")[2].partition("&")[0]
        socket = cloud.url.replace("http", "ws", 1) + f"/console/socket?token={token}"
        assert python(cli, BANNER, socket) == "RFB 003.008"
        assert token not in (cloud.logs / "control.log").read_text()

        end_of_the_world(cli, cloud)
        cli("up")
        until = time.monotonic() + STARTED_S
        while hostname(cli, running["ssh"]) != running["name"]:
            assert time.monotonic() < until, cli("logs", "node").stdout[-3000:]
            time.sleep(1)
        assert status_of(cli, running["server_id"]) == "ACTIVE"
        assert status_of(cli, stopped["server_id"]) == "SHUTOFF"
        assert list(cli.json("status")["guests"]) == [running["server_id"]]
        assert cli.json("doctor")["differences"] == []
        assert cli.json("destroy", "--yes") == {"destroyed": True, "left": []}
