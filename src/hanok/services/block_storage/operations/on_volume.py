"""What operations on volumes and snapshots have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import Row

from hanok.base.errors import StepFailed
from hanok.commands.volumes import EnsureVolume, VolumeLimits, VolumeSource, VolumeState
from hanok.operations import Operation, Run
from hanok.services.block_storage.logic import (
    attachments,
    keys,
    messages,
    notifications,
    snapshots,
    volumes,
)
from hanok.services.block_storage.logic.qos_limits import limits_of
from hanok.services.block_storage.room import Volumes
from hanok.store import Transaction

ASK_S = 60.0  # a host answers after at most `wait_s` how far it is
WORK_S = 6 * 3600.0  # a copy of 2 TiB at 100 MiB/s


class OnThing(Operation, frozen=True, kw_only=True):
    """An operation on a thing of block storage, whose id is in "<noun>_id".

    noun: as its events call it. of: what is worked on, as resources are called; "": the noun. told_as: as messages to
    users call it. happens: what its events are called, as the field's notifications have it; "": it has none.
    action: as messages to users have it. to: the status of what it failed on.
    """

    noun: ClassVar[str]
    of: ClassVar[str] = ""
    told_as: ClassVar[str]
    happens: ClassVar[str] = ""
    action: ClassVar[str] = "create"
    to: ClassVar[str] = "error"
    deadline_s = 2 * WORK_S

    @property
    def resource(self) -> str:
        return f"{self.of or self.noun}:{getattr(self, f'{self.noun}_id')}"

    @property
    def event(self) -> str:
        return f"block_storage.{self.noun}.{self.happens}" if self.happens else ""

    async def stuck(self, run: Run[Any, Volumes], tx: Transaction, why: str) -> None:
        await self.failed(run, tx, why)

    async def tell(self, run: Run[Any, Volumes], tx: Transaction, row: Row[Any], why: str) -> None:
        """Say to a thing's users that it failed."""
        await messages.tell(
            tx,
            run.tools,
            project_id=row.project_id,
            resource_type=self.told_as,
            resource_id=row.id,
            action=self.action,
            text=why,
        )


class OnVolume(OnThing, frozen=True, kw_only=True):
    """An operation on a volume. to: as of OnThing; "": the status that it had before."""

    noun = "volume"
    told_as = "VOLUME"

    volume_id: str
    generation: int

    async def news(self, run: Run[Any, Volumes], tx: Transaction) -> dict[str, Any]:
        return await notifications.volume(tx, self.volume_id)

    async def failed(self, run: Run[Any, Volumes], tx: Transaction, why: str) -> None:
        await self.show(run, tx, why)

    async def stuck(self, run: Run[Any, Volumes], tx: Transaction, why: str) -> None:
        await self.show(run, tx, why)

    async def show(
        self, run: Run[Any, Volumes], tx: Transaction, why: str, status: str = ""
    ) -> None:
        """Say on the volume and to its users that it failed."""
        row = await volumes.get_any(tx, self.volume_id)
        if row is None:
            return
        if after := status or self.to:
            await volumes.settle(tx, run.tools, row.id, after, **self.taken_back(row))
        else:
            await as_before(tx, run.tools, row, **self.taken_back(row))
        await self.tell(run, tx, row, why)

    def taken_back(self, row: Row[Any]) -> dict[str, Any]:
        """What else a volume shows that it failed on."""
        return {}


class OnSnapshot(OnThing, frozen=True, kw_only=True):
    """An operation on a snapshot."""

    noun = "snapshot"
    told_as = "VOLUME_SNAPSHOT"
    action = "snapshot_create"

    snapshot_id: str

    async def news(self, run: Run[Any, Volumes], tx: Transaction) -> dict[str, Any]:
        return await notifications.snapshot(tx, self.snapshot_id)

    async def failed(self, run: Run[Any, Volumes], tx: Transaction, why: str) -> None:
        row = await snapshots.get_any(tx, self.snapshot_id)
        if row is None:
            return
        await snapshots.change(tx, row.id, {"status": self.to}, run.clock.now())
        await self.tell(run, tx, row, why)


async def as_before(tx: Transaction, room: Volumes, row: Row[Any], **more: Any) -> None:
    """What was done with a volume is over: it shows the state that it had, or, if its users went meanwhile, that."""
    after = row.previous_status or "available"
    await volumes.settle(tx, room, row.id, after, **more)
    if after == "in-use":
        await attachments.follow(tx, room, row.id)


async def existing(run: Run[Any, Volumes], volume_id: str = "") -> Row[Any]:
    """The volume's row.

    Raises:
        StepFailed: it is gone.
    """
    row = await run.read(volumes.get_any, volume_id or run.args.volume_id)
    if row is None:
        raise StepFailed("The volume was deleted meanwhile.")
    return row


def place_of(row: Row[Any]) -> tuple[str, str]:
    """Host and back end of a volume.

    Raises:
        StepFailed: it is nowhere.
    """
    if row.host is None or row.backend is None:
        raise StepFailed("The volume is in no back end.")
    return row.host, row.backend


async def command(
    run: Run[Any, Volumes], row: Row[Any], *, size_gib: int = 0, **more: Any
) -> EnsureVolume:
    """What the volume's host is told of it: the row as it is, and what differs from that."""
    limits: VolumeLimits = await run.read(limits_of, row, size_gib)
    values: dict[str, Any] = {
        "volume_id": row.id,
        "generation": run.args.generation,
        "backend": row.backend,
        "size_gib": size_gib or row.size_gib,
        "key": keys.of(run.tools, row),
        "limits": limits,
        "request_id": run.request_id,
    }
    return EnsureVolume(**{**values, **more})


async def until_done(run: Run[Any, Volumes], host: str, request: Any) -> VolumeState:
    """Ask a host until it says that it is done."""
    while True:
        state = await run.ask(host, request, VolumeState, timeout_s=ASK_S)
        if state.done:
            return state
        await run.progress(state.progress)
        run.check_cancelled()


__all__ = [
    "ASK_S",
    "WORK_S",
    "OnSnapshot",
    "OnThing",
    "OnVolume",
    "VolumeSource",
    "as_before",
    "command",
    "existing",
    "place_of",
    "until_done",
]
