"""Who says to use a secret or a container.

Source: Key Manager API v1 reference, "Consumers", "Secret Consumers".
"""

from __future__ import annotations

from starlette.responses import Response

from hanok.services.key_manager.logic import consumers, containers, secrets
from hanok.services.key_manager.logic.consumers import Consumer
from hanok.services.key_manager.room import KeyManager
from hanok.services.key_manager.routes.common import PAGE, SECRET, container, project, secret
from hanok.services.key_manager.routes.pages import page_of
from hanok.services.key_manager.schemas import ContainerConsumer, SecretConsumer
from hanok.web.request import Request, json_answer
from hanok.web.routes import Route


async def _of_secret(request: Request) -> Consumer:
    body = await request.body(SecretConsumer)
    return Consumer(body.service, body.resource_type, body.resource_id)


async def _of_container(request: Request) -> Consumer:
    body = await request.body(ContainerConsumer)
    return Consumer(body.name, "", body.URL)


async def list_of_secret(request: Request, room: KeyManager) -> Response:
    page = page_of(request)
    async with request.reading() as tx:
        row = await secret(request, room, tx)
        rows, total = await page.of(tx, consumers.listed(row.id))
    url = f"{request.base_url}/v1/secrets/{row.id}/consumers"
    items = [consumers.of_secret(one) for one in rows]
    return json_answer(page.answer("consumers", items, total, url, ""))


async def list_of_container(request: Request, room: KeyManager) -> Response:
    page = page_of(request)
    async with request.reading() as tx:
        row = await container(request, room, tx)
        rows, total = await page.of(tx, consumers.listed(row.id))
    url = f"{request.base_url}/v1/containers/{row.id}/consumers"
    items = [consumers.of_container(one) for one in rows]
    return json_answer(page.answer("consumers", items, total, url, ""))


async def add_to_secret(request: Request, room: KeyManager) -> Response:
    async with request.transaction() as tx:
        row = await secret(request, room, tx)
        await consumers.add(tx, room, row.id, await _of_secret(request), project(request))
        (found,) = await secrets.shown(tx, [row], request.base_url)
    return json_answer(request.shown(SECRET)(found))


async def add_to_container(request: Request, room: KeyManager) -> Response:
    async with request.transaction() as tx:
        row = await container(request, room, tx)
        await consumers.add(tx, room, row.id, await _of_container(request), project(request))
        (found,) = await containers.shown(tx, [row], request.base_url)
    return json_answer(found)


async def remove_from_secret(request: Request, room: KeyManager) -> Response:
    async with request.transaction() as tx:
        row = await secret(request, room, tx)
        await consumers.remove(tx, row, await _of_secret(request), project(request))
        (found,) = await secrets.shown(tx, [row], request.base_url)
    return json_answer(request.shown(SECRET)(found))


async def remove_from_container(request: Request, room: KeyManager) -> Response:
    async with request.transaction() as tx:
        row = await container(request, room, tx)
        await consumers.remove(tx, row, await _of_container(request), project(request))
        (found,) = await containers.shown(tx, [row], request.base_url)
    return json_answer(found)


_SECRET = "/v1/secrets/{secret_id}/consumers"
_CONTAINER = "/v1/containers/{container_id}/consumers"
ROUTES = (
    Route("GET", _SECRET, list_of_secret, ("secret_consumers:get",), query=PAGE),
    Route(
        "POST",
        _SECRET,
        add_to_secret,
        ("secret_consumers:post",),
        body=SecretConsumer,
        strict=True,
        event="key_manager.secret.updated",
    ),
    Route(
        "DELETE",
        _SECRET,
        remove_from_secret,
        ("secret_consumers:delete",),
        body=SecretConsumer,
        strict=True,
        event="key_manager.secret.updated",
    ),
    Route("GET", _CONTAINER, list_of_container, ("container_consumers:get",), query=PAGE),
    Route(
        "POST",
        _CONTAINER,
        add_to_container,
        ("container_consumers:post",),
        body=ContainerConsumer,
        strict=True,
        event="key_manager.container.updated",
    ),
    Route(
        "DELETE",
        _CONTAINER,
        remove_from_container,
        ("container_consumers:delete",),
        body=ContainerConsumer,
        strict=True,
        event="key_manager.container.updated",
    ),
)
