"""The unmodified command line client, run in this process, with a memory of what was called."""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Terminal(io.StringIO):
    """A standard input that is nobody's file: else the client takes an image's data from there."""

    def isatty(self) -> bool:
        return True


class OpenStack:
    """The client, in this process; what was called is remembered."""

    def __init__(self, environment: dict[str, str], group: str) -> None:
        """
        Args:
            group: whose commands are looked at, as the client's packages name it ("openstack.image.v2").
        """
        self.environment = environment
        self.called: set[str] = set()
        names = importlib.metadata.entry_points(group=group)
        self.commands = {one.name.replace("_", " ") for one in names}

    def run(self, *words: str, status: int | None = 0) -> str:
        """Run a command; returns what it printed.

        Args:
            status: what it ends with; None: the caller sees for itself what came of it.
        """
        plain = " ".join(words)
        match = max((c for c in self.commands if plain.startswith(c)), key=len, default="")
        if not status:
            self.called.add(match)
        ended, printed = self.ended(*words)
        assert status is None or ended == status, f"openstack {plain}: {ended}\n{printed}"
        return printed

    def ended(self, *words: str) -> tuple[int, str]:
        """Run a command; gives its exit status and what it printed, with the errors where it failed."""
        from openstackclient import shell  # warns while it is imported
        from osc_lib import clientmanager

        # The client keeps its connections for as long as its process lives: the next user would speak as this one.
        for kept in vars(clientmanager.ClientManager).values():
            if isinstance(kept, clientmanager.ClientCache):
                kept._handle = None
        out, err = io.StringIO(), io.StringIO()
        before, stdin = dict(os.environ), sys.stdin
        os.environ.update(self.environment)
        sys.stdin = Terminal()
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                ended = shell.main(list(words))
        finally:
            os.environ.clear()
            os.environ.update(before)
            sys.stdin = stdin
        return ended, out.getvalue() + (err.getvalue() if ended else "")

    def as_somebody_else(self, other: OpenStack, *words: str) -> str:
        """Run a command with another's environment; it counts as called here."""
        other.commands = self.commands
        printed = other.run(*words)
        self.called |= other.called
        return printed

    def json(self, *words: str) -> Any:
        return json.loads(self.run(*words, "-f", "json"))

    def in_other_region(self, *words: str) -> Any:
        """The same in a process of its own."""
        client = Path(sys.executable).with_name("openstack")
        done = subprocess.run(
            [str(client), *words, "-f", "json"],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=120,
        )
        return json.loads(done.stdout)

    def wait(self, look: Callable[[], bool]) -> None:
        for _ in range(600):
            if look():
                return
        raise AssertionError("it never came to that")
