"""Whether a process of ours still answers: one cheap request, as any client sends it.

A process can be alive and yet do nothing: stopped, or busy with one thing for good. Only an answer tells. What the
answer says does not matter; an error is one, too.

Standard library only: the parent of a simulated cloud has to stay small.
"""

from __future__ import annotations

import socket
from contextlib import suppress

PROBE_EVERY_S = 5.0
SILENT_S = 30  # three looks of ten seconds, what an orchestrator's liveness probe gives by default; the longest honest
# hold of the event loop that was measured is half a second
TERM_S = 5.0  # a process that answers nobody rarely heeds SIGTERM; what does can put its work away in that time


def loopback(listen: str) -> str:
    """The address of this machine at which what listens there is reached."""
    if listen in ("0.0.0.0", ""):  # noqa: S104  # "every address": one has to be named
        return "127.0.0.1"
    return "::1" if listen == "::" else listen


def request(host: str) -> bytes:
    """The cheapest request: the versions of identity, which wants no token and no database."""
    named = f"[{host}]" if ":" in host else host
    return f"GET /v3 HTTP/1.1\r\nHost: {named}\r\nConnection: close\r\n\r\n".encode()


def answers(host: str, port: int, *, timeout_s: float) -> bool:
    """Whether there is an answer within timeout_s, without an event loop."""
    with suppress(OSError), socket.create_connection((host, port), timeout=timeout_s) as line:
        line.sendall(request(host))
        return line.recv(5) == b"HTTP/"
    return False


def listens(host: str, port: int, *, timeout_s: float) -> bool:
    """Whether a connection is taken there, answered or not."""
    with suppress(OSError), socket.create_connection((host, port), timeout=timeout_s):
        return True
    return False
