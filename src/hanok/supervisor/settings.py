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
    hosts: how many hosts a simulated cloud has. external_cidr: the network `public`, which the host can reach.
    nats_port: on loopback.
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
    host_name: str = ""
    external_cidr: str = "172.24.4.0/24"
    nats_port: int = 14222
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


class Cloud:
    """A cloud's settings and places."""

    def __init__(self, state: Path, settings: CloudSettings) -> None:
        self.state = state
        self.settings = settings

    @property
    def url(self) -> str:
        """The address as clients on this machine use it."""
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
        name = re.sub(r"[^A-Za-z0-9_.-]", "-", self.settings.host_name or socket.gethostname())
        return name[:63] if name[:1].isalnum() else "hanok"

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
    new.replace(path)


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
