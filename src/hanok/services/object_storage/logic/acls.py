"""Who may use a container beside its owners: X-Container-Read and X-Container-Write.

    project:user, project:*, *:user, *:*     by ids
    role                                     of the account's own project
    .r:*, .r:host, .r:.domain, .r:-host      who comes from where; to read only
    .rlistings                               and may list

Source: "Access Control Lists (ACLs)" in the overview of authentication.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from hanok.services.object_storage.logic.names import Said

_REFERRERS = (".r", ".ref", ".referer", ".referrer")
LISTINGS = ".rlistings"


def cleaned(header: str, value: str) -> str:
    """An access list in its usual form.

    Raises:
        Said: it is none.
    """
    found = []
    for item in value.split(","):
        whole = item.strip()
        if not whole:
            continue
        first, colon, second = (part.strip() for part in whole.partition(":"))
        if not colon or not first.startswith("."):
            found.append(f"{first}:{second}" if colon else whole)
        elif first not in _REFERRERS:
            raise Said(400, f"Unknown designator {first!r} in ACL: {whole!r}")
        elif "write" in header:
            raise Said(400, f"Referrers not allowed in write ACL: {whole!r}")
        else:
            negated = second.startswith("-")
            host = second.removeprefix("-").strip()
            if host not in ("", "*", ".") and host.startswith("*"):
                host = host[1:].strip()
            if not host or host == ".":
                raise Said(
                    400, f"No host/domain value after referrer designation in ACL: {whole!r}"
                )
            found.append(f".r:{'-' if negated else ''}{host}")
    return ",".join(found)


def parsed(text: str) -> tuple[list[str], list[str]]:
    """An access list's referrers, and all others."""
    referrers, groups = [], []
    for item in text.split(",") if text else ():
        if item.startswith(".r:"):
            referrers.append(item[3:])
        else:
            groups.append(unquote(item))
    return referrers, groups


def comes_from(referrer: str, allowed: Sequence[str]) -> bool:
    """Whether an access list lets in whoever comes from there; of several that fit, the last one says so."""
    found = False
    try:
        host = urlsplit(referrer or "").hostname or "unknown"
    except ValueError:
        host = "unknown"
    for one in allowed:
        negated = one.startswith("-")
        pattern = one.removeprefix("-")
        if pattern in ("*", host) or (pattern.startswith(".") and host.endswith(pattern)):
            found = not negated
    return found


def names_user(groups: Sequence[str], projects: Sequence[str], users: Sequence[str]) -> bool:
    """Whether an access list names a user of a project: what the project is called, and what the user is."""
    return any(
        f"{project}:{user}" in groups for project in (*projects, "*") for user in (*users, "*")
    )
