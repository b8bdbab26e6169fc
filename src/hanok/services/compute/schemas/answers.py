"""Answers of Compute v2.1: each in its newest form, and beside it the shape that says what older versions see of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
from sqlalchemy import Row

from hanok.base.clock import naive_micro, zulu
from hanok.services.compute import states
from hanok.services.network.facade import ServerPort
from hanok.web.request import Request
from hanok.web.versions import Attribute, Before, Change, Inside, Shape

ROOT_DEVICE = "/dev/vda"


def links(request: Request, kind: str, one: str) -> list[dict[str, str]]:
    path = f"{kind}/{quote(one)}"
    return [
        {"rel": "self", "href": f"{request.base_url}/v2.1/{path}"},
        {"rel": "bookmark", "href": f"{request.base_url}/{path}"},
    ]


def bookmark(request: Request, kind: str, one: str) -> list[dict[str, str]]:
    return [{"rel": "bookmark", "href": f"{request.base_url}/{kind}/{quote(one)}"}]


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


def addresses(ports: Sequence[ServerPort]) -> dict[str, list[dict[str, Any]]]:
    """Addresses by network name, fixed and floating."""
    found: dict[str, list[dict[str, Any]]] = {}
    for port in ports:
        mine = found.setdefault(port.network_name, [])
        for ip in port.fixed_ips:
            mine.append(
                {
                    "version": ip.version,
                    "addr": ip.address,
                    "OS-EXT-IPS:type": "fixed",
                    "OS-EXT-IPS-MAC:mac_addr": port.mac,
                }
            )
        if port.floating_ip:
            mine.append(
                {
                    "version": 4,
                    "addr": port.floating_ip,
                    "OS-EXT-IPS:type": "floating",
                    "OS-EXT-IPS-MAC:mac_addr": port.mac,
                }
            )
    return {name: ips for name, ips in found.items() if ips}


def host_id(row: Row[Any]) -> str:
    """A host's name for this project only: tells two hosts apart without naming them."""
    if not row.host:
        return ""
    return hashlib.sha224(f"{row.project_id}{row.host}".encode()).hexdigest()


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


def _as_updates_showed(answer: dict[str, Any]) -> None:
    for name in [*_NOT_IN_UPDATES, *(name for name in answer if name.startswith("OS-EXT-"))]:
        answer.pop(name, None)
    answer["addresses"] = {name: plain(ips) for name, ips in answer["addresses"].items()}


CHANGED_SERVER = Shape(*_OF_SERVERS, Before((2, 75), _as_updates_showed), private=("_flavor",))
"""A server as the answer to its change."""


def plain(ips: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Addresses without what extensions added to them."""
    return [{"version": ip["version"], "addr": ip["addr"]} for ip in ips]


def _told_hints(hints: Mapping[str, Any]) -> dict[str, list[str]]:
    """Hints as they are shown: texts, each in a list, however they were sent."""
    return {
        name: [_as_text(one) for one in (value if isinstance(value, list) else [value])]
        for name, value in hints.items()
    }


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def server(
    request: Request,
    row: Row[Any],
    ports: Sequence[ServerPort],
    tags: Sequence[str],
    *,
    extended: bool,
    alone: bool = True,
    host_status: str | None = None,
    with_specs: bool = True,
    shape: Shape = SERVER,
) -> dict[str, Any]:
    """A server in full.

    Args:
        extended: whether the caller may see where it runs.
        alone: not one of a list, which shows a little less.
        host_status: for those who may see it: UP, DOWN, MAINTENANCE or UNKNOWN.
        shape: what older versions see of it, which depends on what was asked.
    """
    status = states.status(row.vm_state, row.task_state)
    answer = {
        **_itself(request, row, status),
        **_state(row, status, extended),
        "addresses": addresses(ports),
        "tags": list(tags),
        "flavor": _own_flavor(row.flavor, with_specs),
        "_flavor": {
            "id": row.flavor_id,
            "links": bookmark(request, "flavors", row.flavor_id),
        },
        "OS-EXT-SRV-ATTR:hostname": row.hostname,
    }
    groups = list(dict.fromkeys(name for port in ports for name in port.security_groups))
    if not ports and row.vm_state == "building":
        groups = list(row.security_groups)
    if groups:
        answer["security_groups"] = [{"name": name} for name in groups]
    if extended:
        answer |= _for_operators(row)
    if host_status is not None:
        answer["host_status"] = host_status
    if alone:
        answer["server_groups"] = []
    return request.shown(shape)(answer)


def _itself(request: Request, row: Row[Any], status: str) -> dict[str, Any]:
    """What a server was made as and what its owner said of it."""
    return {
        "id": row.id,
        "name": row.name,
        "status": status,
        "tenant_id": row.project_id,
        "user_id": row.user_id,
        "metadata": row.metadata,
        "hostId": host_id(row),
        "image": {
            "id": row.image_id,
            "links": bookmark(request, "images", row.image_id),
            "properties": row.image_properties,
        },
        "created": zulu(row.created_at),
        "updated": zulu(row.updated_at),
        "accessIPv4": row.access_ip_v4,
        "accessIPv6": row.access_ip_v6,
        "links": links(request, "servers", row.id),
        "OS-DCF:diskConfig": row.disk_config,
        "OS-EXT-AZ:availability_zone": row.availability_zone or "",
        "config_drive": "True" if row.config_drive else "",
        "key_name": row.key_name,
        "locked": row.locked,
        "locked_reason": row.locked_reason,
        "description": row.description,
        "trusted_image_certificates": None,
        "pinned_availability_zone": row.requested_zone,
        "scheduler_hints": _told_hints(row.scheduler_hints),
    }


def _state(row: Row[Any], status: str, extended: bool) -> dict[str, Any]:
    """How a server is."""
    answer: dict[str, Any] = {
        "OS-SRV-USG:launched_at": naive_micro(row.launched_at),
        "OS-SRV-USG:terminated_at": naive_micro(row.terminated_at),
        "OS-EXT-STS:task_state": row.task_state,
        "OS-EXT-STS:vm_state": row.vm_state,
        "OS-EXT-STS:power_state": row.power_state,
        "os-extended-volumes:volumes_attached": [],
    }
    if status in states.PROGRESS:
        answer["progress"] = states.PROGRESS[status]
    if row.fault is not None and status in ("ERROR", "DELETED"):
        answer["fault"] = {
            name: row.fault[name]
            for name in ("code", "created", "message", "details")
            if name in row.fault and (name != "details" or (extended and row.fault[name]))
        }
    return answer


def _for_operators(row: Row[Any]) -> dict[str, Any]:
    """Where a server runs and how it is called there."""
    return {
        "OS-EXT-SRV-ATTR:host": row.host,
        "OS-EXT-SRV-ATTR:hypervisor_hostname": row.host,
        "OS-EXT-SRV-ATTR:instance_name": f"instance-{row.sequence:08x}",
        "OS-EXT-SRV-ATTR:reservation_id": row.reservation_id,
        "OS-EXT-SRV-ATTR:launch_index": row.launch_index,
        "OS-EXT-SRV-ATTR:kernel_id": "",
        "OS-EXT-SRV-ATTR:ramdisk_id": "",
        "OS-EXT-SRV-ATTR:root_device_name": ROOT_DEVICE,
        "OS-EXT-SRV-ATTR:user_data": row.user_data,
    }


def _own_flavor(kept: Mapping[str, Any], with_specs: bool) -> dict[str, Any]:
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

QUOTAS = Shape(
    *(
        Attribute(name=name, until=(2, 35))
        for name in ("fixed_ips", "floating_ips", "security_groups", "security_group_rules")
    ),
    *(
        Attribute(name=name, until=(2, 56))
        for name in ("injected_files", "injected_file_content_bytes", "injected_file_path_bytes")
    ),
)
QUOTA_CLASS = Shape(
    *QUOTAS.changes,
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
