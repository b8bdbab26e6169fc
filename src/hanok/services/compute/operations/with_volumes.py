"""What operations do with the volumes of a server: open them where it is, close them, let them go."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Literal

from sqlalchemy import Row

from hanok.base.errors import Conflict, HanokError, StepFailed, Unavailable
from hanok.commands import CloseVolume, Done
from hanok.operations import Run
from hanok.services.compute.logic import server_volumes, servers
from hanok.services.compute.room import Compute
from hanok.store import Transaction

CLOSE_S = 30.0
AGAIN_S = (0.2, 1.0)  # between tries


async def open_one(run: Run[Any, Compute], row: Row[Any], host: str) -> None:
    """A server's volume can be reached from a host, and its row says how.

    Raises:
        StepFailed: it cannot. Unavailable: its host does not answer.
    """
    try:
        opened = await run.tools.volumes.open(row.attachment_id, host)
    except Unavailable:
        raise
    except HanokError as error:
        raise StepFailed(
            f"Volume {row.volume_id} could not be opened: {error.message}", detail=error.detail
        ) from error
    async with run.transaction() as tx:
        await server_volumes.change(tx, row.id, address=server_volumes.address_of(opened))


async def open_beside(run: Run[Any, Compute], row: Row[Any], host: str) -> dict[str, Any]:
    """A server's volume can be reached from another host, too; how, as its row says it once the server is there.

    Raises as `open_one`.
    """
    try:
        opened = await run.tools.volumes.open(row.attachment_id, host, beside=True)
    except Unavailable:
        raise
    except HanokError as error:
        raise StepFailed(
            f"Volume {row.volume_id} could not be opened: {error.message}", detail=error.detail
        ) from error
    return server_volumes.address_of(opened)


async def open_all(run: Run[Any, Compute], server_id: str, host: str) -> None:
    """All that a server has can be reached from a host. Raises as `open_one`."""
    for row in await run.read(server_volumes.of_server, server_id):
        if row.attachment_id is not None:
            await open_one(run, row, host)


Silent = Literal["owe", "leave", "fail"]


async def close_one(run: Run[Any, Compute], row: Row[Any], silent: Silent = "owe") -> None:
    """A server's volume is reached by it no more.

    Args:
        silent: what becomes of it when the volume's host does not answer. owe: it does that when it is back; only for
            attachments that are never opened again, as it may come late. leave: it stays open for nobody. fail.

    Raises:
        Unavailable: the host does not answer, and that is a failure.
    """
    if row.attachment_id is None or (volumes := run.tools.find_volumes()) is None:
        return
    if (found := await run.read(volumes.closing, row.attachment_id)) is None:
        return
    host, command = found
    try:
        await _ask_again(run, host, command)
    except Unavailable:
        if silent == "fail":
            raise
        if silent == "owe":
            run.debts.append((host, command))


async def _ask_again(run: Run[Any, Compute], host: str, command: CloseVolume) -> None:
    """Ask a host, which may be away for a moment. Raises Unavailable."""
    for wait_s in AGAIN_S:
        with contextlib.suppress(Unavailable):
            await run.ask(host, command, Done, timeout_s=CLOSE_S)
            return
        await asyncio.sleep(wait_s)
    await run.ask(host, command, Done, timeout_s=CLOSE_S)


async def close_all(run: Run[Any, Compute], server_id: str, silent: Silent = "owe") -> None:
    """All that a server has is closed; as `close_one`."""
    for row in await run.read(server_volumes.of_server, server_id):
        await close_one(run, row, silent)


async def let_go(run: Run[Any, Compute], tx: Transaction, row: Row[Any]) -> None:
    """The volume is the server's no longer: free for others, or with whom else has it."""
    if row.attachment_id is not None:
        await run.tools.volumes.release(tx, row.attachment_id)
    await server_volumes.forget(tx, row.id)


async def let_all_go(run: Run[Any, Compute], tx: Transaction, server_id: str) -> None:
    """A server that is deleted has no volumes; those that are to go with it are deleted, if nothing needs them."""
    for row in await server_volumes.of_server(tx, server_id):
        await let_go(run, tx, row)
        if row.delete_on_termination and row.volume_id is not None:
            with contextlib.suppress(Conflict):  # it has snapshots, say: it stays
                async with tx.savepoint():
                    info = await run.tools.volumes.get(tx, row.volume_id)
                    rebuilt = info is not None and info.status == "downloading"
                    await run.tools.volumes.delete(tx, row.volume_id, force=rebuilt)


async def address_gone(tx: Transaction, server_id: str) -> None:
    """No volume of a server is open."""
    for row in await server_volumes.of_server(tx, server_id):
        await server_volumes.change(tx, row.id, address=None)


async def has_guest(run: Run[Any, Compute]) -> Any:
    """The server's row if there is a guest to tell of volumes; for undo."""
    row = await run.read(servers.get_even_deleted, run.args.server_id)
    if row is None or row.deleted or not row.host or row.task_state == "deleting":
        return None
    return row


async def all_attached(run: Run[Any, Compute], tx: Transaction, server_id: str) -> None:
    """The guest has all volumes of the server."""
    for row in await server_volumes.of_server(tx, server_id):
        await run.tools.volumes.complete(tx, row.attachment_id, row.device)
        await server_volumes.change(tx, row.id, state=server_volumes.ATTACHED)


async def name_devices(run: Run[Any, Compute], tx: Transaction, server: Any) -> None:
    """Volumes that came while a server was on no host have names now, too."""
    for row in await server_volumes.of_server(tx, server.id):
        if row.device is None and row.attachment_id is not None:
            rows = await server_volumes.of_server(tx, server.id)
            device = server_volumes.next_device(server, rows, row.bus)
            await server_volumes.change(tx, row.id, device=device)
            await run.tools.volumes.complete(tx, row.attachment_id, device)
