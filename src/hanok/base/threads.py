"""Work of threads on what whoever asked for it owns: open files, above all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


async def in_thread(work: Callable[..., Result], *given: object) -> Result:
    """As asyncio.to_thread, but who is stopped meanwhile waits for the thread's end. See `ended`."""
    return await ended(asyncio.ensure_future(asyncio.to_thread(work, *given)))


async def ended(doing: asyncio.Future[Result]) -> Result:
    """What a thread does, which cannot be stopped.

    Whoever is stopped meanwhile goes on only when it is over: a file that is closed under a thread's hands is, by its
    number, another one a moment later, and the thread would write into that.
    """
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        while not doing.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([doing])
        if not doing.cancelled():
            doing.exception()  # seen
        raise
