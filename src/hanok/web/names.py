"""What this cloud is called: the hosts whose names a client may give as ours.

A Host header is written by whoever sends it. Addresses that hold a secret are made for names of ours only, and a page
in a browser is one of ours only under such a name: a name of somebody else's that is pointed at us is not.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence

from hanok.base.addresses import address_of

_LOCAL = ("localhost", "ip6-localhost")


def host_of(header: str) -> str:
    """The host of a Host header or of an address's network location, without the port and in small letters."""
    text = header.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.rpartition(":")[0] if text.count(":") == 1 else text


class Names:
    """Of one cloud."""

    def __init__(
        self,
        configured: Sequence[str] = (),
        host: str = "127.0.0.1",
        port: int = 5000,
        *,
        ports: Mapping[str, int] | None = None,
    ):
        """
        Args:
            configured: names that an operator gives; then links of all kinds are made for these and for numeric
                addresses only. Without any, this machine's own names count, and links follow whatever a client says.
            host, port: where we listen. ports: those of services that have one of their own, by name.
        """
        self.ports = dict(ports or {})
        self.strict = bool(configured)
        machine = {socket.gethostname().lower()} if not configured else set()
        self._known = {*(one.lower() for one in configured), *_LOCAL, host.lower(), *machine}
        if host in ("0.0.0.0", "::", ""):  # noqa: S104  # "every address" is none to write into a link
            host = socket.gethostname()
        first = configured[0] if configured else host
        self._own = f"[{first}]:{port}" if ":" in first else f"{first}:{port}"

    def knows(self, header: str) -> bool:
        """Whether a Host header names us. A numeric address does: nobody else can give us one of those."""
        host = host_of(header)
        if host in self._known or host.rstrip(".") in self._known:
            return True
        try:
            address_of(host)
        except ValueError:
            return False
        return True

    def ours(self, header: str) -> str:
        """The host and port to write into addresses: as the client says, if that is ours."""
        return header if header and self.knows(header) else self._own
