"""Actions on servers: power, lock, reset state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict
from hanok.services.compute.logic import quiescing, servers, snapshots
from hanok.services.compute.operations import ChangePower, CreateImage, CreateImageOfVolumes
from hanok.services.compute.operations.change_power import Action
from hanok.services.compute.room import Compute
from hanok.services.compute.routes.acting import why_no_agent
from hanok.services.compute.routes.servers import check_unlocked, readable, start_delete, told
from hanok.services.compute.schemas import bodies
from hanok.services.network import facade as networks
from hanok.web.microversions import Version
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Handler, Route


async def _begin(request: Request, room: Compute, action: Action, rule: str) -> Response:
    """Start an operation that changes the power state; 202 before it is done."""
    async with request.transaction() as tx:
        row = await readable(request, tx, rule)
        check_unlocked(request, row)
        generation = await servers.begin(tx, row, action, room.clock.now())
        await room.operations.start(
            tx,
            ChangePower(server_id=row.id, generation=generation, action=action),
            user_id=request.token.user_id,
            project_id=row.project_id,
        )
    return no_content(202)


def _power(action: Action, rule: str) -> Handler:
    async def handler(request: Request, room: Compute) -> Response:
        return await _begin(request, room, action, rule)

    return handler


async def reboot(request: Request, room: Compute) -> Response:
    """reboot: SOFT asks the guest first, HARD cuts the power."""
    body = await request.body(bodies.Reboot, key="reboot")
    kind = body.type.upper()
    if kind not in ("SOFT", "HARD"):
        raise BadInput(
            f"Invalid input for field/attribute type. Value: {body.type[:50]}. SOFT or HARD is expected."
        )
    return await _begin(
        request,
        room,
        "reboot" if kind == "SOFT" else "reboot_hard",
        "os_compute_api:servers:reboot",
    )


async def _make_image(
    request: Request,
    room: Compute,
    rule: str,
    body: bodies.CreateImage | bodies.CreateBackup,
    *,
    backup_type: str | None = None,
    rotation: int | None = None,
    counts_metadata: bool,
) -> str:
    """Start an operation that makes an image of the server, and give its id; the server goes on meanwhile."""
    metadata = body.metadata if isinstance(body.metadata, dict) else {}
    caller = request.reaching()
    await _check_quiesce(request, room, rule)
    async with request.transaction() as tx:
        row = await readable(request, tx, rule)
        if backup_type is None and not row.image_id:
            request.allow(_OF_VOLUMES, project_id=row.project_id, user_id=row.user_id)
        if counts_metadata:
            await snapshots.check_metadata(tx, room, caller, metadata)
        if backup_type is not None and not row.image_id:
            raise BadInput("Backup is not supported for volume-backed instances.")
        image_id = await snapshots.begin(
            tx, room, caller, row, body.name, metadata, backup_type=backup_type
        )
        kind = CreateImage if row.image_id else CreateImageOfVolumes
        await room.operations.start(
            tx,
            kind(
                server_id=row.id,
                image_id=image_id,
                owner=caller.project_id or "",
                backup_type=backup_type,
                rotation=rotation,
            ),
            user_id=caller.user_id,
            project_id=row.project_id,
        )
    return image_id


async def _check_quiesce(request: Request, room: Compute, rule: str) -> None:
    """Raises Conflict when the server's image wants its guest to be quiesced, and no agent would do it."""
    async with request.reading() as tx:
        row = await readable(request, tx, rule)
    ready = row.host and row.task_state is None
    if ready and quiescing.required(row) and (why := await why_no_agent(request, room, row)):
        raise Conflict(f"Failed to quiesce instance {row.id}: {why}")


def _by_address(request: Request, image_id: str) -> Response:
    """The answer of versions that said where the image is, not which it is."""
    return no_content(202, {"Location": f"{request.origin}/image/v2/images/{image_id}"})


def _image_maker(*, named: bool, counts_metadata: bool) -> Handler:
    """createImage, or createBackup, in one of its three histories.

    Args:
        named: whether the answer names the image in its body. counts_metadata: whether its metadata is held against the
            quota of compute; later that is the image service's own.
    """

    async def create_image(request: Request, room: Compute) -> Response:
        """createImage: an image of the server's disk as it is now.

        Source: Compute API reference, "Create Image (createImage Action)".
        """
        body = await request.body(bodies.CreateImage, key="createImage")
        image_id = await _make_image(
            request,
            room,
            _IMAGE,
            body,
            counts_metadata=counts_metadata,
        )
        if named:
            return json_answer({"image_id": image_id}, 202)
        return _by_address(request, image_id)

    return create_image


def _backup_maker(*, named: bool, counts_metadata: bool) -> Handler:
    async def create_backup(request: Request, room: Compute) -> Response:
        """createBackup: the same; of the backups of one type the newest are kept, `rotation` of them."""
        body = await request.body(bodies.CreateBackup, key="createBackup")
        rotation = bodies.whole(body.rotation, "rotation")
        image_id = await _make_image(
            request,
            room,
            "os_compute_api:os-create-backup",
            body,
            backup_type=body.backup_type,
            rotation=rotation,
            counts_metadata=counts_metadata,
        )
        if named:
            return json_answer({"image_id": image_id}, 202)
        return no_content(202) if rotation == 0 else _by_address(request, image_id)

    return create_backup


async def _reason(request: Request) -> str | None:
    """Why a server is locked, if that is said."""
    if (await request.json())["lock"] is None:
        return None
    body = await request.body(bodies.Lock, key="lock")
    return body.locked_reason if isinstance(body.locked_reason, str) else None


async def _no_reason(request: Request) -> None:
    """Before there were reasons, what stood behind the name was not looked at."""
    return None


def _locker(reason_of: Callable[[Request], Awaitable[str | None]]) -> Handler:
    async def lock(request: Request, room: Compute) -> Response:
        """lock: who may not pass over it may not change the server; with a reason, if one is given."""
        reason = await reason_of(request)
        async with request.transaction() as tx:
            row = await readable(request, tx, "os_compute_api:os-lock-server:lock")
            caller = request.reaching()
            owner = row.project_id == caller.project_id and not caller.everywhere
            await servers.lock(tx, row.id, by="owner" if owner else "admin", reason=reason)
            await told(request, room, tx, row.id)
        return no_content(202)

    return lock


async def unlock(request: Request, room: Compute) -> Response:
    async with request.transaction() as tx:
        row = await readable(request, tx, "os_compute_api:os-lock-server:unlock")
        if row.locked_by == "admin":
            request.allow("os_compute_api:os-lock-server:unlock:unlock_override")
        await servers.unlock(tx, row.id)
        await told(request, room, tx, row.id)
    return no_content(202)


async def force_delete(request: Request, room: Compute) -> Response:
    """forceDelete: as DELETE."""
    async with request.transaction() as tx:
        row = await readable(request, tx, "os_compute_api:os-deferred-delete:force")
        check_unlocked(request, row)
        await start_delete(request, room, tx, row)
    return no_content(202)


async def reset_state(request: Request, room: Compute) -> Response:
    """os-resetState: for admins, when a server's state no longer tells the truth."""
    body = await request.body(bodies.ResetState, key="os-resetState")
    if body.state not in ("active", "error"):
        raise BadInput("Invalid input for field/attribute state. It is active or error.")
    async with request.transaction() as tx:
        row = await readable(request, tx, "os_compute_api:os-admin-actions:reset_state")
        await servers.reset_state(tx, row.id, body.state, room.clock.now())
        await told(request, room, tx, row.id)
    return no_content(202)


def _group(key: str, join: bool, rule: str) -> Handler:
    async def handler(request: Request, room: Compute) -> Response:
        body = await request.body(bodies.GroupRef, key=key)
        async with request.transaction() as tx:
            row = await readable(request, tx, rule)
            await networks.change_group(
                tx, room.network, row.id, row.project_id, body.name, join=join
            )
            await told(request, room, tx, row.id)
        return no_content(202)

    return handler


_A = "os_compute_api"
_IMAGE = f"{_A}:servers:create_image"
_OF_VOLUMES = f"{_IMAGE}:allow_volume_backed"
_PATH = "/v2.1/servers/{server_id}/action"
_POWER: tuple[tuple[str, Action, str], ...] = (
    ("os-start", "start", f"{_A}:servers:start"),
    ("os-stop", "stop", f"{_A}:servers:stop"),
    ("pause", "pause", f"{_A}:os-pause-server:pause"),
    ("unpause", "unpause", f"{_A}:os-pause-server:unpause"),
    ("suspend", "suspend", f"{_A}:os-suspend-server:suspend"),
    ("resume", "resume", f"{_A}:os-suspend-server:resume"),
)
# From, until, whether the answer names the image, whether compute's quota of metadata holds.
_IMAGE_HISTORY: tuple[tuple[Version | None, Version | None, bool, bool], ...] = (
    (None, (2, 38), False, True),
    ((2, 39), (2, 44), False, False),
    ((2, 45), None, True, False),
)
ROUTES = (
    *(
        Route("POST", _PATH, _power(action, rule), (rule,), body_key=key)
        for key, action, rule in _POWER
    ),
    Route(
        "POST",
        _PATH,
        reboot,
        (f"{_A}:servers:reboot",),
        body_key="reboot",
        strict=True,
        body=bodies.Reboot,
    ),
    *(
        Route(
            "POST",
            _PATH,
            maker(named=named, counts_metadata=counts),
            rules,
            body_key=key,
            strict=True,
            body=body,
            minimum=minimum,
            maximum=maximum,
        )
        for minimum, maximum, named, counts in _IMAGE_HISTORY
        for key, maker, rules, body in (
            ("createImage", _image_maker, (_IMAGE, _OF_VOLUMES), bodies.CreateImage),
            ("createBackup", _backup_maker, (f"{_A}:os-create-backup",), bodies.CreateBackup),
        )
    ),
    Route(
        "POST",
        _PATH,
        _locker(_no_reason),
        (f"{_A}:os-lock-server:lock",),
        body_key="lock",
        event="compute.instance.lock",
        maximum=(2, 72),
    ),
    Route(
        "POST",
        _PATH,
        _locker(_reason),
        (f"{_A}:os-lock-server:lock",),
        body_key="lock",
        body=bodies.Lock,
        event="compute.instance.lock",
        minimum=(2, 73),
    ),
    Route(
        "POST",
        _PATH,
        unlock,
        (f"{_A}:os-lock-server:unlock", f"{_A}:os-lock-server:unlock:unlock_override"),
        body_key="unlock",
        event="compute.instance.unlock",
    ),
    *(
        Route(
            "POST",
            _PATH,
            _group(key, join, rule),
            (rule,),
            body_key=key,
            strict=True,
            body=bodies.GroupRef,
            event="compute.instance.update",
        )
        for key, join, rule in (
            ("addSecurityGroup", True, f"{_A}:os-security-groups:add"),
            ("removeSecurityGroup", False, f"{_A}:os-security-groups:remove"),
        )
    ),
    Route(
        "POST",
        _PATH,
        force_delete,
        (f"{_A}:os-deferred-delete:force",),
        body_key="forceDelete",
    ),
    Route(
        "POST",
        _PATH,
        reset_state,
        (f"{_A}:os-admin-actions:reset_state",),
        body_key="os-resetState",
        strict=True,
        body=bodies.ResetState,
        event="compute.instance.update",
    ),
)
