"""Rows that are in no database."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from hanok.base.absence import Absence


def row(**values: Any) -> Any:
    return cast(Any, SimpleNamespace(**values))


def room(**settings: Any) -> Any:
    """What logic works with, as far as it looks at settings only."""
    usual = {
        "dns_domain": "openstacklocal",
        "dns_servers": (),
        "zone": "nova",
        "down_after_s": 75,
    }
    settings_row = row(**{**usual, **settings})
    return row(settings=settings_row, loaders={}, promised_anew=None, absence=Absence())
