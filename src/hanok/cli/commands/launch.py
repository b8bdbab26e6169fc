"""`hanok launch`: from nothing to a server that answers, through the public APIs, as a user would do it by hand."""

from __future__ import annotations

import argparse
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from hanok.cli import api
from hanok.cli.api import API, Refused
from hanok.cli.commands import status
from hanok.cli.main import as_json, state_dir
from hanok.cli.output import Failure, Steps, fail, print_json, say, typed
from hanok.cli.place import cloud_of, needs_root
from hanok.supervisor.settings import Cloud, write_whole

NETWORK, GROUP = "default", "ssh-and-ping"
RANGE = "10.10.0.0/24"
BUILD_S, BOOT_S = 300.0, 300.0  # the first start of a large image; an emulated guest takes its time
LOOK_S = 0.2


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", help="the server's name (hello, hello-2, …)")
    parser.add_argument("--image", default="cirros", help="an image by name or id (cirros)")
    parser.add_argument("--flavor", default="m1.nano", help="a flavor by name or id (m1.nano)")
    parser.add_argument("--user", help="who ssh signs in as (the image's os_admin_user, or cirros)")
    state_dir(parser)
    as_json(parser)


def run(args: argparse.Namespace) -> int:
    cloud = cloud_of(args)
    needs_root(cloud, "hanok launch")
    if not api.answers(cloud):
        fail(f"the cloud does not serve at {cloud.url}; start it with hanok up")
    client = API(cloud)
    steps = Steps(6, to_stderr=args.json)
    try:
        found = _launch(client, cloud, args, steps)
    except Refused as refused:
        if refused.status == 401:
            fail(
                "the administrator's password was changed; put the new one into "
                f"{cloud.password_file}"
            )
        raise Failure(f"the cloud refused: {refused.message}") from None
    if args.json:
        print_json(found)
    else:
        _goodbye(cloud, found)
    return 0


def _launch(client: API, cloud: Cloud, args: argparse.Namespace, steps: Steps) -> dict[str, Any]:
    with steps.step("Image, flavor and key"):
        client.sign_in()
        image = _image(client, args.image)
        flavor = _flavor(client, args.flavor)
        key = _key(client, cloud)
        name = args.name or _free_name(client)
        accelerator = _accelerator(client)
    with steps.step("Network, router and access rules"):
        network = _network(client)
        _access(client)
    with steps.step(f"Server {name}"):
        server = _server(client, name, image, flavor, network, key[0])
    with steps.step("Becoming ACTIVE"):
        server = _active(client, server["id"], steps)
    with steps.step("Floating IP"):
        floating = _floating_ip(client, server["id"])
    with steps.step(_boot_title(cloud, accelerator)):
        ready = _booted(client, cloud, server["id"], floating, steps)
    user = args.user or image.get("os_admin_user") or "cirros"
    return {
        "server_id": server["id"],
        "name": name,
        "floating_ip": floating,
        "ssh": f"ssh -i {typed(key[1])} -o StrictHostKeyChecking=accept-new {user}@{floating}",
        "ready": ready,
        "accelerator": accelerator,
        "simulated": cloud.settings.simulated,
    }


def _boot_title(cloud: Cloud, accelerator: str) -> str:
    if cloud.settings.simulated:
        return "Booting (simulated)"
    if accelerator.startswith("tcg"):
        return "Booting (emulated, without KVM: some 20 seconds)"
    return "Booting"


def _goodbye(cloud: Cloud, found: dict[str, Any]) -> None:
    say()
    if cloud.settings.simulated:
        say(
            f"Server {found['name']} is ACTIVE with the address {found['floating_ip']}, simulated: nothing answers"
        )
        say(f"there. Its console: openstack console log show {found['name']}")
        return
    if not found["ready"]:
        say(f"Server {found['name']} is ACTIVE, but does not answer on port 22 yet. Its console:")
        say(f"  openstack console log show {found['name']}")
        say("Once it shows a login prompt:")
    else:
        say(f"Server {found['name']} answers:")
    say(f"  {found['ssh']}")
    if found["accelerator"].startswith("tcg"):
        say(
            f"It is emulated ({found['accelerator'].partition(': ')[2]}), so it is slower than with KVM."
        )


def _image(client: API, requested: str) -> dict[str, Any]:
    found = _named(client, "/image/v2/images", "images", requested)
    if not found:
        fail(f"there is no image {requested!r}; see: openstack image list")
    if found[0]["status"] != "active":
        fail(f"the image {requested!r} is {found[0]['status']}, not active")
    return found[0]


def _flavor(client: API, requested: str) -> str:
    flavors = client.get("/compute/v2.1/flavors")["flavors"]
    for flavor in flavors:
        if requested in (flavor["name"], flavor["id"]):
            return str(flavor["id"])
    names = ", ".join(sorted(flavor["name"] for flavor in flavors)) or "none"
    fail(f"there is no flavor {requested!r}; there are: {names}")


def _named(client: API, path: str, key: str, requested: str, **more: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"{path}?{urlencode({'name': requested, **more})}")[
        key
    ]
    if not found:
        try:
            one = client.get(f"{path}/{requested}")
        except Refused:
            return []
        return [one.get(key.removesuffix("s"), one)]
    return found


def _key(client: API, cloud: Cloud) -> tuple[str, Path]:
    """A key pair whose private half is in the cloud's directory: its name and that file."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    path = cloud.state / "launch" / "id_ed25519"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if not path.exists():
        made = Ed25519PrivateKey.generate()
        private = made.private_bytes(
            form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption()
        )
        write_whole(path, private.decode(), mode=0o600)
    key = form.load_ssh_private_key(path.read_bytes(), password=None)
    public = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
    name = "hanok-launch"
    there = {
        pair["keypair"]["name"]: pair["keypair"]["public_key"]
        for pair in client.get("/compute/v2.1/os-keypairs")["keypairs"]
    }
    if name in there and there[name].split()[:2] != public.decode().split()[:2]:
        client("DELETE", f"/compute/v2.1/os-keypairs/{name}")
        del there[name]
    if name not in there:
        body = {"name": name, "type": "ssh", "public_key": public.decode()}
        client.post("/compute/v2.1/os-keypairs", {"keypair": body})
    return name, path


def _free_name(client: API) -> str:
    there = {server["name"] for server in client.get("/compute/v2.1/servers")["servers"]}
    number = 1
    while (name := "hello" if number == 1 else f"hello-{number}") in there:
        number += 1
    return name


def _accelerator(client: API) -> str:
    hosts = client.get("/compute/v2.1/os-hypervisors/detail")["hypervisors"]
    return status.accelerator(hosts[0]) if hosts else "unknown"


def _network(client: API) -> str:
    """The network `default` with a subnet, and a router from it to `public`."""
    own = {"project_id": client.project_id}
    public = _external(client)
    found = _named(client, "/network/v2.0/networks", "networks", NETWORK, **own)
    network = (
        found[0]
        if found
        else _made(client, "networks", {"name": NETWORK, "description": "Made by hanok launch"})
    )
    subnets = client.get(f"/network/v2.0/subnets?network_id={network['id']}")["subnets"]
    subnet = (
        subnets[0]
        if subnets
        else _made(
            client,
            "subnets",
            {"network_id": network["id"], "name": NETWORK, "ip_version": 4, "cidr": RANGE},
        )
    )
    routers = _named(client, "/network/v2.0/routers", "routers", NETWORK, **own)
    router = (
        routers[0]
        if routers
        else _made(
            client,
            "routers",
            {"name": NETWORK, "external_gateway_info": {"network_id": public}},
        )
    )
    ports = client.get(f"/network/v2.0/ports?device_id={router['id']}")["ports"]
    plugged = {ip["subnet_id"] for port in ports for ip in port["fixed_ips"]}
    if subnet["id"] not in plugged:
        body = {"subnet_id": subnet["id"]}
        client("PUT", f"/network/v2.0/routers/{router['id']}/add_router_interface", body)
    return str(network["id"])


def _external(client: API) -> str:
    found = client.get("/network/v2.0/networks?router:external=true")["networks"]
    if not found:
        fail("there is no external network; hanok up makes one called public")
    return str(next((n["id"] for n in found if n["name"] == "public"), found[0]["id"]))


def _made(client: API, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    one = kind.removesuffix("s")
    made: dict[str, Any] = client.post(f"/network/v2.0/{kind}", {one: body})[one]
    return made


def _access(client: API) -> None:
    """A security group that lets ssh and ping in."""
    own = {"project_id": client.project_id}
    found = _named(client, "/network/v2.0/security-groups", "security_groups", GROUP, **own)
    if found:
        group = found[0]
    else:
        body = {"name": GROUP, "description": "Lets ssh and ping in; made by hanok launch"}
        made = client.post("/network/v2.0/security-groups", {"security_group": body})
        group = made["security_group"]
    there = {(rule["protocol"], rule["port_range_min"]) for rule in group["security_group_rules"]
             if rule["direction"] == "ingress"}  # fmt: skip
    for protocol, port in (("tcp", 22), ("icmp", None)):
        if (protocol, port) not in there:
            rule = {"security_group_id": group["id"], "direction": "ingress", "protocol": protocol,
                    "ethertype": "IPv4", "port_range_min": port, "port_range_max": port}  # fmt: skip
            if port is None:
                del rule["port_range_min"], rule["port_range_max"]
            client.post("/network/v2.0/security-group-rules", {"security_group_rule": rule})


def _server(
    client: API, name: str, image: dict[str, Any], flavor: str, network: str, key: str
) -> dict[str, Any]:
    body = {
        "name": name,
        "imageRef": image["id"],
        "flavorRef": flavor,
        "key_name": key,
        "networks": [{"uuid": network}],
        "security_groups": [{"name": "default"}, {"name": GROUP}],
    }
    made: dict[str, Any] = client.post("/compute/v2.1/servers", {"server": body})["server"]
    return made


def _active(client: API, server_id: str, steps: Steps) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        server: dict[str, Any] = client.get(f"/compute/v2.1/servers/{server_id}")["server"]
        steps.busy(f"{server['status']} {server['OS-EXT-STS:task_state'] or ''}".strip())
        return server if server["status"] != "BUILD" else None

    server = api.wait_until(look, timeout_s=BUILD_S, every_s=LOOK_S)
    if not server:
        fail(
            f"the server is still being built after {BUILD_S:.0f} s: openstack server event list {server_id}"
        )
    if server["status"] == "ERROR":
        why = server.get("fault", {}).get("message", "no reason was given")
        fail(f"the server is in ERROR: {why} (openstack server delete {server['name']} removes it)")
    found: dict[str, Any] = server
    return found


def _floating_ip(client: API, server_id: str) -> str:
    ports = client.get(f"/network/v2.0/ports?device_id={server_id}")["ports"]
    if not ports:
        fail("the server has no port")
    body = {"floating_network_id": _external(client), "port_id": ports[0]["id"]}
    made = client.post("/network/v2.0/floatingips", {"floatingip": body})
    return str(made["floatingip"]["floating_ip_address"])


def _booted(client: API, cloud: Cloud, server_id: str, address: str, steps: Steps) -> bool:
    """Wait until ssh answers, or, where all is simulated, the console shows the prompt."""
    started = time.monotonic()

    def look() -> bool:
        steps.busy(f"{time.monotonic() - started:.0f} s")
        if not cloud.settings.simulated:
            return _ssh_answers(address)
        body = {"os-getConsoleOutput": {"length": 50}}
        answer = client.post(f"/compute/v2.1/servers/{server_id}/action", body)
        return "login:" in answer["output"]

    return bool(api.wait_until(look, timeout_s=BOOT_S, every_s=LOOK_S))


def _ssh_answers(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=2) as line:
            line.settimeout(5)
            return line.recv(4) == b"SSH-"
    except OSError:
        return False
