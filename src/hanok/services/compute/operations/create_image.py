"""From an image that waits and a server that goes on, to an image of the server's disk."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from hanok.base.errors import StepFailed
from hanok.commands import Done, EnsureSnapshot, ForgetSnapshot, HandOverSnapshot, SnapshotState
from hanok.operations import Operation, Run, Step
from hanok.services.compute.logic import notifications, quiescing, servers
from hanok.services.compute.room import Compute
from hanok.services.image.facade import snapshots
from hanok.store import Transaction

ASK_S = 60.0  # a host answers at once how far it is
FORGET_S = 30.0


async def drop_copy(run: Run[Any, Compute], host: str | None) -> None:
    """The copy on the host is not needed any more; a host that does not answer owes that."""
    if host:
        command = ForgetSnapshot(
            server_id=run.args.server_id,
            snapshot_id=run.args.image_id,
            request_id=run.request_id,
        )
        await run.ask_or_owe(host, command, Done, timeout_s=FORGET_S)
    await asyncio.to_thread(run.tools.copies.forget, run.args.image_id)


async def bring_copy(run: Run[CreateImage, Compute], host: str) -> None:
    """The copy is in control's folder: the host has left it there, or hands it over.

    Raises:
        StepFailed: the host cannot.
    """
    tools, image_id = run.tools, run.args.image_id
    while not await asyncio.to_thread(tools.copies.has, image_id):
        maximum = tools.images.settings.maximum_bytes
        command = HandOverSnapshot(
            server_id=run.args.server_id,
            snapshot_id=image_id,
            target=tools.tickets.to_write(image_id, host, maximum),
            request_id=run.request_id,
        )
        await run.ask(host, command, SnapshotState, timeout_s=ASK_S)
        run.check_cancelled()


class CopyDisk(Step["CreateImage", Compute, str], name="copy_disk"):
    """The host copies the guest's disk, as it is at one moment. Returns the host."""

    result_type: ClassVar[Any] = str
    deadline_s = 3 * 3600.0  # 1 TiB at 100 MiB/s

    async def do(self, run: Run[CreateImage, Compute]) -> str:
        row = await run.read(servers.get_any, run.args.server_id)
        if row is None or not row.host:
            raise StepFailed("The server was deleted while its image was being made.")
        command = EnsureSnapshot(
            server_id=row.id,
            snapshot_id=run.args.image_id,
            quiesce=quiescing.how(row),
            request_id=run.request_id,
        )
        while not (await run.ask(row.host, command, SnapshotState, timeout_s=ASK_S)).done:
            run.check_cancelled()
        return str(row.host)

    async def save(self, run: Run[CreateImage, Compute], tx: Transaction, result: str) -> None:
        await servers.set_task(tx, run.args.server_id, "image_uploading", run.clock.now())

    async def undo(self, run: Run[CreateImage, Compute]) -> None:
        row = await run.read(servers.get_even_deleted, run.args.server_id)
        await drop_copy(run, None if row is None else row.host)


class StoreImage(Step["CreateImage", Compute, snapshots.Stored], name="store_image"):
    """The copy is looked at, hashed and put into the image service's store; the image is active, the server free."""

    result_type: ClassVar[Any] = snapshots.Stored
    deadline_s = 3 * 3600.0

    async def do(self, run: Run[CreateImage, Compute]) -> snapshots.Stored:
        tools, image_id = run.tools, run.args.image_id
        await bring_copy(run, run.result(CopyDisk) or "")
        return await snapshots.take(
            tools.images,
            image_id,
            tools.copies.path(image_id),
            "qcow2",
            attempt=run.operation_id,
            still_requested=run.check_cancelled,
        )

    async def save(
        self, run: Run[CreateImage, Compute], tx: Transaction, result: snapshots.Stored
    ) -> None:
        row = await servers.get_any(tx, run.args.server_id)
        if row is None or row.task_state == "deleting":
            raise StepFailed("The server was deleted while its image was being made.")
        told = {
            "image_location": "snapshot",
            "image_state": "available",
            "owner_id": row.project_id,
        }
        await snapshots.finish(tx, run.tools.images, run.args.image_id, result, told)
        await servers.set_task(tx, run.args.server_id, None, run.clock.now())

    async def undo(self, run: Run[CreateImage, Compute]) -> None:
        await snapshots.forget(run.tools.images, run.args.image_id, attempt=run.operation_id)


class TidyUp(Step["CreateImage", Compute, None], name="tidy_up"):
    """The host's copy is gone, and so are the backups that are too many."""

    async def do(self, run: Run[CreateImage, Compute]) -> None:
        await drop_copy(run, run.result(CopyDisk))
        args = run.args
        if args.rotation is not None:
            same = {
                "image_type": "backup",
                "backup_type": args.backup_type or "",
                "instance_uuid": args.server_id,
            }
            await snapshots.rotate(run.tools.images, args.owner, same, args.rotation)


class CreateImage(Operation, frozen=True, kw_only=True, tag="compute.create_image"):
    """Make an image, whose row is written, of a server's disk.

    owner: the project of the image. rotation: how many backups of a type are kept; None for a plain snapshot.
    """

    with_files = True
    server_id: str
    image_id: str
    owner: str
    backup_type: str | None = None
    rotation: int | None = None
    pool = "transfer"
    deadline_s = 8 * 3600.0
    steps: ClassVar[tuple[type[Step[Any, Any, Any]], ...]] = (CopyDisk, StoreImage, TidyUp)

    @property
    def resource(self) -> str:
        return f"server:{self.server_id}"

    @property
    def event(self) -> str:
        return "compute.instance.snapshot"

    async def news(self, run: Run[Any, Compute], tx: Transaction) -> dict[str, Any]:
        told = await notifications.news(tx, run.tools.network, self.server_id)
        return {**told, "snapshot_image_id": self.image_id}

    async def stuck(self, run: Run[Any, Compute], tx: Transaction, why: str) -> None:
        await servers.stuck(tx, self.server_id, why, run.clock.now())

    async def failed(self, run: Run[Any, Compute], tx: Transaction, why: str) -> None:
        await snapshots.give_up(tx, run.tools.images, self.image_id)
        await servers.failed(
            tx,
            self.server_id,
            f"The image of the server could not be made: {why}",
            "",
            run.clock.now(),
            to_error=False,
        )

    async def cancelled(self, run: Run[Any, Compute], tx: Transaction) -> None:
        await snapshots.give_up(tx, run.tools.images, self.image_id)
