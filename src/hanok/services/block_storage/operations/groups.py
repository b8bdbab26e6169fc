"""Groups of volumes are made of something, and deleted; snapshots of groups come and go."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import Row

from hanok.base.errors import StepFailed
from hanok.commands import Done
from hanok.commands.volumes import (
    EnsureVolumeSnapshot,
    EnsureVolumeSnapshots,
    RemoveVolumeSnapshot,
)
from hanok.operations import Run, Step
from hanok.services.block_storage.logic import groups, keys, volumes
from hanok.services.block_storage.operations.create_volume import CreateVolume
from hanok.services.block_storage.operations.delete_volume import DeleteVolume
from hanok.services.block_storage.operations.on_volume import (
    ASK_S,
    WORK_S,
    OnThing,
    existing,
    place_of,
)
from hanok.services.block_storage.operations.snapshots import removed
from hanok.services.block_storage.room import Volumes
from hanok.store import Transaction


class OnGroup(OnThing, frozen=True, kw_only=True):
    """An operation on a group.

    halfway: the status of volumes to which nothing was done when it failed, and what they show.
    """

    noun = "group"
    of = "volume_group"
    told_as = "GROUP"
    halfway: ClassVar[tuple[str, str]] = ("", "")

    group_id: str

    async def news(self, run: Run[Any, Volumes], tx: Transaction) -> dict[str, Any]:
        row = await groups.get_any(tx, self.group_id)
        if row is None:
            return {"group_id": self.group_id, "status": "deleted"}
        return {"group_id": row.id, "tenant_id": row.project_id, "status": row.status}

    async def failed(self, run: Run[Any, Volumes], tx: Transaction, why: str) -> None:
        row = await groups.get_any(tx, self.group_id)
        if row is not None:
            await groups.change(tx, row.id, {"status": self.to}, run.clock.now())
            for one in await groups.volumes_of(tx, row.id):
                if one.status == self.halfway[0]:
                    await volumes.settle(tx, run.tools, one.id, self.halfway[1])
            await self.tell(run, tx, row, why)


class MakeVolumes(Step["CreateGroupOf", Volumes, None], name="make_volumes"):
    """All volumes of the group are there."""

    deadline_s = WORK_S

    async def do(self, run: Run[CreateGroupOf, Volumes]) -> None:
        await run.children(
            *(CreateVolume(volume_id=one, generation=1) for one in run.args.volume_ids)
        )

    async def save(self, run: Run[CreateGroupOf, Volumes], tx: Transaction, result: None) -> None:
        await groups.change(tx, run.args.group_id, {"status": "available"}, run.clock.now())


class CreateGroupOf(OnGroup, frozen=True, kw_only=True, tag="block_storage.create_group_of"):
    """A group whose volumes are made of others, or of their snapshots. Those that are done stay when one fails."""

    volume_ids: tuple[str, ...]
    happens = "create"
    halfway = ("creating", "error")
    steps = (MakeVolumes,)


class RemoveVolumes(Step["DeleteGroup", Volumes, None], name="remove_volumes"):
    """Nothing of the group's volumes is left."""

    deadline_s = WORK_S

    async def do(self, run: Run[DeleteGroup, Volumes]) -> None:
        going = [
            DeleteVolume(volume_id=volume_id, generation=generation)
            for volume_id, generation in run.args.volumes
        ]
        if going:
            await run.children(*going)

    async def save(self, run: Run[DeleteGroup, Volumes], tx: Transaction, result: None) -> None:
        await groups.gone(tx, run.args.group_id)


class DeleteGroup(OnGroup, frozen=True, kw_only=True, tag="block_storage.delete_group"):
    """Delete a group with its volumes: their ids and generations."""

    volumes: tuple[tuple[str, int], ...]
    happens = "delete"
    action = "delete"
    halfway = ("deleting", "error_deleting")
    steps = (RemoveVolumes,)


class OnGroupSnapshot(OnThing, frozen=True, kw_only=True):
    """An operation on a group snapshot. to: the status of its snapshots when it failed."""

    noun = "group_snapshot"
    told_as = "GROUP_SNAPSHOT"
    action = "snapshot_create"

    group_snapshot_id: str

    async def news(self, run: Run[Any, Volumes], tx: Transaction) -> dict[str, Any]:
        row = await groups.get_any_snapshot(tx, self.group_snapshot_id)
        if row is None:
            return {"group_snapshot_id": self.group_snapshot_id, "status": "deleted"}
        return {
            "group_snapshot_id": row.id,
            "group_id": row.group_id,
            "tenant_id": row.project_id,
            "status": row.status,
        }

    async def failed(self, run: Run[Any, Volumes], tx: Transaction, why: str) -> None:
        row = await groups.get_any_snapshot(tx, self.group_snapshot_id)
        if row is None:
            return
        now = run.clock.now()
        await groups.change_snapshot(tx, row.id, {"status": "error"}, now)
        await groups.set_snapshots(tx, row.id, {"status": self.to}, now)
        await self.tell(run, tx, row, why)


async def _members(run: Run[Any, Volumes]) -> list[tuple[Row[Any], Row[Any]]]:
    """The snapshots of a group snapshot, each with its volume."""
    found = []
    async with run.reading() as tx:
        for one in await groups.snapshots_of(tx, run.args.group_snapshot_id):
            volume = await volumes.get_any(tx, one.volume_id)
            if volume is not None and volume.host is not None:
                found.append((one, volume))
    return found


async def _remove(run: Run[Any, Volumes]) -> None:
    for one, volume in reversed(await _members(run)):
        request = RemoveVolumeSnapshot(
            snapshot_id=one.id,
            volume_id=volume.id,
            backend=volume.backend,
            key=keys.of(run.tools, volume),
            request_id=run.request_id,
        )
        await removed(run, volume.host, request)


class TakeSnapshots(Step["CreateGroupSnapshot", Volumes, None], name="take_snapshots"):
    """All volumes of the group, as they were at one and the same moment, are kept."""

    async def do(self, run: Run[CreateGroupSnapshot, Volumes]) -> None:
        found = await _members(run)
        if not found:
            raise StepFailed("The volumes of the group were deleted meanwhile.")
        host, _ = place_of(await existing(run, found[0][1].id))
        parts = tuple(
            EnsureVolumeSnapshot(
                snapshot_id=one.id,
                volume_id=volume.id,
                backend=volume.backend,
                key=keys.of(run.tools, volume),
                request_id=run.request_id,
            )
            for one, volume in found
        )
        request = EnsureVolumeSnapshots(snapshots=parts, request_id=run.request_id)
        await run.ask(host, request, Done, timeout_s=ASK_S)

    async def save(
        self, run: Run[CreateGroupSnapshot, Volumes], tx: Transaction, result: None
    ) -> None:
        now, made = run.clock.now(), run.args.group_snapshot_id
        await groups.set_snapshots(tx, made, {"status": "available", "progress": 100}, now)
        await groups.change_snapshot(tx, made, {"status": "available"}, now)

    async def undo(self, run: Run[CreateGroupSnapshot, Volumes]) -> None:
        await _remove(run)


class CreateGroupSnapshot(
    OnGroupSnapshot, frozen=True, kw_only=True, tag="block_storage.create_group_snapshot"
):
    happens = "create"
    steps = (TakeSnapshots,)


class RemoveSnapshots(Step["DeleteGroupSnapshot", Volumes, None], name="remove_snapshots"):
    """Nothing of the group snapshot is left."""

    deadline_s = WORK_S

    async def do(self, run: Run[DeleteGroupSnapshot, Volumes]) -> None:
        await _remove(run)

    async def save(
        self, run: Run[DeleteGroupSnapshot, Volumes], tx: Transaction, result: None
    ) -> None:
        await groups.snapshot_gone(tx, run.args.group_snapshot_id)


class DeleteGroupSnapshot(
    OnGroupSnapshot, frozen=True, kw_only=True, tag="block_storage.delete_group_snapshot"
):
    happens = "delete"
    action = "snapshot_delete"
    to = "error_deleting"
    steps = (RemoveSnapshots,)


OPERATIONS = (CreateGroupOf, DeleteGroup, CreateGroupSnapshot, DeleteGroupSnapshot)


# ---- beginning them ----


async def begin_delete(
    tx: Transaction, room: Volumes, user_id: str, row: Row[Any], *, with_volumes: bool
) -> None:
    """Begin to delete a group. Raises BadInput as `groups.check_deletable`."""
    found = await groups.check_deletable(tx, row, with_volumes=with_volumes)
    now = room.clock.now()
    for one in found:
        await volumes.turn(tx, one, "deleting", now)
    await groups.change(tx, row.id, {"status": "deleting"}, now)
    going = tuple((one.id, one.generation + 2) for one in found)
    operation = DeleteGroup(group_id=row.id, volumes=going)
    await room.operations.start(tx, operation, user_id=user_id, project_id=row.project_id)


async def begin_delete_snapshot(
    tx: Transaction, room: Volumes, user_id: str, row: Row[Any]
) -> None:
    """Begin to delete a group snapshot. Raises BadInput as `groups.check_snapshot_deletable`."""
    await groups.check_snapshot_deletable(tx, row)
    now = room.clock.now()
    await groups.change_snapshot(tx, row.id, {"status": "deleting"}, now)
    await groups.set_snapshots(tx, row.id, {"status": "deleting"}, now)
    operation = DeleteGroupSnapshot(group_snapshot_id=row.id)
    await room.operations.start(tx, operation, user_id=user_id, project_id=row.project_id)


async def begin_snapshot(tx: Transaction, room: Volumes, user_id: str, row: Row[Any]) -> None:
    operation = CreateGroupSnapshot(group_snapshot_id=row.id)
    await room.operations.start(tx, operation, user_id=user_id, project_id=row.project_id)


async def begin_create_of(
    tx: Transaction, room: Volumes, user_id: str, row: Row[Any], made: list[Row[Any]]
) -> None:
    operation = CreateGroupOf(group_id=row.id, volume_ids=tuple(one.id for one in made))
    await room.operations.start(tx, operation, user_id=user_id, project_id=row.project_id)
