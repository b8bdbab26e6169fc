"""The live consoles of a simulated guest: a serial line that ends in a login prompt, and a blank screen over RFB 3.8.

Nobody can sign in, as there is nothing behind the prompt; clients of consoles find everything else as usual.
The protocol of the screen is RFC 6143's.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

from hanok.node.errors import NotDone

WIDTH, HEIGHT = 320, 200  # pixels
FOLLOW_S = 0.2
MAXIMUM_TEXT = 1 << 20  # bytes of a clipboard

_TRUE_COLOUR = struct.pack("!BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
# Bytes that follow the type of a client's message.
_SIZES = {0: 19, 2: 3, 3: 9, 4: 7, 5: 5, 6: 7}


class Consoles:
    """Lines to the consoles of guests.

    lines: owns what serves them. log: what a guest has said so far. host_name: what stands before "login:".
    """

    def __init__(
        self,
        lines: asyncio.TaskGroup,
        *,
        log: Callable[[str], str],
        host_name: Callable[[str], str],
    ) -> None:
        self._lines = lines
        self._log = log
        self._host_name = host_name

    async def connect(
        self, server_id: str, kind: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The near end of a line to a guest's console."""
        near, far = socket.socketpair()
        self._lines.create_task(self._serve(server_id, kind, far))
        return await asyncio.open_connection(sock=near)

    async def _serve(self, server_id: str, kind: str, far: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=far)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, NotDone):
            if kind == "serial":
                await self._line(server_id, reader, writer)
            else:
                await screen(reader, writer, self._host_name(server_id))
        writer.close()

    async def _line(
        self, server_id: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """What the guest says, and after that a prompt that lets nobody in."""
        told = 0
        prompt = f"{self._host_name(server_id)} login: "
        while True:
            said = self._log(server_id).encode()
            writer.write(said[told:])
            told = len(said)
            if said.endswith(prompt.encode()):
                break
            await writer.drain()
            await asyncio.sleep(FOLLOW_S)
        secret = False
        while data := await reader.read(1024):
            for byte in data:
                if byte in b"\r\n":
                    writer.write(
                        b"\r\n\r\nLogin incorrect\r\n" + prompt.encode()
                        if secret
                        else b"\r\nPassword: "
                    )
                    secret = not secret
                elif not secret:
                    writer.write(bytes([byte]))
            await writer.drain()


async def screen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
    """Show a black screen to a client until it hangs up."""
    writer.write(b"RFB 003.008\n")
    if not (await reader.readexactly(12)).startswith(b"RFB "):
        return
    writer.write(b"\x01\x01")  # one way to get in: none is asked for
    if await reader.readexactly(1) != b"\x01":
        return
    writer.write(bytes(4))  # let in
    await reader.readexactly(1)  # whether others may look too
    title = name.encode()
    writer.write(struct.pack("!HH", WIDTH, HEIGHT) + _TRUE_COLOUR)
    writer.write(struct.pack("!I", len(title)) + title)
    pixel_bytes = 4
    while kind := await reader.read(1):
        size = _SIZES.get(kind[0])
        if size is None:
            return
        body = await reader.readexactly(size)
        if kind[0] == 0:
            if body[3] not in (8, 16, 32):
                return
            pixel_bytes = body[3] // 8
        elif kind[0] == 2:
            await reader.readexactly(4 * struct.unpack("!xH", body)[0])
        elif kind[0] == 3 and not body[0]:  # the whole of it, and not only what has changed
            writer.write(struct.pack("!BxHHHHHi", 0, 1, 0, 0, WIDTH, HEIGHT, 0))
            writer.write(bytes(WIDTH * HEIGHT * pixel_bytes))
        elif kind[0] == 6:
            length = struct.unpack("!xxxI", body)[0]
            if length > MAXIMUM_TEXT:
                return
            await reader.readexactly(length)
        await writer.drain()
