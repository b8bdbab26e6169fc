"""Whose processes are whose, on a host that carries balancers, when one of them does not keep to what it was told."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.node.balancer_plans import listener, plan
from tests.ports import free_port

from hanok.commands import RemoveBalancer
from hanok.drivers.haproxy.process import HAProxy
from hanok.node import cgroups
from hanok.node.balancers import Balancers
from hanok.node.chassis import NullChassis

pytestmark = [
    pytest.mark.host,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("haproxy"), reason="needs root and haproxy"
    ),
]
NOBODIES = range(65_010, 65_012)  # user ids that nobody has


class Host:
    """A host that carries balancers on its own loopback."""

    def __init__(self, folder: Path) -> None:
        self.proxies: list[HAProxy] = []
        self.groups = cgroups.find(f"hk-users-{os.getpid()}")
        self.node = Balancers(
            folder / "state",
            folder / "run",
            NullChassis(),
            uids=NOBODIES,
            groups=self.groups,
            made=self.proxies.append,
        )
        self.others: list[subprocess.Popen[bytes]] = []

    def start(self, uid: int, balancer_id: str = "") -> subprocess.Popen[bytes]:
        """What a process that was taken over could leave behind: as its user, in its group, under another name."""
        made = subprocess.Popen(["sleep", "60"], user=uid, group=uid, extra_groups=())
        self.others.append(made)
        for tree in self.groups.trees.values() if balancer_id else ():
            group = tree.folder / self.groups.name / balancer_id
            (group / "cgroup.procs").write_text(str(made.pid))
        return made

    def owner(self) -> int:
        """The user of the proxy that was started last."""
        (found,) = {os.stat(f"/proc/{pid}").st_uid for pid in self.proxies[-1].pids()}
        return found


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    with tempfile.TemporaryDirectory(prefix="hk") as directory:
        Path(directory).chmod(0o711)
        made = Host(Path(directory))
        try:
            yield made
        finally:
            for proxy in made.proxies:
                await proxy.end()
            for one in made.others:
                one.kill()
                one.wait()
            cgroups.clear(made.groups.name)


async def test_nobody_is_a_user_whose_processes_live_on(host: Host) -> None:
    host.start(NOBODIES[0])
    await host.node.ensure(plan(listener(free_port())))
    assert host.owner() == NOBODIES[1]


async def test_what_has_ended_and_was_not_waited_for_does_nothing(host: Host) -> None:
    ended = host.start(NOBODIES[0])
    ended.kill()
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    await host.node.ensure(plan(listener(free_port())))
    assert host.owner() == NOBODIES[0]


async def test_what_a_balancer_has_started_ends_with_it(host: Host) -> None:
    if not host.groups.trees:
        pytest.skip("no control groups on this machine")
    one = plan(listener(free_port()))
    await host.node.ensure(one)
    left = host.start(host.owner(), one.balancer_id)
    await host.node.remove(RemoveBalancer(balancer_id=one.balancer_id, generation=9))
    assert left.wait(timeout=60) == -9
