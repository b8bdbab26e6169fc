"""The values that load balancing knows, and validators of them.

Source: Load Balancer API v2 reference.
"""

from __future__ import annotations

import math
import string
from typing import Any
from urllib.parse import urlsplit

from hanok.base import patterns
from hanok.base.addresses import address_of, prefix_of
from hanok.web.attributes import Validator, Wrong, say, text

LISTENER_PROTOCOLS = (
    "HTTP", "HTTPS", "PROMETHEUS", "SCTP", "TCP", "TERMINATED_HTTPS", "UDP",
)  # fmt: skip
POOL_PROTOCOLS = ("HTTP", "HTTPS", "PROXY", "PROXYV2", "SCTP", "TCP", "UDP")
ALGORITHMS = ("LEAST_CONNECTIONS", "ROUND_ROBIN", "SOURCE_IP", "SOURCE_IP_PORT")
MONITORS = ("HTTP", "HTTPS", "PING", "SCTP", "TCP", "TLS-HELLO", "UDP-CONNECT")
METHODS = ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
ACTIONS = ("REDIRECT_PREFIX", "REDIRECT_TO_POOL", "REDIRECT_TO_URL", "REJECT")
RULE_TYPES = (
    "COOKIE", "FILE_TYPE", "HEADER", "HOST_NAME", "PATH", "SSL_CONN_HAS_CERT", "SSL_DN_FIELD",
    "SSL_VERIFY_RESULT",
)  # fmt: skip
COMPARISONS = ("CONTAINS", "ENDS_WITH", "EQUAL_TO", "REGEX", "STARTS_WITH")
PERSISTENCE = ("APP_COOKIE", "HTTP_COOKIE", "SOURCE_IP")
TLS_VERSIONS = ("SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
ALPN = ("h2", "http/1.0", "http/1.1")
REDIRECT_CODES = (301, 302, 303, 307, 308)
POOLS_OF = {
    "HTTP": ("HTTP", "PROXY", "PROXYV2"),
    "HTTPS": ("HTTPS", "PROXY", "PROXYV2", "TCP"),
    "PROMETHEUS": (),
    "SCTP": ("SCTP",),
    "TCP": ("HTTP", "HTTPS", "PROXY", "PROXYV2", "TCP"),
    "TERMINATED_HTTPS": ("HTTP", "PROXY", "PROXYV2"),
    "UDP": ("UDP",),
}
"""The protocols of the pools that a listener's can hand on to."""
MONITORS_OF = {
    "SCTP": ("HTTP", "SCTP", "TCP", "UDP-CONNECT"),
    "UDP": ("HTTP", "TCP", "UDP-CONNECT"),
}
PLAIN_MONITORS = ("HTTP", "HTTPS", "PING", "TCP", "TLS-HELLO")
"""The monitors of pools that are in no line of MONITORS_OF."""
LAYER7 = ("HTTP", "TERMINATED_HTTPS")
HEADERS = ("X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto")
TLS_HEADERS = (
    "X-SSL-Client-Verify", "X-SSL-Client-Has-Cert", "X-SSL-Client-DN", "X-SSL-Client-CN",
    "X-SSL-Issuer", "X-SSL-Client-SHA1", "X-SSL-Client-Not-Before", "X-SSL-Client-Not-After",
)  # fmt: skip
LONGEST_TIMEOUT_MS = 365 * 24 * 3600 * 1000
# Those of HTTP; what is no token of RFC 9110 cannot be a header's name, nor a cookie's.
_TOKEN = frozenset(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~")
_COOKIE = frozenset(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~")
_VALUE = frozenset(map(chr, range(0x21, 0x7F))) - frozenset('",;\\')
_PATH = frozenset(string.ascii_letters + string.digits + "-._~!$&'()*+,;=:@%/?")
_NO_MEMBERS = tuple(
    map(
        prefix_of,
        (
            "0.0.0.0/8",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "224.0.0.0/3",
            "::/127",
            "fe80::/10",
            "ff00::/8",
        ),
    )
)
"""Loopback, link-local (where the metadata service is), multicast: none of them is a member's."""


def transport(protocol: str) -> str:
    """What a listener's protocol runs over."""
    return protocol if protocol in ("UDP", "SCTP") else "TCP"


def member_address(value: Any) -> str:
    """An address that traffic may be sent to, spelled as it was sent: upstream shows it so."""
    try:
        found = address_of(value)
    except ValueError:
        raise Wrong(f"'{say(value)}' is not a valid IP address") from None
    inner = getattr(found, "ipv4_mapped", None) or found
    if any(inner.version == one.version and inner in one for one in _NO_MEMBERS):
        raise Wrong(f"'{say(value)}' is not an address that a member can have")
    return str(value)


def canonical(address: str) -> str:
    """The one spelling of an address."""
    return str(address_of(address))


def cidr(value: Any) -> str:
    try:
        return str(prefix_of(value))
    except ValueError:
        raise Wrong(f"'{say(value)}' is not a valid CIDR") from None


def of_characters(known: frozenset[str], what: str, maximum: int = 255) -> Validator:
    inner = text(maximum, empty=False)

    def check(value: Any) -> str:
        found: str = inner(value)
        if not known.issuperset(found):
            raise Wrong(f"'{say(value)}' is not a valid {what}")
        return found

    return check


cookie_name = of_characters(_COOKIE, "cookie name")
rule_key = of_characters(_TOKEN, "header, cookie or field name")
rule_text = of_characters(_VALUE, "rule value")


def url_path(value: Any) -> str:
    """A path, with a query or not: "/health?deep=1"."""
    found: str = of_characters(_PATH, "URL path", 2048)(value)
    if not found.startswith("/"):
        raise Wrong(f"'{say(value)}' is not a valid URL path: it does not begin with '/'")
    return found


def url(value: Any) -> str:
    """An address of the web: http or https, with a host, and no character that an address cannot have."""
    found: str = text(255, empty=False)(value)
    try:
        parts = urlsplit(found)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname)
        fits = fits and (parts.port is None or 0 < parts.port < 65536)
    except ValueError:
        fits = False
    if not fits or not (_PATH | frozenset("[]#")).issuperset(found):
        raise Wrong(f"'{say(value)}' is not a valid URL")
    return found


def expected_codes(value: Any) -> str:
    """One status ("200"), several ("200,202"), or a range ("200-204")."""
    found: str = text(64, empty=False)(value)
    parts = found.split("-") if "-" in found else [one.strip() for one in found.split(",")]
    whole = all(len(one) == 3 and one.isascii() and one.isdigit() for one in parts)
    if not whole or ("-" in found and (len(parts) != 2 or parts[1] < parts[0])):
        raise Wrong(f"'{say(value)}' is not a valid list or range of HTTP status codes")
    return found


def host_name(value: Any) -> str:
    found: str = text(255, empty=False)(value)
    labels = found.rstrip(".").split(".")
    letters = frozenset(string.ascii_letters + string.digits + "-")
    if not all(
        0 < len(one) <= 63 and letters.issuperset(one) and one[0] != "-" != one[-1]
        for one in labels
    ):
        raise Wrong(f"'{say(value)}' is not a valid domain name")
    return found


def expression(value: Any) -> str:
    """A regular expression in the language that is served."""
    found: str = text(255, empty=False)(value)
    try:
        patterns.Pattern(found)
    except patterns.BadPattern as error:
        raise Wrong(f"'{say(value)}' is not a valid regular expression: {error}") from None
    if not found.isprintable():
        raise Wrong(f"'{say(value)}' is not a valid regular expression")
    return found


def ciphers(value: Any) -> str:
    """Names of OpenSSL with colons between."""
    letters = frozenset(string.ascii_letters + string.digits + "-_:+!@=.")
    return str(of_characters(letters, "list of ciphers", 2048)(value))


def number(least: float, maximum: float) -> Validator:
    def check(value: Any) -> float:
        try:
            found = math.nan if isinstance(value, bool) else float(value)  # clients send texts, too
        except (TypeError, ValueError, OverflowError):
            raise Wrong(f"'{say(value)}' is not a number") from None
        if not least <= found <= maximum:
            raise Wrong(f"'{say(value)}' is not between {least} and {maximum}")
        return found

    return check


def subset(*known: str) -> Validator:
    """A list of some of these, each once."""

    def check(value: Any) -> list[str]:
        if not isinstance(value, list) or len(set(map(str, value))) != len(value):
            raise Wrong(f"'{say(value)}' is not a list of different values")
        if odd := [one for one in value if one not in known]:
            raise Wrong(f"'{say(odd[0])}' is not in {list(known)}")
        return list(value)

    return check


def insert_headers(value: Any) -> dict[str, str]:
    """Headers that a listener adds, each "true" or "false"."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Wrong(f"'{say(value)}' is not a dictionary")
    found = {}
    for name, each in value.items():
        if name not in (*HEADERS, *TLS_HEADERS):
            raise Wrong(f"'{say(name)}' is not a header that can be inserted")
        plain = str(each).lower()
        if plain not in ("true", "false"):
            raise Wrong(f"'{say(each)}' of {name} is neither 'True' nor 'False'")
        found[name] = str(each)
    return found


def persistence(value: Any) -> dict[str, Any] | None:
    """How a client comes back to the same member."""
    if value is None or value == {}:
        return None
    known = ("type", "cookie_name", "persistence_timeout", "persistence_granularity")
    if not isinstance(value, dict):
        raise Wrong(f"'{say(value)}' is not a dictionary")
    if odd := [name for name in value if name not in known]:
        raise Wrong(f"Unexpected keys supplied: {say(', '.join(map(str, odd)))}")
    kind = value.get("type")
    if kind not in PERSISTENCE:
        raise Wrong(f"session persistence type '{say(kind)}' is not in {list(PERSISTENCE)}")
    found = {name: value.get(name) for name in known}
    _cookie_fits(kind, found)
    if found["persistence_timeout"] is not None:
        found["persistence_timeout"] = _whole(found["persistence_timeout"], "persistence_timeout")
    if found["persistence_granularity"] is not None:
        found["persistence_granularity"] = _mask(found["persistence_granularity"])
    if kind != "SOURCE_IP" and (found["persistence_timeout"] or found["persistence_granularity"]):
        raise Wrong(f"persistence_timeout and persistence_granularity are not options of {kind}")
    return found


def _cookie_fits(kind: str, found: dict[str, Any]) -> None:
    if kind == "APP_COOKIE":
        if not found["cookie_name"]:
            raise Wrong("a cookie_name is needed for APP_COOKIE session persistence")
        cookie_name(found["cookie_name"])
    elif found["cookie_name"]:
        raise Wrong(f"cookie_name is not an option of {kind} session persistence")


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**31:
        raise Wrong(f"'{say(value)}' is not a valid {name}")
    return value


def _mask(value: Any) -> str:
    """A net mask of IPv4, or an address of IPv6."""
    try:
        found = address_of(value)
        if found.version == 4:
            prefix_of(f"0.0.0.0/{value}")
        return str(found)
    except ValueError:
        raise Wrong(f"'{say(value)}' is not a valid persistence_granularity") from None
