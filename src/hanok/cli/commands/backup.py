"""`hanok backup FILE`: the cloud in one file, while it runs."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime
from pathlib import Path

from hanok.base.errors import HanokError
from hanok.cli import archive
from hanok.cli.main import as_json, state_dir
from hanok.cli.output import Failure, print_json, say
from hanok.cli.place import cloud_of, needs_root
from hanok.control.settings import load


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="the file to write, which must not be there yet"
    )
    parser.add_argument(
        "--records",
        action="store_true",
        help="leave out the bytes of images and objects; in it are then what the cloud knows, and its keys",
    )
    state_dir(parser)
    as_json(parser)


def run(args: argparse.Namespace) -> int:
    cloud = cloud_of(args)
    needs_root(cloud, "hanok backup")
    if cloud.is_member:
        raise Failure("this machine joined a cloud, which is backed up where it began")
    settings = load(cloud.control_settings)
    archive.know_tables(settings)
    manifest = archive.Manifest(
        form=archive.FORM,
        version="",
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        simulated=cloud.settings.simulated,
        bytes=not args.records,
        rows={},
    )
    try:
        made = asyncio.run(archive.write(args.file, cloud.state, settings.database_url, manifest))
    except HanokError as error:
        raise Failure(error.message) from error
    except OSError as error:
        raise Failure(f"{args.file} cannot be written: {error.strerror}") from error
    size = args.file.stat().st_size
    rows = sum(made.rows.values())
    if args.json:
        print_json({"file": str(args.file), "bytes": size, "rows": rows})
    else:
        say(
            f"{args.file}: {rows} rows, {size >> 10} KiB. It holds the cloud's keys: keep it to yourself."
        )
        say("Disks of servers and volumes are not in it; they are on their hosts.")
    return 0
