"""`hanok test` tries a few tests that failed once more, and says which ones passed then."""

from __future__ import annotations

from pathlib import Path

import pytest

from hanok.cli.commands import test as command

ROOT = Path(__file__).parents[3]
TESTS = """
from pathlib import Path
import pytest

@pytest.mark.parametrize("number", range({number}))
def test_of_chance(number):
    tried = Path(__file__).with_name(f"tried-{{number}}")
    there = tried.exists()
    tried.touch()
    assert there

def test_of_truth():
    assert {truth}
"""
CONFTEST = f"""
import sys
sys.path[:0] = [{str(ROOT / "src")!r}, {str(ROOT)!r}]
from tests.failed_tests import pytest_terminal_summary
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this run of pytest was told is not told to the one inside."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.delenv(command.FAILED_TESTS, raising=False)


def _run(folder: Path, *, number: int, truth: bool = True) -> int:
    """Run tests of which some fail the first time; returns how `hanok test` ends."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_it.py").write_text(TESTS.format(number=number, truth=truth))
    (folder / "conftest.py").write_text(CONFTEST)
    failed = folder / "failed"
    status = command._pytest(folder, [], ["-p", "no:cacheprovider"], failed=failed).wait()
    return command._once_more(folder, status, [failed, folder / "none"])


def test_what_passes_alone_is_named_and_passes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(tmp_path, number=2) == 0
    said = capsys.readouterr().out
    assert "UNSTEADY" in said
    assert "test_it.py::test_of_chance[0]" in said
    assert "test_it.py::test_of_chance[1]" in said
    assert "test_of_truth" not in said


def test_what_fails_alone_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(tmp_path, number=1, truth=False) == 1
    assert "UNSTEADY" not in capsys.readouterr().out


def test_many_failures_are_no_chance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(tmp_path, number=command.MAXIMUM_ONCE_MORE + 1) == 1
    assert "once more" not in capsys.readouterr().out


def test_where_nothing_fails_nothing_is_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(tmp_path, number=0) == 0
    assert "once more" not in capsys.readouterr().out
