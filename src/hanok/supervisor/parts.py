"""What has to run for a cloud, as data; and the files each part is told by."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import secrets
import signal
import sys
import tomllib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hanok.commands.wire import host_token
from hanok.drivers.ovn import engines as ovn
from hanok.drivers.ovn import outside as ways
from hanok.supervisor import answering, processes
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
    return ways.Outside(
        name=f"hanok_{settings.id}",
        device=cloud.host_device,
        cidr=settings.external_cidr,
        folder=str(cloud.run),
        snat=settings.snat,
        lan=settings.expose_lan,
        forwards=tuple(
            ways.Forward(port=one.port, address=one.address, to=one.to)
            for one in map(forward_of, settings.forwards)
        ),
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
    messages = ("nats-server", "-c", str(cloud.run / "messages" / "nats.conf"))
    found.append(
        Part(
            name="nats-server",
            argv=messages,
            tail=messages,
            env=processes.environment(),
            uid=cloud.messages_uid,
            gid=cloud.messages_uid,
            ready=lambda: _listens("127.0.0.1", cloud.settings.nats_port),
            # Its gentle signal waits ten seconds for clients that reconnect at once.
            stop_signal=signal.SIGTERM,
        )
    )
    address = answering.loopback(cloud.settings.listen)
    found.append(
        _python(
            cloud,
            "control",
            ("control", "--settings", str(cloud.control_settings)),
            uid=cloud.control_uid,
            after=("nats-server", "ovsdb-nb"),
            ready=lambda: _listens(address, cloud.settings.port),
            answers=lambda: _answers(address, cloud.settings.port),
            silent_s=cloud.settings.silent_s,
        )
    )
    found.append(
        _python(
            cloud,
            "node",
            ("node", "--settings", str(cloud.node_settings)),
            uid=None,
            # After control: a first report that nobody hears is repeated only ten seconds later.
            after=("nats-server", "ovsdb-conf", "control"),
            ready=_at_once,
        )
    )
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
    env = processes.environment(MALLOC_ARENA_MAX="2", HOME=str(cloud.state))
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


async def _answers(address: str, port: int) -> bool:
    """Whether what listens there answers a request within the time between two looks."""
    try:
        async with asyncio.timeout(answering.PROBE_EVERY_S):
            reader, writer = await asyncio.open_connection(address, port)
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
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(mode)
        os.chown(folder, who, who)
    secret(cloud.password_file, uid)
    control_password = secret(state / "control" / "nats-password", uid)
    node_password = secret(state / "node" / "nats-password", 0)
    _write_messages(cloud, control_password, node_password)
    _write_control(cloud)
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


def _write_messages(cloud: Cloud, control_password: str, node_password: str) -> None:
    host = host_token(cloud.host_name)
    text = f"""\
listen: "127.0.0.1:{cloud.settings.nats_port}"
max_payload: 8388608
lame_duck_grace_period: "0s"
logtime: true
authorization {{
  users: [
    {{ user: "control", password: "{control_password}" }}
    {{ user: "node", password: "{node_password}", permissions: {{
        publish: ["control.metadata.{host}", "control.instance.{host}", "control.heartbeat.{host}"]
        subscribe: ["node.{host}.command", "_INBOX.>"]
        allow_responses: {{ max: 1, expires: "30m" }}
    }} }}
  ]
}}
"""
    path = cloud.run / "messages" / "nats.conf"
    write_whole(path, text, mode=0o600)
    os.chown(path, cloud.messages_uid, cloud.messages_uid)


def _toml(values: dict[str, object]) -> str:
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


def _write_control(cloud: Cloud) -> None:
    """control.toml: ours, and behind it whatever the operator put into control-extra.toml (see ControlSettings)."""
    network = ipaddress.IPv4Network(cloud.settings.external_cidr)
    values: dict[str, object] = {
        "state_dir": str(cloud.state),
        "region": cloud.settings.region,
        "host": cloud.settings.listen,
        "port": cloud.settings.port,
        "objects_port": cloud.settings.objects_port or DEFAULT_OBJECTS_PORT,
        "public_cidr": cloud.settings.external_cidr,
        "public_gateway": str(network[1]),
        "admin_password_file": str(cloud.password_file),
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
    # The operator's part may hold passwords of databases and stores: nobody else reads it.
    write_whole(
        cloud.control_settings,
        _with_extra(cloud, "control", values),
        mode=0o600,
        owner=None if cloud.settings.simulated else cloud.control_uid,
    )


def _with_extra(cloud: Cloud, part: str, values: dict[str, object]) -> str:
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
    secret(cloud.password_file, None)
    _write_control(cloud)
