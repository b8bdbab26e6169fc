"""What the packet filter's driver raises."""

from __future__ import annotations

from hanok.base.errors import HanokError


class FilterFailed(HanokError):
    """The kernel does not take rules, or does not answer."""
