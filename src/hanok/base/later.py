"""Modules that are loaded when something of them is used: those that cost much, and that many a process never needs.

if TYPE_CHECKING:
    from cryptography import x509
else:
    x509 = later("cryptography.x509")
"""

from __future__ import annotations

import importlib
from typing import Any


class _Later:
    """Stands in place of a module."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


def later(name: str) -> Any:
    """A module by its whole name, loaded when an attribute of it is used."""
    return _Later(name)
