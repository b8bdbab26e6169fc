"""`hanok up` for real, in a network namespace that plays the host."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from hanok.supervisor import processes
from hanok.supervisor.settings import load
from tests.acceptance.clouds import CLI, ROOT, host

pytestmark = pytest.mark.host

PSS_MIB, BOTH_MIB = 350, 180


def pids(cli: CLI) -> dict[str, int]:
    return {row["name"]: row["pid"] for row in cli.json("status")["processes"]}


def test_the_whole_life_of_a_real_cloud() -> None:
    with host() as cli:
        cli("up")
        status = cli.json("status")
        assert status["serving"]
        assert all(row["state"] == "running" for row in status["processes"]), status["processes"]
        assert [one["state"] for one in status["hosts"]] == ["up"]
        memory = {row["name"]: row["pss_kib"] / 1024 for row in status["processes"]}
        assert sum(memory.values()) <= PSS_MIB, memory
        assert memory["control"] + memory["node"] <= BOTH_MIB, memory
        owners = {name: processes.owner(pid) for name, pid in pids(cli).items()}
        assert owners["control"] != 0, "the APIs never run as root"
        assert owners["nats-server"] not in (0, owners["control"])

        before = pids(cli)
        os.kill(before["supervisor"], signal.SIGKILL)
        cli("up")
        after = pids(cli)
        assert after.pop("supervisor") != before.pop("supervisor")
        assert after == before, "what runs is taken up, not started twice"

        os.kill(after["control"], signal.SIGKILL)
        cli("up")
        assert pids(cli)["control"] != after["control"]

        cli("down")
        assert all(processes.started_ticks(pid) is None for pid in after.values())
        cli("up")
        cloud = load(cli.state)
        assert cloud is not None
        # From a mount namespace that does not see the names under /run/netns, it finds the same.
        script = 'mount -t tmpfs none /run/netns && exec "$@"'
        words = [str(ROOT / "hanok"), "doctor", "--json", "--state-dir", str(cli.state)]
        elsewhere = cli.inside(["unshare", "--mount", "sh", "-c", script, "sh", *words])
        done = subprocess.run(elsewhere, env=cli.environment, capture_output=True, text=True)
        assert json.loads(done.stdout) == {"differences": [], "left_out": [], "services_off": {}}, (
            done.stderr
        )

        run = ["ip", "-n", cloud.netns, "tuntap", "add", "tapnobody", "mode", "tap"]
        subprocess.run(run, check=True)
        found = cli.json("doctor", status=1)["differences"]
        assert [(one["what"], one["mendable"]) for one in found] == [("tap", True)]
        cli("doctor", "--fix")
        assert cli.json("doctor") == {"differences": [], "left_out": [], "services_off": {}}

        assert cli.json("destroy", "--yes") == {"destroyed": True, "left": []}
        assert not cli.state.exists()
        assert not cloud.run.exists()


def test_a_closed_state_directory_is_named(tmp_path: Path) -> None:
    with host() as cli:
        cli.state.parent.chmod(0o700)
        done = cli("up", status=1)
        assert "is closed to other users" in done.stderr
        assert done.stderr.count("\n") == 1


def test_two_clouds_stand_side_by_side() -> None:
    with host() as first:
        second = CLI(first.state.with_name("second"), first.netns)
        try:
            first("up")
            assert "port 5000 is in use by" in second("up", status=1).stderr
            second("up", "--port", "5001")
            clouds = [load(first.state), load(second.state)]
            assert clouds[0] is not None
            assert clouds[1] is not None
            assert clouds[0].settings.external_cidr != clouds[1].settings.external_cidr
            assert clouds[0].control_uid != clouds[1].control_uid
            first("destroy", "--yes")
            status = second.json("status")
            assert status["serving"]
            assert all(row["state"] == "running" for row in status["processes"])
        finally:
            second("destroy", "--yes", status=None)
