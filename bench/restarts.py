"""What running guests notice of engines that are killed: `python -m bench.restarts` as root.

A real cloud in a network namespace of its own, with a guest that writes a line every 20 ms into a connection through its
floating IP. Each part of the cloud is killed in turn and started again by the supervisor; the longest time without a line
is the pause, and the connection must be the same at the end.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from typing import IO

from tests.acceptance.clouds import CLI, host

LINE_S = 0.02
TIMES = 3
QUIET_S = 5.0  # how long it is watched before and after
START_S = 120.0
LIMITS_S = {"ovs-vswitchd": 3.0}
PARTS = (
    "ovsdb-nb", "ovsdb-sb", "ovn-northd", "ovsdb-conf", "ovn-controller", "ovs-vswitchd", "nats-server", "control",
    "node", "supervisor",
)  # fmt: skip


class Stream:
    """The times at which the guest's lines came."""

    def __init__(self, cli: CLI, ssh: str) -> None:
        write = f"while :; do echo x; usleep {int(LINE_S * 1e6)}; done"
        words = [
            *ssh.split(),
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "ServerAliveInterval=0",
            write,
        ]
        self.process = subprocess.Popen(
            cli.inside(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.at: list[float] = []
        assert self.process.stdout is not None
        self._thread = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self._thread.start()

    def _read(self, stream: IO[bytes]) -> None:
        while os.read(stream.fileno(), 4096):
            self.at.append(time.monotonic())

    def wait(self, since: float, timeout_s: float = 60.0) -> None:
        """Until a line has come after a moment."""
        until = time.monotonic() + timeout_s
        while not (self.at and self.at[-1] > since):
            assert self.process.poll() is None, "the connection broke"
            assert time.monotonic() < until, "nothing comes any longer"
            time.sleep(0.01)

    def pause(self, since: float) -> float:
        """The longest time without a line since a moment, when lines come again."""
        self.wait(time.monotonic())
        now = time.monotonic()
        seen = [since, *(one for one in list(self.at) if one >= since), now]
        return max(after - before for before, after in itertools.pairwise(seen))


def rows(cli: CLI) -> dict[str, tuple[int, str]]:
    return {
        row["name"]: (row["pid"] or 0, row["state"])
        for row in cli.json("status", status=None)["processes"]
    }


def killed(cli: CLI, part: str) -> float:
    """Kill a part; the moment of it. It runs again when this returns."""
    before = rows(cli)[part][0]
    at = time.monotonic()
    os.kill(before, signal.SIGKILL)
    if part == "supervisor":
        cli("up")
        return at
    while True:
        pid, state = rows(cli)[part]
        if pid != before and state == "running":
            return at
        assert time.monotonic() < at + START_S, f"{part} does not come back"
        time.sleep(0.05)


def show(what: str, worst: float, requested: str) -> None:
    print(f"| {what:<28} | {worst:>10.2f} s | {requested:>8} |", flush=True)


def main() -> None:
    with host() as cli:
        cli("up")
        made = cli.json("launch")
        assert made["ready"], made
        stream = Stream(cli, made["ssh"])
        stream.wait(time.monotonic())
        print(f"| {'killed':<28} | {'pause':>12} | {'asked':>8} |")
        started = time.monotonic()
        time.sleep(2 * QUIET_S)
        still = stream.pause(started)
        show("nothing", still, "")
        pauses: dict[str, list[float]] = {part: [] for part in PARTS}
        # In rounds: who is killed again at once is started later each time, and its clients come back later, too.
        for _ in range(TIMES):
            for part in PARTS:
                at = killed(cli, part)
                time.sleep(QUIET_S)
                pauses[part].append(stream.pause(at))
        for part, seen in pauses.items():
            limit = LIMITS_S.get(part)
            show(part, max(seen), f"≤ {limit:.0f} s" if limit else "none")
        assert stream.process.poll() is None, "the connection broke"
        print("The connection was the same from the first line to the last.")
        stream.process.terminate()


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("this needs root")
    main()
