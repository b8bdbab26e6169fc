"""Logs: one JSON line an event, each with the request id it belongs to.

`request_id` is a context variable: the door of a request or the taking of an operation sets it, and every
line written below carries it, also across awaits.
"""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

import msgspec

request_id: ContextVar[str] = ContextVar("request_id", default="")


class JSONLines(logging.Formatter):
    """Formats a record as one JSON line: at, level, part, request_id, message, error."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self.part = part

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "part": self.part,
            "logger": record.name,
        }
        if rid := request_id.get():
            line["request_id"] = rid
        line["message"] = record.getMessage()
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


def configure(part: str, *, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send this process's log as JSON lines to a stream (standard error by default)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JSONLines(part))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # uvicorn.error tells the address of each web socket, and a console's holds its token.
    for noisy in (
        "uvicorn.access",
        "uvicorn.error",
        "ovsdbapp",
        "stevedore",
        "oslo_policy",
        "qemu",
    ):
        logging.getLogger(noisy).setLevel(logging.WARNING)
