"""Share groups are made of snapshots of others, and deleted; snapshots of groups come and go."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import Row

from hanok.base.errors import StepFailed
from hanok.commands import Done
from hanok.commands.shares import RemoveShareSnapshot, SnapshotShare
from hanok.operations import Operation, Run, Step
from hanok.services.shared_file_system.logic import (
    creating,
    instances,
    messages,
    share_groups,
    share_networks,
    shares,
)
from hanok.services.shared_file_system.operations.create_share import CreateShare
from hanok.services.shared_file_system.operations.delete_share import DeleteShare
from hanok.services.shared_file_system.operations.on_share import (
    ASK_S,
    WORK_S,
    ask_or_owe,
    until_done,
)
from hanok.services.shared_file_system.operations.share_servers import claimed
from hanok.services.shared_file_system.room import Shares
from hanok.store import Transaction, still_there
from hanok.web.token import Caller

SNAPSHOT = "SHARE_GROUP_SNAPSHOT"  # as messages call it


class OnGroup(Operation, frozen=True, kw_only=True):
    """An operation on a share group. to: the status of what it failed on."""

    to: ClassVar[str] = "error"
    action: ClassVar[str] = "create"
    deadline_s = 2 * WORK_S

    share_group_id: str

    @property
    def resource(self) -> str:
        return f"share_group:{self.share_group_id}"

    async def failed(self, run: Run[Any, Shares], tx: Transaction, why: str) -> None:
        row = await share_groups.get_any(tx, self.share_group_id)
        if row is None:
            return
        await share_groups.change(tx, run.tools, row.id, status=self.to)
        await messages.tell(
            tx, run.tools, project_id=row.project_id, resource_type=share_groups.GROUP,
            resource_id=row.id, action=self.action, text=why,
        )  # fmt: skip

    async def stuck(self, run: Run[Any, Shares], tx: Transaction, why: str) -> None:
        await self.failed(run, tx, why)


class MakeShares(Step["CreateGroupOf", Shares, None], name="make_shares"):
    """All shares of the group are there."""

    deadline_s = WORK_S

    async def do(self, run: Run[CreateGroupOf, Shares]) -> None:
        parts = [
            CreateShare(share_id=share_id, instance_id=instance_id)
            for share_id, instance_id in run.args.made
        ]
        if parts:
            await run.children(*parts)

    async def save(self, run: Run[CreateGroupOf, Shares], tx: Transaction, result: None) -> None:
        await share_groups.change(tx, run.tools, run.args.share_group_id, status="available")


class CreateGroupOf(OnGroup, frozen=True, kw_only=True, tag="shared_file_system.create_group_of"):
    """A group whose shares are made of the members of a snapshot. made: shares with their instances."""

    made: tuple[tuple[str, str], ...]
    steps = (MakeShares,)


class RemoveMembers(Step["DeleteGroup", Shares, None], name="remove_members"):
    """Nothing of the group's snapshots and shares is left, and then nothing of the group."""

    deadline_s = WORK_S

    async def do(self, run: Run[DeleteGroup, Shares]) -> None:
        snapshots = [DeleteGroupSnapshot(group_snapshot_id=one) for one in run.args.snapshots]
        if snapshots:
            await run.children(*snapshots)

    async def save(self, run: Run[DeleteGroup, Shares], tx: Transaction, result: None) -> None:
        return None


class RemoveShares(Step["DeleteGroup", Shares, None], name="remove_shares"):
    deadline_s = WORK_S

    async def do(self, run: Run[DeleteGroup, Shares]) -> None:
        going = [DeleteShare(share_id=one) for one in run.args.shares]
        if going:
            await run.children(*going)

    async def save(self, run: Run[DeleteGroup, Shares], tx: Transaction, result: None) -> None:
        await share_groups.gone(tx, run.args.share_group_id)


class DeleteGroup(OnGroup, frozen=True, kw_only=True, tag="shared_file_system.delete_group"):
    """Delete a group with all that it has: ids."""

    to = "error_deleting"
    action = "delete"

    snapshots: tuple[str, ...]
    shares: tuple[str, ...]
    steps = (RemoveMembers, RemoveShares)


class OnGroupSnapshot(Operation, frozen=True, kw_only=True):
    """An operation on a group snapshot. to: the status of what it failed on."""

    to: ClassVar[str] = "error"
    action: ClassVar[str] = "create"
    deadline_s = 2 * WORK_S

    group_snapshot_id: str

    @property
    def resource(self) -> str:
        return f"share_group_snapshot:{self.group_snapshot_id}"

    async def failed(self, run: Run[Any, Shares], tx: Transaction, why: str) -> None:
        row = await share_groups.get_any_snapshot(tx, self.group_snapshot_id)
        if row is None:
            return
        await share_groups.turn_snapshot(tx, run.tools, row.id, self.to)
        await messages.tell(
            tx, run.tools, project_id=row.project_id, resource_type=SNAPSHOT, resource_id=row.id,
            action=self.action, text=why,
        )  # fmt: skip

    async def stuck(self, run: Run[Any, Shares], tx: Transaction, why: str) -> None:
        await self.failed(run, tx, why)


def _removal(run: Run[Any, Shares], member: Row[Any], one: Row[Any]) -> RemoveShareSnapshot:
    return RemoveShareSnapshot(
        snapshot_id=member.id,
        share_id=one.id,
        generation=int(one.generation),
        backend=one.backend,
        request_id=run.request_id,
    )


class TakeAll(Step["CreateGroupSnapshot", Shares, None], name="take_snapshots"):
    """All shares of the group are kept as they were, one after another."""

    deadline_s = WORK_S

    async def do(self, run: Run[CreateGroupSnapshot, Shares]) -> None:
        for member, one in await run.read(share_groups.places, run.args.group_snapshot_id):
            command = SnapshotShare(
                snapshot_id=member.id,
                share_id=one.id,
                generation=int(one.generation),
                backend=one.backend,
                request_id=run.request_id,
            )
            await until_done(run, one.node, command)

    async def save(
        self, run: Run[CreateGroupSnapshot, Shares], tx: Transaction, result: None
    ) -> None:
        if await share_groups.get_any_snapshot(tx, run.args.group_snapshot_id) is None:
            raise StepFailed("The group snapshot was deleted while it was being taken.")
        await share_groups.turn_snapshot(tx, run.tools, run.args.group_snapshot_id, "available")

    async def undo(self, run: Run[CreateGroupSnapshot, Shares]) -> None:
        for member, one in await run.read(share_groups.places, run.args.group_snapshot_id):
            await run.ask_or_owe(one.node, _removal(run, member, one), Done, timeout_s=ASK_S)


class CreateGroupSnapshot(
    OnGroupSnapshot, frozen=True, kw_only=True, tag="shared_file_system.create_group_snapshot"
):
    steps = (TakeAll,)


class RemoveAll(Step["DeleteGroupSnapshot", Shares, None], name="remove_snapshots"):
    """Nothing of the group snapshot is left; a host that does not answer owes it."""

    deadline_s = WORK_S

    async def do(self, run: Run[DeleteGroupSnapshot, Shares]) -> None:
        for member, one in await run.read(share_groups.places, run.args.group_snapshot_id):
            await ask_or_owe(run, one.node, _removal(run, member, one), Done)

    async def save(
        self, run: Run[DeleteGroupSnapshot, Shares], tx: Transaction, result: None
    ) -> None:
        await share_groups.snapshot_gone(tx, run.args.group_snapshot_id)


class DeleteGroupSnapshot(
    OnGroupSnapshot, frozen=True, kw_only=True, tag="shared_file_system.delete_group_snapshot"
):
    to = "error_deleting"
    action = "delete"
    steps = (RemoveAll,)


OPERATIONS = (CreateGroupOf, DeleteGroup, CreateGroupSnapshot, DeleteGroupSnapshot)


# ---- beginning them ----


async def create(
    tx: Transaction, room: Shares, caller: Caller, requested: share_groups.Requested
) -> Row[Any]:
    """A new group; its share server is claimed, and shares are made of what it is made of. Raises as `create`."""
    row = await share_groups.create(tx, room, caller, requested)
    if row.share_network_id is not None and row.node is not None:
        await _claim_server(tx, room, caller, row)
    if requested.snapshot_id is not None:
        await _make_shares(tx, room, caller, row, requested.snapshot_id)
    return still_there(await share_groups.get_any(tx, row.id))


async def _claim_server(tx: Transaction, room: Shares, caller: Caller, row: Row[Any]) -> None:
    network = still_there(await share_networks.get_any(tx, row.share_network_id))
    try:
        place = row.zone, row.node, row.backend
        server_id = await claimed(tx, room, caller.user_id, network, *place)
    except StepFailed as error:
        await share_groups.change(tx, room, row.id, status="error")
        await messages.tell(
            tx, room, project_id=row.project_id, resource_type=share_groups.GROUP,
            resource_id=row.id, action="create", text=error.message,
        )  # fmt: skip
        return
    await share_groups.change(tx, room, row.id, share_server_id=server_id)


async def _make_shares(
    tx: Transaction, room: Shares, caller: Caller, row: Row[Any], snapshot_id: str
) -> None:
    made = []
    for member in (await share_groups.members_of(tx, [snapshot_id]))[snapshot_id]:
        requested = creating.Requested(
            protocol=member.protocol,
            size=member.size_gib,
            type=member.type_id,
            share_group_id=row.id,
            share_network_id=row.share_network_id,
            group_snapshot_member_id=member.id,
        )
        share = await creating.create(tx, room, caller, requested)
        one = still_there(await instances.main_of(tx, share.id))
        made.append((share.id, one.id))
    operation = CreateGroupOf(share_group_id=row.id, made=tuple(made))
    await room.operations.start(tx, operation, user_id=caller.user_id, project_id=row.project_id)


async def delete_by_force(tx: Transaction, room: Shares, caller: Caller, row: Row[Any]) -> None:
    """Begin to delete a group with all its snapshots and shares, whatever their states."""
    snapshots = await share_groups.snapshots_of(tx, row.id)
    found = await share_groups.shares_of(tx, row.id)
    for one in snapshots:
        await room.operations.cancel(tx, f"share_group_snapshot:{one.id}")
        await share_groups.turn_snapshot(tx, room, one.id, "deleting")
    for one in found:
        await room.operations.cancel(tx, f"share:{one.id}")
        for each in await instances.of_share(tx, one.id):
            await instances.turn(tx, room, each, status="deleting")
        await shares.change(tx, room, one.id, status="deleting")
    await share_groups.change(tx, room, row.id, status="deleting")
    operation = DeleteGroup(
        share_group_id=row.id,
        snapshots=tuple(one.id for one in snapshots),
        shares=tuple(one.id for one in found),
    )
    await room.operations.start(tx, operation, user_id=caller.user_id, project_id=row.project_id)


async def begin_snapshot(tx: Transaction, room: Shares, caller: Caller, row: Row[Any]) -> None:
    operation = CreateGroupSnapshot(group_snapshot_id=row.id)
    await room.operations.start(tx, operation, user_id=caller.user_id, project_id=row.project_id)


async def begin_deleting_snapshot(
    tx: Transaction, room: Shares, caller: Caller, row: Row[Any], *, force: bool = False
) -> None:
    """Raises Conflict as `share_groups.check_snapshot_deletable`, where it is not forced."""
    if force:
        await room.operations.cancel(tx, f"share_group_snapshot:{row.id}")
    else:
        await share_groups.check_snapshot_deletable(tx, row)
    await share_groups.turn_snapshot(tx, room, row.id, "deleting")
    operation = DeleteGroupSnapshot(group_snapshot_id=row.id)
    await room.operations.start(tx, operation, user_id=caller.user_id, project_id=row.project_id)
