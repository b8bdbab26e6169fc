"""Programs of the machine that are run and waited for."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio.subprocess import DEVNULL, PIPE
from typing import Any, NamedTuple


class Said(NamedTuple):
    """How a program ended, and what it wrote. status: 0 is well; below 0 it is the signal that ended it, negated."""

    status: int
    out: bytes
    complaint: bytes

    def words(self, maximum: int) -> str:
        """The end of what it complained of, in so many characters."""
        return self.complaint.decode(errors="replace").strip()[-maximum:]


async def run(*argv: str, within_s: float | None, given: bytes | None = None, **how: Any) -> Said:
    """Run a program to its end. It ends with us, and where it takes longer than it may.

    Args:
        within_s: None: as long as it takes. given: what it reads; None: nothing. how: as for
            `asyncio.create_subprocess_exec` (cwd, env, user, stdin).

    Raises:
        OSError: it cannot be started. TimeoutError: it took longer.
    """
    streams = {"stdin": DEVNULL if given is None else PIPE, "stdout": PIPE, "stderr": PIPE}
    process = await asyncio.create_subprocess_exec(*argv, **{**streams, **how})
    try:
        async with asyncio.timeout(within_s):
            out, complaint = await process.communicate(given)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    assert process.returncode is not None
    return Said(process.returncode, out or b"", complaint or b"")
