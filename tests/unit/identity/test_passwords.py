"""Password hashes, and what is remembered of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bcrypt
import pytest

from hanok.base.clock import Clock
from hanok.services.identity.logic import passwords as module
from hanok.services.identity.logic.passwords import REMEMBERED_S, Passwords


class Hand(Clock):
    """A clock that is set by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 1000.0

    def monotonic_s(self) -> float:
        return self.at


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The passwords (as digests) that were compared at full cost."""
    seen: list[bytes] = []
    real: Callable[..., bool] = bcrypt.checkpw

    def counted(password: bytes, hashed: bytes) -> bool:
        seen.append(password)
        return real(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", counted)
    return seen


async def test_what_was_just_made_is_known_for_a_while(compared: list[bytes]) -> None:
    clock = Hand()
    passwords = Passwords(clock, rounds=4)
    stored = await passwords.hash("secret")
    assert await passwords.matches("secret", stored)
    assert not compared
    clock.at += REMEMBERED_S + 1
    assert await passwords.matches("secret", stored)
    assert await passwords.matches("secret", stored)
    assert len(compared) == 1


async def test_nothing_else_is_known_by_it(compared: list[bytes]) -> None:
    passwords = Passwords(Clock(), rounds=4)
    stored = await passwords.hash("secret")
    other = await passwords.hash("another")
    assert not await passwords.matches("another", stored)
    assert not await passwords.matches("secret", other)
    assert not await passwords.matches("secret", None)
    assert not await passwords.matches("", stored)
    assert len(compared) == 4


async def test_the_longest_unused_is_forgotten_first(
    compared: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REMEMBERED_MAXIMUM", 2)
    passwords = Passwords(Clock(), rounds=4)
    kept: dict[str, Any] = {name: await passwords.hash(name) for name in ("one", "two")}
    assert await passwords.matches("one", kept["one"])
    kept["three"] = await passwords.hash("three")
    assert await passwords.matches("one", kept["one"])
    assert await passwords.matches("three", kept["three"])
    assert not compared
    assert await passwords.matches("two", kept["two"])
    assert len(compared) == 1


async def test_a_drawn_password_has_a_light_hash_and_a_wrong_one_costs_as_much_as_ever(
    compared: list[bytes],
) -> None:
    rounds = 5
    passwords = Passwords(Clock(), rounds=rounds)
    drawn = await passwords.hash("144 random bits", drawn=True)
    chosen = await passwords.hash("144 random bits")
    assert (drawn.split("$")[2], chosen.split("$")[2]) == ("04", f"{rounds:02}")
    later = Passwords(Clock(), rounds=rounds)
    assert await later.matches("144 random bits", drawn)
    assert len(compared) == 1
    assert not await later.matches("144 random bit", drawn)
    assert len(compared) == 3, "one of them at full cost"
