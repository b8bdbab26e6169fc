"""The database: tables' metadata, transactions, column types, migrations. The only room that sees a driver.

What stands here is loaded when it is used: commands that only ask where the rows are (`moved`, `server`) need no
SQLAlchemy, which takes a third of a second.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hanok.store.database import Changes, Database, Duplicate, Transaction, still_there
    from hanok.store.schema import JSON, UTCDateTime, metadata

_OF_SCHEMA = ("JSON", "UTCDateTime", "metadata")

__all__ = [
    "JSON",
    "Changes",
    "Database",
    "Duplicate",
    "Transaction",
    "UTCDateTime",
    "metadata",
    "still_there",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(
        "hanok.store.schema" if name in _OF_SCHEMA else "hanok.store.database"
    )
    found = globals()[name] = getattr(module, name)
    return found
