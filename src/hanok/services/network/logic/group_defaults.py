"""What new security groups begin with: their rules, and whether they are stateful. Groups that are there stay so.

Source: Networking API v2.0 reference, "Security group default rules", "Security groups default statefulness".
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.ids import new_uuid
from hanok.services.network.logic.errors import bad, conflict, disallowed
from hanok.services.network.logic.reach import Reach, shown, standard
from hanok.services.network.logic.security_groups import PARENT, canonical, check_rule, meant
from hanok.services.network.room import Network
from hanok.services.network.tables import default_rules, default_statefulness
from hanok.store import Duplicate, Transaction

MAXIMUM_RULES = 50  # each new group begins with them all

_SAID = ("direction", "ethertype", "protocol", "port_range_min", "port_range_max", "remote_ip_prefix",
         "remote_group_id", "used_in_default_sg", "used_in_non_default_sg")  # fmt: skip
_begun = sa.select(default_rules).where(default_rules.c.withdrawn.is_(False))
_there = sa.select(default_rules.c.id).where(default_rules.c.id == bindparam("requested"))
_count = sa.select(sa.func.count()).select_from(default_rules)


async def show_rules(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    found = []
    for row in rows:
        common = shown(row)
        for name in ("name", "project_id", "tenant_id"):
            del common[name]
        said = {name: row._mapping[name] for name in _SAID}
        found.append({**common, **said, "remote_address_group_id": None})
    return found


async def create_rule(tx: Transaction, room: Network, reach: Reach, values: dict[str, Any]) -> str:
    """Let new groups begin with one more rule.

    Raises:
        BadInput; Conflict: it is there.
    """
    values = {**values, "remote_address_group_id": None}
    check_rule(values)
    await tx.serialize("network.default_rules")
    if (await tx.scalar(_count) or 0) >= MAXIMUM_RULES:
        raise bad(
            "default_security_group_rule",
            f"There can be at most {MAXIMUM_RULES} default security group rules",
        )
    row = {
        **standard(values, "", room.clock.now()),
        **{name: values[name] for name in _SAID},
        "canonical": _canonical(values),
    }
    for other in await tx.all(_begun):
        if meant(other) == canonical(values) and _same_use(other, values):
            raise conflict(
                "DefaultSecurityGroupRuleExists",
                f"Default Security group rule already exists. Rule group id is {other.id}.",
            )
    await tx.insert(default_rules, row)
    return str(row["id"])


def _same_use(one: Row[Any], values: Mapping[str, Any]) -> bool:
    """Whether some groups would begin with both, or none with either."""
    flags = ("used_in_default_sg", "used_in_non_default_sg")
    both = [(bool(one._mapping[flag]), bool(values[flag])) for flag in flags]
    return any(mine and other for mine, other in both) or not any(map(any, both))


def _canonical(values: Mapping[str, Any]) -> str:
    """What a rule means, and for which groups."""
    used = (values["used_in_default_sg"], values["used_in_non_default_sg"])
    return f"{canonical(values)}|{used[0]:d}{used[1]:d}"


async def delete_rule(tx: Transaction, room: Network, reach: Reach, row: Row[Any]) -> None:
    mine = default_rules.c.id == row.id
    if row.id not in map(_first_id, FIRST):
        await tx.execute(default_rules.delete().where(mine))
        return
    gone = {"withdrawn": True, "canonical": f"withdrawn {row.id}"}
    await tx.execute(default_rules.update().where(mine).values(gone))


# Out with everything, and in a default group in from its members.
FIRST = tuple(
    {"direction": direction, "ethertype": ethertype, "remote_group_id": remote}
    for ethertype in ("IPv4", "IPv6")
    for direction, remote in (("egress", None), ("ingress", PARENT))
)
_NAMESPACE = uuid.UUID(
    "0d9f6d0c-7a53-4f0b-9a8e-5b1f3c5e7a21"
)  # of the rules that a cloud comes with


def _first_id(values: Mapping[str, Any]) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{values['direction']}/{values['ethertype']}"))


async def ensure_first(tx: Transaction, now: datetime) -> None:
    """The rules that a cloud comes with are there, unless somebody has withdrawn them."""
    for one in FIRST:
        values = {**dict.fromkeys(_SAID), "remote_address_group_id": None, **one}
        inner = one["remote_group_id"] is None
        about = f"Legacy default SG rule for {one['direction']} traffic"
        row = {
            **standard({"description": about}, "", now),
            **{name: values[name] for name in _SAID},
            "id": _first_id(one),
            "used_in_default_sg": True,
            "used_in_non_default_sg": inner,
            "withdrawn": False,
            "canonical": _canonical(
                {**values, "used_in_default_sg": True, "used_in_non_default_sg": inner}
            ),
        }
        if await tx.scalar(_there, {"requested": row["id"]}) is None:
            await tx.insert_missing(default_rules, row)


async def show(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    return [
        {
            "id": row.id,
            "project_id": row.project_id or None,
            "tenant_id": row.project_id or None,
            "stateful": row.stateful,
        }
        for row in rows
    ]


async def create(tx: Transaction, room: Network, reach: Reach, values: Mapping[str, Any]) -> str:
    """Say whether new groups are stateful: of a project, or where the project is null, of all that say nothing.

    Raises:
        Forbidden: for others than the own project, to who is no administrator. Conflict: it is said already.
    """
    requested = values.get("project_id")
    said = isinstance(requested, str) or requested is None
    project_id = (requested or "") if said else reach.project_id or ""
    if project_id != reach.project_id and not reach.everything:
        raise disallowed("create_security_groups_default_statefulness")
    row = {"id": new_uuid(), "project_id": project_id, "stateful": values["stateful"]}
    try:
        await tx.insert(default_statefulness, row)
    except Duplicate:
        raise conflict(
            "SecurityGroupDefaultStatefulnessAlreadyExists",
            f"A security group default statefulness setting already exists for project '{project_id}'.",
        ) from None
    return str(row["id"])


async def update(
    tx: Transaction, room: Network, reach: Reach, row: Row[Any], values: Mapping[str, Any]
) -> None:
    mine = default_statefulness.update().where(default_statefulness.c.id == row.id)
    await tx.execute(mine.values(stateful=values["stateful"]))


async def delete(tx: Transaction, room: Network, reach: Reach, row: Row[Any]) -> None:
    gone = default_statefulness.delete().where(default_statefulness.c.id == row.id)
    await tx.execute(gone)
