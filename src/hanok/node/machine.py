"""What this machine runs of ours, as its supervisor says it, and what it has logged."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from pathlib import Path
from typing import Any

from hanok.base.code import VARIABLE, code
from hanok.base.log_files import Line, Reader, parts_in
from hanok.commands.machines import (
    CHARACTERS,
    LINES,
    LogLine,
    LogLines,
    MachineProcess,
    MachineState,
    ReadLogs,
)
from hanok.node.errors import NotDone
from hanok.node.settings import NodeSettings

ASK_S = 5.0
LINE = 1 << 20


async def describe(settings: NodeSettings) -> MachineState:
    """
    Raises:
        NotDone: the supervisor does not answer.
    """
    said = await _supervisor(Path(settings.run_dir).parent / "supervisor.sock")
    parts = [{"name": "supervisor", "state": said["phase"], "pid": said["pid"]}, *said["parts"]]
    return MachineState(
        host=settings.host,
        code=code(),
        processes=tuple(
            MachineProcess(
                name=one["name"],
                state=one["state"],
                pid=one["pid"] or 0,
                code=_code(one["pid"]),
                trouble=one.get("trouble", ""),
            )
            for one in parts
        ),
    )


async def _supervisor(path: Path) -> dict[str, Any]:
    try:
        async with asyncio.timeout(ASK_S):
            reader, writer = await asyncio.open_unix_connection(str(path), limit=LINE)
            with closing(writer):
                writer.write(b'{"do": "status"}\n')
                found: dict[str, Any] = json.loads(await reader.readline())
    except (OSError, TimeoutError, ValueError) as error:
        said = "The supervisor of this machine does not answer."
        raise NotDone(said, detail=repr(error), transient=True) from error
    return found


def _code(pid: int | None) -> str:
    """The code that a process was started with; "" for an engine, or where it cannot be seen."""
    try:
        raw = Path(f"/proc/{pid}/environ").read_bytes() if pid else b""
    except OSError:
        return ""
    mark = f"{VARIABLE}=".encode()
    return next((one[len(mark) :].decode() for one in raw.split(b"\0") if one.startswith(mark)), "")


async def read_logs(settings: NodeSettings, requested: ReadLogs) -> LogLines:
    """
    Raises:
        NotDone: there is no such part.
    """
    lines = await asyncio.to_thread(_lines, Path(settings.state_dir).parent / "logs", requested)
    return LogLines(host=settings.host, lines=lines)


def _lines(folder: Path, requested: ReadLogs) -> tuple[LogLine, ...]:
    paths = parts_in(folder)
    if requested.part and requested.part not in paths:
        there = ", ".join(paths) or "none"
        raise NotDone(f"There is no log of {requested.part[:64]} here; there are: {there}.")
    readers = [Reader(path) for part, path in paths.items() if requested.part in ("", part)]
    found = sorted((line for reader in readers for line in reader.new()), key=lambda one: one.at)
    counted = [line for line in found if line.counts(requested.level, requested.request)]
    return tuple(map(_sent, counted[-min(requested.lines, LINES) :]))


def _sent(line: Line) -> LogLine:
    return LogLine(
        at=line.at,
        part=line.part,
        level=line.level,
        message=line.message[:CHARACTERS],
        request_id=line.request_id,
        error=line.error[-CHARACTERS:],
    )
