"""Certificates that an image's signer must stand on, read with the caller's rights before the work begins."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import partial

from hanok.base.errors import NotFound
from hanok.base.ids import is_uuid
from hanok.services.compute.room import Compute
from hanok.services.image import facade as images
from hanok.services.key_manager.facade import Eyes
from hanok.web.request import Request


async def check(
    request: Request, room: Compute, image_id: str, certificates: Sequence[str] | None
) -> images.Certificate | None:
    """Go on if nobody asks for certificates, or the image is signed by one that they vouch for.

    Of an image that is not there, whoever makes the server tells.

    Returns:
        The signer's certificate, where the image's data is still to be held against its signature.

    Raises:
        BadInput: they do not, or may not be read by the caller.
    """
    if not certificates or not is_uuid(image_id):
        return None
    eyes = Eyes(request.token.user_id, partial(request.may_at, "key-manager"))
    reader = images.Reader(caller=request.reaching("image"), eyes=eyes, token=request.token_text)
    with contextlib.suppress(NotFound):
        return await images.check_trusted(room.images, image_id, certificates, reader)
    return None
