"""Containers.

Source: Key Manager API v1 reference, "Containers".
"""

from __future__ import annotations

from starlette.responses import Response

from hanok.services.key_manager.logic import containers
from hanok.services.key_manager.room import KeyManager
from hanok.services.key_manager.routes.common import PAGE, container, project, rest
from hanok.services.key_manager.routes.pages import page_of
from hanok.services.key_manager.schemas import NewContainer, SecretRef
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route


async def list_containers(request: Request, room: KeyManager) -> Response:
    request.allow("containers:get", request.own)
    query, page = request.query, page_of(request)
    async with request.reading() as tx:
        rows, total = await page.of(tx, containers.listed(query, project(request)))
        items = await containers.shown(tx, rows, request.base_url)
    url = f"{request.base_url}/v1/containers"
    return json_answer(page.answer("containers", items, total, url, rest(query)))


async def create_container(request: Request, room: KeyManager) -> Response:
    request.allow("containers:post", request.own)
    body = await request.body(NewContainer)
    async with request.transaction() as tx:
        made = await containers.create(tx, room, body, project(request), request.token.user_id)
        request.made(made)
    return _made(request, made)


def _made(request: Request, container_id: str) -> Response:
    ref = f"{request.base_url}/v1/containers/{container_id}"
    return json_answer({"container_ref": ref}, 201, {"Location": ref})


async def show_container(request: Request, room: KeyManager) -> Response:
    async with request.reading() as tx:
        row = await container(request, room, tx)
        (found,) = await containers.shown(tx, [row], request.base_url)
    return json_answer(found)


async def delete_container(request: Request, room: KeyManager) -> Response:
    async with request.transaction() as tx:
        row = await container(request, room, tx)
        await containers.delete(tx, row.id)
    return no_content()


async def add_secret(request: Request, room: KeyManager) -> Response:
    async with request.transaction() as tx:
        row = await container(request, room, tx)
        await containers.add(tx, room, row, await request.body(SecretRef))
    return _made(request, row.id)


async def take_secret(request: Request, room: KeyManager) -> Response:
    async with request.transaction() as tx:
        row = await container(request, room, tx)
        await containers.take(tx, room, row, await request.body(SecretRef))
    return no_content()


_ALL, _ONE = "/v1/containers", "/v1/containers/{container_id}"
_UPDATED = "key_manager.container.updated"
ROUTES = (
    Route("GET", _ALL, list_containers, ("containers:get",), query=(*containers.FILTERS, *PAGE)),
    Route(
        "POST",
        _ALL,
        create_container,
        ("containers:post",),
        body=NewContainer,
        strict=True,
        event="key_manager.container.created",
    ),
    Route("GET", _ONE, show_container, ("container:get",)),
    Route(
        "DELETE",
        _ONE,
        delete_container,
        ("container:delete",),
        event="key_manager.container.deleted",
    ),
    Route(
        "POST",
        f"{_ONE}/secrets",
        add_secret,
        ("container_secret:post",),
        body=SecretRef,
        strict=True,
        event=_UPDATED,
    ),
    Route(
        "DELETE",
        f"{_ONE}/secrets",
        take_secret,
        ("container_secret:delete",),
        body=SecretRef,
        strict=True,
        event=_UPDATED,
    ),
)
