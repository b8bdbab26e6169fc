"""What a cloud is told when it is made, and where its files are.

<state>/hanok.toml            these settings
<state>/admin-openrc.sh       for the `openstack` client (0600), beside it clouds.yaml
<state>/control/              database, token keys, secrets: the control process's own
<state>/images/               image data
<state>/policy/               the operator's access rules
<state>/node/                 guests: records and disks
<state>/logs/<part>.log       JSON lines
/run/hanok/<id>/              sockets and the network's databases: copies, made anew after a reboot
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import socket
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from hanok.base.durable import put_in_place
from hanok.supervisor.answering import SILENT_S

RUN = Path("/run/hanok")
DEFAULT_PORT = 5000
DEFAULT_OBJECTS_PORT = 8080


class BrokenState(Exception):
    """The state directory cannot be used; the text says why and what to do."""


class CloudSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One cloud.

    id: six hexadecimal digits; names its namespace and devices on the host. slot: its place among the clouds of this
    machine. listen, port: where the APIs answer. objects_port: and object storage; 0: it is not chosen yet.
    hosts: how many hosts a simulated cloud has. host_names: of a copy of a cloud, what the first of them are called.
    described: images whose bytes are not here count as what their records say, on a copy's hosts.
    external_cidr: the network `public`, which the host can reach.
    external_cidr6: its IPv6 network, where a layout has one.
    nats_port: on loopback, and at `address` where there is one.
    address: at which other machines reach this one; TLS is on, and everything listens there and nowhere else. Empty:
    nothing but this machine is asked. cloud: of a machine that joined one, the address of its APIs; it runs guests and
    none of the cloud's own processes, unless roles say that it is a controller: then it answers at `port` and
    `objects_port` of its address, too. messages, southbound: where that cloud's messages and its network's database
    are.
    door: of a controller that joined, the port of control's own that all controllers of that cloud have.
    snat: whether guests reach the outside under the host's address. expose_lan: the device of the host from whose LAN
    floating IPs can be reached. forwards: ports of the host that lead to servers, "PORT:ADDRESS:PORT:SERVER ID".
    silent_s: how long control may leave requests unanswered before it is ended and started again; zero: for ever.
    """

    id: str
    simulated: bool
    slot: int = 0
    region: str = "RegionOne"
    listen: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    objects_port: int = 0
    hosts: int = 1
    host_names: tuple[str, ...] = ()
    described: bool = False
    host_name: str = ""
    external_cidr: str = "172.24.4.0/24"
    external_cidr6: str = ""
    nats_port: int = 14222
    address: str = ""
    cloud: str = ""
    messages: str = ""
    southbound: str = ""
    roles: tuple[str, ...] = ()
    door: int = 0
    silent_s: float = SILENT_S
    snat: bool = True
    expose_lan: str = ""
    forwards: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{6}", self.id):
            raise ValueError(f"not the id of a cloud: {self.id!r}")
        if not 1 <= self.port <= 65535:
            raise ValueError(f"not a port: {self.port}")
        if not 0 <= self.objects_port <= 65535:
            raise ValueError(f"not a port: {self.objects_port}")
        if not 0 <= self.slot < 13:
            raise ValueError(f"not a slot: {self.slot}")
        for one in self.forwards:
            forward_of(one)
        if self.address:
            ipaddress.IPv4Address(self.address)
        if self.cloud and not (self.address and self.messages and self.southbound):
            raise ValueError("a machine that joined a cloud knows its own address and the cloud's")
        if self.silent_s < 0:
            raise ValueError(f"not a number of seconds: {self.silent_s}")


class Forward(Struct, frozen=True):
    """A port of the host, and the server's address and port that it leads to."""

    port: int
    address: str
    to: int
    server_id: str

    def __str__(self) -> str:
        return f"{self.port}:{self.address}:{self.to}:{self.server_id}"


def forward_of(text: str) -> Forward:
    """A forward as it stands in the settings.

    Raises:
        ValueError: it is none.
    """
    words = text.split(":")
    if len(words) != 4 or not (words[0].isdecimal() and words[2].isdecimal()):
        raise ValueError(f"not a forward: {text!r}")
    return Forward(int(words[0]), str(ipaddress.IPv4Address(words[1])), int(words[2]), words[3])


def host_name(text: str) -> str:
    """What a machine of this name is called in a cloud."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", text)
    return name[:63] if name[:1].isascii() and name[:1].isalnum() else "hanok"


class Cloud:
    """A cloud's settings and places."""

    def __init__(self, state: Path, settings: CloudSettings) -> None:
        self.state = state
        self.settings = settings

    @property
    def is_member(self) -> bool:
        """Whether this is a machine that joined a cloud, whose control is elsewhere."""
        return bool(self.settings.cloud)

    @property
    def has_control(self) -> bool:
        """Whether the APIs are answered here."""
        return not self.is_member or "controller" in self.settings.roles

    @property
    def tls(self) -> bool:
        """Whether what this machine says to others is sealed."""
        return bool(self.settings.address)

    @property
    def southbound_port(self) -> int:
        """Where the network's southbound database answers other machines."""
        return self.settings.nats_port + 1000

    @property
    def northbound_port(self) -> int:
        """Where the network's northbound database answers other controllers."""
        return self.settings.nats_port + 2000

    @property
    def door_port(self) -> int:
        """Where control itself answers, also while something is in front of it; the same on all controllers."""
        return self.settings.door or self.settings.nats_port + 3000

    @property
    def door_objects_port(self) -> int:
        return self.door_port + 1000

    @property
    def front(self) -> bool:
        """Whether something is in front of control here."""
        return self.front_mark.exists()

    @property
    def front_mark(self) -> Path:
        return self.state / "front"

    @property
    def authority(self) -> Path:
        """The cloud's certificate authority, for clients; nothing is there without an address."""
        return self.state / "ca.pem" if self.has_control else self.node_tls / "ca-cert.pem"

    @property
    def handed_over(self) -> Path:
        """Of a further controller: the settings that it was given when it joined."""
        return self.state / "control" / "handed-over.json"

    @property
    def control_tls(self) -> Path:
        return self.state / "control" / "tls"

    @property
    def node_tls(self) -> Path:
        return self.state / "node" / "tls"

    @property
    def members_file(self) -> Path:
        """What control says of the cloud's hosts, for the supervisor beside it."""
        return self.state / "control" / "members.json"

    @property
    def tunnel(self) -> tuple[str, str]:
        """The two ends of the way by which guests' packets leave the data plane's namespace for other hosts."""
        return f"169.254.{200 + self.settings.slot}.1", f"169.254.{200 + self.settings.slot}.2"

    @property
    def url(self) -> str:
        """The address as clients on this machine use it."""
        if not self.has_control:
            return self.settings.cloud
        if self.tls:
            return f"https://{self.settings.address}:{self.settings.port}"
        address = self.settings.listen
        if address in ("0.0.0.0", "::", ""):  # noqa: S104  # "every address": one has to be named
            address = "127.0.0.1"
        host = f"[{address}]" if ":" in address else address
        return f"http://{host}:{self.settings.port}"

    @property
    def run(self) -> Path:
        """Sockets. Short, because a socket's path is."""
        return RUN / self.settings.id

    @property
    def netns(self) -> str:
        return f"hanok-{self.settings.id}"

    @property
    def host_device(self) -> str:
        return f"hanok-{self.settings.id}"

    @property
    def host_name(self) -> str:
        """What the machine is called in the cloud."""
        return host_name(self.settings.host_name or socket.gethostname())

    @property
    def control_uid(self) -> int:
        return 64160 + 2 * self.settings.slot

    @property
    def messages_uid(self) -> int:
        return self.control_uid + 1

    @property
    def guest_uids(self) -> tuple[int, int]:
        """The first user id of guests, and how many there are; no two clouds share one."""
        slot = self.settings.slot
        return (61200, 1000) if slot == 0 else (62200 + (slot - 1) * 150, 150)

    @property
    def settings_file(self) -> Path:
        return self.state / "hanok.toml"

    @property
    def password_file(self) -> Path:
        return self.state / "control" / "admin-password"

    @property
    def openrc(self) -> Path:
        return self.state / "admin-openrc.sh"

    @property
    def clouds_yaml(self) -> Path:
        return self.state / "clouds.yaml"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def control_settings(self) -> Path:
        return self.state / "control.toml"

    @property
    def node_settings(self) -> Path:
        return self.state / "node.toml"

    @property
    def socket(self) -> Path:
        """The supervisor's door."""
        return self.run / "supervisor.sock"


def write_toml(path: Path, settings: Struct, *, mode: int = 0o644) -> None:
    """Write flat settings, whole or not at all."""
    lines = []
    for name, value in structs.asdict(settings).items():
        if isinstance(value, Struct) or value is None:
            continue
        # A TOML string, number, boolean or array is written as JSON writes it.
        lines.append(f"{name} = {json.dumps(list(value) if isinstance(value, tuple) else value)}")
    write_whole(path, "\n".join(lines) + "\n", mode=mode)


def write_whole(path: Path, text: str, *, mode: int = 0o644, owner: int | None = None) -> None:
    """Write a file, whole or not at all, never readable for more people than mode says.

    Args:
        owner: the user whose it is; None: ours.
    """
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with open(handle, "w", encoding="utf-8") as file:
        if owner is not None:
            os.fchown(handle, owner, owner)
        os.fchmod(handle, mode)
        file.write(text)
        file.flush()
        os.fsync(handle)
    put_in_place(new, path, settled=True)


def load(state: Path) -> Cloud | None:
    """The cloud whose state directory this is; None when there is none yet.

    Raises:
        BrokenState: there is one, and its settings cannot be read.
    """
    path = state / "hanok.toml"
    try:
        return Cloud(state, msgspec.toml.decode(path.read_bytes(), type=CloudSettings))
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise BrokenState(
            f"{state} is a file and not a directory; name another --state-dir"
        ) from None
    except OSError as error:
        raise BrokenState(f"{path} cannot be read: {error.strerror}") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise BrokenState(
            f"{path} is damaged ({error}); put back a copy of it, or move {state} away and start afresh"
        ) from None
