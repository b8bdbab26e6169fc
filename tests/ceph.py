"""A Ceph cluster of one node for tests: monitor, manager and one OSD on a file, with keys; nothing of it is left."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hanok.base.ids import new_uuid
from tests.ports import free_port

NEEDED = ("ceph-mon", "ceph-osd", "ceph-mgr", "ceph", "rbd", "ceph-authtool", "monmaptool")
POOLS = ("volumes", "volumes2")
USER = "hanok"
UP_S = 120.0


def missing() -> str:
    """Which programs are not there."""
    return " ".join(name for name in NEEDED if shutil.which(name) is None)


@dataclass
class Cluster:
    """conf: for clients, with the user's key beside it."""

    folder: Path
    processes: list[subprocess.Popen[bytes]]

    @property
    def conf(self) -> str:
        return str(self.folder / "ceph.conf")

    def run(self, *argv: str, given: str | None = None) -> str:
        words = [argv[0], "-c", self.conf, *argv[1:]]
        done = subprocess.run(words, input=given, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout

    def ceph(self, *argv: str, given: str | None = None) -> Any:
        found = self.run("ceph", "-f", "json", *argv, given=given)
        return json.loads(found) if found.strip() else None

    def allow(self, name: str, *rights: str) -> None:
        """A user of the cluster, with its key beside the settings."""
        keyring = str(self.folder / f"{name}.keyring")
        self.run("ceph", "auth", "get-or-create", name, *rights, "-o", keyring)

    def rbd(self, *argv: str) -> str:
        return self.run("rbd", *argv)

    def daemon(self, *argv: str) -> None:
        words = [argv[0], "-c", self.conf, "-f", *argv[1:]]
        log = (self.folder / f"{argv[0]}.log").open("wb")
        with log:
            one = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
        self.processes.append(one)

    def kill(self, which: int, signum: signal.Signals = signal.SIGKILL) -> None:
        self.processes[which].send_signal(signum)


def _conf(folder: Path, mon: int) -> str:
    low = free_port()
    return f"""
[global]
fsid = {new_uuid()}
mon_host = [v2:127.0.0.1:{mon}]
mon_initial_members = a
public_network = 127.0.0.0/8
auth_allow_insecure_global_id_reclaim = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
osd_crush_chooseleaf_type = 0
osd_memory_target = 939524096
bluestore_block_size = 6442450944
run_dir = {folder}
admin_socket = {folder}/$name.asok
log_file =
log_to_stderr = true
mon_data = {folder}/mon
osd_data = {folder}/osd
mgr_data = {folder}/mgr
mgr_initial_modules =
keyring = {folder}/$name.keyring
ms_bind_port_min = {max(20000, low % 20000 + 20000)}
ms_bind_port_max = {max(20000, low % 20000 + 20000) + 60}
"""


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """It has two pools for volumes, and the user `hanok`, who may use them and nothing else."""
    folder = Path(tempfile.mkdtemp(prefix="hk-ceph-", dir="/var/tmp"))
    found = Cluster(folder, [])
    try:
        _start(found)
        yield found
    finally:
        for one in found.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(one.pid, signal.SIGKILL)
            one.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _start(found: Cluster) -> None:
    folder, port = found.folder, free_port()
    Path(found.conf).write_text(_conf(folder, port))
    for name in ("mon", "osd", "mgr"):
        (folder / name).mkdir()
    admin, mons = str(folder / "client.admin.keyring"), str(folder / "mon.a.keyring")
    every = [word for what in ("mon", "osd", "mgr") for word in ("--cap", what, "allow *")]
    tool = ["ceph-authtool", "--create-keyring", "--gen-key"]
    _tool(*tool, mons, "-n", "mon.", "--cap", "mon", "allow *")
    _tool(*tool, admin, "-n", "client.admin", *every)
    _tool("ceph-authtool", mons, "--import-keyring", admin)
    fsid = next(line.split()[2] for line in Path(found.conf).read_text().splitlines() if "fsid" in line)  # fmt: skip
    monmap = str(folder / "monmap")
    _tool("monmaptool", "--create", "--addv", "a", f"[v2:127.0.0.1:{port}]", "--fsid", fsid, monmap)  # fmt: skip
    found.run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", mons)
    found.daemon("ceph-mon", "-i", "a")
    keys = ["mon", "allow profile mgr", "osd", "allow *"]
    found.allow("mgr.x", *keys)
    found.daemon("ceph-mgr", "-i", "x")
    uuid = new_uuid()
    number = str(found.ceph("osd", "new", uuid)["osdid"])
    keys = ["mon", "allow profile osd", "mgr", "allow profile osd", "osd", "allow *"]
    found.allow(f"osd.{number}", *keys)
    found.run("ceph-osd", "-i", number, "--mkfs", "--osd-uuid", uuid)
    found.daemon("ceph-osd", "-i", number)
    for pool in POOLS:
        found.ceph("osd", "pool", "create", pool)
        found.ceph("osd", "pool", "application", "enable", pool, "rbd")
    rights = ", ".join(f"profile rbd pool={pool}" for pool in POOLS)
    keys = ["mon", "profile rbd", "osd", rights, "mgr", "profile rbd"]
    found.allow(f"client.{USER}", *keys)
    _wait(found)


def _tool(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True, timeout=60)


def _wait(found: Cluster) -> None:
    """Until data can be written and the pool's space is known."""
    ends = time.monotonic() + UP_S
    while time.monotonic() < ends:
        pools = found.ceph("df")["pools"]
        active = found.ceph("pg", "stat").get("pg_summary", {}).get("num_pg_by_state", [])
        up = any(one["name"] == "active+clean" for one in active)
        if up and sum(one["name"] in POOLS and one["stats"]["max_avail"] > 0 for one in pools) == 2:
            return
        time.sleep(0.2)
    raise AssertionError("the cluster does not come up")
