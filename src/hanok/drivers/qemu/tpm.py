"""The process that is a guest's TPM. It lives as long as QEMU is connected to it, and keeps its state in a folder.

Source: swtpm(8).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

from hanok.drivers.qemu.capabilities import TPM
from hanok.drivers.qemu.errors import StartFailed

START_S = 20.0
SOCKET, PID = "tpm", "tpm.pid"
PROC = Path("/proc")


def arguments(run: Path, state: Path, version: str) -> list[str]:
    """run: the folder for its socket. state: the folder of what it remembers. version: "1.2" or "2.0"."""
    return [
        *(TPM, "socket", *(["--tpm2"] if version == "2.0" else [])),
        *("--tpmstate", f"dir={state},mode=0600"),
        *("--ctrl", f"type=unixio,path={run / SOCKET},mode=0600"),
        *("--pid", f"file={run / PID}"),
        *("--seccomp", "action=kill", "--terminate", "--daemon"),
    ]


def start(run: Path, state: Path, version: str, *, uid: int | None, gid: int | None) -> None:
    """It is there and listens. Call it in a thread: it takes some ten milliseconds.

    Raises:
        StartFailed
    """
    end(run)
    try:
        done = subprocess.run(
            arguments(run, state, version),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_S,
            cwd="/",
            user=uid,
            group=gid,
            extra_groups=None if uid is None else [],
            umask=0o077,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StartFailed("the server's TPM could not be started", detail=repr(error)) from error
    if done.returncode:
        words = (done.stderr or done.stdout).strip()[-500:]
        raise StartFailed("the server's TPM could not be started", detail=words)


def end(run: Path) -> None:
    """There is none that listens in this folder."""
    with contextlib.suppress(OSError, ValueError):
        pid = int((run / PID).read_text())
        words = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
        if Path(os.fsdecode(words[0])).name == TPM and any(
            os.fsencode(run / SOCKET) in word for word in words
        ):
            os.kill(pid, signal.SIGKILL)
    (run / SOCKET).unlink(missing_ok=True)
