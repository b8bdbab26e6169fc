"""The database: tables' metadata, transactions, column types, migrations. The only room that sees a driver."""

from __future__ import annotations

from hanok.store.database import Changes, Database, Duplicate, Transaction, still_there
from hanok.store.schema import JSON, UTCDateTime, metadata

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
