"""Which servers a list shows: filters, order and pages of GET /servers and GET /servers/detail.

Source: Compute API reference, "List Servers"; microversion history 2.26, 2.38, 2.66, 2.73, 2.75, 2.83.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from hanok.base.errors import BadInput, Forbidden
from hanok.services.compute import states
from hanok.services.compute.schemas import bodies
from hanok.services.compute.tables import server_tags
from hanok.services.compute.tables import servers as table
from hanok.store import kept
from hanok.web.listing import COMPUTE, Filter, Listing, SortKey, Where, equal, tag_filters
from hanok.web.microversions import Version
from hanok.web.pages import number_of
from hanok.web.request import Request
from hanok.web.versions import Parameter, Query

# ---- values ----


def moment(text: str, name: str) -> datetime:
    """A time as it was sent; one without a zone is UTC.

    Raises:
        BadInput
    """
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput(
            f"Invalid input for query parameters {name}. Value: {text[:100]}. It is not a valid date-time."
        ) from None


def second_after(at: datetime) -> datetime:
    """The end of the second that a time is in: times are shown to the second, and found again by what is shown."""
    try:
        return at.replace(microsecond=0) + timedelta(seconds=1)
    except OverflowError:
        return at


def _since(values: list[str]) -> Where:
    return table.c.updated_at >= moment(values[-1], "changes-since")


def _before(values: list[str]) -> Where:
    return table.c.updated_at < second_after(moment(values[-1], "changes-before"))


def _at(column: sa.Column[Any], name: str) -> Filter:
    def condition(values: list[str]) -> Where:
        at = moment(values[-1], name).replace(microsecond=0)
        return sa.and_(column >= at, column < second_after(at))

    return condition


def _flag(column: sa.Column[Any], name: str) -> Filter:
    return lambda values: column.is_(bodies.truth(values[-1], name))


def _whole(column: sa.Column[Any]) -> Filter:
    def condition(values: list[str]) -> Where:
        number = number_of(values[-1])
        return sa.false() if number is None else column == number

    return condition


def _last_part(column: sa.Column[Any]) -> Filter:
    """By id, which older clients send as an address that ends in it."""
    return lambda values: column.in_([value.rsplit("/", 1)[-1] for value in values])


def _disk_config(values: list[str]) -> Where:
    requested = "AUTO" if bodies.truth(values[-1], "auto_disk_config") else "MANUAL"
    return table.c.disk_config == requested


def _progress(values: list[str]) -> Where:
    shown = [name for name, percent in states.PROGRESS.items() if values[-1] == str(percent)]
    return sa.or_(sa.false(), *(_status(name) for name in shown))


def _status(name: str) -> Where:
    """The servers that show a status: all of their vm states, less the task states that show as another one."""
    vm_states, task_states = states.states_of(name) or ([], [])
    condition: Where = table.c.vm_state.in_(vm_states)
    if task_states and name.upper() in ("REBOOT", "HARD_REBOOT"):
        return sa.and_(condition, table.c.task_state.in_(task_states))
    return condition


def _invalid(name: str) -> Filter:
    """What the table of servers is joined with is not searched, and never was."""

    def refuse(values: list[str]) -> Where:
        raise BadInput(f"Invalid filter field: {name}.")

    return refuse


# ---- the list ----

_JOINED = (
    "block_device_mapping", "info_cache", "metadata", "pci_devices", "security_groups", "services", "system_metadata",
)  # fmt: skip
# Taken since before sort keys were checked, and without a meaning; refused from 2.75.
_UNSORTED = (
    "architecture", "cell_name", "cleaned", "default_ephemeral_device", "default_swap_device", "deleted",
    "deleted_at", "disable_terminate", "ephemeral_gb", "ephemeral_key_uuid", "id", "key_data", "launched_on",
    "memory_mb", "os_type", "reservation_id", "root_gb", "shutdown_terminate", "user_data", "vcpus", "vm_mode",
)  # fmt: skip

LIST = Listing(
    table=table,
    name="servers",
    style=COMPUTE,
    marker=table.c.id,
    unique=table.c.sequence,
    first=(table.c.created_at, "desc"),
    default_direction="desc",
    filters={
        "uuid": equal(table.c.id),
        "image": _last_part(table.c.image_id),
        "image_ref": _last_part(table.c.image_id),
        "flavor": _last_part(table.c.flavor_id),
        "key_name": equal(table.c.key_name),
        "reservation_id": equal(table.c.reservation_id),
        "vm_state": equal(table.c.vm_state),
        "task_state": equal(table.c.task_state),
        "availability_zone": equal(table.c.availability_zone),
        "user_id": equal(table.c.user_id),
        "host": equal(table.c.host),
        "node": equal(table.c.host),
        "access_ip_v4": equal(table.c.access_ip_v4),
        "access_ip_v6": equal(table.c.access_ip_v6),
        "locked_by": equal(table.c.locked_by),
        "power_state": _whole(table.c.power_state),
        "launch_index": _whole(table.c.launch_index),
        "config_drive": _flag(table.c.config_drive, "config_drive"),
        "locked": _flag(table.c.locked, "locked"),
        "auto_disk_config": _disk_config,
        "progress": _progress,
        "root_device_name": equal(table.c.root_device),
        "kernel_id": equal(table.c.kernel_id),
        "ramdisk_id": equal(table.c.ramdisk_id),
        "created_at": _at(table.c.created_at, "created_at"),
        "launched_at": _at(table.c.launched_at, "launched_at"),
        "terminated_at": _at(table.c.terminated_at, "terminated_at"),
        "changes-since": _since,
        "changes-before": _before,
        **tag_filters(table.c.id, server_tags.c.server_id, server_tags.c.tag),
        **{name: _invalid(name) for name in _JOINED},
    },
    sort={
        "access_ip_v4": table.c.access_ip_v4,
        "access_ip_v6": table.c.access_ip_v6,
        "auto_disk_config": table.c.disk_config,
        "availability_zone": table.c.availability_zone,
        "config_drive": table.c.config_drive,
        "created_at": table.c.created_at,
        "display_description": table.c.description,
        "display_name": table.c.name,
        "host": table.c.host,
        "hostname": table.c.hostname,
        "image_ref": table.c.image_id,
        "instance_type_id": table.c.flavor_id,
        "kernel_id": table.c.kernel_id,
        "key_name": table.c.key_name,
        "launch_index": table.c.launch_index,
        "launched_at": table.c.launched_at,
        "locked_by": table.c.locked_by,
        "locked": table.c.locked,
        "node": table.c.host,
        "power_state": table.c.power_state,
        "progress": table.c.vm_state,
        "project_id": table.c.project_id,
        "ramdisk_id": table.c.ramdisk_id,
        "root_device_name": table.c.root_device,
        "task_state": table.c.task_state,
        "terminated_at": table.c.terminated_at,
        "updated_at": table.c.updated_at,
        "user_id": table.c.user_id,
        "uuid": table.c.id,
        "vm_state": table.c.vm_state,
        **{name: SortKey(None, until=(2, 74)) for name in _UNSORTED},
    },
)

_SINCE = {
    "tags": (2, 26),
    "tags-any": (2, 26),
    "not-tags": (2, 26),
    "not-tags-any": (2, 26),
    "changes-before": (2, 66),
    "locked": (2, 73),
}


def _some_status(name: str, values: list[str]) -> None:
    if not any(map(states.states_of, values)):
        raise BadInput("Invalid status value")


def _some_text(name: str, values: list[str]) -> None:
    """An empty text is no pattern, here as upstream: it would fit every server."""
    if "" in values:
        raise BadInput(f"Invalid input for query parameters {name}. Value: . '' is not a 'regex'")


_PATTERNS = frozenset(
    (
        "access_ip_v4 access_ip_v6 auto_disk_config availability_zone config_drive description display_description "
        "display_name flavor hostname ip ip6 kernel_id key_name locked_by name node not-tags not-tags-any power_state "
        "progress ramdisk_id reservation_id root_device_name tags tags-any"
    ).split()
)


def _parameter(name: str, since: Version | None = None) -> Parameter:
    return Parameter(name=name, since=since, check=_some_text if name in _PATTERNS else None)


_BY_HAND = (
    "all_tenants", "deleted", "description", "display_description", "display_name", "hostname", "ip", "ip6", "name",
    "project_id", "soft_deleted", "tenant_id",
)  # fmt: skip
QUERY = Query(
    *map(_parameter, _BY_HAND),
    Parameter(name="status", until=(2, 37)),
    Parameter(name="status", since=(2, 38), check=_some_status),
    *map(_parameter, LIST.parameters_but(*_SINCE)),
    *(_parameter(name, since) for name, since in _SINCE.items()),
    closed=(2, 75),
)

FOR_ALL = Query(
    "all_tenants", "changes-since", "flavor", "image", "ip", "limit", "marker", "name", "reservation_id", "sort_dir",
    "sort_key", "status", *_JOINED,
    Parameter(name="ip6", since=(2, 5)),
    *(Parameter(name=name, since=since) for name, since in _SINCE.items()),
    *(
        Parameter(name=name, since=(2, 83))
        for name in (
            "availability_zone", "config_drive", "created_at", "key_name", "launched_at", "power_state", "progress",
            "task_state", "terminated_at", "user_id", "vm_state",
        )
    ),
)  # fmt: skip
"""The parameters that take effect for everybody; the others do for those whom `allow_all_filters` lets."""


def status_where(request: Request, *, sees_deleted: bool) -> Where | None:
    """The condition that ?status=… makes; None without one.

    Raises:
        Forbidden: deleted servers, for others than operators.
    """
    requested = request.query_all("status")
    if not requested:
        return None
    known = [one for one in requested if states.states_of(one) is not None]
    if known and all(one.upper() == "DELETED" for one in known) and not sees_deleted:
        raise Forbidden("Only administrators may list deleted instances")
    return _one_of(tuple(known))


@lru_cache(maxsize=100)
def _one_of(names: tuple[str, ...]) -> Where:
    """The servers that show one of these statuses."""
    return sa.or_(sa.false(), *map(_status, names))


_GONE, _THERE = table.c.deleted.is_(True), table.c.deleted.is_(False)
_GONE_OR_SET_ASIDE = sa.or_(_GONE, table.c.vm_state == "soft-delete")


def deleted_where(request: Request, *, sees_deleted: bool) -> Where | None:
    """Which of the servers that are gone are shown: none, unless changes are asked for, or they themselves."""
    query = request.query
    statuses = [one.upper() for one in request.query_all("status")]
    if statuses and all(one == "DELETED" for one in statuses) and sees_deleted:
        return _GONE
    if "deleted" in query and sees_deleted:
        if not _asks_for_deleted(query):
            return _THERE
        set_aside = bodies.truth(query.get("soft_deleted") or "true", "soft_deleted")
        return _GONE_OR_SET_ASIDE if set_aside else _GONE
    if "changes-since" in query or "changes-before" in query:
        return None
    return _THERE


def _asks_for_deleted(query: Mapping[str, str]) -> bool:
    try:
        return bodies.truth(query.get("deleted") or "false", "deleted")
    except BadInput:
        return False


def soft_deleted_where(request: Request) -> Where | None:
    """Those that wait to be deleted, where they are asked for; elsewhere they are hidden, as deleted ones are."""
    query = request.query
    if _asks_for_deleted(query):  # which shows both
        return None
    if bodies.truth(query.get("soft_deleted") or "false", "soft_deleted"):
        return kept.equal(table.c.vm_state, "soft-delete")
    if any(name in query for name in _SHOW_SOFT_DELETED):
        return None
    return _NOT_SET_ASIDE


_NOT_SET_ASIDE = table.c.vm_state != "soft-delete"
_SHOW_SOFT_DELETED = ("status", "vm_state", "changes-since", "changes-before")


def check_changes(request: Request) -> None:
    """Raises BadInput when the time that changes are looked for in ends before it begins."""
    since, before = request.query.get("changes-since"), request.query.get("changes-before")
    if since is None or before is None:
        return
    if moment(since, "changes-since") > moment(before, "changes-before"):
        raise BadInput("The value of changes-since must be less than or equal to changes-before.")


Everywhere = Callable[[], object]
"""Refuses when the caller may not list the servers of all projects."""


def projects_where(request: Request, check_everywhere: Everywhere) -> Where | None:
    """Whose servers are shown: the project's, or those of all or of one for who may."""
    query = request.query
    requested = query.get("all_tenants")
    if requested is None or not bodies.truth(requested or "1", "all_tenants"):
        return kept.equal(table.c.project_id, request.token.project_id)
    check_everywhere()
    of = query.get("project_id") or query.get("tenant_id")
    return None if of is None else kept.equal(table.c.project_id, of)
