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
    OverQuota,
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
        OverQuota: a limit there would be passed, whatever status it says that with.
    """
    content = b"" if body is None else msgspec.json.encode(body)
    status, text = await room.ask(request, method, path, content, media_type)
    if status >= 400:
        kind, words = _said(text)
        if kind == "OverQuota":
            raise OverQuota(words)
        if status in _REFUSED:
            raise _REFUSED[status](words)
        raise Unavailable("Another service does not answer as it should.", detail=words)
    return dict(msgspec.json.decode(text)) if text else {}


def _said(text: bytes) -> tuple[str, str]:
    """The name of an error, if it has one, and its words: of image's HTML, or of network's or block storage's JSON."""
    kind = ""
    try:
        name, error = next(iter(msgspec.json.decode(text, type=dict[str, dict[str, Any]]).items()))
        kind, said = error["type"] if name == "NeutronError" else "", error["message"]
    except (msgspec.MsgspecError, KeyError, StopIteration):
        said = text.decode(errors="replace").partition("</h1>")[2].partition("<br")[0].strip()
    return kind, str(said) or "The service that was asked refuses this."
