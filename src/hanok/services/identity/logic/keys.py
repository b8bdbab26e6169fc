"""The keys that tokens, and secrets at rest, are sealed with: files of Fernet keys, newest last.

Every replica reads the same folder. Tokens and secrets have a folder each: a token's key may be forgotten after an
hour, a secret's only once everything was sealed anew.
"""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from hanok.base.clock import Clock

SLACK_S = 60.0  # a replica may be sealing at this moment


_NAME = re.compile(r"\d{6}\.key")


def _now() -> float:
    """The time as files have it, whatever clock the rest goes by."""
    return Clock().now().timestamp()


class Keys:
    """Seals and opens. A key that was rotated out still opens until its file is removed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stamp = 0
        self._newest = ""
        self._fernet = self._load()

    def _files(self) -> list[Path]:
        return sorted(path for path in self._folder.iterdir() if _NAME.fullmatch(path.name))

    def _load(self) -> MultiFernet:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = self._files()
        if not files:
            self._write(1)
            files = self._files()
        self._stamp = self._folder.stat().st_mtime_ns
        self._newest = files[-1].stem
        return MultiFernet([Fernet(path.read_bytes()) for path in reversed(files)])

    def _write(self, number: int) -> None:
        temporary = self._folder / f".{number:06}.{os.getpid()}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, self._folder / f"{number:06}.key")
        except FileExistsError:
            pass  # another process was first; its key is as good
        finally:
            temporary.unlink()

    def rotate(self, lifetime_s: float) -> None:
        """Seal with a new key from now on, and forget keys that nothing alive was sealed with.

        Args:
            lifetime_s: how long what is sealed lives; a key opens for so long after the next one was made.
        """
        self.add()
        files = self._files()
        until = _now() - lifetime_s - SLACK_S
        for old, successor in itertools.pairwise(files):
            if successor.stat().st_mtime < until:
                old.unlink(missing_ok=True)
        self._fernet = self._load()

    def age_s(self) -> float:
        """Seconds since the newest key was made."""
        return _now() - (self._folder / f"{self.newest()}.key").stat().st_mtime

    def add(self) -> None:
        """Seal with a new key from now on; all others still open."""
        files = self._files()
        self._write(int(files[-1].stem) + 1 if files else 1)
        self._fernet = self._load()

    def prune(self, keep: int) -> None:
        """Remove all but the newest `keep` keys: what only they open is lost."""
        for old in self._files()[:-keep]:
            old.unlink(missing_ok=True)
        self._fernet = self._load()

    def newest(self) -> str:
        """The name of the key that seals, also when another replica has just made it."""
        if self._folder.stat().st_mtime_ns != self._stamp:
            self._fernet = self._load()
        return self._newest

    def seal(self, payload: bytes) -> str:
        self.newest()  # not with a key that another replica will soon forget
        return self._fernet.encrypt(payload).decode().rstrip("=")

    def open(self, text: str) -> bytes | None:
        """What was sealed, or None: not ours, altered, or the key is gone."""
        padded = text + "=" * (-len(text) % 4)
        try:
            return self._fernet.decrypt(padded.encode())
        except (InvalidToken, ValueError):
            pass
        if self._folder.stat().st_mtime_ns == self._stamp:
            return None
        self._fernet = self._load()  # another replica has rotated
        try:
            return self._fernet.decrypt(padded.encode())
        except (InvalidToken, ValueError):
            return None
