"""`hanok setup`: only what has to be installed, so that `up` later needs no registry."""

from __future__ import annotations

import argparse
import os

from hanok.cli import first_things, packages
from hanok.cli.output import Failure, Steps, say


def arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace) -> int:
    if os.geteuid() != 0:
        raise Failure("hanok setup needs root: sudo ./hanok setup")
    steps = Steps(2)
    with steps.step("Debian packages"):
        packages.ensure(steps)
    with steps.step("Guest image"):
        path = first_things.guest_if_it_can_be(steps)
    say("Everything is installed" + (f"; the guest image is {path}." if path else "."))
    return 0
