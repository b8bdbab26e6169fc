"""`hanok up --simulated` as a user meets it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import pytest

from hanok.supervisor import processes
from tests.acceptance.clouds import CLI, ROOT, simulated
from tests.ports import free_port

READY_S = 2.0
# What the cloud may take at rest, and what telemetry and load balancing may add to it.
PSS_MIB = 100 + 25 + 10


def pid_of(cli: CLI) -> int:
    return int((cli.state / "lock").read_text())


def test_the_whole_life() -> None:
    with simulated("--region", "Seoul", "--hosts", "3") as cli:
        status = cli.json("status")
        assert status["serving"]
        assert (status["region"], len(status["hosts"])) == ("Seoul", 3)
        assert status["memory_kib"] / 1024 <= PSS_MIB
        assert cli.openrc()["OS_AUTH_URL"] == status["url"]

        first = pid_of(cli)
        again = cli.json("up", "--simulated")
        assert again["url"] == status["url"]
        assert pid_of(cli) == first, "a second up starts nothing"

        cli("down")
        assert processes.started_ticks(first) is None
        assert cli("status", status=3).stdout.count("stopped")
        cli("up", "--simulated")
        assert len(cli.json("status")["hosts"]) == 3
        assert cli.json("destroy", "--yes") == {"destroyed": True, "left": []}
        assert not cli.state.exists()


@pytest.mark.parametrize("attempts", [3])
def test_it_is_ready_after_two_seconds_of_work(attempts: int, tmp_path: Path) -> None:
    """The cloud's CPU time; how long it takes on a machine is measured by `bench.boot`."""
    took = []
    for number in range(attempts):
        cli = CLI(tmp_path / str(number))
        cli("up", "--simulated", "--port", str(free_port()))
        took.append(cpu_s(pid_of(cli)))
        cli("destroy", "--yes")
    assert min(took) <= READY_S, took


def cpu_s(pid: int) -> float:
    """CPU time that a process has had so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_killed_cloud_comes_back_with_what_it_had() -> None:
    with simulated() as cli:
        os.kill(pid_of(cli), signal.SIGKILL)
        assert "does not serve" in cli("status", status=3).stdout
        url = cli.json("up", "--simulated")["url"]
        with urllib.request.urlopen(f"{url}/v3") as answer:
            assert answer.status == 200


def test_two_ups_at_once_end_in_one_cloud(tmp_path: Path) -> None:
    cli = CLI(tmp_path / "cloud")
    argv = cli.argv("up", "--simulated", "--port", str(free_port()))
    both = [
        subprocess.Popen(argv, env=cli.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         text=True)
        for _ in range(2)
    ]  # fmt: skip
    try:
        said = [one.communicate(timeout=60)[1] for one in both]
        for one, text in zip(both, said, strict=True):
            assert one.returncode == 0 or "another hanok command works on" in text, text
        assert any(one.returncode == 0 for one in both), said
        cli("up", "--simulated")
    finally:
        cli("destroy", "--yes")


def test_a_port_in_use_is_said_and_the_next_try_works(tmp_path: Path) -> None:
    cli = CLI(tmp_path / "cloud")
    with simulated() as other:
        port = other.json("status")["url"].rpartition(":")[2]
        done = cli("up", "--simulated", "--port", port, status=1)
        assert done.stderr.startswith(f"hanok: port {port} is in use by ")
        assert done.stderr.count("\n") == 1
    cli("up", "--simulated", "--port", str(free_port()))
    cli("destroy", "--yes")


def test_a_damaged_database_is_named_and_kept() -> None:
    with simulated() as cli:
        cli("down")
        database = cli.state / "control" / "hanok.db"
        for path in database.parent.glob("hanok.db*"):
            path.unlink()
        database.write_bytes(b"this is no database" * 1000)
        done = cli("up", "--simulated", status=1)
        assert "the database file is damaged" in done.stderr.lower()
        assert done.stderr.count("\n") == 1
        assert database.exists(), "nothing is thrown away"


def test_in_the_foreground_it_ends_with_a_signal(tmp_path: Path) -> None:
    cli = CLI(tmp_path / "cloud")
    argv = cli.argv("up", "--simulated", "--foreground", "--port", str(free_port()))
    with subprocess.Popen(argv, env=cli.environment, stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        while "Next:" not in (line := up.stdout.readline()):
            assert line, "it ended before it was up"
        pid = pid_of(cli)
        up.send_signal(signal.SIGTERM)
        up.stdout.read()
        assert up.wait(timeout=30) == 0
    assert processes.started_ticks(pid) is None
    cli("destroy", "--yes")


@pytest.mark.skipif(
    int(importlib.metadata.version("setuptools").partition(".")[0]) < 71,
    reason="building a wheel without the network needs setuptools 71",
)
def test_the_wheel_alone_is_enough(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "LICENSE", "README.md", "MANIFEST.in"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, source)
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "-w", str(tmp_path), str(source)], check=True, timeout=120)
    wheel = next(tmp_path.glob("hanok-*.whl"))
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "installed")
    assert _files(tmp_path / "installed" / "hanok") == _files(ROOT / "src" / "hanok")
    cli = CLI(tmp_path / "cloud")
    cli.environment["PYTHONPATH"] = str(tmp_path / "installed")
    cli("up", "--simulated", "--port", str(free_port()))
    cli("destroy", "--yes")


def _files(folder: Path) -> set[Path]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder) for path in found if "__pycache__" not in path.parts}


def _impatient(cli: CLI, silent_s: float) -> None:
    """Start again as a cloud that may leave requests unanswered for so long."""
    cli("down")
    settings = cli.state / "hanok.toml"
    lines = [line for line in settings.read_text().splitlines() if not line.startswith("silent_s")]
    settings.write_text("\n".join([*lines, f"silent_s = {silent_s}"]) + "\n")
    cli("up", "--simulated")


def test_a_cloud_that_does_not_answer_is_started_again() -> None:
    with simulated() as cli:
        _impatient(cli, 2.0)
        first = pid_of(cli)
        os.kill(first, signal.SIGSTOP)
        assert "does not answer" in cli("status", status=3).stdout
        until = time.monotonic() + 60
        while time.monotonic() < until and not cli.json("status", status=None)["serving"]:
            time.sleep(0.2)
        assert cli.json("status")["serving"]
        assert pid_of(cli) != first and processes.started_ticks(first) is None
        assert "does not answer" in cli("logs", "control").stdout


def test_down_ends_a_cloud_that_does_not_heed_sigterm() -> None:
    with simulated() as cli:
        _impatient(cli, 0)
        first = pid_of(cli)
        os.kill(first, signal.SIGSTOP)
        cli("down")
        assert processes.started_ticks(first) is None
        assert cli.json("status", status=3)["processes"][0]["state"] == "stopped"


def _types_of_shares(url: str, token: str) -> set[str]:
    """The names of the types that a user of the layout sees, of shares and of their groups."""
    headers = {"X-Auth-Token": token, "X-OpenStack-Manila-API-Version": "2.55"}

    def named(path: str, plural: str) -> list[str]:
        requested = urllib.request.Request(f"{url}/share/v2/{path}", headers=headers)
        with urllib.request.urlopen(requested, timeout=60) as answer:
            return [one["name"] for one in json.load(answer)[plural]]

    groups = [f"of groups: {name}" for name in named("share-group-types", "share_group_types")]
    return {*named("types", "share_types"), *groups}


def test_a_layout_makes_what_suites_look_for_and_can_be_repeated() -> None:
    with simulated("--layout", "devstack") as cli:
        cli("up", "--simulated", "--layout", "devstack")
        cli("up", "--simulated")
        file = cli.state / "clouds.yaml"
        clouds = json.loads(file.read_text().partition("\n")[2])["clouds"]
        assert {"hanok", "devstack", "devstack-admin", "devstack-alt"} <= set(clouds)

        def demo(*words: str) -> Any:
            env = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(file), "OS_CLOUD": "devstack"}
            program = Path(sys.executable).with_name("openstack")
            done = subprocess.run([program, *words, "-f", "json"], env=env, capture_output=True)
            assert done.returncode == 0, done.stderr.decode()
            return json.loads(done.stdout)

        assert {one["Name"] for one in demo("network", "list")} == {"private", "public"}
        assert demo("router", "show", "router1")["external_gateway_info"] is not None
        names = {one["Name"] for one in demo("subnet", "list")}
        assert {"private-subnet", "ipv6-private-subnet"} <= names
        flavors = {one["ID"]: one["Name"] for one in demo("flavor", "list")}
        assert flavors["42"] == "m1.nano" and flavors["d4"] == "ds4G" and len(flavors) == 12
        absolute = {one["Name"]: one["Value"] for one in demo("limits", "show", "--absolute")}
        assert absolute["total_ram"] == 51200
        kinds = {one["Name"] for one in demo("volume", "type", "list")}
        assert kinds == {"__DEFAULT__", "lvmdriver-1"}
        usual = [one["Name"] for one in demo("volume", "type", "list", "--default")]
        assert usual == ["lvmdriver-1"]
        assert {"block-storage", "volumev3"} <= {one["Type"] for one in demo("catalog", "list")}
        url, token = clouds["devstack"]["auth"]["auth_url"], demo("token", "issue")["id"]
        assert _types_of_shares(url, token) == {
            "default",
            "dhss_false",
            "dhss_true",
            "of groups: default",
        }
        image = "cirros-0.6.3-x86_64-disk"
        assert demo("image", "show", image)["status"] == "active"
        wish = ("--image", image, "--flavor", "m1.nano", "--network", "private")
        server = demo("server", "create", "s", *wish, "--wait")
        assert server["status"] == "ACTIVE"
