"""What identity's handlers work with, built once by control."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from msgspec import Struct

from hanok.base.clock import Clock
from hanok.services.identity.logic.passwords import Passwords
from hanok.services.identity.logic.tokens import Tokens


class IdentitySettings(Struct, frozen=True, kw_only=True):
    """An operator's choices. Zero switches a rule off.

    lock_after: wrong passwords in a row before a user is locked out for lock_for_s seconds.
    remember_passwords: how many past passwords may not come back.
    limit_model: how limits of projects and domains fit together.
    """

    token_lifetime_s: int = 3600
    lock_after: int = 0
    lock_for_s: int = 1800
    remember_passwords: int = 0
    password_rounds: int = 12
    password_regex: str = ""
    password_regex_description: str = ""
    limit_model: Literal["flat", "strict_two_level"] = "flat"


class Identity(Struct, frozen=True, kw_only=True):
    clock: Clock
    tokens: Tokens
    passwords: Passwords
    settings: IdentitySettings = IdentitySettings()

    @property
    def lock_for(self) -> timedelta:
        return timedelta(seconds=self.settings.lock_for_s)
