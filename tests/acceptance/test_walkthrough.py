"""The course, walked with the unmodified client: against a simulated cloud, and against a real one."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

from hanok.cli import first_things
from hanok.cli.output import Steps
from hanok.drivers.ovn import host as network
from tests.acceptance.client import OpenStack
from tests.acceptance.clouds import CLI, host, simulated
from tests.acceptance.course import Client, Course

COMMAND_S = 300  # of one command that waits for a guest, on a loaded machine


def as_programs(cli: CLI) -> Client:
    """The client, a process a command, on the host of a cloud."""
    program = str(Path(sys.executable).with_name("openstack"))
    plain = {name: value for name, value in cli.environment.items() if name != "PYTHONPATH"}

    def run(words: list[str], variables: Mapping[str, str]) -> tuple[int, str]:
        terminal, other = pty.openpty()  # else the client reads an image from its standard input
        try:
            done = subprocess.run(
                cli.inside([program, *words]),
                env={**plain, **variables},
                stdin=other,
                capture_output=True,
                text=True,
                timeout=COMMAND_S,
            )
        finally:
            os.close(terminal)
            os.close(other)
        return done.returncode, done.stdout if done.returncode == 0 else done.stdout + done.stderr

    return run


def in_this_process(words: list[str], variables: Mapping[str, str]) -> tuple[int, str]:
    client = OpenStack(dict(variables), "openstack.compute.v2")
    return client.ended(*words)


@pytest.mark.filterwarnings("ignore")  # what the client warns of is its own future
def test_the_course_on_a_simulated_cloud() -> None:
    with simulated("--region", "Seoul") as cli:
        image = cli.state / "cirros.qcow2"
        pause = partial(time.sleep, 0.1)
        Course(in_this_process, cli.openrc(), image, pause).walk()


@pytest.mark.host
def test_the_course_on_a_real_cloud() -> None:
    image = first_things.build_guest(Steps(0, to_stderr=True))
    with host() as cli:
        cli("up", "--region", "Seoul")
        Course(as_programs(cli), cli.openrc(), image, partial(time.sleep, 1)).walk()


def ways(cli: CLI, address: str) -> None:
    """What is said of a packet's way is what OVN's own flows do with it."""
    for source, destination, reaches in (
        ("outside", f"{address}:22", True),
        ("outside", f"{address}:80", False),
        ("hello", "twin:80", True),
        ("hello", "203.0.113.9:443", True),
        ("twin", address, True),
        ("twin", f"{address}:80", False),
    ):
        found = cli.json("why", source, destination, status=0 if reaches else 1)
        assert found["reaches"] is reaches, found
        assert (found["steps"][-1]["at"], found["steps"][-1]["passes"]) == ("OVN", True), found


def from_the_lan(cli: CLI, ssh: str) -> None:
    """A machine beside the host reaches the server by its floating IP and by a port of the host, once it may."""
    words, address = ssh.split()[:-1], ssh.rpartition("@")[2]
    neighbour = f"{cli.netns}-lan"
    for line in (
        f"netns add {neighbour}",
        f"-n {cli.netns} link add lan0 type veth peer name eth0 netns {neighbour}",
        f"-n {cli.netns} addr add 192.0.2.1/24 dev lan0",
        f"-n {cli.netns} link set lan0 up",
        f"-n {neighbour} addr add 192.0.2.2/24 dev eth0",
        f"-n {neighbour} link set eth0 up",
        f"-n {neighbour} route add default via 192.0.2.1",
    ):
        subprocess.run(["ip", *line.split()], check=True)
    beside = ["ip", "netns", "exec", neighbour]
    # As network cards are; these are not, and the userspace datapath passes on what it gets.
    asyncio.run(network.inside(neighbour, lambda: network.finish_checksums("eth0")))
    try:
        for wrong, said in (
            (
                ("--expose-lan", "lan7"),
                "a network device of this host that leads to a LAN, not 'lan7'; there is: lan0",
            ),
            (("--forward", "2222:nobody:22"), "there is no server 'nobody'"),
            (("--forward", "5000:hello:22"), "port 5000 is this cloud's own"),
            (("--forward", "2222:22"), "--forward must be PORT:SERVER:PORT"),
        ):
            assert said in cli("up", *wrong, status=1).stderr
        listener = cli.inside([sys.executable, "-c", TAKES_A_PORT])
        with subprocess.Popen(
            listener, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as taker:
            assert taker.stdout is not None
            port = taker.stdout.readline().strip()
            assert (
                f"port {port} of this host is taken"
                in cli("up", "--forward", f"{port}:hello:22", status=1).stderr
            )
        assert (
            cli.json("up", "--expose-lan", "lan0", "--forward", "2222:hello:22")["expose_lan"]
            == "lan0"
        )
        for to in (["-p", "22", f"cirros@{address}"], ["-p", "2222", "cirros@192.0.2.1"]):
            look = [*beside, *words, "-o", "UserKnownHostsFile=/dev/null", *to, "cat /etc/hostname"]
            done = subprocess.run(look, capture_output=True, text=True, timeout=120)
            assert done.stdout.strip() == "hello", done.stderr
        found = cli.json("up", "--no-expose-lan", "--no-forward", "--no-snat")
        assert (found["snat"], found["expose_lan"], found["forwards"]) == (False, "", [])
        table = subprocess.run(
            cli.inside(["nft", "list", "tables"]), capture_output=True, text=True
        )
        assert table.stdout == ""
        assert cli.json("up", "--snat")["snat"]
    finally:
        subprocess.run(["ip", "netns", "del", neighbour], check=True)


TAKES_A_PORT = "import socket; s = socket.create_server(('', 0)); print(s.getsockname()[1], flush=True); input()"


@pytest.mark.host
def test_launch_gives_an_address_that_ssh_reaches() -> None:
    with host() as cli:
        cli("up")
        found = cli.json("launch")
        assert found["ready"], found
        ssh = [*found["ssh"].split(), "-o", "UserKnownHostsFile=/dev/null", "cat /etc/hostname"]
        done = subprocess.run(cli.inside(ssh), capture_output=True, text=True, timeout=120)
        assert done.stdout.strip() == "hello", done.stderr
        from_the_lan(cli, found["ssh"])

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
        ways(cli, found["ssh"].rpartition("@")[2])

        # Guests and their network go on when everything else is down.
        cli("down")
        assert cli.json("doctor", status=None)["differences"] == []
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
        assert cli.json("doctor") == {"differences": [], "services_off": {}, "left_out": []}
        cli("services", "disable", "compute")
        off = {"compute": "by an operator"}
        assert cli.json("status")["services_off"] == cli.json("doctor")["services_off"] == off
        assert {one["name"] for one in cli.json("status")["services"]} >= {"ovn-controller"}
