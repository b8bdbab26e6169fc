"""Shared file systems of servers, from 2.97: no host gives its guests any, and who asks for one is told so.

Source: Compute API reference, "Servers with shares attachments"; the trait is os-traits' COMPUTE_STORAGE_VIRTIO_FS.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import Conflict, NotFound
from hanok.services.compute.room import Compute
from hanok.services.compute.routes.servers import readable
from hanok.services.compute.schemas import bodies
from hanok.web.request import Request, json_answer
from hanok.web.routes import Route
from hanok.web.versions import Query

_TRAIT = "COMPUTE_STORAGE_VIRTIO_FS"


async def list_shares(request: Request, room: Compute) -> Response:
    """GET /servers/{id}/shares."""
    async with request.reading() as tx:
        await readable(request, tx)
    return json_answer({"shares": []})


async def show_share(request: Request, room: Compute) -> Response:
    """GET /servers/{id}/shares/{share_id}."""
    async with request.reading() as tx:
        await readable(request, tx)
    raise _not_attached(request.path["share_id"])


async def attach_share(request: Request, room: Compute) -> Response:
    """POST /servers/{id}/shares: 409 with the reason. Upstream says the same of hosts that lack the trait."""
    body = await request.body(bodies.AttachShare, key="share")
    async with request.reading() as tx:
        row = await readable(request, tx)
    _check_state(row, "create share", "stopped")
    raise Conflict(
        f"Share {body.share_id} cannot be attached to instance {row.id}: its host does not give file systems to guests "
        f"(it lacks the trait {_TRAIT}). Mount the share in the guest by NFS instead."
    )


async def detach_share(request: Request, room: Compute) -> Response:
    """DELETE /servers/{id}/shares/{share_id}."""
    async with request.reading() as tx:
        row = await readable(request, tx)
    _check_state(row, "delete share", "stopped", "error")
    raise _not_attached(request.path["share_id"])


def _check_state(row: Row[Any], action: str, *states: str) -> None:
    """Raises Conflict: shares come and go while a server is in one of these states."""
    if row.vm_state not in states:
        raise Conflict(
            f"Cannot '{action}' instance {row.id} while it is in vm_state {row.vm_state}"
        )


def _not_attached(share_id: str) -> NotFound:
    return NotFound(f"Share {share_id[:64]} could not be found.")


_RULE = "os_compute_api:os-server-shares"
_ALL = "/v2.1/servers/{server_id}/shares"
_ONE = _ALL + "/{share_id}"
_SINCE = (2, 97)
ROUTES = (
    Route(
        "GET",
        _ALL,
        list_shares,
        (f"{_RULE}:index",),
        minimum=_SINCE,
        query=Query(closed=_SINCE),
    ),
    Route(
        "POST",
        _ALL,
        attach_share,
        (f"{_RULE}:create",),
        minimum=_SINCE,
        strict=True,
        body=bodies.AttachShare,
        member="share",
    ),
    Route(
        "GET",
        _ONE,
        show_share,
        (f"{_RULE}:show",),
        minimum=_SINCE,
        query=Query(closed=_SINCE),
    ),
    Route("DELETE", _ONE, detach_share, (f"{_RULE}:delete",), minimum=_SINCE),
)
