"""`hanok node`: be a host's node process (the supervisor or systemd starts it)."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
from pathlib import Path

import msgspec

from hanok.base import collector
from hanok.base import log as logs
from hanok.base.errors import HanokError
from hanok.base.failpoints import arm_from_environment
from hanok.node import main as node
from hanok.node.settings import NodeSettings

log = logging.getLogger("hanok.node")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--settings", required=True, type=Path, metavar="FILE")


def run(args: argparse.Namespace) -> int:
    logs.configure("node")
    arm_from_environment()
    try:
        settings = msgspec.toml.decode(args.settings.read_bytes(), type=NodeSettings)
        asyncio.run(_until_told(settings))
    except (OSError, ValueError, msgspec.MsgspecError, HanokError) as error:
        if detail := getattr(error, "detail", ""):
            log.info("in detail: %s", detail)
        log.error("%s", error)
        return 1
    return 0


async def _until_told(settings: NodeSettings) -> None:
    collector.serve()
    task = asyncio.ensure_future(node.main(settings))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        log.info("told to stop; guests go on")
