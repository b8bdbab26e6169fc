"""From the row that the request wrote (creating) to a share that can be mounted (available)."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import Row

from hanok.base.errors import StepFailed
from hanok.commands import Done
from hanok.commands.shares import EnsureShare, RemoveShare, ShareSource, ShareState
from hanok.operations import Run, Step
from hanok.rooms import NotHeardYet
from hanok.services.shared_file_system.logic import (
    backends,
    creating,
    exports,
    instances,
    scheduling,
    share_groups,
    shares,
    snapshots,
    specs,
    types,
)
from hanok.services.shared_file_system.operations.on_share import (
    ASK_S,
    WORK_S,
    OnShare,
    existing,
    until_done,
)
from hanok.services.shared_file_system.room import Shares
from hanok.store import Transaction


class PlaceShare(Step["CreateShare", Shares, None], name="place_share"):
    """The share has a back end, and its part of what that can give."""

    async def do(self, run: Run[CreateShare, Shares]) -> None:
        if await run.read(backends.unsure, run.tools):
            raise NotHeardYet

    async def save(self, run: Run[CreateShare, Shares], tx: Transaction, result: None) -> None:
        share = await shares.get_any(tx, run.args.share_id)
        row = await instances.get_any(tx, run.args.instance_id)
        if share is None or row is None:
            raise StepFailed("The share was deleted while it was being created.")
        if row.node is not None:
            return
        place = await scheduling.place(tx, run.tools, await _request(tx, share, row))
        await instances.change(
            tx, run.tools, row.id, node=place.node, backend=place.backend, zone=place.zone
        )

    async def unsave(self, run: Run[CreateShare, Shares], tx: Transaction) -> None:
        row = await instances.get_any(tx, run.args.instance_id)
        if row is not None and row.node is not None:
            await backends.add(tx, row.node, row.backend, -row.size_gib)
            await instances.change(tx, run.tools, row.id, node=None, backend=None)


async def _request(tx: Transaction, share: Row[Any], row: Row[Any]) -> scheduling.Request:
    """What a share asks of its back end."""
    kind = await types.get_any(tx, share.type_id)
    extra = {} if kind is None else kind.extra_specs
    hints = share.scheduler_hints
    same = hints.get(creating.SAME)
    return scheduling.Request(
        size_gib=row.size_gib,
        extra=extra,
        zones=_zones(row, extra, hints),
        at=await _at(tx, share) or hints.get(creating.ONLY, ""),
        same=None if same is None else await _places(tx, same),
        apart=await _places(tx, hints.get(creating.APART, ())),
    )


def _zones(row: Row[Any], extra: Any, hints: Any) -> list[str]:
    """The zones that a share may be in; none: any."""
    if row.zone:
        return [row.zone]
    return [] if hints.get(creating.ANY_ZONE) else specs.zones(extra)


async def _places(tx: Transaction, share_ids: Any) -> list[str]:
    found = []
    for one in share_ids:
        row = await instances.main_of(tx, one)
        if row is not None and row.node is not None:
            found.append(backends.name_of(row.node, row.backend))
    return found


async def _at(tx: Transaction, share: Row[Any]) -> str:
    """Where a share has to be: where the snapshot is that it is made of."""
    if share.snapshot_id is None:
        return ""
    snapshot = await snapshots.get_any(tx, share.snapshot_id)
    origin = None if snapshot is None else await instances.main_of(tx, snapshot.share_id)
    if origin is None or origin.node is None:
        raise StepFailed("The snapshot was deleted while the share was being created.")
    return backends.name_of(origin.node, origin.backend)


class ReadyServer(Step["CreateShare", Shares, None], name="ready_server"):
    """What gives the share out is there: a server in its network, or the host itself."""

    deadline_s = WORK_S

    async def do(self, run: Run[CreateShare, Shares]) -> None:
        row = await instance(run)
        if row.share_network_id is None:
            return
        if run.tools.networks is None:
            raise StepFailed("Share networks are switched off.")
        server_id = await run.tools.networks.server(run, row)
        async with run.transaction() as tx:
            await instances.change(tx, run.tools, row.id, share_server_id=server_id)


class MakeShare(Step["CreateShare", Shares, "ShareState"], name="make_share"):
    """The share is in its back end, with what it is made of in it, and can be mounted by whom it lets in."""

    deadline_s = WORK_S
    result_type = ShareState

    async def do(self, run: Run[CreateShare, Shares]) -> ShareState:
        row = await instance(run)
        share = await existing(run)
        command = EnsureShare(
            share_id=row.id,
            generation=run.args.generation,
            backend=row.backend,
            size_gib=row.size_gib,
            server_id=row.share_server_id or "",
            source=await self.source(run, share),
            request_id=run.request_id,
        )
        return await until_done(run, row.node, command)

    async def source(self, run: Run[Any, Shares], share: Row[Any]) -> ShareSource:
        """What is in a share at first."""
        if share.group_snapshot_member_id is not None:
            return await _of_member(run, share)
        if share.snapshot_id is None:
            return ShareSource()
        snapshot = await run.read(snapshots.get_any, share.snapshot_id)
        origin = None if snapshot is None else await run.read(instances.main_of, snapshot.share_id)
        if snapshot is None or origin is None:
            raise StepFailed("The snapshot was deleted while the share was being created.")
        return ShareSource(kind="snapshot", id=snapshot.id, share_id=origin.id)

    async def save(
        self, run: Run[CreateShare, Shares], tx: Transaction, result: ShareState
    ) -> None:
        row = await instances.get_any(tx, run.args.instance_id)
        if row is None:
            raise StepFailed("The share was deleted while it was being created.")
        await exports.replace(tx, row.id, result.exports, run.clock.now())
        await instances.settle(tx, run.tools, row, "available", progress=100)

    async def undo(self, run: Run[CreateShare, Shares]) -> None:
        row = await run.read(instances.get_any, run.args.instance_id)
        if row is not None and row.node is not None:
            await run.ask_or_owe(row.node, removal(run, row), Done, timeout_s=ASK_S)


async def _of_member(run: Run[Any, Shares], share: Row[Any]) -> ShareSource:
    """What a share of a snapshot of a group holds at first."""
    member = await run.read(share_groups.member, share.group_snapshot_member_id)
    origin = None if member is None else await run.read(instances.main_of, member.share_id)
    if member is None or origin is None:
        raise StepFailed("The group snapshot was deleted while the share was being created.")
    return ShareSource(kind="snapshot", id=member.id, share_id=origin.id)


def removal(run: Run[Any, Shares], row: Row[Any], keep: str = "") -> RemoveShare:
    """The command that an instance is not on its host any more."""
    return RemoveShare(
        share_id=row.id,
        generation=int(row.generation) + 1,
        backend=row.backend,
        keep=keep,
        request_id=run.request_id,
    )


async def instance(run: Run[Any, Shares]) -> Row[Any]:
    """The instance that is made, which has a place. Raises StepFailed."""
    row = await run.read(instances.get_any, run.args.instance_id)
    if row is None or row.node is None:
        raise StepFailed("The share was deleted while it was being created.")
    return row


class CreateShare(OnShare, frozen=True, kw_only=True, tag="shared_file_system.create_share"):
    """Make a share that is blank, or of a snapshot."""

    happens = "create"
    steps: ClassVar[tuple[type[Step[Any, Any, Any]], ...]] = (PlaceShare, ReadyServer, MakeShare)

    instance_id: str
    generation: int = 1

    async def failed(self, run: Run[Any, Shares], tx: Transaction, why: str) -> None:
        row = await shares.get_any(tx, self.share_id)
        one = await instances.get_any(tx, self.instance_id)
        if row is None or one is None:
            return
        await instances.settle(tx, run.tools, one, self.to)
        placed = not why.startswith(scheduling.NO_PLACE)
        detail = "" if placed else await _filter(tx, run.tools, row, one)
        more = {"action": "allocate", "detail_id": detail} if detail else {}
        await self.tell(run, tx, row, why, **more)


async def _filter(tx: Transaction, room: Shares, share: Row[Any], row: Row[Any]) -> str:
    """The number of the filter that leaves a share no back end; empty where one would do now."""
    try:
        request = await _request(tx, share, row)
    except StepFailed:
        return ""
    return await scheduling.why_none(tx, room, request)
