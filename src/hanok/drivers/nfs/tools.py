"""Programs that are run and waited for."""

from __future__ import annotations

from pathlib import Path

from hanok.base import programs
from hanok.drivers.nfs.errors import ShareError

RUN_S = 120.0
FAILED = "the host could not do that with the share"
WORDS = 500  # characters of what a program says that are told


async def run(*argv: str, timeout_s: float | None = RUN_S) -> str:
    """What it says. It is ended with us.

    Raises:
        ShareError: it fails, or takes too long.
    """
    try:
        said = await programs.run(*argv, within_s=timeout_s)
    except TimeoutError:
        raise ShareError(FAILED, detail=f"{' '.join(argv)}: not in time") from None
    except OSError as error:
        raise ShareError(FAILED, detail=f"{argv[0]}: {error!r}") from error
    if said.status:
        raise ShareError(FAILED, detail=f"{' '.join(argv)}: {said.words(WORDS)}")
    return said.out.decode(errors="replace")


async def succeeds(*argv: str) -> bool:
    """Whether it can be done."""
    try:
        await run(*argv)
    except ShareError:
        return False
    return True


def is_mount(path: Path) -> bool:
    """Whether something is mounted there, also of the same file system."""
    with open("/proc/self/mountinfo") as file:
        return any(line.split(" ", 5)[4] == str(path) for line in file)
