"""`hanok join TOKEN`: this machine becomes a host of a cloud. Repeated after a break, it goes on where it was."""

from __future__ import annotations

import argparse
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from msgspec import structs

from hanok import __version__
from hanok.base import authority
from hanok.base.authority import JoinToken, TLSFolder
from hanok.cli import api, creation, credentials, packages
from hanok.cli.commands import grow, host, up
from hanok.cli.commands.token import roles_of
from hanok.cli.main import as_json, state_dir
from hanok.cli.output import Failure, Steps, fail, print_json, say, typed
from hanok.cli.place import state_of
from hanok.control.settings import load as control_settings
from hanok.supervisor import claims, membership, parts
from hanok.supervisor.settings import BrokenState, Cloud, CloudSettings, host_name, load, write_toml

CLOCK_S = 60.0  # by which clocks may differ: tickets and tokens are good for minutes
MTU = 1442 + 58  # what guests send at most, and Geneve around it
HEARD_S, REACH_S = 60.0, 15.0
CONTROLLER = "controller"
LOOK_S = 0.2

Answer = TypeVar("Answer")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "token",
        metavar="TOKEN",
        help="the line that hanok token printed, or - to read it from the input: everybody on this machine "
        "can see arguments",
    )
    parser.add_argument(
        "--roles",
        default="compute",
        metavar="ROLES",
        help="what it is to do: compute; controller,compute: it answers the APIs, too; controller: and runs no servers",
    )
    parser.add_argument(
        "--address", metavar="ADDRESS", help="at which other machines reach this one"
    )
    parser.add_argument("--name", metavar="NAME", help="the name of the host (the machine's own)")
    state_dir(parser)
    as_json(parser)


def run(args: argparse.Namespace) -> int:
    if os.geteuid() != 0:
        fail("a host of a cloud needs root: sudo hanok join …")
    try:
        token = JoinToken.read(sys.stdin.readline() if args.token == "-" else args.token)
    except ValueError:
        fail("this is not a line that hanok token printed; it begins with hanok1.")
    state = state_of(args)
    creation.directory(state, simulated=False)
    roles = roles_of(args.roles)
    steps = Steps(8 if CONTROLLER in roles else 6, to_stderr=args.json)
    with creation.one_at_a_time(state):
        made = _known(state, token)
        with steps.step("The cloud, by its fingerprint"):
            trusted = _authority(token)
            if made is not None and not _same_cloud(made, trusted):
                fail(
                    f"this machine is a host of the cloud at {made.url}: hanok destroy first, or another --state-dir"
                )
            if made is not None:
                _check_as_before(made, args)
        with steps.step("Clock, address, MTU"):
            address = _address(args, token, trusted, made)
        with steps.step("Debian packages"):
            packages.ensure(steps)
        with steps.step("Certificates"):
            cloud = _joined(args, token, trusted, address, made, state)
        if cloud.has_control:
            with steps.step("The cloud's database, from here"):
                parts.write_files(cloud)
                credentials.write(cloud)
                _reach_database(cloud)
        with steps.step("Engines and node"):
            parts.write_files(cloud)
            up.compile_all()
            up.supervise(cloud, steps)
        with steps.step("Heard by the cloud"):
            _wait_until_heard(cloud)
        if cloud.has_control:
            with steps.step("The APIs, from here"):
                up.wait_for_apis(cloud)
                if "compute" not in cloud.settings.roles:
                    _no_servers(cloud)
    if args.json:
        print_json({"cloud": cloud.url, "host": cloud.host_name, "address": address})
    else:
        say(f"This machine is the host {cloud.host_name} of the cloud at {cloud.settings.cloud}.")
        if cloud.has_control:
            say(f"It answers the APIs at {cloud.url}, too: . {typed(cloud.openrc)}")
    return 0


def _known(state: Path, token: JoinToken) -> Cloud | None:
    """What an earlier join has left; None: nothing yet.

    Raises:
        Failure: there is another cloud.
    """
    try:
        made = load(state)
    except BrokenState as broken:
        raise Failure(str(broken)) from None
    if made is None or made.is_member:
        return made
    raise Failure(
        f"this machine has a cloud of its own in {state}: hanok destroy first, or another --state-dir"
    )


def _attempt(token: JoinToken, ask: Callable[[], Answer]) -> Answer:
    """Raises Failure, in words, where the cloud refuses or is not reached."""
    try:
        return ask()
    except membership.Refused as refused:
        raise Failure(f"the cloud refuses: {refused}") from None
    except ssl.SSLError as error:
        raise Failure(
            f"what answers at {token.url} is not the cloud of this token ({error.reason})"
        ) from None
    except OSError as error:
        raise Failure(f"the cloud at {token.url} is not reached from here: {error}") from None


def _authority(token: JoinToken) -> str:
    """The cloud's authority, which is believed because the token has its hash.

    Raises:
        Failure: whoever answers there has another one.
    """
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    answer, _ = _attempt(
        token, lambda: membership.ask(token.url, unverified, "GET", "/hanok/v1/authority")
    )
    text = str(answer.get("certificate", ""))
    try:
        same = authority.fingerprint(text) == token.fingerprint
    except ValueError:
        same = False
    if not same:
        fail(f"what answers at {token.url} is not the cloud of this token: its fingerprint differs")
    return text


def _same_cloud(made: Cloud, trusted: str) -> bool:
    """Whether a token of any of its controllers is one of the cloud that this machine joined."""
    try:
        known = TLSFolder(made.node_tls).authority.read_text()
    except OSError:
        return True  # it broke before it had any
    return authority.fingerprint(known) == authority.fingerprint(trusted)


def _address(args: argparse.Namespace, token: JoinToken, trusted: str, made: Cloud | None) -> str:
    """This machine's address, if clock, address and MTU fit.

    Raises:
        Failure: one of them does not.
    """
    context = ssl.create_default_context(cadata=trusted)
    _, date = _attempt(
        token, lambda: membership.ask(token.url, context, "GET", "/hanok/v1/authority")
    )
    off_s = (datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds() if date else 0.0
    if abs(off_s) > CLOCK_S:
        kind = "ahead of" if off_s > 0 else "behind"
        fail(f"the clock of this machine is {abs(off_s):.0f} s {kind} the cloud's; set it first")
    address = args.address or (made.settings.address if made is not None else _source(token))
    device, mtu = _device(address)
    if mtu < MTU:
        fail(f"{device} with the address {address} takes {mtu} bytes, and tunnels need {MTU}; "
             f"ip link set {device} mtu {MTU}, or name another --address")  # fmt: skip
    return address


def _source(token: JoinToken) -> str:
    """The address from which this machine reaches the cloud.

    Raises:
        Failure: it does not, by IPv4.
    """
    try:
        parts_of_url = urlsplit(token.url)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
            trial.connect((parts_of_url.hostname or "", parts_of_url.port or 0))
            return str(trial.getsockname()[0])
    except (OSError, ValueError):
        fail(
            f"this machine does not reach the cloud at {token.url[:100]} by IPv4; "
            "name the address at which the others reach this one: --address"
        )


def _device(address: str) -> tuple[str, int]:
    """The device of this machine that has an address, and the longest packet that it takes.

    Raises:
        Failure: none has it.
    """
    done = subprocess.run(["ip", "-j", "-4", "addr"], capture_output=True, text=True)
    for link in json.loads(done.stdout or "[]"):
        if any(one.get("local") == address for one in link.get("addr_info", ())):
            return str(link["ifname"]), int(link["mtu"])
    fail(f"{address} is not an address of this machine")


def _joined(
    args: argparse.Namespace,
    token: JoinToken,
    trusted: str,
    address: str,
    made: Cloud | None,
    state: Path,
) -> Cloud:
    """The machine's settings and certificates, from the cloud."""
    roles = roles_of(args.roles)
    if made is not None and not _lacks(made):
        return made
    name = made.host_name if made is not None else host_name(args.name or socket.gethostname())
    folder = TLSFolder(state / "node" / "tls")
    (state / "node").mkdir(mode=0o711, exist_ok=True)
    body = {
        "secret": token.secret,
        "name": name,
        "address": address,
        "version": __version__,
        "request": authority.request(folder.ensure_key()),
        "roles": roles,
    }
    control = TLSFolder(state / "control" / "tls")
    if CONTROLLER in roles:
        (state / "control").mkdir(mode=0o700, exist_ok=True)
        body["control_request"] = authority.request(control.ensure_key())
    context = ssl.create_default_context(cadata=trusted)
    answer, _ = _attempt(
        token, lambda: membership.ask(token.url, context, "POST", "/hanok/v1/hosts", body)
    )
    cloud = made or _settings(state, name, address, token.url, answer, tuple(roles))
    given = membership.granted(answer)
    folder.take(given)
    if cloud.has_control:
        os.chown(control.key, cloud.control_uid, cloud.control_uid)
        parts.hand_over(cloud, answer["controller"])
        control.put(control.southbound, given.control)
    return cloud


def _check_as_before(made: Cloud, args: argparse.Namespace) -> None:
    """What was written here stays: by other words the cloud would know a machine that there is not.

    Raises:
        Failure: a join that is repeated says something else.
    """
    before = sorted(made.settings.roles or ("compute",))
    if before != sorted(roles_of(args.roles)):
        fail(f"this machine joined as {', '.join(before)}: hanok destroy first, for other roles")
    if args.name and host_name(args.name) != made.host_name:
        fail(f"this machine joined as {made.host_name}: hanok destroy first, for another name")
    if args.address and args.address != made.settings.address:
        fail(f"this machine joined with the address {made.settings.address}: hanok destroy first, "
             "for another one")  # fmt: skip


def _lacks(cloud: Cloud) -> bool:
    """Whether a machine that joined has not, or no longer, all that the cloud gives it."""
    if TLSFolder(cloud.node_tls).is_due(datetime.now(UTC)):
        return True
    has = cloud.handed_over.exists() and TLSFolder(cloud.control_tls).southbound.exists()
    return cloud.has_control and not has


def _settings(
    state: Path,
    name: str,
    address: str,
    url: str,
    answer: dict[str, Any],
    roles: tuple[str, ...],
) -> Cloud:
    made_id = claims.new_id()
    creation.own_address(address, made_id)
    settings = CloudSettings(
        id=made_id,
        simulated=False,
        region=str(answer["region"]),
        host_name=name,
        address=address,
        cloud=str(answer.get("url") or url),
        roles=roles,
        messages=str(answer["messages"]),
        southbound=str(answer["southbound"]),
        snat=False,
    )
    if CONTROLLER in roles:
        told = answer["controller"]["settings"]
        settings = structs.replace(
            settings,
            port=int(told["port"]),
            objects_port=int(told["objects_port"]),
            door=int(told.get("door_port", 0)),
        )
        creation.port_is_free(Cloud(state, settings))
    try:
        with claims.claim(made_id, state) as (slot, network, port):
            settings = structs.replace(settings, slot=slot, external_cidr=network, nats_port=port)
            cloud = Cloud(state, settings)
            write_toml(cloud.settings_file, settings)
    except claims.NoneFree as full:
        raise Failure(str(full)) from None
    return cloud


def _reach_database(cloud: Cloud) -> None:
    """Raises Failure where control, which is another user, does not reach the cloud's rows from here."""
    url = control_settings(cloud.control_settings).database_url
    until = time.monotonic() + REACH_S  # the server is told of this machine meanwhile
    while True:
        try:
            return grow.check_reached(cloud, url)
        except Failure:
            if time.monotonic() > until:
                raise
        time.sleep(LOOK_S)


def _no_servers(cloud: Cloud) -> None:
    """A controller alone: its node tells of the machine, and runs no servers."""
    client = api.API(cloud)
    client.sign_in()
    service = host.service(client, cloud.host_name)
    body = {"status": "disabled", "disabled_reason": "a controller"}
    client("PUT", f"{host.COMPUTE}/os-services/{service['id']}", body)


def _wait_until_heard(cloud: Cloud) -> None:
    until = time.monotonic() + HEARD_S
    path = "/hanok/v1/member"
    trouble = "it has not heard of this host"
    while time.monotonic() < until:
        try:
            context = membership.context(TLSFolder(cloud.node_tls))
            if membership.ask(cloud.settings.cloud, context, "GET", path)[0].get("up"):
                return
        except (membership.Refused, OSError) as error:
            trouble = str(error)
        time.sleep(LOOK_S)
    fail(f"the cloud does not show this machine as up ({trouble}); see hanok logs node, and "
         "repeat hanok join")  # fmt: skip
