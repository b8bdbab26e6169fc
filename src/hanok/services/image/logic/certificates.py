"""Certificates of signed images: where they come from, and whether a signer's stands on those that somebody trusts.

A certificate is a secret of a key manager: this cloud's own, or one elsewhere that the operator or the catalog names.

Source: Compute API guide, "Image signature certificate validation"; RFC 5280, 4.2.1.3 and 4.2.1.9.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from hanok.base.errors import BadInput
from hanok.services.image.logic import images, signatures
from hanok.services.image.logic.signatures import FETCH_S, Certificate, SignatureProblem
from hanok.services.image.room import Images
from hanok.services.key_manager.facade import ALONE, Eyes
from hanok.web.token import Caller

if TYPE_CHECKING:
    from cryptography.x509 import Certificate as X509


class Reader(Struct, frozen=True, kw_only=True):
    """Who asks. eyes: for this cloud's own key manager. token: shown to one elsewhere."""

    caller: Caller
    eyes: Eyes
    token: str


class Untrusted(BadInput):
    """An image is not signed by anybody whom the certificates that were named vouch for."""

    def __init__(self, secret_id: str, why: str) -> None:
        """secret_id: of the certificate that is not vouched for; "": there is none."""
        of = f" for certificate: {secret_id[:64]}" if secret_id else ""
        super().__init__(f"Image signature certificate validation failed{of}. {why}")


async def fetch(room: Images, secret_id: str, reader: Reader) -> Certificate:
    """A certificate, read with the rights of who asks.

    Raises:
        SignatureProblem: no key manager gives it to them.
    """
    endpoint = room.settings.key_manager
    if not endpoint:
        async with room.database.read() as tx:
            endpoint = await room.endpoint(tx, "key-manager") or ""
    if endpoint:
        return await signatures.fetch_certificate(endpoint, secret_id, reader.token)
    keys = room.keys()
    if keys is None:
        raise SignatureProblem("this cloud has no key manager to take the certificate from.")
    async with room.database.write() as tx:
        found = await keys.read(tx, f"secrets/{secret_id}", reader.eyes)
    if found is None:
        raise SignatureProblem(f"the key manager does not give the certificate {secret_id[:64]}.")
    return Certificate(secret_id, found[ALONE])


async def check_trusted(
    room: Images, image_id: str, trusted: Sequence[str], reader: Reader
) -> Certificate | None:
    """Go on only if an image is signed by a certificate that these vouch for.

    Args:
        trusted: ids of secrets: the certificates from the signer's issuer up to a root.

    Returns:
        None where the data was held against this signature when it came, or since. Otherwise the signer's certificate:
        whoever uses the data has it looked at first (the operation CheckSignature).

    Raises:
        Untrusted, SignatureProblem. NotFound: this caller sees no such image.
    """
    async with room.database.read() as tx:
        row = await images.get(tx, reader.caller, image_id)
        properties = (await images.extras(tx, [row.id]))[0][row.id]
    if not signatures.requested(properties):
        raise Untrusted("", "The image is not signed.")
    signer_id = signatures.certificate_id(properties)
    try:
        async with asyncio.timeout(FETCH_S):
            signer = await fetch(room, signer_id, reader)
            anchors = [await fetch(room, one, reader) for one in trusted]
    except TimeoutError as error:
        raise SignatureProblem("the key manager does not answer.") from error
    mark, now = signatures.mark(properties, signer), room.clock.now()
    if row.signed_as == signatures.refused(mark):
        raise Untrusted(signer_id, "The signature is not of the image's data.")
    await asyncio.to_thread(_vouch, signer, anchors, now)
    if row.signed_as == mark:
        return None
    signatures.verifier(
        properties, signer, now
    )  # what is wrong with it is said now, not when all was read
    return signer


def _vouch(signer: Certificate, anchors: Sequence[Certificate], now: datetime) -> None:
    """Raises Untrusted unless a chain of these leads from the signer to one that issued itself."""
    read = {one.secret_id: _read(one, now) for one in (signer, *anchors)}
    known = [read[one.secret_id] for one in anchors]
    current = read[signer.secret_id]
    for _ in range(len(known) + 1):
        if current in known and _issued(current, current):
            return
        above = next((one for one in known if one != current and _issues(one, current)), None)
        if above is None:
            break
        current = above
    raise Untrusted(
        signer.secret_id, "The trusted certificates do not lead from it to a root certificate."
    )


def _read(one: Certificate, now: datetime) -> X509:
    try:
        read = signatures.loaded(one)
    except (ValueError, TypeError) as error:
        raise Untrusted(one.secret_id, "It is not a valid certificate.") from error
    if not read.not_valid_before_utc <= now <= read.not_valid_after_utc:
        raise Untrusted(one.secret_id, "It is not valid today.")
    return read


def _issued(issuer: X509, issued: X509) -> bool:
    """Whether one certificate's key has signed another."""
    from cryptography.exceptions import InvalidSignature

    try:
        issued.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _issues(issuer: X509, issued: X509) -> bool:
    """The same, by one that may sign certificates."""
    from cryptography import x509

    if issuer.subject != issued.issuer:
        return False
    try:
        extensions = issuer.extensions
        if not extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound as missing:
        return missing.oid == x509.KeyUsage.oid and _issued(issuer, issued)
    except ValueError:
        return False
    return usage.key_cert_sign and _issued(issuer, issued)
