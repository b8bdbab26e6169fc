"""Which cloud a command means."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from hanok.cli.output import Failure
from hanok.supervisor.settings import BrokenState, Cloud, load

REAL = Path("/var/lib/hanok/default")


def of_user() -> Path:
    """Where a simulated cloud lives when no place is named."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(base) / "hanok"


def state_of(args: argparse.Namespace, *, simulated: bool = False) -> Path:
    """The state directory that is meant: the one named, else that of the cloud there is, else the usual one."""
    named = args.state_dir or os.environ.get("HANOK_STATE_DIR")
    if named:
        return Path(os.path.abspath(os.path.expanduser(named)))
    if simulated:
        return of_user()
    if os.geteuid() != 0 or (not _made(REAL) and _made(of_user())):
        return of_user()
    return REAL


def _made(state: Path) -> bool:
    return (state / "hanok.toml").exists()


def cloud_of(args: argparse.Namespace) -> Cloud:
    """The cloud that is meant.

    Raises:
        Failure: there is none there, or it cannot be read.
    """
    state = state_of(args)
    try:
        cloud = load(state)
    except BrokenState as broken:
        raise Failure(str(broken)) from None
    if cloud is None:
        hint = "" if os.geteuid() == 0 else " (a cloud that root started is seen by root only)"
        raise Failure(f"there is no cloud in {state}{hint}; `hanok up` starts one")
    return cloud


def needs_root(cloud: Cloud, what: str) -> None:
    """Raises Failure when a real cloud is to be touched without root."""
    if not cloud.settings.simulated and os.geteuid() != 0:
        raise Failure(f"{what} needs root: sudo hanok …")
