"""Who may read a secret or a container.

Source: Key Manager API v1 reference, "ACLs".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row
from starlette.responses import Response

from hanok.services.key_manager.logic import acls
from hanok.services.key_manager.room import KeyManager
from hanok.services.key_manager.routes.common import container, secret
from hanok.services.key_manager.schemas import ACL
from hanok.services.key_manager.tables import containers, secrets
from hanok.web.request import Request, json_answer
from hanok.web.routes import Handler, Route

Find = Callable[..., Awaitable[Row[Any]]]


def _routes(kind: str, find: Find, table: sa.Table) -> tuple[Route, ...]:
    """The four doors of the ACLs of secrets, or of containers."""
    path = f"/v1/{kind}s/{{{kind}_id}}/acl"

    def _ref(request: Request) -> Response:
        return json_answer({"acl_ref": request.base_url + path.format(**request.path)})

    async def show(request: Request, room: KeyManager) -> Response:
        async with request.reading() as tx:
            row = await find(request, room, tx, acl=True)
            return json_answer(await acls.shown(tx, row))

    async def replace(request: Request, room: KeyManager) -> Response:
        async with request.transaction() as tx:
            row = await find(request, room, tx, acl=True)
            await acls.replace(tx, room, table, row, await request.body(ACL))
        return _ref(request)

    async def update(request: Request, room: KeyManager) -> Response:
        async with request.transaction() as tx:
            row = await find(request, room, tx, acl=True)
            if not await acls.update(tx, room, table, row, await request.body(ACL)):
                request.unchanged()
        return _ref(request)

    async def reset(request: Request, room: KeyManager) -> Response:
        async with request.transaction() as tx:
            row = await find(request, room, tx, acl=True)
            await acls.reset(tx, table, row)
        return json_answer(None)

    def changes(method: str, handler: Handler) -> Route:
        event = f"key_manager.{kind}.updated"
        rules = (f"{kind}_acls:put_patch",)
        return Route(method, path, handler, rules, body=ACL, strict=True, event=event)

    return (
        Route("GET", path, show, (f"{kind}_acls:get",)),
        changes("PUT", replace),
        changes("PATCH", update),
        Route("DELETE", path, reset, (f"{kind}_acls:delete",), event=f"key_manager.{kind}.updated"),
    )


ROUTES = (*_routes("secret", secret, secrets), *_routes("container", container, containers))
