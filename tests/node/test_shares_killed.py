"""A node that is killed while it works on shares: said again, all is done, and removed, nothing is left."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from tests.nfs import Client, NFSError
from tests.node import share_process
from tests.node.share_plans import BACKEND, a_server, a_share, access, place
from tests.ports import free_port

from hanok.base.ids import new_uuid
from hanok.commands import RemoveShare, RemoveShareServer, RemoveShareSnapshot, ShareState
from hanok.drivers.nfs import ganesha, pool
from hanok.drivers.nfs.leftovers import mounts, servers
from hanok.node.chassis import NullChassis
from hanok.node.errors import Late, NotDone
from hanok.node.settings import NodeSettings, ShareBackendSettings
from hanok.node.share_folders import shares_of
from hanok.node.shares import Shares

LACKS = [*pool.missing(), *ganesha.missing()]
pytestmark = [
    pytest.mark.host,
    pytest.mark.skipif(bool(LACKS), reason="; ".join(LACKS)),
]


async def killed_after(delay_s: float, folder: Path, port: int, ids: list[str]) -> None:
    """A node begins all of it, and is killed."""
    argv = [sys.executable, share_process.__file__, str(folder), str(port), *ids]
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(delay_s):
            await process.stdout.read()
    except TimeoutError:
        process.send_signal(signal.SIGKILL)
    await process.wait()


async def test_killed_at_any_moment_it_is_done_when_it_is_said_again() -> None:
    async with place() as folder:
        for number in range(5):
            port, ids = free_port(), [new_uuid() for _ in range(4)]
            server_id, share_id, snapshot_id, copy_id = ids
            await killed_after(0.7 + 0.45 * number, folder, port, ids)
            node = share_process.node(folder, port)
            await node.adopt()
            for command in share_process.commands(*ids):
                with suppress(Late):  # a newer one was done before
                    while (
                        isinstance(state := await node.do(command), ShareState) and not state.done
                    ):
                        await asyncio.sleep(0.02)
            sizes = {one.share_id: one.size_gib for one in (await node.inventory()).shares}
            assert sizes == {share_id: 2, copy_id: 1}

            await node.do(
                RemoveShareSnapshot(
                    snapshot_id=snapshot_id, share_id=share_id, generation=2, backend=BACKEND
                )
            )
            for one in (share_id, copy_id):
                await node.do(RemoveShare(share_id=one, generation=3, backend=BACKEND))
            await node.do(RemoveShareServer(server_id=server_id, generation=2))
            assert servers(folder) == [] == mounts(folder)
            assert not list((folder / "state" / "shares" / "pools" / BACKEND).glob("*.*"))
            assert not list((folder / "state" / "shares" / "recovery").iterdir())
            node.let_go()


async def test_where_there_is_no_room_shares_are_for_reading_only() -> None:
    async with place() as folder:
        port, server = free_port(), a_server()
        share = a_share(server.server_id)

        def node(spare_gib: float) -> Shares:
            settings = NodeSettings(
                host="h",
                state_dir=str(folder / "state"),
                run_dir=str(folder / "run"),
                shares_port=port,
                share_backends=(ShareBackendSettings(name=BACKEND, spare_gib=spare_gib),),
            )
            return shares_of(settings, NullChassis())

        one = node(0.0)
        await one.adopt()
        for command in (server, share, access(share, ("127.0.0.1", "rw"))):
            await one.do(command)
        client = await asyncio.to_thread(
            Client, socket.create_connection(("127.0.0.1", port), timeout=10)
        )
        try:
            await asyncio.to_thread(client.put, share.share_id, "file", b"kept")
            one.let_go()
            one = node(1e9)
            await one.adopt()
            with pytest.raises(NFSError):
                await asyncio.to_thread(client.put, share.share_id, "file", b"more")
            assert await asyncio.to_thread(client.get, share.share_id, "file") == b"kept"
            with pytest.raises(NotDone, match="full"):
                await one.do(a_share(server.server_id))
        finally:
            client.close()
            one.let_go()
