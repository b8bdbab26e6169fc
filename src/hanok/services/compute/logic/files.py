"""Files that a request gives a server, up to microversion 2.56: the guest is told of them and writes them itself.

They are told on the config drive, as upstream does it, and at the metadata address.

Source: Compute API reference, "Create Server" (personality); "Show A Quota" (injected_files and the like).
"""

from __future__ import annotations

import base64
import re
from typing import Any

from msgspec import UNSET

from hanok.base.errors import BadInput, OverQuota
from hanok.services.compute.logic import quotas
from hanok.services.compute.room import Compute
from hanok.services.compute.schemas import bodies
from hanok.store import Transaction

_BLANKS = re.compile(r"[ \t\r\n]")
_LIMITS = ("files", "file_path_bytes", "file_content_bytes")


async def checked(
    tx: Transaction, room: Compute, project_id: str, given: Any
) -> list[dict[str, str]] | None:
    """What a server's row keeps of its files; None where there are none.

    Raises:
        BadInput: a content that is not base64, a path that is none. OverQuota: too many, or too large.
    """
    if given is UNSET or not given:
        return None
    limits = await quotas.limits(tx, room, project_id)
    number, path_bytes, content_bytes = (limits.get(f"injected_{name}", -1) for name in _LIMITS)
    if 0 <= number < len(given):
        raise OverQuota("Personality file limit exceeded")
    for one in given:
        content = _content(one)
        if 0 <= path_bytes < len(one.path.encode()):
            raise OverQuota(f"Personality file path exceeds maximum {path_bytes}")
        if 0 <= content_bytes < len(content):
            raise OverQuota(f"Personality file content exceeds maximum {content_bytes}")
    return [{"path": one.path, "contents": _BLANKS.sub("", one.contents)} for one in given]


def _content(one: bodies.File) -> bytes:
    if not one.path:
        raise BadInput("Invalid input for field/attribute path. It is not the path of a file.")
    return decoded(one.contents, "contents")


def decoded(text: str, name: str) -> bytes:
    """Base64 as clients write it: in one line, or in lines of 60 or 76 characters.

    Args:
        name: of the field that it is in.

    Raises:
        BadInput: it is none.
    """
    try:
        return base64.b64decode(_BLANKS.sub("", text), validate=True)
    except ValueError:
        raise BadInput(
            f"Invalid input for field/attribute {name}. Value: {text[:50]}. It is not valid base64."
        ) from None
