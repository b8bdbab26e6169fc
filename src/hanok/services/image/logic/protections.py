"""An operator's file that says who may create, read, update and delete which further properties.

Sections are regular expressions of names, the first one that matches decides; what none matches is closed to everybody.

    [^x_billing_.*]
    create = admin
    read = admin,member
    update = admin
    delete = @          # everybody; ! is nobody

Source: Image service administration guide, "Property protections".
"""

from __future__ import annotations

import configparser
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

from hanok.base.patterns import BadPattern, Pattern, pattern

Act = Literal["create", "read", "update", "delete"]
ACTS = ("create", "read", "update", "delete")


class BadProtections(Exception):
    """The file cannot be used; the text says why."""


class Protections:
    """The file as it was when it was read."""

    def __init__(self, sections: Sequence[tuple[Pattern, dict[str, tuple[str, ...]]]]) -> None:
        self._sections = sections

    def allows(self, name: str, act: Act, holds: Callable[[str], bool]) -> bool:
        """Whether the caller may.

        Args:
            holds: whether the caller has a role, or a policy lets them.
        """
        for form, acts in self._sections:
            if form.search(name):
                words = acts[act]
                return "@" in words or any(holds(word) for word in words if word != "!")
        return False


def load(file: Path, by: str) -> Protections:
    """Read the file; again only when it changed.

    Raises:
        BadProtections: it is not there, or not in this form.
    """
    try:
        status = file.stat()
    except OSError as error:
        raise BadProtections(f"{file}: {error.strerror}") from error
    return _load(file, by, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _load(file: Path, by: str, _changed: int, _size: int) -> Protections:
    parser = configparser.RawConfigParser(
        strict=True, inline_comment_prefixes=("#",), default_section="(none)"
    )
    try:
        parser.read_string(file.read_text("utf-8"))
        sections = []
        for title in parser.sections():
            acts = {}
            for act in ACTS:
                words = tuple(w.strip() for w in parser.get(title, act).split(",") if w.strip())
                if ("@" in words or "!" in words) and len(words) > 1:
                    raise BadProtections(f"{file}: [{title}] {act}: @ and ! stand alone")
                if by == "policies" and len(words) > 1:
                    raise BadProtections(f"{file}: [{title}] {act} names more than one policy")
                acts[act] = words
            sections.append((pattern(title), acts))
    except (OSError, UnicodeError, configparser.Error, BadPattern) as error:
        raise BadProtections(f"{file}: {error}") from error
    return Protections(sections)
