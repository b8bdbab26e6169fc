"""QoS policies and their rules: what holds ports, floating IPs and gateways to a rate, and marks what they send.

A port without a policy of its own goes by its network's. When a rule changes, all that goes by the policy is written
anew.

Source: Networking API v2.0 reference, "Quality of Service".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import Forbidden
from hanok.base.ids import new_uuid
from hanok.drivers.ovn.topology import QoSSpec
from hanok.services.network.logic import promises, quotas, sharing
from hanok.services.network.logic.errors import conflict, disallowed, not_found
from hanok.services.network.logic.reach import (
    SHARED,
    Reach,
    change,
    get_any,
    own_or_open,
    project_of,
    set_tags,
    shown,
    standard,
    tags_of,
)
from hanok.services.network.logic.scopes import (
    floating_ip_scope,
    port_scope,
    router_scope,
    touch_all,
)
from hanok.services.network.room import Network
from hanok.services.network.tables import (
    floating_ips,
    networks,
    ports,
    qos_policies,
    qos_rules,
    router_gateways,
    routers,
)
from hanok.store import Duplicate, Transaction

BANDWIDTH, DSCP = "bandwidth_limit", "dscp_marking"
_SHOWN = {
    BANDWIDTH: ("max_kbps", "max_burst_kbps", "direction"),
    DSCP: ("dscp_mark",),
    promises.BANDWIDTH: ("min_kbps", "direction"),
    promises.PACKETS: ("min_kpps", "direction"),
}
_PROMISES = (promises.BANDWIDTH, promises.PACKETS)

_rules_of = (
    sa.select(qos_rules)
    .where(qos_rules.c.policy_id.in_(bindparam("ids", expanding=True)))
    .order_by(qos_rules.c.type, qos_rules.c.direction)
)
_owner = sa.select(qos_policies.c.id, qos_policies.c.project_id).where(
    qos_policies.c.id.in_(bindparam("ids", expanding=True))
)
_default_of = sa.select(qos_policies.c.id).where(
    qos_policies.c.project_id == bindparam("project"), qos_policies.c.is_default.is_(True)
)
_policy: sa.BindParameter[str] = bindparam("policy")
_networks_of = sa.select(networks.c.id).where(networks.c.qos_policy_id == _policy)
_ports_of = sa.select(ports.c.id).where(ports.c.qos_policy_id == _policy)
_floating_of = sa.select(floating_ips.c.id).where(floating_ips.c.qos_policy_id == _policy)
_routers_of = sa.select(routers.c.id).where(
    sa.or_(
        routers.c.gateway_qos_policy_id == _policy,
        routers.c.id.in_(
            sa.select(router_gateways.c.router_id).where(router_gateways.c.qos_policy_id == _policy)
        ),
    )
)
_USERS = (
    ("network", _networks_of),
    ("port", _ports_of),
    ("floating IP", _floating_of),
    ("router", _routers_of),
)
_ports_on = sa.select(ports.c.id).where(
    ports.c.network_id.in_(bindparam("networks", expanding=True)),
    ports.c.role == "guest",
    ports.c.qos_policy_id.is_(None),
)


# ---- policies ----


async def rules_of(tx: Transaction, ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
    """The rules of policies."""
    found: dict[str, list[Row[Any]]] = {one: [] for one in ids}
    for row in await tx.all(_rules_of, {"ids": list(ids)}):
        found[row.policy_id].append(row)
    return found


async def specs_of(tx: Transaction, ids: Sequence[str | None]) -> dict[str, tuple[QoSSpec, ...]]:
    """The rules of policies as OVN's driver takes them; a policy without rules is there, too."""
    found = await rules_of(tx, sorted({one for one in ids if one}))
    return {
        policy: tuple(_spec(row) for row in rows if row.type not in _PROMISES)
        for policy, rows in found.items()
    }


def _spec(row: Row[Any]) -> QoSSpec:
    return QoSSpec(
        direction=row.direction,
        max_kbps=row.max_kbps or 0,
        max_burst_kbps=row.max_burst_kbps or 0,
        dscp_mark=row.dscp_mark,
    )


async def show(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    ids = [row.id for row in rows]
    their_tags, their_rules = await tags_of(tx, ids), await rules_of(tx, ids)
    return [
        {
            **shown(row, their_tags[row.id]),
            "is_default": row.is_default,
            "rules": [{**_shown_rule(one), "type": one.type} for one in their_rules[row.id]],
        }
        for row in rows
    ]


async def create(tx: Transaction, room: Network, reach: Reach, values: Mapping[str, Any]) -> str:
    """Write a policy.

    Raises:
        BadInput, QuotaReached; Forbidden: shared by who is no administrator. Conflict: a second default.
    """
    project_id = project_of(values, reach)
    await quotas.check(tx, room, project_id, "qos_policy")
    await _one_default(tx, project_id, default=values["is_default"])
    row = {
        **standard(values, project_id, room.clock.now()),
        "is_default": values["is_default"],
    }
    await tx.insert(qos_policies, row)
    await _share(tx, reach, project_id, row["id"], shared=values["shared"])
    await set_tags(tx, row["id"], values.get("tags", ()))
    return str(row["id"])


async def _share(
    tx: Transaction, reach: Reach, project_id: str, policy_id: str, *, shared: bool
) -> None:
    if shared and not reach.everything:
        raise disallowed("restrict_wildcard")
    if shared:
        await sharing.open_to_all(tx, project_id, "qos_policy", policy_id)
    elif users := await sharing.close_to_all(tx, policy_id):
        raise conflict(
            "QosPolicyInUse",
            f"QoS Policy {policy_id} is used by project {', '.join(sorted(users)[:5])}.",
        )


async def _one_default(tx: Transaction, project_id: str, *, default: bool, but: str = "") -> None:
    if not default:
        return
    await tx.serialize("network.qos.default", project_id)
    if (await tx.scalar(_default_of, {"project": project_id}) or but) != but:
        raise conflict(
            "QoSPolicyDefaultAlreadyExists",
            f"A default QoS policy exists for project {project_id}.",
        )


async def update(
    tx: Transaction, room: Network, reach: Reach, row: Row[Any], values: Mapping[str, Any]
) -> None:
    """Change a policy.

    Raises:
        Forbidden, Conflict
    """
    default = values.get("is_default", False)
    await _one_default(tx, row.project_id, default=default, but=row.id)
    if "shared" in values:
        await _share(tx, reach, row.project_id, row.id, shared=values["shared"])
    plain = ("name", "description", "is_default")
    requested = {name: values[name] for name in plain if name in values}
    await change(tx, qos_policies, row.id, room.clock.now(), requested)


async def delete(tx: Transaction, room: Network, reach: Reach, row: Row[Any]) -> None:
    """Remove a policy with its rules.

    Raises:
        Conflict: something goes by it.
    """
    await _lock(tx, row.id)
    for what, statement in _USERS:
        used = await tx.scalar(statement.limit(1), {"policy": row.id})
        if used is not None:
            raise conflict("QosPolicyInUse", f"QoS Policy {row.id} is used by {what} {used}.")
    await sharing.forget(tx, row.id)
    await set_tags(tx, row.id, ())
    await tx.execute(qos_rules.delete().where(qos_rules.c.policy_id == row.id))
    await tx.execute(qos_policies.delete().where(qos_policies.c.id == row.id))


async def _lock(tx: Transaction, policy_id: str) -> None:
    await tx.serialize("network.qos", policy_id)


# ---- rules beside each other ----

_beside = sa.select(qos_rules).where(qos_rules.c.policy_id == _policy)


async def _fits(tx: Transaction, policy_id: str, rule_id: str) -> None:
    """A minimum is not above the limit of its direction; packets are counted by direction, or together.

    Raises:
        Conflict
    """
    rules = await tx.all(_beside, {"policy": policy_id})
    mine = next(row for row in rules if row.id == rule_id)
    rates = {row.type: row for row in rules if row.direction == mine.direction}
    limit, minimum = rates.get(BANDWIDTH), rates.get(promises.BANDWIDTH)
    if limit and minimum and minimum.min_kbps > limit.max_kbps and mine in (limit, minimum):
        value, other, theirs = (
            (minimum.min_kbps, limit, limit.max_kbps)
            if mine == minimum
            else (limit.max_kbps, minimum, minimum.min_kbps)
        )
        raise conflict(
            "QoSRuleParameterConflict",
            f"Unable to add the rule with value {value} to the policy {policy_id} as the existing rule of "
            f"type {other.type} restricts the bandwidth to {theirs}",
        )
    packets = {row.direction for row in rules if row.type == promises.PACKETS}
    if promises.ANY in packets and len(packets) > 1:
        raise _conflicts(promises.PACKETS, policy_id)


# ---- who goes by a policy ----


async def requested(
    tx: Transaction, reach: Reach, policy_id: str | None, before: str | None = None
) -> str | None:
    """A policy that something is to go by; it stays while the transaction lasts. before: the one until now.

    Raises:
        NotFound; Forbidden: the one until now was put there by who reaches more.
    """
    if before not in (None, policy_id) and not await _reached(tx, reach, str(before)):
        raise Forbidden(
            f"Unable to remove provided policy {before} because you are not authorized.",
            code="PolicyRemoveAuthorizationError",
        )
    if policy_id is None:
        return None
    await _lock(tx, policy_id)
    if not await _reached(tx, reach, policy_id):
        raise not_found("policy", policy_id)
    return policy_id


async def _reached(tx: Transaction, reach: Reach, policy_id: str) -> bool:
    mine = sa.select(qos_policies.c.id).where(
        qos_policies.c.id == policy_id, own_or_open(reach, "qos_policy", SHARED)
    )
    return await tx.first(mine) is not None


async def default_of(tx: Transaction, project_id: str) -> str | None:
    """The policy that a project's new networks go by, if they name none."""
    found = await tx.scalar(_default_of, {"project": project_id})
    return None if found is None else str(found)


async def ports_by_network(tx: Transaction, network_ids: Sequence[str]) -> list[str]:
    """The scopes of the ports that go by their networks' policies."""
    return [port_scope(one) for one in await tx.scalars(_ports_on, {"networks": list(network_ids)})]


async def _changed(tx: Transaction, room: Network, policy_id: str) -> None:
    """A policy is another one: everything that goes by it is written anew."""
    await change(tx, qos_policies, policy_id, room.clock.now(), {})
    names = await ports_by_network(tx, await tx.scalars(_networks_of, {"policy": policy_id}))
    for scope, statement in (
        (port_scope, _ports_of),
        (floating_ip_scope, _floating_of),
        (router_scope, _routers_of),
    ):
        names += [scope(one) for one in await tx.scalars(statement, {"policy": policy_id})]
    await touch_all(tx, room, names)


# ---- rules ----


def visible_rules(type_: str) -> Callable[[Reach], sa.ColumnElement[bool]]:
    """The rules of a type, of the policies that a caller sees."""

    def visible(reach: Reach) -> sa.ColumnElement[bool]:
        mine = sa.select(qos_policies.c.id).where(own_or_open(reach, "qos_policy", SHARED))
        return sa.and_(qos_rules.c.type == type_, qos_rules.c.policy_id.in_(mine))

    return visible


def _shown_rule(row: Row[Any]) -> dict[str, Any]:
    found = {name: row._mapping[name] for name in _SHOWN[row.type]}
    return {"id": row.id, "qos_policy_id": row.policy_id, **found}


async def show_rules(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    ids = sorted({row.policy_id for row in rows})
    owners = {row.id: row.project_id for row in await tx.all(_owner, {"ids": ids})}
    return [
        {**_shown_rule(row), "_target": {"ext_parent:project_id": owners[row.policy_id]}}
        for row in rows
    ]


async def rule_target(
    tx: Transaction, room: Network, reach: Reach, values: dict[str, Any]
) -> dict[str, Any]:
    """What rules look at: whose the policy is."""
    policy = await get_any(tx, "policy", values["policy_id"])
    return {"ext_parent:project_id": policy.project_id}


def rule_maker(
    type_: str,
) -> Callable[[Transaction, Network, Reach, dict[str, Any]], Awaitable[str]]:
    async def create_rule(
        tx: Transaction, room: Network, reach: Reach, values: dict[str, Any]
    ) -> str:
        """Add a rule to a policy.

        Raises:
            Conflict: it has one of this type and direction.
        """
        await _lock(tx, values["policy_id"])
        row = {
            "id": new_uuid(),
            "policy_id": values["policy_id"],
            "type": type_,
            "direction": "egress",
            **{name: values[name] for name in _SHOWN[type_]},
        }
        await _written(tx, qos_rules.insert().values(row), type_, row["policy_id"])
        await _fits(tx, row["policy_id"], row["id"])
        if type_ in _PROMISES:
            await promises.check(tx, row["policy_id"])
            await promises.renew(tx, room, row["policy_id"])
        await _changed(tx, room, row["policy_id"])
        return str(row["id"])

    return create_rule


async def _written(tx: Transaction, statement: Any, type_: str, policy_id: str) -> None:
    try:
        await tx.alter(statement)
    except Duplicate:
        raise _conflicts(type_, policy_id) from None


def _conflicts(type_: str, policy_id: str) -> Exception:
    return conflict(
        "QoSRulesConflict",
        f"Rule {type_} conflicts with a rule of this type and direction which already exists in "
        f"QoS Policy {policy_id}.",
    )


async def update_rule(
    tx: Transaction, room: Network, reach: Reach, row: Row[Any], values: Mapping[str, Any]
) -> None:
    """Change a rule.

    Raises:
        Conflict: its policy has another one of that direction, or servers were placed by it that cannot follow.
    """
    await _lock(tx, row.policy_id)
    changed = qos_rules.update().where(qos_rules.c.id == row.id).values(**values)
    await _written(tx, changed, row.type, row.policy_id)
    await _fits(tx, row.policy_id, row.id)
    if row.type in _PROMISES:
        await promises.renew(tx, room, row.policy_id)
    await _changed(tx, room, row.policy_id)


async def delete_rule(tx: Transaction, room: Network, reach: Reach, row: Row[Any]) -> None:
    """Take a rule out of its policy.

    Raises:
        Conflict: servers that were placed by it cannot follow.
    """
    await _lock(tx, row.policy_id)
    await tx.execute(qos_rules.delete().where(qos_rules.c.id == row.id))
    if row.type in _PROMISES:
        await promises.renew(tx, room, row.policy_id)
    await _changed(tx, room, row.policy_id)
