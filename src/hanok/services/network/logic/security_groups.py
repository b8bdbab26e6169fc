"""Security groups and their rules.

Every project has a default group. It is written with the first change that needs it (a port, a group, a rule), never by
looking: until then it is shown as it will be, under the id it will have, which follows from the project's id.

A rule's `canonical` spells what it means: names of protocols as numbers, host bits dropped, ICMP in an IPv6 rule as
ICMPv6, whole port ranges as none. Two rules of a group that mean the same are one.

Source: Networking API v2.0 reference, "Security groups", "Security group rules".
"""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput
from hanok.drivers.ovn.topology import PROTOCOLS
from hanok.services.network.logic import logs, quotas, sharing
from hanok.services.network.logic.errors import conflict
from hanok.services.network.logic.reach import (
    Reach,
    change,
    get,
    project_of,
    set_tags,
    shown,
    standard,
    tags_of,
)
from hanok.services.network.logic.scopes import security_group_scope, touch
from hanok.services.network.room import Network
from hanok.services.network.tables import (
    default_rules as templates,
)
from hanok.services.network.tables import (
    default_statefulness,
    port_security_groups,
    security_groups,
)
from hanok.services.network.tables import security_group_rules as rules
from hanok.store import Duplicate, Transaction

_NAMESPACE = uuid.UUID("5f0a9f5e-6a3c-4f0e-9d0b-1c1d2f6f7a10")  # of default groups and their rules
DEFAULT_NAME = "default"
DEFAULT_TEXT = "Default security group"

PARENT = "PARENT"  # what stands for a rule's own group in what it is made by

_templates = (
    sa.select(templates)
    .where(templates.c.withdrawn.is_(False))
    .order_by(templates.c.created_at, templates.c.canonical)
)
_first_in_default = sa.select(templates.c.id).where(
    templates.c.used_in_default_sg, templates.c.withdrawn.is_(False)
)
_statefulness = sa.select(security_groups.c.stateful).where(
    security_groups.c.id.in_(bindparam("ids", expanding=True))
)
_said = sa.select(default_statefulness.c.project_id, default_statefulness.c.stateful).where(
    default_statefulness.c.project_id.in_(("", bindparam("project")))
)
_group = sa.select(security_groups).where(security_groups.c.id == bindparam("requested"))
_rules_of = (
    sa.select(rules)
    .where(rules.c.security_group_id.in_(bindparam("ids", expanding=True)))
    .order_by(rules.c.created_at, rules.c.id)
)
_members = sa.select(port_security_groups.c.port_id).where(
    port_security_groups.c.security_group_id == bindparam("group")
)
_kept_for_itself = (
    sa.select(security_groups.c.id)
    .where(security_groups.c.id == bindparam("group"))
    .with_for_update()  # no port comes in, as its row would name this one
)
_named_by = sa.select(rules.c.security_group_id).where(
    rules.c.remote_group_id == bindparam("group")
)
_same = sa.select(rules.c.id).where(
    rules.c.security_group_id == bindparam("group"), rules.c.canonical == bindparam("canonical")
)


def default_id(project_id: str) -> str:
    """The id of a project's default group."""
    return str(uuid.uuid5(_NAMESPACE, project_id))


def _default_rule_id(project_id: str, template_id: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{project_id}/{template_id}"))


async def is_of_default(tx: Transaction, requested: str, project_id: str) -> bool:
    """Whether this is the id of a project's default group, or of a rule that the group begins with."""
    if requested == default_id(project_id):
        return True
    first = await tx.scalars(_first_in_default)
    return requested in (_default_rule_id(project_id, one) for one in first)


def meant(row: Row[Any]) -> str:
    """What a rule that groups begin with means in one of them; two may be for different groups."""
    return canonical({**row._mapping, "remote_address_group_id": None})


async def _first_rules(
    tx: Transaction, group_id: str, *, default: bool
) -> list[tuple[str, dict[str, Any]]]:
    """The rules that a new group begins with, each behind the id of what it is made by."""
    which = templates.c.used_in_default_sg if default else templates.c.used_in_non_default_sg
    rows = {meant(row): row for row in await tx.all(_templates.where(which))}.values()
    names = ("direction", "ethertype", "protocol", "port_range_min", "port_range_max",
             "remote_ip_prefix")  # fmt: skip
    return [
        (
            row.id,
            {
                **{name: row._mapping[name] for name in names},
                "remote_group_id": group_id if row.remote_group_id == PARENT else None,
                "remote_address_group_id": None,
            },
        )
        for row in rows
    ]


async def check_alike(tx: Transaction, ids: Sequence[str]) -> None:
    """Raises Conflict where some of the groups of a port are stateful and some are not."""
    if len(ids) > 1 and len(set(await tx.scalars(_statefulness, {"ids": list(ids)}))) > 1:
        raise conflict(
            "SecurityGroupConflict",
            "Error Cannot apply both stateful and stateless security groups on the same port while "
            "attempting the operation.",
        )


async def _stateful(tx: Transaction, project_id: str) -> bool:
    """Whether a project's new groups are, if they do not say."""
    said = {row.project_id: row.stateful for row in await tx.all(_said, {"project": project_id})}
    return bool(said.get(project_id, said.get("", True)))


def _rule_row(
    group_id: str, project_id: str, values: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    row = {
        **standard(values, project_id, now),
        "security_group_id": group_id,
        **{
            name: values[name]
            for name in (
                "direction", "ethertype", "protocol", "port_range_min", "port_range_max",
                "remote_ip_prefix", "remote_group_id", "remote_address_group_id",
            )
        },
        "normalized_cidr": normalized(values["remote_ip_prefix"]),
    }  # fmt: skip
    row["canonical"] = canonical(row)
    return row


async def _default_rows(
    tx: Transaction, project_id: str, now: datetime
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    group_id = default_id(project_id)
    group = {
        **standard({"name": DEFAULT_NAME, "description": DEFAULT_TEXT}, project_id, now),
        "id": group_id,
        "default_of": project_id,
        "stateful": await _stateful(tx, project_id),
    }
    found = []
    for template, values in await _first_rules(tx, group_id, default=True):
        row = _rule_row(group_id, project_id, values, now)
        row["id"] = _default_rule_id(project_id, template)
        found.append(row)
    return group, found


async def ensure_default(tx: Transaction, room: Network, project_id: str) -> str:
    """The id of the project's default group, which exists afterwards."""
    group_id = default_id(project_id)
    if await tx.first(_group, {"requested": group_id}) is not None:
        return group_id
    group, its_rules = await _default_rows(tx, project_id, room.clock.now())
    try:
        await tx.insert(security_groups, group)
    except Duplicate:
        return group_id
    if its_rules:
        await tx.insert(rules, its_rules)
    await touch(tx, room, security_group_scope(group_id))
    return group_id


async def default_to_be(tx: Transaction, project_id: str, now: datetime) -> dict[str, Any] | None:
    """The default group of a project that has none yet, as it would be; None when it has one."""
    if await tx.first(_group, {"requested": default_id(project_id)}) is not None:
        return None
    group, its_rules = await _default_rows(tx, project_id, now)
    fields = {"created_at": now, "updated_at": now}
    return _shown(_Made({**group, **fields}), [], [_Made({**rule, **fields}) for rule in its_rules])


class _Made:
    """A row that is not in the database."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.__dict__.update(values)


def _shown(group: Any, group_tags: Sequence[str], its_rules: Sequence[Any]) -> dict[str, Any]:
    return {
        **shown(group, group_tags),
        "stateful": group.stateful,
        "shared": False,  # with whom, is said for each caller
        "security_group_rules": [show_rule(rule, group) for rule in its_rules],
    }


async def show(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    ids = [row.id for row in rows]
    their_tags = await tags_of(tx, ids)
    their_rules: dict[str, list[Any]] = {one: [] for one in ids}
    for rule in await tx.all(_rules_of, {"ids": ids}):
        their_rules[rule.security_group_id].append(rule)
    return [_shown(row, their_tags[row.id], their_rules[row.id]) for row in rows]


def show_rule(rule: Any, group: Any) -> dict[str, Any]:
    found = shown(rule)
    del found["name"]
    return {
        **found,
        "security_group_id": rule.security_group_id,
        "direction": rule.direction,
        "ethertype": rule.ethertype,
        "protocol": rule.protocol,
        "port_range_min": rule.port_range_min,
        "port_range_max": rule.port_range_max,
        "remote_ip_prefix": rule.remote_ip_prefix,
        "normalized_cidr": rule.normalized_cidr,
        "remote_group_id": rule.remote_group_id,
        "remote_address_group_id": rule.remote_address_group_id,
        "belongs_to_default_sg": group.default_of is not None,
    }


_these = sa.select(security_groups).where(
    security_groups.c.id.in_(bindparam("ids", expanding=True))
)


async def show_rules(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """Rules as this API shows them, in the same order; with the project of their group for the access rules."""
    ids = {row.security_group_id for row in rows}
    groups = {row.id: row for row in await tx.all(_these, {"ids": ids})} if ids else {}
    return [
        {
            **show_rule(row, groups[row.security_group_id]),
            "_target": {"security_group:project_id": groups[row.security_group_id].project_id},
        }
        for row in rows
    ]


async def create(tx: Transaction, room: Network, reach: Reach, values: Mapping[str, Any]) -> str:
    """Write a group with the rules that groups begin with: out with everything, unless an operator has others.

    Raises:
        BadInput, QuotaReached; Conflict: another group called "default".
    """
    project_id = project_of(values, reach)
    if values["name"].lower() == DEFAULT_NAME:
        raise conflict(
            "SecurityGroupDefaultAlreadyExists", "Default security group already exists."
        )
    await ensure_default(tx, room, project_id)
    await quotas.check(tx, room, project_id, "security_group")
    now = room.clock.now()
    stateful = values.get("stateful")
    group = {
        **standard(values, project_id, now),
        "default_of": None,
        "stateful": await _stateful(tx, project_id) if stateful is None else stateful,
    }
    first = [
        _rule_row(group["id"], project_id, one, now)
        for _, one in await _first_rules(tx, group["id"], default=False)
    ]
    await quotas.check(tx, room, project_id, "security_group_rule", len(first))
    await tx.insert(security_groups, group)
    if first:
        await tx.insert(rules, first)
    await set_tags(tx, group["id"], values.get("tags", ()))
    await touch(tx, room, security_group_scope(group["id"]))
    return str(group["id"])


async def update(tx: Transaction, room: Network, row: Row[Any], values: Mapping[str, Any]) -> None:
    """Change a group.

    Raises:
        Conflict: the default group's name, or a second "default"; ports are in a group that turns stateless.
    """
    name = values.get("name", row.name)
    if name != row.name and row.default_of is not None:
        raise conflict(
            "SecurityGroupCannotUpdateDefault", "Updating default security group not allowed."
        )
    if name.lower() == DEFAULT_NAME and row.default_of is None:
        raise conflict(
            "SecurityGroupDefaultAlreadyExists", "Default security group already exists."
        )
    turned = values.get("stateful", row.stateful) != row.stateful
    if turned:
        await tx.first(_kept_for_itself, {"group": row.id})
    if turned and await tx.first(_members, {"group": row.id}) is not None:
        raise conflict("SecurityGroupInUse", f"Security Group {row.id} in use.")
    await change(tx, security_groups, row.id, room.clock.now(), dict(values))
    if turned:
        await touch(tx, room, security_group_scope(row.id))


async def delete(tx: Transaction, room: Network, reach: Reach, row: Row[Any]) -> None:
    """Remove a group that no port uses; its rules go with it, and those of other groups that name it.

    Raises:
        Conflict
    """
    if row.default_of is not None and not reach.everything:
        raise conflict(
            "SecurityGroupCannotRemoveDefault",
            "Insufficient rights for removing default security group.",
        )
    await tx.serialize("network.group", row.id)
    if await tx.first(_members, {"group": row.id}) is not None:
        raise conflict("SecurityGroupInUse", f"Security Group {row.id} in use.")
    others = set(await tx.scalars(_named_by, {"group": row.id})) - {row.id}
    gone = sa.or_(rules.c.security_group_id == row.id, rules.c.remote_group_id == row.id)
    await tx.execute(rules.delete().where(gone))
    for other in sorted(others):
        await change(tx, security_groups, other, room.clock.now(), {})
        await touch(tx, room, security_group_scope(other))
    await set_tags(tx, row.id, ())
    await sharing.forget(tx, row.id)
    await logs.group_gone(tx, row.id)
    await tx.execute(security_groups.delete().where(security_groups.c.id == row.id))
    await touch(tx, room, security_group_scope(row.id))


# ---- rules ----

_WITH_PORTS = {6: "tcp", 17: "udp", 132: "sctp"}
_ICMP = (1, 58)
_NAMES = ", ".join(sorted(PROTOCOLS))
_ONLY_V6 = {41, 43, 44, 58, 59, 60}


def normalized(prefix: str | None) -> str | None:
    """A prefix without host bits."""
    return None if prefix is None else str(ipaddress.ip_network(prefix, strict=False))


def protocol_number(name: str | None, ethertype: str) -> int | None:
    """A protocol's number; None for any. "icmp" in an IPv6 rule means ICMPv6.

    Raises:
        BadInput: there is no such protocol.
    """
    if name is None or name in ("any", "-1"):
        return None
    number = PROTOCOLS.get(name)
    if number is None and name.isascii() and name.isdigit() and len(name) <= 3:
        number = int(name)
    if number is None or not 0 <= number <= 255:
        raise BadInput(
            f"Security group rule protocol {name[:40]} not supported. Only protocol values [{_NAMES}] "
            "and integer representations [0 to 255] are supported.",
            code="SecurityGroupRuleInvalidProtocol",
        )
    if number == 0:
        return None  # as upstream: the number 0 stands for any
    return 58 if number == 1 and ethertype == "IPv6" else number


def canonical(row: Mapping[str, Any]) -> str:
    """What a rule means, in one spelling."""
    number = protocol_number(row["protocol"], row["ethertype"])
    low, high = row["port_range_min"], row["port_range_max"]
    if number in _WITH_PORTS and low is not None and low <= 1 and high == 65535:
        low = high = None
    cidr = normalized(row["remote_ip_prefix"])
    if cidr in ("0.0.0.0/0", "::/0"):
        cidr = None
    remote = row["remote_group_id"] or row["remote_address_group_id"]  # no two things have one id
    parts = (row["direction"], row["ethertype"], number, low, high, cidr, remote)
    return "|".join("-" if part is None else str(part) for part in parts)


def check_rule(values: dict[str, Any]) -> None:
    """Whether a rule makes sense and can be enforced; fills in the other end of a range.

    Raises:
        BadInput: as the API says it.
    """
    low, high = values["port_range_min"], values["port_range_max"]
    remotes = ("remote_ip_prefix", "remote_group_id", "remote_address_group_id")
    if sum(values[name] is not None for name in remotes) > 1:
        raise BadInput(
            "Only remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.",
            code="SecurityGroupMultipleRemoteEntities",
        )
    if values["remote_ip_prefix"] is not None:
        cidr = ipaddress.ip_network(values["remote_ip_prefix"], strict=False)
        if values["ethertype"] != f"IPv{cidr.version}":
            raise BadInput(
                f"Conflicting value ethertype {values['ethertype']} for CIDR "
                f"{values['remote_ip_prefix']}",
                code="SecurityGroupRuleParameterConflict",
            )
    if values["protocol"] in ("any", "-1"):
        values["protocol"] = None
    number = protocol_number(values["protocol"], values["ethertype"])
    if number in _ONLY_V6 and values["ethertype"] == "IPv4":
        raise BadInput(
            f"Invalid ethertype {values['ethertype']} for protocol {values['protocol']}.",
            code="SecurityGroupEthertypeConflictWithProtocol",
        )
    if low is None and high is None:
        return
    if number is None:
        raise BadInput(
            "Must also specify protocol if port range is given.",
            code="SecurityGroupProtocolRequiredWithPorts",
        )
    if number in _ICMP:
        for field, attribute, value in (
            ("type", "port-range-min", low),
            ("code", "port-range-max", high),
        ):
            if value is not None and not 0 <= value <= 255:
                raise BadInput(
                    f"Invalid value for ICMP {field} ({attribute}) {value}. It must be 0 to 255.",
                    code="SecurityGroupInvalidIcmpValue",
                )
        if low is None:
            raise BadInput(
                f"ICMP code (port-range-max) {high} is provided but ICMP type (port-range-min) is "
                "missing.",
                code="SecurityGroupMissingIcmpType",
            )
    elif number in _WITH_PORTS:
        for value in (low, high):
            if value is not None and not 0 <= value <= 65535:
                raise BadInput(
                    f"Invalid value for port {value}", code="SecurityGroupInvalidPortValue"
                )
        if low is None or high is None or low > high:
            raise BadInput(
                "For TCP/UDP protocols, port_range_min must be <= port_range_max",
                code="SecurityGroupInvalidPortRange",
            )
    else:
        raise BadInput(
            f"Invalid protocol {values['protocol']} for port range, only supported for TCP, UDP and "
            "SCTP.",
            code="SecurityGroupInvalidProtocolForPort",
        )


async def group_for_rule(tx: Transaction, room: Network, reach: Reach, requested: str) -> Row[Any]:
    """The group a rule shall be added to; the caller's own default group may be written for it.

    Raises:
        NotFound
    """
    if reach.project_id and requested == default_id(reach.project_id):
        await ensure_default(tx, room, reach.project_id)
    return await get(tx, reach, "security_group", requested)


async def create_rule(
    tx: Transaction, room: Network, reach: Reach, group: Row[Any], values: dict[str, Any]
) -> str:
    """Write a rule. Running servers of the group have it as soon as OVN has.

    Raises:
        BadInput, NotFound, QuotaReached; Conflict: it is there.
    """
    project_id = (
        project_of(values, reach) if isinstance(values.get("project_id"), str) else group.project_id
    )
    check_rule(values)
    remote = values["remote_group_id"]
    if remote is not None and remote != group.id:
        await tx.serialize("network.group", remote)
        await group_for_rule(tx, room, reach, remote)
    address_group = values["remote_address_group_id"]
    if address_group is not None:
        await tx.serialize("network.address_group", address_group)
        await get(tx, reach, "address_group", address_group)
    await quotas.check(tx, room, project_id, "security_group_rule")
    row = _rule_row(group.id, project_id, values, room.clock.now())
    try:
        await tx.insert(rules, row)
    except Duplicate:
        found = await tx.scalar(_same, {"group": group.id, "canonical": row["canonical"]})
        raise conflict(
            "SecurityGroupRuleExists",
            f"Security group rule already exists. Rule id is {found}.",
        ) from None
    await change(tx, security_groups, group.id, room.clock.now(), {})
    await touch(tx, room, security_group_scope(group.id))
    return str(row["id"])


async def delete_rule(tx: Transaction, room: Network, row: Row[Any]) -> None:
    await tx.execute(rules.delete().where(rules.c.id == row.id))
    await change(tx, security_groups, row.security_group_id, room.clock.now(), {})
    await touch(tx, room, security_group_scope(row.security_group_id))


def visible_rules(reach: Reach) -> sa.ColumnElement[bool]:
    """Rules of own groups."""
    if reach.everything:
        return sa.true()
    if not reach.project_id:
        return sa.false()
    return rules.c.security_group_id.in_(
        sa.select(security_groups.c.id).where(security_groups.c.project_id == reach.project_id)
    )
