"""Answers of Compute v2.1: each in its newest form, and beside it the shape that says what older versions see of it."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import UNSET, Struct, UnsetType, field
from sqlalchemy import Row

from hanok.base.clock import naive_micro, zulu
from hanok.commands import Diagnostics, DiskCounters, NICCounters
from hanok.services.compute import states
from hanok.services.network.facade import PortView
from hanok.web.request import Request
from hanok.web.versions import Attribute, Before, Change, Inside, Shape

IN_PROGRESS = ("queued", "preparing", "running", "post-migrating")
"""Statuses of a live migration that goes on."""


def links(request: Request, kind: str, one: str) -> list[dict[str, str]]:
    base, path = request.base_url, f"{kind}/{_quoted(one)}"
    return [
        {"rel": "self", "href": f"{base}/v2.1/{path}"},
        {"rel": "bookmark", "href": f"{base}/{path}"},
    ]


def bookmark(request: Request, kind: str, one: str) -> list[dict[str, str]]:
    return [{"rel": "bookmark", "href": f"{request.base_url}/{kind}/{_quoted(one)}"}]


@lru_cache(maxsize=4096)
def _quoted(one: str) -> str:
    """As it stands in an address; most ids are made of letters, digits and hyphens."""
    return one if one.isascii() and one.replace("-", "").isalnum() else quote(one)


# ---- flavors ----


def _swap_or_nothing(answer: dict[str, Any]) -> None:
    if "swap" in answer:
        answer["swap"] = answer["swap"] or ""


FLAVOR = Shape(
    Attribute(name="rxtx_factor", until=(2, 101)),
    Attribute(name="OS-FLV-DISABLED:disabled", until=(2, 101)),
    Attribute(name="description", since=(2, 55)),
    Attribute(name="extra_specs", since=(2, 61)),
    Before((2, 75), _swap_or_nothing),
)


def flavor(request: Request, row: Row[Any], *, with_specs: bool) -> dict[str, Any]:
    return flavors(request, [row], with_specs=with_specs)[0]


def flavors(
    request: Request, rows: Sequence[Row[Any]], *, with_specs: bool
) -> list[dict[str, Any]]:
    """Flavors in full."""
    shown = request.shown(FLAVOR)
    return [shown(_flavor(request, row, with_specs)) for row in rows]


def _flavor(request: Request, row: Row[Any], with_specs: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "id": row.id,
        "name": row.name,
        "ram": row.memory_mib,
        "disk": row.disk_gib,
        "vcpus": row.vcpus,
        "swap": row.swap_mib,
        "OS-FLV-EXT-DATA:ephemeral": row.ephemeral_gib,
        "OS-FLV-DISABLED:disabled": False,
        "os-flavor-access:is_public": row.is_public,
        "rxtx_factor": row.rxtx_factor,
        "links": links(request, "flavors", row.id),
        "description": row.description,
    }
    if with_specs:
        answer["extra_specs"] = row.extra_specs
    return answer


def short_flavor(request: Request, row: Row[Any]) -> dict[str, Any]:
    """A flavor as GET /flavors lists it."""
    answer = {
        "id": row.id,
        "name": row.name,
        "links": links(request, "flavors", row.id),
        "description": row.description,
    }
    return request.shown(FLAVOR)(answer)


def embedded_flavor(row: Row[Any]) -> dict[str, Any]:
    """A flavor as a server keeps it."""
    return {
        "name": row.name,
        "vcpus": row.vcpus,
        "ram": row.memory_mib,
        "disk": row.disk_gib,
        "ephemeral": row.ephemeral_gib,
        "swap": row.swap_mib,
        "extra_specs": row.extra_specs,
    }


# ---- servers ----


class Address(Struct, gc=False):
    """An address of a server. type: fixed or floating."""

    version: int
    addr: str
    type: str = field(name="OS-EXT-IPS:type")
    mac: str = field(name="OS-EXT-IPS-MAC:mac_addr")


def addresses(ports: Sequence[PortView]) -> dict[str, list[Address]]:
    """Addresses by network name, fixed and floating."""
    found: dict[str, list[Address]] = {}
    for port in ports:
        if not port.fixed_ips:
            continue
        mine = found.setdefault(port.network_name, [])
        for version, address, floating in port.fixed_ips:
            mine.append(Address(version, address, "fixed", port.mac))
            if floating is not None:
                mine.append(Address(4, floating, "floating", port.mac))
    return found


def host_id(row: Row[Any]) -> str:
    """A host's name for this project only: tells two hosts apart without naming them."""
    return host_id_of(row.project_id, row.host)


def host_id_of(project_id: str, host: str | None) -> str:
    """The same of a name; empty: of no host."""
    return _host_id(project_id, host) if host else ""


@lru_cache(maxsize=4096)
def _host_id(project_id: str, host: str) -> str:
    return hashlib.sha224(f"{project_id}{host}".encode()).hexdigest()


def short_server(request: Request, row: Row[Any]) -> dict[str, Any]:
    return {"id": row.id, "name": row.name, "links": links(request, "servers", row.id)}


def _by_reference(answer: dict[str, Any]) -> None:
    """Before a server said of what its flavor consists, it said which it is."""
    answer["flavor"] = {"id": answer["_flavor"]["id"], "links": answer["_flavor"]["links"]}


def _name_for_operators(answer: dict[str, Any]) -> None:
    if "OS-EXT-SRV-ATTR:host" not in answer:
        answer.pop("OS-EXT-SRV-ATTR:hostname", None)


_OF_SERVERS: tuple[Change, ...] = (
    *(
        Attribute(name=f"OS-EXT-SRV-ATTR:{name}", since=(2, 3))
        for name in (
            "hostname", "reservation_id", "launch_index", "kernel_id", "ramdisk_id", "root_device_name", "user_data",
        )
    ),
    Inside(
        "os-extended-volumes:volumes_attached",
        Shape(Attribute(name="delete_on_termination", since=(2, 3))),
    ),
    Attribute(name="locked", since=(2, 9)),
    Attribute(name="host_status", since=(2, 16)),
    Attribute(name="description", since=(2, 19)),
    Attribute(name="tags", since=(2, 26)),
    Before((2, 47), _by_reference),
    Attribute(name="trusted_image_certificates", since=(2, 63)),
    Attribute(name="server_groups", since=(2, 71)),
    Attribute(name="locked_reason", since=(2, 73)),
    Before((2, 90), _name_for_operators),
    Attribute(name="pinned_availability_zone", since=(2, 96)),
    Inside("image", Shape(Attribute(name="properties", since=(2, 98)))),
    Attribute(name="scheduler_hints", since=(2, 100)),
)  # fmt: skip
SERVER = Shape(*_OF_SERVERS, private=("_flavor",))


# Before 2.75 the answer to a change showed less than the server itself.
_NOT_IN_UPDATES = (
    "config_drive",
    "key_name",
    "OS-SRV-USG:launched_at",
    "OS-SRV-USG:terminated_at",
    "os-extended-volumes:volumes_attached",
    "security_groups",
    "host_status",
)


def _as_rebuilds_showed(answer: dict[str, Any]) -> None:
    key_name = answer.get("key_name")
    _as_updates_showed(answer)
    answer["key_name"] = key_name


def _as_updates_showed(answer: dict[str, Any]) -> None:
    for name in [*_NOT_IN_UPDATES, *(name for name in answer if name.startswith("OS-EXT-"))]:
        answer.pop(name, None)
    answer["addresses"] = {
        name: [{"version": one["version"], "addr": one["addr"]} for one in ips]
        for name, ips in answer["addresses"].items()
    }


CHANGED_SERVER = Shape(*_OF_SERVERS, Before((2, 75), _as_updates_showed), private=("_flavor",))
"""A server as the answer to its change."""
REBUILT_SERVER = Shape(
    *_OF_SERVERS,
    Before((2, 75), _as_rebuilds_showed),
    Attribute(name="key_name", since=(2, 54)),
    private=("_flavor", "OS-EXT-SRV-ATTR:user_data"),  # it is told by its plain name
)
"""A server as the answer to its rebuild, which shows what could be changed by it."""


def plain(ips: Sequence[Address]) -> list[dict[str, Any]]:
    """Addresses without what extensions added to them."""
    return [{"version": ip.version, "addr": ip.addr} for ip in ips]


def _told_hints(hints: Mapping[str, Any] | str) -> dict[str, list[str]]:
    """Hints as they are shown: texts, each in a list, however they were sent. hints: or their text."""
    if not hints or hints == "{}":
        return {}
    if isinstance(hints, str):
        hints = msgspec.json.decode(hints, type=dict[str, Any])
    return {
        name: [_as_text(one) for one in (value if isinstance(value, list) else [value])]
        for name, value in hints.items()
    }


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


class _Link(Struct, gc=False):
    rel: str
    href: str


class _Reference(Struct):
    """An image or a flavor, with what the server keeps of it."""

    id: str
    links: list[_Link]
    properties: Any = UNSET


class ShownServer(Struct):
    """A server in full as the newest version shows it, and then as JSON has it: lists make thousands of them."""

    id: str
    name: str
    tenant_id: str
    user_id: str
    status: str
    metadata: Any
    host_id: str = field(name="hostId")
    image: _Reference | str
    flavor: Any
    created: str | None
    updated: str | None
    addresses: dict[str, list[Address]]
    access_ip_v4: str = field(name="accessIPv4")
    access_ip_v6: str = field(name="accessIPv6")
    links: list[_Link]
    disk_config: str = field(name="OS-DCF:diskConfig")
    availability_zone: str = field(name="OS-EXT-AZ:availability_zone")
    hostname: str = field(name="OS-EXT-SRV-ATTR:hostname")
    config_drive: str
    key_name: str | None
    launched_at: str | None = field(name="OS-SRV-USG:launched_at")
    terminated_at: str | None = field(name="OS-SRV-USG:terminated_at")
    task_state: str | None = field(name="OS-EXT-STS:task_state")
    vm_state: str = field(name="OS-EXT-STS:vm_state")
    power_state: int = field(name="OS-EXT-STS:power_state")
    volumes_attached: Sequence[dict[str, Any]] = field(name="os-extended-volumes:volumes_attached")
    tags: Sequence[str]
    locked: bool
    locked_reason: str | None
    description: str | None
    trusted_image_certificates: list[str] | None
    pinned_availability_zone: str | None
    scheduler_hints: dict[str, list[str]]
    progress: int | UnsetType = UNSET
    fault: dict[str, Any] | UnsetType = UNSET
    security_groups: list[dict[str, str]] | UnsetType = UNSET
    host: str | UnsetType | None = field(default=UNSET, name="OS-EXT-SRV-ATTR:host")
    hypervisor_hostname: str | UnsetType | None = field(
        default=UNSET, name="OS-EXT-SRV-ATTR:hypervisor_hostname"
    )
    instance_name: str | UnsetType = field(default=UNSET, name="OS-EXT-SRV-ATTR:instance_name")
    reservation_id: str | UnsetType = field(default=UNSET, name="OS-EXT-SRV-ATTR:reservation_id")
    launch_index: int | UnsetType = field(default=UNSET, name="OS-EXT-SRV-ATTR:launch_index")
    kernel_id: str | UnsetType = field(default=UNSET, name="OS-EXT-SRV-ATTR:kernel_id")
    ramdisk_id: str | UnsetType = field(default=UNSET, name="OS-EXT-SRV-ATTR:ramdisk_id")
    root_device: str | UnsetType | None = field(
        default=UNSET, name="OS-EXT-SRV-ATTR:root_device_name"
    )
    user_data: str | UnsetType | None = field(default=UNSET, name="OS-EXT-SRV-ATTR:user_data")
    host_status: str | UnsetType = UNSET
    server_groups: list[str] | UnsetType = UNSET
    flavor_reference: _Reference | UnsetType = field(default=UNSET, name="_flavor")


class ServerAnswers:
    """How servers are shown in one answer: what does not change from one to the next is worked out once."""

    def __init__(
        self, request: Request, shape: Shape, *, extended: bool, alone: bool, with_specs: bool
    ) -> None:
        """
        Args:
            shape: what older versions see of a server, which depends on what was asked.
            extended: whether the caller may see where it runs.
            alone: not one of a list, which shows a little less.
        """
        self.base_url = self._base = request.base_url
        self._shown = request.shown(shape)
        self._extended = extended
        self._alone = alone
        self.with_specs = with_specs
        self._bookmarks: dict[tuple[str, str], list[_Link]] = {}
        self._known_groups: dict[tuple[str, ...], list[dict[str, str]] | UnsetType] = {}

    def many(
        self,
        rows: Sequence[Any],
        ports: Mapping[str, Sequence[PortView]],
        tags: Mapping[str, Sequence[str]],
        host_status: Mapping[str, str],
        volumes: Mapping[str, list[dict[str, Any]]],
    ) -> list[Any]:
        """Servers of a list, for an answer and nothing else: plain values, or what is encoded like them.

        Args:
            ports, tags, volumes: of servers, by id.
            host_status: of hosts, for those who may see it: UP, DOWN, MAINTENANCE or
                UNKNOWN; "": of those on none.
        """
        found = [
            self.server(
                row,
                ports.get(row.id, ()),
                tags.get(row.id, ()),
                host_status,
                volumes.get(row.id, ()),
            )
            for row in rows
        ]
        return (
            found
            if self._shown.is_newest
            else [self._older(one, row) for one, row in zip(found, rows, strict=True)]
        )

    def one(
        self,
        row: Any,
        ports: Mapping[str, Sequence[PortView]],
        tags: Mapping[str, Sequence[str]],
        host_status: Mapping[str, str],
        group: str | None,
        volumes: Mapping[str, list[dict[str, Any]]],
    ) -> dict[str, Any]:
        """One server as a plain value. group: that it is in. The others as of `many`."""
        found = self.server(
            row,
            ports.get(row.id, ()),
            tags.get(row.id, ()),
            host_status,
            volumes.get(row.id, ()),
        )
        found.server_groups = [] if group is None else [group]
        return self._older(found, row)

    def _older(self, server: ShownServer, row: Any) -> dict[str, Any]:
        """As the version of the request shows it, which may name the flavor only."""
        server.flavor_reference = _Reference(
            row.flavor_id, self._bookmark("flavors", row.flavor_id)
        )
        answer: dict[str, Any] = msgspec.to_builtins(server, enc_hook=msgspec.json.decode)
        return self._shown(answer)

    def _bookmark(self, kind: str, one: str) -> list[_Link]:
        """Many servers are of a few flavors and images."""
        found = self._bookmarks.get((kind, one))
        if found is None:
            found = [_Link("bookmark", f"{self._base}/{kind}/{_quoted(one)}")]
            self._bookmarks[kind, one] = found
        return found

    def server(
        self,
        row: Any,
        ports: Sequence[PortView],
        tags: Sequence[str],
        host_status: Mapping[str, str],
        volumes: Sequence[dict[str, Any]],
    ) -> ShownServer:
        """One server as the newest version shows it in a list. Arguments as of `many`, of this one server."""
        server_id, base, image_id = row.id, self._base, row.image_id
        status = states.status(row.vm_state, row.task_state)
        # By their order: a name for each costs as much as all the rest.
        shown = ShownServer(
            server_id,
            row.name,
            row.project_id,
            row.user_id,
            status,
            row.metadata,
            host_id(row),
            _Reference(image_id, self._bookmark("images", image_id), row.image_properties)
            if image_id
            else "",
            _own_flavor(row.flavor, self.with_specs),
            zulu(row.created_at),
            zulu(row.updated_at),
            addresses(ports),
            row.access_ip_v4,
            row.access_ip_v6,
            [
                _Link("self", f"{base}/v2.1/servers/{server_id}"),
                _Link("bookmark", f"{base}/servers/{server_id}"),
            ],
            row.disk_config,
            row.availability_zone or "",
            row.hostname,
            "True" if row.config_drive else "",
            row.key_name,
            naive_micro(row.launched_at),
            naive_micro(row.terminated_at),
            row.task_state,
            row.vm_state,
            row.power_state,
            volumes,
            tags,
            row.locked,
            row.locked_reason,
            row.description,
            row.trusted_certificates,
            row.requested_zone,
            _told_hints(row.scheduler_hints),
            states.PROGRESS.get(status, UNSET),
            UNSET,
            self._groups(group_names(row, ports)),
            *(_place(row) if self._extended else ()),
        )
        if (up := host_status.get(row.host or "")) is not None:
            shown.host_status = up
        if row.fault is not None and status in ("ERROR", "DELETED"):
            shown.fault = _told_fault(row.fault, self._extended)
        return shown

    def _groups(self, names: Sequence[str]) -> list[dict[str, str]] | UnsetType:
        """Security groups as they are shown; many servers are in the same ones."""
        key = tuple(names)
        found = self._known_groups.get(key)
        if found is None:
            found = self._known_groups[key] = [{"name": name} for name in key] or UNSET
        return found


def group_names(row: Row[Any], ports: Sequence[PortView]) -> Sequence[str]:
    """The security groups of a server: those of its ports, each once."""
    if len(ports) == 1:
        return ports[0].security_groups
    if not ports and row.vm_state == "building":
        names: Sequence[str] | str = row.security_groups
        return msgspec.json.decode(names) if isinstance(names, str) else names
    return list(dict.fromkeys(name for port in ports for name in port.security_groups))


def _told_fault(fault: Mapping[str, Any], extended: bool) -> dict[str, Any]:
    """What went wrong; details are for operators."""
    return {
        name: fault[name]
        for name in ("code", "created", "message", "details")
        if name in fault and (name != "details" or (extended and fault[name]))
    }


def _place(row: Any) -> tuple[Any, ...]:
    """Where a server runs and how it is called there: for operators. In the order of `ShownServer`."""
    return (
        row.host,
        row.host,
        f"instance-{row.sequence:08x}",
        row.reservation_id,
        row.launch_index,
        row.kernel_id,
        row.ramdisk_id,
        row.root_device,
        row.user_data,
    )


def _own_flavor(kept: Mapping[str, Any] | str, with_specs: bool) -> dict[str, Any] | msgspec.Raw:
    """Of what a server consists. kept: with the server, or the text of it."""
    return (
        _encoded_flavor(kept, with_specs) if isinstance(kept, str) else _flavor_of(kept, with_specs)
    )


@lru_cache(maxsize=256)  # servers are of a few flavors
def _encoded_flavor(kept: str, with_specs: bool) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(_flavor_of(msgspec.json.decode(kept), with_specs)))


def _flavor_of(kept: Mapping[str, Any], with_specs: bool) -> dict[str, Any]:
    answer = {
        "original_name": kept["name"],
        "vcpus": kept["vcpus"],
        "ram": kept["ram"],
        "disk": kept["disk"],
        "ephemeral": kept["ephemeral"],
        "swap": kept["swap"],
    }
    if with_specs:
        answer["extra_specs"] = kept["extra_specs"]
    return answer


# ---- volumes of servers ----

VOLUME_ATTACHMENT = Shape(
    Attribute(name="tag", since=(2, 70)),
    Attribute(name="delete_on_termination", since=(2, 79)),
    Attribute(name="id", until=(2, 88)),
    Attribute(name="attachment_id", since=(2, 89)),
    Attribute(name="bdm_uuid", since=(2, 89)),
)
NEW_VOLUME_ATTACHMENT = Shape(
    Attribute(name="tag", since=(2, 70)),
    Attribute(name="delete_on_termination", since=(2, 79)),
)


def volume_attachment(row: Row[Any]) -> dict[str, Any]:
    """A volume as a server has it."""
    answer = {
        "id": row.volume_id,
        "volumeId": row.volume_id,
        "serverId": row.server_id,
        "tag": row.tag,
        "delete_on_termination": row.delete_on_termination,
        "attachment_id": row.attachment_id,
        "bdm_uuid": row.id,
    }
    return {**answer, "device": row.device} if row.device else answer


def new_volume_attachment(row: Row[Any]) -> dict[str, Any]:
    """A volume that a server is about to have."""
    return {
        "id": row.volume_id,
        "volumeId": row.volume_id,
        "serverId": row.server_id,
        "device": row.device,
        "tag": row.tag,
        "delete_on_termination": row.delete_on_termination,
    }


# ---- key pairs ----


KEYPAIR = Shape(Attribute(name="type", since=(2, 2)))


def keypair(request: Request, row: Row[Any], *, detailed: bool = False) -> dict[str, Any]:
    answer = {
        "name": row.name,
        "public_key": row.public_key,
        "fingerprint": row.fingerprint,
        "type": row.type,
    }
    if detailed:
        answer.update(
            id=row.sequence,
            user_id=row.user_id,
            created_at=naive_micro(row.created_at),
            updated_at=None,
            deleted=False,
            deleted_at=None,
        )
    return request.shown(KEYPAIR)(answer)


def _by_number(answer: dict[str, Any]) -> None:
    """Before they had UUIDs, services and hypervisors had numbers."""
    answer["id"] = answer["_number"]


# ---- hosts ----

SERVICE = Shape(
    Attribute(name="forced_down", since=(2, 11)), Before((2, 53), _by_number), private=("_number",)
)


def service(request: Request, row: Row[Any], *, up: bool) -> dict[str, Any]:
    return request.shown(SERVICE)(
        {
            "id": row.id,
            "_number": row.number,
            "binary": row.binary,
            "host": row.host,
            "zone": row.zone,
            "status": "disabled" if row.disabled else "enabled",
            "state": "up" if up else "down",
            "updated_at": naive_micro(row.seen_at),
            "disabled_reason": row.disabled_reason,
            "forced_down": row.forced_down,
        }
    )


HYPERVISOR_SUMS = (
    "vcpus", "vcpus_used", "memory_mb", "memory_mb_used", "free_ram_mb", "local_gb", "local_gb_used",
    "free_disk_gb", "disk_available_least", "current_workload", "running_vms",
)  # fmt: skip


def _cpu_as_text(answer: dict[str, Any]) -> None:
    if "cpu_info" in answer:
        answer["cpu_info"] = msgspec.json.encode(answer["cpu_info"]).decode()


def _only_some_servers(answer: dict[str, Any]) -> None:
    if not answer.get("servers"):
        answer.pop("servers", None)


# Nobody is shown it: versions before do not take ports that have it.
PORT = Shape(Attribute(name="resource_request", since=(2, 72)))

HYPERVISOR = Shape(
    Before((2, 28), _cpu_as_text),
    Before((2, 53), _by_number),
    Attribute(name="servers", since=(2, 53)),
    Before((2, 75), _only_some_servers),
    *(Attribute(name=name, until=(2, 87)) for name in (*HYPERVISOR_SUMS, "cpu_info")),
    Attribute(name="uptime", since=(2, 88)),
    Inside("service", Shape(Before((2, 53), _by_number), private=("_number",))),
    private=("_number",),
)


# ---- limits ----

_OF_NETWORKS = ("fixed_ips", "floating_ips", "security_groups", "security_group_rules")
_OF_FILES = tuple(
    Attribute(name=name, until=(2, 56))
    for name in ("injected_files", "injected_file_content_bytes", "injected_file_path_bytes")
)
QUOTAS = Shape(*(Attribute(name=name, until=(2, 35)) for name in _OF_NETWORKS), *_OF_FILES)
QUOTA_CLASS = Shape(
    *(Attribute(name=name, until=(2, 49)) for name in _OF_NETWORKS),
    *_OF_FILES,
    Attribute(name="server_groups", since=(2, 50)),
    Attribute(name="server_group_members", since=(2, 50)),
)
LIMITS = Shape(
    *(
        Attribute(name=name, until=(2, 35))
        for name in (
            "maxTotalFloatingIps",
            "maxSecurityGroups",
            "maxSecurityGroupRules",
            "totalFloatingIpsUsed",
            "totalSecurityGroupsUsed",
        )
    ),
    Attribute(name="maxImageMeta", until=(2, 38)),
    Attribute(name="maxPersonality", until=(2, 56)),
    Attribute(name="maxPersonalitySize", until=(2, 56)),
)


# ---- what was done ----


def _events_for_operators(answer: dict[str, Any]) -> None:
    if not answer.get("_sees_all"):
        answer.pop("events", None)


ACTION = Shape(
    Before((2, 51), _events_for_operators),
    Attribute(name="updated_at", since=(2, 58)),
    private=("_sees_all",),
)
EVENT = Shape(
    Attribute(name="hostId", since=(2, 62)),
    Attribute(name="host", since=(2, 62)),
    Attribute(name="details", since=(2, 84)),
)
INTERFACE = Shape(Attribute(name="tag", since=(2, 70)))


# ---- host aggregates ----

AGGREGATE = Shape(Attribute(name="uuid", since=(2, 41)))


def aggregate(request: Request, one: Any) -> dict[str, Any]:
    """An aggregate in full."""
    row = one.row
    return request.shown(AGGREGATE)(
        {
            "id": row.id,
            "uuid": row.uuid,
            "name": row.name,
            "availability_zone": one.zone,
            "hosts": list(one.hosts),
            "metadata": one.metadata,
            "created_at": naive_micro(row.created_at),
            "updated_at": naive_micro(row.updated_at),
            "deleted": False,
            "deleted_at": None,
        }
    )


# ---- server groups ----


def _policies(answer: dict[str, Any]) -> None:
    """Before 2.64 a group had a list of policies, and metadata that nobody could set."""
    answer["policies"] = [answer.pop("policy")]
    answer["metadata"] = {}


SERVER_GROUP = Shape(
    Attribute(name="project_id", since=(2, 13)),
    Attribute(name="user_id", since=(2, 13)),
    Attribute(name="rules", since=(2, 64)),
    Before((2, 64), _policies),
)


def server_group(request: Request, row: Row[Any], members: Sequence[str]) -> dict[str, Any]:
    return request.shown(SERVER_GROUP)(
        {
            "id": row.id,
            "name": row.name,
            "policy": row.policy,
            "rules": row.rules,
            "members": list(members),
            "project_id": row.project_id,
            "user_id": row.user_id,
        }
    )


# ---- migrations ----

MIGRATION = Shape(
    Attribute(name="links", since=(2, 23)),
    Attribute(name="migration_type", since=(2, 23)),
    Attribute(name="uuid", since=(2, 59)),
    Attribute(name="user_id", since=(2, 80)),
    Attribute(name="project_id", since=(2, 80)),
)
SERVER_MIGRATION = Shape(
    Attribute(name="uuid", since=(2, 59)),
    Attribute(name="user_id", since=(2, 80)),
    Attribute(name="project_id", since=(2, 80)),
)
_PROGRESS = tuple(
    f"{what}_{part}_bytes"
    for what in ("memory", "disk")
    for part in ("total", "processed", "remaining")
)


def _moved(row: Row[Any], hosts: bool) -> dict[str, Any]:
    """What is shown of every migration. hosts: whether the caller may see them."""
    answer = {
        "id": row.id,
        "uuid": row.uuid,
        "status": row.status,
        "user_id": row.user_id,
        "project_id": row.project_id,
        "created_at": naive_micro(row.created_at),
        "updated_at": naive_micro(row.updated_at),
    }
    for name in ("source_compute", "source_node", "dest_compute", "dest_node", "dest_host"):
        answer[name] = row._mapping[name] if hosts else None
    return answer


def _flavor_number(flavor_id: str | None) -> int | None:
    """The whole number that stands for a flavor where clients get one, and nobody can look it up."""
    return None if flavor_id is None else zlib.crc32(flavor_id.encode())


def migration(request: Request, row: Row[Any], *, hosts: bool) -> dict[str, Any]:
    """A migration as the list of all shows it; a live one that goes on has links."""
    answer = {
        **_moved(row, hosts),
        "instance_uuid": row.server_id,
        "old_instance_type_id": _flavor_number(row.old_flavor),
        "new_instance_type_id": _flavor_number(row.new_flavor),
        "migration_type": row.migration_type,
    }
    if row.migration_type == "live-migration" and row.status in IN_PROGRESS:
        answer["links"] = links(request, f"servers/{row.server_id}/migrations", str(row.id))
    return request.shown(MIGRATION)(answer)


def server_migration(request: Request, row: Row[Any], *, hosts: bool) -> dict[str, Any]:
    """A live migration of a server that goes on, with how far it is."""
    answer = {**_moved(row, hosts), "server_uuid": row.server_id}
    answer |= {name: row.progress.get(name) for name in _PROGRESS}
    return request.shown(SERVER_MIGRATION)(answer)


# ---- diagnostics ----

_DISK_NAMES = "abcdefgh"


def _diagnostics_by_name(answer: dict[str, Any]) -> None:
    """Before 2.48 the hypervisor's own names, each with a number."""
    found: dict[str, Any] = {}
    for cpu in answer["cpu_details"]:
        found[f"cpu{cpu['id']}_time"] = cpu["time"]
    for letter, disk in zip(_DISK_NAMES, answer["disk_details"], strict=False):
        found |= {
            f"vd{letter}_read": disk["read_bytes"],
            f"vd{letter}_read_req": disk["read_requests"],
            f"vd{letter}_write": disk["write_bytes"],
            f"vd{letter}_write_req": disk["write_requests"],
            f"vd{letter}_errors": disk["errors_count"],
        }
    for port_id, nic in zip(answer["_ports"], answer["nic_details"], strict=True):
        tap = f"tap{port_id[:11]}"
        for way in ("rx", "tx"):
            found[f"{tap}_{way}"] = nic[f"{way}_octets"]
            for what in ("packets", "errors", "drop"):
                found[f"{tap}_{way}_{what}"] = nic[f"{way}_{what}"]
    memory = answer["memory_details"]
    found |= {"memory": memory["maximum"] * 1024, "memory-actual": memory["used"] * 1024}
    found |= {f"memory-{name}": value for name, value in answer["_memory"].items()}
    answer.clear()
    answer |= found


DIAGNOSTICS = Shape(Before((2, 48), _diagnostics_by_name), private=("_ports", "_memory"))


def diagnostics(
    request: Request, row: Row[Any], told: Diagnostics, now: datetime
) -> dict[str, Any]:
    """What a guest has done, in one form for all hypervisors. Memory in MiB, times of processors in ns."""
    started = told.started_at
    return request.shown(DIAGNOSTICS)(
        {
            "state": told.power,
            "driver": "libvirt",  # the reference knows no other word for hosts that run QEMU
            "hypervisor": "kvm" if told.accelerator == "kvm" else "qemu",
            "hypervisor_os": "linux",
            "uptime": 0 if started is None else max(0, int((now - started).total_seconds())),
            "config_drive": row.config_drive,
            "num_cpus": len(told.cpu_times_ns),
            "num_disks": len(told.disks),
            "num_nics": len(told.nics),
            "memory_details": {"maximum": told.memory_mib, "used": told.memory_used_mib},
            "cpu_details": [
                {"id": number, "time": time, "utilisation": None}
                for number, time in enumerate(told.cpu_times_ns)
            ],
            "disk_details": [_disk_details(disk) for disk in told.disks],
            "nic_details": [_nic_details(nic) for nic in told.nics],
            "_ports": [nic.port_id for nic in told.nics],
            "_memory": told.memory_figures,
        }
    )


def _disk_details(disk: DiskCounters) -> dict[str, Any]:
    return {
        "read_bytes": disk.read_bytes,
        "read_requests": disk.read_requests,
        "write_bytes": disk.write_bytes,
        "write_requests": disk.write_requests,
        "errors_count": disk.errors,
    }


def _nic_details(nic: NICCounters) -> dict[str, Any]:
    counted = {
        name: getattr(nic, name)
        for name in nic.__struct_fields__
        if name.startswith(("rx_", "tx_"))
    }
    return {"mac_address": nic.mac, **counted, "rx_rate": None, "tx_rate": None}
