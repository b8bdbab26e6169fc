"""How long the HTTP server waits for its clients; beside it, so that settings are read without a server."""

from __future__ import annotations

from msgspec import Struct


class ServerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a client is waited for. Zero switches an end off.

    header_s: from a connection's or request's first byte until its headers are whole (20 s, as Apache's
        RequestReadTimeout gives by default).
    body_idle_s: without a byte of a body that is waited for.
    body_rate: bytes a second that a body has on average, once body_idle_s have passed; a modem had five thousand.
    answer_idle_s: without a byte of the answer being taken.
    answer_rate: bytes a second of an answer that are taken on average, each time that answer_idle_s have passed.
    keep_alive_s: between two requests.
    connections: at once; zero: as many as there are descriptors for. When all are taken, the one that has been idle
        for longest goes.
    """

    header_s: float = 20.0
    body_idle_s: float = 60.0
    body_rate: int = 500
    answer_idle_s: float = 60.0
    answer_rate: int = 500
    keep_alive_s: int = 75
    connections: int = 0
