"""From "deleting" to nothing left: guest, ports, allocation."""

from __future__ import annotations

from typing import Any

from hanok.base.errors import Unavailable
from hanok.commands import Done, RemoveInstance
from hanok.operations import Operation, Run, Step
from hanok.services.compute.logic import bindings, migrations, notifications, servers, topologies
from hanok.services.compute.operations import with_volumes
from hanok.services.compute.operations.drop_image import drop
from hanok.services.compute.room import Compute
from hanok.services.compute.tables import servers as server_table
from hanok.services.network import facade as networks
from hanok.services.placement import facade as placement
from hanok.store import Transaction

REMOVE_S = 30.0


class RemoveGuest(Step["DeleteServer", Compute, None], name="remove_guest"):
    """Nothing of the guest is left on its host, or where it was about to go. A host that does not answer owes it."""

    async def do(self, run: Run[DeleteServer, Compute]) -> None:
        row = await run.read(servers.get_any, run.args.server_id)
        if row is None:
            return
        command = RemoveInstance(
            server_id=row.id, generation=run.args.generation, request_id=run.request_id
        )
        for host in filter(None, (row.host, *await run.read(bindings.other_hosts, row.id))):
            try:
                await run.ask(host, command, Done, timeout_s=REMOVE_S)
            except Unavailable:
                run.debts.append((host, command))


class ReleaseVolumes(Step["DeleteServer", Compute, None], name="release_volumes"):
    """Its volumes are closed and free for others; those that are to go with it are being deleted."""

    async def do(self, run: Run[DeleteServer, Compute]) -> None:
        await with_volumes.close_all(run, run.args.server_id)

    async def save(self, run: Run[DeleteServer, Compute], tx: Transaction, result: None) -> None:
        await with_volumes.let_all_go(run, tx, run.args.server_id)


class ReleasePorts(Step["DeleteServer", Compute, None], name="release_ports"):
    """Its ports are gone, or free for others."""

    async def do(self, run: Run[DeleteServer, Compute]) -> None:
        return None

    async def save(self, run: Run[DeleteServer, Compute], tx: Transaction, result: None) -> None:
        await networks.release(tx, run.tools.network, run.args.server_id)


class ForgetServer(Step["DeleteServer", Compute, None], name="forget_server"):
    """Its share of the host is free; the server is deleted."""

    async def do(self, run: Run[DeleteServer, Compute]) -> None:
        return None

    async def save(self, run: Run[DeleteServer, Compute], tx: Transaction, result: None) -> None:
        now = run.clock.now()
        await placement.release(tx, run.args.server_id, now)
        for uuid in await migrations.end_all(tx, run.args.server_id, now):
            await placement.release(tx, uuid, now)
        row = await servers.get_any(tx, run.args.server_id)
        await drop(run, tx, None if row is None else row.shelved_image_id)
        await topologies.forget(tx, run.args.server_id)
        await servers.gone(tx, run.args.server_id, now)


class DeleteServer(Operation, frozen=True, kw_only=True, tag="compute.delete_server"):
    """Delete a server in whatever state it is."""

    server_id: str
    generation: int
    steps = (RemoveGuest, ReleaseVolumes, ReleasePorts, ForgetServer)

    @property
    def resource(self) -> str:
        return f"server:{self.server_id}"

    @property
    def event(self) -> str:
        return "compute.instance.delete"

    async def news(self, run: Run[Any, Compute], tx: Transaction) -> dict[str, Any]:
        return await notifications.news(tx, run.tools.network, self.server_id)

    async def stuck(self, run: Run[Any, Compute], tx: Transaction, why: str) -> None:
        await servers.stuck(tx, self.server_id, why, run.clock.now())

    async def failed(self, run: Run[Any, Compute], tx: Transaction, why: str) -> None:
        # Whatever kept it from ending, the server can be deleted again.
        row = await servers.get_any(tx, self.server_id)
        if row is not None and row.task_state == "deleting":
            await tx.execute(
                server_table.update()
                .where(server_table.c.id == self.server_id)
                .values(task_state=None)
            )
        await servers.failed(
            tx, self.server_id, f"The server could not be deleted: {why}", "", run.clock.now()
        )
