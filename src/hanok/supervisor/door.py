"""Questions and orders to a process of ours over a unix socket: one JSON line each way, then it hangs up.

Who may connect is decided by the socket's folder, which only its owner may enter.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

LINE = 1 << 20
ASK_S = 5.0

Answer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class Silence(Exception):
    """Nobody answers at the socket."""


@asynccontextmanager
async def opened(path: Path, answer: Answer) -> AsyncIterator[None]:
    """Answer at a socket while the block runs."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(ASK_S):
                line = await reader.readline()
            if line:
                reply = await answer(json.loads(line))
                writer.write(json.dumps(reply).encode() + b"\n")
                await writer.drain()
        except (OSError, TimeoutError, ValueError):
            pass  # whoever asked went away, or did not speak our language
        finally:
            writer.close()

    with suppress(FileNotFoundError):
        path.unlink()  # of one that was killed; the lock says that nobody else lives
    before = os.umask(0o177)
    try:
        server = await asyncio.start_unix_server(serve, path, limit=LINE)
    finally:
        os.umask(before)
    try:
        yield
    finally:
        server.close()
        with suppress(FileNotFoundError):
            path.unlink()


def ask(path: Path, question: dict[str, Any], *, timeout_s: float = ASK_S) -> dict[str, Any]:
    """Ask from outside, without an event loop.

    Raises:
        Silence: nobody answers within timeout_s.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(timeout_s)
            line.connect(str(path))
            line.sendall(json.dumps(question).encode() + b"\n")
            received = b""
            while not received.endswith(b"\n"):
                chunk = line.recv(1 << 16)
                if not chunk:
                    raise Silence(f"{path.name} closed the connection")
                received += chunk
    except OSError as error:
        raise Silence(f"{path.name}: {error}") from None
    found: dict[str, Any] = json.loads(received)
    return found
