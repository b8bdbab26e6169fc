"""Flavors, key pairs, aggregates, server groups and services as events tell of them.

A payload is what the versioned notification holds; under "older" stands the older one, where the field has that.

Source: Compute service, "Notifications" (`doc/notification_samples`), and those from before there were versions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from hanok.base.clock import zulu
from hanok.events import Event, Outbox, envelope, versioned
from hanok.services.compute.logic import flavors, server_groups
from hanok.services.compute.logic.aggregates import Aggregate
from hanok.store import Transaction
from hanok.web.token import Caller

OBJECTS = {
    "aggregate": ("AggregatePayload", "1.1"),
    "flavor": ("FlavorPayload", "1.4"),
    "keypair": ("KeypairPayload", "1.0"),
    "server_group": ("ServerGroupPayload", "1.1"),
    "service": ("ServiceStatusPayload", "1.1"),
}
_API = "localhost"


def _older(event_type: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    return {"older": {"event_type": event_type, "payload": dict(payload)}}


async def flavor(tx: Transaction, row: Row[Any]) -> dict[str, Any]:
    return {
        "flavorid": row.id,
        "name": row.name,
        "memory_mb": row.memory_mib,
        "vcpus": row.vcpus,
        "root_gb": row.disk_gib,
        "ephemeral_gb": row.ephemeral_gib,
        "swap": row.swap_mib,
        "rxtx_factor": row.rxtx_factor,
        "vcpu_weight": 0,
        "disabled": False,
        "is_public": row.is_public,
        "extra_specs": row.extra_specs,
        "projects": [] if row.is_public else await flavors.access_of(tx, row.id),
        "description": row.description,
    }


def keypair(row: Row[Any], project_id: str | None, verb: str) -> dict[str, Any]:
    """A key pair, without what is private of it. verb: "create", "import" or "delete"."""
    named = {"tenant_id": project_id, "user_id": row.user_id, "key_name": row.name}
    return {
        "user_id": row.user_id,
        "name": row.name,
        "fingerprint": row.fingerprint,
        "public_key": row.public_key,
        "type": row.type,
        **_older(f"keypair.{verb}.end", named),
    }


def aggregate(one: Aggregate, verb: str = "", **more: Any) -> dict[str, Any]:
    """An aggregate as it is now.

    Args:
        verb: as in older notifications ("addhost"); empty where there are none. more: what those say beside its id.
    """
    told = {"aggregate_id": one.row.id, **more}
    return {
        "id": one.row.id,
        "uuid": one.row.uuid,
        "name": one.row.name,
        "hosts": list(one.hosts),
        "metadata": one.metadata,
        **(_older(f"aggregate.{verb}.end", told) if verb else {}),
    }


async def joined(
    tx: Transaction, events: Outbox, caller: Caller, group_id: str, server_ids: Sequence[str]
) -> None:
    """Tell that new servers are in a group."""
    row = await server_groups.get(tx, caller, group_id)
    payload = await server_group(tx, row, "addmember", instance_uuids=list(server_ids))
    event = Event(
        kind="compute.server_group.add_member",
        resource=f"server_group:{group_id}",
        project_id=caller.project_id,
        user_id=caller.user_id,
        payload=payload,
    )
    await events.emit(tx, event)


async def server_group(tx: Transaction, row: Row[Any], verb: str, **more: Any) -> dict[str, Any]:
    """A group with its servers. verb: as in older notifications ("addmember"); more: what those say beside its id."""
    members = (await server_groups.members(tx, [row.id])).get(row.id, [])
    named = {"server_group_id": row.id, **more}
    if verb == "create":
        own = ("name", "project_id", "user_id")
        named |= {name: getattr(row, name) for name in own} | {"policies": [row.policy]}
    return {
        "uuid": row.id,
        "name": row.name,
        "project_id": row.project_id,
        "user_id": row.user_id,
        "policies": [row.policy],
        "policy": row.policy,
        "rules": {name: str(value) for name, value in row.rules.items()},
        "members": list(members),
        "hosts": None,
        **_older(f"servergroup.{verb}", named),
    }


def service(row: Row[Any]) -> dict[str, Any]:
    return {
        "host": row.host,
        "binary": row.binary,
        "topic": row.binary.removeprefix("nova-"),
        "uuid": row.id,
        "disabled": row.disabled,
        "disabled_reason": row.disabled_reason,
        "forced_down": row.forced_down,
        "availability_zone": row.zone,
        "last_seen_up": zulu(row.seen_at),
        "report_count": 0,
        "version": 0,
    }


def host_enabled(row: Row[Any]) -> dict[str, Any]:
    """A service as the older API for hosts changes it."""
    told = {"host_name": row.host, "enabled": not row.disabled}
    return {**service(row), **_older("HostAPI.set_enabled.end", told)}


def notifications(event: Event) -> list[dict[str, Any]]:
    """An event of one of these, versioned, and as it was before there were versions."""
    event_type = event.kind.removeprefix("compute.")
    noun = event_type.partition(".")[0]
    data = dict(event.payload)
    older = data.pop("older", None)
    publisher = f"{data['binary']}:{data['host']}" if noun == "service" else f"nova-api:{_API}"
    found = [envelope(event, event_type, publisher, versioned(*OBJECTS[noun], data))]
    if older is not None:
        found.append(envelope(event, older["event_type"], f"api.{_API}", older["payload"]))
    return found
