"""Clouds as users start them: by the command, in processes of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.ports import free_port

ROOT = Path(__file__).parents[2]
UP_S = 300  # a loaded machine; seconds when it is quiet


class CLI:
    """`hanok` with a state directory, perhaps inside a network namespace that plays the host."""

    def __init__(self, state: Path, netns: str = "") -> None:
        self.state = state
        self.netns = netns
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("OS_")
        }
        self.environment["PYTHONPATH"] = str(ROOT / "src")

    def inside(self, argv: Sequence[str]) -> list[str]:
        """A command line that runs on the host of this cloud."""
        # Not `ip netns exec`: its own mount namespace would hide the namespaces that the cloud makes.
        enter = ["nsenter", f"--net=/run/netns/{self.netns}", "--"] if self.netns else []
        return [*enter, *argv]

    def argv(self, *words: str) -> list[str]:
        # As a host, the way of the README: its environment can be read by the control process's user.
        program = [str(ROOT / "hanok")] if self.netns else [sys.executable, "-m", "hanok.cli"]
        return self.inside([*program, *words, "--state-dir", str(self.state)])

    def __call__(
        self,
        *words: str,
        status: int | None = 0,
        timeout_s: float = UP_S,
        failpoints: str = "",
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.argv(*words),
            env=self.environment | ({"HANOK_FAILPOINTS": failpoints} if failpoints else {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        if status is not None:
            assert done.returncode == status, (
                f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done

    def json(self, *words: str, status: int | None = 0) -> Any:
        return json.loads(self(*words, "--json", status=status).stdout)

    def openrc(self) -> dict[str, str]:
        """The administrator's variables, as a shell reads them from admin-openrc.sh."""
        script = f". {self.state}/admin-openrc.sh; env"
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
        pairs = (line.partition("=")[::2] for line in done.stdout.splitlines())
        return {name: value for name, value in pairs if name.startswith("OS_")}


@contextmanager
def simulated(*words: str, settings: str = "") -> Iterator[CLI]:
    """A simulated cloud, up, with these settings of the operator; destroyed when the block is left."""
    folder = Path(tempfile.mkdtemp(prefix="hanok-simulated-"))
    cli = CLI(folder / "cloud")
    if settings:
        cli.state.mkdir()
        (cli.state / "control-extra.toml").write_text(settings)
    try:
        cli("up", "--simulated", "--port", str(free_port()), *words)
        yield cli
    finally:
        cli("destroy", "--yes", status=None)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def host() -> Iterator[CLI]:
    """A place for a real cloud: a network namespace that plays the host, and a state directory."""
    name = f"hanok-host-{os.getpid()}"
    # Not under pytest's own folder: that one is closed to other users, and control is one.
    folder = Path(tempfile.mkdtemp(prefix="hanok-real-", dir="/var/tmp"))
    folder.chmod(0o755)
    # What has to be fetched is fetched here: the namespace leads nowhere.
    setup = [str(ROOT / "hanok"), "setup"]
    subprocess.run(setup, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    subprocess.run(["ip", "netns", "add", name], check=True)
    cli = CLI(folder / "cloud", name)
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        yield cli
    finally:
        if (cli.state / "hanok.toml").exists():
            cli("destroy", "--yes", status=None)
        subprocess.run(["ip", "netns", "del", name], check=True)
        shutil.rmtree(folder, ignore_errors=True)
