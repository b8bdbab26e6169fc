"""The cloud's own key: what seals the secrets that are kept in the database, and is no part of it.

It is one file, made once. Every control process has the same: a second machine is given it when it joins, and a backup
of the database is worth little without it.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from hanok.base.durable import settle
from hanok.base.errors import Unavailable


class CloudKey:
    """Seals and opens; the file is read, or made, when it is first needed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fernet: Fernet | None = None

    def seal(self, payload: bytes) -> str:
        """
        Raises:
            Unavailable: the file cannot be read or made.
        """
        return self._ready().encrypt(payload).decode()

    def open(self, text: str, *, ttl_s: int | None = None) -> bytes | None:
        """What was sealed, or None: not by us, altered, or (with ttl_s) longer ago than so many seconds."""
        try:
            return self._ready().decrypt(text.encode(), ttl=ttl_s)
        except (InvalidToken, ValueError):
            return None

    def _ready(self) -> Fernet:
        if self._fernet is None:
            try:
                if not self.path.exists():
                    self._make()
                self._fernet = Fernet(self.path.read_bytes().strip())
            except (OSError, ValueError) as error:
                why = error.strerror if isinstance(error, OSError) else "it does not hold a key"
                raise Unavailable(
                    f"The cloud's key {self.path} cannot be used: {why}. Put it back, from the backup of the database.",
                    detail=f"{type(error).__name__}: {error}",
                ) from error
        return self._fernet

    def _make(self) -> None:
        """Write a new key, unless another process was first."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=".", dir=self.path.parent)  # mode 0600
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(Fernet.generate_key())
                file.flush()
                os.fsync(file.fileno())
            os.link(temporary, self.path)
            settle(self.path.parent)  # what it is about to seal must not outlive it
        except FileExistsError:
            pass
        finally:
            os.unlink(temporary)
