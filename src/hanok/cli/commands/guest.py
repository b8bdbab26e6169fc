"""`hanok guest build`: the small guest image, into a file of one's own."""

from __future__ import annotations

import argparse
from pathlib import Path

from hanok.base.errors import HanokError
from hanok.cli import guest
from hanok.cli.first_things import guest_image
from hanok.cli.output import Failure, say


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=["build"])
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="the file to write (where hanok up looks for it)"
    )


def run(args: argparse.Namespace) -> int:
    try:
        path = guest.build(args.out or guest_image(), say)
    except HanokError as error:
        raise Failure(error.message) from None
    say(str(path))
    return 0
