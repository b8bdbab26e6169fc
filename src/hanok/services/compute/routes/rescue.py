"""A server is booted from another image for a while, with its own disk as a second one."""

from __future__ import annotations

import secrets
from typing import Any

from msgspec import UNSET
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.services.compute.logic import creating, rebuilding, requirements, servers
from hanok.services.compute.operations import RescueServer, UnrescueServer
from hanok.services.compute.room import Compute
from hanok.services.compute.routes.acting import PATH, optional, start, unlocked
from hanok.services.compute.schemas import bodies
from hanok.services.image import facade as images
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route
from hanok.web.versions import Attribute, Shape


async def rescue(request: Request, room: Compute) -> Response:
    """rescue: with the image that is named, or its own. The answer tells the administrator's password.

    Source: Compute API reference, "Rescue Server (rescue Action)".
    """
    body = await optional(request, bodies.Rescue, "rescue") or bodies.Rescue()
    password = body.adminPass if isinstance(body.adminPass, str) else secrets.token_urlsafe(9)
    async with request.transaction() as tx:
        row = await unlocked(request, tx, "rescue")
        image = await _image(request, tx, row, body.rescue_image_ref)
        how = requirements.rescue_of(image.properties)
        _check_volume_backed(request, row, how)
        generation = await servers.begin(tx, row, "rescue", room.clock.now())
        operation = RescueServer(
            server_id=row.id,
            generation=generation,
            image_id=image.id,
            how=how,
            admin_pass=room.secrets.seal(password.encode()) if row.config_drive else "",
        )
        await start(request, room, tx, row, operation)
    return json_answer({"adminPass": password})


def _check_volume_backed(request: Request, row: Row[Any], how: dict[str, Any]) -> None:
    """Raises BadInput where a server boots from a volume, which would lose its place."""
    known = request.shown(_KNOWS).shows("volumes")
    if not row.image_id and not (known and how.get("stable")):
        raise BadInput(
            f"Instance {row.id} cannot be rescued: Cannot rescue a volume-backed instance"
        )


async def _image(request: Request, tx: Transaction, row: Row[Any], named: Any) -> images.ImageInfo:
    """The image that a server is rescued with.

    Raises:
        BadInput: there is none, or guests cannot be started of it so.
    """
    if named is not UNSET:
        caller = request.reaching("image")
        image = await creating.bootable(tx, caller, named.rsplit("/", 1)[-1])
    else:
        own = await images.get(tx, row.image_id) if row.image_id else None
        if own is None or own.status != "active":
            raise BadInput(
                f"Instance {row.id} cannot be rescued: its image {row.image_id} is not active. "
                "Name another one with rescue_image_ref."
            )
        image = own
    requirements.check_properties(image.properties)
    rebuilding.requirements_of(row, image.properties, image.name or image.id)
    if image.properties.get("kernel_id", "") not in ("", row.kernel_id):
        raise BadInput(
            f"Image {image.id} asks for a kernel_id of its own, which is not supported for a rescue: name an image "
            "with a boot loader."
        )
    return image


async def unrescue(request: Request, room: Compute) -> Response:
    """unrescue: from its own disk again."""
    async with request.transaction() as tx:
        row = await unlocked(request, tx, "unrescue")
        generation = await servers.begin(tx, row, "unrescue", room.clock.now())
        operation = UnrescueServer(server_id=row.id, generation=generation)
        await start(request, room, tx, row, operation)
    return no_content(202)


_KNOWS = Shape(Attribute(name="volumes", since=(2, 87)))
ROUTES = (
    Route(
        "POST",
        PATH,
        rescue,
        ("os_compute_api:os-rescue",),
        body_key="rescue",
        strict=True,
        body=bodies.Rescue,
    ),
    Route("POST", PATH, unrescue, ("os_compute_api:os-unrescue",), body_key="unrescue"),
)
