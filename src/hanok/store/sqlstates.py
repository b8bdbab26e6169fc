"""What SQL calls the errors that are somebody's, by the codes that PostgreSQL sends (its manual, appendix A)."""

from __future__ import annotations

# "Data exception": too long, out of range, a character that no text may hold.
UNFIT = frozenset(("22000", "22001", "22003", "22008", "22021", "22P05"))
# Since a transaction looked, a row that it refers to went, or one with its unique values came; or each of two waited
# for the other. SQLite has one writer at a time: there, none of it happens unless the code is wrong.
RACED = frozenset(("23503", "23505", "40001", "40P01"))
ONLY_READS = "25006"  # the server does: another one takes the writes, or will
# How the codes begin: connection lost or not made, this account not let in (any more), no such database, rolled back
# for others, resources used up, a lock not to be had, what an operator does (the server ends, starts, or has ended this
# connection), its files not readable; a server that only reads (another one takes over), a transaction too long idle.
AWAY = ("08", "28", "3D", "40", "53", "55", "57", "58", ONLY_READS, "25P03")


def why(text: str) -> str:
    """What a user is told of a database that does not take a statement."""
    text = text.lower()
    if "disk is full" in text or "disk full" in text or "no space" in text:
        return "The disk that holds the database is full."
    if "locked" in text or "lock timeout" in text:
        return "The database is busy."
    if "not a database" in text or "malformed" in text:
        return "The database file is damaged or is not a database."
    if "unable to open" in text:
        return "The database file cannot be opened."
    return "The database does not answer."
