"""Disks that come to a host: which command they came for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from hanok.base.ids import new_uuid
from hanok.commands import ByteChannel, TakeDisks
from hanok.commands.messages import MovedDisk
from hanok.node.errors import NotDone
from hanok.node.guests import Guests
from hanok.node.peers import Arrivals

SERVER = new_uuid()
SIZE = 1 << 20


class NoGuests:
    """A host that knows of no server yet."""

    def generation(self, server_id: str) -> int:
        return 0


class Source:
    """Another host: it sends the first half, and the rest when it may."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.requests = 0
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.requests += 1
        head = f"HTTP/1.1 206 Partial Content\r\nContent-Length: {SIZE}\r\n"
        head += f"Content-Range: bytes 0-{SIZE - 1}/{SIZE}\r\n\r\n"
        writer.write(head.encode() + bytes([self.requests]) * (SIZE // 2))
        await self.may.wait()
        writer.write(bytes([self.requests]) * (SIZE // 2))
        await writer.drain()
        writer.close()


@pytest.fixture
async def source() -> AsyncIterator[Source]:
    one = Source()
    server = await asyncio.start_server(one.answer, "127.0.0.1", 0)
    one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/disks/{SERVER}"
    yield one
    one.may.set()
    server.close()


def taking(source: Source, generation: int, **more: Any) -> TakeDisks:
    disks = (MovedDisk(name="disk", size_bytes=SIZE),)
    channel = ByteChannel(url=source.url, ticket="x")
    values: dict[str, Any] = {"server_id": SERVER, "generation": generation, "wait_s": 0.05} | more
    return TakeDisks(source=channel, disks=disks, **values)


async def all_of(arrivals: Arrivals, command: TakeDisks) -> None:
    while not (await arrivals.take(command)).done:
        await asyncio.sleep(0)


async def test_what_came_for_an_earlier_move_is_not_taken_for_this_one(
    tmp_path: Path, source: Source
) -> None:
    arrivals = Arrivals("h2", tmp_path / "arrivals", cast(Guests, NoGuests()))
    try:
        assert not (await arrivals.take(taking(source, 3))).done
        while not source.requests:
            await asyncio.sleep(0.01)
        assert not (await arrivals.take(taking(source, 5))).done
        source.may.set()
        await all_of(arrivals, taking(source, 5))
        disk = tmp_path / "arrivals" / SERVER / "disk"
        assert disk.read_bytes() == b"\x02" * SIZE  # read anew, for the later one
        # What ends the earlier move, and comes late, leaves what came for the later one.
        arrivals.forget(SERVER, 4)
        assert disk.exists()
        arrivals.forget(SERVER, 6)
        assert not disk.exists()
    finally:
        arrivals.close()


async def test_an_earlier_move_that_asks_late_is_refused(tmp_path: Path, source: Source) -> None:
    arrivals = Arrivals("h2", tmp_path / "arrivals", cast(Guests, NoGuests()))
    try:
        assert not (await arrivals.take(taking(source, 5))).done
        with pytest.raises(NotDone, match="later command"):
            await arrivals.take(taking(source, 3))
        arrivals.forget(SERVER, 6)
        source.may.set()
        with pytest.raises(NotDone, match="not to come here any more"):
            await all_of(arrivals, taking(source, 5))
    finally:
        arrivals.close()
