"""What the house, and later rooms, may ask of compute."""

from __future__ import annotations

from collections.abc import Callable

from hanok.base.clock import Clock
from hanok.bus import Bus
from hanok.operations import Starter
from hanok.services.compute.operations import OPERATIONS
from hanok.services.compute.room import Compute, ComputeSettings
from hanok.services.network.facade import Network
from hanok.store import Database

__all__ = ["OPERATIONS", "Compute", "ComputeSettings", "build"]


def build(
    *,
    database: Database,
    clock: Clock,
    bus: Bus,
    wake: Callable[[], None],
    network: Network,
    settings: ComputeSettings,
) -> Compute:
    """The room. wake: called when an operation was started."""
    return Compute(
        clock=clock,
        database=database,
        bus=bus,
        operations=Starter(clock, wake),
        network=network,
        settings=settings,
    )
