"""A picture of a terminal for the README: `python -m bench.terminal FILE.svg` as root.

What it shows is what `hanok up` and `hanok launch` wrote to a terminal a moment ago. Only the state directory of the
run is written as the usual one.
"""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from html import escape
from pathlib import Path

from tests.acceptance.clouds import CLI, host

from hanok.cli import place

WIDTH = 104  # characters
CHARACTER, LINE, MARGIN, BAR = 7.85, 19, 18, 30  # pixels
LEFT_OUT = ("(The openstack client is not installed",)
USUAL = place.REAL


def written(cli: CLI, *words: str) -> str:
    """What a command writes to a terminal."""
    ours, its = pty.openpty()
    raw = b""
    with subprocess.Popen(
        cli.argv(*words), env=cli.environment, stdin=its, stdout=its, stderr=its
    ) as process:
        os.close(its)
        try:
            while piece := os.read(ours, 65_536):
                raw += piece
        except OSError:
            pass  # the other end is closed
        assert process.wait() == 0, raw.decode()
    os.close(ours)
    return raw.decode()


def lines_of(text: str, state: Path) -> list[str]:
    """The lines as they stand in the end: one that was written over is what it was last."""
    text = text.replace(f" --state-dir {state}", "").replace(str(state), str(USUAL))
    found: list[str] = []
    for line in text.replace("\r\n", "\n").rstrip("\n").split("\n"):
        last = line.rpartition("\x1b[K")[2].rstrip()
        if last.startswith(LEFT_OUT):
            continue
        while len(last) > WIDTH:  # as a terminal does
            found.append(last[:WIDTH])
            last = last[WIDTH:]
        found.append(last)
    return found


def svg(lines: list[str]) -> str:
    width = round(WIDTH * CHARACTER + 2 * MARGIN)
    height = len(lines) * LINE + BAR + 2 * MARGIN
    rows = []
    for number, line in enumerate(lines):
        if not line:
            continue
        y = BAR + MARGIN + (number + 1) * LINE - 5
        kind = ' class="typed"' if line.startswith("# ") else ""
        rows.append(f'<text x="{MARGIN}" y="{y}"{kind}>{escape(line)}</text>')
    buttons = "".join(
        f'<circle cx="{MARGIN + 4 + 18 * at}" cy="{BAR / 2 + 3:g}" r="5" fill="{colour}"/>'
        for at, colour in enumerate(("#e0685f", "#e3b44b", "#6bb36d"))
    )
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
            "<style>text{font:13px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#d6dbe0;"
            "white-space:pre}.typed{fill:#8fd3a6;font-weight:bold}</style>",
            f'<rect width="{width}" height="{height}" rx="9" fill="#1b2027"/>',
            buttons,
            *rows,
            "</svg>\n",
        )
    )


def main() -> None:
    with host() as cli:
        lines: list[str] = []
        for command in ("up", "launch"):
            lines += [f"# ./hanok {command}", *lines_of(written(cli, command), cli.state), ""]
    Path(sys.argv[1]).write_text(svg(lines[:-1]))


if __name__ == "__main__":
    main()
