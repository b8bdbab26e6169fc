"""`hanok simulated`: be a whole simulated cloud in one process (`hanok up --simulated` starts it)."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import logging
from collections.abc import Sequence
from pathlib import Path

import msgspec
import uvloop

from hanok.base import log as logs
from hanok.base.errors import HanokError
from hanok.bus import Bus
from hanok.control import main as control
from hanok.control.settings import load
from hanok.node import simulated_shapes
from hanok.node.simulated import run_simulated
from hanok.supervisor import settings as clouds
from hanok.supervisor.holding import AlreadyRunning, locked

log = logging.getLogger("hanok.simulated")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state-dir", required=True, type=Path)


def run(args: argparse.Namespace) -> int:
    logs.configure("control")
    try:
        cloud = clouds.load(args.state_dir)
        if cloud is None:
            raise clouds.BrokenState(f"there is no cloud in {args.state_dir}")
        settings = load(cloud.control_settings)
        logs.configure("control", level=settings.log_level)

        known = names(cloud.settings.hosts, cloud.settings.host_names)
        shapes = simulated_shapes.read(cloud.state, known)

        async def hosts(bus: Bus) -> None:
            await run_simulated(
                known,
                bus,
                shapes=shapes,
                image_stores=settings.image_stores,
                state_dir=cloud.state / "node",
                snapshots=settings.snapshots,
                described=cloud.settings.described,
            )

        with locked(cloud), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(control.main(settings, beside=[hosts]))
    except AlreadyRunning:
        log.error("this cloud runs already")
        return 1
    except (clouds.BrokenState, OSError, msgspec.MsgspecError, control.PortTaken) as error:
        log.error("%s", error)
        return 1
    except HanokError as error:
        if error.detail:
            log.info("in detail: %s", error.detail)
        log.error("%s", error.message)
        return 1
    return 0


def names(count: int, first: Sequence[str] = ()) -> list[str]:
    """So many hosts: these first, then simulated-1, simulated-2, …; digits enough that they sort."""
    more = max(0, count - len(first))
    width = len(str(more))
    made = (f"simulated-{number:0{width}}" for number in itertools.count(1))
    others = itertools.islice((one for one in made if one not in first), more)
    return [*first[:count], *others]
