"""The negotiation of NBD, as far as somebody between a client and a server has to know it.

A client names an export before it reads or writes anything of it. Whoever stands between follows the options until one
is agreed on, and lets through only those that name an export the client may have; what comes after is bytes.

Source: the NBD protocol ("doc/proto.md" of the NBD reference implementation), fixed newstyle.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

from hanok.base.errors import HanokError

GREETING = struct.Struct(">8sQH")
OPTION = struct.Struct(">QII")
REPLY = struct.Struct(">QIII")
HELLO, OPTIONS, REPLIES = b"NBDMAGIC", 0x49484156454F5054, 0x0003E889045565A9
FIXED, NO_ZEROES = 1, 2
ABORT, STARTTLS, INFO, GO = 2, 5, 6, 7
STRUCTURED, LIST_CONTEXTS, SET_CONTEXTS = 8, 9, 10
ACK, ERROR, NOT_SUPPORTED, TLS_REQUIRED, POLICY = 1, 1 << 31, 1 << 31 | 1, 1 << 31 | 5, 1 << 31 | 2
NAMING = (INFO, GO, LIST_CONTEXTS, SET_CONTEXTS)
OPTION_BYTES = 8 << 10
MAXIMUM_OPTIONS = 32


class NotAgreed(HanokError):
    """The other side speaks another protocol, may not have what it asks for, or went away."""


# ---- before there is TLS: on the socket itself, so that not a byte too many is read


async def _read(plain: socket.socket, count: int) -> bytes:
    loop, found = asyncio.get_running_loop(), b""
    while len(found) < count:
        piece = await loop.sock_recv(plain, count - len(found))
        if not piece:
            raise NotAgreed("the other side went away")
        found += piece
    return found


async def demand_tls(plain: socket.socket) -> None:
    """Be the server until the client begins TLS.

    Raises:
        NotAgreed: it does not.
    """
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(plain, GREETING.pack(HELLO, OPTIONS, FIXED | NO_ZEROES))
    await _read(plain, 4)
    for _ in range(MAXIMUM_OPTIONS):
        magic, option, length = OPTION.unpack(await _read(plain, OPTION.size))
        if magic != OPTIONS or length > OPTION_BYTES:
            raise NotAgreed("the client does not speak NBD")
        await _read(plain, length)
        if option == STARTTLS and not length:
            await loop.sock_sendall(plain, REPLY.pack(REPLIES, option, ACK, 0))
            return
        await loop.sock_sendall(plain, REPLY.pack(REPLIES, option, TLS_REQUIRED, 0))
        if option == ABORT:
            break
    raise NotAgreed("the client begins no TLS")


async def ask_for_tls(plain: socket.socket) -> None:
    """Be the client until the server is ready for TLS.

    Raises:
        NotAgreed: it is not.
    """
    hello, magic, flags = GREETING.unpack(await _read(plain, GREETING.size))
    if (hello, magic) != (HELLO, OPTIONS) or not flags & FIXED:
        raise NotAgreed("the server does not speak NBD")
    requested = struct.pack(">I", FIXED | NO_ZEROES) + OPTION.pack(OPTIONS, STARTTLS, 0)
    await asyncio.get_running_loop().sock_sendall(plain, requested)
    reply = REPLY.unpack(await _read(plain, REPLY.size))
    if reply != (REPLIES, STARTTLS, ACK, 0):
        raise NotAgreed("the server offers no TLS")


# ---- with streams


async def greet(client: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Be the server for the first words; the options are for another one."""
    writer.write(GREETING.pack(HELLO, OPTIONS, FIXED | NO_ZEROES))
    await client.readexactly(4)


async def introduce(server: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Be the client for the first words.

    Raises:
        NotAgreed: it is no server of NBD.
    """
    hello, magic, flags = GREETING.unpack(await server.readexactly(GREETING.size))
    if (hello, magic) != (HELLO, OPTIONS) or not flags & NO_ZEROES:
        raise NotAgreed("the server does not speak NBD")
    writer.write(struct.pack(">I", FIXED | NO_ZEROES))


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def agree(client: Streams, server: Streams, may_have: Callable[[str], bool]) -> str:
    """Hand options and answers on until both agree on an export; returns its name.

    Raises:
        NotAgreed: they do not.
    """
    for _ in range(MAXIMUM_OPTIONS):
        head = await client[0].readexactly(OPTION.size)
        magic, option, length = OPTION.unpack(head)
        if magic != OPTIONS or length > OPTION_BYTES:
            raise NotAgreed("the client does not speak NBD")
        data = await client[0].readexactly(length)
        name = _named(data) if option in NAMING else ""
        if refusal := _refusal(option, name, may_have):
            client[1].write(REPLY.pack(REPLIES, option, refusal, 0))
            continue
        server[1].write(head + data)
        if option == ABORT:
            break
        if await _answered(client[1], server[0], option) == ACK and option == GO:
            return name
    raise NotAgreed("the client asks for nothing that it may have")


def _refusal(option: int, name: str, may_have: Callable[[str], bool]) -> int:
    """Why an option is not handed on; 0 where it is."""
    if option in NAMING:
        return 0 if may_have(name) else POLICY
    return 0 if option in (ABORT, STRUCTURED) else NOT_SUPPORTED


def _named(data: bytes) -> str:
    """The export that an option is about."""
    length = int.from_bytes(data[:4], "big")
    return data[4 : 4 + length].decode(errors="replace")


async def _answered(client: asyncio.StreamWriter, server: asyncio.StreamReader, option: int) -> int:
    """Hand on all answers to one option; returns the kind of the last one."""
    while True:
        head = await server.readexactly(REPLY.size)
        magic, of, kind, length = REPLY.unpack(head)
        if (magic, of) != (REPLIES, option) or length > OPTION_BYTES:
            raise NotAgreed("the server does not speak NBD")
        client.write(head + await server.readexactly(length))
        if kind == ACK or kind & ERROR:
            return int(kind)
