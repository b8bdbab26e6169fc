"""A second machine that answers the APIs, played by namespaces: joined, used, killed in turn, and taken away again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hanok.base.authority import TLSFolder
from hanok.supervisor.settings import Cloud
from tests.acceptance.clouds import CLI
from tests.acceptance.test_machines import ask, cloud_of, machines, python, server_on, settled

pytestmark = pytest.mark.host

WITHIN_S = 5.0
# Makes networks at an address until its input ends, each with a connection of its own; says which were answered.
LOAD = """
import http.client, json, select, ssl, sys, time
from pathlib import Path
from hanok.cli import api
from hanok.cli.output import Failure
from hanok.supervisor.settings import load
cloud = load(Path(sys.argv[1]))
client = api.API(cloud)
client.sign_in()
client("PUT", f"/network/v2.0/quotas/{client.project_id}", {"quota": {"network": -1}})
print("begins", flush=True)
made, failed, gap, last = [], [], 0.0, time.monotonic()
while not select.select([sys.stdin], [], [], 0.02)[0]:
    try:
        body = {"network": {"name": "load"}}
        made.append(client.post("/network/v2.0/networks", body)["network"]["id"])
    except (Failure, api.Refused) as error:
        failed.append(str(error))
        continue
    now = time.monotonic()
    gap, last = max(gap, now - last), now
gap = max(gap, time.monotonic() - last)
print(json.dumps({"made": made, "failed": failed, "gap_s": gap}))
"""
# What an image, an object and the differences are, asked at one machine; a size and a hash are enough.
BYTES = """
import hashlib, json, sys
from pathlib import Path
from hanok.cli import api
from hanok.supervisor.settings import load
cloud = load(Path(sys.argv[1]))
client = api.API(cloud)
client.sign_in()
image = client.get("/image/v2/images")["images"][0]
line = api.line(cloud, timeout_s=60)
line.request("GET", f"/image/v2/images/{image['id']}/file", headers={"X-Auth-Token": client._token})
body = line.getresponse().read()
if sys.argv[2] == "write":
    client.objects("PUT", "/kept")
    client.objects("PUT", "/kept/one", b"x" * 3_000_000)
print(json.dumps([hashlib.md5(body).hexdigest() == image["checksum"], client.objects("GET", "/kept")[0]["bytes"]]))
"""
# Whether a controller's files open the rows, the network's database and the messages.
OPENS = """
import asyncio, json, subprocess, sys
from pathlib import Path
import nats
from hanok.base.authority import TLSFolder, client_context
from hanok.base.errors import HanokError
from hanok.store import server
folder, database, northbound, messages = TLSFolder(Path(sys.argv[1])), *sys.argv[2:]
async def rows():
    try:
        await server.reach(database)
        return True
    except HanokError:
        return False
async def bus():
    try:
        line = await nats.connect(messages, tls=client_context(folder), allow_reconnect=False, connect_timeout=5)
        await line.flush(timeout=5)
        await line.close()
        return True
    except Exception:
        return False
def network():
    words = ["ovn-nbctl", "--timeout=5", "--no-leader-only", f"--db={northbound}",
             f"--private-key={folder.key}", f"--certificate={folder.southbound}",
             f"--ca-cert={folder.authority}", "show"]
    return subprocess.run(words, capture_output=True).returncode == 0
print(json.dumps([asyncio.run(rows()), network(), asyncio.run(bus())]))
"""


@contextmanager
def load_at(cli: CLI) -> Iterator[dict[str, Any]]:
    """Networks are made at a machine while the block runs; then, which were answered and how long nothing was."""
    argv = cli.inside([sys.executable, "-c", LOAD, str(cli.state)])
    pipe, found = subprocess.PIPE, dict[str, Any]()
    env = cli.environment
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, env=env) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begins\n"
        yield found
        told, _ = process.communicate("\n", timeout=60)
        found |= json.loads(told)


def kill(cli: CLI, name: str) -> None:
    rows = cli.json("status", status=None)["processes"]
    os.kill(next(one["pid"] for one in rows if one["name"] == name), signal.SIGKILL)


def opens(cli: CLI, cloud: Cloud, files: Path) -> list[bool]:
    """What a controller's files are good for: the rows, the network, the messages."""
    tls, nats = TLSFolder(files), cloud.settings.nats_port
    rows = (
        f"postgresql://hanok@10.77.0.1/hanok?sslmode=verify-full&sslrootcert={tls.authority}"
        f"&sslcert={tls.southbound}&sslkey={tls.key}"
    )
    network = f"ssl:10.77.0.1:{cloud.northbound_port}"
    found: list[bool] = python(cli, OPENS, str(files), rows, network, f"tls://10.77.0.1:{nats}")
    return found


def test_a_second_machine_answers_for_a_cloud_and_the_cloud_goes_on_when_one_of_both_is_killed() -> (
    None
):
    with machines(2) as (first, second):
        first("up", "--address", "10.77.0.1")
        cloud = cloud_of(first)
        roles = ("--roles", "controller,compute")
        assert "hanok grow database" in first("token", *roles, status=1).stderr
        first("grow", "database")
        token = first("token").stdout.strip()
        refused = second("join", token, "--name", "h2", *roles, status=1)
        assert "not one for a controller" in refused.stderr
        second("join", first("token", *roles).stdout.strip(), "--name", "h2", *roles)
        shown = {one["name"]: one["roles"] for one in second.json("host", "list")["hosts"]}
        assert shown["h2"] == ["controller", "compute"] and cloud.host_name in shown

        network = ask(second, "POST", "/network/v2.0/networks", {"network": {"name": "n"}})
        network_id = network["network"]["id"]
        subnet = {"network_id": network_id, "cidr": "10.9.0.0/24", "ip_version": 4}
        ask(second, "POST", "/network/v2.0/subnets", {"subnet": subnet})
        servers = [server_on(second, host, network_id) for host in ("h2", cloud.host_name)]
        for server in servers:
            assert settled(first, server)["status"] == "ACTIVE"
        assert python(second, BYTES, str(second.state), "write") == [True, 3_000_000]
        assert python(first, BYTES, str(first.state), "read") == [True, 3_000_000]
        assert second.json("doctor")["differences"] == []

        answered = []
        for cli in (first, second):
            told = cli.json("grow", "controllers")
            assert sorted(told["behind"]) == sorted([cloud.host_name, "h2"])
        for cli in (first, second):
            with load_at(first) as load:
                time.sleep(1)
                kill(cli, "control")
                time.sleep(2)
            assert load["gap_s"] < WITHIN_S, load
            answered += load["made"]
        there = ask(first, "GET", "/network/v2.0/networks?name=load")["networks"]
        assert {one["id"] for one in there} >= set(answered) and len(answered) > 20

        taken = second.state.parent / "taken"
        shutil.copytree(cloud_of(second).control_tls, taken, symlinks=True)
        for files, fit in ((taken, [True] * 3), (cloud_of(second).node_tls, [False, False, True])):
            until = (
                time.monotonic() + 60
            )  # each is tried for some seconds, which may be too few once
            while (found := opens(second, cloud, files)) != fit:
                assert time.monotonic() < until, (files, found)
        for server in servers:
            ask(second, "DELETE", f"/compute/v2.1/servers/{server}")
        until = time.monotonic() + 60
        while "refused" in (gone := remove(first)):
            assert time.monotonic() < until, gone
            time.sleep(0.5)
        until = time.monotonic() + 60
        while any(opens(second, cloud, taken)):
            assert time.monotonic() < until
        assert first.json("status")["serving"]
        assert second.json("destroy", "--yes") == {"destroyed": True, "left": []}
        assert first.json("doctor")["differences"] == []
        assert first.json("destroy", "--yes") == {"destroyed": True, "left": []}


def remove(cli: CLI) -> dict[str, str]:
    done = cli("host", "remove", "h2", status=None)
    return {"refused": done.stderr} if done.returncode else {}
