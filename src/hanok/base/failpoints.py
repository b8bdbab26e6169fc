"""Failpoints: named places where a test, or an operator who wants to see it, breaks things.

A place calls `await failpoint("compute.create_server.StartInstance.before_do")`. Normally that costs one
look at an empty dict. Armed, it raises, ends the process, waits, or tells the caller to do its effect twice.
They are armed by `HANOK_FAILPOINTS="name=action,name=action:1"` (`:N` fires N times only) or in process by
`arm()`.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

ACTIONS = ("raise", "die", "hang", "twice", "lose")
HANG_S = 3600.0  # longer than any test and any lease


class Broken(Exception):
    """What an armed failpoint raises."""


_armed: dict[str, tuple[str, int]] = {}
_hanging: dict[str, list[asyncio.Event]] = {}


def arm(name: str, action: str, times: int = -1) -> None:
    """Arm a place. times: how often it fires; -1 for always."""
    if action not in ACTIONS:
        raise ValueError(f"no such failpoint action: {action!r}; there are {', '.join(ACTIONS)}")
    _armed[name] = (action, times)


def disarm(name: str | None = None) -> None:
    """Disarm one place, or all."""
    if name is None:
        _armed.clear()
        _hanging.clear()
    else:
        _armed.pop(name, None)


@contextmanager
def armed(name: str, action: str, times: int = -1) -> Iterator[None]:
    """Arm a place for the time of a with block."""
    arm(name, action, times)
    try:
        yield
    finally:
        disarm(name)


def arm_from_environment(value: str | None = None) -> None:
    """Arm what HANOK_FAILPOINTS names."""
    text = os.environ.get("HANOK_FAILPOINTS", "") if value is None else value
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, _, action = item.partition("=")
        action, _, times = action.partition(":")
        arm(name, action or "raise", int(times) if times else -1)


async def failpoint(name: str) -> str | None:
    """Pass a place. Returns None, or "twice" or "lose" for the caller to act on.

    Raises:
        Broken: the place is armed with `raise`.
    """
    if not _armed or (entry := _armed.get(name)) is None:
        return None
    action, times = entry
    if times == 0:
        return None
    if times > 0:
        _armed[name] = (action, times - 1)
    if action == "raise":
        raise Broken(f"failpoint {name}")
    if action == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if action == "hang":
        go_on = asyncio.Event()
        _hanging.setdefault(name, []).append(go_on)
        async with asyncio.timeout(HANG_S):
            await go_on.wait()
    return action


def waiting(name: str) -> bool:
    """Whether somebody hangs at this place."""
    return bool(_hanging.get(name))


def release(name: str) -> None:
    """Let those who hang at this place go on."""
    for go_on in _hanging.pop(name, []):
        go_on.set()
