"""A share moves to another back end of its host: a place is made, then it is emptied there and filled here."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from hanok.base.errors import StepFailed
from hanok.commands import Done
from hanok.commands.shares import EnsureShare, EnsureShareAccess, ShareSource, ShareState
from hanok.operations import Run, Step
from hanok.services.shared_file_system.logic import (
    access,
    exports,
    instances,
    moving,
    shares,
    specs,
    types,
)
from hanok.services.shared_file_system.operations.create_share import instance, removal
from hanok.services.shared_file_system.operations.delete_share import DeleteInstance, remove
from hanok.services.shared_file_system.operations.on_share import (
    ASK_S,
    WORK_S,
    OnShare,
    until_done,
)
from hanok.services.shared_file_system.room import Shares
from hanok.store import Transaction


class OfMove(OnShare, frozen=True, kw_only=True):
    """A part of a move. instance_id: of what the share moves to."""

    instance_id: str
    action = "update"
    to = ""

    async def failed(self, run: Run[Any, Shares], tx: Transaction, why: str) -> None:
        await back(run, tx, "migration_error")
        await super().failed(run, tx, why)


async def back(run: Run[Any, Shares], tx: Transaction, task_state: str) -> None:
    """A share is where it was, and nothing of the other place is its."""
    new = await instances.get_any(tx, run.args.instance_id)
    if new is not None:
        await instances.gone(tx, new)
    one = await instances.main_of(tx, run.args.share_id)
    if one is not None and one.status == "migrating":
        await instances.settle(tx, run.tools, one, "available")
    await shares.change(tx, run.tools, run.args.share_id, task_state=task_state)


class MakePlace(Step["MigrateShare", Shares, None], name="make_place"):
    """What gives the share out at its new place is there."""

    deadline_s = WORK_S

    async def do(self, run: Run[MigrateShare, Shares]) -> None:
        row = await instance(run)
        if row.share_network_id is None:
            return
        if run.tools.networks is None:
            raise StepFailed("Share networks are switched off.")
        server_id = await run.tools.networks.server(run, row)
        async with run.transaction() as tx:
            await instances.change(tx, run.tools, row.id, share_server_id=server_id)

    async def save(self, run: Run[MigrateShare, Shares], tx: Transaction, result: None) -> None:
        state = moving.COPIED if run.args.copied else moving.DRIVEN
        await shares.change(tx, run.tools, run.args.share_id, task_state=state)


class MigrateShare(OfMove, frozen=True, kw_only=True, tag="shared_file_system.migrate_share"):
    """The first phase. copied: as of `moving.Wanted`."""

    copied: bool
    happens = "migration_start"
    steps = (MakePlace,)


class LetNobodyIn(Step["CompleteMigration", Shares, None], name="let_nobody_in"):
    """Nobody writes to the share any more."""

    async def do(self, run: Run[CompleteMigration, Shares]) -> None:
        await let_in(run, await _old(run), ())

    async def undo(self, run: Run[CompleteMigration, Shares]) -> None:
        row = await run.read(instances.get_any, run.args.old_id)
        if row is None or row.node is None:
            return
        rules = await run.read(access.of, run.args.share_id)
        command = access_of(run, row, access.rules_of(rules, read_only=False))
        await run.ask_or_owe(row.node, command, ShareState, timeout_s=ASK_S)


async def _old(run: Run[CompleteMigration, Shares]) -> Row[Any]:
    row = await run.read(instances.get_any, run.args.old_id)
    if row is None or row.node is None:
        raise StepFailed("The share was deleted meanwhile.")
    return row


def access_of(run: Run[Any, Shares], row: Row[Any], rules: Any) -> EnsureShareAccess:
    return EnsureShareAccess(
        share_id=row.id, generation=int(row.generation), backend=row.backend, rules=rules,
        request_id=run.request_id,
    )  # fmt: skip


async def let_in(run: Run[Any, Shares], row: Row[Any], rules: Any) -> None:
    """An instance lets in these, and no others."""
    await run.ask(row.node, access_of(run, row, rules), ShareState, timeout_s=ASK_S)


class Copy(Step["CompleteMigration", Shares, "ShareState"], name="copy"):
    """The share's new place holds what its old one does, and lets in whom its rules name."""

    deadline_s = WORK_S
    result_type = ShareState

    async def do(self, run: Run[CompleteMigration, Shares]) -> ShareState:
        old, new = await _old(run), await instance(run)
        command = EnsureShare(
            share_id=new.id,
            generation=int(new.generation),
            backend=new.backend,
            size_gib=new.size_gib,
            server_id=new.share_server_id or "",
            source=ShareSource(kind="share", share_id=old.id, backend=old.backend),
            request_id=run.request_id,
        )
        state = await until_done(run, new.node, command)
        rules = await run.read(access.of, run.args.share_id)
        await let_in(run, new, access.rules_of(rules, read_only=False))
        return state

    async def save(
        self, run: Run[CompleteMigration, Shares], tx: Transaction, result: ShareState
    ) -> None:
        new = await instances.get_any(tx, run.args.instance_id)
        old = await instances.get_any(tx, run.args.old_id)
        if new is None or old is None:
            raise StepFailed("The share was deleted meanwhile.")
        await exports.replace(tx, new.id, result.exports, run.clock.now())
        await instances.change(tx, run.tools, old.id, status="deleting")
        await instances.change(tx, run.tools, new.id, status="available", progress=100)
        await self._become(run, tx, new)
        # From here on nothing is taken back: an operation of its own removes what is left at the old place.
        left = DeleteInstance(share_id=new.share_id, instance_id=old.id)
        share = await shares.get_any(tx, new.share_id)
        project_id = None if share is None else share.project_id
        await run.tools.operations.start(tx, left, user_id=run.user_id, project_id=project_id)

    async def _become(
        self, run: Run[CompleteMigration, Shares], tx: Transaction, new: Row[Any]
    ) -> None:
        """The share has the type and the network of its new place."""
        kind = await types.get_any(tx, new.type_id)
        values: dict[str, Any] = {"type_id": new.type_id, "share_network_id": new.share_network_id}
        if kind is not None:
            values["abilities"] = specs.abilities(kind.extra_specs)
        await shares.change(
            tx,
            run.tools,
            run.args.share_id,
            status="available",
            task_state="migration_success",
            **values,
        )

    async def undo(self, run: Run[CompleteMigration, Shares]) -> None:
        row = await run.read(instances.get_any, run.args.instance_id)
        if row is not None and row.node is not None:
            await run.ask_or_owe(row.node, removal(run, row), Done, timeout_s=ASK_S)


class CompleteMigration(
    OfMove, frozen=True, kw_only=True, tag="shared_file_system.complete_migration"
):
    """The second phase. old_id: of the instance that the share was."""

    old_id: str
    happens = "migrate"
    steps = (LetNobodyIn, Copy)


class RemovePlace(Step["CancelMigration", Shares, None], name="remove_place"):
    """Nothing of the place that the share was to move to is left."""

    async def do(self, run: Run[CancelMigration, Shares]) -> None:
        row = await run.read(instances.get_any, run.args.instance_id)
        if row is not None:
            await remove(run, row)

    async def save(self, run: Run[CancelMigration, Shares], tx: Transaction, result: None) -> None:
        await back(run, tx, "migration_cancelled")


class CancelMigration(OfMove, frozen=True, kw_only=True, tag="shared_file_system.cancel_migration"):
    """Call a move off."""

    happens = "migration_cancel"
    steps = (RemovePlace,)
