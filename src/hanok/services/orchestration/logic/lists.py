"""Lists of stacks, resources and events: filters, order and pages.

A project has at most so many stacks, a stack so many resources and events, so a list is read whole and cut here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from hanok.base.errors import BadInput
from hanok.services.orchestration.tables import events, resources, stack_tags, stacks
from hanok.store import Transaction

MAXIMUM = 20_000  # rows that are looked at
_BRIEF = [
    column
    for column in stacks.c
    if column.name not in ("source", "previous", "lent", "task", "deadline_at")
]
SORTS = {"creation_time": "created_at", "updated_time": "updated_at", "stack_name": "name", "stack_status": "status",
          "name": "name", "status": "status", "action": "action", "created_at": "created_at", "id": "id"}  # fmt: skip
EVENT_SORTS = {"event_time": "created_at", "created_at": "created_at", "resource_name": "resource_name",
                "resource_type": "resource_type", "resource_action": "action",
                "resource_status": "status"}  # fmt: skip
STATES = ("id", "status", "name", "action", "username", "owner_id", "stack_name")


def yes(text: str | None) -> bool:
    """
    Raises:
        BadInput
    """
    if text is None or text.lower() in ("", "false", "0", "no", "off"):
        return False
    if text.lower() in ("true", "1", "yes", "on"):
        return True
    raise BadInput(f'Unrecognized value "{text[:50]}", acceptable values are: true, false')


def last(query: Mapping[str, list[str]], name: str) -> str | None:
    """The last value of a parameter."""
    values = query.get(name)
    return values[-1] if values else None


def number(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 9:
        raise BadInput(
            f"Only integer is allowed as {name}, negative numbers are not: '{text[:50]}'"
        )
    return int(text)


def condition(
    query: Mapping[str, list[str]], project_id: str | None, hidden: Sequence[str]
) -> sa.ColumnElement[bool]:
    """Which stacks a query means. project_id: whose; None: all."""
    first = {name: values[-1] for name, values in query.items()}
    found: list[sa.ColumnElement[bool]] = []
    if project_id is not None:
        found.append(stacks.c.project_id == project_id)
    if not yes(first.get("show_deleted")):
        found.append(stacks.c.deleted_at.is_(None))
    if not yes(first.get("show_nested")) and "owner_id" not in first:
        found.append(stacks.c.parent_id.is_(None))
    if not yes(first.get("show_hidden")) and hidden:
        found.append(~stacks.c.id.in_(_tagged(hidden)))
    found += _equal(query)
    found += _tags(first)
    return sa.and_(sa.true(), *found)


def _equal(query: Mapping[str, list[str]]) -> list[sa.ColumnElement[bool]]:
    columns = {"id": stacks.c.id, "name": stacks.c.name, "stack_name": stacks.c.name, "action": stacks.c.action,
               "status": stacks.c.status, "username": stacks.c.user_name, "owner_id": stacks.c.parent_id,
               "tenant": stacks.c.project_id, "project": stacks.c.project_id}  # fmt: skip
    found: list[sa.ColumnElement[bool]] = [
        column.in_([one for value in query[name] for one in value.split(",")])
        for name, column in columns.items()
        if name in query
    ]
    if "stack_status" in query:
        found.append((stacks.c.action + "_" + stacks.c.status).in_(query["stack_status"]))
    return found


def _tagged(tags: Sequence[str]) -> Any:
    return sa.select(stack_tags.c.stack_id).where(stack_tags.c.tag.in_(list(tags)))


def _all_of(tags: Sequence[str]) -> sa.ColumnElement[bool]:
    return sa.and_(sa.true(), *(stacks.c.id.in_(_tagged([one])) for one in tags[:64]))


def _tags(first: Mapping[str, str]) -> list[sa.ColumnElement[bool]]:
    split = {
        name: first[name].split(",")
        for name in ("tags", "tags_any", "not_tags", "not_tags_any")
        if first.get(name)
    }
    made: list[sa.ColumnElement[bool]] = []
    if "tags" in split:
        made.append(_all_of(split["tags"]))
    if "tags_any" in split:
        made.append(stacks.c.id.in_(_tagged(split["tags_any"])))
    if "not_tags" in split:
        made.append(~_all_of(split["not_tags"]))
    if "not_tags_any" in split:
        made.append(~stacks.c.id.in_(_tagged(split["not_tags_any"])))
    return made


async def of_stacks(tx: Transaction, where: sa.ColumnElement[bool]) -> list[Any]:
    statement = sa.select(*_BRIEF).where(where).order_by(stacks.c.sequence.desc()).limit(MAXIMUM)
    return list(await tx.all(statement))


def in_order(rows: list[Any], query: Mapping[str, list[str]]) -> list[Any]:
    """
    Raises:
        BadInput
    """
    keys = [one for value in query.get("sort_keys", []) for one in value.split(",") if one]
    direction = (query.get("sort_dir") or [""])[-1]
    if direction not in ("", "asc", "desc"):
        raise BadInput(f"Unknown sort direction, must be 'desc' or 'asc': {direction[:20]}")
    for name in reversed(keys):
        if name not in SORTS:
            raise BadInput(f"Invalid sort key {name[:50]}")
        column = SORTS[name]
        rows = sorted(
            rows, key=lambda row: str(getattr(row, column) or ""), reverse=direction != "asc"
        )
    if direction == "asc" and not keys:
        rows = rows[::-1]
    return rows


def events_in_order(rows: list[Any], query: Mapping[str, list[str]]) -> list[Any]:
    """Oldest first, or as a query says.

    Raises:
        BadInput
    """
    direction = (query.get("sort_dir") or ["asc"])[-1]
    if direction not in ("asc", "desc"):
        raise BadInput(f"Unknown sort direction, must be 'desc' or 'asc': {direction[:20]}")
    found = rows[::-1] if direction == "desc" else list(rows)
    keys = [one for value in query.get("sort_keys", []) for one in value.split(",") if one]
    for name in reversed(keys):
        if name not in EVENT_SORTS:
            raise BadInput(f"Invalid sort key {name[:50]}")
        column = EVENT_SORTS[name]
        found.sort(key=lambda row: str(getattr(row, column) or ""), reverse=direction == "desc")
    return found


def page(rows: Sequence[Any], query: Mapping[str, list[str]], key: str = "id") -> list[Any]:
    """The rows of the page that a query asks for.

    Raises:
        BadInput
    """
    limit = number(last(query, "limit"), "limit")
    marker = last(query, "marker")
    start = 0
    if marker:
        places = [at for at, row in enumerate(rows) if getattr(row, key) == marker]
        start = places[0] + 1 if places else 0
    return list(rows[start:] if limit is None else rows[start : start + limit])


async def of_events(tx: Transaction, stack_ids: Sequence[str]) -> list[Any]:
    statement = (
        sa.select(events)
        .where(events.c.stack_id.in_(stack_ids))
        .order_by(events.c.sequence)
        .limit(MAXIMUM)
    )
    return list(await tx.all(statement))


async def of_resources(tx: Transaction, stack_ids: Sequence[str]) -> list[Any]:
    brief = [column for column in resources.c if column.name not in ("secret", "metadata")]
    statement = (
        sa.select(*brief)
        .where(resources.c.stack_id.in_(stack_ids), resources.c.replaced_by.is_(None))
        .order_by(resources.c.sequence)
        .limit(MAXIMUM)
    )
    return list(await tx.all(statement))
