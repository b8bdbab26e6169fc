"""Answers of Compute v2.1: the newest shape, and what older microversions see of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from sqlalchemy import Row

from hanok.base.clock import naive_micro, zulu
from hanok.services.compute import states
from hanok.services.network.facade import ServerPort
from hanok.web.request import Request


def links(request: Request, kind: str, one: str) -> list[dict[str, str]]:
    path = f"{kind}/{quote(one)}"
    return [
        {"rel": "self", "href": f"{request.base_url}/v2.1/{path}"},
        {"rel": "bookmark", "href": f"{request.base_url}/{path}"},
    ]


def bookmark(request: Request, kind: str, one: str) -> list[dict[str, str]]:
    return [{"rel": "bookmark", "href": f"{request.base_url}/{kind}/{quote(one)}"}]


# ---- flavors ----


def flavor(request: Request, row: Row[Any], *, with_specs: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "id": row.id,
        "name": row.name,
        "ram": row.memory_mib,
        "disk": row.disk_gib,
        "vcpus": row.vcpus,
        "swap": row.swap_mib if request.microversion >= (2, 75) else (row.swap_mib or ""),
        "OS-FLV-EXT-DATA:ephemeral": row.ephemeral_gib,
        "OS-FLV-DISABLED:disabled": False,
        "os-flavor-access:is_public": row.is_public,
        "rxtx_factor": row.rxtx_factor,
        "links": links(request, "flavors", row.id),
    }
    if request.microversion >= (2, 55):
        answer["description"] = row.description
    if request.microversion >= (2, 61) and with_specs:
        answer["extra_specs"] = row.extra_specs
    return answer


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
) -> dict[str, Any]:
    """A server in full.

    Args:
        extended: whether the caller may see where it runs.
        alone: not one of a list, which shows a little less.
        host_status: for those who may see it: UP, DOWN, MAINTENANCE or UNKNOWN.
    """
    version = request.microversion
    status = states.status(row.vm_state, row.task_state)
    groups = list(dict.fromkeys(name for port in ports for name in port.security_groups))
    if not ports and row.vm_state == "building":
        groups = list(row.security_groups)
    answer: dict[str, Any] = {
        "id": row.id,
        "name": row.name,
        "status": status,
        "tenant_id": row.project_id,
        "user_id": row.user_id,
        "metadata": row.metadata,
        "hostId": host_id(row),
        "image": {"id": row.image_id, "links": bookmark(request, "images", row.image_id)},
        "created": zulu(row.created_at),
        "updated": zulu(row.updated_at),
        "addresses": addresses(ports),
        "accessIPv4": row.access_ip_v4,
        "accessIPv6": row.access_ip_v6,
        "links": links(request, "servers", row.id),
        "OS-DCF:diskConfig": row.disk_config,
        "OS-EXT-AZ:availability_zone": row.availability_zone or "",
        "config_drive": "True" if row.config_drive else "",
        "key_name": row.key_name,
        "OS-SRV-USG:launched_at": naive_micro(row.launched_at),
        "OS-SRV-USG:terminated_at": naive_micro(row.terminated_at),
        "OS-EXT-STS:task_state": row.task_state,
        "OS-EXT-STS:vm_state": row.vm_state,
        "OS-EXT-STS:power_state": row.power_state,
        "os-extended-volumes:volumes_attached": [],
    }
    if status in ("ACTIVE", "BUILD"):
        answer["progress"] = 100 if status == "ACTIVE" else 0
    if groups:
        answer["security_groups"] = [{"name": name} for name in groups]
    if row.fault is not None and status in ("ERROR", "DELETED"):
        answer["fault"] = {
            name: row.fault[name]
            for name in ("code", "created", "message", "details")
            if name in row.fault and (name != "details" or (extended and row.fault[name]))
        }
    if extended:
        answer["OS-EXT-SRV-ATTR:host"] = row.host
        answer["OS-EXT-SRV-ATTR:hypervisor_hostname"] = row.host
        answer["OS-EXT-SRV-ATTR:instance_name"] = f"instance-{row.sequence:08x}"
        if version >= (2, 3):
            answer["OS-EXT-SRV-ATTR:hostname"] = row.hostname
            answer["OS-EXT-SRV-ATTR:reservation_id"] = row.reservation_id
            answer["OS-EXT-SRV-ATTR:launch_index"] = row.launch_index
            answer["OS-EXT-SRV-ATTR:kernel_id"] = ""
            answer["OS-EXT-SRV-ATTR:ramdisk_id"] = ""
            answer["OS-EXT-SRV-ATTR:root_device_name"] = "/dev/vda"
            answer["OS-EXT-SRV-ATTR:user_data"] = row.user_data
    elif version >= (2, 90):
        answer["OS-EXT-SRV-ATTR:hostname"] = row.hostname
    if version >= (2, 9):
        answer["locked"] = row.locked
    if version >= (2, 73):
        answer["locked_reason"] = row.locked_reason
    if version >= (2, 16) and host_status is not None:
        answer["host_status"] = host_status
    if version >= (2, 19):
        answer["description"] = row.description
    if version >= (2, 26):
        answer["tags"] = list(tags)
    if version >= (2, 47):
        kept = row.flavor
        answer["flavor"] = {
            "original_name": kept["name"],
            "vcpus": kept["vcpus"],
            "ram": kept["ram"],
            "disk": kept["disk"],
            "ephemeral": kept["ephemeral"],
            "swap": kept["swap"],
        }
        if with_specs:
            answer["flavor"]["extra_specs"] = kept["extra_specs"]
    else:
        answer["flavor"] = {
            "id": row.flavor_id,
            "links": bookmark(request, "flavors", row.flavor_id),
        }
    if version >= (2, 63):
        answer["trusted_image_certificates"] = None
    if version >= (2, 71) and alone:
        answer["server_groups"] = []
    if version >= (2, 96):
        answer["pinned_availability_zone"] = row.requested_zone
    if version >= (2, 98):
        answer["image"]["properties"] = row.image_properties
    if version >= (2, 100):
        answer["scheduler_hints"] = row.scheduler_hints
    return answer


# ---- key pairs ----


def keypair(request: Request, row: Row[Any], *, detailed: bool = False) -> dict[str, Any]:
    answer = {
        "name": row.name,
        "public_key": row.public_key,
        "fingerprint": row.fingerprint,
    }
    if request.microversion >= (2, 2):
        answer["type"] = row.type
    if detailed:
        answer.update(
            id=row.sequence,
            user_id=row.user_id,
            created_at=naive_micro(row.created_at),
            updated_at=None,
            deleted=False,
            deleted_at=None,
        )
    return answer


def service(request: Request, row: Row[Any], *, up: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "id": row.id if request.microversion >= (2, 53) else row.number,
        "binary": row.binary,
        "host": row.host,
        "zone": row.zone,
        "status": "disabled" if row.disabled else "enabled",
        "state": "up" if up else "down",
        "updated_at": naive_micro(row.seen_at),
        "disabled_reason": row.disabled_reason,
    }
    if request.microversion >= (2, 11):
        answer["forced_down"] = row.forced_down
    return answer


def quota_set(most: Mapping[str, int], request: Request) -> dict[str, int]:
    """The limits that this microversion still speaks of."""
    left_out: set[str] = set()
    if request.microversion >= (2, 36):
        left_out |= {"fixed_ips", "floating_ips", "security_groups", "security_group_rules"}
    if request.microversion >= (2, 57):
        left_out |= {"injected_files", "injected_file_content_bytes", "injected_file_path_bytes"}
    return {name: value for name, value in most.items() if name not in left_out}
