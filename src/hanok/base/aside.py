"""Small programs that a stranger's file or wish may make expensive: run aside, by a process that may not cost more."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL
from weakref import WeakValueDictionary

from hanok.base import programs

_BOUNDS = """
import resource
resource.setrlimit(resource.RLIMIT_CPU, ({cpu_s}, {cpu_s}))
resource.setrlimit(resource.RLIMIT_AS, ({memory_bytes}, {memory_bytes}))
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
"""


def _environment() -> dict[str, str]:
    """What finds Python and its libraries; a stranger's program sees nothing else of ours."""
    kept = ("PYTHON", "PATH", "LD_LIBRARY_PATH")
    return {name: value for name, value in os.environ.items() if name.startswith(kept)}


class Aside:
    """One process at a time, and one of an owner waits for it: who asks often waits behind those who ask once.

    Args:
        cpu_s, memory_bytes: what it is ended beyond. wall_s: how long it is waited for.
    """

    def __init__(self, *, cpu_s: int, memory_bytes: int = 1 << 30, wall_s: float = 60.0) -> None:
        self.bounds = _BOUNDS.format(cpu_s=cpu_s, memory_bytes=memory_bytes)
        self._wall_s = wall_s
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._one = asyncio.Lock()

    async def run(self, owner: str, program: str, given: bytes) -> bytes:
        """What a Python program writes that reads this, as far as it got within its bounds.

        Raises:
            TimeoutError
        """
        async with self._turns.setdefault(owner, asyncio.Lock()), self._one:
            return await self._run(program, given)

    async def _run(self, program: str, given: bytes) -> bytes:
        argv = (sys.executable, "-P", "-c", self.bounds + program)
        how = {"env": _environment(), "stderr": DEVNULL}
        return (await programs.run(*argv, within_s=self._wall_s, given=given, **how)).out
