"""What placement's handlers work with."""

from __future__ import annotations

from msgspec import Struct

from hanok.base.clock import Clock


class Placement(Struct, frozen=True, kw_only=True):
    clock: Clock
