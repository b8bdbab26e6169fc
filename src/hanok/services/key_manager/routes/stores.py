"""Secret stores, and which of them a project prefers.

Source: Key Manager API v1 reference, "Secret Stores".
"""

from __future__ import annotations

from starlette.responses import Response

from hanok.services.key_manager.logic import stores
from hanok.services.key_manager.room import KeyManager
from hanok.services.key_manager.routes.common import project
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route


async def list_stores(request: Request, room: KeyManager) -> Response:
    request.allow("secretstores:get", request.own)
    async with request.reading() as tx:
        rows = await stores.every(tx)
    return json_answer({"secret_stores": [stores.shown(row, request.base_url) for row in rows]})


async def show_default(request: Request, room: KeyManager) -> Response:
    """GET /secret-stores/global-default."""
    request.allow("secretstores:get_global_default", request.own)
    async with request.reading() as tx:
        row = await stores.default(tx)
    return json_answer(stores.shown(row, request.base_url))


async def show_preferred(request: Request, room: KeyManager) -> Response:
    """GET /secret-stores/preferred: of the caller's project."""
    request.allow("secretstores:get_preferred", request.own)
    async with request.reading() as tx:
        row = await stores.preferred(tx, project(request))
    return json_answer(stores.shown(row, request.base_url))


async def show_store(request: Request, room: KeyManager) -> Response:
    request.allow("secretstore:get", request.own)
    async with request.reading() as tx:
        row = await stores.find(tx, request.path["store_id"])
    return json_answer(stores.shown(row, request.base_url))


async def prefer(request: Request, room: KeyManager) -> Response:
    request.allow("secretstore_preferred:post", request.own)
    async with request.transaction() as tx:
        if not await stores.prefer(tx, request.path["store_id"], project(request)):
            request.unchanged()
    return no_content()


async def prefer_none(request: Request, room: KeyManager) -> Response:
    request.allow("secretstore_preferred:delete", request.own)
    async with request.transaction() as tx:
        await stores.prefer_none(tx, request.path["store_id"], project(request))
    return no_content()


_ALL, _ONE = "/v1/secret-stores", "/v1/secret-stores/{store_id}"
_PREFERRED = f"{_ONE}/preferred"
ROUTES = (
    Route("GET", _ALL, list_stores, ("secretstores:get",)),
    Route("GET", f"{_ALL}/global-default", show_default, ("secretstores:get_global_default",)),
    Route("GET", f"{_ALL}/preferred", show_preferred, ("secretstores:get_preferred",)),
    Route("GET", _ONE, show_store, ("secretstore:get",)),
    Route(
        "POST",
        _PREFERRED,
        prefer,
        ("secretstore_preferred:post",),
        event="key_manager.secret_store.preferred",
    ),
    Route(
        "DELETE",
        _PREFERRED,
        prefer_none,
        ("secretstore_preferred:delete",),
        event="key_manager.secret_store.preferred_no_more",
    ),
)
