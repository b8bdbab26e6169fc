"""`hanok destroy`: the cloud is gone, and everything it had; then look whether that is so."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from hanok.cli import creation, inspection
from hanok.cli.commands import down, enable
from hanok.cli.first_things import GUESTS
from hanok.cli.main import as_json, state_dir
from hanok.cli.output import Failure, print_json, say
from hanok.cli.place import cloud_of, needs_root, state_of
from hanok.supervisor import claims, membership
from hanok.supervisor.settings import Cloud


def arguments(parser: argparse.ArgumentParser) -> None:
    state_dir(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--force", action="store_true", help="also while other machines run control for this cloud"
    )
    as_json(parser)


def run(args: argparse.Namespace) -> int:
    try:
        cloud = cloud_of(args)
    except Failure:
        if not (state_of(args) / "hanok.toml").exists():
            raise
        raise Failure(
            f"the settings in {state_of(args)} are damaged, so it is not known what belongs to that cloud; "
            "put back hanok.toml, or look at `ip netns` and /run/hanok yourself"
        ) from None
    needs_root(cloud, "hanok destroy")
    if not args.force:
        _check_alone(cloud)
    if not args.yes:
        _ask(cloud)
    with creation.one_at_a_time(cloud.state):
        down.stop(cloud, with_guests=True)
        enable.remove_unit(cloud)
        own = remove_files(cloud)
    left = inspection.traces(cloud) + [str(path) for path in (*own, cloud.run) if path.exists()]
    if args.json:
        print_json({"destroyed": not left, "left": left})
    elif left:
        say("The cloud is destroyed, but this is left:")
        for line in left:
            say(f"  {line}")
    else:
        _proof(cloud)
    return 1 if left else 0


def _check_alone(cloud: Cloud) -> None:
    """Raises Failure where other controllers, and what their users have, would be left with nothing."""
    others = [] if cloud.is_member else membership.controllers(cloud)
    if others:
        names = ", ".join(one.name for one in others)
        raise Failure(
            f"the cloud began on this machine, which has its messages, networks and images, and {names} "
            "answers for it, too: hanok host remove, or --force if these machines are lost"
        )


def _ask(cloud: Cloud) -> None:
    if not sys.stdin.isatty():
        raise Failure("hanok destroy removes all servers, images and volumes; confirm with --yes")
    say(f"This removes the cloud in {cloud.state} with all its servers, images and users.")
    if input("Type yes to go on: ").strip() != "yes":
        raise Failure("nothing was removed")


def remove_files(cloud: Cloud) -> list[Path]:
    """Remove what the cloud put into its directories; returns what is left there (somebody else's files)."""
    for name in sorted(creation.OURS - {"hanok.toml", "up.lock"}):
        _remove(cloud.state / name)
    if not cloud.settings.simulated:
        _remove(cloud.run)
        claims.give_back(cloud.settings.id)
    # Last: with it, an interrupted destroy can be repeated.
    _remove(cloud.state / "hanok.toml")
    _remove(cloud.state / "up.lock")
    left = list(cloud.state.iterdir()) if cloud.state.exists() else []
    if not left:
        cloud.state.rmdir()
    return left


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _proof(cloud: Cloud) -> None:
    if cloud.settings.simulated:
        say(f"The simulated cloud is gone; looked for and not found: a process, {cloud.state}.")
        return
    say("The cloud is gone. Looked for and not found:")
    say("  processes   supervisor, engines, control, node, guests, anything in its namespaces")
    say(
        f"  network     namespaces {cloud.netns} and {cloud.netns}-md with their taps, device {cloud.host_device}, "
        f"firewall table hanok_{cloud.settings.id}"
    )
    say(f"  files       {cloud.state}, {cloud.run}, and mounts there")
    if GUESTS.exists() and os.listdir(GUESTS):
        say(
            "What was installed stays for the next cloud: Debian packages, the Python environment and the guest"
        )
        say(f"image in {GUESTS.parent} (rm -rf {GUESTS.parent} removes the last two).")
