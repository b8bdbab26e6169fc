"""Password hashes: made and compared in a thread, remembered for a while once they were made or matched.

What is remembered is a keyed hash over the password and the stored hash it matched, so that a changed password misses
by itself, on every replica. The key lives in this process's memory only.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets

import bcrypt

from hanok.base.clock import Clock
from hanok.base.errors import BadInput
from hanok.base.recent import Recent

_DIGITS = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
LONGEST_BYTES = 4096  # before hashing; a longer one only costs time [CVE-2012-1572]
DRAWN_BITS, DRAWN_ROUNDS = 112, 4
"""What was drawn at random, of so many bits, needs no costly hash: NIST SP 800-63B, look-up secrets. The least that
bcrypt takes, a millisecond."""
REMEMBERED_S = 300.0
REMEMBERED_MAXIMUM = 10_000


def _short(password: str) -> bytes:
    """bcrypt reads 72 bytes; a digest keeps all of the password in 44."""
    return base64.b64encode(hashlib.sha256(password.encode()).digest())


def _nobody(rounds: int) -> str:
    """A hash that no password has. Comparing with it costs what comparing with a real one costs; making it, nothing."""
    return bcrypt.gensalt(rounds).decode() + "".join(secrets.choice(_DIGITS) for _ in range(31))


def _rounds_of(stored: str) -> int:
    return int(stored.split("$")[2])


class Passwords:
    """Makes and compares hashes."""

    def __init__(self, clock: Clock, *, rounds: int = 12) -> None:
        self._clock = clock
        self._rounds = rounds
        self._key = secrets.token_bytes(32)
        self._until: Recent[bytes, float] = Recent(REMEMBERED_MAXIMUM)
        self._nobody = _nobody(rounds)

    async def hash(self, password: str, *, drawn: bool = False) -> str:
        """A hash to keep.

        Args:
            drawn: whether the password is DRAWN_BITS of chance or more: nobody guesses one, however fast each guess.

        Raises:
            BadInput: longer than 4,096 bytes.
        """
        if len(password.encode()) > LONGEST_BYTES:
            raise BadInput(f"The password is longer than {LONGEST_BYTES} bytes.")
        salt = bcrypt.gensalt(min(DRAWN_ROUNDS, self._rounds) if drawn else self._rounds)
        made = await asyncio.to_thread(bcrypt.hashpw, _short(password), salt)
        hashed = made.decode()
        self._remember(self._mark(password, hashed))
        return hashed

    async def matches(self, password: str, stored: str | None) -> bool:
        """Whether the password is the one kept. Without a stored hash it takes as long and says no."""
        if len(password.encode()) > LONGEST_BYTES:
            return False
        if stored is None:
            await asyncio.to_thread(bcrypt.checkpw, _short(password), self._nobody.encode())
            return False
        mark = self._mark(password, stored)
        if (self._until.get(mark) or -1.0) > self._clock.monotonic_s():
            return True
        if not await asyncio.to_thread(bcrypt.checkpw, _short(password), stored.encode()):
            if _rounds_of(stored) < self._rounds:  # no is to take as long, whoever is named
                await asyncio.to_thread(bcrypt.checkpw, _short(password), self._nobody.encode())
            return False
        self._remember(mark)
        return True

    def _mark(self, password: str, stored: str) -> bytes:
        return hmac.digest(self._key, f"{stored}\0{password}".encode(), "sha256")

    def _remember(self, mark: bytes) -> None:
        self._until.put(mark, self._clock.monotonic_s() + REMEMBERED_S)
