"""What a driver works with: one resource of a stack, and the cloud with the eyes of the stack's owner."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from hanok.base.ids import is_uuid
from hanok.services.orchestration.logic.types.model import Failed

if TYPE_CHECKING:
    from hanok.services.orchestration.logic.parts import Part
    from hanok.services.orchestration.room import Orchestration

Ask = Callable[
    [str, str, bytes, Mapping[str, str], str], Awaitable[tuple[int, Mapping[str, str], bytes]]
]
"""Method, path, body, headers, the id that the request gets; gives status, headers, body."""


class Refusal(Failed):
    """Another service refused; status: how."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Cloud:
    """The other services, asked as the owner of a stack."""

    def __init__(self, ask: Ask, project_id: str) -> None:
        self._ask = ask
        self.project_id = project_id
        self._found: dict[tuple[str, str], str] = {}

    async def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        request_id: str = "",
    ) -> Any:
        """Ask; gives the answer's values.

        Raises:
            Refusal
        """
        sent = b"" if body is None else msgspec.json.encode(body)
        named = (
            {"content-type": "application/json", **(headers or {})} if sent else dict(headers or {})
        )
        status, _, raw = await self._ask(method, path, sent, named, request_id)
        if status >= 300:
            raise Refusal(status, _message(raw) or f"The answer was {status}.")
        return _decoded(raw)

    async def raw(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Ask, where headers and plain bytes matter."""
        return await self._ask(method, path, body, headers or {}, "")

    async def gone(self, method: str, path: str, body: Any = None) -> bool:
        """Ask for something to go; whether it was not there any more."""
        try:
            await self(method, path, body)
        except Refusal as error:
            if error.status == 404:
                return True
            raise
        return False

    async def added(self, path: str, body: Any) -> None:
        """Ask for something to be put where it may be already."""
        try:
            await self("POST", path, body)
        except Refusal as error:
            if error.status != 409:
                raise

    async def find(self, kind: str, value: str) -> str:
        """The id of what a value names, by name or by id.

        Raises:
            Failed: there is none, or more than one.
        """
        if (kind, value) not in self._found:
            self._found[kind, value] = await _found(self, FINDERS[kind], value)
        return self._found[kind, value]


class Finder(msgspec.Struct, frozen=True):
    """Where a kind of thing is looked up.

    key: of its id, which may be its name. uuids: whether nothing else is asked for by its address. query: of its list.
    """

    what: str
    path: str
    plural: str
    singular: str = ""
    by_name: bool = True
    key: str = "id"
    filter_ids: bool = False
    uuids: bool = False
    query: str = ""


FINDERS: dict[str, Finder] = {
    "nova.flavor": Finder("Flavor", "/compute/v2.1/flavors", "flavors", "flavor", by_name=False),
    "nova.server": Finder("Server", "/compute/v2.1/servers", "servers", "server"),
    "nova.keypair": Finder("Key", "/compute/v2.1/os-keypairs", "keypairs", "keypair", False, "name"),
    "nova.host": Finder("Host", "/compute/v2.1/os-hypervisors", "hypervisors", "hypervisor"),
    "glance.image": Finder("Image", "/image/v2/images", "images"),
    "cinder.volume": Finder("Volume", "/volume/v3/volumes", "volumes", "volume"),
    "cinder.snapshot": Finder("Snapshot", "/volume/v3/snapshots", "snapshots", "snapshot"),
    "cinder.backup": Finder("Backup", "/volume/v3/backups", "backups", "backup"),
    "cinder.vtype": Finder("VolumeType", "/volume/v3/types", "volume_types", "volume_type", False),
    "cinder.qos_specs": Finder("QoS Specs", "/volume/v3/qos-specs", "qos_specs", "qos_specs", False),
    **{
        f"manila.{key}": Finder(what, f"/share/v2/{path}", plural, key, uuids=True)
        for what, path, plural, key in (
            ("Share Network", "share-networks", "share_networks", "share_network"),
            ("Security Service", "security-services", "security_services", "security_service"),
        )
    },
    "manila.share_snapshot": Finder(
        "Share Snapshot", "/share/v2/snapshots", "snapshots", "snapshot", uuids=True
    ),
    "manila.share_type": Finder(
        "Share Type", "/share/v2/types", "share_types", "share_type", False, uuids=True, query="is_public=all"
    ),
    "keystone.project": Finder("Project", "/identity/v3/projects", "projects", "project"),
    "keystone.domain": Finder("Domain", "/identity/v3/domains", "domains", "domain"),
    "keystone.role": Finder("Role", "/identity/v3/roles", "roles", "role"),
    "keystone.user": Finder("User", "/identity/v3/users", "users", "user"),
    "keystone.group": Finder("Group", "/identity/v3/groups", "groups", "group"),
    "keystone.service": Finder("Service", "/identity/v3/services", "services", "service"),
    "keystone.region": Finder("Region", "/identity/v3/regions", "regions", "region", by_name=False),
    **{
        f"neutron.{name}": Finder(
            name, f"/network/v2.0/{plural}", plural.replace("-", "_").split("/")[-1], filter_ids=True
        )
        for name, plural in {
            "network": "networks", "subnet": "subnets", "port": "ports", "router": "routers",
            "security_group": "security-groups", "subnetpool": "subnetpools", "address_scope": "address-scopes",
            "qos_policy": "qos/policies", "floating_ip": "floatingips", "trunk": "trunks",
            "segment": "segments", "address_group": "address-groups",
        }.items()
    },
    **{
        f"octavia.{key.replace('_', '')}": Finder(
            what, f"/load-balancer/v2.0/lbaas/{plural.replace('_', '')}", plural, key
        )
        for what, plural, key in (
            ("Load Balancer", "loadbalancers", "loadbalancer"), ("Listener", "listeners", "listener"),
            ("Pool", "pools", "pool"), ("L7Policy", "l7policies", "l7policy"),
            ("Flavor", "flavors", "flavor"), ("Flavorprofile", "flavorprofiles", "flavorprofile"),
            ("Availability Zone Profile", "availability_zone_profiles", "availability_zone_profile"),
        )
    },
    "octavia.availabilityzone": Finder(
        "Availability Zone", "/load-balancer/v2.0/lbaas/availabilityzones", "availability_zones",
        "availability_zone", key="name",
    ),
}  # fmt: skip


async def _found(cloud: Cloud, finder: Finder, value: str) -> str:
    if finder.filter_ids:
        return await _filtered(cloud, finder, value)
    path = f"{finder.path}/{quote(value, safe='')}"
    if is_uuid(value) if finder.uuids else value and "/" not in value:
        try:
            shown = await cloud("GET", path)
            one = shown[finder.singular] if finder.singular else shown
            return str(one[finder.key])
        except Refusal as error:
            if error.status not in (400, 404):
                raise
    return await _named(cloud, finder, value)


async def _named(cloud: Cloud, finder: Finder, value: str) -> str:
    query = f"name={quote(value, safe='')}" if finder.by_name else finder.query
    requested = f"{finder.path}?{query}" if query else finder.path
    listed = (await cloud("GET", requested))[finder.plural]
    some = [one["keypair"] if "keypair" in one else one for one in listed]
    return _only(finder, value, [str(one[finder.key]) for one in some if one.get("name") == value])


async def _filtered(cloud: Cloud, finder: Finder, value: str) -> str:
    names = ["id", "name"] if is_uuid(value) else ["name"]
    if finder.what == "floating_ip":
        names = ["id", "floating_ip_address"]
    for name in names:
        listed = (await cloud("GET", f"{finder.path}?{name}={quote(value, safe='')}&fields=id"))[
            finder.plural
        ]
        if listed:
            return _only(finder, value, [str(one["id"]) for one in listed])
    return _only(finder, value, [])


def _only(finder: Finder, value: str, ids: list[str]) -> str:
    if len(ids) == 1:
        return ids[0]
    if ids:
        raise Failed(
            f"Multiple {finder.what}s matching '{value[:100]}' found, use an ID to be more specific."
        )
    raise Failed(f"The {finder.what} ({value[:100]}) could not be found.")


def _decoded(raw: bytes) -> Any:
    if not raw:
        return None
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return raw.decode("utf-8", "replace")


def _message(raw: bytes) -> str:
    """What an error of another service says, whatever its form is."""
    value = _decoded(raw)
    while isinstance(value, dict) and value:
        for name in ("message", "faultstring"):
            if isinstance(value.get(name), str):
                return str(value[name])
        value = value.get("error", next(iter(value.values())))
    return str(value or "")[:500]


class Work:
    """One resource that is worked on.

    properties: as they are, resolved; in an update and after it, the new ones. stack: its row.
    program, reader: of the stack that it is in.
    """

    def __init__(
        self,
        room: Orchestration,
        cloud: Cloud,
        stack: Any,
        part: Part,
        properties: dict[str, Any],
        *,
        now: datetime,
        program: Any = None,
        facade: Mapping[str, Any] | None = None,
        reader: Any = None,
    ) -> None:
        self.reader = reader
        self.room = room
        self.cloud = cloud
        self.stack = stack
        self.part = part
        self.properties = properties
        self.now = now
        self.program = program
        self.facade = facade or {}

    @property
    def id(self) -> str:
        """Of what was made.

        Raises:
            Failed: nothing was.
        """
        if not self.part.physical_id:
            raise Failed("The resource could not be found.")
        return str(self.part.physical_id)

    @property
    def origin(self) -> str:
        """The cloud's address, as whoever asked for the change reached it."""
        return str(self.room.key.open(self.stack.lent).get("origin", ""))

    @property
    def data(self) -> dict[str, Any]:
        """What is kept of the resource beside its properties."""
        found: dict[str, Any] = self.part.data
        return found

    @property
    def name_of_resource(self) -> str:
        """A name for what is made that says where it belongs: the stack's, the resource's and some letters."""
        short = self.part.id.replace("-", "")[:12]
        name = f"{self.stack.name}-{self.part.name}-{short}"
        return name if len(name) <= 63 else f"{name[:2]}-{name[-60:]}"

    @property
    def age_s(self) -> float:
        """Since the work on it began."""
        began = self.part.updated_at or self.part.created_at or self.now
        return float((self.now - began).total_seconds())

    def sent(self, *names: str, **as_: str) -> dict[str, Any]:
        """Properties that have a value, for a body; as_: under another name there."""
        pairs = {**{name: name for name in names}, **as_}
        return {
            other: self.properties[name]
            for name, other in pairs.items()
            if self.properties.get(name) is not None
        }
