"""Share servers are set up and removed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from hanok.base.errors import BadInput, StepFailed
from hanok.commands import (
    BalancerRoute,
    Done,
    EnsureShareServer,
    RemoveShareServer,
    SharePort,
    ShareServerState,
)
from hanok.operations import Operation, Run, Step, Waiting
from hanok.services.network import facade as networks
from hanok.services.shared_file_system.logic import (
    instances,
    share_networks,
    share_servers,
)
from hanok.services.shared_file_system.room import Shares
from hanok.store import Transaction
from hanok.web.token import Caller

ASK_S = 60.0


class OnServer(Operation, frozen=True, kw_only=True):
    """An operation on a share server."""

    share_server_id: str
    generation: int

    @property
    def resource(self) -> str:
        return f"share_server:{self.share_server_id}"

    async def failed(self, run: Run[Any, Shares], tx: Transaction, why: str) -> None:
        row = await share_servers.get_any(tx, self.share_server_id)
        if row is not None:
            values = {"status": share_servers.ERROR}
            await share_servers.change(tx, row.id, values, run.clock.now())

    async def stuck(self, run: Run[Any, Shares], tx: Transaction, why: str) -> None:
        await self.failed(run, tx, why)


def _port(row: Row[Any], stands: networks.Standing) -> SharePort:
    return SharePort(
        port_id=row.port_id,
        mac=stands.mac,
        mtu=stands.mtu,
        addresses=stands.addresses,
        gateways=stands.gateways,
        routes=tuple(
            BalancerRoute(destination=prefix, next_hop=hop) for prefix, hop in stands.routes
        ),
    )


class SetUp(Step["SetUpShareServer", Shares, None], name="set_up_server"):
    """The server answers at its addresses."""

    async def do(self, run: Run[SetUpShareServer, Shares]) -> None:
        row = await run.read(share_servers.get_any, run.args.share_server_id)
        if row is None:
            raise StepFailed("The share server was deleted meanwhile.")
        stands = await run.read(share_servers.stands, row)
        request = EnsureShareServer(
            server_id=row.id,
            generation=run.args.generation,
            port=_port(row, stands),
            request_id=run.request_id,
        )
        await run.ask(row.node, request, ShareServerState, timeout_s=ASK_S)

    async def save(self, run: Run[SetUpShareServer, Shares], tx: Transaction, result: None) -> None:
        now = run.clock.now()
        values = {"status": share_servers.ACTIVE, "empty_since": now}
        await share_servers.change(tx, run.args.share_server_id, values, now)

    async def undo(self, run: Run[SetUpShareServer, Shares]) -> None:
        """What was set up of it stays until the server, in error, is deleted."""


class SetUpShareServer(
    OnServer, frozen=True, kw_only=True, tag="shared_file_system.set_up_share_server"
):
    """From the row that a share claimed (creating) to a server that answers (active)."""

    steps = (SetUp,)


class TakeDown(Step["DeleteShareServer", Shares, None], name="remove_server"):
    """Nothing of the server is left."""

    async def do(self, run: Run[DeleteShareServer, Shares]) -> None:
        row = await run.read(share_servers.get_any, run.args.share_server_id)
        if row is None:
            return
        request = RemoveShareServer(
            server_id=row.id, generation=run.args.generation, request_id=run.request_id
        )
        await run.ask_or_owe(row.node, request, Done, timeout_s=ASK_S)

    async def save(
        self, run: Run[DeleteShareServer, Shares], tx: Transaction, result: None
    ) -> None:
        row = await share_servers.get_any(tx, run.args.share_server_id)
        if row is not None:
            await share_servers.gone(tx, run.tools, row)


class DeleteShareServer(
    OnServer, frozen=True, kw_only=True, tag="shared_file_system.delete_share_server"
):
    steps = (TakeDown,)


OPERATIONS = (SetUpShareServer, DeleteShareServer)


# ---- beginning them, and waiting for one ----


async def begin_setting_up(tx: Transaction, room: Shares, user_id: str, row: Row[Any]) -> None:
    """Begin to set up a server that was claimed and is new."""
    operation = SetUpShareServer(share_server_id=row.id, generation=row.generation)
    await room.operations.start(tx, operation, user_id=user_id, project_id=row.project_id)


async def begin_deleting(tx: Transaction, room: Shares, user_id: str, row: Row[Any]) -> None:
    """Begin to delete a server; the checks are the caller's."""
    generation = await share_servers.begin_deleting(tx, room, row)
    operation = DeleteShareServer(share_server_id=row.id, generation=generation)
    await room.operations.start(tx, operation, user_id=user_id, project_id=row.project_id)


async def claimed(
    tx: Transaction,
    room: Shares,
    user_id: str,
    network: Row[Any],
    zone: str | None,
    node: str,
    backend: str,
) -> str:
    """The id of the share server of a share network in a back end; where there is none, one is begun.

    Raises:
        StepFailed: as `share_servers.claim`.
    """
    row, new = await share_servers.claim(tx, room, network, zone, node, backend)
    if new:
        await begin_setting_up(tx, room, user_id, row)
    return str(row.id)


async def until_there(run: Run[Any, Shares], server_id: str) -> None:
    """Go on once a share server is set up.

    Raises:
        Waiting: it is not yet. StepFailed: it will not be.
    """
    row = await run.read(share_servers.get_any, server_id)
    if row is None or row.status in (share_servers.ERROR, share_servers.DELETING):
        raise StepFailed("The share server could not be set up.")
    if row.status == share_servers.CREATING:
        raise Waiting("the share server is being set up", on=f"share_server:{server_id}")


class ShareNetworks:
    """What shares ask of share networks: see `room.Networks`."""

    def __init__(self, room: Shares) -> None:
        self._room = room

    async def check(
        self, tx: Transaction, caller: Caller, share_network_id: str, zone: str | None
    ) -> None:
        row = await share_networks.get(tx, caller, share_network_id)
        share_networks.check_active(row)
        if zone is not None and not await share_networks.serving(tx, row.id, zone):
            raise BadInput(f"Share network {row.id} has no subnet in availability zone {zone}.")

    async def server(self, run: Run[Any, Any], instance: Row[Any]) -> str:
        server_id = instance.share_server_id or await self._claimed(run, instance)
        await until_there(run, server_id)
        return str(server_id)

    async def _claimed(self, run: Run[Any, Any], instance: Row[Any]) -> str:
        async with run.transaction() as tx:
            network = await share_networks.get_any(tx, instance.share_network_id)
            if network is None:
                raise StepFailed("The share network was deleted meanwhile.")
            place = instance.zone, instance.node, instance.backend
            user_id = run.user_id or network.user_id
            server_id = await claimed(tx, self._room, user_id, network, *place)
            await instances.change(tx, self._room, instance.id, share_server_id=server_id)
        return server_id
