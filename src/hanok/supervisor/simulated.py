"""`python -m hanok.supervisor.simulated STATE`: the parent of a simulated cloud's one process.

It looks whether the cloud answers, and starts it again when it does not. A cloud that ends is not started again: who
kills it sees it dead, and `hanok up` starts it. With SIGTERM the cloud is ended, too, whether it heeds that or not.

This process lives beside the cloud all the time, so it imports nothing but small parts of the standard library.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import tomllib
from pathlib import Path

from hanok.supervisor.answering import PROBE_EVERY_S, SILENT_S, TERM_S, answers, listens, loopback

STARTS_S = 120.0  # as long as `hanok up` waits; twice as long after each start that came to nothing
STOP_S = 20.0  # requests and steps under way are finished
LOOK_S = 0.1
_SOON_S = 1.0


class Parent:
    """Of one cloud."""

    def __init__(self, argv: list[str], host: str, port: int, silent_s: float) -> None:
        """
        Args:
            argv: what the cloud is started with.
            silent_s: how long it may leave requests unanswered; zero: for ever.
        """
        self._argv = argv
        self._host, self._port, self._silent_s = host, port, silent_s
        self._told_to_end = False
        self._child = 0
        self._starts_s = max(STARTS_S, silent_s)

    def run(self) -> int:
        """Until the cloud ends; returns its status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        while True:
            self._child = os.posix_spawn(sys.executable, self._argv, os.environ)
            status = self._watch()
            if status is not None:
                return status

    def _end(self, *_: object) -> None:
        self._told_to_end = True

    def _watch(self) -> int | None:
        """The status of the cloud when it has ended; None when it was ended because it did not answer."""
        heard = time.monotonic()
        served = False
        while True:
            status = self._status_within(PROBE_EVERY_S if served else _SOON_S)
            if status is not None:
                return status
            if self._told_to_end:
                return self._stop(STOP_S)
            wait_s = max(LOOK_S, min(PROBE_EVERY_S, self._silent_s or PROBE_EVERY_S))
            # It listens only once it serves: from then on, no answer means more than a start that takes long.
            served = served or listens(self._host, self._port, timeout_s=wait_s)
            if answers(self._host, self._port, timeout_s=wait_s):
                heard = time.monotonic()
            elif self._silent_s and time.monotonic() - heard > (
                self._silent_s if served else self._starts_s
            ):
                if (
                    not served
                ):  # on a machine this busy, another start of the same length would end as this one
                    self._starts_s *= 2
                _say(f"the cloud (process {self._child}) does not answer and is started again")
                self._stop(TERM_S)
                return 0 if self._told_to_end else None

    def _status_within(self, seconds: float) -> int | None:
        """How the cloud ended within so many seconds; None when it did not, or we are told to end."""
        until = time.monotonic() + seconds
        while True:
            done, status = os.waitpid(self._child, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            if self._told_to_end or time.monotonic() > until:
                return None
            time.sleep(LOOK_S)

    def _stop(self, timeout_s: float) -> int:
        """End the cloud, in the end by force."""
        os.kill(self._child, signal.SIGTERM)
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            done, status = os.waitpid(self._child, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(LOOK_S / 5)
        _say(f"process {self._child} did not end on SIGTERM and is killed")
        os.kill(self._child, signal.SIGKILL)
        _, status = os.waitpid(self._child, 0)
        return os.waitstatus_to_exitcode(status)


def _say(text: str) -> None:
    """A line of the cloud's log, in its form."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000+00:00", time.gmtime())
    line = f'{{"at":"{now}","level":"error","part":"supervisor","message":"{text}"}}\n'
    os.write(2, line.encode())  # at once, and in one piece: the cloud writes to the same file


def argv(state: Path) -> tuple[str, ...]:
    """What the parent of a cloud is started with."""
    return (sys.executable, "-P", "-m", "hanok.supervisor.simulated", str(state))


def tail(state: Path) -> tuple[str, ...]:
    """The end of its arguments, by which it is found."""
    return argv(state)[-3:]


def main(state: Path) -> int:
    """Be the parent of the cloud in a state directory."""
    settings = tomllib.loads((state / "hanok.toml").read_text("utf-8"))
    control = tomllib.loads((state / "control.toml").read_text("utf-8"))
    cloud = [sys.executable, "-P", "-m", "hanok.cli", "simulated", "--state-dir", str(state)]
    host = loopback(str(control.get("host", "127.0.0.1")))
    port = int(control.get("port", 5000))
    return Parent(cloud, host, port, float(settings.get("silent_s", SILENT_S))).run()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
