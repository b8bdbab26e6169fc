"""A server goes to another host while it runs.

The host that it goes to waits for it, the one that it is on sends it. Which of the two has it is decided by the one
that it is on, when all of it is there (`hanok.commands.moving`): before that, whatever goes wrong leaves it where it
was; after that it is on the other host, whatever else goes wrong. Only where neither host answers is that not known,
and waited for.
"""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any, ClassVar

import msgspec

from hanok.base.errors import HanokError, StepFailed, Unavailable
from hanok.commands import (
    AdmitInstance,
    ByteChannel,
    Done,
    ExpectedInstance,
    ExpectInstance,
    InstanceState,
    KeepInstance,
    KeptInstance,
    OfferDisks,
    OfferedDisks,
    RefusedInstance,
    RefuseInstance,
    RemoveInstance,
    SendInstance,
    SentInstance,
    TakeDisks,
    TakenDisks,
)
from hanok.operations import Cancelled, Run, Step
from hanok.services.compute import states
from hanok.services.compute.logic import (
    bindings,
    hosts,
    migrations,
    server_volumes,
    servers,
    topologies,
)
from hanok.services.compute.operations import with_volumes
from hanok.services.compute.operations.changing import OnServer, existing, with_values
from hanok.services.compute.operations.create_server import (
    APPLY_S,
    COPY_S,
    START_S,
    ensure_image,
    instance_command,
)
from hanok.services.compute.operations.delete_server import REMOVE_S
from hanok.services.compute.operations.resize_server import ClaimHost, MigrateServer
from hanok.services.compute.room import Compute
from hanok.services.network import facade as networks
from hanok.services.placement import facade as placement
from hanok.store import Transaction

SEND_S = 30.0  # for an answer that says how far it is


class Awaited(msgspec.Struct, frozen=True, kw_only=True):
    """Where the server is awaited. ticket: sealed. volumes: how they are reached from there, by the server's rows."""

    url: str
    ticket: str
    disks: tuple[str, ...]
    volumes: dict[str, dict[str, Any]] = {}


def _to(run: Run[Any, Compute]) -> str:
    claimed = run.result(ClaimHost)
    assert claimed is not None
    return claimed.host


async def _has_gone(run: Run[Any, Compute], tx: Transaction) -> bool:
    """Whether the server is on the host that it was to go to."""
    row = await servers.get_even_deleted(tx, run.args.server_id)
    claimed = run.result(ClaimHost)
    return row is not None and claimed is not None and row.host == claimed.host


class ClaimNext(ClaimHost, name="claim_host"):
    """Another host is taken for the server, beside its own."""

    async def save(self, run: Run[Any, Compute], tx: Transaction, result: Any) -> None:
        await servers.set_task(tx, run.args.server_id, "migrating", run.clock.now())

    async def unsave(self, run: Run[Any, Compute], tx: Transaction) -> None:
        if await _has_gone(run, tx):
            await _left(run, tx)
        else:
            await ClaimHost.unsave(self, run, tx)


class AwaitGuest(Step["LiveMigrateServer", Compute, Awaited], name="await_guest"):
    """The other host waits for the guest, with its image, interfaces, volumes and disks."""

    result_type: ClassVar[Any] = Awaited
    deadline_s = 3 * COPY_S

    async def do(self, run: Run[LiveMigrateServer, Compute]) -> Awaited:
        row, host = await existing(run), _to(run)
        await _check_alike(run, row.host, host)
        requested = with_values(row, {"host": host})
        await ensure_image(run, requested)
        async with run.transaction() as tx:
            await networks.expect(tx, run.tools.network, row.id, host)
        await networks.applied(run.tools.network, row.id, timeout_s=APPLY_S)
        volumes = await self._volumes(run, host)
        offered = await self._files(run, row, host)
        command = ExpectInstance(
            server_id=row.id,
            generation=run.args.generation,
            instance=await self._instance(run, requested, volumes),
            from_host=row.host,
            sizes=offered.sizes,
            power="paused" if row.vm_state == "paused" else "running",
            request_id=run.request_id,
        )
        found = (await run.ask(host, command, ExpectedInstance, timeout_s=START_S)).target
        return Awaited(
            url=found.url,
            ticket=run.tools.secrets.seal(found.ticket.encode()),
            disks=tuple(offered.sizes),
            volumes=volumes,
        )

    async def _volumes(
        self, run: Run[LiveMigrateServer, Compute], host: str
    ) -> dict[str, dict[str, Any]]:
        """The server's volumes can be reached from both hosts; how from the new one, by row."""
        found = {}
        for row in await run.read(server_volumes.of_server, run.args.server_id):
            if row.attachment_id is not None:
                found[row.id] = await with_volumes.open_beside(run, row, host)
        return found

    async def _files(
        self, run: Run[LiveMigrateServer, Compute], row: Any, host: str
    ) -> OfferedDisks:
        """What of the guest's files does not change while it runs is on the other host."""
        offer = OfferDisks(
            server_id=row.id,
            generation=run.args.generation,
            to_host=host,
            live=True,
            request_id=run.request_id,
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
        return offered

    async def _instance(
        self, run: Run[LiveMigrateServer, Compute], row: Any, volumes: dict[str, dict[str, Any]]
    ) -> Any:
        """The guest as the other host has it."""
        command = await instance_command(run, row, run.args.generation, None)
        rows = await run.read(server_volumes.of_server, row.id)
        there: Any = [
            SimpleNamespace(**{**one._mapping, "address": volumes[one.id]})
            for one in rows
            if one.id in volumes
        ]
        return msgspec.structs.replace(command, volumes=server_volumes.guest_volumes(there))

    async def undo(self, run: Run[LiveMigrateServer, Compute]) -> None:
        """The host that does not have the guest has nothing of it; volumes are reached from where it is."""
        row = await run.read(servers.get_even_deleted, run.args.server_id)
        if row is None or row.host is None:
            return
        migration = await run.read(migrations.get, run.args.migration_id)
        gone = row.host == _to(run)
        command = RemoveInstance(
            server_id=row.id, generation=run.args.generation + 1, request_id=run.request_id
        )
        other = migration.source_compute if gone else _to(run)
        await run.ask_or_owe(other, command, Done, timeout_s=REMOVE_S)
        if not row.deleted:
            with contextlib.suppress(
                Unavailable
            ):  # the next time that it is opened, it is for one host again
                await with_volumes.open_all(run, row.id, row.host)

    async def unsave(self, run: Run[LiveMigrateServer, Compute], tx: Transaction) -> None:
        if not await _has_gone(run, tx):
            await networks.unexpect(tx, run.tools.network, run.args.server_id, _to(run))
        await servers.raise_generation(tx, run.args.server_id, run.args.generation + 1)


async def _check_alike(run: Run[Any, Compute], here: str, there: str) -> None:
    """Raises StepFailed when guests of one host cannot go on on the other."""
    async with run.reading() as tx:
        told = await hosts.told(tx, [here, there])
    if here not in told or there not in told:
        raise StepFailed("A host has not reported yet how it runs guests.")
    old, new = told[here], told[there]
    if old.accelerator != new.accelerator:
        raise StepFailed(
            f"Host {there} runs guests otherwise than host {here}: {new.accelerator}, not {old.accelerator}."
        )
    if missing := sorted({*old.cpu_flags} - {*new.cpu_flags}):
        raise StepFailed(
            f"The processors of host {there} lack what guests of host {here} may use: {', '.join(missing[:5])}."
        )


class MoveGuest(Step["LiveMigrateServer", Compute, str], name="move_guest"):
    """The guest is on the other host. Returns its power state."""

    result_type: ClassVar[Any] = str
    deadline_s = 3 * 3600.0
    interruptible = False

    def __init__(self) -> None:
        self._gone = False  # while it is undone: whether the guest is on the other host after all

    async def do(self, run: Run[LiveMigrateServer, Compute]) -> str:
        row = await existing(run)
        await self._note(run, "running", {})
        command = self._command(run)
        while True:
            migration = await run.read(migrations.get, run.args.migration_id)
            hurry = bool(migration.before.get(migrations.HURRY))
            command = msgspec.structs.replace(command, hurry=hurry)
            answer = await run.ask(row.host, command, SentInstance, timeout_s=SEND_S)
            await self._note(run, "running", answer.progress)
            await run.progress(_percent(answer.progress))
            if answer.sent:
                break
            await self._heed(run, row)
        admit = AdmitInstance(
            server_id=row.id, generation=run.args.generation, request_id=run.request_id
        )
        return (await run.ask(_to(run), admit, InstanceState, timeout_s=START_S)).power

    def _command(self, run: Run[LiveMigrateServer, Compute]) -> SendInstance:
        awaited = run.result(AwaitGuest)
        assert awaited is not None
        ticket = run.tools.secrets.open(awaited.ticket)
        if ticket is None:
            raise Unavailable("The server's migration to the other host is not known here.")
        return SendInstance(
            server_id=run.args.server_id,
            generation=run.args.generation,
            target=ByteChannel(url=awaited.url, ticket=ticket.decode()),
            disks=awaited.disks,
            request_id=run.request_id,
        )

    async def _heed(self, run: Run[LiveMigrateServer, Compute], row: Any) -> None:
        """Where it was called off it stays, if it has not gone yet."""
        try:
            run.check_cancelled()
        except Cancelled:
            if not await self._keep(run, row.host, run.args.generation):
                raise

    async def _keep(
        self, run: Run[Any, Compute], host: str, generation: int, *, even_sent: bool = False
    ) -> bool:
        """The guest stays where it is, unless it has been sent; whether that was so."""
        command = KeepInstance(
            server_id=run.args.server_id,
            generation=generation,
            even_sent=even_sent,
            request_id=run.request_id,
        )
        return (await run.ask(host, command, KeptInstance, timeout_s=START_S)).sent

    @staticmethod
    async def _note(run: Run[Any, Compute], status: str, progress: dict[str, int]) -> None:
        async with run.transaction() as tx:
            now = run.clock.now()
            await migrations.set_progress(tx, run.args.migration_id, status, progress, now)

    async def save(
        self, run: Run[LiveMigrateServer, Compute], tx: Transaction, result: str
    ) -> None:
        await _gone(run, tx)
        await migrations.set_status(tx, run.args.migration_id, "post-migrating", run.clock.now())

    async def undo(self, run: Run[LiveMigrateServer, Compute]) -> None:
        """Find out where the guest is; it stays there.

        Raises:
            Unavailable: it cannot be said.
        """
        row = await run.read(servers.get_even_deleted, run.args.server_id)
        if row is None or row.host is None or row.host == _to(run):
            return
        generation = run.args.generation + 1
        sent: bool | None = None
        with contextlib.suppress(Unavailable):
            sent = await self._keep(run, row.host, generation)
        if sent is False:
            return
        refuse = RefuseInstance(server_id=row.id, generation=generation, request_id=run.request_id)
        try:
            there = (await run.ask(_to(run), refuse, RefusedInstance, timeout_s=START_S)).has_come
        except Unavailable:
            if sent is None:
                raise
            there = True
        self._gone = there
        if not there:
            await self._keep_or_owe(run, row.host, generation)

    @staticmethod
    async def _keep_or_owe(run: Run[Any, Compute], host: str, generation: int) -> None:
        command = KeepInstance(
            server_id=run.args.server_id,
            generation=generation,
            even_sent=True,
            request_id=run.request_id,
        )
        await run.ask_or_owe(host, command, KeptInstance, timeout_s=START_S)

    async def unsave(self, run: Run[LiveMigrateServer, Compute], tx: Transaction) -> None:
        if self._gone and not await _has_gone(run, tx):
            await _gone(run, tx)
        await servers.raise_generation(tx, run.args.server_id, run.args.generation + 1)


def _percent(progress: dict[str, int]) -> float:
    """Of memory and disks together."""
    total, done = (
        sum(progress.get(f"{what}_{part}_bytes", 0) for what in ("memory", "disk"))
        for part in ("total", "processed")
    )
    return 100.0 * done / total if total else 0.0


async def _gone(run: Run[Any, Compute], tx: Transaction) -> None:
    """The server is on the other host from now on."""
    server_id, now, host = run.args.server_id, run.clock.now(), _to(run)
    await bindings.arrive(tx, server_id, host, now)
    await networks.arrive(tx, run.tools.network, server_id, host)
    awaited = run.result(AwaitGuest)
    for row_id, address in (awaited.volumes if awaited is not None else {}).items():
        await server_volumes.change(tx, row_id, address=address)


async def _left(run: Run[Any, Compute], tx: Transaction) -> None:
    """The host that the server was on has no share in it any more."""
    server_id, now = run.args.server_id, run.clock.now()
    migration = await migrations.get(tx, run.args.migration_id)
    await placement.release(tx, migration.uuid, now)
    await bindings.leave(tx, server_id, migration.source_compute)
    row = await servers.get_any(tx, server_id)
    if row is not None:
        await topologies.keep_only(tx, server_id, row.host, row.flavor_id)
    await migrations.set_status(tx, migration.uuid, "completed", now)


class LeaveSource(Step["LiveMigrateServer", Compute, None], name="leave_source"):
    """Nothing of the guest is on the host that it was on. There is no way back from here."""

    interruptible = False

    async def do(self, run: Run[LiveMigrateServer, Compute]) -> None:
        migration, row = await run.read(migrations.get, run.args.migration_id), await existing(run)
        command = RemoveInstance(
            server_id=row.id, generation=run.args.generation, request_id=run.request_id
        )
        try:
            await run.ask(migration.source_compute, command, Done, timeout_s=REMOVE_S)
        except Unavailable:
            run.debts.append((migration.source_compute, command))
        with contextlib.suppress(
            HanokError
        ):  # it is open there; that it is open elsewhere, too, ends with it
            await with_volumes.open_all(run, row.id, row.host)

    async def save(
        self, run: Run[LiveMigrateServer, Compute], tx: Transaction, result: None
    ) -> None:
        moved = run.result(MoveGuest)
        await _left(run, tx)
        await _settled(run, tx, moved or "running")


async def _settled(run: Run[Any, Compute], tx: Transaction, power: str) -> None:
    """The server does nothing more, unless it is being deleted."""
    row = await servers.get_any(tx, run.args.server_id)
    if row is not None and row.task_state == "migrating":
        number = states.POWER.get(power, states.NO_STATE)
        await servers.settled(tx, row.id, row.vm_state, number, run.clock.now())


class LiveMigrateServer(MigrateServer, frozen=True, kw_only=True, tag="compute.live_migrate_server"):  # fmt: skip
    """Take a server to another host while it runs."""

    happens = "live_migration"
    said = "live-migrate"
    claim_status: ClassVar[str] = "preparing"
    deadline_s: ClassVar[float] = 4 * 3600.0
    steps: ClassVar[tuple[type[Step[Any, Any, Any]], ...]] = (
        ClaimNext,
        AwaitGuest,
        MoveGuest,
        LeaveSource,
    )

    async def failed(self, run: Run[Any, Compute], tx: Transaction, why: str) -> None:
        """It is where it is, and says why it is not where it should be."""
        if not await _has_gone(run, tx):
            await migrations.set_status(tx, self.migration_id, "error", run.clock.now())
        await OnServer.failed(self, run, tx, why)

    async def cancelled(self, run: Run[Any, Compute], tx: Transaction) -> None:
        now = run.clock.now()
        if not await _has_gone(run, tx):
            await migrations.set_status(tx, self.migration_id, "cancelled", now)
        row = await servers.get_any(tx, self.server_id)
        if row is not None and row.task_state == "migrating":
            await servers.set_task(tx, self.server_id, None, now)
