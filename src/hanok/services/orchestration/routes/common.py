"""What the routes of stacks have in common: which stack a path names, links, and how things are shown."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from hanok.base.clock import zulu
from hanok.base.errors import Conflict, NotFound
from hanok.services.orchestration.logic import clouds, nested, parts, stacks, users
from hanok.services.orchestration.logic.parts import Part
from hanok.services.orchestration.logic.reading import Reader
from hanok.services.orchestration.logic.work import Cloud
from hanok.services.orchestration.room import Orchestration
from hanok.store import Transaction
from hanok.web.request import Request, no_content

STACK = "/v1/stacks/{stack_name}/{stack_id}"


def project(request: Request) -> str:
    """Whose stacks are meant: the token's project."""
    return request.token.project_id or ""


async def found(request: Request, tx: Transaction, rule: str = "") -> Any:
    """The stack that the path names, if the caller may do this to it.

    Raises:
        NotFound, Forbidden
    """
    request.allow(rule, project_id=project(request))
    row = await stacks.named(tx, project(request), request.path["stack_id"])
    if row.name != request.path["stack_name"]:
        raise stacks.not_found(request.path["stack_id"])
    return row


async def signalled(request: Request, tx: Transaction, room: Orchestration) -> tuple[Any, Part]:
    """The stack and the resource that the path names, for its project or for a user that the stack has made.

    Raises:
        NotFound, Forbidden
    """
    name = request.path["resource_name"]
    row = await stacks.find(tx, request.path["stack_id"])
    if row is None or users.project_of(row) != project(request):
        row = await found(request, tx)
        return row, await part(tx, room, row, name)
    request.allow("", project_id=project(request))
    some = await parts.of_stack(tx, row.id, room.key)
    if row.name != request.path["stack_name"] or not users.may_reach(
        request.token.user_id, name, some
    ):
        raise stacks.not_found(request.path["stack_id"])
    return row, next(one for one in some if one.name == name and one.replaced_by is None)


def free(row: Any) -> None:
    """
    Raises:
        NotFound: the stack is gone. Conflict: something of it is under way.
    """
    if row.deleted_at is not None:
        raise stacks.not_found(row.name)
    if row.status == "IN_PROGRESS":
        raise Conflict(
            f"Stack {row.name} already has an action ({row.action}) in progress.",
            code="ActionInProgress",
        )


def href(request: Request, row: Any, *more: str) -> str:
    """The address of a stack, and of what is within it."""
    path = "/".join(quote(one, safe="") for one in ("stacks", row.name, row.id, *more))
    return f"{request.origin}/heat-api/v1/{row.project_id}/{path}"


def to(address: str, request: Request) -> Response:
    """Where a stack that was named otherwise is."""
    query = request.http.scope["query_string"].decode("latin-1")
    return no_content(302, {"Location": f"{address}?{query}" if query else address})


def links(request: Request, row: Any) -> list[dict[str, str]]:
    return [{"href": href(request, row), "rel": "self"}]


def cloud(request: Request, room: Orchestration) -> Cloud:
    """The other services with the caller's eyes."""
    return clouds.of_token(room, request.token_text, project(request))


async def reader(request: Request, room: Orchestration, row: Any) -> Reader:
    """A stack's values, with the caller's eyes."""
    return await nested.reader(room, row, cloud(request, room))


def not_found(name: str, stack: str) -> NotFound:
    return NotFound(
        f"The Resource ({name[:255]}) could not be found in Stack {stack}.", code="EntityNotFound"
    )


async def part(tx: Transaction, room: Orchestration, row: Any, name: str) -> Part:
    """A resource of a stack by its name, or by what it is.

    Raises:
        NotFound
    """
    rows = [one for one in await parts.of_stack(tx, row.id, room.key) if one.replaced_by is None]
    for one in rows:
        if one.name == name:
            return one
    for one in rows:
        if one.physical_id == name:
            return one
    raise not_found(name, row.name)


def time(at: Any) -> str | None:
    return zulu(at)
