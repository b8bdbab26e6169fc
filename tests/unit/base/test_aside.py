"""What a program of a stranger's sees of the process that runs it aside."""

from __future__ import annotations

import json

import pytest

from hanok.base.aside import Aside

TELLS = "import json, os, sys; print(json.dumps([dict(os.environ), sys.path, sys.stdin.read()]))"


async def test_a_program_sees_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANOK_SOMETHING", "hidden")
    monkeypatch.setenv("LC_ALL", "en_US.ISO-8859-1")
    said = await Aside(cpu_s=5).run("p", TELLS, "\u00e9".encode())
    environment, places, given = json.loads(said)
    assert "HANOK_SOMETHING" not in environment and "" not in places and given == "\u00e9"
