"""What the compute service notifies of, in both forms of the field: versioned objects, and the older plain payloads.

Source: Compute service, "Notifications" (payloads of `instance.*`), and the event definitions of telemetry, which read
the older form.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from hanok.base.clock import zulu
from hanok.events import Event, envelope, versioned
from hanok.services.compute.logic import servers
from hanok.services.network import facade as networks
from hanok.services.network.facade import Network
from hanok.store import Transaction

_POWER = {0: "pending", 1: "running", 3: "paused", 4: "shutdown", 6: "crashed", 7: "suspended"}
_ACTION = ("InstanceActionPayload", "1.8")
_PAYLOADS = {
    "create": ("InstanceCreatePayload", "1.12"),
    "rebuild": ("InstanceActionRebuildPayload", "1.9"),
    "rescue": ("InstanceActionRescuePayload", "1.3"),
    "snapshot": ("InstanceActionSnapshotPayload", "1.9"),
}
_OWN = {
    "tags": ("create", "update"),
    "instance_name": ("create",),
    "trusted_image_certificates": ("create", "rebuild"),
    "rescue_image_ref": ("rescue",),
    "snapshot_image_id": ("snapshot",),
}
"""What only the payloads of some actions have."""
_FLAVOR = "1.4"
_IP = "1.0"
_FAULT = "1.0"


async def news(tx: Transaction, network: Network, server_id: str) -> dict[str, Any]:
    """A server as its events tell of it."""
    row = await servers.get_even_deleted(tx, server_id)
    if row is None:
        return {"uuid": server_id}
    ports = (await networks.port_views(tx, [server_id])).get(server_id, []) if row.nics else []
    return {
        **_itself(row),
        "flavor": _flavor(row),
        "fixed_ips": [
            {
                "address": address,
                "version": version,
                "mac": port.mac,
                "port_uuid": port.port_id,
                "label": port.network_name,
            }
            for port in ports
            for version, address, _ in port.fixed_ips
        ],
        "tags": await servers.tags_of(tx, server_id),
    }


def _itself(row: Row[Any]) -> dict[str, Any]:
    properties = row.image_properties
    return {
        "uuid": row.id,
        "tenant_id": row.project_id,
        "user_id": row.user_id,
        "reservation_id": row.reservation_id,
        "display_name": row.name,
        "display_description": row.description,
        "host_name": row.hostname,
        "host": row.host,
        "node": row.host,
        "os_type": properties.get("os_type"),
        "architecture": properties.get("architecture"),
        "availability_zone": row.availability_zone,
        "image_uuid": row.image_id,
        "kernel_id": row.kernel_id,
        "ramdisk_id": row.ramdisk_id,
        "key_name": row.key_name,
        "metadata": row.metadata,
        "locked": row.locked,
        "locked_reason": row.locked_reason,
        "auto_disk_config": row.disk_config,
        "block_devices": [],
        "progress": 0,
        "state": row.vm_state,
        "task_state": row.task_state,
        "power_state": row.power_state,
        "created_at": zulu(row.created_at),
        "updated_at": zulu(row.updated_at),
        "launched_at": zulu(row.launched_at),
        "terminated_at": zulu(row.terminated_at),
        "instance_name": f"instance-{row.sequence:08x}",
        "trusted_image_certificates": row.trusted_certificates,
        "deleted_at": zulu(row.terminated_at) if row.deleted else None,
    }


def _flavor(row: Row[Any]) -> dict[str, Any]:
    return {
        "flavorid": row.flavor_id,
        "name": row.flavor["name"],
        "vcpus": row.vcpus,
        "memory_mb": row.memory_mib,
        "root_gb": row.disk_gib,
        "ephemeral_gb": row.flavor["ephemeral"],
        "swap": row.flavor["swap"],
        "extra_specs": row.flavor["extra_specs"],
    }


def notifications(event: Event) -> list[dict[str, Any]]:
    """An event of a server: versioned, and as it was before there were versions."""
    event_type = event.kind.removeprefix("compute.")
    host = event.payload.get("host") or "compute"
    action = event_type.split(".")[1]
    name, version = _PAYLOADS.get(action, _ACTION)
    return [
        envelope(
            event,
            event_type,
            f"nova-compute:{host}",
            versioned(name, version, _versioned(event.payload, action)),
        ),
        envelope(event, event.kind, f"compute.{host}", _plain(event.payload)),
    ]


def _versioned(server: Mapping[str, Any], action: str) -> dict[str, Any]:
    """A server's data in versioned objects, what it has of its own in objects of theirs."""
    data = {
        name: value
        for name, value in server.items()
        if name != "fixed_ips" and action in _OWN.get(name, (action,))
    }
    if "flavor" not in server:
        return data  # it is gone for good; nothing but its id is known
    data["flavor"] = versioned("FlavorPayload", _FLAVOR, server["flavor"])
    data["power_state"] = _POWER.get(server["power_state"], "pending")
    data["ip_addresses"] = [
        versioned("IpPayload", _IP, {**ip, "device_name": None, "meta": {}})
        for ip in server["fixed_ips"]
    ]
    fault = server.get("fault")
    data["fault"] = fault and versioned(
        "ExceptionPayload", _FAULT, {"exception": "", "exception_message": fault["message"]}
    )
    return data


def _plain(server: Mapping[str, Any]) -> dict[str, Any]:
    """The older form, by the names that definitions of events know."""
    if "flavor" not in server:
        return {"instance_id": server["uuid"]}
    flavor = server["flavor"]
    return {
        "instance_id": server["uuid"],
        "tenant_id": server["tenant_id"],
        "user_id": server["user_id"],
        "display_name": server["display_name"],
        "reservation_id": server["reservation_id"],
        "hostname": server["host_name"],
        "instance_type": flavor["name"],
        "instance_flavor_id": flavor["flavorid"],
        "architecture": server["architecture"],
        "os_type": server["os_type"],
        "memory_mb": flavor["memory_mb"],
        "vcpus": flavor["vcpus"],
        "root_gb": flavor["root_gb"],
        "ephemeral_gb": flavor["ephemeral_gb"],
        "disk_gb": flavor["root_gb"] + flavor["ephemeral_gb"],
        "host": server["host"],
        "node": server["node"],
        "availability_zone": server["availability_zone"],
        "created_at": server["created_at"],
        "launched_at": server["launched_at"] or "",
        "terminated_at": server["terminated_at"] or "",
        "deleted_at": server["deleted_at"] or "",
        "image_meta": {"base_image_ref": server["image_uuid"]},
        "state": server["state"],
        "state_description": server["task_state"] or "",
        "metadata": server["metadata"],
        "fixed_ips": [
            {"address": ip["address"], "version": ip["version"], "vif_mac": ip["mac"]}
            for ip in server["fixed_ips"]
        ],
        **({"message": server["fault"]["message"]} if server.get("fault") else {}),
    }
