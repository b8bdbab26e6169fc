"""A server made anew from an image, on its host, with its ports and addresses."""

from __future__ import annotations

import secrets
from typing import Any

from msgspec import UNSET
from sqlalchemy import Row
from starlette.responses import Response

from hanok.services.compute.logic import rebuilding, servers
from hanok.services.compute.operations import RebuildServer, RebuildVolumeBacked
from hanok.services.compute.operations.changing import stands
from hanok.services.compute.room import Compute
from hanok.services.compute.routes import trusted
from hanok.services.compute.routes.servers import EXTENDED, check_unlocked, full, readable
from hanok.services.compute.schemas import answers, bodies
from hanok.services.image import facade as images
from hanok.services.network import facade as networks
from hanok.store import Transaction
from hanok.web.request import Request, json_answer
from hanok.web.routes import Route
from hanok.web.versions import Attribute, Shape

_RULE = "os_compute_api:servers:rebuild"
_CERTIFICATES = "os_compute_api:servers:rebuild:trusted_certs"
_KNOWS = Shape(Attribute(name="reimage", since=(2, 93)))
_MORE = Shape(Attribute(name="user_data", since=(2, 57)))


async def rebuild(request: Request, room: Compute) -> Response:
    """rebuild: answer 202 with the server as it will be.

    Source: Compute API reference, "Rebuild Server (rebuild Action)".
    """
    body = await request.body(bodies.Rebuild, key="rebuild")
    async with request.reading() as tx:
        row = await _checked(request, tx, body)
    certificates = rebuilding.trusted(row, body)
    image_id = body.imageRef.rsplit("/", 1)[-1]
    signer = await trusted.check(request, room, image_id, certificates)
    password = body.adminPass if isinstance(body.adminPass, str) else secrets.token_urlsafe(9)
    async with request.transaction() as tx:
        row = await _checked(request, tx, body)
        changes = await rebuilding.changes(
            tx, room, request.reaching(), request.reaching("image"), row, body
        )
        await _begin(request, room, tx, row, body, changes, password, signer)
        row = await servers.get(tx, request.reaching(), row.id)
        [answer] = await full(request, room, tx, [row], shape=answers.REBUILT_SERVER)
    answer |= request.shown(_MORE)({"adminPass": password, "user_data": row.user_data})
    return json_answer({"server": answer}, 202, {"Location": answer["links"][0]["href"]})


async def _checked(request: Request, tx: Transaction, body: bodies.Rebuild) -> Row[Any]:
    """The server, which may be rebuilt by the caller.

    Raises:
        Conflict: it is locked, or on no host. Forbidden. BadInput: files and certificates.
    """
    row = await readable(request, tx, _RULE)
    if body.trusted_image_certificates is not UNSET and body.trusted_image_certificates:
        request.allow(_CERTIFICATES, project_id=row.project_id, user_id=row.user_id)
    check_unlocked(request, row)
    servers.check_action(row, "rebuild")
    return row


async def _begin(
    request: Request,
    room: Compute,
    tx: Transaction,
    row: Row[Any],
    body: bodies.Rebuild,
    changes: dict[str, Any],
    password: str,
    signer: images.Certificate | None,
) -> None:
    """The row says what the server will be, and the work is started."""
    generation = await servers.begin(tx, row, "rebuild", room.clock.now())
    await servers.change(tx, row.id, changes)
    if "hostname" in changes:
        await networks.rename(tx, room.network, row.id, changes["hostname"])
    keeps = body.preserve_ephemeral
    has_drive = changes["config_drive"]
    arguments: dict[str, Any] = {
        "server_id": row.id,
        "generation": generation,
        "power": stands(row),
        "before": {name: row._mapping[name] for name in changes},
        "admin_pass": room.secrets.seal(password.encode()) if has_drive else "",
        "signer": signer,
        "keep_ephemeral": keeps is not UNSET and bodies.truth(keeps, "preserve_ephemeral"),
    }
    operation = RebuildServer(**arguments)
    if not row.image_id:
        reimages = request.shown(_KNOWS).shows("reimage")
        image_id = body.imageRef.rsplit("/", 1)[-1]
        root = await rebuilding.root_volume(tx, room, row, image_id, reimages=reimages)
        if reimages:
            operation = RebuildVolumeBacked(**arguments, image_id=image_id, root_id=root.id)
    await room.operations.start(
        tx, operation, user_id=request.token.user_id, project_id=row.project_id
    )


ROUTES = (
    Route(
        "POST",
        "/v2.1/servers/{server_id}/action",
        rebuild,
        (_RULE, _CERTIFICATES, *EXTENDED),
        body_key="rebuild",
        strict=True,
        body=bodies.Rebuild,
    ),
)
