"""Temporary URLs: a signature in the query opens one name, or those that begin so, for some time.

Source: "TempURL" in the middleware's reference.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote

from hanok.base.addresses import address_of, prefix_of
from hanok.services.object_storage.logic import accounts, containers
from hanok.services.object_storage.logic.names import PREFIX, Said
from hanok.services.object_storage.routes.call import Call

METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")
DIGESTS = ("sha1", "sha256", "sha512")
_SIZES = {20: "sha1", 32: "sha256", 64: "sha512"}
PUBLIC = "x-object-meta-public-"
INVALID = "401 Unauthorized: Temp URL invalid\n"


async def keys(call: Call) -> list[tuple[bytes, Callable[[str, str], bool]]]:
    """The keys of the container and of the account, each with what it opens."""
    address = call.address
    async with call.room.database.read() as tx:
        owner = await accounts.get(tx, address.account)
        container = await containers.get(tx, address.account, address.container)
    found: list[tuple[bytes, Callable[[str, str], bool]]] = []

    def of_account(account: str, _container: str) -> bool:
        return account == address.account

    def of_container(account: str, name: str) -> bool:
        return (account, name) == (address.account, address.container)

    for kind, row, opens in (
        ("account", owner, of_account),
        ("container", container, of_container),
    ):
        for more in ("", "-2"):
            key = "" if row is None else row.metadata.get(f"x-{kind}-meta-temp-url-key{more}", "")
            if key:
                found.append((key.encode(), opens))
    return found


def digest(said: str) -> tuple[str, bytes] | None:
    """The algorithm and the bytes of a signature; None: it is none."""
    name, colon, rest = said.partition(":")
    try:
        if colon:
            raw = base64.b64decode(rest.replace("-", "+").replace("_", "/") + "==")
            return (name, raw) if name in DIGESTS and _SIZES.get(len(raw)) == name else None
        raw = bytes.fromhex(said)
    except (ValueError, binascii.Error):
        return None
    kind = _SIZES.get(len(raw))
    return None if kind is None else (kind, raw)


def signature(key: bytes, kind: str, text: str) -> bytes:
    """What signs a text."""
    return hmac.new(key, text.encode(), getattr(hashlib, kind)).digest()


def moment(said: str) -> int | None:
    """Seconds since 1970, from a number or a time of ISO 8601; None: it is neither."""
    if said.isascii() and said.isdigit() and len(said) < 13:
        return int(said)
    for form in ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"):
        try:
            return int(datetime.strptime(said, form).replace(tzinfo=UTC).timestamp())
        except ValueError:
            continue
    return None


def is_signed(call: Call) -> bool:
    """Whether a request comes with a signature, whatever it is worth."""
    return "temp_url_sig" in call.query or "temp_url_expires" in call.query


async def open_signed(call: Call) -> None:
    """Let a request do what its signature opens, and nothing else.

    Raises:
        Said: it opens nothing.
    """
    query, address = call.query, call.address
    refused = Said(401, INVALID, {"WWW-Authenticate": f'Swift realm="{PREFIX}{address.account}"'})
    found = digest(query.get("temp_url_sig", "")[:256])
    until = moment(query.get("temp_url_expires", ""))
    if found is None or until is None or not address.object or call.method not in METHODS:
        raise refused
    if until <= call.room.now_s():
        raise refused
    path = f"/v1/{PREFIX}{address.account}/{address.container}/{address.object}"
    prefix = query.get("temp_url_prefix")
    if prefix is not None:
        if not address.object.startswith(prefix):
            raise refused
        path = f"prefix:/v1/{PREFIX}{address.account}/{address.container}/{prefix}"
    if (allowed := query.get("temp_url_ip_range")) is not None:
        peer = call.request.http.client
        try:
            network = prefix_of(allowed)
            if peer is None or address_of(peer.host) not in network:
                raise refused
        except ValueError:
            raise refused from None
        path = f"ip={allowed}\n{{method}}\n{until}\n{path}"
    methods = {"HEAD": ("HEAD", "GET", "PUT", "POST")}.get(call.method, (call.method,))
    kind, sent = found
    opened = None
    for key, opens in await keys(call):
        for method in methods:
            if allowed is not None:
                text = path.replace("{method}", method, 1)
            else:
                text = f"{method}\n{until}\n{path}"
            if hmac.compare_digest(signature(key, kind, text), sent):
                opened = opens
    if opened is None:
        raise refused
    call.signed = opened
    call.owner = call.reseller = False
    if call.method in ("GET", "HEAD"):
        call.attachment = _disposition(call)


def _disposition(call: Call) -> str:
    """How a browser takes what is downloaded: as a file, unless the address says otherwise."""
    query = call.query
    name = query.get("filename")
    inline = "inline" in query
    if inline and name is None:
        return "inline"
    name = name or call.address.object.rstrip("/").rpartition("/")[2]
    plain = name.replace('"', "_").replace("\\", "_")
    plain = "".join(one if " " <= one <= "~" else "_" for one in plain)
    kind = "inline" if inline else "attachment"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
