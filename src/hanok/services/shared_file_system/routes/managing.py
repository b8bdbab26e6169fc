"""Shares that are on a back end already are taken over, and let go of.

Source: Shared File Systems API reference, "Manage share", "Unmanage share".
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict, Forbidden, Unprocessable
from hanok.services.shared_file_system.logic import backends, creating, instances, shares
from hanok.services.shared_file_system.operations import begin
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.routes.share_actions import action, empty
from hanok.services.shared_file_system.routes.shares import HOST, find, flag, view_of, words
from hanok.services.shared_file_system.schemas import bodies
from hanok.services.shared_file_system.schemas.values import given
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Handler, Route


def _path(sent: str | dict[str, Any]) -> str:
    """What a share is mounted as, of which the last part is its name. Raises Unprocessable."""
    found = sent.get("path") if isinstance(sent, dict) else sent
    if not isinstance(found, str) or not 0 < len(found) <= 2000:
        raise Unprocessable("Export path must be a string, or a dictionary with a 'path' item")
    return found


async def _check(request: Request) -> None:
    """Raises Unprocessable where something that is needed is not sent, or empty."""
    body = await request.json()
    share = body.get("share") if isinstance(body, dict) else None
    if not isinstance(share, dict):
        raise Unprocessable("Share entity not found in request body")
    for name in ("export_path", "service_host", "protocol"):
        if name not in share:
            raise Unprocessable(f"Required parameter {name} not found")
        if not share[name]:
            raise Unprocessable(f"Required parameter {name} is empty")


async def manage(request: Request, room: Shares) -> Response:
    """POST /shares/manage: answers before the share is there."""
    request.allow("share:manage", request.own)
    await _check(request)
    body = await request.body(bodies.ManagedShare, key="share")
    if given(body.driver_options):
        raise BadInput("The back end takes no driver_options.")
    if "#" not in body.service_host:
        raise BadInput("service_host parameter should contain pool.")
    public = flag(request, given(body.is_public), "share:create_public_share", True)
    values = words(body)
    requested = creating.Requested(
        protocol=body.protocol,
        name=values.get("name"),
        description=values.get("description"),
        type=given(body.share_type) or None,
        is_public=bool(public),
        mount_point_name=given(body.mount_point_name),
    )
    path = _path(body.export_path)
    async with request.transaction() as tx:
        place = await backends.get(tx, body.service_host)
        if not backends.is_ready(place, room):
            raise BadInput(f"Service manila-share on host {place.host} is down.")
        row = await begin.manage(
            tx, room, request.reaching(), requested, place, path,
            server_id=given(body.share_server_id) or None,
        )  # fmt: skip
        shown = await view_of(request, tx, row)
    return json_answer({"share": shown})


async def _unmanage(request: Request, room: Shares, *, servers: bool) -> Response:
    async with request.transaction() as tx:
        row = await find(request, tx, "share:unmanage")
        shares.check_not_binned(row, "Cannot unmanage share")
        there = await instances.of_share(tx, row.id)
        if instances.has_replicas(there):
            raise Conflict(
                f"Share {row.id} has replicas. It cannot be unmanaged until all replicas are removed."
            )
        if not servers and any(one.share_server_id for one in there):
            raise Forbidden(
                "Operation 'unmanage' is not supported for shares that are created on top of share servers (created "
                "with share-networks)."
            )
        if row.status in shares.TRANSITIONAL:
            raise Forbidden(
                f"Share with transitional state can not be unmanaged. Share '{row.id}' is in '{row.status}' state."
            )
        await begin.unmanage(tx, room, request.reaching(), row)
    return no_content(202)


def _unmanager(*, servers: bool) -> Handler:
    async def unmanage(request: Request, room: Shares) -> Response:
        await empty(request)
        return await _unmanage(request, room, servers=servers)

    return unmanage


async def unmanage_of_old(request: Request, room: Shares) -> Response:
    return await _unmanage(request, room, servers=False)


_RULES = ("share:manage", "share:create_public_share", HOST)
ROUTES = (
    Route(
        "POST", "/v2/shares/manage", manage, _RULES, body=bodies.ManagedShare, member="share",
        strict=True, minimum=(2, 7),
    ),
    Route(
        "POST", "/v2/os-share-manage", manage, ("share:manage", HOST), body=bodies.ManagedShare,
        member="share", strict=True, maximum=(2, 6),  # none is public before 2.8
    ),
    Route(
        "POST", "/v2/os-share-unmanage/{share_id}/unmanage", unmanage_of_old, ("share:unmanage",),
        maximum=(2, 6),
    ),
    action("unmanage", _unmanager(servers=False), "share:unmanage", minimum=(2, 7), maximum=(2, 48)),
    action("unmanage", _unmanager(servers=True), "share:unmanage", minimum=(2, 49)),
)  # fmt: skip
