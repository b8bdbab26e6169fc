"""A guest that runs gets a network interface, says that it has it, and lets go of it; also one of unusual devices."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.acceptance.clouds import CLI, host
from tests.acceptance.test_reboot import ask, hostname, python, status_of

pytestmark = pytest.mark.host

WAIT_S = 180


def eventually(condition: Any) -> None:
    until = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < until, f"waited {WAIT_S} s"
        time.sleep(1)


def macs_in_guest(cli: CLI, ssh: str) -> list[str]:
    """The MACs of the guest's interfaces, as its kernel knows them."""
    return hostname(cli, ssh, "cat /sys/class/net/e*/address").split()


def has(cli: CLI, ssh: str, macs: list[str]) -> None:
    eventually(lambda: sorted(macs_in_guest(cli, ssh)) == sorted(macs))


def becomes(cli: CLI, server_id: str, action: str, status: str) -> None:
    ask(cli, "POST", f"/compute/v2.1/servers/{server_id}/action", {action: None})
    eventually(lambda: status_of(cli, server_id) == status)


def interfaces(cli: CLI, path: str) -> dict[str, str]:
    """The states of a server's ports, by port."""
    found = ask(cli, "GET", path)["interfaceAttachments"]
    return {one["port_id"]: one["port_state"] for one in found}


def a_network(cli: CLI) -> str:
    made = ask(cli, "POST", "/network/v2.0/networks", {"network": {"name": "second"}})
    net_id = str(made["network"]["id"])
    subnet = {"network_id": net_id, "cidr": "10.77.0.0/24", "ip_version": 4}
    ask(cli, "POST", "/network/v2.0/subnets", {"subnet": subnet})
    return net_id


def come_and_go(cli: CLI, server_id: str, ssh: str, net_id: str) -> None:
    path = f"/compute/v2.1/servers/{server_id}/os-interface"
    before = macs_in_guest(cli, ssh)
    body = {"interfaceAttachment": {"net_id": net_id}}
    new = ask(cli, "POST", path, body)["interfaceAttachment"]
    both = [*before, new["mac_addr"]]
    has(cli, ssh, both)
    eventually(lambda: interfaces(cli, path)[new["port_id"]] == "ACTIVE")
    becomes(cli, server_id, "suspend", "SUSPENDED")
    becomes(cli, server_id, "resume", "ACTIVE")
    has(cli, ssh, both)
    ask(cli, "DELETE", f"{path}/{new['port_id']}")
    has(cli, ssh, before)
    eventually(lambda: new["port_id"] not in interfaces(cli, path))


def lose_a_port(cli: CLI, server_id: str, ssh: str, net_id: str) -> None:
    """A port that is deleted takes the guest's interface along."""
    path = f"/compute/v2.1/servers/{server_id}/os-interface"
    before = macs_in_guest(cli, ssh)
    body = {"interfaceAttachment": {"net_id": net_id}}
    new = ask(cli, "POST", path, body)["interfaceAttachment"]
    has(cli, ssh, [*before, new["mac_addr"]])
    ask(cli, "DELETE", f"/network/v2.0/ports/{new['port_id']}")
    has(cli, ssh, before)


def early(cli: CLI, server_id: str, net_id: str) -> tuple[str, str]:
    """A second server like this one, whose other interface is detached before it has started; and that one's path."""
    first = ask(cli, "GET", f"/compute/v2.1/servers/{server_id}")["server"]
    body = {
        "name": "early",
        "imageRef": first["image"]["id"],
        "networks": [{"uuid": net_id}, {"uuid": net_id}],
    }
    (flavor,) = (
        one
        for one in ask(cli, "GET", "/compute/v2.1/flavors")["flavors"]
        if one["name"] == "m1.nano"
    )
    server = {**body, "flavorRef": flavor["id"]}
    made = ask(cli, "POST", "/compute/v2.1/servers", {"server": server})["server"]
    eventually(lambda: status_of(cli, made["id"]) == "ACTIVE")
    path = f"/compute/v2.1/servers/{made['id']}/os-interface"
    port_id = list(interfaces(cli, path))[1]
    ask(cli, "DELETE", f"{path}/{port_id}")
    return path, port_id


PROPERTIES = {
    "hw_machine_type": "pc",
    "hw_video_model": "virtio",
    "hw_input_bus": "virtio",
    "hw_serial_port_count": "2",
    "hw_qemu_guest_agent": "no",
}
SPECS = {
    "hw:cpu_max_sockets": "1",
    "hw:vif_multiqueue_enabled": "true",
    "hw:watchdog_action": "reset",
    "hw_rng:rate_bytes": "4096",
}
SEEN = {
    "cat /sys/bus/pci/devices/*/device": ("0x1237", "0x1050", "0x1052", "0x25ab"),
    "ls /sys/class/net/eth0/queues": ("rx-0", "rx-1", "tx-1"),
    "sort -u /proc/cpuinfo | grep -c 'physical id'": ("1",),
    "sudo cat /proc/tty/driver/serial": ("1: uart:16550A",),
    "ls /sys/class/virtio-ports | wc -l": ("0",),
}
"""What the guest says when it is asked so: its host bridge, screen, keyboard and watchdog, queues, sockets, ports."""


# As `test_reboot.ASK`; the image service takes patches of a kind of its own.
PATCH = """
import json, sys
from pathlib import Path
from hanok.cli import api
from hanok.supervisor.settings import load
client = api.API(load(Path(sys.argv[1])))
client.sign_in()
kind = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
client("PATCH", sys.argv[2], json.loads(sys.argv[3]), **kind)
"""


def becomes_unusual(cli: CLI, server_id: str, ssh: str) -> None:
    """The server gets a flavor and an image that ask for other devices, and the guest has them."""
    flavor = {"id": "odd", "name": "odd", "ram": 192, "vcpus": 2, "disk": 1}
    ask(cli, "POST", "/compute/v2.1/flavors", {"flavor": flavor})
    ask(cli, "POST", "/compute/v2.1/flavors/odd/os-extra_specs", {"extra_specs": SPECS})
    image = ask(cli, "GET", f"/compute/v2.1/servers/{server_id}")["server"]["image"]["id"]
    changes = [{"op": "add", "path": f"/{name}", "value": one} for name, one in PROPERTIES.items()]
    python(cli, PATCH, str(cli.state), f"/image/v2/images/{image}", json.dumps(changes))
    path = f"/compute/v2.1/servers/{server_id}/action"
    ask(cli, "POST", path, {"resize": {"flavorRef": "odd"}})
    eventually(lambda: status_of(cli, server_id) == "VERIFY_RESIZE")
    becomes(cli, server_id, "confirmResize", "ACTIVE")
    ask(cli, "POST", path, {"rebuild": {"imageRef": image}})
    eventually(lambda: status_of(cli, server_id) == "ACTIVE" and hostname(cli, ssh))
    for command, expected in SEEN.items():
        said = hostname(cli, ssh, command)
        assert all(one in said for one in expected), (command, said)


def without_ipv4(cli: CLI, like: str) -> str:
    """A server on a network of IPv6 only."""
    made = ask(cli, "POST", "/network/v2.0/networks", {"network": {"name": "six"}})
    mode = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
    subnet = {"network_id": made["network"]["id"], "cidr": "2001:db8::/64", "ip_version": 6, **mode}
    ask(cli, "POST", "/network/v2.0/subnets", {"subnet": subnet})
    image = ask(cli, "GET", f"/compute/v2.1/servers/{like}")["server"]["image"]["id"]
    flavors = ask(cli, "GET", "/compute/v2.1/flavors")["flavors"]
    (flavor,) = [one["id"] for one in flavors if one["name"] == "m1.nano"]
    server = {
        "name": "six",
        "imageRef": image,
        "flavorRef": flavor,
        "networks": [{"uuid": made["network"]["id"]}],
    }
    return str(ask(cli, "POST", "/compute/v2.1/servers", {"server": server})["server"]["id"])


def finds_itself(cli: CLI, server_id: str) -> None:
    """The guest was told by IPv6 who it is."""
    path = f"/compute/v2.1/servers/{server_id}/action"

    def said() -> str:
        return str(ask(cli, "POST", path, {"os-getConsoleOutput": {}})["output"])

    eventually(lambda: "six login:" in said())
    assert "identity from http://[fe80::a9fe:a9fe%eth0]" in said()


def test_an_interface_comes_and_goes_while_the_guest_runs() -> None:
    with host() as cli:
        cli("up")
        made, net_id = cli.json("launch"), a_network(cli)
        assert made["ready"]
        six = without_ipv4(cli, made["server_id"])
        path, port_id = early(cli, made["server_id"], net_id)
        come_and_go(cli, made["server_id"], made["ssh"], net_id)
        # A guest that had not started when it was asked has let go of its interface by now.
        eventually(lambda: port_id not in interfaces(cli, path))
        lose_a_port(cli, made["server_id"], made["ssh"], net_id)
        finds_itself(cli, six)
        becomes_unusual(cli, made["server_id"], made["ssh"])
        come_and_go(cli, made["server_id"], made["ssh"], net_id)
        assert cli.json("doctor")["differences"] == []
