"""Shares are backed up, backups are written onto shares, and deleted."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import Row

from hanok.base.errors import StepFailed
from hanok.commands import Done
from hanok.commands.shares import EnsureShare, RemoveShare, ShareSource
from hanok.operations import Operation, Run, Step
from hanok.services.shared_file_system.logic import (
    access,
    backups,
    exports,
    instances,
    messages,
    shares,
)
from hanok.services.shared_file_system.operations.access import UpdateAccess
from hanok.services.shared_file_system.operations.on_share import (
    ASK_S,
    WORK_S,
    ask_or_owe,
    until_done,
)
from hanok.services.shared_file_system.room import Shares
from hanok.store import Transaction, still_there
from hanok.web.token import Caller

BACKUP = "SHARE_BACKUP"  # as messages call it


class OnBackup(Operation, frozen=True, kw_only=True):
    """An operation on a backup.

    to: the status of a backup that it failed on; of_share: that of the share.
    """

    to: ClassVar[str] = "error"
    of_share: ClassVar[str] = "available"
    action: ClassVar[str] = "create"
    deadline_s = 2 * WORK_S

    backup_id: str
    share_id: str

    @property
    def resource(self) -> str:
        return f"share:{self.share_id}"

    async def failed(self, run: Run[Any, Shares], tx: Transaction, why: str) -> None:
        row, share = (
            await backups.get_any(tx, self.backup_id),
            await shares.get_any(tx, self.share_id),
        )
        if share is not None and share.status in (backups.CREATING, backups.RESTORING):
            for one in await instances.of_share(tx, share.id):
                await instances.settle(tx, run.tools, one, self.of_share)
        if row is None:
            return
        await backups.change(tx, run.tools, row.id, status=self.to)
        await messages.tell(
            tx, run.tools, project_id=row.project_id, resource_type=BACKUP, resource_id=row.id,
            action=self.action, text=why,
        )  # fmt: skip

    async def stuck(self, run: Run[Any, Shares], tx: Transaction, why: str) -> None:
        await self.failed(run, tx, why)


async def _there(run: Run[Any, Shares]) -> tuple[Row[Any], Row[Any], Row[Any]]:
    """The backup, the share and its instance. Raises StepFailed."""
    row = await run.read(backups.get_any, run.args.backup_id)
    share = await run.read(shares.get_any, run.args.share_id)
    one = await run.read(instances.main_of, run.args.share_id)
    if row is None or share is None or one is None or one.node is None:
        raise StepFailed("The share or the backup was deleted meanwhile.")
    return row, share, one


def _gone(run: Run[Any, Shares], row: Row[Any]) -> RemoveShare:
    return RemoveShare(
        share_id=row.id, generation=2, backend=row.backend, request_id=run.request_id
    )


class Copy(Step["CreateBackup", Shares, None], name="copy_share"):
    """What the share holds at one moment is in the backup."""

    deadline_s = WORK_S

    async def do(self, run: Run[CreateBackup, Shares]) -> None:
        row, _, one = await _there(run)
        command = EnsureShare(
            share_id=row.id,
            generation=1,
            backend=row.backend,
            size_gib=row.size_gib,
            source=ShareSource(kind="share", share_id=one.id),
            request_id=run.request_id,
        )
        await until_done(run, row.node, command)

    async def save(self, run: Run[CreateBackup, Shares], tx: Transaction, result: None) -> None:
        row = await backups.get_any(tx, run.args.backup_id)
        one = await instances.main_of(tx, run.args.share_id)
        if row is None or one is None:
            raise StepFailed("The share or the backup was deleted meanwhile.")
        await backups.change(tx, run.tools, row.id, status="available", progress=100)
        await instances.settle(tx, run.tools, one, "available")

    async def undo(self, run: Run[CreateBackup, Shares]) -> None:
        row = await run.read(backups.get_any, run.args.backup_id)
        if row is not None:
            await run.ask_or_owe(row.node, _gone(run, row), Done, timeout_s=ASK_S)


class CreateBackup(OnBackup, frozen=True, kw_only=True, tag="shared_file_system.create_backup"):
    steps = (Copy,)


class Write(Step["RestoreBackup", Shares, "list[str]"], name="write_backup"):
    """The share holds what the backup does; whoever has it mounted mounts it anew."""

    deadline_s = WORK_S
    result_type = list[str]

    async def do(self, run: Run[RestoreBackup, Shares]) -> list[str]:
        row, share, one = await _there(run)
        gone = RemoveShare(
            share_id=one.id,
            generation=run.args.generation,
            backend=one.backend,
            request_id=run.request_id,
        )
        await run.ask(one.node, gone, Done, timeout_s=ASK_S)
        command = EnsureShare(
            share_id=one.id,
            generation=run.args.generation + 1,
            backend=one.backend,
            size_gib=share.size_gib,
            server_id=one.share_server_id or "",
            source=ShareSource(kind="share", share_id=row.id),
            request_id=run.request_id,
        )
        return list((await until_done(run, one.node, command)).exports)

    async def save(
        self, run: Run[RestoreBackup, Shares], tx: Transaction, result: list[str]
    ) -> None:
        one = await instances.main_of(tx, run.args.share_id)
        if one is None:
            raise StepFailed("The share was deleted meanwhile.")
        await exports.replace(tx, one.id, result, run.clock.now())
        await backups.change(
            tx, run.tools, run.args.backup_id, status="available", restore_progress=100
        )
        await instances.settle(tx, run.tools, one, "available")


class LetInAgain(Step["RestoreBackup", Shares, None], name="let_in_again"):
    """Whoever had access to the share has it again."""

    async def do(self, run: Run[RestoreBackup, Shares]) -> None:
        if await run.read(access.of, run.args.share_id):
            await run.children(UpdateAccess(share_id=run.args.share_id))


class RestoreBackup(OnBackup, frozen=True, kw_only=True, tag="shared_file_system.restore_backup"):
    """generation: of the share's instance, and of its content the next one."""

    generation: int
    to = "available"
    of_share = "backup_restoring_error"
    action = "restore"
    steps = (Write, LetInAgain)


class Remove(Step["DeleteBackup", Shares, None], name="remove_backup"):
    """Nothing of the backup is left; a host that does not answer owes it."""

    async def do(self, run: Run[DeleteBackup, Shares]) -> None:
        row = await run.read(backups.get_any, run.args.backup_id)
        if row is not None:
            await ask_or_owe(run, row.node, _gone(run, row), Done)

    async def save(self, run: Run[DeleteBackup, Shares], tx: Transaction, result: None) -> None:
        row = await backups.get_any(tx, run.args.backup_id)
        if row is not None:
            await backups.gone(tx, row)


class DeleteBackup(OnBackup, frozen=True, kw_only=True, tag="shared_file_system.delete_backup"):
    to = "error_deleting"
    action = "delete"
    steps = (Remove,)


OPERATIONS = (CreateBackup, RestoreBackup, DeleteBackup)


# ---- beginning them ----


async def create(
    tx: Transaction, room: Shares, caller: Caller, share: Row[Any], **requested: Any
) -> Row[Any]:
    """A new backup, begun. Raises as `backups.create`."""
    row = await backups.create(tx, room, caller, share, **requested)
    operation = CreateBackup(backup_id=row.id, share_id=share.id)
    await room.operations.start(tx, operation, user_id=caller.user_id, project_id=row.project_id)
    return row


async def restore(
    tx: Transaction, room: Shares, caller: Caller, row: Row[Any], share: Row[Any]
) -> None:
    """Begin to write a backup onto a share. Raises BadInput as `backups.check_restorable`."""
    one = await backups.check_restorable(tx, row, share)
    generation = int(one.generation) + 1
    await instances.change(tx, room, one.id, generation=generation + 1)
    await instances.settle(tx, room, still_there(one), backups.RESTORING)
    await shares.change(tx, room, share.id, source_backup_id=row.id)
    values = {"status": "restoring", "restore_progress": 0, "target_share_id": share.id}
    await backups.change(tx, room, row.id, **values)
    operation = RestoreBackup(backup_id=row.id, share_id=share.id, generation=generation)
    await room.operations.start(tx, operation, user_id=caller.user_id, project_id=row.project_id)


async def delete(tx: Transaction, room: Shares, caller: Caller, row: Row[Any]) -> None:
    """Begin to delete a backup. Raises BadInput: its state does not allow it."""
    backups.check_deletable(row)
    await backups.change(tx, room, row.id, status="deleting")
    operation = DeleteBackup(backup_id=row.id, share_id=row.share_id)
    await room.operations.start(tx, operation, user_id=caller.user_id, project_id=row.project_id)
