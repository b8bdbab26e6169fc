"""What the drivers of shares raise."""

from __future__ import annotations

from hanok.base.errors import HanokError


class ShareError(HanokError):
    """Something about shares. transient: worth trying again."""

    transient = True


class NotThere(ShareError):
    """What is to be worked on is not in the back end."""

    transient = False


class TooSmall(ShareError):
    """A share holds more than the size that it is to have."""

    transient = False

    def __init__(self, used_bytes: int) -> None:
        super().__init__("the share holds more than that")
        self.used_bytes = used_bytes


class ServerFailed(ShareError):
    """A share server is not there or did not do what it should."""


class Silent(ServerFailed):
    """A share server does not do what it was told, nor say why."""
