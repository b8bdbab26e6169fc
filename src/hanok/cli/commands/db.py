"""`hanok db upgrade`: bring a database to the tables of this version (control does it too when it starts)."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

import msgspec

from hanok.base.errors import HanokError
from hanok.cli.archive import know_tables
from hanok.cli.main import state_dir
from hanok.cli.output import Failure, say
from hanok.cli.place import cloud_of, needs_root
from hanok.control.settings import ControlSettings, load
from hanok.store import Database, migrate
from hanok.supervisor.holding import holder


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=["upgrade"])
    state_dir(parser)
    parser.add_argument(
        "--settings",
        type=Path,
        metavar="FILE",
        help="settings of a control process, instead of a state directory",
    )


def run(args: argparse.Namespace) -> int:
    if args.settings is None:
        cloud = cloud_of(args)
        needs_root(cloud, "hanok db")
        if holder(cloud) is not None:
            raise Failure("the cloud runs; hanok down first")
        args.settings = cloud.control_settings
    try:
        settings = load(args.settings)
        asyncio.run(_upgrade(settings))
    except msgspec.MsgspecError as error:
        raise Failure(f"{args.settings}: {error}") from None
    except HanokError as error:
        raise Failure(error.message) from None
    say(f"The database is at version {migrate.head()}.")
    return 0


async def _upgrade(settings: ControlSettings) -> None:
    know_tables(settings)  # before a new database gets them
    database = Database(settings.database_url)
    await database.open()
    try:
        await migrate.ensure(database)
    finally:
        await database.close()
