"""The ways between a cloud and what lies beyond its host, as `hanok up` is told of them: checked, looked up, made."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from msgspec import Struct, structs

from hanok.cli import api
from hanok.cli.output import Failure, warn
from hanok.drivers.ovn.outside import DEVICES_OF_CLOUDS
from hanok.supervisor import claims, door
from hanok.supervisor.settings import (
    BrokenState,
    Cloud,
    CloudSettings,
    Forward,
    forward_of,
    load,
    write_toml,
)

MAX_FORWARDS = 100


class Wish(Struct, frozen=True):
    """`--forward PORT:SERVER:PORT`."""

    port: int
    server: str
    to: int


def wish(text: str) -> Wish:
    """What the option says.

    Raises:
        Failure: it says nothing of the kind.
    """
    first, _, rest = text.partition(":")
    server, _, last = rest.rpartition(":")
    if not server or not all(
        one.isascii() and one.isdecimal() and 1 <= int(one[:6]) <= 65535 for one in (first, last)
    ):
        raise Failure(
            "--forward must be PORT:SERVER:PORT, a port of this host, a server's name or id and a port of it, such as "
            f"2222:hello:22, not {text!r}"
        )
    return Wish(int(first), server, int(last))


def wishes(texts: Sequence[str]) -> list[Wish]:
    """All of them.

    Raises:
        Failure: one is none, two begin at the same port, or there are too many.
    """
    found = [wish(text) for text in texts]
    if len(found) > MAX_FORWARDS:
        raise Failure(f"at most {MAX_FORWARDS} ports of this host can lead to servers")
    ports = [one.port for one in found]
    for port in ports:
        if ports.count(port) > 1:
            raise Failure(f"--forward names port {port} twice")
    return found


def check_lan(device: str) -> None:
    """Raises Failure unless the host has such a device and it leads to others."""
    there = sorted(
        name
        for _, name in socket.if_nameindex()
        if name != "lo" and not name.startswith(DEVICES_OF_CLOUDS)
    )
    if device not in there:
        raise Failure(
            f"--expose-lan must be a network device of this host that leads to a LAN, not {device!r}; "
            f"there {'is' if len(there) == 1 else 'are'}: {', '.join(there) or 'none'}"
        )


def _own(settings: CloudSettings) -> tuple[int, ...]:
    """The ports at which a cloud answers itself."""
    return settings.port, settings.objects_port, settings.nats_port


def check_port(cloud: Cloud, port: int) -> None:
    """Raises Failure when a port of this host is somebody's, so that it cannot lead to a server."""
    if any(forward_of(one).port == port for one in cloud.settings.forwards):
        return  # ours already
    if port in _own(cloud.settings):
        raise Failure(f"port {port} is this cloud's own; choose another one for --forward")
    for entry in claims.taken().values():
        try:
            other = load(Path(str(entry["state"])))
        except BrokenState:
            continue
        if other is None or other.settings.id == cloud.settings.id:
            continue
        theirs = [forward_of(one).port for one in other.settings.forwards]
        if port in (*_own(other.settings), *theirs):
            raise Failure(
                f"port {port} is taken by the cloud in {other.state}; choose another one for --forward"
            )
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("0.0.0.0", port))  # noqa: S104  # nothing listens there: it is only tried
            trial.listen(1)
        except OSError as error:
            raise Failure(
                f"port {port} of this host is taken ({error.strerror}); choose another one for --forward"
            ) from None


def lead(cloud: Cloud, requested: Sequence[Wish]) -> Cloud:
    """Find the servers that ports are to lead to, and write that down.

    Raises:
        Failure: there is no such server, or it has no address that the host can reach.
    """
    client = api.API(cloud)
    try:
        client.sign_in()
        found = [_forward(client, cloud, one) for one in requested]
    except api.Refused as refused:
        raise Failure(f"the servers of --forward cannot be looked up: {refused}") from None
    return _written(cloud, found)


def again(cloud: Cloud) -> Cloud:
    """Look the servers up that ports lead to since an earlier `up`: addresses move, servers go."""
    if not cloud.settings.forwards:
        return cloud
    client = api.API(cloud)
    kept = []
    try:
        client.sign_in()
        for text in cloud.settings.forwards:
            one = forward_of(text)
            try:
                kept.append(_forward(client, cloud, Wish(one.port, one.server_id, one.to)))
            except Failure as gone:
                warn(f"port {one.port} of this host leads nowhere any longer: {gone}")
    except (api.Refused, Failure) as refused:
        warn(f"the servers that ports of this host lead to cannot be looked up: {refused}")
        return cloud
    return _written(cloud, kept)


def make(cloud: Cloud) -> None:
    """Have the supervisor make the ways as the settings say now.

    Raises:
        Failure: they cannot be made, and were asked for.
    """
    try:
        answer = door.ask(cloud.socket, {"do": "ways"}, timeout_s=30.0)
    except door.Silence:
        answer = {"trouble": "the supervisor does not answer"}
    trouble = str(answer.get("trouble", answer.get("error", "")))
    if not trouble:
        return
    if cloud.settings.expose_lan or cloud.settings.forwards:
        raise Failure(f"the way to the cloud from outside cannot be made: {trouble}")
    warn(f"guests do not reach the outside: {trouble}; hanok up --no-snat does without")


def differences(cloud: Cloud) -> list[str]:
    """Ports of the host that lead to an address that is no longer their server's."""
    if not cloud.settings.forwards or not api.answers(cloud):
        return []
    client = api.API(cloud)
    found = []
    try:
        client.sign_in()
        for text in cloud.settings.forwards:
            one = forward_of(text)
            try:
                now = _forward(client, cloud, Wish(one.port, one.server_id, one.to))
            except Failure as gone:
                found.append(f"port {one.port} of the host leads to {one.address}: {gone}")
                continue
            if now != one:
                found.append(
                    f"port {one.port} of the host leads to {one.address}, and the server is at {now.address} now"
                )
    except (api.Refused, Failure):
        return []  # the same client's other questions say so
    return found


def _written(cloud: Cloud, forwards: Sequence[Forward]) -> Cloud:
    texts = tuple(str(one) for one in sorted(forwards, key=lambda one: one.port))
    if texts == cloud.settings.forwards:
        return cloud
    changed = Cloud(cloud.state, structs.replace(cloud.settings, forwards=texts))
    write_toml(changed.settings_file, changed.settings)
    return changed


def _forward(client: api.API, cloud: Cloud, requested: Wish) -> Forward:
    server = _server(client, requested.server)
    return Forward(requested.port, _address(client, cloud, server), requested.to, server)


def _server(client: api.API, named: str) -> str:
    """The id of a server of any project."""
    path = "/compute/v2.1/servers"
    try:
        return str(client.get(f"{path}/{quote(named, safe='')}")["server"]["id"])
    except api.Refused as refused:
        if refused.status != 404:
            raise
    found = [
        one["id"]
        for one in client.get(f"{path}?all_tenants=1&name={quote(_literally(named), safe='')}")[
            "servers"
        ]
        if one["name"] == named
    ]
    if not found:
        raise Failure(f"there is no server {named!r}")
    if len(found) > 1:
        raise Failure(
            f"{len(found)} servers are called {named!r}; name one by its id: {', '.join(sorted(found)[:5])}"
        )
    return str(found[0])


def _literally(name: str) -> str:
    """A name for a filter that takes patterns."""
    return "".join(one if one.isalnum() or one in "-_ " else f"\\{one}" for one in name)


def _address(client: api.API, cloud: Cloud, server: str) -> str:
    """Where the host reaches a server: its floating IP, or its own address on the external network."""
    external = ipaddress.IPv4Network(cloud.settings.external_cidr)
    ports = client.get(f"/network/v2.0/ports?device_id={server}")["ports"]
    own = {one["ip_address"] for port in ports for one in port["fixed_ips"]}
    floating = [
        one["floating_ip_address"]
        for port in sorted(one["id"] for one in ports)
        for one in client.get(f"/network/v2.0/floatingips?port_id={port}")["floatingips"]
    ]
    for address in [*floating, *sorted(own)]:
        if ipaddress.ip_address(address) in external:
            return str(address)
    raise Failure(
        f"the server {server} has no floating IP, so the host does not reach it: openstack server add floating ip"
    )
