"""Ports for servers that a test or a benchmark starts."""

from __future__ import annotations

import socket

_held: list[socket.socket] = []


def free_port() -> int:
    """A port of 127.0.0.1 that nobody gets but the one it is for.

    It stays bound by this process, though nobody listens: the system gives it to no one who wants any port, and a
    server that names it may still have it (SO_REUSEADDR on both sides).
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    _held.append(held)
    return int(held.getsockname()[1])
