"""Stacks as rows: what they shall be, and the change that is under way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.base.ids import new_uuid
from hanok.services.orchestration.logic import events, parts
from hanok.services.orchestration.logic.program import (
    Names,
    Program,
    Source,
    hidden_apart,
    put_together,
)
from hanok.services.orchestration.logic.templates import Template
from hanok.services.orchestration.room import Orchestration
from hanok.services.orchestration.tables import snapshots, stack_tags, stacks
from hanok.store import Duplicate, Transaction

SWEEPS = ("SUSPEND", "RESUME", "CHECK", "SNAPSHOT")
ALL = sa.select(stacks)
_by_id = ALL.where(stacks.c.id == bindparam("id"))
_live = ALL.where(stacks.c.live == bindparam("live"))
_count = (
    sa.select(sa.func.count())
    .select_from(stacks)
    .where(
        stacks.c.project_id == bindparam("project"),
        stacks.c.deleted_at.is_(None),
        stacks.c.parent_id.is_(None),
    )
)
_children = ALL.where(stacks.c.parent_id == bindparam("parent"), stacks.c.deleted_at.is_(None))
_tree = ALL.where(stacks.c.root_id == bindparam("root"), stacks.c.deleted_at.is_(None))
_old = sa.select(stacks.c.id).where(stacks.c.deleted_at < bindparam("before")).limit(100)
_forget = stacks.delete().where(stacks.c.id.in_(bindparam("ids", expanding=True)))
_forget_tags = stack_tags.delete().where(stack_tags.c.stack_id == bindparam("of"))
_forget_snapshots = snapshots.delete().where(snapshots.c.stack_id == bindparam("of"))


def _change(**values: Any) -> Any:
    named = {name: bindparam(f"new_{name}", type_=stacks.c[name].type) for name in values}
    return stacks.update().where(stacks.c.id == bindparam("of")).values(named)


async def write(tx: Transaction, stack_id: str, **values: Any) -> None:
    """Write some of a stack's columns."""
    named = {f"new_{name}": value for name, value in values.items()}
    await tx.execute(_change(**values), {"of": stack_id, **named})


def not_found(name: str) -> NotFound:
    return NotFound(f"The Stack ({name[:255]}) could not be found.", code="EntityNotFound")


async def find(tx: Transaction, stack_id: str) -> Row[Any] | None:
    """A stack, be it gone or not."""
    return await tx.first(_by_id, {"id": stack_id})


async def named(tx: Transaction, project_id: str, text: str) -> Row[Any]:
    """A stack of a project by its name or its id; by its id also when it is gone.

    Raises:
        NotFound
    """
    row = await tx.first(_live, {"live": _live_key(project_id, text)})
    if row is None and len(text) == 36:
        row = await find(tx, text)
    if row is None or row.project_id != project_id:
        raise not_found(text)
    return row


async def children(tx: Transaction, stack_id: str) -> Sequence[Row[Any]]:
    return await tx.all(_children, {"parent": stack_id})


async def tree(tx: Transaction, root_id: str) -> Sequence[Row[Any]]:
    """A stack at the top with all that are within it."""
    return await tx.all(_tree, {"root": root_id})


def _live_key(project_id: str, name: str) -> str:
    return f"{project_id}/{name}"[:330]


# ---- sources ----


def kept(source: Source, template: Template, key: parts.Sealer) -> dict[str, Any]:
    """A source as a row has it: hidden values sealed."""
    open_, apart = hidden_apart(source, template)
    return {**msgspec.structs.asdict(open_), "sealed": key.seal(apart)}


def source_of(raw: Mapping[str, Any], key: parts.Sealer) -> Source:
    given = {name: value for name, value in raw.items() if name != "sealed"}
    return put_together(Source(**given), key.open(raw.get("sealed", "")))


def shown_source(raw: Mapping[str, Any]) -> Source:
    """With stars where something is hidden."""
    return Source(**{name: value for name, value in raw.items() if name != "sealed"})


def names_of(row: Row[Any], region: str) -> Names:
    return Names(name=row.name, id=identifier(row), project_id=row.project_id, region=region)


def identifier(row: Row[Any]) -> str:
    """What a stack's template knows it by; an address of resources for CFN, as upstream."""
    version = row.source["template"] if row.source else {}
    if any(name in version for name in ("HeatTemplateFormatVersion", "AWSTemplateFormatVersion")):
        return f"arn:openstack:heat::{row.project_id}:stacks/{row.name}/{row.id}"
    return str(row.id)


def program_of(
    room: Orchestration,
    row: Row[Any],
    *,
    raw: Mapping[str, Any] | None = None,
    facade: Mapping[str, Any] | None = None,
) -> Program:
    """What a stack shall be. raw: another source than the one in force."""
    return Program(
        source_of(row.source if raw is None else raw, room.key),
        names_of(row, room.region),
        maximum=room.settings.max_template_size,
        facade=facade or row.task.get("facade"),
        decided=room.decided,
    )


async def loaded(
    room: Orchestration, row: Row[Any], *, raw: Mapping[str, Any] | None = None
) -> Program:
    """The same, with its types and the order of its resources.

    Raises:
        Wrong
    """
    return await room.decided.read(
        room, row.project_id, lambda: program_of(room, row, raw=raw).load()
    )


# ---- making and changing ----


def check_name(name: Any) -> str:
    """
    Raises:
        BadInput
    """
    good = (
        isinstance(name, str) and 0 < len(name) <= 255 and name[0].isascii() and name[0].isalpha()
    )
    if not good or not all(one.isascii() and (one.isalnum() or one in "_-.") for one in name):
        raise BadInput(
            f'Invalid stack name {str(name)[:300]} must contain only alphanumeric or "_-." characters, '
            "must start with alpha and must be 255 characters or less.",
            code="StackValidationFailed",
        )
    return str(name)


async def check_count(tx: Transaction, room: Orchestration, project_id: str) -> None:
    """
    Raises:
        Forbidden: the project has as many as it may have.
    """
    await tx.serialize("stacks", project_id)
    maximum = room.settings.max_stacks_per_tenant
    if 0 <= maximum <= int(await tx.scalar(_count, {"project": project_id}) or 0):
        raise BadInput(
            f"Request limit exceeded: You have reached the maximum stacks per tenant, {maximum}. "
            "Please delete some stacks.",
            code="RequestLimitExceeded",
        )


async def create(tx: Transaction, room: Orchestration, **values: Any) -> Row[Any]:
    """Write a new stack's row, with nothing under way.

    Raises:
        Conflict: its project has one of that name.
    """
    stack_id = values.setdefault("id", new_uuid())
    if values.get("parent_id") is None:
        values["lent"] = await _entrusted(tx, room, "", values["lent"])
    defaults: dict[str, Any] = {
        "action": "INIT", "status": "COMPLETE", "reason": "", "created_at": room.clock.now(), "updated_at": None,
        "parent_id": None, "parent_resource": None, "root_id": stack_id, "depth": 0, "tags": [], "previous": None,
        "traversal": new_uuid(), "task": {}, "timeout_mins": None, "deadline_at": None,
        "disable_rollback": True, "description": "",
    }  # fmt: skip
    row = {**defaults, **values, "live": _live_key(values["project_id"], values["name"])}
    try:
        await tx.insert(stacks, row)
    except Duplicate:
        raise Conflict(
            f"The Stack ({values['name']}) already exists.", code="StackExists"
        ) from None
    await _set_tags(tx, stack_id, row["tags"])
    found = await find(tx, stack_id)
    assert found is not None
    return found


async def _entrusted(
    tx: Transaction, room: Orchestration, before: str, lent: str, *, ends: bool = False
) -> str:
    """What was lent for a change of a stack, with a trust for what comes later. before: what was, of the same stack.

    ends: nothing comes later.
    """
    given, trust = room.key.open(lent), str(room.key.open(before).get("trust", ""))
    if ends:
        await room.end_trust(tx, trust)
        return lent
    return room.key.seal({**given, "trust": await room.entrust(tx, given["payload"], trust)})


async def _lent_for(
    tx: Transaction, room: Orchestration, row: Row[Any], action: str, lent: str
) -> str:
    """What a stack has of rights from an action on; one that changes nothing uses its asker's while it lasts."""
    if action in SWEEPS:
        given = room.key.open(lent)
        asker = given.get("now", {"payload": given.get("payload", "")})
        return room.key.seal({**room.key.open(row.lent), "now": asker})
    if row.id != row.root_id:
        return lent
    return await _entrusted(tx, room, row.lent, lent, ends=action == "DELETE")


async def set_tags(tx: Transaction, stack_id: str, tags: Sequence[str]) -> None:
    await tx.execute(_forget_tags, {"of": stack_id})
    await write(tx, stack_id, tags=list(tags))
    await _set_tags(tx, stack_id, tags)


async def _set_tags(tx: Transaction, stack_id: str, tags: Sequence[str]) -> None:
    for tag in dict.fromkeys(tags):
        await tx.execute(stack_tags.insert(), {"stack_id": stack_id, "tag": tag})


async def begin(
    tx: Transaction,
    room: Orchestration,
    row: Row[Any],
    action: str,
    *,
    reason: str = "",
    **values: Any,
) -> None:
    """Begin a change of a stack: what was under way stops where it is, and this goes on from there.

    Args:
        values: further columns: source, previous, task, lent.
    """
    now = room.clock.now()
    minutes = values.get("timeout_mins", row.timeout_mins)
    seconds = minutes * 60 if minutes else room.settings.stack_action_timeout_s
    fixed: dict[str, Any] = {
        "action": action,
        "status": "IN_PROGRESS",
        "reason": reason or f"Stack {action} started",
        "traversal": new_uuid(),
        "deadline_at": now + timedelta(seconds=seconds),
    }
    if action != "CREATE":
        fixed["updated_at"] = now
    if "lent" in values:
        values["lent"] = await _lent_for(tx, room, row, action, values["lent"])
    await room.converge(tx, row)
    await write(tx, row.id, **{**fixed, **values})
    await events.add(tx, row, name=row.name, kind="OS::Heat::Stack", physical_id=row.id, action=action,
                     status="IN_PROGRESS", reason=fixed["reason"], at=now)  # fmt: skip
    await events.trim(tx, row.root_id, room.settings.max_events_per_stack)


async def end(
    tx: Transaction, room: Orchestration, row: Row[Any], action: str, status: str, reason: str
) -> None:
    """Say how a change ended."""
    now = room.clock.now()
    await write(tx, row.id, action=action, status=status, reason=reason)
    await events.add(tx, row, name=row.name, kind="OS::Heat::Stack", physical_id=row.id, action=action,
                     status=status, reason=reason, at=now)  # fmt: skip
    await events.trim(tx, row.root_id, room.settings.max_events_per_stack)


async def bury(tx: Transaction, room: Orchestration, row: Row[Any]) -> None:
    """A stack is gone; for a while it is still shown by its id."""
    await parts.forget_all(tx, row.id)
    await tx.execute(_forget_tags, {"of": row.id})
    await tx.execute(_forget_snapshots, {"of": row.id})
    await end(tx, room, row, "DELETE", "COMPLETE", "Stack DELETE completed successfully")
    await write(tx, row.id, deleted_at=room.clock.now(), live=None, lent="", previous=None)
    if row.id == row.root_id:
        await room.end_trust(tx, str(room.key.open(row.lent).get("trust", "")))
        await room.users.forget_all(tx, row.root_id.replace("-", ""))


async def forget_old(tx: Transaction, room: Orchestration) -> int:
    """Forget stacks that have been gone for long; gives how many."""
    before: datetime = room.clock.now() - timedelta(seconds=room.settings.kept_deleted_s)
    ids = list(await tx.scalars(_old, {"before": before}))
    if ids:
        await events.forget(tx, ids)
        await tx.execute(_forget, {"ids": ids})
    return len(ids)


async def check_tree(
    tx: Transaction, room: Orchestration, root_id: str, more: int, *, besides: str = ""
) -> None:
    """
    Args:
        besides: a stack that becomes one of so many.

    Raises:
        BadInput: a stack would have more resources than it may, with all within it.
    """
    maximum = room.settings.max_resources_per_stack
    rows = await tree(tx, root_id)
    there = sum(len(_resources_of(row.source["template"])) for row in rows if row.id != besides)
    if 0 <= maximum < there + more:
        raise too_many(maximum)


def _resources_of(template: Mapping[str, Any]) -> Mapping[str, Any]:
    return template.get("resources") or template.get("Resources") or {}


def too_many(maximum: int) -> BadInput:
    return BadInput(
        f"Request limit exceeded: Maximum resources per stack exceeded: {maximum}.",
        code="RequestLimitExceeded",
    )
