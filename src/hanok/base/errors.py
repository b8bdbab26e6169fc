"""The root of all errors, and the tree that services raise.

    HanokError
    ├── Refused                 the caller's fault; each has an HTTP status
    │   ├── BadInput            400  the request cannot be understood
    │   ├── NotSignedIn         401  no valid token
    │   ├── Forbidden           403  seen, but not to be done by this caller
    │   │   └── OverQuota       403  (413 and 409 in some services) a limit would be passed
    │   ├── NotFound            404  not there, or not this caller's
    │   ├── MethodNotAllowed    405
    │   ├── NotAcceptable       406  microversion out of range
    │   ├── Conflict            409  not in this state, or it exists already
    │   ├── Gone                410  this operation was withdrawn
    │   ├── TooLarge            413  the body is larger than the service takes
    │   ├── UnsupportedType     415  the content type is not taken here
    │   ├── Unprocessable       422  understood, and what it is about cannot do it
    │   └── NotSupported        501  hosts of this kind cannot do that
    ├── Unavailable             503  an engine, a host or the database does not answer; try again
    │   ├── DatabaseAway        503  the cloud's own database does not answer, is busy or its disk is full
    │   └── Raced               503  another transaction changed the same meanwhile; nothing was written
    └── StepFailed              a step of an operation ended; carries the text of the resource's fault

`code` is the service's own name of the error (`itemNotFound`, `NetworkNotFound`, …): stable, never
reused. `message` is for the user, in the user's terms; `detail` is for the log only. `web` turns
them, in one place, into the fault body of the service that was asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class HanokError(Exception):
    """Anything that this project raises on purpose."""

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class Refused(HanokError):
    """The request was understood and will not be done.

    Args:
        message: what the user is told.
        code: the service's own name of this error; empty takes the service's name for the status.
        headers: further headers of the answer.
        extra: further fields of the fault body, for services that carry some.
    """

    status: ClassVar[int] = 400

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        detail: str = "",
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message, detail=detail)
        self.code = code
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})


class BadInput(Refused):
    status = 400


class NotSignedIn(Refused):
    status = 401


class Forbidden(Refused):
    status = 403


class OverQuota(Forbidden):
    status = 403


class NotFound(Refused):
    status = 404


class MethodNotAllowed(Refused):
    status = 405


class NotAcceptable(Refused):
    status = 406


class Conflict(Refused):
    status = 409


class Gone(Refused):
    status = 410


class TooLarge(Refused):
    status = 413


class UnsupportedType(Refused):
    status = 415


class Unprocessable(Refused):
    status = 422


class NotSupported(Refused):
    status = 501


class Unavailable(HanokError):
    """Something this needs does not answer now; the same request may work later.

    Args:
        retry_after_s: seconds after which to try again.
    """

    def __init__(self, message: str, *, detail: str = "", retry_after_s: int = 5) -> None:
        super().__init__(message, detail=detail)
        self.retry_after_s = retry_after_s


class DatabaseAway(Unavailable):
    """The cloud's own database does not answer, is busy, or its disk is full; nothing of the transaction was written.

    It is nobody's fault and says nothing of what was to be written: operations wait for it, and do not fail.
    """


class Raced(Unavailable):
    """Another transaction wrote what this one was about to write: a row came or went, or each waited for the other.

    Nothing of it was written, so it can be tried again at once, and the second time sees what the other one did.
    """

    def __init__(self, *, detail: str = "") -> None:
        super().__init__(
            "Others change the same at the moment; try again.", detail=detail, retry_after_s=1
        )


class StepFailed(HanokError):
    """A step of an operation cannot be done and should not be tried again as it is."""
