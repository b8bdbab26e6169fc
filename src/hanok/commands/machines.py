"""What an operator wants to know of a machine: the processes of ours on it, and what they have logged."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from hanok.commands.messages import Command

Level = Literal["debug", "info", "warning", "error"]
LINES = 2000  # of one answer
CHARACTERS = 4000  # of a line's message, and of its error


class DescribeMachine(Command, frozen=True, kw_only=True, tag="describe_machine"):
    """Answer: MachineState."""


class ReadLogs(Command, frozen=True, kw_only=True, tag="read_logs"):
    """The last lines of all parts' logs, or of one part's. Answer: LogLines.

    level: at least. request: only of that request's id; "" for all.
    """

    part: str = ""
    lines: Annotated[int, Meta(ge=1, le=LINES)] = 200
    level: Level = "debug"
    request: str = ""


class MachineProcess(Struct, frozen=True, kw_only=True):
    """A part of ours. state: as its supervisor says it ("running", "failed", …); trouble: why, if it says so.

    code: that it was started with; "" of an engine.
    """

    name: str
    state: str
    pid: int = 0
    code: str = ""
    trouble: str = ""


class MachineState(Struct, frozen=True, kw_only=True, tag_field="answer", tag="machine"):
    """A machine. code: of its node."""

    host: str
    code: str
    processes: tuple[MachineProcess, ...] = ()


class LogLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of a log. at: ISO 8601, UTC; "" where nothing says."""

    at: str
    part: str
    level: str
    message: str
    request_id: str = ""
    error: str = ""


class LogLines(Struct, frozen=True, kw_only=True, tag_field="answer", tag="log_lines"):
    """The oldest first."""

    host: str
    lines: tuple[LogLine, ...] = ()


MACHINE_COMMANDS = DescribeMachine | ReadLogs
MachineAnswer = MachineState | LogLines
