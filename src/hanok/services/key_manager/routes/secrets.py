"""Secrets, their payloads, and what users note of them.

Source: Key Manager API v1 reference, "Secrets", "Secret Metadata".
"""

from __future__ import annotations

from starlette.responses import Response

from hanok.base.errors import BadInput, NotAcceptable
from hanok.services.key_manager.logic import metadata, payloads, secrets
from hanok.services.key_manager.room import KeyManager
from hanok.services.key_manager.routes.common import PAGE, SECRET, project, rest, secret
from hanok.services.key_manager.routes.pages import page_of
from hanok.services.key_manager.schemas import Metadata, NewSecret, Pair
from hanok.web.faults import preferred
from hanok.web.request import Request, answer, json_answer, no_content
from hanok.web.routes import Route
from hanok.web.versions import Parameter, Query

UPLOAD_BYTES = 1 << 17  # of a request; what a payload may have is a setting


async def list_secrets(request: Request, room: KeyManager) -> Response:
    request.allow("secrets:get", request.own)
    query, page = request.query, page_of(request)
    statement = secrets.listed(room, query, project(request), request.token.user_id)
    async with request.reading() as tx:
        rows, total = await page.of(tx, statement)
        items = await secrets.shown(tx, rows, request.base_url)
    shown = request.shown(SECRET)
    items = [shown(one) for one in items]
    url = f"{request.base_url}/v1/secrets"
    return json_answer(page.answer("secrets", items, total, url, rest(query)))


async def create_secret(request: Request, room: KeyManager) -> Response:
    request.allow("secrets:post", request.own)
    body = await request.body(NewSecret)
    async with request.transaction() as tx:
        made = await secrets.create(tx, room, body, project(request), request.token.user_id)
        request.made(made)
    ref = f"{request.base_url}/v1/secrets/{made}"
    return json_answer({"secret_ref": ref}, 201, {"Location": ref})


async def show_secret(request: Request, room: KeyManager) -> Response:
    """GET /secrets/{secret_id}: without its payload, which has a rule and an address of its own."""
    async with request.reading() as tx:
        row = await secret(request, room, tx)
        (found,) = await secrets.shown(tx, [row], request.base_url)
    if preferred(request.headers.get("accept", ""), ("application/json",)) is None:
        raise NotAcceptable(f"The payload of a secret is at {found['secret_ref']}/payload.")
    return json_answer(request.shown(SECRET)(found))


async def show_payload(request: Request, room: KeyManager) -> Response:
    async with request.reading() as tx:
        row = await secret(request, room, tx)
    raw = payloads.opened(room, row)
    kind = payloads.offered(raw, row.content_type, request.headers.get("accept", ""))
    return answer(raw, kind, headers={"Cache-Control": "no-store"})


async def put_payload(request: Request, room: KeyManager) -> Response:
    """PUT /secrets/{secret_id}: the second step of two."""
    sent_type = request.headers.get("content-type", "")
    async with request.transaction() as tx:
        row = await secret(request, room, tx)
        payload, kind = payloads.of_upload(
            room,
            await request.raw(UPLOAD_BYTES),
            sent_type,
            request.headers.get("content-encoding", ""),
        )
        await secrets.put_payload(tx, room, row, payload, kind)
    return no_content()


async def delete_secret(request: Request, room: KeyManager) -> Response:
    """DELETE /secrets/{secret_id}, whoever uses it."""
    async with request.transaction() as tx:
        row = await secret(request, room, tx)
        await secrets.delete(tx, row.id)
    return no_content()


async def delete_unused(request: Request, room: KeyManager) -> Response:
    """DELETE /secrets/{secret_id}: one that is used, by force only."""
    async with request.transaction() as tx:
        row = await secret(request, room, tx)
        if not _forced(request.query.get("force", "false")):
            await secrets.check_unused(tx, row.id)
        await secrets.delete(tx, row.id)
    return no_content()


def _forced(sent: str) -> bool:
    if sent.lower() not in ("true", "false", "1", "0", "yes", "no", "on", "off"):
        raise BadInput(f"{sent[:100]} is not a valid force.")
    return sent.lower() in ("true", "1", "yes", "on")


# ---- what users note ----


async def show_metadata(request: Request, room: KeyManager) -> Response:
    async with request.reading() as tx:
        row = await secret(request, room, tx)
        found = await metadata.of(tx, row.id)
    return json_answer({"metadata": found})


async def replace_metadata(request: Request, room: KeyManager) -> Response:
    async with request.transaction() as tx:
        row = await secret(request, room, tx)
        body = await request.body(Metadata)
        await metadata.replace(tx, room, row.id, body.metadata)
    return json_answer({"metadata_ref": f"{request.base_url}/v1/secrets/{row.id}/metadata"}, 201)


async def add_metadata(request: Request, room: KeyManager) -> Response:
    async with request.transaction() as tx:
        row = await secret(request, room, tx)
        body = await request.body(Pair)
        key = await metadata.add(tx, room, row.id, body.key, body.value)
    location = f"{request.base_url}/v1/secrets/{row.id}/metadata/{key}"
    return json_answer({"key": key, "value": body.value}, 201, {"Location": location})


async def show_one(request: Request, room: KeyManager) -> Response:
    async with request.reading() as tx:
        row = await secret(request, room, tx)
        found = await metadata.of(tx, row.id)
    key = request.path["key"]
    if key not in found:
        raise metadata.not_found()
    return json_answer({"key": key, "value": found[key]})


async def change_one(request: Request, room: KeyManager) -> Response:
    async with request.transaction() as tx:
        row = await secret(request, room, tx)
        body = await request.body(Pair)
        await metadata.change(tx, row.id, request.path["key"], body.key, body.value)
        request.made(row.id)
    return json_answer({"key": request.path["key"], "value": body.value})


async def delete_one(request: Request, room: KeyManager) -> Response:
    async with request.transaction() as tx:
        row = await secret(request, room, tx)
        await metadata.remove(tx, row.id, request.path["key"])
        request.made(row.id)
    return no_content()


_ALL, _ONE = "/v1/secrets", "/v1/secrets/{secret_id}"
_META, _PAIR = f"{_ONE}/metadata", f"{_ONE}/metadata/{{key}}"
_DELETED, _UPDATED = "key_manager.secret.deleted", "key_manager.secret.updated"
ROUTES = (
    Route("GET", _ALL, list_secrets, ("secrets:get",), query=(*secrets.FILTERS, *PAGE)),
    Route(
        "POST",
        _ALL,
        create_secret,
        ("secrets:post",),
        body=NewSecret,
        strict=True,
        event="key_manager.secret.created",
    ),
    Route("GET", _ONE, show_secret, ("secret:get",)),
    Route("GET", f"{_ONE}/payload", show_payload, ("secret:decrypt",)),
    Route(
        "PUT",
        _ONE,
        put_payload,
        ("secret:put",),
        body=bytes,
        media_type=payloads.BYTES,
        event=_UPDATED,
    ),
    Route("DELETE", _ONE, delete_secret, ("secret:delete",), maximum=(1, 1), event=_DELETED),
    Route(
        "DELETE",
        _ONE,
        delete_unused,
        ("secret:delete",),
        minimum=(1, 2),
        query=Query(Parameter(name="force", since=(1, 2))),
        event=_DELETED,
    ),
    Route("GET", _META, show_metadata, ("secret_meta:get",)),
    Route(
        "PUT",
        _META,
        replace_metadata,
        ("secret_meta:put",),
        body=Metadata,
        strict=True,
        event=_UPDATED,
    ),
    Route(
        "POST",
        _META,
        add_metadata,
        ("secret_meta:post",),
        body=Pair,
        strict=True,
        event=_UPDATED,
    ),
    Route("GET", _PAIR, show_one, ("secret_meta:get",)),
    Route("PUT", _PAIR, change_one, ("secret_meta:put",), body=Pair, strict=True, event=_UPDATED),
    Route("DELETE", _PAIR, delete_one, ("secret_meta:delete",), event=_UPDATED),
)
