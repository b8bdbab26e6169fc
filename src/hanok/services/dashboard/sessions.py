"""Sessions: what a browser holds of a sign-in, which it can neither read nor alter.

A session is a sealed cookie with the token in it, so it is the same at every control process and after a restart, and
an anonymous visit stores nothing. It ends with its token: a token that is revoked by signing out ends every copy.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from hanok.base.clock import Clock
from hanok.base.cloud_key import CloudKey

COOKIE = "hanok_dashboard"
PATH = "/dashboard"
_MARK = b"dashboard:"  # nothing else that the cloud's key seals is a session
_COOKIE_BYTES = 3800  # browsers keep 4096 of a cookie


class Session(Struct, frozen=True, array_like=True):
    """A sign-in.

    token: of the scope. first: the one of the sign-in itself, without a scope; when it is revoked, all made of it end.
    scope: "project:<id>", "domain:<id>", "system" or "none". until: when the token ends, in seconds since 1970.
    """

    token: str
    first: str
    scope: str
    until: float


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Session).decode


class Sessions:
    """Seals sessions into cookies, and knows them again."""

    def __init__(self, key: CloudKey, clock: Clock) -> None:
        self._key = key
        self._clock = clock

    def cookie(self, session: Session, *, secure: bool) -> str:
        """The header that gives a browser its session.

        Raises:
            ValueError: it is longer than browsers keep.
        """
        sealed = self._key.seal(_MARK + _encode(session))
        if len(sealed) > _COOKIE_BYTES:
            raise ValueError("the session does not fit into a cookie")
        left_s = max(0, int(session.until - self._clock.now().timestamp()))
        return _cookie(sealed, left_s, secure=secure)

    def opened(self, header: str) -> Session | None:
        """The session of a Cookie header, if it is one of ours that has not ended."""
        found = _found(header)
        raw = self._key.open(found) if found.isascii() and len(found) <= _COOKIE_BYTES else None
        if raw is None or not raw.startswith(_MARK):
            return None
        try:
            session = _decode(raw.removeprefix(_MARK))
        except msgspec.MsgspecError:
            return None  # of another version
        return session if session.until > self._clock.now().timestamp() else None


def _found(header: str) -> str:
    """The value of our cookie, the last one of that name; "" for none.

    Other services of the same host have cookies, too, in forms that no parser of all cookies takes.
    """
    pairs = (one.strip().partition("=") for one in header.split(";"))
    return next((value for name, _, value in reversed([*pairs]) if name == COOKIE), "")


def ended(*, secure: bool) -> str:
    """The header that takes the session from a browser."""
    return _cookie("", 0, secure=secure)


def _cookie(value: str, left_s: int, *, secure: bool) -> str:
    more = "; Secure" if secure else ""
    return f"{COOKIE}={value}; Max-Age={left_s}; Path={PATH}; HttpOnly; SameSite=Strict{more}"
