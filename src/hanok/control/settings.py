"""What a control process is told when it starts: one TOML file, frozen after start."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from hanok.control.server_settings import ServerSettings
from hanok.rooms import Room
from hanok.web.proxy import FrontSettings

ROOMS = ("identity", "placement", "image", "network", "compute", "object_storage")
"""The services of this house, those that others need first. A new one is its folder, and its name here."""


class ControlSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the control process.

    database: sqlite:///path or postgresql://…; empty: a file in state_dir.
    bus: nats://host:port; empty: in memory, for a cloud in one process.
    northbound: OVN's northbound database ("unix:/run/…/nb.sock"); empty: a simulated network.
    southbound: OVN's southbound database, which `hanok why` asks; empty: it does not.
    bytes_url: where hosts on other machines reach this process, "http://10.0.0.1:5000"; empty: hosts are on this one.
    objects_port: where object storage answers, at the same address; 0: any port that is free.
    durable: whether commits wait for the disk.
    admin_password_file: the administrator's first password.
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
    bus: str = ""
    bus_user: str = ""
    bus_password_file: str = ""
    bytes_url: str = ""
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
    def bytes_address(self) -> str:
        """Where hosts read images and leave copies of disks that they cannot by a folder."""
        if self.bytes_url:
            return self.bytes_url
        host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

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
    names = (*ROOMS, *raw.get("more_services", {}))
    sections = {name: raw.pop(name) for name in names if name in raw}
    settings = msgspec.convert({**raw, "sections": sections}, ControlSettings)
    for name in sections:
        try:
            settings.of_room(name)
        except msgspec.ValidationError as error:
            raise msgspec.ValidationError(f"{error} (in the section [{name}])") from None
    return settings
