"""What HAProxy's driver raises."""

from __future__ import annotations

from hanok.base.errors import HanokError


class ProxyError(HanokError):
    """Something about a proxy."""


class NotAccepted(ProxyError):
    """HAProxy refuses a configuration; detail has its words."""


class ProxyFailed(ProxyError):
    """A proxy is not there, does not answer or did not do what it should."""


class ProxyEnded(ProxyFailed):
    """A proxy ended before it served as it was told."""
