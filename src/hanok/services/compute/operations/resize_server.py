"""From one flavor to another, which is then confirmed or reverted.

On one host the root disk is kept as it was until then; where the guest goes to another host, it is left there.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

import msgspec

from hanok.base.errors import StepFailed, Unavailable
from hanok.commands import (
    Done,
    EnsureInstance,
    InstanceState,
    OfferDisks,
    OfferedDisks,
    RemoveInstance,
    TakeDisks,
    TakenDisks,
)
from hanok.operations import Run, Step
from hanok.rooms import NotHeardYet
from hanok.services.compute import states
from hanok.services.compute.logic import (
    bindings,
    explaining,
    hosts,
    migrations,
    resizing,
    scheduling,
    server_groups,
    servers,
    topologies,
    weighing,
)
from hanok.services.compute.operations import with_volumes
from hanok.services.compute.operations.changing import (
    OnServer,
    Stands,
    StopGuest,
    existing,
    put_back,
    with_values,
)
from hanok.services.compute.operations.create_server import (
    APPLY_S,
    COPY_S,
    START_S,
    ensure_image,
    instance_command,
)
from hanok.services.compute.operations.delete_server import REMOVE_S
from hanok.services.compute.room import Compute
from hanok.services.network import facade as networks
from hanok.services.placement import facade as placement
from hanok.store import Transaction

Amounts = dict[str, dict[str, int]]  # by class, by provider


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """What a resize took. held: what the server had before."""

    host: str
    held: Amounts


def larger(one: Amounts, other: Amounts) -> Amounts:
    """The larger amount of each class at each provider."""
    return {
        provider: {
            name: max(one.get(provider, {}).get(name, 0), other.get(provider, {}).get(name, 0))
            for name in {*one.get(provider, {}), *other.get(provider, {})}
        }
        for provider in {*one, *other}
    }


def stood(before: dict[str, Any]) -> Stands:
    """How the guest stood before it was resized."""
    return "stopped" if before["vm_state"] == "stopped" else "running"


def checkpoint(migration: Any) -> str:
    """The name under which the root disk is kept as it was."""
    return f"resize-{migration.id}"


async def _migration(run: Run[Any, Compute]) -> Any:
    return await run.read(migrations.get, run.args.migration_id)


async def claim(tx: Transaction, row: Any, consumer_id: str, amounts: Amounts, now: Any) -> None:
    await placement.claim(
        tx,
        consumer_id=consumer_id,
        resources=amounts,
        project_id=row.project_id,
        user_id=row.user_id,
        now=now,
    )


class ClaimHost(Step["ResizeServer", Compute, Claimed], name="claim_host"):
    """A host is taken for the new flavor: the one that the server is on, if it may stay and fits, or another."""

    result_type: ClassVar[Any] = Claimed

    async def do(self, run: Run[ResizeServer, Compute]) -> Claimed:
        """Holds the host's resources, in a transaction of its own; done twice it finds what it did."""
        migration = await _migration(run)
        row = await existing(run)
        async with run.transaction() as tx:
            await server_groups.hold(tx, row.id)
            held = await placement.held(tx, row.id)
            if migration.dest_compute is not None:
                own = await placement.held(tx, migration.uuid)
                before = own or migration.before.get("held") or held
                return Claimed(host=migration.dest_compute, held=before)
            host = await self._host(run, tx, row, migration, held)
            await migrations.set_status(
                tx,
                migration.uuid,
                run.args.claim_status,
                run.clock.now(),
                dest_compute=host,
                dest_node=host,
            )
            await migrations.keep(tx, migration, {"held": held})
            if host != row.host:
                await bindings.expect(tx, row.id, host)
        return Claimed(host=host, held=held)

    async def _host(
        self,
        run: Run[ResizeServer, Compute],
        tx: Transaction,
        row: Any,
        migration: Any,
        held: Amounts,
    ) -> str:
        """The host that now holds what the new flavor takes.

        Raises:
            StepFailed: none can; says why.
        """
        requested = with_values(row, {**migration.after, "requested_host": run.args.to})
        request = await scheduling.request_of(tx, requested, run.tools.settings)
        if run.args.may_stay and await _stays(run, tx, requested, request, held):
            return str(row.host)
        away = msgspec.structs.replace(request, leaves=row.host)
        if (host := await _goes(run, tx, requested, away, migration, held)) is not None:
            return host
        if await hosts.unsure(tx, run.tools):
            raise NotHeardYet
        why = await _why_none(run, tx, request if run.args.may_stay else away)
        raise StepFailed(f"No valid host was found. {why}")

    async def save(self, run: Run[ResizeServer, Compute], tx: Transaction, result: Claimed) -> None:
        await servers.set_task(tx, run.args.server_id, "resize_migrating", run.clock.now())

    async def unsave(self, run: Run[ResizeServer, Compute], tx: Transaction) -> None:
        migration, now = await migrations.get(tx, run.args.migration_id), run.clock.now()
        row = await servers.get_any(tx, run.args.server_id)
        if row is None or migration.dest_compute is None:
            return
        await placement.release(tx, migration.uuid, now)
        await claim(tx, row, row.id, migration.before["held"], now)
        if migration.dest_compute != row.host:
            await bindings.leave(tx, row.id, migration.dest_compute)
        await topologies.keep_only(tx, row.id, row.host, row.flavor_id)
        await migrations.set_status(
            tx, migration.uuid, "error", now, dest_compute=None, dest_node=None
        )


async def _stays(
    run: Run[ResizeServer, Compute],
    tx: Transaction,
    row: Any,
    request: scheduling.Request,
    held: Amounts,
) -> bool:
    """Whether the server may stay on its host, and that holds the larger of both flavors now."""
    settings, now = run.tools.settings, run.clock.now()
    if not settings.allow_resize_to_same_host:
        return False
    here = msgspec.structs.replace(request, host=row.host)
    try:
        async with tx.savepoint():
            await placement.release(tx, row.id, now)  # its own share is not somebody else's
            found = await scheduling.candidates(tx, here, settings, now, maximum=1)
            if not found:
                raise placement.Full("")
            mine = found[0]
            await claim(tx, row, row.id, larger(held, mine.resources), now)
            await _take(run, tx, row, here, mine)
    except placement.Full:
        return False
    return True


async def _take(
    run: Run[Any, Compute],
    tx: Transaction,
    row: Any,
    request: scheduling.Request,
    one: weighing.Candidate,
) -> None:
    """The CPUs, pages and devices of a host are the server's, too.

    Raises:
        Full: others have them by now.
    """
    settings, now = run.tools.settings, run.clock.now()
    taken = await scheduling.take(tx, row, request, one.provider_id, one.resources, settings, now)
    if taken is None:
        raise placement.Full("")
    record = explaining.placed(one.host, [one], ())
    await explaining.note(tx, row.id, run.operation_id, record, now)
    await explaining.bound(tx, row.id)


async def _goes(
    run: Run[ResizeServer, Compute],
    tx: Transaction,
    row: Any,
    request: scheduling.Request,
    migration: Any,
    held: Amounts,
) -> str | None:
    """Another host that took the server; the old one's share is the migration's. None: it cannot go, or none can."""
    settings, now = run.tools.settings, run.clock.now()
    found = await scheduling.candidates(tx, request, settings, now, maximum=None)
    for one in weighing.weighed(found, settings):
        try:
            async with tx.savepoint():
                await claim(tx, row, row.id, one.resources, now)
                await claim(tx, row, migration.uuid, held, now)
                await _take(run, tx, row, request, one)
            return one.host
        except placement.Full:
            continue
    return None


async def _why_none(
    run: Run[ResizeServer, Compute], tx: Transaction, request: scheduling.Request
) -> str:
    """Why no host takes the server, in its user's terms."""
    verdict = await scheduling.verdict(tx, request, run.tools.settings, run.clock.now())
    return verdict.text


class StartResized(Step["ResizeServer", Compute, str], name="start_resized"):
    """The guest is there in its new shape, and stands as it stood. Returns the power state."""

    result_type: ClassVar[Any] = str
    deadline_s = 3 * COPY_S

    async def do(self, run: Run[ResizeServer, Compute]) -> str:
        migration, row = await _migration(run), await existing(run)
        host = _host(run)
        moves = host != row.host
        requested = with_values(row, {**migration.after, "host": host})
        if moves:
            await ensure_image(run, requested)
            await place_at(run, host)
            await bring_disks(run, row, host)
            await with_volumes.open_all(run, row.id, host)
        command = msgspec.structs.replace(
            await instance_command(run, requested, run.args.generation, None),
            power=stood(migration.before),
            checkpoint="" if moves else checkpoint(migration),
        )
        return (await run.ask(host, command, InstanceState, timeout_s=START_S)).power

    async def save(self, run: Run[ResizeServer, Compute], tx: Transaction, result: str) -> None:
        server_id, now = run.args.server_id, run.clock.now()
        migration = await migrations.get(tx, run.args.migration_id)
        before = migration.before
        if (row := await servers.get_any(tx, server_id)) is None or row.task_state == "deleting":
            raise StepFailed("The server was deleted.")
        if _host(run) != row.host:
            await bindings.arrive(tx, server_id, _host(run), now)
        held = {"held_vcpus": before["vcpus"], "held_memory_mib": before["memory_mib"]}
        await servers.change(tx, server_id, {**migration.after, **held})
        power = states.POWER.get(result, states.NO_STATE)
        await servers.settled(tx, server_id, "resized", power, now)
        await migrations.set_status(tx, migration.uuid, "finished", now)

    async def undo(self, run: Run[ResizeServer, Compute]) -> None:
        migration = await _migration(run)
        row = await run.read(servers.get_even_deleted, run.args.server_id)
        if row is None or row.host is None:
            return
        if _host(run) == row.host:
            await put_back(run, restore=checkpoint(migration))
            return
        command = RemoveInstance(
            server_id=row.id, generation=run.args.generation + 1, request_id=run.request_id
        )
        await run.ask_or_owe(_host(run), command, Done, timeout_s=REMOVE_S)
        await with_volumes.open_all(run, row.id, row.host)

    async def unsave(self, run: Run[ResizeServer, Compute], tx: Transaction) -> None:
        row = await servers.get_any(tx, run.args.server_id)
        if row is not None:
            await networks.place(tx, run.tools.network, row.id, row.host or "")
        await servers.raise_generation(tx, run.args.server_id, run.args.generation + 1)


async def bring_disks(run: Run[Any, Compute], row: Any, host: str) -> None:
    """The server's disks are on this host too, for the guest that is about to be there."""
    offer = OfferDisks(
        server_id=row.id, generation=run.args.generation, to_host=host, request_id=run.request_id
    )
    offered = await run.ask(row.host, offer, OfferedDisks, timeout_s=START_S)
    command = TakeDisks(
        server_id=row.id,
        generation=run.args.generation,
        source=offered.source,
        disks=offered.disks,
        facts=offered.facts,
        request_id=run.request_id,
    )
    while not (await run.ask(host, command, TakenDisks, timeout_s=START_S)).done:
        run.check_cancelled()


def _host(run: Run[Any, Compute]) -> str:
    claimed = run.result(ClaimHost)
    assert claimed is not None
    return claimed.host


async def place_at(run: Run[Any, Compute], host: str) -> None:
    """The server's ports are bound to this host, and the network engine knows it."""
    async with run.transaction() as tx:
        await networks.place(tx, run.tools.network, run.args.server_id, host)
    await networks.applied(run.tools.network, run.args.server_id, timeout_s=APPLY_S)


class ResizeServer(OnServer, frozen=True, kw_only=True, tag="compute.resize_server"):
    """Give a server another flavor.

    may_stay: whether its own host will do, if that is allowed. to: the host that is asked for; None: any.
    claim_status: of the migration once it has a host.
    """

    happens = "resize"
    said = "resize"
    may_stay: ClassVar[bool] = True
    claim_status: ClassVar[str] = "migrating"

    migration_id: str
    to: str | None = None
    steps: ClassVar[tuple[type[Step[Any, Any, Any]], ...]] = (ClaimHost, StopGuest, StartResized)

    async def failed(self, run: Run[Any, Compute], tx: Transaction, why: str) -> None:
        await migrations.set_status(tx, self.migration_id, "error", run.clock.now())
        await servers.change(tx, self.server_id, {"held_vcpus": 0, "held_memory_mib": 0})
        await OnServer.failed(self, run, tx, why)


class MigrateServer(ResizeServer, frozen=True, kw_only=True, tag="compute.migrate_server"):
    """Take a server to another host, where it is with the flavor that it has."""

    said = "migrate"
    may_stay = False


# ---- confirm


class DropOld(Step["ConfirmResize", Compute, None], name="drop_old"):
    """What was kept of the old server is gone, and its share is free."""

    async def do(self, run: Run[ConfirmResize, Compute]) -> None:
        migration, row = await _migration(run), await existing(run)
        if migration.source_compute == row.host:
            command = msgspec.structs.replace(
                await instance_command(run, row, run.args.generation, None),
                power="stopped" if row.power_state == states.SHUTDOWN else "running",
            )
            await run.ask(row.host, command, InstanceState, timeout_s=START_S)
        else:
            await _remove(run, migration.source_compute)

    async def save(self, run: Run[ConfirmResize, Compute], tx: Transaction, result: None) -> None:
        server_id, now = run.args.server_id, run.clock.now()
        migration = await migrations.get(tx, run.args.migration_id)
        row = await servers.get_any(tx, server_id)
        if row is None or row.task_state == "deleting":
            raise StepFailed("The server was deleted.")
        await placement.release(tx, migration.uuid, now)
        if migration.source_compute == row.host:
            await _claim_exactly(run, tx, row)
        else:
            await bindings.leave(tx, server_id, migration.source_compute)
        await topologies.keep_only(tx, server_id, row.host, row.flavor_id)
        stopped = row.power_state == states.SHUTDOWN
        vm_state = "stopped" if stopped else "active"
        await servers.settled(tx, server_id, vm_state, row.power_state, now)
        await servers.change(tx, server_id, {"held_vcpus": 0, "held_memory_mib": 0})
        await migrations.set_status(tx, migration.uuid, "confirmed", now)


async def _claim_exactly(run: Run[Any, Compute], tx: Transaction, row: Any) -> None:
    """The server holds of its host what its flavor says, and no more."""
    now = run.clock.now()
    held = await placement.held(tx, row.id)
    exact = (await topologies.of_server(tx, row)).resources
    if exact:  # the devices that it has, and no others like them
        await claim(tx, row, row.id, exact, now)
        return
    settings = run.tools.settings
    requested = with_values(row, {"requested_host": row.host})
    request = await scheduling.request_of(tx, requested, settings)
    try:
        async with tx.savepoint():
            await placement.release(tx, row.id, now)
            offers = placement.offers(
                tx, scheduling.in_tree(request), isolate=request.isolate, first=1
            )
            async for some in offers:
                await claim(tx, row, row.id, some[0].resources, now)
                return
            raise placement.Full("")
    except placement.Full:
        await claim(tx, row, row.id, held, now)  # the host says of itself less than before


async def _remove(run: Run[Any, Compute], host: str) -> None:
    """Nothing of the server is left on a host; one that does not answer owes it."""
    command = RemoveInstance(
        server_id=run.args.server_id, generation=run.args.generation, request_id=run.request_id
    )
    try:
        await run.ask(host, command, Done, timeout_s=REMOVE_S)
    except Unavailable:
        run.debts.append((host, command))


class _AfterResize(OnServer, frozen=True, kw_only=True):
    migration_id: str

    async def failed(self, run: Run[Any, Compute], tx: Transaction, why: str) -> None:
        """It can be asked for again."""
        await migrations.set_status(tx, self.migration_id, "finished", run.clock.now())
        await OnServer.failed(self, run, tx, why)


class ConfirmResize(_AfterResize, frozen=True, kw_only=True, tag="compute.confirm_resize"):
    """Keep the new flavor."""

    happens = "resize_confirm"
    said = "confirm the resize of"
    steps = (DropOld,)


async def begin_confirm(tx: Transaction, row: Any, now: datetime) -> ConfirmResize:
    """Let a confirmation begin.

    Raises:
        Conflict: the server's state does not allow it. BadInput: nothing waits to be confirmed.
    """
    generation = await servers.begin(tx, row, "confirmResize", now)
    migration = await migrations.finished(tx, row.id)
    await migrations.set_status(tx, migration.uuid, "confirming", now)
    return ConfirmResize(server_id=row.id, generation=generation, migration_id=migration.uuid)


# ---- revert


class StartOld(Step["RevertResize", Compute, str], name="start_old"):
    """The guest is there in its old shape, with its disk as it was. Returns the power state."""

    result_type: ClassVar[Any] = str

    async def do(self, run: Run[RevertResize, Compute]) -> str:
        migration, row = await _migration(run), await existing(run)
        host = migration.source_compute
        if host != row.host:
            await place_at(run, host)
            await with_volumes.open_all(run, row.id, host)
        command = msgspec.structs.replace(
            await self._command(run, row, migration), power=stood(migration.before)
        )
        return (await run.ask(host, command, InstanceState, timeout_s=START_S)).power

    async def _command(
        self, run: Run[RevertResize, Compute], row: Any, migration: Any
    ) -> EnsureInstance:
        columns = {name: migration.before[name] for name in resizing.COLUMNS}
        old = with_values(row, {**columns, "host": migration.source_compute})
        command = await instance_command(run, old, run.args.generation, None)
        return msgspec.structs.replace(command, restore=checkpoint(migration))

    async def save(self, run: Run[RevertResize, Compute], tx: Transaction, result: str) -> None:
        server_id, now = run.args.server_id, run.clock.now()
        migration = await migrations.get(tx, run.args.migration_id)
        before = migration.before
        row = await servers.get_any(tx, server_id)
        if row is None or row.task_state == "deleting":
            raise StepFailed("The server was deleted.")
        if migration.source_compute != row.host:
            await bindings.go_back(tx, server_id, migration.source_compute, now)
        await placement.release(tx, migration.uuid, now)
        await claim(tx, row, server_id, before["held"], now)
        columns = {name: before[name] for name in resizing.COLUMNS}
        await servers.change(tx, server_id, {**columns, "held_vcpus": 0, "held_memory_mib": 0})
        await topologies.keep_only(tx, server_id, migration.source_compute, before["flavor_id"])
        power = states.POWER.get(result, states.NO_STATE)
        await servers.settled(tx, server_id, before["vm_state"], power, now)
        await migrations.set_status(tx, migration.uuid, "reverted", now)

    async def unsave(self, run: Run[RevertResize, Compute], tx: Transaction) -> None:
        row = await servers.get_any(tx, run.args.server_id)
        if row is not None and row.vm_state == "resized":
            await networks.place(tx, run.tools.network, row.id, row.host or "")


class LeaveNew(Step["RevertResize", Compute, None], name="leave_new"):
    """Nothing of the new server is left on another host. There is no way back from here."""

    async def do(self, run: Run[RevertResize, Compute]) -> None:
        await self._leave(run)

    async def save(self, run: Run[RevertResize, Compute], tx: Transaction, result: None) -> None:
        migration = await migrations.get(tx, run.args.migration_id)
        if migration.dest_compute != migration.source_compute:
            await bindings.leave(tx, run.args.server_id, migration.dest_compute)

    async def undo(self, run: Run[RevertResize, Compute]) -> None:
        await self._leave(run)

    async def unsave(self, run: Run[RevertResize, Compute], tx: Transaction) -> None:
        await self.save(run, tx, None)

    @staticmethod
    async def _leave(run: Run[RevertResize, Compute]) -> None:
        migration = await _migration(run)
        if migration.dest_compute != migration.source_compute:
            await _remove(run, migration.dest_compute)


class RevertResize(_AfterResize, frozen=True, kw_only=True, tag="compute.revert_resize"):
    """Take the old flavor back."""

    happens = "resize_revert"
    said = "revert the resize of"
    steps = (StopGuest, StartOld, LeaveNew)

    async def failed(self, run: Run[Any, Compute], tx: Transaction, why: str) -> None:
        """Once the server is what it was, only tidying up is left; before, it can be asked for again."""
        migration = await migrations.get(tx, self.migration_id)
        if migration.status == "reverted":
            await OnServer.failed(self, run, tx, why)
        else:
            await _AfterResize.failed(self, run, tx, why)
