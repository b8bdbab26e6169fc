"""Programs that are run and waited for."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from hanok.base import programs


async def test_what_it_says_and_how_it_ended() -> None:
    said = await programs.run("sh", "-c", "cat; echo no >&2; exit 3", given=b"in", within_s=30)
    assert said == programs.Said(3, b"in", b"no\n")
    assert said.words(1) == "o"
    assert await programs.run("cat", within_s=30) == programs.Said(0, b"", b"")


async def test_what_is_not_there_cannot_be_started() -> None:
    with pytest.raises(FileNotFoundError):
        await programs.run("/nowhere/at/all", within_s=30)


@pytest.mark.parametrize("how", ["late", "stopped"])
async def test_it_ends_with_who_waits(how: str, tmp_path: Path) -> None:
    running = programs.run(
        "sh", "-c", "echo $$ >number; exec sleep 1000", within_s=5 if how == "late" else None,
        cwd=tmp_path,
    )  # fmt: skip
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(None if how == "late" else 5):
            await running
    number = int((tmp_path / "number").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
