"""Transfers of volumes, by both addresses that they have.

Source: Block Storage API reference, "Volume transfer", "Volume transfers (volume-transfers) (3.55 or later)".
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.services.block_storage.logic import transfers, volumes
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.routes import lists
from hanok.services.block_storage.schemas import bodies
from hanok.services.block_storage.schemas import transfers as shapes
from hanok.services.block_storage.schemas.bodies import given, stripped
from hanok.services.block_storage.tables import volume_transfers as table
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Handler, Route
from hanok.web.versions import Query

NEW, OLD = "volume-transfers", "os-volume-transfer"
ENCRYPTED = (3, 70)  # from here on encrypted volumes can be transferred

LIST = lists.declared(
    table,
    "transfers",
    "Transfer",
    filters=("id", "name", "volume_id"),
    sort=("id", "name", "display_name", "volume_id", "created_at"),
    columns={"display_name": table.c.name},
    oldest_first=True,
)
QUERY = Query(*lists.parameters(LIST, dict.fromkeys(("sort", "sort_key", "sort_dir"), (3, 59))))


def _noun(request: Request) -> str:
    """The address that was asked."""
    return OLD if f"/{OLD}" in request.http.url.path else NEW


def _summary(request: Request, row: Any) -> dict[str, Any]:
    return shapes.summary(row, request.base_url, _noun(request))


def _detail(request: Request, row: Any) -> dict[str, Any]:
    return request.shown(shapes.TRANSFER)(shapes.detail(row, request.base_url, _noun(request)))


def _lister(show: Any) -> Handler:
    rule, prepare = "volume:get_all_transfers", lists.shows(show)
    return lists.lister(LIST, transfers.of, transfers.WHOLE, rule, prepare)


list_transfers, list_detailed = _lister(_summary), _lister(_detail)
_mine = lists.finder(transfers.get, "transfer_id", project="source_project_id", user=False)


async def show_transfer(request: Request, room: Volumes) -> Response:
    async with request.reading() as tx:
        row = await _mine(request, tx)
    return json_answer({"transfer": _detail(request, row)})


async def create_older(request: Request, room: Volumes) -> Response:
    body = await request.body(shapes.OfferedVolume, key="transfer")
    return await _create(request, room, body, no_snapshots=False, encrypted=False)


async def create_transfer(request: Request, room: Volumes) -> Response:
    return await _offered(request, room, encrypted=False)


async def create_of_any(request: Request, room: Volumes) -> Response:
    """Also of an encrypted volume."""
    return await _offered(request, room, encrypted=True)


async def _offered(request: Request, room: Volumes, *, encrypted: bool) -> Response:
    body = await request.body(shapes.OfferedWithSnapshots, key="transfer")
    sent = given(body.no_snapshots)
    alone = sent is not None and bodies.truth(sent, "no_snapshots")
    return await _create(request, room, body, no_snapshots=alone, encrypted=encrypted)


async def _create(
    request: Request,
    room: Volumes,
    body: shapes.OfferedVolume | shapes.OfferedWithSnapshots,
    *,
    no_snapshots: bool,
    encrypted: bool,
) -> Response:
    async with request.transaction() as tx:
        request.allowed_by_hand()
        volume = await volumes.to_change(tx, request.reaching(), body.volume_id)
        request.allow(project_id=volume.project_id, user_id=volume.user_id)
        row, key = await transfers.create(
            tx,
            room,
            volume,
            name=stripped(body.name),
            no_snapshots=no_snapshots,
            encrypted=encrypted,
        )
        request.made(row.id)
    shown = shapes.detail(row, request.base_url, _noun(request))
    answer = {"transfer": {**request.shown(shapes.TRANSFER)(shown), "auth_key": key}}
    return json_answer(answer, 202)


async def accept_transfer(request: Request, room: Volumes) -> Response:
    """POST …/{id}/accept: whoever has the key."""
    request.allow(project_id=request.token.project_id)
    body = await request.body(shapes.Accept, key="accept")
    async with request.transaction() as tx:
        row = await transfers.get_any(tx, request.path["transfer_id"])
        await transfers.accept(tx, room, request.reaching(), row, body.auth_key)
    shown = shapes.summary(row, request.base_url, _noun(request))
    return json_answer({"transfer": shown}, 202)


async def delete_transfer(request: Request, room: Volumes) -> Response:
    async with request.transaction() as tx:
        row = await _mine(request, tx)
        await transfers.delete(tx, room, row)
    return no_content(202)


def _routes(noun: str, **more: Any) -> tuple[Route, ...]:
    all_, one, event = f"/v3/{noun}", f"/v3/{noun}/{{transfer_id}}", "block_storage.transfer"
    listed = ("volume:get_all_transfers",)
    return (
        Route("GET", all_, list_transfers, listed, query=QUERY, **more),
        Route("GET", f"{all_}/detail", list_detailed, listed, query=QUERY, **more),
        Route("GET", one, show_transfer, ("volume:get_transfer",), **more),
        Route(
            "DELETE", one, delete_transfer, ("volume:delete_transfer",), event=f"{event}.delete.end",
            **more,
        ),
        Route(
            "POST", f"{one}/accept", accept_transfer, ("volume:accept_transfer",),
            body=shapes.Accept, member="accept", strict=True, event=f"{event}.accept.end", **more,
        ),
    )  # fmt: skip


def _creation(path: str, handler: Any, body: Any, **more: Any) -> Route:
    return Route(
        "POST", path, handler, ("volume:create_transfer",), body=body, member="transfer",
        strict=True, event="block_storage.transfer.create.end", **more,
    )  # fmt: skip


ROUTES = (
    *_routes(OLD),
    *_routes(NEW, minimum=(3, 55)),
    _creation(f"/v3/{OLD}", create_older, shapes.OfferedVolume),
    _creation(
        f"/v3/{NEW}", create_transfer, shapes.OfferedWithSnapshots, minimum=(3, 55), maximum=(3, 69)
    ),
    _creation(f"/v3/{NEW}", create_of_any, shapes.OfferedWithSnapshots, minimum=ENCRYPTED),
)
