"""What a further controller is given when it joins: the cloud's own keys, its settings, and where everything is.

It goes to who shows a token that was made for a controller, by TLS, whose certificate the joiner holds against the
token's fingerprint. Such a machine knows all that the first one knows: who takes it has the cloud.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hanok.base.cloud_key import CloudKey
from hanok.base.errors import Conflict, Forbidden
from hanok.control.settings import ControlSettings
from hanok.store import moved

OWN = frozenset(
    (
        *("state_dir", "host", "bus", "bus_user", "bus_password_file", "bytes_url", "tls", "address"),
        *("messages_port", "southbound_port", "northbound_port", "northbound", "southbound"),
        *("node_name", "admin_password_file", "database", "behind", "files_at", "began_on", "began_at"),
    )
)  # fmt: skip
"""Settings of one machine, which another one does not take over as they are."""


_PROOF, PROOF_S = b"hanok: a token for a controller", 60


def proof(key: CloudKey) -> str:
    """What shows that somebody reads the cloud's own key."""
    return key.seal(_PROOF)


def check_proof(key: CloudKey, shown: str) -> None:
    """
    Raises:
        Forbidden: it is none, or an old one.
    """
    if len(shown) > 1000 or not shown.isascii() or key.open(shown, ttl_s=PROOF_S) != _PROOF:
        raise Forbidden(
            "A token for a controller is made by root on a controller: hanok token --roles controller"
        )


def places(own: ControlSettings) -> dict[str, Any]:
    """Where machines that join find the cloud."""
    further = bool(own.began_at)
    return {
        "region": own.region,
        "messages": own.bus if further else f"tls://{own.address}:{own.messages_port}",
        "southbound": own.southbound if further else f"ssl:{own.address}:{own.southbound_port}",
        "url": own.cloud_url or f"https://{own.address}:{own.port}",
    }


def check(own: ControlSettings) -> None:
    """
    Raises:
        Conflict: this cloud cannot have a further controller; the text says what is missing.
    """
    _database(own, _written(own))


def handed_over(own: ControlSettings) -> dict[str, Any]:
    """
    Raises:
        Conflict: as `check`, or a file is missing.
    """
    written = _written(own)
    url, sealed = _database(own, written)
    keys = own.state / "control"
    name, address = own.first_machine
    found = places(own)
    northbound = own.northbound if own.began_at else f"ssl:{address}:{own.northbound_port}"
    settings = {key: value for key, value in written.items() if key not in OWN}
    settings |= {
        "bus": found["messages"],
        "northbound": northbound,
        "southbound": found["southbound"],
        "files_at": own.files_at or f"https://{own.address}:{own.door_port or own.port}",
        "began_on": name,
        "began_at": address,
        "cloud_url": found["url"],
        "database": url,
    }
    return {
        "settings": settings,
        "shows_certificate": sealed,
        "cloud_key": _text(keys / "cloud-key"),
        "authority_key": _text(keys / "authority" / "ca-key.pem"),
        "admin_password": _text(keys / "admin-password"),
    }


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise Conflict(
            f"The controller that was asked has no {path.name} to give.", detail=str(error)
        ) from error


def _written(own: ControlSettings) -> dict[str, Any]:
    """The settings as they stand in the file: what a command has written since this process began is in there."""
    path = own.state / "control.toml"
    return tomllib.loads(path.read_text()) if path.exists() else {}


def _database(own: ControlSettings, written: dict[str, Any]) -> tuple[str, bool]:
    """Where others find the rows, and whether they show a certificate of ours there.

    Raises:
        Conflict: others do not reach them.
    """
    if own.database_for_others or written.get("database_for_others"):
        return written.get("database_for_others") or own.database_for_others, True
    url = moved.place(str(written.get("database") or own.database_url))
    if not url.startswith("postgres"):
        raise Conflict(
            "The rows of this cloud are in a file of the machine where it began, which another "
            "controller does not reach. First, there: hanok grow database"
        )
    host = urlsplit(url).hostname or ""
    if not host or host.startswith("/") or host in ("localhost", "127.0.0.1", "::1"):
        raise Conflict(
            "The database of this cloud is reached on the machine where it began only; a further "
            "controller needs its address."
        )
    return url, False
