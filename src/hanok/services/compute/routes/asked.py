"""Other services, asked in the name of whoever asks compute: for clients from before 2.36, that know no other way.

What the other service refuses is refused, in its own words: its rules, its limits and its sight hold.
"""

from __future__ import annotations

from typing import Any

import msgspec

from hanok.base.errors import (
    BadInput,
    Conflict,
    Forbidden,
    HanokError,
    NotFound,
    NotSignedIn,
    Unavailable,
)
from hanok.services.compute.room import Compute
from hanok.web.request import Request

_REFUSED: dict[int, type[HanokError]] = {
    400: BadInput,
    401: NotSignedIn,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: Forbidden,
}


async def ask(
    request: Request,
    room: Compute,
    method: str,
    path: str,
    body: Any = None,
    *,
    media_type: str = "application/json",
) -> dict[str, Any]:
    """Ask as the caller; gives the answer's JSON.

    Args:
        path: from the root, with the query ("/image/v2/images?limit=1").

    Raises:
        BadInput, NotSignedIn, Forbidden, NotFound, Conflict: as the other service refuses it.
    """
    content = b"" if body is None else msgspec.json.encode(body)
    status, text = await room.ask(request, method, path, content, media_type)
    if status in _REFUSED:
        raise _REFUSED[status](_words(text))
    if status >= 400:
        raise Unavailable("Another service does not answer as it should.", detail=_words(text))
    return dict(msgspec.json.decode(text)) if text else {}


def _words(text: bytes) -> str:
    """The words of an error: of image's HTML, or of network's JSON."""
    try:
        said = msgspec.json.decode(text)["NeutronError"]["message"]
    except (msgspec.DecodeError, KeyError, TypeError):
        said = text.decode(errors="replace").partition("</h1>")[2].partition("<br")[0].strip()
    return str(said) or "The service that was asked refuses this."
