"""Replicas are made in other back ends, promoted and brought up to date.

A back end says by `replication_type` that it keeps replicas in step with each other; one that does not say so is never
chosen for one. What keeps them in step is the back ends' own.
"""

from __future__ import annotations

from typing import Any, ClassVar

from hanok.base.errors import StepFailed
from hanok.commands.shares import ShareSource
from hanok.operations import Run, Step
from hanok.services.shared_file_system.logic import (
    access,
    backends,
    instances,
    messages,
    replicas,
    scheduling,
    share_networks,
    shares,
    snapshots,
    specs,
)
from hanok.services.shared_file_system.operations.access import UpdateAccess
from hanok.services.shared_file_system.operations.create_share import (
    CreateShare,
    MakeShare,
    PlaceShare,
    ReadyServer,
)
from hanok.services.shared_file_system.operations.on_share import OnShare
from hanok.services.shared_file_system.room import Shares
from hanok.store import Transaction, still_there
from hanok.web.token import Caller

REPLICA = "SHARE_REPLICA"  # as messages call it


class PlaceReplica(PlaceShare, name="place_replica"):
    """The replica has a back end of its own, which keeps replicas of this kind."""

    async def save(self, run: Run[Any, Shares], tx: Transaction, result: None) -> None:
        share = await shares.get_any(tx, run.args.share_id)
        row = await instances.get_any(tx, run.args.instance_id)
        if share is None or row is None:
            raise StepFailed("The replica was deleted while it was being created.")
        if row.node is not None:
            return
        kind = await shares.type_of(tx, share)
        zones = [row.zone] if row.zone else specs.zones(kind.extra_specs)
        if not zones and row.share_network_id is not None:
            zones = sorted(await share_networks.zones_served(tx, row.share_network_id) or ())
        request = scheduling.Request(
            size_gib=row.size_gib,
            extra=kind.extra_specs,
            zones=zones,
            at=run.args.only,
            but=[*await replicas.hosts(tx, share.id), *await _others(tx, share.replication_type)],
        )
        place = await scheduling.place(tx, run.tools, request)
        await instances.change(
            tx, run.tools, row.id, node=place.node, backend=place.backend, zone=place.zone
        )


async def _others(tx: Transaction, replication_type: str) -> list[str]:
    """The back ends that keep no replicas of this kind."""
    return [
        row.host
        for row in await backends.backends(tx)
        if row.state is None or backends.told(row).get(replicas.TYPE) != replication_type
    ]


class MakeReplica(MakeShare, name="make_replica"):
    """The replica is in its back end, which brings it up to date."""

    async def source(self, run: Run[Any, Shares], share: Any) -> ShareSource:
        return ShareSource()

    async def save(self, run: Run[Any, Shares], tx: Transaction, result: Any) -> None:
        await super().save(run, tx, result)
        await instances.change(tx, run.tools, run.args.instance_id, replica_state=replicas.IN_SYNC)
        for one in await shares.snapshots_of(tx, run.args.share_id):
            for copy in await snapshots.copies(tx, one):
                if copy.instance_id == run.args.instance_id:
                    await snapshots.turn_copy(tx, run.tools, copy, "available")


class LetIn(Step["CreateReplica", Shares, None], name="let_in"):
    """Whoever has access to the share has it to the replica."""

    async def do(self, run: Run[CreateReplica, Shares]) -> None:
        if await run.read(access.of, run.args.share_id):
            await run.children(UpdateAccess(share_id=run.args.share_id))


class CreateReplica(
    CreateShare, frozen=True, kw_only=True, tag="shared_file_system.create_replica"
):
    """only: the back end that it is to be in, "host@backend"; empty: any."""

    only: str = ""
    happens = ""
    steps: ClassVar[tuple[type[Step[Any, Any, Any]], ...]] = (
        PlaceReplica,
        ReadyServer,
        MakeReplica,
        LetIn,
    )

    @property
    def resource(self) -> str:
        return f"share_replica:{self.instance_id}"

    async def failed(self, run: Run[Any, Shares], tx: Transaction, why: str) -> None:
        await _failed(run, tx, self.share_id, self.instance_id, "create", why)


async def _failed(
    run: Run[Any, Shares], tx: Transaction, share_id: str, replica_id: str, action: str, why: str
) -> None:
    share, row = await shares.get_any(tx, share_id), await instances.get_any(tx, replica_id)
    if share is None or row is None:
        return
    await instances.change(tx, run.tools, row.id, status="error", replica_state=replicas.ERROR)
    await instances.follow(tx, run.tools, share_id)
    await messages.tell(
        tx, run.tools, project_id=share.project_id, resource_type=REPLICA, resource_id=row.id,
        action=action, text=why,
    )  # fmt: skip


class Promote(Step["PromoteReplica", Shares, None], name="promote"):
    """The replica is the active one; the rules of both are told to their back ends."""

    async def do(self, run: Run[PromoteReplica, Shares]) -> None:
        return None

    async def save(self, run: Run[PromoteReplica, Shares], tx: Transaction, result: None) -> None:
        if await replicas.get_any(tx, run.args.instance_id) is None:
            raise StepFailed("The replica was deleted meanwhile.")
        await replicas.promoted(tx, run.tools, run.args.share_id, run.args.instance_id)


class Follow(Step["PromoteReplica", Shares, None], name="follow"):
    """Access is as the replicas are now, and the one that was active is brought up to date."""

    async def do(self, run: Run[PromoteReplica, Shares]) -> None:
        if await run.read(access.of, run.args.share_id):
            await run.children(UpdateAccess(share_id=run.args.share_id))

    async def save(self, run: Run[PromoteReplica, Shares], tx: Transaction, result: None) -> None:
        for one in await replicas.of_share(tx, run.args.share_id):
            if one.replica_state == replicas.OUT_OF_SYNC and one.status == "available":
                await instances.change(tx, run.tools, one.id, replica_state=replicas.IN_SYNC)


class PromoteReplica(OnShare, frozen=True, kw_only=True, tag="shared_file_system.promote_replica"):
    instance_id: str
    steps = (Promote, Follow)

    async def failed(self, run: Run[Any, Shares], tx: Transaction, why: str) -> None:
        await _failed(run, tx, self.share_id, self.instance_id, "promote", why)


class Resync(Step["ResyncReplica", Shares, None], name="resync"):
    """The replica is up to date."""

    async def do(self, run: Run[ResyncReplica, Shares]) -> None:
        return None

    async def save(self, run: Run[ResyncReplica, Shares], tx: Transaction, result: None) -> None:
        row = await replicas.get_any(tx, run.args.instance_id)
        if row is not None and row.replica_state != replicas.ACTIVE:
            await instances.change(tx, run.tools, row.id, replica_state=replicas.IN_SYNC)


class ResyncReplica(OnShare, frozen=True, kw_only=True, tag="shared_file_system.resync_replica"):
    instance_id: str
    to = ""
    steps = (Resync,)


OPERATIONS = (CreateReplica, PromoteReplica, ResyncReplica)


# ---- beginning them ----


async def create(
    tx: Transaction, room: Shares, caller: Caller, share: Any, *, only: str, **requested: Any
) -> Any:
    """A further replica, begun. Raises as `replicas.create`."""
    made = await replicas.create(tx, room, caller, share, **requested)
    operation = CreateReplica(share_id=share.id, instance_id=made, only=only)
    await room.operations.start(tx, operation, user_id=caller.user_id, project_id=share.project_id)
    return still_there(await replicas.get_any(tx, made))


async def promote(tx: Transaction, room: Shares, caller: Caller, row: Any) -> Any:
    """Begin to promote a replica; the checks are the caller's."""
    await instances.change(tx, room, row.id, status="replication_change")
    operation = PromoteReplica(share_id=row.share_id, instance_id=row.id)
    await room.operations.start(tx, operation, user_id=caller.user_id, project_id=row.project_id)
    return still_there(await replicas.get_any(tx, row.id))


async def resync(tx: Transaction, room: Shares, caller: Caller, row: Any) -> None:
    operation = ResyncReplica(share_id=row.share_id, instance_id=row.id)
    await room.operations.start(tx, operation, user_id=caller.user_id, project_id=row.project_id)
