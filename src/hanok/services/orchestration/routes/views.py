"""How stacks are shown.

Source: Orchestration API reference, "Show stack details", "Preview stack", "Preview stack update".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hanok.base.errors import NotFound
from hanok.services.orchestration.logic import stacks, validation, wishes
from hanok.services.orchestration.logic.functions import UNKNOWN, Wrong, unknown_in
from hanok.services.orchestration.logic.parameters import STARS
from hanok.services.orchestration.logic.parts import Part
from hanok.services.orchestration.logic.reading import Reader
from hanok.services.orchestration.logic.types.model import Failed, Replace
from hanok.services.orchestration.logic.validation import Checked
from hanok.services.orchestration.room import Orchestration
from hanok.services.orchestration.routes import common
from hanok.web.request import Request


def summary(request: Request, row: Any) -> dict[str, Any]:
    """A stack of a list."""
    return {
        "id": row.id,
        "stack_name": row.name,
        "project": row.project_id,
        "description": row.description,
        "links": common.links(request, row),
        "creation_time": common.time(row.created_at),
        "updated_time": common.time(row.updated_at),
        "deletion_time": common.time(row.deleted_at),
        "stack_status": f"{row.action}_{row.status}",
        "stack_status_reason": row.reason,
        "stack_owner": row.user_name,
        "parent": row.parent_id,
        "stack_user_project_id": None,
        "tags": row.tags or None,
    }


async def whole(request: Request, room: Orchestration, row: Any) -> dict[str, Any]:
    """A stack by itself, without its outputs."""
    found = summary(request, row)
    del found["project"], found["description"]
    program = stacks.program_of(room, row)
    return {
        **found,
        "description": row.description,
        "template_description": row.description,
        "tags": list(
            row.tags or ()
        ),  # upstream's lists have null where there are none, and this has not
        "parameters": program.shown_parameters(),
        "capabilities": [],
        "notification_topics": [],
        "disable_rollback": row.disable_rollback,
        "timeout_mins": row.timeout_mins,
        "outputs": [],
    }


async def outputs(request: Request, room: Orchestration, row: Any) -> list[dict[str, Any]]:
    if row.action in ("CREATE", "ADOPT") and row.status == "IN_PROGRESS":
        return []
    reader = await common.reader(request, room, row)
    shown: list[dict[str, Any]] = reader.program.veiled(await reader.outputs())
    return shown


def no_output(key: str) -> NotFound:
    return NotFound(f"Specified output key {key[:100]} not found.", code="NotFound")


def preview(
    request: Request, validated: Checked, wish: wishes.Wish, name: str, project_id: str
) -> dict[str, Any]:
    """A stack that is not there."""
    program = validated.program
    return {
        "id": "None",
        "stack_name": name,
        "stack_identity": {
            "stack_name": name,
            "stack_id": "None",
            "tenant": project_id,
            "path": "",
        },
        "description": program.template.description,
        "template_description": program.template.description,
        "parameters": program.shown_parameters(),
        "disable_rollback": wish.disable_rollback if wish.disable_rollback is not None else True,
        "timeout_mins": wish.timeout_mins,
        "tags": wish.tags,
        "capabilities": [],
        "notification_topics": [],
        "parent": None,
        "stack_owner": request.token.user_name,
        "creation_time": None,
        "updated_time": None,
        "deletion_time": None,
        "stack_user_project_id": None,
        "resources": validation.planned(validated, name, project_id),
        "links": [],
    }


async def exported(request: Request, room: Orchestration, row: Any) -> dict[str, Any]:
    """All that another cloud needs to take a stack over; hidden values are stars, as everywhere."""
    reader = await common.reader(request, room, row)
    return {
        "name": row.name,
        "id": row.id,
        "action": row.action,
        "status": row.status,
        **made_of(row.source),
        "project_id": row.project_id,
        "stack_user_project_id": row.project_id,
        "tags": row.tags,
        "resources": {part.name: _of_part(reader, part) for part in reader.current.values()},
    }


def made_of(raw: Mapping[str, Any]) -> dict[str, Any]:
    """What a stack is made of, as its row or a snapshot of it has that."""
    source = stacks.shown_source(raw)
    return {
        "template": source.template,
        "environment": source.env.shown(),
        "files": source.files,
    }


def _of_part(reader: Reader, part: Part) -> dict[str, Any]:
    return {
        "name": part.name,
        "resource_id": part.physical_id,
        "type": part.type,
        "action": part.action,
        "status": part.status,
        "metadata": reader.program.veiled(part.metadata),
        "resource_data": {},
    }


async def differences(
    request: Request, room: Orchestration, row: Any, validated: Checked, *, live: bool = False
) -> dict[str, list[dict[str, Any]]]:
    """What an update would do to each resource of a stack. live: if it looks at what is really there."""
    reader = await common.reader(request, room, row)
    after = Reader(room, reader.cloud, row, validated.program, reader.parts)
    found: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("unchanged", "updated", "replaced", "added", "deleted")
    }
    for name in validated.program.definitions:
        part = reader.current.get(name)
        if part is None:
            found["added"].append(_change(request, row, validated, name, None))
            continue
        what = await _what(after, part, name, live=live)
        found[what].append(_change(request, row, validated, name, part))
    for part in reader.current.values():
        if part.name not in validated.program.definitions:
            found["deleted"].append(_change(request, row, validated, part.name, part))
    return found


async def _what(after: Reader, part: Part, name: str, *, live: bool) -> str:
    kind = after.program.types[name]
    if part.type != kind.name or part.status == "FAILED":
        return "replaced"
    try:
        given = await after.properties(name)
        before = await after.live(part) if live else part.properties
    except Replace:
        return "replaced"
    except (Wrong, Failed):
        return "updated"
    differing = [
        one for one, value in given.items() if unknown_in(value) or value != before.get(one)
    ]
    if not differing:
        return "updated" if kind.driver.always_updates(part, after) else "unchanged"
    at_once = all(kind.properties[one].update for one in differing if one in kind.properties)
    return "updated" if at_once else "replaced"


def _change(
    request: Request, row: Any, validated: Checked, name: str, part: Part | None
) -> dict[str, Any]:
    properties = validated.properties.get(name, {})
    raw = (
        validated.program.definitions[name].properties
        if name in validated.program.definitions
        else {}
    )
    shown = {
        one: STARS
        if validated.program.hidden_in(raw.get(one))
        else None
        if value is UNKNOWN or unknown_in(value)
        else value
        for one, value in properties.items()
    }
    identity = {"stack_name": row.name, "stack_id": row.id, "tenant": row.project_id}
    return {
        "resource_name": name,
        "resource_type": validated.program.definitions[name].type
        if name in validated.program.definitions
        else part.type
        if part
        else "",
        "resource_action": part.action if part else "INIT",
        "resource_status": part.status if part else "COMPLETE",
        "resource_status_reason": part.reason if part else "",
        "physical_resource_id": (part.physical_id if part else "") or "",
        "description": "",
        "creation_time": common.time(part.created_at) if part else None,
        "updated_time": common.time(part.updated_at) if part else None,
        "metadata": {},
        "properties": shown,
        "attributes": {},
        "stack_name": row.name,
        "resource_identity": {**identity, "path": f"/resources/{name}"},
        "stack_identity": {**identity, "path": ""},
    }
