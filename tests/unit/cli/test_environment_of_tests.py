"""What `hanok test` starts tests with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hanok.cli.commands.test import environment

LOOK = "import sys; print(sys.dont_write_bytecode)"


def test_what_python_compiled_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    told = subprocess.run(
        [sys.executable, "-c", LOOK], env=environment(tmp_path), capture_output=True, text=True
    )
    assert told.stdout.strip() == "False"
