"""What `hanok test` is told of a run of pytest."""

from __future__ import annotations

import os
from pathlib import Path

from _pytest.terminal import TerminalReporter

from hanok.cli.commands.test import FAILED_TESTS


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Say to `hanok test` which tests failed."""
    if path := os.environ.get(FAILED_TESTS):
        reports = [
            one for kind in ("failed", "error") for one in terminalreporter.stats.get(kind, ())
        ]
        failed = dict.fromkeys(one.nodeid for one in reports)
        Path(path).write_text("".join(f"{one}\n" for one in failed))
