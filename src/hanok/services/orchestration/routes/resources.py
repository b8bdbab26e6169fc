"""Resources of stacks: what they tell, signals to them, and the actions of stacks.

Source: Orchestration API reference, "Stack resources", "Stack actions".
"""

from __future__ import annotations

import secrets
from typing import Any

from starlette.responses import Response

from hanok.base.errors import BadInput, NotSignedIn
from hanok.services.orchestration.logic import (
    clouds,
    configs,
    events,
    lists,
    nested,
    parts,
    signals,
    stacks,
    texts,
)
from hanok.services.orchestration.logic.environments import HOOKS
from hanok.services.orchestration.logic.functions import Wrong
from hanok.services.orchestration.logic.parts import Part
from hanok.services.orchestration.room import Orchestration
from hanok.services.orchestration.routes import common
from hanok.services.orchestration.routes.common import STACK
from hanok.services.orchestration.routes.lists import needed_by, shown_resource
from hanok.services.orchestration.schemas import MarkBody
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import PUBLIC, Route

SIGNAL_BYTES = 64 << 10


async def show_resource(request: Request, room: Orchestration) -> Response:
    """GET …/resources/{name}."""
    name = request.path["resource_name"]
    async with request.reading() as tx:
        stack = await common.found(request, tx)
        await common.part(tx, room, stack, name)
        rows = await lists.of_resources(tx, [stack.id])
        inner = {one.id: one.name for one in await stacks.children(tx, stack.id)}
    reader = await common.reader(request, room, stack)
    part = reader.current.get(name) or next(one for one in reader.parts if one.physical_id == name)
    row = next(one for one in rows if one.id == part.id)
    shown = shown_resource(request, row, stack, inner, needed_by(rows).get(row.id, []), set(inner))
    shown["description"] = _description(reader, part)
    shown["attributes"] = await _attributes(reader, part, request.query_all("with_attr"))
    return json_answer({"resource": shown})


def _description(reader: Any, part: Part) -> str:
    definition = reader.program.definitions.get(part.name)
    return "" if definition is None else str(definition.description)


async def _attributes(reader: Any, part: Part, more: list[str]) -> dict[str, Any]:
    """What a resource tells; what cannot be told now is empty."""
    kind = reader.type_of(part)
    found: dict[str, Any] = {}
    for name in [*(one for one in kind.attributes if one != "*" and "." not in one), *more[:50]]:
        try:
            found[name] = reader.program.veiled(await reader.attribute(part.name, name))
        except Wrong:
            found[name] = None
    return found


async def show_metadata(request: Request, room: Orchestration) -> Response:
    """GET …/resources/{name}/metadata; a server's with what is to be deployed on it."""
    async with request.reading() as tx:
        stack, part = await common.signalled(request, tx, room)
        metadata = dict(part.metadata)
        if part.properties.get("user_data_format") == "SOFTWARE_CONFIG" and part.physical_id:
            metadata["deployments"] = await configs.metadata_of(
                tx, part.physical_id, stack.project_id
            )
    return json_answer({"metadata": metadata})


# ---- signals ----


async def signal(request: Request, room: Orchestration) -> Response:
    """POST …/resources/{name}/signal."""
    details = await _details(request)
    async with request.reading() as tx:
        stack, part = await common.signalled(request, tx, room)
    await _take(request, room, stack, part, details)
    return no_content(200)


async def _details(request: Request) -> Any:
    raw = await request.raw(SIGNAL_BYTES)
    if not raw.strip():
        return None
    try:
        return texts.from_json(raw)
    except ValueError:
        raise BadInput("The body of a signal is not valid JSON.") from None


async def _take(
    request: Request, room: Orchestration, stack: Any, part: Part, details: Any
) -> None:
    """Hand a signal to a resource, and tell whoever waits for it."""
    if isinstance(details, dict) and "unset_hook" in details:
        if stack.project_id != common.project(request):
            raise BadInput(
                "A hook can only be cleared by the project of its stack.", code="NotSupported"
            )
        reason = await _clear(room, part, str(details["unset_hook"]))
        action, status = part.action, part.status
    else:
        if part.action in ("INIT", "DELETE") or part.action == "SUSPEND":
            raise BadInput(f"Cannot signal resource during {part.action}", code="NotSupported")
        reader = await nested.reader(room, stack)
        work = reader.work(next(one for one in reader.parts if one.id == part.id))
        reason = await reader.type_of(part).driver.signal(work, details)
        action, status = "SIGNAL", "COMPLETE"
    said = {
        "name": part.name,
        "kind": part.type,
        "physical_id": part.physical_id,
        "action": action,
        "status": status,
    }
    async with request.transaction() as tx:
        request.made(stack.id, {"id": stack.id, "resource": part.name}, noun="stack")
        await events.add(tx, stack, **said, reason=reason, at=room.clock.now())
        await events.trim(tx, stack.root_id, room.settings.max_events_per_stack)


async def _clear(room: Orchestration, part: Part, hook: str) -> str:
    held, _, traversal = str(part.data.get("hook", "")).partition(":")
    if hook not in HOOKS:
        raise BadInput(f'Invalid hook type "{hook[:50]}"')
    if held != hook:
        raise BadInput(
            f'The "{hook}" hook is not defined on Resource {part.name}',
            code="InvalidBreakPointHook",
        )
    async with room.database.write() as tx:
        if await signals.cleared(tx, part.id, hook, traversal):
            raise BadInput(
                f'The "{hook}" hook is not defined on Resource {part.name}',
                code="InvalidBreakPointHook",
            )
        await signals.add(tx, part.id, {"hook": hook, "traversal": traversal})
    return f"Hook {hook} is cleared"


async def signed(request: Request, room: Orchestration) -> Response:
    """POST and PUT at a resource's own address: whoever has it may signal this resource, and nothing else."""
    details = await _details(request)
    async with request.reading() as tx:
        part = await parts.get(tx, request.path["resource_id"], room.key)
        stack = None if part is None else await stacks.find(tx, part.stack_id)
    key = "" if part is None else str(part.data.get("signal_key", ""))
    if (
        part is None
        or stack is None
        or not key
        or not secrets.compare_digest(key.encode(), request.query.get("Signature", "").encode())
    ):
        raise NotSignedIn(
            "The request signature we calculated does not match the signature you provided."
        )
    if isinstance(details, dict) and "unset_hook" in details:
        raise BadInput("A hook can only be cleared with a token.", code="NotSupported")
    await _take(request, room, stack, part, details)
    return no_content(200)


# ---- health ----


async def mark_unhealthy(request: Request, room: Orchestration) -> Response:
    """PATCH …/resources/{name}."""
    body = await request.body(MarkBody)
    unhealthy = lists.yes(str(body.mark_unhealthy))
    async with request.transaction() as tx:
        stack = await common.found(request, tx)
        common.free(stack)
        part = await common.part(tx, room, stack, request.path["resource_name"])
        if part.action == "DELETE":
            raise BadInput("A resource that is deleted cannot be marked.", code="NotSupported")
        if unhealthy:
            part.action, part.status = "CHECK", "FAILED"
            part.reason = (
                body.resource_status_reason or "state changed by resource_mark_unhealthy api"
            )
        elif part.state == "CHECK_FAILED":
            part.status, part.reason = (
                "COMPLETE",
                body.resource_status_reason or "state changed by resource_mark_unhealthy api",
            )
        await parts.save(tx, [part], room.key)
        await events.add(tx, stack, name=part.name, kind=part.type, physical_id=part.physical_id, action=part.action,
                         status=part.status, reason=part.reason, at=room.clock.now())  # fmt: skip
    return no_content(200)


# ---- actions of stacks ----


async def act(request: Request, room: Orchestration) -> Response:
    """POST …/actions: one of those that have no body."""
    body = await request.json()
    if not isinstance(body, dict) or len(body) != 1:
        raise BadInput(
            "Only one action is allowed at a time"
            if isinstance(body, dict) and body
            else "No action specified"
        )
    name = next(iter(body))
    if name not in _ACTIONS:
        raise BadInput(f"Invalid action {name[:50]} specified")
    async with request.reading() as tx:
        await common.found(request, tx, f"actions:{name}")
    lent = await clouds.lent(room, request.token_text, request.sure_origin)
    async with request.transaction() as tx:
        stack = await common.found(request, tx, f"actions:{name}")
        request.made(stack.id, {"id": stack.id, "action": name}, noun="stack")
        await _ACTIONS[name](tx, room, stack, lent)
    return no_content(200)


async def _begin_simple(tx: Any, room: Orchestration, stack: Any, lent: str, action: str) -> None:
    common.free(stack)
    await stacks.begin(tx, room, stack, action, lent=lent, task={})


async def suspend(tx: Any, room: Orchestration, stack: Any, lent: str) -> None:
    await _begin_simple(tx, room, stack, lent, "SUSPEND")


async def resume(tx: Any, room: Orchestration, stack: Any, lent: str) -> None:
    await _begin_simple(tx, room, stack, lent, "RESUME")


async def check(tx: Any, room: Orchestration, stack: Any, lent: str) -> None:
    await _begin_simple(tx, room, stack, lent, "CHECK")


async def cancel_update(tx: Any, room: Orchestration, stack: Any, lent: str) -> None:
    """Go back to what the stack was before the update."""
    if (stack.action, stack.status) != ("UPDATE", "IN_PROGRESS"):
        raise BadInput(
            f"Cancelling update when stack is {stack.action}_{stack.status} is not supported.",
            code="NotSupported",
        )
    source = stack.previous or stack.source
    await stacks.begin(tx, room, stack, "ROLLBACK", source=source, lent=lent, task={})


async def cancel_without_rollback(tx: Any, room: Orchestration, stack: Any, lent: str) -> None:
    """Stop where it is, between two of its resources."""
    if stack.action not in ("CREATE", "UPDATE") or stack.status != "IN_PROGRESS":
        raise BadInput(
            f"Cancelling a stack when it is {stack.action}_{stack.status} is not supported.",
            code="NotSupported",
        )
    await room.operations.cancel(tx, f"stack:{stack.id}")
    await stacks.end(tx, room, stack, stack.action, "FAILED", f"Stack {stack.action} cancelled")


_ACTIONS: dict[str, Any] = {
    "suspend": suspend,
    "resume": resume,
    "check": check,
    "cancel_update": cancel_update,
    "cancel_without_rollback": cancel_without_rollback,
}
_RESOURCE = f"{STACK}/resources/{{resource_name}}"
ROUTES = (
    Route("GET", _RESOURCE, show_resource, ("resource:show",), query=("with_attr",)),
    Route("GET", f"{_RESOURCE}/metadata", show_metadata, ("resource:metadata",)),
    Route(
        "POST",
        f"{_RESOURCE}/signal",
        signal,
        ("resource:signal",),
        event="orchestration.stack.signalled",
    ),
    Route(
        "PATCH",
        _RESOURCE,
        mark_unhealthy,
        ("resource:mark_unhealthy",),
        body=MarkBody,
        strict=True,
        event="orchestration.resource.marked",
    ),
    Route(
        "POST",
        f"{STACK}/actions",
        act,
        tuple(f"actions:{name}" for name in _ACTIONS),
        event="orchestration.stack.acted",
    ),
    *(
        Route(
            method,
            f"/v1/{noun}/{{resource_id}}",
            signed,
            (PUBLIC,),
            query=("Signature",),
            event="orchestration.stack.signalled",
        )
        for noun, method in (
            ("signal", "POST"),
            ("waitcondition", "PUT"),
            ("waitcondition", "POST"),
        )
    ),
)
