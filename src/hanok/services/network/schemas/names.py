"""Names of DNS as this API takes them, with its reasons.

Source: Networking API v2.0 reference, "DNS integration"; RFC 1035, section 2.3.4; RFC 1123, section 2.1.
"""

from __future__ import annotations

import re
from typing import Any

from hanok.web.attributes import Wrong, say, text

LONGEST = 255  # with the dot at the end
KEYWORDS = ("<project_id>", "<project_name>", "<user_id>", "<user_name>")
"""Stand in domains of networks for whose a port is, and who made it."""

_LABEL = re.compile(r"[A-Za-z0-9-]{1,63}")
_DIGITS = re.compile(r"[0-9]+")


def _why_not(name: str) -> str:
    """Why this is no name; empty if it is one."""
    trimmed = name.removesuffix(".")
    if len(trimmed) > LONGEST:
        return f"'{say(trimmed)}' exceeds the {LONGEST} character FQDN limit"
    labels = trimmed.split(".")
    for label in labels:
        if not label:
            return "Encountered an empty component"
        if label[0] == "-" or label[-1] == "-":
            return f"Name '{say(label)}' must not start or end with a hyphen"
        if not _LABEL.fullmatch(label):
            return (
                f"Name '{say(label)}' must be 1-63 characters long, each of which can only be "
                "alphanumeric or a hyphen"
            )
    if len(labels) > 1 and _DIGITS.fullmatch(labels[-1]):
        return f"TLD '{labels[-1]}' must not be all numeric"
    return ""


def dns_name(value: Any) -> str:
    """A name, whole (with a dot at the end) or to be completed; empty and null for none."""
    name = str(text(LONGEST)("" if value is None else value))
    if name and (why := _why_not(name)):
        raise Wrong(f"'{say(name)}' not a valid PQDN or FQDN. Reason: {why}")
    return name


def dns_domain(value: Any) -> str:
    """A whole name; empty and null for none."""
    name = dns_name(value)
    if name and not name.endswith("."):
        raise Wrong(f"'{say(name)}' is not a FQDN")
    return name


def dns_domain_with_keywords(value: Any) -> str:
    """A domain that may name what differs from port to port."""
    domain = str(text(LONGEST)("" if value is None else value))
    plain = domain
    for keyword in KEYWORDS:
        plain = plain.replace(keyword, "x")
    try:
        dns_domain(plain)
    except Wrong as error:
        raise Wrong(str(error).replace(plain, say(domain)) if plain else str(error)) from None
    return domain
