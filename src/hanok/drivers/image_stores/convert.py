"""Turning a disk image into another format, by qemu-img in a process with limits.

qemu-img opens what a stranger made: it gets a format, so that it guesses nothing, a bound on memory and CPU, and no
more than the two files. Whoever calls has looked at the bytes before.
"""

from __future__ import annotations

from asyncio.subprocess import DEVNULL
from pathlib import Path

from hanok.base import programs

MEMORY_BYTES = 1 << 30
CPU_S = 3600
RUN_S = 4 * 3600.0


class ConversionFailed(Exception):
    """The text says why, for the user."""


async def convert(source: Path, source_format: str, target: Path, target_format: str) -> None:
    """Write the disk in source into target, without a backing file.

    Raises:
        ConversionFailed: it could not be read, or there is no room; target is gone.
    """
    argv = [
        "prlimit", f"--as={MEMORY_BYTES}", f"--cpu={CPU_S}", "--core=0", "--",
        "qemu-img", "convert", "-f", source_format, "-O", target_format,
        "--", str(source), str(target),
    ]  # fmt: skip
    if source_format not in _KNOWN or target_format not in _KNOWN:
        raise ConversionFailed(f"{source_format} is not turned into {target_format} here")
    done = False
    try:
        said = await programs.run(*argv, within_s=RUN_S, stdout=DEVNULL)
        if said.status:
            told = said.complaint.decode(errors="replace").strip()[:300]
            raise ConversionFailed(told or "no reason given")
        done = True
    except FileNotFoundError as error:
        raise ConversionFailed("qemu-img or prlimit is not installed") from error
    except TimeoutError as error:
        raise ConversionFailed("it took too long") from error
    finally:
        if not done:
            target.unlink(missing_ok=True)


_KNOWN = ("raw", "qcow2")
