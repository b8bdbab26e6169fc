"""What a node says of its machine: what the supervisor says, and the ends of logs."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hanok.base.code import code
from hanok.commands.machines import CHARACTERS, ReadLogs
from hanok.node import machine
from hanok.node.errors import NotDone
from hanok.node.settings import NodeSettings
from hanok.supervisor import door


@pytest.fixture
def run() -> Iterator[Path]:
    """A short path, as sockets need it."""
    with tempfile.TemporaryDirectory(prefix="hanok-", dir="/tmp") as folder:
        yield Path(folder)


def _settings(tmp_path: Path, run: Path) -> NodeSettings:
    return NodeSettings(host="h1", state_dir=str(tmp_path / "node"), run_dir=str(run / "node"))


async def test_what_runs_is_what_the_supervisor_says(tmp_path: Path, run: Path) -> None:
    settings = _settings(tmp_path, run)
    with pytest.raises(NotDone, match="supervisor"):
        await machine.describe(settings)

    async def answer(question: dict[str, Any]) -> dict[str, Any]:
        assert question == {"do": "status"}
        part = {"name": "control", "state": "failed", "pid": None, "trouble": "ended"}
        return {"phase": "running", "pid": 1, "parts": [part]}

    async with door.opened(run / "supervisor.sock", answer):
        state = await machine.describe(settings)
    assert (state.host, state.code) == ("h1", code())
    assert [(one.name, one.state, one.trouble) for one in state.processes] == [
        ("supervisor", "running", ""),
        ("control", "failed", "ended"),
    ]


async def test_the_ends_of_logs_in_order(tmp_path: Path, run: Path) -> None:
    settings = _settings(tmp_path, run)
    folder = tmp_path / "logs"
    folder.mkdir()

    def line(second: int, level: str, message: str, request: str = "") -> str:
        at = f"2026-12-01T00:00:{second:02}.000+00:00"
        return json.dumps({"at": at, "level": level, "message": message, "request_id": request})

    (folder / "control.log").write_text(
        "\n".join([line(1, "info", "a"), line(3, "error", "c" * 5000, "r1"), ""])
    )
    (folder / "node.log").write_text(line(2, "warning", "b", "r1") + "\n")
    found = await machine.read_logs(settings, ReadLogs())
    assert [(one.part, one.message[:1]) for one in found.lines] == [
        ("control", "a"),
        ("node", "b"),
        ("control", "c"),
    ]
    assert len(found.lines[-1].message) == CHARACTERS
    requested = ReadLogs(level="warning", request="req-r1", lines=1)
    assert [one.part for one in (await machine.read_logs(settings, requested)).lines] == ["control"]
    assert len((await machine.read_logs(settings, ReadLogs(part="node"))).lines) == 1
    with pytest.raises(NotDone, match="there are: control, node"):
        await machine.read_logs(settings, ReadLogs(part="../secret"))
