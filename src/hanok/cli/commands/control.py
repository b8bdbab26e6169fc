"""`hanok control`: be a control process (the supervisor or systemd starts it)."""

from __future__ import annotations

import argparse
import asyncio
import logging
from pathlib import Path

import msgspec
import uvloop

from hanok.base import log as logs
from hanok.base.errors import HanokError
from hanok.control import main as control
from hanok.control.settings import load

log = logging.getLogger("hanok.control")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--settings", required=True, type=Path, metavar="FILE")


def run(args: argparse.Namespace) -> int:
    try:
        settings = load(args.settings)
        logs.configure("control", level=settings.log_level)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(control.main(settings))
    except (OSError, msgspec.MsgspecError, control.PortTaken, HanokError) as error:
        if detail := getattr(error, "detail", ""):
            log.info("in detail: %s", detail)
        log.error("%s", error)
        return 1
    return 0
