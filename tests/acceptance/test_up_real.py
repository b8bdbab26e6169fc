"""`hanok up` for real, in a network namespace that plays the host."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from hanok.supervisor import processes
from tests.acceptance.clouds import CLI, host

pytestmark = pytest.mark.host

APIS_S, HOST_S, PSS_MIB, BOTH_MIB = 3.0, 8.0, 350, 180


def pids(cli: CLI) -> dict[str, int]:
    return {row["name"]: row["pid"] for row in cli.json("status")["processes"]}


def test_the_whole_life_of_a_real_cloud() -> None:
    with host() as cli:
        started = time.monotonic()
        cli("up")
        first_s = time.monotonic() - started
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
        started = time.monotonic()
        cli("up")
        again_s = time.monotonic() - started
        assert min(first_s, again_s) <= HOST_S, (first_s, again_s)
        assert cli.json("doctor")["left_out"] == []

        run = next(Path("/run/hanok").glob("*/"))
        assert cli.json("destroy", "--yes") == {"destroyed": True, "left": []}
        assert not cli.state.exists()
        assert not run.exists() or run.name not in str(cli.state)


def test_a_closed_state_directory_is_named(tmp_path: Path) -> None:
    with host() as cli:
        cli.state.parent.chmod(0o700)
        done = cli("up", status=1)
        assert "is closed to other users" in done.stderr
        assert done.stderr.count("\n") == 1
