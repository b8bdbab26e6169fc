"""When a host counts as up, and what of it is not for guests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from hanok.base.absence import Absence
from hanok.base.clock import MovableClock
from hanok.services.compute.logic import hosts
from hanok.services.compute.room import ComputeSettings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = ComputeSettings(down_after_s=60, reserved_memory_mib=512)


@pytest.mark.parametrize(
    ("seen_s", "silent_s", "forced", "up"),
    [
        (0, None, False, True),
        (59, None, False, True),
        (60, None, False, False),
        (61, None, False, False),
        (0, None, True, False),
        (10, 20, False, True),  # asked in vain, and heard of since
        (20, 10, False, False),
        (10, 10, False, False),
    ],
)
def test_a_host_is_up(seen_s: int, silent_s: int | None, forced: bool, up: bool) -> None:
    silent = None if silent_s is None else NOW - timedelta(seconds=silent_s)
    row: Any = SimpleNamespace(
        host="host-1",
        binary="nova-compute",
        seen_at=NOW - timedelta(seconds=seen_s),
        silent_at=silent,
        forced_down=forced,
    )
    room: Any = SimpleNamespace(settings=SETTINGS, clock=MovableClock(NOW), absence=Absence())
    assert hosts.is_up(row, room) is up
    assert hosts.has_spoken(row, SETTINGS, NOW) is up


@pytest.mark.parametrize(
    ("memory", "overhead", "running", "reserved"),
    [(8192, 0, 5, 512), (1024, 0, 0, 256), (8192, 100, 0, 612), (8192, 100, 2, 812)],
)
def test_what_is_for_the_host_itself(
    memory: int, overhead: int, running: int, reserved: int
) -> None:
    state: Any = SimpleNamespace(memory_mib=memory, overhead_mib=overhead, running_guests=running)
    assert hosts.reserved_mib(state, SETTINGS) == reserved
