"""What a bus can do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

Handler = Callable[[str, bytes], Awaitable[bytes | None]]
"""Takes the subject a message came by and its payload; what it returns is the reply, if one was asked for."""


class NobodyThere(Exception):
    """No answer: nobody listens to the subject, or the time was up."""


class Listening(Protocol):
    """Somebody who listens to a subject."""

    async def end(self) -> None:
        """Listen no more."""


class Bus(Protocol):
    """Publish, listen, ask."""

    async def publish(self, subject: str, payload: bytes) -> None:
        """Tell everybody who listens; nobody need listen."""

    async def ask(self, subject: str, payload: bytes, *, timeout_s: float) -> bytes:
        """Ask one listener and wait for its reply.

        Raises:
            NobodyThere: nobody listens, or no reply within timeout_s seconds.
        """

    async def listen(self, subject: str, handler: Handler, *, group: str = "") -> Listening:
        """Call handler for each message of a subject ("*" matches one token, ">" the rest).

        group: of the listeners that name the same group, one gets each message.
        """

    async def close(self) -> None:
        """Let go of everything; handlers under way are ended."""
