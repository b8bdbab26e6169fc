"""Connections to the metadata address: none of a shared network keeps the others away, odd ones are answered."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from hanok.base.clock import Clock
from hanok.bus import MemoryBus
from hanok.commands import MetadataDocument, wire
from hanok.node import metadata
from hanok.node.metadata import EACH_GUEST, MAX_CONNECTIONS, MetadataServer


class OnLoopback:
    """A network whose guests are addresses of loopback."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])

    async def metadata_sockets(self, network_id: str) -> list[socket.socket]:
        return [self.listener]


async def _connected(port: int, guest: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port, local_addr=(guest, 0))


async def _serving() -> tuple[MemoryBus, Any, MetadataServer]:
    bus = MemoryBus()

    async def answer(_subject: str, payload: bytes) -> bytes:
        return wire.encode(MetadataDocument(found=True, files={"latest/user-data": b"#!"}))

    await bus.listen(f"{wire.METADATA}.*", answer)
    network: Any = OnLoopback()
    server = MetadataServer(bus=bus, chassis=network, clock=Clock(), host="host-1")
    await server.serve("n", True)
    return bus, network, server


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/latest/user-data", 200),
        ("//latest/user-data", 200),
        ("/latest//user-data?x=/y#z", 200),
        ("http://169.254.169.254/latest/user-data", 200),
        ("http://169.254.169.254", 200),
        ("//[", 404),
        ("http://[", 400),
        ("latest/user-data", 400),
        ("*", 400),
        ("/%zz", 404),
        ("/..", 404),
    ],
)
async def test_a_target_of_any_form_is_answered(target: str, status: int) -> None:
    bus, network, server = await _serving()
    reader, writer = await _connected(network.port, "127.0.0.2")
    writer.write(f"GET {target} HTTP/1.1\r\n\r\n".encode())
    async with asyncio.timeout(30):
        assert (await reader.read()).split(b" ")[1] == str(status).encode()
    writer.close()
    await server.close()
    await bus.close()


async def test_one_guest_leaves_room_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "REQUEST_S", 300.0)  # what holds connections is not given up
    bus, network, server = await _serving()
    held = [await _connected(network.port, "127.0.0.2") for _ in range(EACH_GUEST * 2)]
    greedy = MAX_CONNECTIONS // EACH_GUEST
    for number in range(3, 3 + greedy):
        held += [await _connected(network.port, f"127.0.0.{number}") for _ in range(EACH_GUEST)]
    reader, writer = await _connected(network.port, "127.0.0.200")
    writer.write(b"GET /latest/user-data HTTP/1.0\r\n\r\n")
    async with asyncio.timeout(60):
        assert (await reader.read()).endswith(b"#!")
    for _, one in [*held, (reader, writer)]:
        one.close()
    await server.close()
    await bus.close()
