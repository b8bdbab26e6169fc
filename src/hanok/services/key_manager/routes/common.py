"""What the routes have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Row

from hanok.services.key_manager.logic import common, containers, secrets
from hanok.services.key_manager.room import KeyManager
from hanok.store import Transaction
from hanok.web.request import Request
from hanok.web.versions import Attribute, Shape

PAGE = ("limit", "offset")
SECRET = Shape(Attribute(name="consumers", since=(1, 1)))


async def secret(
    request: Request, room: KeyManager, tx: Transaction, *, acl: bool = False
) -> Row[Any]:
    """The secret of the path, if the route's rule lets the caller.

    Raises:
        Forbidden, NotFound
    """
    request.allowed_by_hand()
    row = await secrets.find(tx, room, request.path["secret_id"])
    request.allow("", await common.target(tx, "secret", row, request.token.user_id, acl=acl))
    return row


async def container(
    request: Request, room: KeyManager, tx: Transaction, *, acl: bool = False
) -> Row[Any]:
    """The container of the path, if the route's rule lets the caller.

    Raises:
        Forbidden, NotFound
    """
    request.allowed_by_hand()
    row = await containers.find(tx, request.path["container_id"])
    request.allow("", await common.target(tx, "container", row, request.token.user_id, acl=acl))
    return row


def project(request: Request) -> str:
    """Of the caller; empty: their token is for none."""
    return request.token.project_id or ""


def rest(query: Mapping[str, str]) -> str:
    """A query without what makes its page."""
    return urlencode({name: value for name, value in query.items() if name not in PAGE})
