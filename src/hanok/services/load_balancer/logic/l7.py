"""L7 policies and their rules: what a listener does with a request, depending on what is in it.

Source: Load Balancer API v2 reference, "L7 Policies", "L7 Rules".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput
from hanok.services.load_balancer.logic import listeners, trees
from hanok.services.load_balancer.logic.common import (
    change,
    grouped,
    ids_of,
    shown,
    tags_of,
    write,
)
from hanok.services.load_balancer.logic.errors import failed, odd
from hanok.services.load_balancer.room import LoadBalancing, Reach
from hanok.services.load_balancer.schemas.values import LAYER7, expression, rule_text
from hanok.services.load_balancer.tables import l7policies, l7rules, pools
from hanok.services.load_balancer.tables import listeners as listener_table
from hanok.store import Transaction
from hanok.web.attributes import Wrong

_POLICY = (
    "name", "description", "listener_id", "action", "position", "redirect_pool_id", "redirect_url",
    "redirect_prefix", "redirect_http_code",
)  # fmt: skip
_RULE = ("type", "compare_type", "key", "value", "invert")
_NEEDS = {
    "REDIRECT_TO_POOL": "redirect_pool_id",
    "REDIRECT_TO_URL": "redirect_url",
    "REDIRECT_PREFIX": "redirect_prefix",
    "REJECT": "",
}
_WITH_KEY = ("COOKIE", "HEADER", "SSL_DN_FIELD")
_rules = (
    sa.select(l7rules.c.id, l7rules.c.l7policy_id)
    .where(l7rules.c.l7policy_id.in_(bindparam("ids", expanding=True)))
    .order_by(l7rules.c.created_at, l7rules.c.id)
)
_line = (
    sa.select(l7policies.c.id)
    .where(l7policies.c.listener_id == bindparam("listener"))
    .order_by(l7policies.c.position, l7policies.c.created_at, l7policies.c.id)
)


# ---- policies ----


async def show_policies(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    ids = [row.id for row in rows]
    tagged = await tags_of(tx, ids)
    rules = grouped(await tx.all(_rules, {"ids": ids}), "l7policy_id", ids)
    return [
        {**shown(row, _POLICY), "rules": ids_of(rules[row.id]), "tags": tagged[row.id]}
        for row in rows
    ]


async def policy_target(
    tx: Transaction, room: LoadBalancing, reach: Reach, values: dict[str, Any]
) -> dict[str, Any]:
    listener = await trees.row_of(tx, listener_table, "listener", values["listener_id"])
    return {"project_id": listener.project_id}


async def create_policy(
    tx: Transaction, room: LoadBalancing, reach: Reach, values: dict[str, Any]
) -> str:
    """Raises BadInput, Conflict, NotFound, NotSupported, OverLimits."""
    listener = await trees.row_of(tx, listener_table, "listener", values["listener_id"])
    balancer = await trees.hold(tx, listener.load_balancer_id)
    made = await put_policy(tx, room, listener, values)
    await trees.begin(tx, room, balancer, [(listener_table, [listener.id])], user_id=reach.user_id)
    return made


async def put_policy(
    tx: Transaction, room: LoadBalancing, listener: Row[Any], values: Mapping[str, Any]
) -> str:
    """A new policy of a listener whose load balancer is held."""
    await trees.count(tx, room, listener.project_id, l7policy=1)
    await trees.fits(tx, l7policies.c.listener_id, listener.id, room.settings.l7policies_each)
    if listener.protocol not in LAYER7:
        raise failed(f"Cannot add a L7 policy to a listener of protocol {listener.protocol}")
    values = await _fitting(tx, listener, values)
    made = await write(
        tx,
        room,
        l7policies,
        listener.project_id,
        values,
        listener_id=listener.id,
        load_balancer_id=listener.load_balancer_id,
    )
    await _place(tx, listener.id, made, values["position"])
    return made


async def _fitting(
    tx: Transaction, listener: Row[Any], values: Mapping[str, Any]
) -> dict[str, Any]:
    """A policy's values with those of other actions taken away. Raises BadInput, NotFound."""
    action = values["action"]
    needed = _NEEDS[action]
    if needed and not values.get(needed):
        raise failed(f"{needed} must not be None for a {action} policy")
    for name in _NEEDS.values():
        if name and name != needed and values.get(name):
            raise odd(f"a {action} policy", name)
    found = dict(values)
    code = values.get("redirect_http_code")
    if action in ("REDIRECT_TO_URL", "REDIRECT_PREFIX"):
        found["redirect_http_code"] = code or 302
    elif code is not None:
        raise odd(f"a {action} policy", "redirect_http_code")
    if action == "REDIRECT_TO_POOL":
        pool = await trees.row_of(tx, pools, "pool", values["redirect_pool_id"])
        if pool.load_balancer_id != listener.load_balancer_id:
            raise BadInput(f"Pool {pool.id} is not on the same Load Balancer.")
        listeners.speaks(listener.protocol, pool.protocol)
    return found


async def _place(tx: Transaction, listener_id: str, policy_id: str, position: int) -> None:
    """Put a policy at a place among its listener's, which are numbered from one without gaps."""
    ids = [one for one in await tx.scalars(_line, {"listener": listener_id}) if one != policy_id]
    ids.insert(min(position, len(ids) + 1) - 1, policy_id)
    await _number(tx, ids)


async def _number(tx: Transaction, ids: Sequence[str]) -> None:
    for at, one in enumerate(ids, 1):
        mine = l7policies.c.id == one
        await tx.execute(l7policies.update().where(mine).values(position=at))


async def update_policy(
    tx: Transaction, room: LoadBalancing, reach: Reach, row: Row[Any], values: dict[str, Any]
) -> None:
    """Raises BadInput, Conflict, NotFound, NotSupported."""
    balancer = await trees.hold(tx, row.load_balancer_id)
    row = await trees.again(tx, l7policies, row.id)
    listener = await trees.again(tx, listener_table, row.listener_id)
    whole = {name: row._mapping[name] for name in _POLICY}
    action = values.get("action", row.action)
    if action != row.action:  # what belonged to the action before goes with it
        whole |= {name: None for name in (*filter(None, _NEEDS.values()), "redirect_http_code")}
    fitting = await _fitting(tx, listener, {**whole, **values})
    await change(
        tx, room, l7policies, row, {**values, **{k: fitting[k] for k in _POLICY if k != "position"}}
    )
    if "position" in values:
        await _place(tx, listener.id, row.id, values["position"])
    await trees.begin(tx, room, balancer, [(listener_table, [listener.id])], user_id=reach.user_id)


async def delete_policy(tx: Transaction, room: LoadBalancing, reach: Reach, row: Row[Any]) -> None:
    """With its rules; those behind it move up. Raises Conflict."""
    balancer = await trees.hold(tx, row.load_balancer_id)
    now = room.clock.now()
    rules = await tx.scalars(sa.select(l7rules.c.id).where(l7rules.c.l7policy_id == row.id))
    await trees.mark(tx, "PENDING_DELETE", l7rules, list(rules), now)
    await trees.mark(tx, "PENDING_DELETE", l7policies, [row.id], now)
    ids = await tx.scalars(_line, {"listener": row.listener_id})
    await _number(tx, [one for one in ids if one != row.id])
    await trees.begin(
        tx, room, balancer, [(listener_table, [row.listener_id])], user_id=reach.user_id
    )


# ---- rules ----


async def show_rules(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    tagged = await tags_of(tx, [row.id for row in rows])
    return [{**shown(row, _RULE), "tags": tagged[row.id]} for row in rows]


async def rule_target(
    tx: Transaction, room: LoadBalancing, reach: Reach, values: dict[str, Any]
) -> dict[str, Any]:
    policy = await trees.row_of(tx, l7policies, "l7policy", values["l7policy_id"])
    return {"project_id": policy.project_id}


async def _above(tx: Transaction, policy_id: str) -> tuple[Row[Any], Row[Any]]:
    policy = await trees.row_of(tx, l7policies, "l7policy", policy_id)
    return await trees.hold(tx, policy.load_balancer_id), policy


def _way_up(policy: Row[Any]) -> list[tuple[sa.Table, Sequence[str]]]:
    return [(listener_table, [policy.listener_id]), (l7policies, [policy.id])]


async def create_rule(
    tx: Transaction, room: LoadBalancing, reach: Reach, values: dict[str, Any]
) -> str:
    """Raises BadInput, Conflict, NotFound, NotSupported, OverLimits."""
    balancer, policy = await _above(tx, values["l7policy_id"])
    made = await put_rule(tx, room, policy, values)
    await trees.begin(tx, room, balancer, _way_up(policy), user_id=reach.user_id)
    return made


async def put_rule(
    tx: Transaction, room: LoadBalancing, policy: Row[Any], values: Mapping[str, Any]
) -> str:
    """A new rule of a policy whose load balancer is held."""
    await trees.count(tx, room, policy.project_id, l7rule=1)
    await trees.fits(tx, l7rules.c.l7policy_id, policy.id, room.settings.l7rules_each)
    check_rule(values)
    return await write(
        tx,
        room,
        l7rules,
        policy.project_id,
        values,
        l7policy_id=policy.id,
        load_balancer_id=policy.load_balancer_id,
    )


def check_rule(values: Mapping[str, Any]) -> None:
    """Whether a rule's attributes go together. Raises BadInput."""
    kind, comparison, key = values["type"], values["compare_type"], values.get("key")
    if kind in _WITH_KEY and not key:
        raise failed(f"L7 rule type {kind} needs a key")
    if kind not in _WITH_KEY and key:
        raise failed(f"L7 rule type {kind} has no key")
    if kind == "FILE_TYPE" and comparison not in ("EQUAL_TO", "REGEX"):
        raise failed(f"{comparison} is not a valid compare_type of L7 rule type FILE_TYPE")
    if kind == "SSL_CONN_HAS_CERT" and (comparison, values["value"]) != ("EQUAL_TO", "True"):
        raise failed("L7 rule type SSL_CONN_HAS_CERT is EQUAL_TO True and nothing else")
    if kind == "SSL_VERIFY_RESULT":
        number = values["value"]
        if comparison != "EQUAL_TO" or not (number.isascii() and number.isdigit()):
            raise failed("L7 rule type SSL_VERIFY_RESULT is EQUAL_TO a number")
    try:
        (expression if comparison == "REGEX" else rule_text)(values["value"])
    except Wrong as wrong:
        raise failed(str(wrong)) from None


async def update_rule(
    tx: Transaction, room: LoadBalancing, reach: Reach, row: Row[Any], values: dict[str, Any]
) -> None:
    """Raises BadInput, Conflict, NotSupported."""
    balancer, policy = await _above(tx, row.l7policy_id)
    row = await trees.again(tx, l7rules, row.id)
    check_rule({**row._mapping, **values})
    await change(tx, room, l7rules, row, values)
    await trees.begin(tx, room, balancer, _way_up(policy), user_id=reach.user_id)


async def delete_rule(tx: Transaction, room: LoadBalancing, reach: Reach, row: Row[Any]) -> None:
    """Raises Conflict."""
    balancer, policy = await _above(tx, row.l7policy_id)
    await trees.mark(tx, "PENDING_DELETE", l7rules, [row.id], room.clock.now())
    await trees.begin(tx, room, balancer, _way_up(policy), user_id=reach.user_id)
