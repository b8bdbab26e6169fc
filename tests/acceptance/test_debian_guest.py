"""A whole Debian with cloud-init and a guest agent, as others make images: what it takes from this cloud.

Minutes on an emulated host, so it has a mark of its own: ./hanok test -- -m debian
"""

from __future__ import annotations

import base64
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from bench import debian_guest

from tests.acceptance.clouds import CLI, host
from tests.acceptance.test_reboot import ask, hostname

pytestmark = [pytest.mark.debian, pytest.mark.host]

WAIT_S = 900  # an emulated guest on a busy machine
USER_DATA = b"#!/bin/sh\necho made by user data > /var/tmp/marker\n"
LEAVE = (
    "python3 -c \"import urllib.request as r;r.urlopen(r.Request('http://169.254.169.254/openstack/latest/password',"
    "data=b'c2VhbGVk'))\""
)
UPLOAD = """
import sys
from pathlib import Path
from hanok.cli import api
from hanok.supervisor.settings import load
client = api.API(load(Path(sys.argv[1])))
client.sign_in()
with open(sys.argv[3], "rb") as file:
    client.upload(f"/image/v2/images/{sys.argv[2]}/file", file)
"""


def eventually(look: Any) -> Any:
    until = time.monotonic() + WAIT_S
    while not (seen := look()):
        assert time.monotonic() < until, f"waited {WAIT_S} s"
        time.sleep(2)
    return seen


def the_image(cli: CLI) -> str:
    body = {
        "name": "debian",
        "disk_format": "qcow2",
        "container_format": "bare",
        "hw_qemu_guest_agent": "yes",
        "os_require_quiesce": "yes",
        "os_admin_user": "debian",
    }
    image_id = str(ask(cli, "POST", "/image/v2/images", body)["id"])
    path = str(debian_guest.cached())
    words = cli.inside([sys.executable, "-c", UPLOAD, str(cli.state), image_id, path])
    subprocess.run(words, env=cli.environment, check=True, timeout=300)
    return image_id


def a_server(cli: CLI, first: dict[str, Any], image_id: str, name: str, **more: Any) -> str:
    """Like the first one, of the Debian image."""
    (port,) = ask(cli, "GET", f"/network/v2.0/ports?device_id={first['id']}")["ports"]
    body = {
        "name": name,
        "imageRef": image_id,
        "flavorRef": "debian",
        "key_name": first["key_name"],
        "networks": [{"uuid": port["network_id"]}],
        "security_groups": [{"name": one["name"]} for one in first["security_groups"]],
        "user_data": base64.b64encode(USER_DATA).decode(),
        **more,
    }
    return str(ask(cli, "POST", "/compute/v2.1/servers", {"server": body})["server"]["id"])


def address(cli: CLI, server_id: str) -> str:
    """A floating IP of the server's."""
    (port,) = eventually(
        lambda: ask(cli, "GET", f"/network/v2.0/ports?device_id={server_id}")["ports"]
    )
    (public,) = ask(cli, "GET", "/network/v2.0/networks?router:external=true")["networks"]
    body = {"floating_network_id": public["id"], "port_id": port["id"]}
    made = ask(cli, "POST", "/network/v2.0/floatingips", {"floatingip": body})
    return str(made["floatingip"]["floating_ip_address"])


def answers(cli: CLI, ssh: str, name: str) -> None:
    """It took key, name, network, root growth and user data."""
    eventually(lambda: hostname(cli, ssh, "hostname") == name)
    eventually(lambda: hostname(cli, ssh, "cat /var/tmp/marker") == "made by user data")
    gib = int(hostname(cli, ssh, "df --output=size -BM / | tail -n 1").strip().rstrip("M")) / 1024
    assert 3.5 < gib <= 4
    assert "1442" in hostname(cli, ssh, "cat /sys/class/net/eth0/mtu")
    eventually(lambda: hostname(cli, ssh, "cloud-init status") == "status: done")


def test_debian_takes_all_it_is_told_and_its_agent_works() -> None:
    with host() as cli:
        cli("up")
        made = cli.json("launch")
        key = Path(cli.state, "launch", "id_ed25519")
        first = ask(cli, "GET", f"/compute/v2.1/servers/{made['server_id']}")["server"]
        image_id = the_image(cli)
        flavor = {"id": "debian", "name": "debian", "ram": 768, "vcpus": 2, "disk": 4}
        ask(cli, "POST", "/compute/v2.1/flavors", {"flavor": flavor})
        told = a_server(cli, first, image_id, "told")
        driven = a_server(cli, first, image_id, "driven", config_drive=True)
        lines = {
            one: f"ssh -i {key} -o StrictHostKeyChecking=no debian@{address(cli, one)}"
            for one in (told, driven)
        }
        answers(cli, lines[told], "told")
        answers(cli, lines[driven], "driven")
        source = hostname(cli, lines[driven], "cat /run/cloud-init/result.json")
        assert "ConfigDrive" in source and "OpenStack" in hostname(
            cli, lines[told], "cat /run/cloud-init/result.json"
        )

        path = f"/compute/v2.1/servers/{told}"
        ask(cli, "POST", f"{path}/action", {"changePassword": {"adminPass": "Geheim-123"}})
        shadow = "sudo grep -c '^debian:[$]' /etc/shadow"
        eventually(lambda: hostname(cli, lines[told], shadow) == "1")

        copy = ask(cli, "POST", f"{path}/action", {"createImage": {"name": "quiet"}})
        image = f"/image/v2/images/{copy['image_id']}"
        eventually(lambda: ask(cli, "GET", image)["status"] == "active")

        assert ask(cli, "GET", f"{path}/os-server-password") == {"password": ""}
        hostname(cli, lines[told], LEAVE)
        assert ask(cli, "GET", f"{path}/os-server-password") == {"password": "c2VhbGVk"}
