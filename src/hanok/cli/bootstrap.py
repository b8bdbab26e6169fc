"""Makes the environment that `./hanok` runs in. A script for a bare Python: the standard library only.

    bootstrap.py ENV LOCK          ENV is a virtual environment with exactly what LOCK names
    bootstrap.py --copy ENV SRC    prints a folder under ENV with a copy of SRC that everybody may read

Both may be interrupted at any moment and repeated: an environment counts only when the file `ready` is in it, and a
copy gets its name only when it is whole.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

INSTALL_S = 1800  # a slow line; usually half a minute
KEEP_COPIES = 10  # a running cloud may still read from an older one


class Trouble(Exception):
    """Said to the user in one line."""


def main(argv: Sequence[str]) -> int:
    """Do what the arguments say."""
    try:
        if argv[0] == "--copy":
            print(copy_source(Path(argv[1]), Path(argv[2])))
        else:
            make_environment(Path(argv[0]), Path(argv[1]))
    except Trouble as trouble:
        _say(str(trouble))
        return 1
    except OSError as error:
        _say(f"{error.strerror}: {error.filename}" if error.filename else str(error))
        return 1
    except KeyboardInterrupt:
        _say("interrupted; the next call goes on from here")
        return 130
    return 0


def make_environment(env: Path, lock: Path) -> None:
    """Make the environment unless it is there; several callers wait for one of them to do it.

    Raises:
        Trouble: something is missing or failed; the text says what to do.
    """
    os.umask(0o022)
    env.parent.mkdir(parents=True, exist_ok=True)
    with open(env.parent / f".{env.name}.lock", "w") as turnstile:
        try:
            fcntl.flock(turnstile, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("waiting: another call is making the environment")
            fcntl.flock(turnstile, fcntl.LOCK_EX)
        if (env / "ready").exists() and os.access(env / "bin/python", os.X_OK):
            return
        _need_venv()
        started = time.monotonic()
        _say(f"making the Python environment {env} (once)")
        # Never two Pythons in one folder: what an interrupted run left is thrown away.
        shutil.rmtree(env, ignore_errors=True)
        _run(["-m", "venv", str(env)], "the environment could not be made")
        _say("installing the pinned packages of " + lock.name)
        _install(env, lock)
        (env / "ready").write_text(lock.name + "\n")
        _say(f"the environment is ready ({time.monotonic() - started:.0f} s)")


def _install(env: Path, lock: Path) -> None:
    options = ["--require-hashes", "--disable-pip-version-check", "--no-input", "-q", "-r"]
    _run(
        ["-I", "-m", "pip", "install", *options, str(lock)],
        "the Python packages could not be installed; is the package registry reachable? "
        "A second call tries again",
        python=str(env / "bin/python"),
    )


def _need_venv() -> None:
    """The modules venv and ensurepip: Debian has the second in a package of its own."""
    # Asked of a Python as `_run` starts it: this one was started without site-packages.
    if (
        subprocess.run([_python(), "-c", "import venv, ensurepip"], capture_output=True).returncode
        == 0
    ):
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Trouble("the Python module venv is missing; as root: apt install python3-venv")
    _say("installing the Debian package python3-venv")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "-q", "-y", "install", "--no-install-recommends", "python3-venv"]
    for command in (install, ["apt-get", "-q", "update"], install):
        status = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr
        ).returncode
        if status == 0 and command is install:
            return
    raise Trouble(
        "python3-venv could not be installed; try: apt-get update; apt install python3-venv"
    )


def _python() -> str:
    # With its version in the name: a later upgrade of python3 is noticed, not half used.
    return os.path.realpath(sys.executable)


def _run(arguments: list[str], otherwise: str, *, python: str = "") -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    try:
        done = subprocess.run(
            [python or _python(), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_S,
        )
    except subprocess.TimeoutExpired:
        raise Trouble(f"{otherwise} (nothing happened for {INSTALL_S} s)") from None
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()
        if any("No space left" in word for word in words):
            raise Trouble("the disk is full: make room and try again")
        raise Trouble(f"{otherwise}: {words[-1] if words else f'status {done.returncode}'}")


def copy_source(env: Path, source: Path) -> Path:
    """A copy of the package under `env`, named by its content, readable for everybody."""
    os.umask(0o022)
    files = sorted(
        path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(source)}\0".encode())
        digest.update(path.read_bytes())
    copies = env / "source"
    target = copies / digest.hexdigest()[:12]
    if target.exists():
        return target
    copies.mkdir(exist_ok=True)
    partial = copies / f".{os.getpid()}"
    for path in files:
        place = partial / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    try:
        partial.rename(target)
    except OSError:  # somebody else was quicker
        shutil.rmtree(partial, ignore_errors=True)
        if not target.exists():
            raise
    older = sorted(copies.glob("[0-9a-f]*"), key=lambda path: path.stat().st_mtime)
    for path in older[:-KEEP_COPIES]:
        shutil.rmtree(path, ignore_errors=True)
    return target


def _say(text: str) -> None:
    print(f"hanok: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
