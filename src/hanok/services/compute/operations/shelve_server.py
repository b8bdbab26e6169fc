"""From a server to an image of its disk that is kept until the server comes back, and away from its host."""

from __future__ import annotations

from typing import Any, ClassVar

from hanok.base.errors import StepFailed, Unavailable
from hanok.commands import Done, RemoveInstance
from hanok.operations import Run, Step
from hanok.services.compute import states
from hanok.services.compute.logic import bindings, servers
from hanok.services.compute.operations import create_image, with_volumes
from hanok.services.compute.operations.changing import OnServer, StopGuest
from hanok.services.compute.operations.delete_server import REMOVE_S
from hanok.services.compute.room import Compute
from hanok.services.image.facade import snapshots
from hanok.services.network import facade as networks
from hanok.services.placement import facade as placement
from hanok.store import Transaction


class CopyDisk(create_image.CopyDisk, name="copy_disk"):
    """The host copies the disk of the server, which is switched off. Returns the host."""

    async def save(self, run: Run[Any, Compute], tx: Transaction, result: str) -> None:
        now = run.clock.now()
        await servers.set_task(tx, run.args.server_id, "shelving_image_uploading", now)


class StoreImage(create_image.StoreImage, name="store_image"):
    """The copy is an active image, and the server is shelved."""

    async def save(self, run: Run[Any, Compute], tx: Transaction, result: snapshots.Stored) -> None:
        await super().save(run, tx, result)
        args, now = run.args, run.clock.now()
        await servers.settled(tx, args.server_id, "shelved", states.SHUTDOWN, now)
        values = {"shelved_image_id": args.image_id, "shelved_at": now}
        if args.offload:
            values["task_state"] = "shelving_offloading"
        await servers.change(tx, args.server_id, values)


class TidyUp(Step["ShelveServer", Compute, None], name="tidy_up"):
    """The host's copy is gone."""

    async def do(self, run: Run[ShelveServer, Compute]) -> None:
        await create_image.drop_copy(run, run.result(CopyDisk))


class ReleaseHost(Step[Any, Compute, str], name="release_host"):
    """Its share of the host is free, its ports are bound to none; addresses stay. Returns the host, "" for none."""

    result_type: ClassVar[Any] = str

    async def do(self, run: Run[Any, Compute]) -> str:
        row = await run.read(servers.get_any, run.args.server_id)
        if row is None:
            raise StepFailed("The server was deleted.")
        return str(row.host or "") if run.args.offload else ""

    async def save(self, run: Run[Any, Compute], tx: Transaction, result: str) -> None:
        if not result:
            return
        server_id, now = run.args.server_id, run.clock.now()
        row = await servers.get_any(tx, server_id)
        if row is None or row.task_state == "deleting":
            raise StepFailed("The server was deleted.")
        await bindings.depart(tx, server_id, now)
        await networks.place(tx, run.tools.network, server_id, "")
        await placement.release(tx, server_id, now)
        values: dict[str, Any] = {
            "vm_state": "shelved_offloaded",
            "power_state": states.NO_STATE,
            "shelved_at": row.shelved_at or now,
        }
        await servers.change(tx, server_id, values)


class RemoveGuest(Step[Any, Compute, None], name="remove_guest"):
    """Nothing of it is left on the host. There is no way back from here, so undoing it is doing it."""

    async def do(self, run: Run[Any, Compute]) -> None:
        await _remove(run)

    async def save(self, run: Run[Any, Compute], tx: Transaction, result: None) -> None:
        if host := run.result(ReleaseHost):
            await with_volumes.address_gone(tx, run.args.server_id)
            await bindings.leave(tx, run.args.server_id, host)
            await servers.set_task(tx, run.args.server_id, None, run.clock.now())

    async def undo(self, run: Run[Any, Compute]) -> None:
        await _remove(run)

    async def unsave(self, run: Run[Any, Compute], tx: Transaction) -> None:
        if host := run.result(ReleaseHost):
            await with_volumes.address_gone(tx, run.args.server_id)
            await bindings.leave(tx, run.args.server_id, host)


async def _remove(run: Run[Any, Compute]) -> None:
    if not (host := run.result(ReleaseHost)):
        return
    command = RemoveInstance(
        server_id=run.args.server_id, generation=run.args.generation, request_id=run.request_id
    )
    try:
        await run.ask(host, command, Done, timeout_s=REMOVE_S)
    except Unavailable:
        run.debts.append((host, command))
    await with_volumes.close_all(run, run.args.server_id, "leave")


class ShelveServer(OnServer, frozen=True, kw_only=True, tag="compute.shelve_server"):
    """Keep a server as an image, whose row is written.

    owner: the project of the image. offload: whether it leaves its host at once.
    """

    with_files = True
    happens = "shelve"
    said = "shelve"
    pool = "transfer"
    deadline_s = 8 * 3600.0

    image_id: str
    owner: str
    offload: bool
    steps = (StopGuest, CopyDisk, StoreImage, TidyUp, ReleaseHost, RemoveGuest)

    async def failed(self, run: Run[Any, Compute], tx: Transaction, why: str) -> None:
        await snapshots.give_up(tx, run.tools.images, self.image_id)
        await OnServer.failed(self, run, tx, why)

    async def cancelled(self, run: Run[Any, Compute], tx: Transaction) -> None:
        """An image that is active by now is the server's, which is being deleted."""
        await snapshots.give_up(tx, run.tools.images, self.image_id)


class ShelveVolumeBacked(OnServer, frozen=True, kw_only=True, tag="compute.shelve_volume_backed"):
    """Take a server from its host whose disk is a volume: nothing is to be copied, and it leaves at once."""

    happens = "shelve"
    said = "shelve"

    offload: bool = True
    steps = (StopGuest, ReleaseHost, RemoveGuest)


class OffloadServer(OnServer, frozen=True, kw_only=True, tag="compute.offload_server"):
    """Take a shelved server from its host."""

    happens = "shelve_offload"
    said = "offload"

    offload: bool = True
    steps = (ReleaseHost, RemoveGuest)
