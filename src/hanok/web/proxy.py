"""The proxy in front of us that speaks TLS: which one we believe, and what it says of a client's certificate.

A header is only looked at where the operator says so, and only from addresses that are named: everybody else could
write it. The front has to have verified the certificate, and to overwrite the header in every request.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ssl
from collections.abc import Sequence
from ipaddress import IPv6Address
from urllib.parse import unquote

from msgspec import Struct

from hanok.base.addresses import address_of, prefix_of
from hanok.base.errors import BadInput

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_NONE = ("", "(null)")  # what nginx and Apache write where there is no certificate


class FrontSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The proxies that are believed.

    proxies: their addresses or networks.
    client_certificate_header: in which they pass a client's certificate that they have verified: PEM (with %-escapes,
        as nginx, or blanks for line breaks, as Apache writes it), or base64 of DER (HAProxy; between colons, RFC 9440).
    """

    proxies: tuple[str, ...]
    client_certificate_header: str

    def __post_init__(self) -> None:
        if not self.proxies or not self.client_certificate_header:
            raise ValueError("proxies and client_certificate_header go together")
        for one in self.proxies:
            prefix_of(one, strict=True)  # ValueError says what is wrong

    def is_believed(self, peer: str) -> bool:
        """Whether a connection from this address is of one of the proxies."""
        try:
            address = address_of(peer)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in prefix_of(one, strict=True) for one in self.proxies)


def certificate(values: Sequence[str]) -> bytes | None:
    """The certificate (DER) that a front passes; None: the client has none.

    Raises:
        BadInput: it cannot be read, or there are several.
    """
    passed = [value for value in values if value.strip() not in _NONE]
    if not passed:
        return None
    text = "".join(unquote(passed[0]).split()).removeprefix(_BEGIN.replace(" ", ""))
    text = text.removesuffix(_END.replace(" ", "")).strip(":")
    try:
        if len(passed) > 1:
            raise ValueError("several")
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadInput("The client certificate in the header cannot be read.") from None


def thumbprint(der: bytes) -> str:
    """What a token is bound to: upstream's x5t#S256, the base64url of SHA-256 over the certificate in PEM.

    RFC 8705 has it over DER. What checks tokens elsewhere (keystonemiddleware's oauth2_mtls_token) goes by upstream.
    """
    pem = ssl.DER_cert_to_PEM_cert(der)
    return base64.urlsafe_b64encode(hashlib.sha256(pem.encode()).digest()).decode()
