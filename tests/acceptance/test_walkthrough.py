"""The course, walked with the unmodified client: against a simulated cloud, and against a real one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hanok.cli import first_things
from hanok.cli.output import Steps
from tests.acceptance.clouds import CLI, ROOT, host, simulated

WALK_S = 1200  # two cores; each client command is a process that takes a second or two to start


def walkthrough() -> Path:
    shared = Path(os.environ.get("HANOK_SHARED") or ROOT.parent / "shared")
    return shared / "acceptance" / "walkthrough"


needs_it = pytest.mark.skipif(
    not walkthrough().exists(), reason="the walkthrough is not here; HANOK_SHARED says where"
)


def walk(cli: CLI, image: Path) -> None:
    client = Path(sys.executable).with_name("openstack")
    argv = [sys.executable, str(walkthrough()), "--image", str(image), "--openstack", str(client)]
    done = subprocess.run(
        cli.inside(argv),
        env={**cli.environment, "PYTHONPATH": "", **cli.openrc()},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WALK_S,
    )
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    assert not failed, "\n".join([*failed, *done.stdout.splitlines()[-1:]])
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@needs_it
def test_the_course_on_a_simulated_cloud() -> None:
    with simulated("--region", "Seoul") as cli:
        walk(cli, cli.state / "cirros.qcow2")


@needs_it
@pytest.mark.host
def test_the_course_on_a_real_cloud() -> None:
    image = first_things.build_guest(Steps(0, to_stderr=True))
    with host() as cli:
        cli("up", "--region", "Seoul")
        walk(cli, image)


@pytest.mark.host
def test_launch_gives_an_address_that_ssh_reaches() -> None:
    with host() as cli:
        cli("up")
        found = cli.json("launch")
        assert found["ready"], found
        ssh = [*found["ssh"].split(), "-o", "UserKnownHostsFile=/dev/null", "cat /etc/hostname"]
        done = subprocess.run(cli.inside(ssh), capture_output=True, text=True, timeout=120)
        assert done.stdout.strip() == "hello", done.stderr

        # What the guest keeps is in an image of it, and another server has it from there.
        keep = [
            *found["ssh"].split(),
            "-o",
            "UserKnownHostsFile=/dev/null",
            "echo kept >kept && sync",
        ]
        subprocess.run(cli.inside(keep), check=True, capture_output=True, timeout=120)
        client = [str(Path(sys.executable).with_name("openstack"))]
        make = [
            *client,
            "server",
            "image",
            "create",
            "--wait",
            "--name",
            "kept",
            found["server_id"],
        ]
        subprocess.run(
            cli.inside(make),
            check=True,
            capture_output=True,
            timeout=120,
            env={**os.environ, **cli.openrc()},
        )
        twin = cli.json("launch", "--image", "kept", "--name", "twin")
        look = [*twin["ssh"].split(), "-o", "UserKnownHostsFile=/dev/null", "cat kept"]
        done = subprocess.run(cli.inside(look), capture_output=True, text=True, timeout=120)
        assert done.stdout.strip() == "kept", done.stderr
        assert cli.json("doctor")["differences"] == []

        # Guests and their network go on when everything else is down.
        cli("down")
        guests = sorted([found["server_id"], twin["server_id"]])
        assert sorted(cli.json("status", status=3)["guests"]) == guests
        done = subprocess.run(cli.inside(ssh), capture_output=True, text=True, timeout=120)
        assert done.stdout.strip() == "hello", done.stderr
        cli("up")
        assert sorted(cli.json("status")["guests"]) == guests
        assert cli.json("doctor")["differences"] == []
        assert cli.json("destroy", "--yes") == {"destroyed": True, "left": []}


def test_launch_on_a_simulated_cloud() -> None:
    with simulated() as cli:
        found = cli.json("launch")
        assert found["simulated"]
        assert found["ready"]
        assert cli.json("launch")["name"] == "hello-2"
        assert cli.json("doctor") == {"differences": [], "left_out": []}
