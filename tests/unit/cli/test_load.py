"""How busy a simulated server is to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from hanok.cli.commands.load import share_of
from hanok.cli.output import Failure
from hanok.node import simulated_loads
from hanok.node.simulated_loads import IDLE, Loads, Work


def test_loads_are_read_when_they_change(tmp_path: Path) -> None:
    file = tmp_path / "node" / simulated_loads.LOADS
    loads = Loads(file)
    assert loads.of("a") == IDLE
    simulated_loads.write(file, {"a": 0.8})
    assert (loads.of("a"), loads.of("b")) == (0.8, IDLE)
    file.write_text("{")
    assert loads.of("a") == 0.8


def test_a_guest_has_done_what_its_load_says_and_begins_anew_when_it_boots() -> None:
    work = Work()
    assert work.until(10.0, [10.0], 0.5).busy_s == 0
    assert work.until(20.0, [10.0], 0.5).busy_s == 5
    assert work.until(30.0, [10.0], 1.0).busy_s == 15
    assert work.until(40.0, [10.0, 35.0], 1.0).busy_s == 5


@pytest.mark.parametrize("text", ["", "x", "101%", "-1%"])
def test_what_is_no_load_is_refused(text: str) -> None:
    with pytest.raises(Failure):
        share_of(text)


def test_a_load_is_in_percent() -> None:
    assert (share_of("80%"), share_of("5")) == (0.8, 0.05)
