"""What an operator says that simulated hosts have."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from hanok.node import simulated_shapes
from hanok.node.hardware import SIMULATED_OFFERS, SIMULATED_TRAITS

TOLD = """
[every]
without = ["COMPUTE_SECURITY_TPM_2_0", "watchdog"]
latency_s = 2

[hosts.simulated-2]
vcpus = 64
boot_s = 9.5
traits = ["CUSTOM_GOLD"]
offers = ["machine:pc-q35-9.0"]
"""
NAMES = ("simulated-1", "simulated-2")


def test_without_a_file_all_are_usual(tmp_path: Path) -> None:
    assert simulated_shapes.read(tmp_path, NAMES) == {}


def test_hosts_have_more_and_less(tmp_path: Path) -> None:
    (tmp_path / simulated_shapes.FILE).write_text(TOLD)
    one, two = (simulated_shapes.read(tmp_path, NAMES)[name] for name in NAMES)
    assert set(SIMULATED_TRAITS) - set(one.traits) == {"COMPUTE_SECURITY_TPM_2_0"}
    assert set(SIMULATED_OFFERS) - set(one.offers) == {"watchdog"}
    assert (one.vcpus, two.vcpus) == (16, 64)
    assert (one.latency_s, two.latency_s, two.boot_s) == (2, 2, 9.5)
    assert set(two.traits) - set(one.traits) == {"CUSTOM_GOLD"}
    assert set(two.offers) - set(one.offers) == {"machine:pc-q35-9.0"}


@pytest.mark.parametrize(
    "text", ["every = 1", "[hosts.a]\ncolour = 1", "[all]\n", "[every]\nlatency_s = 5.1", "="]
)
def test_what_cannot_be_read_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / simulated_shapes.FILE).write_text(text)
    with pytest.raises(msgspec.MsgspecError):
        simulated_shapes.read(tmp_path, NAMES)
