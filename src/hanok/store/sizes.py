"""Statements that are larger than a database takes.

Filters turn into conditions, so a request can ask for more than fits into one statement. The database is well then, and
trying again does not help: the request is refused.
"""

from __future__ import annotations

TOO_LARGE = "The request asks for more at once than the database takes; ask in several requests."
_LIMIT = "54"  # SQL states of PostgreSQL's class "program limit exceeded"
_WORDS = (
    "expression tree is too large",
    "parser stack overflow",
    "too many sql variables",
    "tables in a join",
    "too many terms in compound select",
    "number of query arguments cannot exceed",
)


def is_too_large(error: BaseException | None) -> bool:
    """Whether a driver (sqlite3, asyncpg) says that a statement is too large.

    Source: "Implementation Limits For SQLite"; PostgreSQL's documentation, "PostgreSQL Error Codes".
    """
    if error is None:
        return False
    if str(getattr(error, "sqlstate", None) or "").startswith(_LIMIT):
        return True
    text = str(error).lower()
    return any(words in text for words in _WORDS)
