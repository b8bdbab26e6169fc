"""Certificates of signed images, fetched while there is a token to fetch them with."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from hanok.services.image.logic import certificates, signatures
from hanok.services.image.logic.certificates import Reader
from hanok.services.image.logic.signatures import Certificate
from hanok.services.image.room import Images
from hanok.services.key_manager.facade import Eyes
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
    eyes = Eyes(request.token.user_id, partial(request.may_at, "key-manager"))
    reader = Reader(caller=request.reaching(), eyes=eyes, token=request.token_text)
    return await certificates.fetch(room, signatures.certificate_id(properties), reader)
