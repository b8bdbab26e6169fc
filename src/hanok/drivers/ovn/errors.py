"""What can go wrong here, by phase.

OVNError
├── CannotExpress       a value that OVN could not enforce as it is meant
├── ConnectError        nobody answers at the address, or not in time
├── NegotiateError      somebody answers, but has not the database or the columns we need
└── ExecuteError        a transaction or a command was refused
    ├── MissingParent   a row belongs into one that is not there (yet): apply that one's scope first
    └── Unanswered      sent, and no answer in time: it may have happened; repeat it
"""

from __future__ import annotations

from hanok.base.errors import HanokError


class OVNError(HanokError):
    """Anything that this library raises on purpose."""


class CannotExpress(OVNError):
    """A value that OVN could not enforce as it is meant."""


class ConnectError(OVNError):
    """Nobody answers at the address, or the connection is down and did not come back in time."""


class NegotiateError(OVNError):
    """The server has not the database, the tables or the columns we need."""


class ExecuteError(OVNError):
    """A transaction or a command was refused; `detail` has the engine's words."""


class MissingParent(ExecuteError):
    """A row belongs into one that does not exist: apply the scope of that one first."""


class Unanswered(ExecuteError):
    """No answer in time. The transaction may have been committed: repeating it is safe."""
