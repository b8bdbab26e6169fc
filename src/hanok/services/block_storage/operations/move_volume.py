"""A volume gets another type or another back end, also while servers use it."""

from __future__ import annotations

from typing import Any, ClassVar

from hanok.base.errors import StepFailed
from hanok.commands import MoveVolume as Move
from hanok.commands import VolumeState
from hanok.operations import Run, Step
from hanok.services.block_storage.logic import backends, keys, moving, types, volumes
from hanok.services.block_storage.logic.qos_limits import limits_of
from hanok.services.block_storage.operations.on_volume import (
    ASK_S,
    WORK_S,
    OnVolume,
    command,
    existing,
    place_of,
    until_done,
)
from hanok.services.block_storage.room import Volumes
from hanok.store import Transaction


class ChooseTarget(Step["ChangePlace", Volumes, None], name="choose_target"):
    """The back end that the volume goes to has its part of what it can give."""

    async def do(self, run: Run[ChangePlace, Volumes]) -> None:
        return None

    async def save(self, run: Run[ChangePlace, Volumes], tx: Transaction, result: None) -> None:
        row = await volumes.get_any(tx, run.args.volume_id)
        if row is None:
            raise StepFailed("The volume was deleted meanwhile.")
        target = await run.args.choose(tx, run.tools, row)
        if target:
            values = {"target_backend": target, "migration_status": "migrating"}
            await volumes.change(tx, row.id, values, run.clock.now())

    async def unsave(self, run: Run[ChangePlace, Volumes], tx: Transaction) -> None:
        row = await volumes.get_any(tx, run.args.volume_id)
        if row is not None and row.target_backend is not None:
            await backends.add(tx, row.host, row.target_backend, -row.size_gib)
            values = {"target_backend": None, "migration_status": "error"}
            await volumes.change(tx, row.id, values, run.clock.now())


class MoveData(Step["ChangePlace", Volumes, None], name="move_data"):
    """The volume is in its other back end, and is what it is to be."""

    deadline_s = WORK_S

    async def do(self, run: Run[ChangePlace, Volumes]) -> None:
        row = await existing(run)
        host, _ = place_of(row)
        if row.target_backend is None:
            await until_done(run, host, await command(run, row))
        else:
            await until_done(run, host, await self._request(run, row))

    @staticmethod
    async def _request(run: Run[ChangePlace, Volumes], row: Any, *, abort: bool = False) -> Move:
        key = keys.of(run.tools, row)
        return Move(
            volume_id=row.id,
            generation=run.args.generation + abort,
            backend=row.backend,
            to=row.target_backend,
            key=key,
            new_key=key,
            limits=await run.read(limits_of, row),
            abort=abort,
            request_id=run.request_id,
        )

    async def save(self, run: Run[ChangePlace, Volumes], tx: Transaction, result: None) -> None:
        row = await volumes.get_any(tx, run.args.volume_id)
        if row is None:
            raise StepFailed("The volume was deleted meanwhile.")
        values = await run.args.outcome(tx, row)
        if row.target_backend is not None:
            await backends.add(tx, row.host, row.backend, -row.size_gib)
            moved = {"backend": row.target_backend, "target_backend": None}
            values |= {**moved, "migration_status": "success"}
        attached = await volumes.attachments(tx, row.id)
        used = any(one.status == "attached" for one in attached)
        await volumes.settle(tx, run.tools, row.id, "in-use" if used else "available", **values)

    async def undo(self, run: Run[ChangePlace, Volumes]) -> None:
        row = await run.read(volumes.get_any, run.args.volume_id)
        if row is None or row.host is None or row.target_backend is None:
            return
        request = await self._request(run, row, abort=True)
        await run.ask(row.host, request, VolumeState, timeout_s=ASK_S)


class ChangePlace(OnVolume, frozen=True, kw_only=True):
    """What retyping and migrating have in common. to: as of OnVolume."""

    to: ClassVar[str] = ""
    steps = (ChooseTarget, MoveData)

    def taken_back(self, row: Any) -> dict[str, Any]:
        moving = row.migration_status in ("starting", "migrating")
        return {"migration_status": "error"} if moving else {}

    async def choose(self, tx: Transaction, room: Volumes, row: Any) -> str:
        """The back end where the volume goes, which has its part taken from it; "" where it stays."""
        raise NotImplementedError

    async def outcome(self, tx: Transaction, row: Any) -> dict[str, Any]:
        """What else the volume is at the end."""
        return {}


class RetypeVolume(ChangePlace, frozen=True, kw_only=True, tag="block_storage.retype_volume"):
    """Give a volume another type. policy: never (it stays where it is) or on-demand."""

    type_id: str
    policy: str
    happens = "retype"
    action = "retype"

    async def choose(self, tx: Transaction, room: Volumes, row: Any) -> str:
        kind = await types.get_any(tx, self.type_id)
        if kind is None:
            raise StepFailed("The new type was deleted meanwhile.")
        return await moving.target_of_retype(tx, room, row, kind, self.policy)

    async def outcome(self, tx: Transaction, row: Any) -> dict[str, Any]:
        kind = await types.get_any(tx, self.type_id)
        if kind is None:
            raise StepFailed("The new type was deleted meanwhile.")
        return await moving.retyped(tx, row, kind)


class MigrateVolume(ChangePlace, frozen=True, kw_only=True, tag="block_storage.migrate_volume"):
    """Bring a volume to another back end of its host."""

    target: str
    happens = "migrate"
    action = "migrate"

    async def choose(self, tx: Transaction, room: Volumes, row: Any) -> str:
        if not await backends.claim(tx, row.host, self.target, row.size_gib):
            raise StepFailed("The back end has not so much space.")
        return self.target
