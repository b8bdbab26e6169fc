"""Key pairs: a user's, in every project."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.services.compute.logic import keypairs, notices, quotas
from hanok.services.compute.room import Compute
from hanok.services.compute.schemas import answers, bodies
from hanok.services.compute.tables import keypairs as table
from hanok.web.listing import COMPUTE, Listing
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route
from hanok.web.versions import Parameter, Query

LIST = Listing(
    table=table,
    name="keypairs",
    style=COMPUTE,
    marker=table.c.name,
    unique=table.c.name,
    first=(table.c.name, "asc"),
)
_USER = Parameter(name="user_id", since=(2, 10))
QUERY = Query(
    _USER,
    *(Parameter(name=name, since=(2, 35)) for name in LIST.parameters),
    closed=(2, 75),
)
_OWNER = Query(_USER, closed=(2, 75))


def _user(request: Request, rule: str) -> str:
    """Whose keys: the caller's, or another user's for who may."""
    user_id = request.query.get("user_id", request.token.user_id)
    request.allow(rule, user_id=user_id)
    return user_id


async def list_keypairs(request: Request, room: Compute) -> Response:
    user_id = _user(request, "os_compute_api:os-keypairs:index")
    mine = keypairs.of_user(user_id)
    async with request.reading() as tx:
        page = await LIST.page(request, tx, mine)
    items = [{"keypair": answers.keypair(request, row)} for row in page.rows]
    return json_answer(LIST.answer(request, page, items))


async def create_keypair(request: Request, room: Compute) -> Response:
    """POST /os-keypairs: imports a public key; until 2.91 it can also make a pair and show the private key once."""
    body = await request.body(bodies.CreateKeypair, key="keypair")
    user_id = body.user_id if isinstance(body.user_id, str) else request.token.user_id
    request.allow("os_compute_api:os-keypairs:create", user_id=user_id)
    if body.type not in ("ssh", "x509"):
        raise BadInput("Invalid input for field/attribute type. 'ssh' or 'x509' is expected.")
    now = room.clock.now()
    imports = isinstance(body.public_key, str)
    if isinstance(body.public_key, str):
        pair = keypairs.imported(body.type, body.public_key)
    else:
        pair = await keypairs.generated(body.type, request.token.user_name or user_id, now)
    async with request.transaction() as tx:
        await quotas.check_keypairs(tx, room, request.token.project_id or "", user_id)
        row = await keypairs.create(tx, user_id, body.name, body.type, pair, now)
        _told(request, row, "import" if imports else "create")
    answer = {**answers.keypair(request, row), "user_id": user_id}
    if pair.private_key is not None:
        answer["private_key"] = pair.private_key
    return json_answer({"keypair": answer}, 201)


def _told(request: Request, row: Row[Any], verb: str) -> None:
    """Have the request's event tell of this key pair: it is made, a user's own comes, or it is gone."""
    payload = notices.keypair(row, request.token.project_id, verb)
    request.made(row.name, payload, event=f"compute.keypair.{verb}.end")


async def show_keypair(request: Request, room: Compute) -> Response:
    user_id = _user(request, "os_compute_api:os-keypairs:show")
    async with request.reading() as tx:
        row = await keypairs.get(tx, user_id, request.path["keypair_name"])
    return json_answer({"keypair": answers.keypair(request, row, detailed=True)})


async def delete_keypair(request: Request, room: Compute) -> Response:
    user_id = _user(request, "os_compute_api:os-keypairs:delete")
    async with request.transaction() as tx:
        row = await keypairs.get(tx, user_id, request.path["keypair_name"])
        _told(request, row, "delete")
        await keypairs.delete(tx, user_id, row.name)
    return no_content()


_A = "os_compute_api:os-keypairs"
_ONE = "/v2.1/os-keypairs/{keypair_name}"
ROUTES = (
    Route("GET", "/v2.1/os-keypairs", list_keypairs, (f"{_A}:index",), query=QUERY),
    Route(
        "POST",
        "/v2.1/os-keypairs",
        create_keypair,
        (f"{_A}:create",),
        strict=True,
        body=bodies.CreateKeypair,
        member="keypair",
        event="compute.keypair.create.end",
        status_before=((2, 2), 200),
    ),
    Route("GET", _ONE, show_keypair, (f"{_A}:show",), query=_OWNER),
    Route(
        "DELETE",
        _ONE,
        delete_keypair,
        (f"{_A}:delete",),
        event="compute.keypair.delete.end",
        query=_OWNER,
        status_before=((2, 2), 202),
    ),
)
