"""The address of a PostgreSQL server as PostgreSQL's own tools take it, and what the driver is told of it.

    postgresql://user:password@host:port,host:port/name?sslmode=verify-full&sslrootcert=/path/ca.pem

Of several hosts the one that takes writes is used: when another one takes over, the next connection finds it. Who does
not answer is left after some seconds, also in the middle of a statement, when its machine is cut off.
"""

from __future__ import annotations

import socket
import ssl
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from hanok.base.errors import Unavailable

SCHEMES = ("postgresql://", "postgres://")
DRIVER = "postgresql+asyncpg://"
PORT = 5432
MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")
KNOWN = frozenset(
    (
        *(
            "host",
            "port",
            "user",
            "password",
            "dbname",
            "sslmode",
            "sslrootcert",
            "sslcert",
            "sslkey",
        ),
        *("connect_timeout", "application_name", "target_session_attrs"),
    )
)
OF_MANY_S = 3.0  # what one of several hosts gets to take a connection
SILENT_S = 10  # what was sent may stay unacknowledged for so long before the connection is given up
IDLE_S, EVERY_S, TIMES = (
    5,
    2,
    3,
)  # a connection on which nothing is sent is asked whether it is there


class WrongAddress(Unavailable):
    """The address cannot be used; the text says why, without the password."""


def arguments(url: str) -> dict[str, Any]:
    """What `asyncpg.connect` is told.

    Raises:
        WrongAddress
    """
    try:
        return _arguments(url)
    except (ssl.SSLError, OSError) as error:
        raise WrongAddress(f"A certificate of the database's address: {error}") from error


def shown(url: str) -> str:
    """Where the rows of a database are, for people: no user, no password."""
    if not url.startswith(SCHEMES):
        return f"SQLite, {url.removeprefix('sqlite:///')}"
    told = arguments(url)
    hosts = told["host"] if isinstance(told["host"], list) else [told["host"]]
    return f"PostgreSQL at {' or '.join(hosts)}, database {told.get('database', '')}"


def _arguments(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if not url.startswith(SCHEMES):
        raise WrongAddress("The address of a database is postgresql://user:password@host/name.")
    requested: dict[str, list[str]] = {}
    for name, value in parse_qsl(parts.query):
        requested.setdefault(name, []).append(value)
    if unknown := sorted(set(requested) - KNOWN):
        raise WrongAddress(f"The database's address has an unknown parameter: {unknown[0][:40]}.")
    user, _, named = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    one = {key: values[-1] for key, values in requested.items()}
    hosts, ports = _places(named, requested)
    found: dict[str, Any] = {
        "host": hosts if len(hosts) > 1 else hosts[0],
        "port": ports if len(hosts) > 1 else ports[0],
        "user": unquote(name) or one.get("user"),
        "password": unquote(password) or one.get("password"),
        "database": unquote(parts.path.removeprefix("/")) or one.get("dbname"),
        "ssl": _seal(one),
    }
    if len(hosts) > 1 or "target_session_attrs" in one:
        found["target_session_attrs"] = one.get("target_session_attrs", "read-write")
    if len(hosts) > 1 or "connect_timeout" in one:
        found["timeout"] = _seconds(one.get("connect_timeout"))
    if "application_name" in one:
        found["server_settings"] = {"application_name": one["application_name"]}
    return {key: value for key, value in found.items() if value is not None}


def _places(named: str, requested: dict[str, list[str]]) -> tuple[list[str], list[int]]:
    """Hosts, or folders of sockets, and their ports."""
    listed = [one for text in requested.get("host", []) for one in text.split(",")]
    words = listed or named.split(",")
    ports = [one for text in requested.get("port", []) for one in text.split(",")]
    hosts, numbers = [], []
    for at, word in enumerate(words):
        host, port = _place(word)
        number = port or (ports[at] if at < len(ports) else ports[0] if ports else str(PORT))
        if not (number.isdecimal() and 0 < int(number) < 65536):
            raise WrongAddress(f"Not a port of a database: {number[:20]!r}")
        hosts.append(host or "localhost")
        numbers.append(int(number))
    return hosts, numbers


def _place(word: str) -> tuple[str, str]:
    """A host and its port, or none."""
    if word.startswith("/") or unquote(word).startswith("/"):
        return unquote(word), ""
    if word.startswith("["):
        address, _, rest = word[1:].partition("]")
        return address, rest.removeprefix(":")
    host, _, port = word.partition(":")
    return host, port


def _seconds(text: str | None) -> float:
    if text is None:
        return OF_MANY_S
    if not (text.isdecimal() and 0 < int(text) <= 600):
        raise WrongAddress(f"Not a number of seconds for a connection: {text[:20]!r}")
    return float(text)


def _seal(one: dict[str, str]) -> ssl.SSLContext | str | bool | None:
    """What is asked of the server's certificate. None: as the driver does it (by TLS where the server has it)."""
    mode = one.get("sslmode")
    if mode is not None and mode not in MODES:
        raise WrongAddress(f"Not a sslmode: {mode[:20]!r}; there are {', '.join(MODES)}")
    if not {"sslrootcert", "sslcert"} & set(one):
        return {"disable": False, None: None}.get(mode, mode)
    if mode in ("disable", "prefer", None):
        raise WrongAddress(
            "Certificates for the database go with sslmode=require, verify-ca or verify-full."
        )
    found = ssl.create_default_context(cafile=one.get("sslrootcert"))
    found.check_hostname = mode == "verify-full"
    if "sslrootcert" not in one:
        found.verify_mode = ssl.CERT_NONE
        if mode != "require":
            raise WrongAddress(f"sslmode={mode} needs a sslrootcert.")
    if "sslcert" in one:
        found.load_cert_chain(one["sslcert"], one.get("sslkey"))
    return found


async def reach(url: str) -> None:
    """Connect once, as who runs this.

    Raises:
        WrongAddress, DatabaseAway
    """
    import asyncpg

    from hanok.store.direct import refusals

    with refusals():
        line = await asyncpg.connect(**arguments(url))
        await line.close()


def notice_silence(transport: Any) -> None:
    """A connection whose other end lost its power, or its wire, ends after some seconds and not after minutes."""
    line = transport.get_extra_info("socket") if transport is not None else None
    if line is None or line.family not in (socket.AF_INET, socket.AF_INET6):
        return
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", IDLE_S),
        ("TCP_KEEPINTVL", EVERY_S),
        ("TCP_KEEPCNT", TIMES),
        ("TCP_USER_TIMEOUT", SILENT_S * 1000),
    ):
        if hasattr(socket, name):  # elsewhere than on Linux
            line.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
