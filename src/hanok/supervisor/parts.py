"""What has to run for a cloud, as data; and the files each part is told by."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import secrets
import signal
import ssl
import sys
import tomllib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from msgspec import structs

from hanok.base.authority import TLSFolder
from hanok.base.code import VARIABLE, code
from hanok.commands.wire import TOPICS, host_token
from hanok.drivers.ovn import engines as ovn
from hanok.drivers.ovn import outside as ways
from hanok.drivers.ovn.seal import Seal
from hanok.supervisor import answering, database_server, membership, processes
from hanok.supervisor.settings import DEFAULT_OBJECTS_PORT, Cloud, forward_of, write_whole

LOOK_S = 0.5  # how long a part may take to say whether it is ready


@dataclass(frozen=True, kw_only=True)
class Part:
    """A process of a cloud.

    after: the parts that must be ready before it is started for the first time.
    tail: the end of its arguments, by which it is found again; nobody else's process has it.
    then: to be done each time it has become ready.
    answers: whether it answers a request within some seconds, for a part that is ended and started again when it does
        not; silent_s: how long it may leave requests unanswered, zero for ever.
    data_plane: goes on while guests run, also when everything else is stopped.
    """

    name: str
    argv: tuple[str, ...]
    tail: tuple[str, ...]
    env: dict[str, str]
    uid: int | None
    gid: int | None
    ready: Callable[[], Awaitable[bool]]
    then: Callable[[], Awaitable[None]] | None = None
    after: tuple[str, ...] = ()
    stop_signal: int = signal.SIGTERM
    stop_s: float = 10.0
    data_plane: bool = False
    answers: Callable[[], Awaitable[bool]] | None = None
    silent_s: float = 0.0


def data_plane(cloud: Cloud) -> ovn.DataPlane:
    """The network's daemons and devices of a cloud."""
    network = ipaddress.IPv4Network(cloud.settings.external_cidr)
    if not cloud.tls:
        return _data_plane(cloud, network)
    outer, inner = cloud.tunnel
    underlay = ovn.Underlay(
        outer=f"{cloud.host_device}-t",
        inner=f"{cloud.host_device}-u",
        outer_address=f"{outer}/30",
        inner_address=f"{inner}/30",
    )
    plane = structs.replace(
        _data_plane(cloud, network), underlay=underlay, encap_ip=cloud.settings.address
    )
    if cloud.is_member:
        own = TLSFolder(cloud.node_tls)
        return structs.replace(
            plane,
            is_central=False,
            has_outside=False,
            southbound=cloud.settings.southbound,
            seal=Seal(
                key=str(own.key), certificate=str(own.southbound), trusted=str(own.authority)
            ),
        )
    tls = membership.network_tls(cloud)
    return structs.replace(
        plane,
        listen=f"{cloud.settings.address}:{cloud.southbound_port}",
        listen_seal=Seal(
            key=str(tls.key),
            certificate=str(tls.certificate),
            trusted=str(membership.trusted(cloud)),
        ),
        listen_northbound=f"{cloud.settings.address}:{cloud.northbound_port}",
        northbound_seal=Seal(
            key=str(tls.key),
            certificate=str(tls.certificate),
            trusted=str(membership.control_trusted(cloud)),
        ),
    )


def _data_plane(cloud: Cloud, network: ipaddress.IPv4Network) -> ovn.DataPlane:
    return ovn.DataPlane(
        directory=str(cloud.run),
        system_id=cloud.host_name,
        netns=cloud.netns,
        host_device=cloud.host_device,
        inner_device=f"{cloud.host_device}-i",
        host_address=f"{network[1]}/{network.prefixlen}",
        uid=cloud.control_uid,
        gid=cloud.control_uid,
    )


def outside(cloud: Cloud) -> ways.Outside:
    """The ways between a cloud's external network and what lies beyond the host."""
    settings = cloud.settings
    network6 = ipaddress.IPv6Network(settings.external_cidr6) if settings.external_cidr6 else None
    return ways.Outside(
        name=f"hanok_{settings.id}",
        device=cloud.host_device,
        cidr=settings.external_cidr,
        folder=str(cloud.run),
        snat=settings.snat and not cloud.is_member,
        lan=settings.expose_lan,
        forwards=tuple(
            ways.Forward(port=one.port, address=one.address, to=one.to)
            for one in map(forward_of, settings.forwards)
        ),
        tunnel=_tunnel(cloud),
        address6=f"{network6[1]}/{network6.prefixlen}" if network6 else "",
    )


def _tunnel(cloud: Cloud) -> ways.Tunnel | None:
    if not cloud.tls:
        return None
    return ways.Tunnel(
        address=cloud.settings.address,
        device=f"{cloud.host_device}-t",
        inner=cloud.tunnel[1],
        southbound=cloud.settings.southbound.removeprefix("ssl:"),
    )


def parts(cloud: Cloud) -> list[Part]:
    """All parts of a cloud; stopped in the reverse order."""
    found = []
    before: tuple[str, ...] = ()
    for engine in ovn.engines(data_plane(cloud)):
        inner = engine.argv[engine.argv.index("--") + 1 :] if engine.netns else engine.argv
        found.append(
            Part(
                name=engine.name,
                argv=engine.argv,
                tail=inner,
                env={**processes.environment(), **engine.env},
                uid=engine.uid,
                gid=engine.gid,
                ready=engine.ready,
                then=engine.then,
                after=before,
                stop_signal=engine.stop_signal,
                data_plane=True,
            )
        )
        before = (engine.name,)
    if cloud.is_member:
        control = [_control(cloud, after=())] if cloud.has_control else []
        return [*found, *control, _node(cloud, after=("ovn-controller",))]
    messages = ("nats-server", "-c", str(cloud.run / "messages" / "nats.conf"))
    found.append(
        Part(
            name="nats-server",
            argv=messages,
            tail=messages,
            env=processes.environment(),
            uid=cloud.messages_uid,
            gid=cloud.messages_uid,
            ready=lambda: _listens(cloud.settings.address or "127.0.0.1", cloud.settings.nats_port),
            # Its gentle signal waits ten seconds for clients that reconnect at once.
            stop_signal=signal.SIGTERM,
        )
    )
    database = _database(cloud)
    found += database
    after = ("nats-server", "ovsdb-nb", *(one.name for one in database))
    found.append(_control(cloud, after=after))
    # After control: a first report that nobody hears is repeated only ten seconds later.
    return [*found, _node(cloud, after=("nats-server", "ovsdb-conf", "control"))]


def _control(cloud: Cloud, *, after: tuple[str, ...]) -> Part:
    address = cloud.settings.address or answering.loopback(cloud.settings.listen)
    # Whoever answers there is ours or not; that is the client's to find out, with the authority's certificate.
    sealed = _any_certificate(cloud)

    def port() -> int:
        return cloud.door_port if cloud.front else cloud.settings.port

    return _python(
        cloud,
        "control",
        ("control", "--settings", str(cloud.control_settings)),
        uid=cloud.control_uid,
        after=after,
        ready=lambda: _listens(address, port()),
        answers=lambda: _answers(address, port(), sealed),
        silent_s=cloud.settings.silent_s,
    )


def _database(cloud: Cloud) -> list[Part]:
    """The server that has the cloud's rows, where that is ours."""
    if not database_server.is_made(cloud):
        return []
    argv = database_server.argv(cloud)
    uid, gid = database_server.user()
    socket = database_server.socket(cloud)
    return [
        Part(
            name="postgres",
            argv=argv,
            tail=argv,
            env=processes.environment(),
            uid=uid,
            gid=gid,
            ready=lambda: _accepts(socket),
            stop_signal=signal.SIGINT,  # ends what is under way; its gentle signal waits for everybody to leave
            stop_s=30.0,
        )
    ]


async def _accepts(socket: Path) -> bool:
    """Whether the server asks who is there; while it starts, or goes through its log, it says that it does."""
    try:
        async with asyncio.timeout(LOOK_S):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                writer.write(database_server.HELLO)
                return await reader.read(1) == database_server.WHO
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


def _node(cloud: Cloud, *, after: tuple[str, ...]) -> Part:
    return _python(
        cloud,
        "node",
        ("node", "--settings", str(cloud.node_settings)),
        uid=None,
        after=after,
        ready=_at_once,
    )


def _any_certificate(cloud: Cloud) -> ssl.SSLContext | None:
    """What a look at our own control takes: any certificate, since all that is asked is whether it answers."""
    if not cloud.tls:
        return None
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    found.check_hostname = False
    found.verify_mode = ssl.CERT_NONE
    return found


def _python(
    cloud: Cloud,
    name: str,
    arguments: tuple[str, ...],
    *,
    uid: int | None,
    after: tuple[str, ...],
    ready: Callable[[], Awaitable[bool]],
    answers: Callable[[], Awaitable[bool]] | None = None,
    silent_s: float = 0.0,
) -> Part:
    # Two allocation arenas instead of one a thread: some megabytes less, no difference seen in speed.
    more = {"MALLOC_ARENA_MAX": "2", "HOME": str(cloud.state), VARIABLE: code()}
    env = processes.environment(**more)
    return Part(
        name=name,
        argv=(sys.executable, "-P", "-m", "hanok.cli", *arguments),
        tail=("-m", "hanok.cli", *arguments),
        env=env,
        uid=uid,
        gid=uid,
        ready=ready,
        after=after,
        stop_s=15.0,  # requests and steps under way are finished
        answers=answers,
        silent_s=silent_s,
    )


async def _at_once() -> bool:
    return True


async def _listens(address: str, port: int) -> bool:
    try:
        async with asyncio.timeout(LOOK_S):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def _answers(address: str, port: int, sealed: ssl.SSLContext | None) -> bool:
    """Whether what listens there answers a request within the time between two looks."""
    try:
        async with asyncio.timeout(answering.PROBE_EVERY_S):
            reader, writer = await asyncio.open_connection(address, port, ssl=sealed)
            try:
                writer.write(answering.request(address))
                return await reader.read(5) == b"HTTP/"
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


def write_files(cloud: Cloud) -> None:
    """Folders, secrets and settings of all parts; again does no harm. Secrets stay as they are."""
    state, run = cloud.state, cloud.run
    uid = cloud.control_uid
    for folder, mode, who in (
        (state / "control", 0o700, uid),
        (state / "images", 0o750, uid),
        (state / "snapshots", 0o700, uid),
        (state / "policy", 0o755, 0),
        (state / "node", 0o711, 0),
        (state / "logs", 0o700, 0),
        (run.parent, 0o755, 0),
        (run, 0o711, 0),
        (run / "messages", 0o700, cloud.messages_uid),
        (run / "node", 0o711, 0),
    ):
        if cloud.is_member and who == cloud.messages_uid:
            continue  # of what runs where the cloud began
        if not cloud.has_control and who == uid:
            continue  # of what runs where control is
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(mode)
        os.chown(folder, who, who)
    if cloud.is_member:
        if cloud.has_control:
            membership.certify(cloud)
            write_own_control(cloud)
        _write_node(cloud)
        return
    database_server.write_files(cloud)
    drawn = not cloud.password_file.exists()
    secret(cloud.password_file, uid)
    membership.certify(cloud)
    control_password = secret(state / "control" / "nats-password", uid)
    node_password = secret(state / "node" / "nats-password", 0)
    write_messages(cloud, control_password, node_password)
    write_control(cloud, drawn=drawn)
    _write_node(cloud)


def secret(path: Path, uid: int | None) -> str:
    """A password in a file of its own, made once."""
    try:
        known = path.read_text().strip()
        if known:
            return known
    except FileNotFoundError:
        pass
    text = secrets.token_urlsafe(18)
    write_whole(path, text + "\n", mode=0o600)
    if uid is not None:
        os.chown(path, uid, uid)
    return text


def write_messages(cloud: Cloud, control_password: str = "", node_password: str = "") -> bool:
    """The settings of nats-server are as they should be; returns whether they were not."""
    path = cloud.run / "messages" / "nats.conf"
    text = _messages(cloud, control_password, node_password)
    if path.exists() and path.read_text() == text:
        return False
    write_whole(path, text, mode=0o600, owner=cloud.messages_uid)
    return True


def _messages(cloud: Cloud, control_password: str, node_password: str) -> str:
    if cloud.tls:
        return membership.messages_conf(cloud)
    host = host_token(cloud.host_name)
    speaks = json.dumps([f"{topic}.{host}" for topic in TOPICS])
    return f"""\
listen: "127.0.0.1:{cloud.settings.nats_port}"
max_payload: 8388608
lame_duck_grace_period: "0s"
logtime: true
authorization {{
  users: [
    {{ user: "control", password: "{control_password}" }}
    {{ user: "node", password: "{node_password}", permissions: {{
        publish: {speaks}
        subscribe: ["node.{host}.command", "_INBOX.>"]
        allow_responses: {{ max: 1, expires: "30m" }}
    }} }}
  ]
}}
"""


def _toml(values: Mapping[str, object]) -> str:
    return "".join(f"{json.dumps(name)} = {_value(value)}\n" for name, value in values.items())


def _value(value: object) -> str:
    """As TOML has it in one line; but for tables that is JSON."""
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{json.dumps(name)} = {_value(one)}" for name, one in value.items())
        return f"{{{pairs}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value)


def write_control(cloud: Cloud, *, drawn: bool = False) -> None:
    """control.toml: ours, and behind it whatever the operator put into control-extra.toml (see ControlSettings).

    drawn: whether the administrator's password was drawn just now, and nobody can have chosen it.
    """
    network = ipaddress.IPv4Network(cloud.settings.external_cidr)
    values: dict[str, object] = {
        "state_dir": str(cloud.state),
        "region": cloud.settings.region,
        "host": cloud.settings.address or cloud.settings.listen,
        "port": cloud.settings.port,
        "objects_port": cloud.settings.objects_port or DEFAULT_OBJECTS_PORT,
        "public_cidr": cloud.settings.external_cidr,
        "public_gateway": str(network[1]),
        "admin_password_file": str(cloud.password_file),
        **({"admin_password_drawn": True} if drawn else {}),
    }
    if cloud.settings.simulated:
        values |= {"simulated_hosts": cloud.settings.hosts, "durable": False}
    else:
        values |= {
            "bus": f"nats://127.0.0.1:{cloud.settings.nats_port}",
            "bus_user": "control",
            "bus_password_file": str(cloud.state / "control" / "nats-password"),
            "northbound": data_plane(cloud).nb_remote,
            "southbound": data_plane(cloud).sb_remote,
            "physical_network": data_plane(cloud).physical_network,
            "chassis": [cloud.host_name],
            "dns_servers": list(name_servers()),
            "node_name": cloud.host_name,
        }
    if cloud.tls and not cloud.settings.simulated:
        values |= {
            "bus": f"tls://{cloud.settings.address}:{cloud.settings.nats_port}",
            "tls": str(cloud.control_tls),
            "address": cloud.settings.address,
            "southbound_port": cloud.southbound_port,
            "northbound_port": cloud.northbound_port,
            "messages_port": cloud.settings.nats_port,
            "door_port": cloud.door_port,
            "door_objects_port": cloud.door_objects_port,
            "bytes_url": f"https://{cloud.settings.address}:{cloud.door_port}",
            "behind": cloud.front,
        }
        if database_server.is_made(cloud):
            values["database_for_others"] = database_server.url_for_others(cloud)
    # The operator's part may hold passwords of databases and stores: nobody else reads it.
    write_whole(
        cloud.control_settings,
        _with_extra(cloud, "control", values),
        mode=0o600,
        owner=None if cloud.settings.simulated else cloud.control_uid,
    )


def hand_over(cloud: Cloud, told: Any) -> None:
    """Keep what a further controller was given: keys, the first administrator's password, settings."""
    uid, folder = cloud.control_uid, cloud.state / "control"
    authority = folder / "authority"
    for one in (folder, authority):
        one.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chown(one, uid, uid)
    for path, text in (
        (folder / "cloud-key", told["cloud_key"]),
        (cloud.password_file, told["admin_password"]),
        (authority / "ca-key.pem", told["authority_key"]),
        (authority / "ca-cert.pem", TLSFolder(cloud.node_tls).authority.read_text()),
        (cloud.handed_over, json.dumps(told["settings"] | {"shows": told["shows_certificate"]})),
    ):
        write_whole(path, str(text), mode=0o600, owner=uid)


def write_own_control(cloud: Cloud) -> None:
    """control.toml, on whichever machine."""
    (write_further_control if cloud.is_member else write_control)(cloud)


def write_further_control(cloud: Cloud) -> None:
    """control.toml of a further controller: what it was given, but for what is this machine's own."""
    values: dict[str, Any] = json.loads(cloud.handed_over.read_text())
    tls = TLSFolder(cloud.control_tls)
    if values.pop("shows"):
        shown = {
            "sslmode": "verify-full",
            "sslrootcert": str(tls.authority),
            "sslcert": str(tls.southbound),
            "sslkey": str(tls.key),
        }
        values["database"] += f"?{urlencode(shown)}"
    values |= {
        "state_dir": str(cloud.state),
        "host": cloud.settings.address,
        "address": cloud.settings.address,
        "behind": cloud.front,
        "tls": str(cloud.control_tls),
        "node_name": cloud.host_name,
        "admin_password_file": str(cloud.password_file),
    }
    text = _with_extra(cloud, "control", values)
    write_whole(cloud.control_settings, text, mode=0o600, owner=cloud.control_uid)


def _with_extra(cloud: Cloud, part: str, values: Mapping[str, object]) -> str:
    """A part's settings: ours, but for those that the operator gives, and the operator's."""
    path = cloud.state / f"{part}-extra.toml"
    extra = path.read_text() if path.exists() else ""
    try:
        theirs = tomllib.loads(extra)
    except tomllib.TOMLDecodeError:
        theirs = {}  # the part itself says what is wrong with it
    return _toml({name: value for name, value in values.items() if name not in theirs}) + extra


RESOLVERS = (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf"))


def name_servers(files: Sequence[Path] = RESOLVERS) -> tuple[str, ...]:
    """The host's name servers that guests can reach too: none of them on the host's own loopback."""
    for file in files:
        try:
            lines = file.read_text().splitlines()
        except OSError:
            continue
        found = [line.split()[1] for line in lines if line.startswith("nameserver ")]
        reached = []
        for one in found:
            try:
                address = ipaddress.ip_address(one)
            except ValueError:
                continue  # also those that name an interface of this host
            if not address.is_loopback and not address.is_link_local:
                reached.append(one)
        if reached:
            return tuple(reached)
    return ()


def _write_node(cloud: Cloud) -> None:
    """node.toml: ours, and behind it whatever the operator put into node-extra.toml (see NodeSettings)."""
    first, count = cloud.guest_uids
    plane = data_plane(cloud)
    values: dict[str, object] = {
        "host": cloud.host_name,
        "state_dir": str(cloud.state / "node"),
        "run_dir": str(cloud.run / "node"),
        "image_stores": [
            str(cloud.state / "images"),
            str(cloud.state / "control" / "images" / "cache"),
        ],
        "snapshots": str(cloud.state / "snapshots"),
        "qemu_uid": first,
        "qemu_gid": first,
        "qemu_uids": count,
        "netns": plane.netns,
        "nats_url": f"nats://127.0.0.1:{cloud.settings.nats_port}",
        "nats_user": "node",
        "nats_password_file": str(cloud.state / "node" / "nats-password"),
        "ovs_db_socket": plane.conf_socket,
    }
    if cloud.tls:
        messages = f"tls://{cloud.settings.address}:{cloud.settings.nats_port}"
        values |= {
            "address": cloud.settings.address,
            "console_address": cloud.settings.address,
            "nats_url": cloud.settings.messages or messages,
            "tls": str(cloud.node_tls),
        }
    if cloud.is_member:
        values |= {"image_stores": [], "snapshots": ""}
    if accelerator := os.environ.get("HANOK_ACCELERATOR"):
        values["accelerator"] = accelerator
    write_whole(cloud.node_settings, _with_extra(cloud, "node", values), mode=0o600)


def write_simulated_files(cloud: Cloud) -> None:
    """The same for a simulated cloud: one process, its owner's."""
    # Nobody but the owner: there is no other process that images and disks are for.
    for folder in [
        cloud.state / name for name in ("control", "logs", "images", "snapshots", "node")
    ]:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    drawn = not cloud.password_file.exists()
    secret(cloud.password_file, None)
    write_control(cloud, drawn=drawn)
