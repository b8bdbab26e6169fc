"""What a handler raises instead of an answer."""

from __future__ import annotations

from hanok.base.errors import HanokError


class NotDone(HanokError):
    """The command could not be done. message: for the user. transient: worth trying again."""

    def __init__(self, message: str, *, detail: str = "", transient: bool = False) -> None:
        super().__init__(message, detail=detail)
        self.transient = transient


class Late(HanokError):
    """The command is older than one that was already seen."""

    def __init__(self, known_generation: int) -> None:
        super().__init__(f"a command of generation {known_generation} was seen before")
        self.known_generation = known_generation
