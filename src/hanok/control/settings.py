"""What a control process is told when it starts: one TOML file, frozen after start."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from hanok.control.server_settings import ServerSettings
from hanok.web.proxy import FrontSettings

if TYPE_CHECKING:  # commands read these settings, and need no database for it
    from hanok.rooms import Room

ROOMS = (
    "identity", "placement", "object_storage", "key_manager", "image", "network", "block_storage", "compute",
    "load_balancer", "shared_file_system", "metric", "alarming", "orchestration", "dashboard",
)  # fmt: skip
"""The services of this house, those that others need first. A new one is its folder, and its name here."""

RENAMED = {("image", "most_bytes"): "maximum_bytes", ("image", "web", "most_s"): "maximum_s"}
"""Where a setting is in the file under the name that it once had, and the name that it has now: both are taken."""


class ControlSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the control process.

    database: sqlite:///path, or postgresql://… as PostgreSQL's own tools take it (several hosts: the one that takes
        writes); empty: a file in state_dir. Where rows have moved to a server (hanok grow database), that has them.
    bus: nats://host:port; empty: in memory, for a cloud in one process.
    database_connections: to a PostgreSQL server, at most, for reading and for writing each; what needs more waits.
    northbound: OVN's northbound database ("unix:/run/…/nb.sock"); empty: a simulated network.
    southbound: OVN's southbound database, which `hanok why` asks; empty: it does not.
    bytes_url: where hosts on other machines reach this process, "http://10.0.0.1:5000"; empty: hosts are on this one.
    objects_port: where object storage answers, at the same address; 0: any port that is free.
    tls: the folder with this process's key and certificate (hanok.base.authority); with it everything is served, and
    the bus reached, by TLS. address: at which other machines reach this one; messages_port, southbound_port: where
    they find the bus and the network's database there. Empty: no machine can join.
    files_at: of a further control process, the address of the one beside whose folders the bytes of images, objects,
        backups and copies of disks are: what works on these is asked of that one. Empty: they are in state_dir.
    began_on, began_at: of a further one, the name and the address of the machine where the cloud began.
    door_port, door_objects_port: where this process answers, too; behind: there alone, as something is in front of it
        that passes on what comes to port and objects_port. The same on all controllers.
    cloud_url: the address of the APIs by which machines that join know the cloud; empty: this machine's own.
    northbound_port: where other controllers find OVN's northbound database. database_for_others: where they find
        the rows, if these are on a server of the cloud's own; they show certificates there.
    durable: whether commits wait for the disk.
    admin_password_file: the administrator's first password. admin_password_drawn: whether `up` drew it, of 144 random
        bits, as it did where it made the file: then its hash need not be a costly one.
    node_name: what this control process is called; no two that share a database have the same.
    public_cidr, public_gateway: the external network that `up` makes; empty for none.
    dns_servers: name servers for guests whose subnet names none; `up` gives those of the host.
    front: the proxies before us that are believed; none: nobody is.
    server: how long clients are waited for.
    names: what this cloud is called in addresses. With names here, links are made for these and for numeric addresses
        only, whatever a request says. Consoles open under these; without any, under this machine's own.
    dns_domain: what follows the name of a server within its network.
    more_services: services from elsewhere, by name: the module that has the room ("mycloud.ledger.service").
    services_off: services that are switched off: none of their code runs, and their rows are not touched.
    sections: each service's own settings, a table of its name in the file.
    """

    state_dir: str
    region: str = "RegionOne"
    host: str = "127.0.0.1"
    port: int = 5000
    objects_port: int = 8080
    database: str = ""
    database_connections: Annotated[int, Meta(ge=2, le=1000)] = 16
    bus: str = ""
    bus_user: str = ""
    bus_password_file: str = ""
    bytes_url: str = ""
    tls: str = ""
    address: str = ""
    messages_port: int = 0
    southbound_port: int = 0
    northbound_port: int = 0
    database_for_others: str = ""
    files_at: str = ""
    began_on: str = ""
    began_at: str = ""
    cloud_url: str = ""
    door_port: int = 0
    door_objects_port: int = 0
    behind: bool = False
    northbound: str = ""
    southbound: str = ""
    physical_network: str = "public"
    chassis: tuple[str, ...] = ()
    durable: bool = True
    simulated_hosts: int = 0
    node_name: str = "hanok"
    public_cidr: str = ""
    public_gateway: str = ""
    dns_servers: tuple[str, ...] = ()
    dns_domain: str = "openstacklocal"
    admin_password_file: str = ""
    admin_password_drawn: bool = False
    log_level: Literal["DEBUG", "INFO", "WARNING"] = "INFO"
    front: FrontSettings | None = None
    names: tuple[str, ...] = ()
    server: ServerSettings = ServerSettings()
    more_services: dict[str, str] = {}
    services_off: tuple[str, ...] = ()
    sections: dict[str, Any] = {}

    def __post_init__(self) -> None:
        if unknown := set(self.services_off) - set(self.rooms):
            raise ValueError(f"services_off: {sorted(unknown)[0]!r} is not a service")

    @property
    def rooms(self) -> tuple[str, ...]:
        """The names of all services, those that others need first."""
        return (*ROOMS, *self.more_services)

    def room_class(self, name: str) -> type[Room]:
        """A service's room; its code is loaded only now."""
        module = self.more_services.get(name, f"hanok.services.{name}.service")
        found: type[Room] = importlib.import_module(module).build
        return found

    def of_room(self, name: str) -> Struct:
        """A service's settings: its section, and before that what stands under the same names at the top.

        Raises:
            msgspec.ValidationError: the section does not fit.
        """
        kind, given = self.room_class(name).settings, self.sections.get(name, {})
        if isinstance(given, kind):
            return given
        top = set(kind.__struct_fields__) & set(self.__struct_fields__)
        return msgspec.convert({**{one: getattr(self, one) for one in top}, **given}, kind)

    @property
    def own_ports(self) -> dict[str, int]:
        """The services that have ports of their own, and these; 0: any that is free."""
        settings = {name: self.room_class(name).own_port_setting for name in self.rooms}
        return {name: getattr(self.of_room(name), one) for name, one in settings.items() if one}

    @property
    def doors(self) -> dict[int, int]:
        """Ports at which this process answers as at others: those, by these."""
        objects = self.own_ports.get("object_storage", 0)
        found = {self.door_port: self.port, self.door_objects_port: objects}
        return {door: port for door, port in found.items() if door and port}

    def at_own_port(self, name: str, port: int) -> ControlSettings:
        """The same with the port of a service that has one of its own."""
        setting = self.room_class(name).own_port_setting
        section = msgspec.structs.replace(self.of_room(name), **{setting: port})
        return msgspec.structs.replace(self, sections={**self.sections, name: section})

    @property
    def state(self) -> Path:
        return Path(self.state_dir)

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.state / 'control' / 'hanok.db'}"

    @property
    def first_machine(self) -> tuple[str, str]:
        """The name and the address of the machine where the cloud began."""
        return self.began_on or self.node_name, self.began_at or self.address

    @property
    def bytes_address(self) -> str:
        """Where hosts read images and leave copies of disks that they cannot by a folder."""
        if self.bytes_url or self.files_at:
            return self.bytes_url or self.files_at
        host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        scheme = "https" if self.tls else "http"
        return (
            f"{scheme}://[{host}]:{self.port}" if ":" in host else f"{scheme}://{host}:{self.port}"
        )

    @property
    def cloud_key(self) -> Path:
        """What seals the secrets in the database; every control process has the same."""
        return self.state / "control" / "cloud-key"

    @property
    def images(self) -> Path:
        return self.state / "images"

    @property
    def image_folder(self) -> Path:
        """Staged data, and copies of images from slow stores."""
        return self.state / "control" / "images"

    @property
    def image_stores(self) -> tuple[str, ...]:
        """Where hosts on this machine find images."""
        return str(self.images), str(self.image_folder / "cache")

    @property
    def snapshots(self) -> Path:
        """Where hosts on this machine leave copies of disks."""
        return self.state / "snapshots"

    @property
    def policies(self) -> Path:
        """A folder of <service type>.yaml, or policy.yaml for all."""
        return self.state / "policy"


def load(path: Path) -> ControlSettings:
    """Read settings.

    Raises:
        msgspec.ValidationError, msgspec.DecodeError: the file does not fit; the message says where.
    """
    raw = msgspec.toml.decode(path.read_bytes())
    _renamed(raw)
    more = raw.get("more_services", {})
    names = (*ROOMS, *(more if isinstance(more, dict) else ()))
    sections = {name: raw.pop(name) for name in names if name in raw}
    for name, given in sections.items():
        if not isinstance(given, dict):
            raise msgspec.ValidationError(f"`{name}` is a section of settings: [{name}]")
    settings = msgspec.convert({**raw, "sections": sections}, ControlSettings)
    for name in sections:
        try:
            settings.of_room(name)
        except msgspec.ValidationError as error:
            raise msgspec.ValidationError(f"{error} (in the section [{name}])") from None
    return settings


def _renamed(raw: dict[str, Any]) -> None:
    """Settings that stand under an older name stand under the one of now.

    Raises:
        msgspec.ValidationError: both are given.
    """
    for (*tables, older), name in RENAMED.items():
        table: Any = raw
        for one in tables:
            table = table.get(one) if isinstance(table, dict) else None
        if not isinstance(table, dict) or older not in table:
            continue
        if name in table:
            raise msgspec.ValidationError(
                f"`{older}` is an older name of `{name}`: leave one of them out (in the section [{'.'.join(tables)}])"
            )
        table[name] = table.pop(older)
