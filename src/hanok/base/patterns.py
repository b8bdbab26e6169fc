"""The one place where somebody's text becomes a matcher.

Names in filters, paths in access rules, an identity provider's values, an operator's files: whatever a pattern comes
from, it is matched by RE2, whose time grows with the length of the text times the size of the pattern and never faster.
Python's own `re` tries one way after the other and can be made to try all of them, so it gets constants of ours only.

Each pattern is bounded in length, in the size that it is compiled to and in memory, and each text that it is tried on
by what the search may cost. What RE2 does not know (references back, looking around in the middle) is refused.
Look-aheads at the start of a pattern are served, because upstream's documents write rules of passwords with them:
`^(?=.*\\d)(?=.*[a-zA-Z]).{7,}$` is three patterns that all have to hold, and a bracket of nothing but look-aheads is a
choice among them. One that may be left out, `(?=…)*`, says nothing, and is.

Source: RE2's own page on its syntax (github.com/google/re2/wiki/Syntax).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import re2

CHARACTERS = 1024  # of a pattern: four times the longest name
PROGRAM = (
    2600  # instructions; a letter is one, any character nine: "up to 255 characters" is served
)
MEMORY = 1 << 18  # bytes that one pattern may use, its cached states included
COST = (
    4_000_000  # instructions times characters of one search: 20 ms where nothing can be remembered
)
CLASSES = 16  # of Unicode's letters, scripts, …: each takes a third of a millisecond to read
_ESCAPED = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)", re.DOTALL)
_LOOK = ("(?=", "(?!")
_DEEPEST = 5  # choices of look-aheads within each other


class BadPattern(ValueError):
    """This is not a pattern that is served; the text says why."""


class Pattern:
    """A pattern that is compiled and bounded.

    cost: what one character of a text costs at most; see COST.
    """

    __slots__ = ("_ahead", "_form", "cost", "text")

    def __init__(self, text: str, *, ignore_case: bool = False, from_start: bool = False) -> None:
        """
        Args:
            text: as Python's `re` would be given it, for most of what people write.
            from_start: it is held against whole texts or their beginnings only, as if it began with "^".

        Raises:
            BadPattern: it is too long, too large, or not in RE2's language.
        """
        if len(text) > CHARACTERS:
            raise BadPattern(f"it has more than {CHARACTERS} characters")
        if text.count("\\p") + text.count("\\P") > CLASSES:
            raise BadPattern(f"it has more than {CLASSES} classes of Unicode")
        self.text = text
        ahead, rest = _looks(_without_idle(_ESCAPED.sub(_end_of_text, text)), from_start)
        self._form = _compiled(rest, ignore_case)
        self._ahead = [_look(one, ignore_case) for one in ahead]
        self.cost = self._form.programsize + sum(one.cost for one in self._ahead)
        if self.cost > PROGRAM:
            raise BadPattern("it is too large")

    def search(self, text: str) -> bool:
        """Whether it is found anywhere. Raises BadPattern when that would cost too much."""
        self._check(text)
        return self._holds(text) and self._form.search(text) is not None

    def match(self, text: str) -> bool:
        """Whether the text begins with it. Raises BadPattern when that would cost too much."""
        self._check(text)
        return self._holds(text) and self._form.match(text) is not None

    def fullmatch(self, text: str) -> bool:
        """Whether it is the whole text. Raises BadPattern when that would cost too much."""
        self._check(text)
        return self._holds(text) and self._form.fullmatch(text) is not None

    def _holds(self, text: str) -> bool:
        return all(one.holds(text) for one in self._ahead)

    def _check(self, text: str) -> None:
        if self.cost * len(text) > COST:
            raise BadPattern("it is too large for a text of this length")
        if not text.isascii() and any("\ud800" <= one <= "\udfff" for one in text):
            raise BadPattern("the text holds a surrogate, which is not a character")


class _Look:
    """A look-ahead: what a text has to begin with, or not."""

    def __init__(self, form: Any, requested: bool) -> None:
        self._form, self._requested = form, requested
        self.cost: int = form.programsize

    def holds(self, text: str) -> bool:
        return (self._form.match(text) is not None) == self._requested


class _Choice:
    """Look-aheads of which those of one alternative have to hold."""

    def __init__(self, alternatives: list[list[_Look | _Choice]]) -> None:
        self._alternatives = alternatives
        self.cost: int = sum(one.cost for some in alternatives for one in some)

    def holds(self, text: str) -> bool:
        return any(all(one.holds(text) for one in some) for some in self._alternatives)


@lru_cache(maxsize=256)
def pattern(text: str, *, ignore_case: bool = False, from_start: bool = False) -> Pattern:
    """A pattern; the latest ones are kept. Raises BadPattern."""
    return Pattern(text, ignore_case=ignore_case, from_start=from_start)


def escaped(text: str) -> str:
    """A pattern that is this text and nothing else."""
    return str(re2.escape(text))


@lru_cache(maxsize=512)
def path_pattern(text: str) -> Pattern:
    """A path with places left open: {name} and * stand for one segment, ** for any number of them.

    Raises:
        BadPattern: it is too long.

    Source: Identity API guide, "Access Rules".
    """
    return Pattern(
        "".join(
            ".*"
            if piece == "**"
            else "[^/]+"
            if piece == "*" or (piece[:1] == "{" and piece[-1:] == "}")
            else re2.escape(piece)
            for piece in _OPEN.split(text)
        )
    )


_OPEN = re.compile(r"(\*\*|\*|\{[^}]*\})")


def _end_of_text(escaped: re.Match[str]) -> str:
    """Python's "\\Z" is RE2's "\\z", its "\\u4e00" is "\\x{4e00}"; all else is the same in both."""
    if len(escaped[0]) == 6:
        return f"\\x{{{escaped[0][2:]}}}"
    return r"\z" if escaped[0] == r"\Z" else escaped[0]


def _compiled(text: str, ignore_case: bool) -> Any:
    options = re2.Options()
    options.max_mem = MEMORY
    options.log_errors = False
    options.never_capture = True
    options.case_sensitive = not ignore_case
    try:
        return re2.compile(text, options)
    except re2.error as error:
        why = error.args[0] if error.args else ""
        raise BadPattern(
            why.decode("utf-8", "replace") if isinstance(why, bytes) else why
        ) from None
    except UnicodeEncodeError:
        raise BadPattern("it holds a character that no text may") from None


_Said = tuple[str, bool]  # what a look-ahead says, and whether it must hold
_Ahead = list["_Said | list[_Ahead]"]  # several, which may be choices among several


def _look(said: Any, ignore_case: bool) -> _Look | _Choice:
    if isinstance(said, tuple):
        return _Look(_compiled(said[0], ignore_case), said[1])
    return _Choice([[_look(one, ignore_case) for one in some] for some in said])


def _looks(text: str, from_start: bool, deep: int = _DEEPEST) -> tuple[_Ahead, str]:
    """The look-aheads at the start of an anchored pattern, each with whether it must hold; and the rest.

    deep: how many choices may be within each other.
    """
    found: _Ahead = []
    if not _ahead_in(text):
        return found, text
    anchor = "^" if text.startswith("^") else ""
    at = len(anchor)
    while (anchor or from_start) and text[at : at + 1] == "(":
        end = _closing(text, at)
        if text[at : at + 3] in _LOOK:
            found.append((text[at + 3 : end], text[at + 2] == "="))
        elif (choice := _choice(text[at + 1 : end], deep - 1)) and text[
            end + 1 : end + 2
        ] not in _COUNTS:
            found.append(choice)
        else:
            break
        at = end + 1
    rest = text[at:]
    if found and len(_alternatives(rest)) > 1:
        raise BadPattern("look-aheads go before one alternative only; put the others into brackets")
    return found, anchor + rest


_COUNTS = ("*", "+", "?", "{")  # how often what stands before them is there


def _choice(text: str, deep: int) -> list[_Ahead]:
    """The look-aheads of each alternative, where there is nothing else within a bracket; else none."""
    found: list[_Ahead] = []
    for one in _alternatives(text.removeprefix("?:")) if deep else ():
        ahead, rest = _looks(one, True, deep)
        if not ahead or rest:
            return []
        found.append(ahead)
    return found


def _without_idle(text: str) -> str:
    """A pattern without the look-aheads that may be left out."""
    at, inside = 0, False
    while _ahead_in(text) and at < len(text):
        one = text[at]
        if one == "\\":
            at += 1
        elif one == "[" and not inside:
            inside = True
            at += 1  # what comes first in a class is of it, a bracket too
        elif one == "]":
            inside = False
        elif not inside and text[at : at + 3] in _LOOK:
            end = _closing(text, at)
            if text[end + 1 : end + 2] in ("*", "?"):
                text = text[:at] + text[end + 2 :].removeprefix("?")
                continue
        at += 1
    return text


def _ahead_in(text: str) -> bool:
    return any(one in text for one in _LOOK)


def _closing(text: str, at: int) -> int:
    """Where the bracket that opens at a place is closed."""
    deep, inside = 0, False
    place = at
    while place < len(text):
        one = text[place]
        if one == "\\":
            place += 1
        elif inside:
            inside = one != "]"
        elif one == "[":
            inside = True
            place += (
                2 if text[place + 1 : place + 3] == "^]" else text[place + 1 : place + 2] == "]"
            )
        elif one == "(":
            deep += 1
        elif one == ")":
            deep -= 1
            if deep == 0:
                return place
        place += 1
    raise BadPattern("a bracket is not closed")


def _alternatives(text: str) -> list[str]:
    """What stands between the bars outside of brackets."""
    found, start, place = [], 0, 0
    while place < len(text):
        one = text[place]
        if one == "|":
            found.append(text[start:place])
            start = place + 1
        elif one == "\\":
            place += 1
        elif one == "(":
            place = _closing(text, place)
        elif one == "[":
            close = text.find("]", place + 2)
            place = close if close > 0 else len(text)
        place += 1
    return [*found, text[start:]]
