"""`hanok enable`: a systemd unit, so that the cloud comes back with the machine."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

from hanok.cli.main import state_dir
from hanok.cli.output import Failure, say
from hanok.cli.packages import has_systemd
from hanok.cli.place import cloud_of
from hanok.supervisor.settings import Cloud, write_whole

UNITS = Path("/etc/systemd/system")


def arguments(parser: argparse.ArgumentParser) -> None:
    state_dir(parser)


def run(args: argparse.Namespace) -> int:
    cloud = cloud_of(args)
    _check()
    write_whole(_path(cloud), unit(cloud))
    _systemctl("daemon-reload")
    _systemctl("enable", _path(cloud).name)
    say(f"The cloud in {cloud.state} starts with the machine ({_path(cloud).name}).")
    return 0


def _check() -> None:
    if not has_systemd():
        raise Failure("systemd does not run this machine; call `hanok up` from whatever starts it")
    if os.geteuid() != 0:
        raise Failure("hanok enable needs root: sudo hanok enable")


def unit(cloud: Cloud) -> str:
    """The unit's text. `up` puts everything right that a reboot took away, then stays."""
    checkout = os.environ.get("HANOK_CHECKOUT")
    if os.environ.get("HANOK_PACKAGED"):
        checkout = "/usr/bin"
    program = f"{checkout}/hanok" if checkout else f"{Path(sys.executable).parent}/hanok"
    simulated = " --simulated" if cloud.settings.simulated else ""
    words = f"--state-dir {_word(cloud.state)}"
    return f"""\
[Unit]
Description=Hanok, the cloud in {str(cloud.state).replace("%", "%%")}
After=network-online.target
Wants=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={_word(program)} up {words}{simulated}
ExecStop={_word(program)} down {words}
KillMode=none
TimeoutStartSec=900

[Install]
WantedBy=multi-user.target
"""


def _word(path: object) -> str:
    """One word of a command in a unit, whatever blanks, quotes, dollars and percent signs are in it.

    Source: systemd.service(5), "Command lines"; systemd.syntax(7), "Quoting".
    """
    text = str(path).replace("%", "%%")
    if re.fullmatch(r"[\w./@%+,:-]+", text):
        return text
    for character in ("\\", '"'):
        text = text.replace(character, f"\\{character}")
    return '"' + text.replace("$", "$$") + '"'


def _path(cloud: Cloud) -> Path:
    return UNITS / f"hanok-{cloud.settings.id}.service"


def remove_unit(cloud: Cloud) -> bool:
    """Undo; True when there was one."""
    path = _path(cloud)
    if not path.exists():
        return False
    if has_systemd():
        _systemctl("disable", path.name)
    path.unlink()
    if has_systemd():
        _systemctl("daemon-reload")
    return True


def _systemctl(*words: str) -> None:
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise Failure(f"systemctl {words[0]} failed: {done.stderr.strip()}")
