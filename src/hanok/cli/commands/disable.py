"""`hanok disable`: the cloud no longer starts with the machine."""

from __future__ import annotations

import argparse

from hanok.cli.commands import enable
from hanok.cli.main import state_dir
from hanok.cli.output import say
from hanok.cli.place import cloud_of


def arguments(parser: argparse.ArgumentParser) -> None:
    state_dir(parser)


def run(args: argparse.Namespace) -> int:
    cloud = cloud_of(args)
    if enable.remove_unit(cloud):
        say(f"The cloud in {cloud.state} no longer starts with the machine.")
    else:
        say(f"The cloud in {cloud.state} did not start with the machine; nothing to undo.")
    return 0
