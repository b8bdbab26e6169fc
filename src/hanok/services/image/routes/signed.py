"""Certificates of signed images, fetched while there is a token to fetch them with."""

from __future__ import annotations

from collections.abc import Mapping

from hanok.services.image.logic import signatures
from hanok.services.image.logic.signatures import Certificate, SignatureProblem
from hanok.services.image.room import Images
from hanok.web.request import Request


async def certificate(
    request: Request, room: Images, properties: Mapping[str, str]
) -> Certificate | None:
    """What the data's signature is checked with; None for images that are not signed.

    Raises:
        SignatureProblem: the properties do not say it well, or the key manager does not give it to the caller.
    """
    if not signatures.requested(properties):
        return None
    secret_id = signatures.certificate_id(properties)
    endpoint = room.settings.key_manager
    if not endpoint:
        async with request.reading() as tx:
            endpoint = await room.endpoint(tx, "key-manager") or ""
    if not endpoint:
        raise SignatureProblem("this cloud has no key manager to take the certificate from.")
    return await signatures.fetch_certificate(endpoint, secret_id, request.token_text)
