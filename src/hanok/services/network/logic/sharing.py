"""Who reaches what is another project's: RBAC policies.

A policy opens one object to one project, or to all ("*"). `shared` of a resource is no column: it says whether such a
policy opens it to whoever looks. An external network is seen by those to whom a policy opens it as external.

Source: Networking API v2.0 reference, "RBAC policies".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, NotFound
from hanok.base.ids import new_uuid
from hanok.services.network.logic import quotas
from hanok.services.network.logic.errors import conflict, invalid_operation
from hanok.services.network.logic.reach import (
    EVERYBODY,
    EXTERNAL,
    SHARED,
    STORED,
    Reach,
    change,
    get,
    get_any,
    project_of,
)
from hanok.services.network.room import Network
from hanok.services.network.tables import (
    floating_ips,
    networks,
    port_security_groups,
    ports,
    router_gateways,
    routers,
    security_group_rules,
    subnet_pools,
    subnets,
)
from hanok.services.network.tables import rbac_policies as policies
from hanok.store import Duplicate, Transaction

ACTIONS: dict[str, tuple[str, ...]] = {
    "network": (SHARED, EXTERNAL),
    "qos_policy": (SHARED,),
    "security_group": (SHARED,),
    "address_scope": (SHARED,),
    "subnetpool": (SHARED,),
    "address_group": (SHARED,),
}
"""What may be opened, and as what."""

_HELD = {
    "network": "network",
    "qos_policy": "network.qos",
    "security_group": "network.group",
    "address_scope": "network.scope",
    "subnetpool": "network.pool",
    "address_group": "network.address_group",
}
"""What keeps objects of a type from being used anew, and from going, while somebody looks who uses them."""

_object: sa.BindParameter[str] = bindparam("object")


def _owners(column: sa.Column[Any], of: sa.Column[Any]) -> sa.Select[Any]:
    """The projects that have rows which name the object. column: whose they are. of: where they name it."""
    return sa.select(column).where(of == _object, column != "").distinct()


_USERS: dict[tuple[str, str], tuple[sa.Select[Any], ...]] = {
    ("network", SHARED): (
        _owners(ports.c.project_id, ports.c.network_id),
        _owners(subnets.c.project_id, subnets.c.network_id),
    ),
    ("network", EXTERNAL): (
        _owners(routers.c.project_id, routers.c.gateway_network_id),
        sa.select(routers.c.project_id)
        .join(router_gateways, router_gateways.c.router_id == routers.c.id)
        .where(router_gateways.c.network_id == _object)
        .distinct(),
        _owners(floating_ips.c.project_id, floating_ips.c.floating_network_id),
    ),
    ("qos_policy", SHARED): (
        _owners(networks.c.project_id, networks.c.qos_policy_id),
        _owners(ports.c.project_id, ports.c.qos_policy_id),
        _owners(floating_ips.c.project_id, floating_ips.c.qos_policy_id),
        _owners(routers.c.project_id, routers.c.gateway_qos_policy_id),
        sa.select(routers.c.project_id)
        .join(router_gateways, router_gateways.c.router_id == routers.c.id)
        .where(router_gateways.c.qos_policy_id == _object)
        .distinct(),
    ),
    ("security_group", SHARED): (
        sa.select(ports.c.project_id)
        .join(port_security_groups, port_security_groups.c.port_id == ports.c.id)
        .where(port_security_groups.c.security_group_id == _object)
        .distinct(),
        _owners(security_group_rules.c.project_id, security_group_rules.c.remote_group_id),
    ),
    ("address_scope", SHARED): (
        _owners(subnet_pools.c.project_id, subnet_pools.c.address_scope_id),
    ),
    ("subnetpool", SHARED): (_owners(subnets.c.project_id, subnets.c.subnetpool_id),),
    ("address_group", SHARED): (
        _owners(security_group_rules.c.project_id, security_group_rules.c.remote_address_group_id),
    ),
}
OWNER_COUNTS = ("qos_policy",)
"""Types of which even the owner's own use keeps a policy that opens them to all, as upstream."""

_shared = sa.select(policies.c.object_id).where(
    policies.c.object_id.in_(bindparam("ids", expanding=True)),
    policies.c.action == SHARED,
    policies.c.object_type == bindparam("type"),
    policies.c.target_project.in_((EVERYBODY, bindparam("project"))),
)
_others = sa.select(policies.c.target_project).where(
    policies.c.object_id == _object,
    policies.c.action == bindparam("action"),
    policies.c.id != bindparam("but"),
)
_of_all = sa.select(policies).where(
    policies.c.object_id == _object,
    policies.c.action == bindparam("action"),
    policies.c.target_project == EVERYBODY,
)
_forget = policies.delete().where(policies.c.object_id == _object)


async def shared(
    tx: Transaction, reach: Reach, object_type: str, ids: Iterable[str]
) -> frozenset[str]:
    """Which of these objects are shared, in the eyes of a caller."""
    project = reach.project_id or EVERYBODY
    requested = {"type": object_type, "project": project, "ids": list(ids)}
    return frozenset(await tx.scalars(_shared, requested))


def mark(
    object_type: str, of: str = "id"
) -> Callable[[Transaction, Reach, Sequence[dict[str, Any]]], Awaitable[None]]:
    """For the declaration of a kind: says in its views whether what they are of is shared.

    of: the attribute that names the object.
    """

    async def adapt(tx: Transaction, reach: Reach, views: Sequence[dict[str, Any]]) -> None:
        found = await shared(tx, reach, object_type, [view[of] for view in views])
        for view in views:
            view["shared"] = view[of] in found

    return adapt


async def show(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    return [
        {
            "id": row.id,
            "project_id": row.project_id,
            "tenant_id": row.project_id,
            "object_type": row.object_type,
            "object_id": row.object_id,
            "action": row.action,
            "target_tenant": row.target_project,
        }
        for row in rows
    ]


async def create(tx: Transaction, room: Network, reach: Reach, values: Mapping[str, Any]) -> str:
    """Open an object to a project, or to all.

    Raises:
        BadInput: no such object or action, or it is not the caller's. Conflict: it is open so. QuotaReached.
    """
    object_type, action = values["object_type"], values["action"]
    if action not in ACTIONS[object_type]:
        raise invalid_operation(
            f"Invalid action '{action[:40]}' for object type '{object_type}'. "
            f"Valid actions: {', '.join(ACTIONS[object_type])}"
        )
    await _owned(tx, reach, object_type, values["object_id"])
    project_id = project_of(values, reach)
    await quotas.check(tx, room, project_id, "rbac_policy")
    await _held(tx, object_type, values["object_id"])
    row = await _owned(tx, reach, object_type, values["object_id"])
    if object_type == "subnetpool":
        await _scope_reached(tx, row, values["target_tenant"])
    if action == EXTERNAL:
        await _make_external(tx, room, row)
    policy_id = await _write(tx, project_id, object_type, row.id, action, values["target_tenant"])
    await _changed(tx, room, object_type, row.id)
    return policy_id


async def _held(tx: Transaction, object_type: str, object_id: str) -> None:
    await tx.serialize(_HELD[object_type], object_id)


async def _owned(tx: Transaction, reach: Reach, object_type: str, object_id: str) -> Row[Any]:
    try:
        row = await get(tx, reach, object_type, object_id)
    except NotFound as error:
        raise invalid_operation(error.message.rstrip(".")) from None
    if row.project_id != reach.project_id and not reach.everything:
        raise invalid_operation(
            f"Only admins can manipulate policies on {object_type} objects they do not own"
        )
    return row


async def _scope_reached(tx: Transaction, pool: Row[Any], target: str) -> None:
    """Whoever a pool is opened to reaches its address scope, too.

    Raises:
        BadInput
    """
    if pool.address_scope_id is None:
        return
    reach = Reach(None if target == EVERYBODY else target)
    try:
        await get(tx, reach, "address_scope", pool.address_scope_id)
    except NotFound:
        raise BadInput(
            f"Failed to create RBAC policy on object {pool.id} because project {target} has no access "
            f"to address scope {pool.address_scope_id}.",
            code="RbacPolicyInitError",
        ) from None


async def _make_external(tx: Transaction, room: Network, row: Row[Any]) -> None:
    """A network that is opened as external is one from then on, until nobody sees it as such."""
    if not row.external:
        await change(tx, networks, row.id, room.clock.now(), {"external": True})


async def _write(
    tx: Transaction, project_id: str, object_type: str, object_id: str, action: str, target: str
) -> str:
    row = {
        "id": new_uuid(),
        "project_id": project_id,
        "object_type": object_type,
        "object_id": object_id,
        "action": action,
        "target_project": target,
    }
    try:
        await tx.insert(policies, row)
    except Duplicate:
        raise _there() from None
    return str(row["id"])


def _there() -> Exception:
    return conflict("DuplicatePolicy", "An RBAC policy already exists with those values.")


async def _changed(tx: Transaction, room: Network, object_type: str, object_id: str) -> None:
    """An object's revision counts who reaches it, where objects of its type have one."""
    table = STORED[object_type]
    if "revision_number" in table.c:
        await change(tx, table, object_id, room.clock.now(), {})


async def update(
    tx: Transaction, room: Network, reach: Reach, row: Row[Any], values: Mapping[str, Any]
) -> None:
    """Open an object to another project instead.

    Raises:
        Conflict: it is used by who would not reach it any more, or is open so already.
    """
    target = values["target_tenant"]
    if target == row.target_project:
        return
    await _unused(tx, row, target)
    try:
        moved = policies.update().where(policies.c.id == row.id)
        await tx.alter(moved.values(target_project=target))
    except Duplicate:
        raise _there() from None
    await _changed(tx, room, row.object_type, row.object_id)


async def delete(tx: Transaction, room: Network, reach: Reach, row: Row[Any]) -> None:
    """Close an object again. A network that nobody sees as external any more is not external.

    Raises:
        Conflict: it is used by who would not reach it any more.
    """
    await _unused(tx, row)
    await tx.execute(policies.delete().where(policies.c.id == row.id))
    if row.action == EXTERNAL and await tx.first(_others, _beside(row)) is None:
        inside = {"external": False, "is_default": False}
        await change(tx, networks, row.object_id, room.clock.now(), inside)
        return
    await _changed(tx, room, row.object_type, row.object_id)


async def _unused(tx: Transaction, row: Row[Any], then: str | None = None) -> None:
    """Raises Conflict when somebody uses the object by this policy alone. then: whom it is for afterwards."""
    await tx.take_turn(row.object_id)
    await _held(tx, row.object_type, row.object_id)
    if row.action == EXTERNAL and row.target_project == EVERYBODY:
        network = await get_any(tx, "network", row.object_id)
        if network.is_default:
            raise _in_use(row, "Default external networks must be shared to everyone.")
    users = await _losing(tx, row, then)
    if users:
        names = ", ".join(sorted(users)[:5])
        raise _in_use(row, f"{row.object_type} is used by project {names}")


def _in_use(row: Row[Any], reason: str) -> Exception:
    return conflict(
        "RbacPolicyInUse",
        f"RBAC policy on object {row.object_id} cannot be removed because other objects depend on "
        f"it.\nDetails: {reason}",
    )


def _beside(row: Row[Any]) -> dict[str, str]:
    """For the statement that finds whom other policies open an object to as the same."""
    return {"object": row.object_id, "action": row.action, "but": row.id}


async def _losing(tx: Transaction, row: Row[Any], then: str | None = None) -> set[str]:
    """The projects that use an object and reach it by this policy alone; an owner that counts is one of them.

    then: whom the policy is for afterwards; None: it is gone.
    """
    others = set(await tx.scalars(_others, _beside(row)))
    last = then is None and not others
    if then == EVERYBODY or (then is not None and row.action == EXTERNAL):
        others.add(then)  # as upstream: what is shared is first shared anew, and then not any more
    if EVERYBODY in others:
        return set()
    owner = await tx.scalar(_owner(row.object_type), {"object": row.object_id})
    using: set[str] = set()
    for statement in _USERS[row.object_type, row.action]:
        using |= set(await tx.scalars(statement, {"object": row.object_id}))
    if row.action == EXTERNAL and last:
        return using  # it leads outside no more, for its owner neither
    if row.target_project != EVERYBODY:
        using &= {row.target_project}
    return using - others - (set() if row.object_type in OWNER_COUNTS else {owner})


def _owner(object_type: str) -> sa.Select[Any]:
    table = STORED[object_type]
    return sa.select(table.c.project_id).where(table.c.id == _object)


async def open_to_all(
    tx: Transaction, project_id: str, object_type: str, object_id: str, action: str = SHARED
) -> None:
    """All projects reach an object; the policy is its owner's."""
    if await tx.first(_of_all, {"object": object_id, "action": action}) is None:
        await _write(tx, project_id, object_type, object_id, action, EVERYBODY)


async def close_to_all(tx: Transaction, object_id: str, action: str = SHARED) -> set[str]:
    """Not all projects reach an object any more; gives those who use it and would lose it, and then nothing is done."""
    row = await tx.first(_of_all, {"object": object_id, "action": action})
    if row is None:
        return set()
    await _held(tx, row.object_type, row.object_id)
    losing = await _losing(tx, row)
    if not losing:
        await tx.execute(policies.delete().where(policies.c.id == row.id))
    return losing


async def close_as_external(tx: Transaction, network_id: str) -> None:
    """A network is not external any more, whoever saw it as such."""
    await tx.execute(
        policies.delete().where(policies.c.object_id == network_id, policies.c.action == EXTERNAL)
    )


async def forget(tx: Transaction, object_id: str) -> None:
    """What is gone is open to nobody."""
    await tx.execute(_forget, {"object": object_id})
