"""Several machines, played by network namespaces on one wire: joined, used, and taken away again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hanok.base.authority import TLSFolder
from hanok.supervisor.settings import Cloud, load
from tests.acceptance.clouds import CLI, ROOT

pytestmark = pytest.mark.host

BOOTED_S = 240  # an emulated guest on a loaded machine
ASK = """
import json, sys
from pathlib import Path
from hanok.cli import api
from hanok.supervisor.settings import load
client = api.API(load(Path(sys.argv[1])))
client.sign_in()
try:
    print(json.dumps(client(sys.argv[2], sys.argv[3], json.loads(sys.argv[4]))))
except api.Refused as refused:
    print(json.dumps({"refused": refused.status, "message": refused.message}))
"""
# Speaks to the messages with a host's files: what it may say and hear.
IMPOSTOR = """
import asyncio, json, sys
from pathlib import Path
import nats
from hanok.base.authority import TLSFolder
from hanok.base.authority import client_context
async def main(url, folder, other):
    told = []
    async def note(error): told.append(str(error))
    try:
        line = await nats.connect(url, tls=client_context(TLSFolder(Path(folder))), error_cb=note,
                                  allow_reconnect=False, connect_timeout=5)
    except Exception as error:
        return {"in": False}
    for subject in (f"control.heartbeat.{other}", f"node.{other}.command", "_INBOX.control.x"):
        await line.publish(subject, b"")
    async def hear(message): pass
    for subject in (f"node.{other}.command", "_INBOX.>", f"_INBOX.host.{other}.>", ">"):
        await line.subscribe(subject, cb=hear)
    try:  # with TLS 1.3 somebody who is not let in learns it after the connection stands
        await line.flush(timeout=5)
    except Exception:
        return {"in": False}
    await asyncio.sleep(0.3)
    await line.close()
    return {"in": True, "refused": len([one for one in told if "ermissions" in one])}
print(json.dumps(asyncio.run(main(*sys.argv[1:]))))
"""


@contextmanager
def machines(count: int) -> Iterator[list[CLI]]:
    """So many machines at 10.77.0.1 and so on."""
    folder = Path(tempfile.mkdtemp(prefix="hanok-machines-", dir="/var/tmp"))
    folder.chmod(0o755)
    setup = [str(ROOT / "hanok"), "setup"]
    subprocess.run(setup, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wire = f"hanok-wire-{os.getpid()}"
    names = [f"hanok-m{number}-{os.getpid()}" for number in range(1, count + 1)]
    for name in (wire, *names):
        subprocess.run(["ip", "netns", "add", name], check=True)
    found = [CLI(folder / f"cloud{number}", name) for number, name in enumerate(names, start=1)]
    try:
        ip("-n", wire, "link", "add", "br0", "type", "bridge")
        ip("-n", wire, "link", "set", "br0", "up")
        for number, name in enumerate(names, start=1):
            ip("-n", name, "link", "set", "lo", "up")
            peer = ("peer", "name", f"to{number}", "netns", wire)
            ip("-n", name, "link", "add", "eth0", "type", "veth", *peer)
            ip("-n", wire, "link", "set", f"to{number}", "master", "br0", "up")
            ip("-n", name, "addr", "add", f"10.77.0.{number}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
        yield found
    finally:
        for cli in reversed(found):
            if (cli.state / "hanok.toml").exists():
                cli("destroy", "--yes", status=None)
        for name in (*names, wire):
            subprocess.run(["ip", "netns", "del", name], check=True)
        shutil.rmtree(folder, ignore_errors=True)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def python(cli: CLI, script: str, *words: str) -> Any:
    argv = cli.inside([sys.executable, "-c", script, *words])
    done = subprocess.run(argv, env=cli.environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout or "null")


def ask(cli: CLI, method: str, path: str, body: Any = None) -> Any:
    return python(cli, ASK, str(cli.state), method, path, json.dumps(body))


def cloud_of(cli: CLI) -> Cloud:
    made = load(cli.state)
    assert made is not None
    return made


def settled(cli: CLI, server_id: str) -> dict[str, Any]:
    until = time.monotonic() + BOOTED_S
    while True:
        server: dict[str, Any] = ask(cli, "GET", f"/compute/v2.1/servers/{server_id}")["server"]
        if server["status"] != "BUILD" and not server["OS-EXT-STS:task_state"]:
            return server
        assert time.monotonic() < until, server
        time.sleep(0.5)


def act(cli: CLI, server_id: str, action: str) -> dict[str, Any]:
    ask(cli, "POST", f"/compute/v2.1/servers/{server_id}/action", {action: None})
    return settled(cli, server_id)


def banner(cli: CLI, address: str) -> bool:
    """Whether the guest at a floating IP says that it is an ssh server, by and by."""
    script = (
        "import json, socket, sys\n"
        "try:\n"
        "    with socket.create_connection((sys.argv[1], 22), 5) as line:\n"
        "        line.settimeout(10)\n"
        "        print(json.dumps(line.recv(3).decode()))\n"
        "except OSError:\n"
        "    print('null')\n"
    )
    until = time.monotonic() + BOOTED_S
    while python(cli, script, address) != "SSH":
        if time.monotonic() > until:
            return False
        time.sleep(1)
    return True


def server_on(cli: CLI, host: str, network: str) -> str:
    image = ask(cli, "GET", "/image/v2/images")["images"][0]["id"]
    flavors = ask(cli, "GET", "/compute/v2.1/flavors")["flavors"]
    flavor = next(one["id"] for one in flavors if one["name"] == "m1.nano")
    requested = {"name": f"on-{host}", "imageRef": image, "flavorRef": flavor, "host": host}
    body = {"server": requested | {"networks": [{"uuid": network}]}}
    return str(ask(cli, "POST", "/compute/v2.1/servers", body)["server"]["id"])


def network_with_a_way_out(cli: CLI) -> tuple[str, str]:
    """A network behind a router, open for ssh; and the external one."""
    path = "/network/v2.0"
    found = ask(cli, "GET", f"{path}/networks")["networks"]
    outside = next(one["id"] for one in found if one["router:external"])
    network = ask(cli, "POST", f"{path}/networks", {"network": {"name": "n"}})["network"]["id"]
    subnet = {"network_id": network, "cidr": "10.9.0.0/24", "ip_version": 4}
    subnet_id = ask(cli, "POST", f"{path}/subnets", {"subnet": subnet})["subnet"]["id"]
    router = {"name": "r", "external_gateway_info": {"network_id": outside}}
    router_id = ask(cli, "POST", f"{path}/routers", {"router": router})["router"]["id"]
    ask(cli, "PUT", f"{path}/routers/{router_id}/add_router_interface", {"subnet_id": subnet_id})
    return network, outside


def let_ssh_in(cli: CLI) -> None:
    """To servers of all projects."""
    rule = {"direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22}
    for group in ask(cli, "GET", "/network/v2.0/security-groups")["security_groups"]:
        body = {"security_group_rule": rule | {"security_group_id": group["id"]}}
        ask(cli, "POST", "/network/v2.0/security-group-rules", body)


def floating_ip(cli: CLI, server_id: str, outside: str) -> str:
    port = ask(cli, "GET", f"/network/v2.0/ports?device_id={server_id}")["ports"][0]["id"]
    body = {"floatingip": {"floating_network_id": outside, "port_id": port}}
    made = ask(cli, "POST", "/network/v2.0/floatingips", body)["floatingip"]
    return str(made["floating_ip_address"])


# Holds a connection, and makes new ones, until its input ends; says what became of them.
HOLD = """
import json, select, socket, sys, time
line = socket.create_connection((sys.argv[1], 22), 5)
line.settimeout(20)
line.recv(100)
print("holds", flush=True)
last, gap = time.monotonic(), 0.0
while not select.select([sys.stdin], [], [], 0.05)[0]:
    try:
        with socket.create_connection((sys.argv[1], 22), 0.5):
            pass
    except OSError:
        continue
    now = time.monotonic()
    last, gap = now, max(gap, now - last)
line.sendall(b"SSH-2.0-x\\r\\n")
try:
    kept = bool(line.recv(1))
except OSError:
    kept = False
print(json.dumps({"kept": kept, "gap_s": gap}))
"""


@contextmanager
def held(cli: CLI, address: str) -> Iterator[dict[str, Any]]:
    """A connection to a guest through its floating IP, while the block runs; then, whether it was kept."""
    argv = cli.inside([sys.executable, "-c", HOLD, address])
    pipe, found = subprocess.PIPE, dict[str, Any]()
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holds\n"
        yield found
        told, _ = process.communicate("\n", timeout=60)
        found |= json.loads(told)


def move(cli: CLI, server_id: str, host: str) -> None:
    """The server goes to a host while it runs."""
    body = {"os-migrateLive": {"host": host, "block_migration": "auto"}}
    path = f"/compute/v2.1/servers/{server_id}/action"
    assert ask(cli, "POST", path, body) in (None, "", {})
    found = settled(cli, server_id)
    records = ask(cli, "GET", f"/compute/v2.1/os-migrations?instance_uuid={server_id}")
    assert found["OS-EXT-SRV-ATTR:host"] == host, (found, records["migrations"][0])
    assert found["status"] == "ACTIVE"
    until = time.monotonic() + 60
    while True:
        (port,) = ask(cli, "GET", f"/network/v2.0/ports?device_id={server_id}")["ports"]
        if (port["binding:host_id"], port["status"]) == (host, "ACTIVE"):
            return
        assert time.monotonic() < until, port
        time.sleep(0.5)


def attach_volume(cli: CLI, server_id: str) -> None:
    base = f"/volume/v3/{ask(cli, 'GET', '/identity/v3/auth/projects')['projects'][0]['id']}"
    made = ask(cli, "POST", f"{base}/volumes", {"volume": {"size": 1, "name": "data"}})
    body = {"volumeAttachment": {"volumeId": made["volume"]["id"]}}
    path = f"/compute/v2.1/servers/{server_id}/os-volume_attachments"
    until = time.monotonic() + 60
    while "refused" in ask(cli, "POST", path, body):  # it is being made
        assert time.monotonic() < until
        time.sleep(0.3)
    while ask(cli, "GET", f"{base}/volumes/{made['volume']['id']}")["volume"]["status"] != "in-use":
        assert time.monotonic() < until
        time.sleep(0.3)


def delete_volume(cli: CLI, server_id: str) -> None:
    """The one that the server has."""
    path = f"/compute/v2.1/servers/{server_id}/os-volume_attachments"
    (one,) = ask(cli, "GET", path)["volumeAttachments"]
    ask(cli, "DELETE", f"{path}/{one['volumeId']}")
    base = f"/volume/v3/{ask(cli, 'GET', '/identity/v3/auth/projects')['projects'][0]['id']}"
    until = time.monotonic() + 60
    while "refused" in (ask(cli, "DELETE", f"{base}/volumes/{one['volumeId']}") or {}):
        assert time.monotonic() < until  # the guest takes its time to let go of it
        time.sleep(0.5)
    while ask(cli, "GET", f"{base}/volumes")["volumes"]:
        assert time.monotonic() < until
        time.sleep(0.3)


def southbound(cli: CLI, cloud: Cloud, folder: Path, *words: str) -> str:
    """What OVN's tool says with a host's files; the empty text where it is refused."""
    tls = TLSFolder(folder)
    argv = [
        "ovn-sbctl", "--no-leader-only", "--timeout=5", f"--db=ssl:10.77.0.1:{cloud.southbound_port}",
        f"--private-key={tls.key}", f"--certificate={tls.southbound}", f"--ca-cert={tls.authority}", *words,
    ]  # fmt: skip
    done = subprocess.run(cli.inside(argv), capture_output=True, text=True, timeout=30)
    return done.stdout.strip() if done.returncode == 0 else ""


def listeners(cli: CLI) -> set[str]:
    """The addresses at which something of a machine takes connections."""
    words = cli.inside(["ss", "-Hltn"])
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    return {line.split()[3].rpartition(":")[0] for line in lines}


def test_a_second_machine_joins_runs_servers_gives_them_back_and_goes() -> None:
    with machines(3) as (first, second, third):
        first("up", "--address", "10.77.0.1")
        cloud = cloud_of(first)
        assert listeners(first) == {"10.77.0.1"}
        assert first.openrc()["OS_AUTH_URL"] == "https://10.77.0.1:5000"
        assert Path(first.openrc()["OS_CACERT"]).read_text().startswith("-----BEGIN CERT")

        token = first("token").stdout.strip()
        wrong = first("join", token, status=1)
        assert "has a cloud of its own" in wrong.stderr
        ip("-n", second.netns, "link", "set", "eth0", "mtu", "1400")
        assert "takes 1400 bytes" in second("join", token, "--name", "h2", status=1).stderr
        ip("-n", second.netns, "link", "set", "eth0", "mtu", "1500")
        second("join", token, "--name", "h2")
        second("join", token, "--name", "h2")  # again does no harm
        assert "was used" in third("join", token, "--name", "h3", status=1).stderr
        assert listeners(second) == {"10.77.0.2"}
        other = first("token").stdout.strip()
        assert "name is taken" in third("join", other, "--name", "h2", status=1).stderr
        third("join", other, "--name", "h3")
        shown = {one["name"]: one for one in first.json("host", "list")["hosts"]}
        assert {name: one["state"] for name, one in shown.items()} == {
            cloud.host_name: "up", "h2": "up", "h3": "up",
        }  # fmt: skip

        same_from_everywhere(first, second)

        taken = cloud_of(third).state.parent / "taken"
        shutil.copytree(cloud_of(third).node_tls, taken, symlinks=True)
        only_for_itself(third, cloud, taken)
        first("host", "remove", "h3")
        opens_nothing(third, cloud, taken)
        assert third.json("destroy", "--yes") == {"destroyed": True, "left": []}

        network, outside = network_with_a_way_out(first)
        server = server_on(first, "h2", network)
        let_ssh_in(first)
        found = settled(first, server)
        assert (found["status"], found["OS-EXT-SRV-ATTR:host"]) == ("ACTIVE", "h2"), found
        address = floating_ip(first, server, outside)
        # DHCP, metadata and the way through the gateway, which is on the first machine.
        assert banner(first, address), first("logs", "--all", status=None).stdout[-3000:]
        refused = first("host", "remove", "h2", status=1)
        assert "has 1 server" in refused.stderr

        attach_volume(first, server)
        for host in (cloud.host_name, "h2"):
            with held(first, address) as line:
                move(first, server, host)
            assert line["kept"], line
            assert line["gap_s"] < 5, line  # a second on a machine that is quiet
        assert first.json("doctor")["differences"] == []
        delete_volume(first, server)

        moved = first.json("host", "drain", "h2")
        assert moved == {"moved": [server], "left": []}
        assert settled(first, server)["OS-EXT-SRV-ATTR:host"] == cloud.host_name
        assert banner(first, address)
        assert first.json("doctor")["differences"] == []
        first("host", "remove", "h2")
        assert [one["name"] for one in first.json("host", "list")["hosts"]] == [cloud.host_name]
        assert second.json("destroy", "--yes") == {"destroyed": True, "left": []}
        assert first.json("destroy", "--yes") == {"destroyed": True, "left": []}


def same_from_everywhere(first: CLI, second: CLI) -> None:
    """All machines' processes and logs, also on one that joined, for whoever can sign in."""
    assert "admin-openrc.sh" in second.json("status")["trouble"]
    second.environment |= first.openrc()
    for cli in (first, second):
        found = {one["name"]: one for one in cli.json("status")["machines"]}
        assert len(found) == 3 and {one["state"] for one in found.values()} == {"up"}
        assert len({one["code"] for one in found.values()}) == 1
        parts = [one["name"] for one in found["h2"]["processes"]]
        assert "node" in parts and "control" not in parts
        lines = [json.loads(line) for line in cli("logs", "--all", "--json").stdout.splitlines()]
        assert {line["part"].partition("/")[0] for line in lines} == set(found)
        assert "h2/node" in cli("logs", "node", "--host", "h2").stdout
    assert second.json("upgrade", "--check")["late"] == []
    for name in first.openrc():
        second.environment.pop(name)


def only_for_itself(cli: CLI, cloud: Cloud, files: Path) -> None:
    """What somebody who has taken a host's files may do."""
    url = f"tls://10.77.0.1:{cloud.settings.nats_port}"
    said = python(cli, IMPOSTOR, url, str(files), "h2")
    assert said == {"in": True, "refused": 7}
    assert southbound(cli, cloud, files, "--bare", "--columns=name", "list", "Chassis")
    change = ("set", "Chassis", "h2", "other_config:x=y")
    assert not southbound(cli, cloud, files, *change, "--", "get", "Chassis", "h2", "name")
    assert own_page(cli, files)[0] == 200


def opens_nothing(cli: CLI, cloud: Cloud, files: Path) -> None:
    """From the moment on in which the host is removed."""
    until = time.monotonic() + 60
    url = f"tls://10.77.0.1:{cloud.settings.nats_port}"
    while python(cli, IMPOSTOR, url, str(files), "h2")["in"]:
        assert time.monotonic() < until
    while southbound(cli, cloud, files, "--bare", "--columns=name", "list", "Chassis"):
        assert time.monotonic() < until
    assert own_page(cli, files)[0] == 401


def own_page(cli: CLI, files: Path) -> Any:
    """What the cloud says to a host of itself, with these files."""
    script = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from hanok.base.authority import TLSFolder\n"
        "from hanok.supervisor import membership\n"
        "tls = membership.context(TLSFolder(Path(sys.argv[1])))\n"
        "try:\n"
        "    said, _ = membership.ask('https://10.77.0.1:5000', tls, 'GET', '/hanok/v1/member')\n"
        "    print(json.dumps([200, said['name']]))\n"
        "except membership.Refused as refused:\n"
        "    print(json.dumps([refused.status, str(refused)]))\n"
    )
    return python(cli, script, str(files))
