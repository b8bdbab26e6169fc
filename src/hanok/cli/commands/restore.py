"""`hanok restore FILE`: the cloud of a backup, in a state directory that has none; `hanok up` starts it then."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
from pathlib import Path

from hanok.base.errors import HanokError
from hanok.cli import archive, settings_of_rows
from hanok.cli.main import as_json, state_dir
from hanok.cli.output import Failure, print_json, say, typed
from hanok.cli.place import state_of
from hanok.control.settings import ControlSettings
from hanok.supervisor.settings import load


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="the file that hanok backup made")
    parser.add_argument(
        "--database", default="", metavar="URL", help="an empty PostgreSQL database for the rows"
    )
    state_dir(parser)
    as_json(parser)


def run(args: argparse.Namespace) -> int:
    manifest = archive.manifest_of(args.file)
    state = state_of(args, simulated=manifest.simulated)
    if not manifest.simulated and os.geteuid() != 0:
        raise Failure("hanok restore needs root for this cloud: sudo hanok …")
    if state.exists() and any(state.iterdir()):
        raise Failure(f"{state} is not empty; a cloud is restored into an empty state directory")
    # Beside it, so that a restore that breaks leaves nothing that could be taken for a cloud.
    new = state.with_name(f".{state.name}.restoring")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True, mode=0o755)
    try:
        _fill(args, manifest, new, state)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    if args.json:
        print_json({"state": str(state), "rows": sum(manifest.rows.values())})
    else:
        say(
            f"The cloud of {manifest.made_at} is in {state}. Start it: hanok up --state-dir {typed(state)}"
        )
    return 0


def _fill(args: argparse.Namespace, manifest: archive.Manifest, new: Path, state: Path) -> None:
    settings = ControlSettings(state_dir=str(new), database=args.database)
    archive.know_tables(settings)
    (new / "control").mkdir(mode=0o700)
    try:
        asyncio.run(archive.put_rows(args.file, settings.database_url, manifest))
        archive.put_files(args.file, new)
        cloud = load(new)
        if cloud is None:
            raise Failure(f"{args.file} has no settings of a cloud")
        if not manifest.simulated:
            archive.own(new, cloud.control_uid)
    except HanokError as error:
        raise Failure(f"{error.message} {error.detail}".strip()) from error
    # Where the rows of the cloud were that was backed up is none of this one's business.
    settings_of_rows.put(new, args.database)
    if state.exists():
        state.rmdir()
    new.rename(state)
