"""The texts of the client: what stands in its modules, and what the catalogues have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from hanok.services.dashboard.files import FOLDER

SCRIPTS = FOLDER / "js"
LOCALES = FOLDER / "locales"
_STRING = r'"((?:[^"\\]|\\.)*)"'
_MARKED = re.compile(rf"\b[tT]\(\s*{_STRING}")
_USUAL = re.compile(rf"\bt\([^()]*\|\| {_STRING}")  # t(field.why || "…")
# What the frame translates where it is declared.
_NAMES = "label|title|help|intro|confirm|submit|empty|none|why|section|patternHelp|action|one"
_DECLARED = re.compile(rf"\b(?:{_NAMES}): {_STRING}")
_FACT = re.compile(rf"\[{_STRING}, (?![\"'])")  # ["Name", row.name]
_OPTIONS = re.compile(r"options: \[([^\[\]{}]*)\]")
_TEMPLATE = re.compile(r">([^<>`$={}()]*[A-Za-z]{3,}[^<>`$={}()]*)</")


SAME = (
    "Hanok",
    "Ctrl K",
    "Ctrl+Alt+Del",
    "Ctrl+C",
    "Ctrl+D",
    "tcp",
    "udp",
    "icmp",
)  # in every language


def scripts() -> Iterator[Path]:
    return iter(sorted(SCRIPTS.rglob("*.js")))


def _keys(text: str) -> Iterator[str]:
    for pattern in (_MARKED, _USUAL, _DECLARED):
        yield from pattern.findall(text)
    for found in _FACT.findall(text):
        if found[:1].isupper() and not found.startswith("OS_"):
            yield found
    for options in _OPTIONS.findall(text):
        yield from re.findall(_STRING, options)


def keys() -> set[str]:
    """All texts that are shown in the language of the page."""
    found: set[str] = set()
    for path in scripts():
        found.update(key.replace('\\"', '"') for key in _keys(path.read_text()))
    return {key for key in found if re.search("[A-Za-z]", key)}


def untranslated() -> list[str]:
    """Words that stand in a template as they are."""
    return [
        f"{path.name}: {found}"
        for path in scripts()
        for found in _TEMPLATE.findall(path.read_text())
        if found.strip() not in SAME
    ]
