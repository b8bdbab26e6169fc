"""Transport keys: what a secret store has clients wrap payloads with. The one that there is wants none.

Source: Key Manager API v1 reference; Barbican's policy reference, "transport_keys".
"""

from __future__ import annotations

from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.services.key_manager.logic.common import Page
from hanok.services.key_manager.logic.errors import no_transport_key
from hanok.services.key_manager.room import KeyManager
from hanok.services.key_manager.routes.common import PAGE
from hanok.services.key_manager.routes.pages import page_of
from hanok.services.key_manager.schemas import NewTransportKey
from hanok.web.request import Request, json_answer
from hanok.web.routes import Route


async def list_keys(request: Request, room: KeyManager) -> Response:
    request.allow("transport_keys:get", request.own)
    page: Page = page_of(request)
    url = f"{request.base_url}/v1/transport_keys"
    return json_answer(page.answer("transport_keys", [], 0, url, ""))


async def create_key(request: Request, room: KeyManager) -> Response:
    """Refused: nothing would wrap or unwrap with it."""
    request.allow("transport_keys:post", request.own)
    body = await request.body(NewTransportKey)
    raise BadInput(
        f"No secret store of the plugin '{body.plugin_name[:255]}' takes transport keys."
    )


async def show_key(request: Request, room: KeyManager) -> Response:
    request.allow("transport_key:get", request.own)
    raise no_transport_key()


async def delete_key(request: Request, room: KeyManager) -> Response:
    request.allow("transport_key:delete", request.own)
    raise no_transport_key()


_ALL, _ONE = "/v1/transport_keys", "/v1/transport_keys/{transport_key_id}"
ROUTES = (
    Route("GET", _ALL, list_keys, ("transport_keys:get",), query=PAGE),
    Route("POST", _ALL, create_key, ("transport_keys:post",), body=NewTransportKey, strict=True),
    Route("GET", _ONE, show_key, ("transport_key:get",)),
    Route("DELETE", _ONE, delete_key, ("transport_key:delete",)),
)
