"""How the command line speaks: steps, one-line failures, tables."""

from __future__ import annotations

import errno
import json
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

LINE = 100


class Failure(Exception):
    """What stops a command: one line that says what is wrong and what to do."""

    def __init__(self, message: str, *, status: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


def fail(message: str) -> NoReturn:
    raise Failure(message)


def words_of(error: OSError) -> str:
    """An OSError as a user should read it."""
    where = f" ({error.filename})" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return f"the disk is full{where}: make room and run the same command again; nothing is lost"
    if error.errno == errno.EROFS:
        return f"the file system is read-only{where}: name another place with --state-dir"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"no permission{where}: run as the owner of that place, or name another --state-dir"
    return f"{error.strerror or error}{where}"


def typed(path: object) -> str:
    """A path, or another word, as it is typed in a shell."""
    return shlex.quote(str(path))


class Steps:
    """Progress, a line a step: on a terminal the line lives until its step is done."""

    def __init__(self, total: int, *, to_stderr: bool = False) -> None:
        self._out = sys.stderr if to_stderr else sys.stdout
        self._live = self._out.isatty()
        self._total = total
        self._number = 0
        self._title = ""

    @contextmanager
    def step(self, title: str) -> Iterator[Steps]:
        """One step; what is told within it shows beside its title."""
        self._number += 1
        self._title = title
        started = time.monotonic()
        head = f"[{self._number}/{self._total}] {title}"
        self._show(head, done=not self._live)
        try:
            yield self
        except BaseException:
            if self._live:
                self._show(f"{head}: failed", done=True)
            raise
        if self._live:
            took_s = time.monotonic() - started
            self._show(f"{head} ({took_s:.1f} s)" if took_s >= 0.5 else head, done=True)

    def tell(self, text: str) -> None:
        """What the step does now."""
        if self._live:
            self._show(f"[{self._number}/{self._total}] {self._title}: {text}", done=False)
        else:
            print(f"      {text}", file=self._out, flush=True)

    def busy(self, text: str) -> None:
        """The same, where the text changes often: only a terminal shows it."""
        if self._live:
            self.tell(text)

    def _show(self, text: str, *, done: bool) -> None:
        if self._live:
            print(f"\r\x1b[K{text[:LINE]}", end="\n" if done else "", file=self._out, flush=True)
        else:
            print(text, file=self._out, flush=True)


def say(text: str = "") -> None:
    print(text, flush=True)


def warn(text: str) -> None:
    print(f"hanok: {text}", file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, default=str), flush=True)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns as wide as their widest cell; numbers to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[at]) for row in [list(head), *cells]) for at in range(len(head))]
    right = [
        bool(rows) and all(isinstance(row[at], int | float) for row in rows)
        for at in range(len(head))
    ]

    def line(row: Sequence[str]) -> str:
        pieces = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ]
        return "  ".join(pieces).rstrip()

    return "\n".join([line(list(head)), *(line(row) for row in cells)])


def mib(kib: int | None) -> str:
    return "-" if kib is None else f"{kib / 1024:.1f} MiB"


def ago(seconds: float) -> str:
    """A duration in its largest unit."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
