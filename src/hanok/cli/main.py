"""`hanok`: which command is meant, and what is said when it fails.

Commands are imported when they are called: `hanok status` should not pay for what `hanok control` needs.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import sys
from collections.abc import Sequence

from hanok import __version__
from hanok.cli.output import Failure, warn, words_of

COMMANDS = {
    "up": "start the cloud; safe to repeat",
    "launch": "start a server with an address that ssh reaches",
    "status": "show processes, services, memory and versions",
    "logs": "read the logs of all parts in one place",
    "down": "stop the cloud; guests keep running unless --guests",
    "destroy": "remove the cloud with everything in it, and prove it",
    "doctor": "compare records with the machine and name each difference",
    "enable": "start the cloud when the machine starts (systemd)",
    "disable": "undo enable",
    "setup": "only install what `up` needs",
    "token": "print the line with which one more machine joins the cloud",
    "join": "make this machine a host of a cloud, with the line that hanok token prints",
    "host": "list the cloud's machines, empty one, remove it, or say its availability zone",
    "grow": "move the cloud's rows to PostgreSQL while it runs",
    "routes": "list the API operations that are implemented",
    "test": "run the checks and tests of a checkout",
    "guest": "build the small guest image",
    "services": "list the services, and switch one on or off while the cloud runs",
    "explain": "say why a server is on its host, or on none",
    "why": "say where a packet between two addresses stops, and what would let it through",
    "operations": "list the work that is under way, and what is stuck",
    "class": "make projects and users for a class, see how far each is, and take them away again",
    "load": "say how busy a simulated server is to be",
    "objects": "say where the bytes of objects are, or move them while the cloud runs",
    "backup": "put the cloud's records, keys and images into one file, while it runs",
    "restore": "make a cloud of such a file, in a state directory that has none",
    "clone": "make a second, simulated cloud with the same records, to try things on",
    "upgrade": "bring the cloud of this machine to the version of this program, while guests go on",
    "keys": "replace the keys of tokens and secrets; nobody is signed out",
    "image": "load definitions of the properties of images",
    "db": "bring a database up to date",
}
_FILES = {"class": "classes"}
"""Where a command's name is not the name of its file."""
INTERNAL = ("control", "node", "simulated")
EPILOG = """\
hanok COMMAND --help explains a command. The first two to know:

  hanok up                the real cloud: Linux, root, QEMU and OVN (installed if missing)
  hanok up --simulated    the same APIs in one process: no root, nothing to install
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    # A plain `su` leaves root without the folders of its programs.
    os.environ["PATH"] = (
        os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/local/sbin:/usr/sbin:/sbin"
    )
    parser = _parser(words)
    args = parser.parse_args(words)
    if not hasattr(args, "run"):
        parser.print_help()
        return 2
    try:
        status: int = args.run(args)
        return status
    except Failure as failure:
        warn(failure.message)
        return failure.status
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            sys.stderr.close()  # `hanok logs | head`: nobody reads on
            return 141
        warn(words_of(error))
        return 1
    except KeyboardInterrupt:
        warn("interrupted; the same command goes on from here")
        return 130


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hanok",
        description="A private cloud that one command starts.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"hanok {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    requested = next((word for word in words if not word.startswith("-")), "")
    for name, text in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        if name == requested:
            module = importlib.import_module(f"hanok.cli.commands.{_FILES.get(name, name)}")
            module.arguments(sub)
            sub.set_defaults(run=module.run)
    if requested in INTERNAL:
        gc.disable()  # what a process loads at its start stays; it turns the collector on when it serves
        sub = commands.add_parser(requested)
        module = importlib.import_module(f"hanok.cli.commands.{requested}")
        module.arguments(sub)
        sub.set_defaults(run=module.run)
    return parser


def state_dir(parser: argparse.ArgumentParser) -> None:
    """The option that nearly all commands have."""
    parser.add_argument(
        "--state-dir", metavar="DIR", help="the cloud's directory (also: HANOK_STATE_DIR)"
    )


def as_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")
