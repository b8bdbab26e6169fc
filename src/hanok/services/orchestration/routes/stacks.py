"""Stacks.

Source: Orchestration API reference, "Stacks".
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET
from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict
from hanok.services.orchestration.logic import (
    clouds,
    expressions,
    lists,
    parts,
    stacks,
    templates,
    validation,
    wishes,
)
from hanok.services.orchestration.logic.program import Names, Program, Source
from hanok.services.orchestration.logic.validation import Checked
from hanok.services.orchestration.room import Orchestration
from hanok.services.orchestration.routes import common, views
from hanok.services.orchestration.routes.common import STACK
from hanok.services.orchestration.schemas import StackBody, UpdateBody
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route


def may_use(request: Request) -> Any:
    """Whether the rules let the caller use a type of resource."""

    def may(kind: str) -> bool:
        first = "::".join(kind.split("::")[:2])
        for rule in (f"resource_types:{kind}", f"resource_types:{first}::*"):
            if request.enforcer.knows(rule) and not request.may(rule, request.own):
                return False
        return True

    return may


async def checked(
    request: Request, room: Orchestration, source: Source, name: str, stack_id: str = "None"
) -> Checked:
    """A source that can become a stack of the caller's project.

    Raises:
        BadInput, Forbidden
    """
    names = Names(name=name, id=stack_id, project_id=common.project(request), region=room.region)
    program = Program(source, names, maximum=room.settings.max_template_size)
    found = validation.check(program, room.settings, may_use(request))
    await validation.look_up(found, common.cloud(request, room))
    await expressions.check(room, common.project(request), found.written())
    return found


async def create_stack(request: Request, room: Orchestration) -> Response:
    """POST /stacks: answer before anything is made."""
    body = await request.body(StackBody)
    request.allow("stacks:create", project_id=common.project(request))
    name = stacks.check_name(wishes.given(body.stack_name))
    wish = wishes.read(body, room.settings)
    validated = await checked(request, room, wish.source, name)
    lent = await clouds.lent(room, request.token_text, request.sure_origin)
    adopting = body.adopt_stack_data is not UNSET and body.adopt_stack_data is not None
    task = {"adopt": wishes.adopted(body).get("resources") or {}} if adopting else {}
    async with request.transaction() as tx:
        await stacks.check_count(tx, room, common.project(request))
        row = await stacks.create(
            tx,
            room,
            name=name,
            project_id=common.project(request),
            user_id=request.token.user_id,
            user_name=request.token.user_name,
            description=validated.program.template.description,
            disable_rollback=wish.disable_rollback if wish.disable_rollback is not None else True,
            timeout_mins=wish.timeout_mins,
            tags=wish.tags or [],
            source=stacks.kept(wish.source, validated.program.template, room.key),
            lent=lent,
            task=task,
        )
        request.made(row.id, {"id": row.id, "name": row.name})
        await stacks.begin(tx, room, row, "ADOPT" if adopting else "CREATE")
    shown = {"stack": {"id": row.id, "links": common.links(request, row)}}
    return json_answer(shown, 201, {"Location": common.href(request, row)})


async def preview_stack(request: Request, room: Orchestration) -> Response:
    """POST /stacks/preview."""
    body = await request.body(StackBody)
    request.allow("stacks:preview", project_id=common.project(request))
    name = stacks.check_name(wishes.given(body.stack_name))
    wish = wishes.read(body, room.settings)
    validated = await checked(request, room, wish.source, name)
    shown = views.preview(request, validated, wish, name, common.project(request))
    return json_answer({"stack": shown})


async def show_stack(request: Request, room: Orchestration) -> Response:
    """GET /stacks/{name}/{id}."""
    async with request.reading() as tx:
        row = await common.found(request, tx)
    shown = await views.whole(request, room, row)
    desired = request.query.get("resolve_outputs", "true").lower() not in ("false", "0")
    if desired and row.deleted_at is None:
        shown["outputs"] = await views.outputs(request, room, row)
    return json_answer({"stack": shown})


async def find_stack(request: Request, room: Orchestration) -> Response:
    """GET, PUT, PATCH and DELETE /stacks/{name or id}: where it is."""
    request.allow("stacks:lookup", project_id=common.project(request))
    async with request.reading() as tx:
        row = await stacks.named(tx, common.project(request), request.path["stack_identity"])
    return common.to(common.href(request, row), request)


def finding(*more: str) -> Any:
    async def find_below(request: Request, room: Orchestration) -> Response:
        request.allow("stacks:lookup", project_id=common.project(request))
        async with request.reading() as tx:
            row = await stacks.named(tx, common.project(request), request.path["stack_identity"])
        return common.to(common.href(request, row, *more), request)

    return find_below


# ---- changes ----


async def _stack_to_change(request: Request, tx: Any, rule: str) -> Any:
    row = await common.found(request, tx, rule)
    if row.deleted_at is not None or (row.action == "DELETE" and row.status == "IN_PROGRESS"):
        raise stacks.not_found(row.name)
    return row


def _check_may_update(row: Any) -> None:
    """
    Raises:
        Conflict, BadInput: not now.
    """
    if row.status == "IN_PROGRESS" and row.action not in ("CREATE", "UPDATE", "ROLLBACK"):
        raise Conflict(
            f"Stack {row.name} already has an action ({row.action}) in progress.",
            code="ActionInProgress",
        )
    if row.action == "SUSPEND":
        raise BadInput(
            "Updating a stack when it is suspended is not supported.", code="NotSupported"
        )


async def update_stack(request: Request, room: Orchestration) -> Response:
    """PUT /stacks/{name}/{id}: become what is sent, and nothing of what was."""
    return await _update(request, room, patch=False, rule="stacks:update")


async def patch_stack(request: Request, room: Orchestration) -> Response:
    """PATCH /stacks/{name}/{id}: what is not sent stays."""
    return await _update(request, room, patch=True, rule="stacks:update_patch")


async def _update(request: Request, room: Orchestration, *, patch: bool, rule: str) -> Response:
    body = await request.body(UpdateBody)
    async with request.reading() as tx:
        row = await _stack_to_change(request, tx, rule)
    wish = _wish(body, room, row, patch=patch)
    validated = await checked(request, room, wish.source, row.name, row.id)
    lent = await clouds.lent(room, request.token_text, request.sure_origin)
    async with request.transaction() as tx:
        row = await _stack_to_change(request, tx, rule)
        _check_may_update(row)
        if wish.tags is not None or not wish.keeps:
            await stacks.set_tags(tx, row.id, wish.tags or [])
        await stacks.begin(tx, room, row, "UPDATE", **_changed(row, wish, validated, room, lent))
    return no_content(202)


def _wish(body: UpdateBody, room: Orchestration, row: Any, *, patch: bool) -> wishes.Wish:
    before = stacks.source_of(row.source, room.key)
    keeps = patch or bool(wishes.truth_of(body.existing, "existing"))
    if keeps and not patch and wishes.given(body.template) is None:
        raise BadInput("No template specified")
    wish = wishes.read(body, room.settings, before, patch=keeps)
    source = wishes.known_parameters(wish.source, before) if keeps else wish.source
    converge = bool(wishes.truth_of(body.converge, "converge"))
    return msgspec.structs.replace(wish, source=source, keeps=keeps, converge=converge)


def _changed(
    row: Any, wish: wishes.Wish, validated: Checked, room: Orchestration, lent: str
) -> dict[str, Any]:
    """The columns that an update writes. What it was is what it last came to, to go back to."""
    rollback = row.disable_rollback if wish.disable_rollback is None else wish.disable_rollback
    return {
        "source": stacks.kept(wish.source, validated.program.template, room.key),
        "previous": row.source if row.status == "COMPLETE" else row.previous,
        "description": validated.program.template.description,
        "disable_rollback": rollback,
        "timeout_mins": row.timeout_mins if wish.timeout_mins is None else wish.timeout_mins,
        "lent": lent,
        "task": {"converge": True} if wish.converge else {},
    }


async def preview_update(request: Request, room: Orchestration) -> Response:
    return await _preview_update(request, room, patch=False, rule="stacks:preview_update")


async def preview_patch(request: Request, room: Orchestration) -> Response:
    return await _preview_update(request, room, patch=True, rule="stacks:preview_update_patch")


async def _preview_update(
    request: Request, room: Orchestration, *, patch: bool, rule: str
) -> Response:
    """PUT and PATCH /stacks/{name}/{id}/preview: what an update would do to each resource.

    Raises:
        BadInput: what is within its resources is asked for, too.
    """
    if lists.yes(request.query.get("show_nested")):
        raise BadInput(
            "show_nested is not served here: the resources of the stack itself are shown."
        )
    body = await request.body(UpdateBody)
    async with request.reading() as tx:
        row = await _stack_to_change(request, tx, rule)
    wish = _wish(body, room, row, patch=patch)
    validated = await checked(request, room, wish.source, row.name, row.id)
    found = await views.differences(request, room, row, validated, live=wish.converge)
    return json_answer({"resource_changes": found})


async def delete_stack(request: Request, room: Orchestration) -> Response:
    """DELETE /stacks/{name}/{id}: gone when all of it is gone."""
    async with request.reading() as tx:
        row = await common.found(request, tx)
    lent = await clouds.lent(room, request.token_text, request.sure_origin)
    async with request.transaction() as tx:
        row = await common.found(request, tx)
        if row.deleted_at is not None:
            raise stacks.not_found(row.name)
        if (row.action, row.status) != ("DELETE", "IN_PROGRESS"):
            await stacks.begin(tx, room, row, "DELETE", lent=lent, task={})
    return no_content(204)


async def abandon_stack(request: Request, room: Orchestration) -> Response:
    """DELETE /stacks/{name}/{id}/abandon: forget the stack, and keep what it made."""
    async with request.reading() as tx:
        row = await common.found(request, tx)
    data = await views.exported(request, room, row)
    async with request.transaction() as tx:
        row = await _stack_to_change(request, tx, "stacks:abandon")
        await room.operations.cancel(tx, f"stack:{row.id}")
        for one in await stacks.tree(tx, row.root_id) if row.parent_id is None else [row]:
            await room.operations.cancel(tx, f"stack:{one.id}")
            await parts.forget_all(tx, one.id)
            await stacks.bury(tx, room, one)
    return json_answer(data)


async def export_stack(request: Request, room: Orchestration) -> Response:
    async with request.reading() as tx:
        row = await common.found(request, tx)
    return json_answer(await views.exported(request, room, row))


# ---- what it is made of ----


async def show_template(request: Request, room: Orchestration) -> Response:
    async with request.reading() as tx:
        row = await common.found(request, tx)
    return json_answer(row.source["template"])


async def show_environment(request: Request, room: Orchestration) -> Response:
    async with request.reading() as tx:
        row = await common.found(request, tx)
    shown = stacks.shown_source(row.source).env.shown()
    return json_answer({**shown, "encrypted_param_names": _hidden(row)})


def _hidden(row: Any) -> list[str]:
    declared = templates.read(row.source["template"]).parameters
    said = row.source.get("hidden") or ()
    return sorted({*said, *(name for name, one in declared.items() if one.hidden)})


async def show_files(request: Request, room: Orchestration) -> Response:
    async with request.reading() as tx:
        row = await common.found(request, tx)
    return json_answer(row.source.get("files") or {})


async def list_outputs(request: Request, room: Orchestration) -> Response:
    async with request.reading() as tx:
        row = await common.found(request, tx)
    program = stacks.program_of(room, row).load()
    shown = [
        {"output_key": name, "description": one.description or "No description given"}
        for name, one in program.template.outputs.items()
        if program.holds(one.condition)
    ]
    return json_answer({"outputs": shown})


async def show_output(request: Request, room: Orchestration) -> Response:
    async with request.reading() as tx:
        row = await common.found(request, tx)
    reader = await common.reader(request, room, row)
    key = request.path["output_key"]
    if key not in reader.program.template.outputs:
        raise views.no_output(key)
    return json_answer({"output": reader.program.veiled(await reader.output(key))})


ROUTES = (
    Route(
        "POST",
        "/v1/stacks",
        create_stack,
        ("stacks:create",),
        body=StackBody,
        strict=True,
        event="orchestration.stack.created",
    ),
    Route(
        "POST",
        "/v1/stacks/preview",
        preview_stack,
        ("stacks:preview",),
        body=StackBody,
        strict=True,
    ),
    *(
        Route(method, "/v1/stacks/{stack_identity}", find_stack, ("stacks:lookup",))
        for method in ("GET", "PUT", "PATCH", "DELETE")
    ),
    Route("POST", "/v1/stacks/{stack_identity}/actions", finding("actions"), ("stacks:lookup",)),
    *(
        Route("GET", f"/v1/stacks/{{stack_identity}}/{name}", finding(name), ("stacks:lookup",))
        for name in ("resources", "events", "template", "environment", "files")
    ),
    Route("GET", STACK, show_stack, ("stacks:show",), query=("resolve_outputs",)),
    Route(
        "PUT",
        STACK,
        update_stack,
        ("stacks:update",),
        body=UpdateBody,
        strict=True,
        event="orchestration.stack.updated",
    ),
    Route(
        "PATCH",
        STACK,
        patch_stack,
        ("stacks:update_patch",),
        body=UpdateBody,
        strict=True,
        event="orchestration.stack.updated",
    ),
    Route(
        "PUT",
        f"{STACK}/preview",
        preview_update,
        ("stacks:preview_update",),
        body=UpdateBody,
        strict=True,
        query=("show_nested",),
    ),
    Route(
        "PATCH",
        f"{STACK}/preview",
        preview_patch,
        ("stacks:preview_update_patch",),
        body=UpdateBody,
        strict=True,
        query=("show_nested",),
    ),
    Route("DELETE", STACK, delete_stack, ("stacks:delete",), event="orchestration.stack.deleted"),
    Route(
        "DELETE",
        f"{STACK}/abandon",
        abandon_stack,
        ("stacks:abandon",),
        event="orchestration.stack.abandoned",
    ),
    Route("GET", f"{STACK}/export", export_stack, ("stacks:export",)),
    Route("GET", f"{STACK}/template", show_template, ("stacks:template",)),
    Route("GET", f"{STACK}/environment", show_environment, ("stacks:environment",)),
    Route("GET", f"{STACK}/files", show_files, ("stacks:files",)),
    Route("GET", f"{STACK}/outputs", list_outputs, ("stacks:list_outputs",)),
    Route("GET", f"{STACK}/outputs/{{output_key}}", show_output, ("stacks:show_output",)),
)
