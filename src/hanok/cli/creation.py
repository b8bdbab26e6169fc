"""Makes a cloud, or takes up the one there is: the checks before anything runs, and its settings."""

from __future__ import annotations

import fcntl
import ipaddress
import os
import shutil
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from msgspec import structs

from hanok.cli import ways
from hanok.cli.output import Failure
from hanok.supervisor import claims, processes
from hanok.supervisor.settings import (
    DEFAULT_OBJECTS_PORT,
    DEFAULT_PORT,
    BrokenState,
    Cloud,
    CloudSettings,
    load,
    write_toml,
)
from hanok.supervisor.supervise import holder

EXAMPLES = int(ipaddress.IPv6Address("2001:db8::"))  # RFC 3849
REAL_NEEDS_MIB, SIMULATED_NEEDS_MIB = 1024, 64
OURS = {  # everything that a cloud puts into its directory
    "hanok.toml", "control.toml", "control-extra.toml", "node.toml", "node-extra.toml", "admin-openrc.sh",
    "clouds.yaml", "lock", "up.lock", "registered", "control", "images", "snapshots", "policy", "node", "logs",
    "database", "launch", "cirros.qcow2", "layout-password", "ca.pem", "simulated.toml",
    "front",
}  # fmt: skip


@dataclass(frozen=True)
class Wishes:
    """What the command line asked for; None: as it is, or the usual."""

    simulated: bool
    port: int | None
    region: str | None
    listen: str | None
    hosts: int | None
    snat: bool | None = None
    expose_lan: str | None = None
    """The device; "" for none."""
    forwards: Sequence[ways.Wish] | None = None
    objects_port: int | None = None
    address: str | None = None
    ipv6: bool = False
    """Whether the external network is to have IPv6 too; what has it keeps it."""


@contextmanager
def one_at_a_time(state: Path) -> Iterator[None]:
    """Refuse a second `up` on the same state directory.

    Raises:
        Failure: there is one at work.
    """
    handle = os.open(state / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = os.read(handle, 20).decode().strip()
            raise Failure(
                f"another hanok command works on {state} (process {who}); wait for it to end"
            ) from None
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(handle)


def directory(state: Path, *, simulated: bool) -> None:
    """The state directory is there, ours, and has room.

    Raises:
        Failure: it cannot be; the text says why.
    """
    if state.is_symlink() or (state.exists() and not state.is_dir()):
        raise Failure(f"{state} is not a directory; name another --state-dir")
    state.mkdir(parents=True, exist_ok=True, mode=0o711)
    strangers = {entry.name for entry in state.iterdir()} - OURS
    strangers = {name for name in strangers if not name.startswith(".")}
    if strangers and not (state / "hanok.toml").exists():
        raise Failure(
            f"{state} holds other things ({sorted(strangers)[0]}, …); name an empty --state-dir"
        )
    if not os.access(state, os.W_OK | os.X_OK):
        raise Failure(f"{state} is not writable for you; name another --state-dir")
    free_mib = shutil.disk_usage(state).free >> 20
    needed = SIMULATED_NEEDS_MIB if simulated else REAL_NEEDS_MIB
    if free_mib < needed:
        raise Failure(
            f"the disk is full: {free_mib} MiB are free at {state} and {needed} MiB are needed; make room, "
            "then run the same command again"
        )
    if not simulated:
        state.chmod(0o711)
        closed = claims.can_pass(state / "x", 64160)
        if closed is not None:
            raise Failure(
                f"{closed} is closed to other users, and the control process runs as one; "
                f"name another --state-dir, or: chmod o+x {closed}"
            )
        _program()


def _program() -> None:
    """The Python and the code that run this can be read by the control process's user too."""
    for what in (Path(os.path.realpath(sys.executable)), Path(sys.prefix), Path(__file__)):
        closed = claims.can_pass(what, 64160)
        if closed is not None:
            raise Failure(
                f"{what} lies in {closed}, which is closed to other users, and the control process runs as one; "
                "start the cloud with ./hanok of a checkout, which takes the system's Python"
            )


def make(state: Path, wishes: Wishes) -> Cloud:
    """The cloud of this state directory, with its settings written.

    Raises:
        Failure: what is wished does not go with what is there.
    """
    try:
        cloud = load(state)
        return _new(state, wishes) if cloud is None else _again(cloud, wishes)
    except BrokenState as broken:
        raise Failure(str(broken)) from None
    except claims.NoneFree as full:
        raise Failure(str(full)) from None
    except ValueError as error:
        raise Failure(str(error)) from None


def _new(state: Path, wishes: Wishes) -> Cloud:
    cloud_id = claims.new_id()
    settings = CloudSettings(
        id=cloud_id,
        simulated=wishes.simulated,
        region=wishes.region or "RegionOne",
        listen=_address(wishes.listen or "127.0.0.1"),
        port=wishes.port or DEFAULT_PORT,
        hosts=wishes.hosts or 1,
        host_name=socket.gethostname(),
        snat=wishes.snat is not False,
        expose_lan=wishes.expose_lan or "",
        address=own_address(wishes.address, cloud_id) if wishes.address else "",
    )
    settings = _with_objects_port(settings, wishes)
    if wishes.simulated:
        settings = _with_ipv6(settings, wishes)
        cloud = Cloud(state, settings)
        port_is_free(cloud)
        write_toml(cloud.settings_file, settings)
        return cloud
    port_is_free(Cloud(state, settings))
    with claims.claim(cloud_id, state) as (slot, network, nats_port):
        settings = structs.replace(settings, slot=slot, external_cidr=network, nats_port=nats_port)
        settings = _with_ipv6(settings, wishes)
        cloud = Cloud(state, settings)
        for one in wishes.forwards or ():
            ways.check_port(cloud, one.port)
        write_toml(cloud.settings_file, settings)
    return cloud


def _with_ipv6(settings: CloudSettings, wishes: Wishes) -> CloudSettings:
    """The external network's IPv6 is of the range for examples, which leads nowhere; each cloud has its own."""
    if settings.external_cidr6 or not wishes.ipv6:
        return settings
    network = ipaddress.IPv6Network((EXAMPLES + (settings.slot << 64), 64))
    return structs.replace(settings, external_cidr6=str(network))


def _again(cloud: Cloud, wishes: Wishes) -> Cloud:
    settings = cloud.settings
    kind = "simulated" if settings.simulated else "real"
    if wishes.simulated != settings.simulated:
        other = "with" if settings.simulated else "without"
        raise Failure(
            f"the cloud in {cloud.state} is a {kind} one: call `hanok up` {other} --simulated, or name "
            "another --state-dir"
        )
    if wishes.region is not None and wishes.region != settings.region:
        raise Failure(
            f"the region of this cloud is {settings.region} and cannot change; for another one: "
            "hanok destroy, or another --state-dir"
        )
    changed = structs.replace(
        settings,
        port=wishes.port or settings.port,
        listen=_address(wishes.listen) if wishes.listen else settings.listen,
        hosts=wishes.hosts or settings.hosts,
        address=own_address(wishes.address, settings.id) if wishes.address else settings.address,
    )
    if settings.cloud and changed != settings:
        raise Failure(
            f"this machine joined the cloud at {settings.cloud}: its addresses are not changed here"
        )
    if settings.address and changed.address != settings.address:
        raise Failure(
            f"the address of this cloud is {settings.address}: certificates and hosts know it by that"
        )
    # What the supervisor takes up while it runs.
    outside = {
        "snat": settings.snat if wishes.snat is None else wishes.snat,
        "expose_lan": settings.expose_lan if wishes.expose_lan is None else wishes.expose_lan,
        "forwards": settings.forwards if wishes.forwards is None or wishes.forwards else (),
        "external_cidr6": _with_ipv6(settings, wishes).external_cidr6,
    }
    for one in wishes.forwards or ():
        ways.check_port(cloud, one.port)
    runs = holder(cloud) is not None
    if wishes.objects_port or not (settings.objects_port or runs):
        changed = _with_objects_port(changed, wishes)
    if changed != settings:
        if runs:
            raise Failure("this cloud runs; `hanok down` first, then change its port or address")
        cloud = Cloud(cloud.state, changed)
        port_is_free(cloud)
        write_toml(cloud.settings_file, changed)
    elif not runs:
        port_is_free(cloud)
    changed = structs.replace(changed, **outside)
    if changed != cloud.settings:
        cloud = Cloud(cloud.state, changed)
        write_toml(cloud.settings_file, changed)
    return cloud


def own_address(text: str, cloud_id: str) -> str:
    """An address of this machine at which others reach it; of a name, the one that it has now.

    Raises:
        Failure: it is none, or a cloud of this machine has it.
    """
    text = _resolved(text)
    address = ipaddress.IPv4Address(text)
    if address.is_loopback or address.is_unspecified or not can_bind(text, 0):
        raise Failure(f"{text} is not an address of this machine that others reach")
    for other, entry in claims.taken().items():
        made = load(Path(str(entry["state"]))) if other != cloud_id else None
        if made is not None and made.settings.address == text:
            raise Failure(
                f"the cloud in {made.state} has the address {text}; tunnels of two do not share one"
            )
    return text


def _resolved(text: str) -> str:
    """Raises Failure where it is no IPv4 address, and no name that has just one."""
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        pass
    if ":" in text:
        raise Failure(f"--address must be an IPv4 address, or a name that has one, not {text!r}")
    try:
        found = socket.getaddrinfo(text, None, socket.AF_INET, socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Failure(
            f"--address: {text!r} is not an IPv4 address, nor a name that has one"
        ) from None
    addresses = sorted({str(one[4][0]) for one in found})
    if len(addresses) > 1:
        raise Failure(
            f"--address: {text} has several addresses; name one of {', '.join(addresses)}"
        )
    return addresses[0]


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise Failure(
            f"--listen must be an address such as 127.0.0.1 or 0.0.0.0, not {text!r}"
        ) from None


def _with_objects_port(settings: CloudSettings, wishes: Wishes) -> CloudSettings:
    """The same with a port for object storage: as wished, or the usual one; any for a further cloud of a machine."""
    chosen = wishes.objects_port or DEFAULT_OBJECTS_PORT
    if not wishes.objects_port and (
        settings.port != DEFAULT_PORT or not can_bind(settings.listen, chosen)
    ):
        family = socket.AF_INET6 if ":" in settings.listen else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            try:
                trial.bind((settings.listen, 0))
            except OSError as error:
                raise _cannot_listen(settings.listen, error) from None
            chosen = int(trial.getsockname()[1])
    return structs.replace(settings, objects_port=chosen)


def _cannot_listen(address: str, error: OSError) -> Failure:
    return Failure(f"the cloud cannot listen at {address}: {error.strerror}; see --listen")


def can_bind(address: str, port: int) -> bool:
    """Whether nobody listens there."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((address, port))
        except OSError:
            return False
        return True


def port_is_free(cloud: Cloud) -> None:
    """Raises Failure when somebody else listens where this cloud is to; names who, if that can be seen."""
    if not cloud.has_control:
        return
    _is_free(cloud, cloud.settings.port, "--port")
    if cloud.settings.objects_port:
        _is_free(cloud, cloud.settings.objects_port, "--objects-port")


def _is_free(cloud: Cloud, port: int, option: str) -> None:
    address = cloud.settings.address or cloud.settings.listen
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((address, port))
            return
        except PermissionError:
            raise Failure(f"port {port} needs root; choose one above 1023 with {option}") from None
        except OSError as error:
            if error.errno not in (98, 48):  # EADDRINUSE of Linux and of others
                raise _cannot_listen(address, error) from None
    found = list(_listeners(port))
    if any(_is_ours(one, cloud) for one in found):
        return  # of a supervisor that was killed: it will be taken up
    who = f" by {_name(found[0])}" if found else ""
    raise Failure(
        f"port {port} is in use{who}; free it, or choose another one: hanok up {option} N"
    )


def taken_by_another(cloud: Cloud) -> str:
    """Who answers in place of this cloud, that began to listen at its port first; "" where nobody is seen to."""
    found = list(_listeners(cloud.settings.port))
    return "" if not found or any(_is_ours(one, cloud) for one in found) else _name(found[0])


def _listeners(port: int) -> Iterator[int]:
    """The processes that listen on a port, as far as they can be seen."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path("/proc/net", table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(f"socket:[{fields[9]}]")
    for pid in processes.every() if inodes else ():
        with suppress(OSError):
            for handle in os.listdir(f"/proc/{pid}/fd"):
                with suppress(OSError):
                    if os.readlink(f"/proc/{pid}/fd/{handle}") in inodes:
                        yield pid
                        break


def _is_ours(pid: int, cloud: Cloud) -> bool:
    """Whether a process was started with this cloud's folder, or a file in one of its folders."""
    folders = (str(cloud.state), str(cloud.run))
    return any(
        one in folders or one.startswith(tuple(f"{folder}/" for folder in folders))
        for one in processes.arguments(pid)
    )


def _name(pid: int) -> str:
    with suppress(OSError):
        return f"{Path(f'/proc/{pid}/comm').read_text().strip()} (process {pid})"
    return f"process {pid}"
