"""What a control process is told when it starts: one TOML file, frozen after start."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from hanok.control.server_settings import ServerSettings
from hanok.services.compute.facade import ComputeSettings
from hanok.services.identity.facade import IdentitySettings
from hanok.services.image.facade import ImageSettings
from hanok.web.front import FrontSettings


class ControlSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the control process.

    database: sqlite:///path or postgresql://…; empty: a file in state_dir.
    bus: nats://host:port; empty: in memory, for a cloud in one process.
    northbound: OVN's northbound database ("unix:/run/…/nb.sock"); empty: a simulated network.
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
    """

    state_dir: str
    region: str = "RegionOne"
    host: str = "127.0.0.1"
    port: int = 5000
    database: str = ""
    bus: str = ""
    bus_user: str = ""
    bus_password_file: str = ""
    northbound: str = ""
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
    identity: IdentitySettings = IdentitySettings()
    image: ImageSettings = ImageSettings()
    compute: ComputeSettings = ComputeSettings()

    @property
    def state(self) -> Path:
        return Path(self.state_dir)

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.state / 'control' / 'hanok.db'}"

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
    def keys(self) -> Path:
        return self.state / "control" / "token-keys"

    @property
    def secret_keys(self) -> Path:
        """Keys of the secrets that the database holds; a backup of the database is worth little without them."""
        return self.state / "control" / "secret-keys"

    @property
    def saml_keys(self) -> Path:
        """What assertions to other clouds are signed with, where the operator names no key."""
        return self.state / "control" / "saml-keys"

    @property
    def policies(self) -> Path:
        """A folder of <service type>.yaml, or policy.yaml for all."""
        return self.state / "policy"


def load(path: Path) -> ControlSettings:
    """Read settings.

    Raises:
        msgspec.ValidationError, msgspec.DecodeError: the file does not fit; the message says where.
    """
    return msgspec.toml.decode(path.read_bytes(), type=ControlSettings)
