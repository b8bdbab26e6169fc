"""Lists in the three forms: text, JSON, XML."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Row
from starlette.responses import Response

from hanok.services.object_storage.logic.listing import Page
from hanok.services.object_storage.logic.names import LISTING, PREFIX, Said, iso
from hanok.services.object_storage.routes.call import Call, is_true
from hanok.web.faults import preferred

_FORMS = {
    "plain": "text/plain",
    "json": "application/json",
    "xml": "application/xml",
}
_OFFERS = ("text/plain", "application/json", "application/xml", "text/xml")


def form(call: Call, offers: Sequence[str] = _OFFERS) -> str:
    """The media type of a list: as the query says, else as Accept likes best of what is offered.

    Raises:
        Said
    """
    said = call.query.get("format", "").lower()
    if said:
        return _FORMS.get(said, "text/plain")
    accept = call.headers.get("accept", "")
    if len(accept) > 4096:
        raise Said(400, "Accept header is too long")
    kind = preferred(accept, offers)
    if kind is None:
        raise Said(406)
    return kind


def page(call: Call) -> Page:
    """What part of a list is asked for.

    Raises:
        Said
    """
    query = call.query
    for value in query.values():
        if "\0" in value:
            raise Said(412, "Invalid UTF8 or contains NULL")
    limit = LISTING
    said = query.get("limit", "")
    if said:
        if not (said.isascii() and said.isdigit()):
            raise Said(412, "limit must be a non-negative integer")
        if len(said) > 9 or int(said) > LISTING:
            raise Said(412, f"Maximum limit is {LISTING}")
        limit = int(said)
    return Page(
        limit=limit,
        marker=query.get("marker", ""),
        end_marker=query.get("end_marker", ""),
        prefix=query.get("prefix", ""),
        delimiter=query.get("delimiter", ""),
        reverse=is_true(query.get("reverse")),
        path=query.get("path"),
    )


def answer(
    call: Call, kind: str, found: Sequence[Row[Any] | str], headers: Mapping[str, str]
) -> Response:
    """A list in a form."""
    container = call.address.container
    show = _object if container else _container
    if kind == "text/plain":
        lines = [one if isinstance(one, str) else one.name for one in found]
        body = "".join(f"{line}\n" for line in lines).encode()
        status = 200 if body else 204
    elif kind == "application/json":
        values = [{"subdir": one} if isinstance(one, str) else show(one) for one in found]
        body, status = msgspec.json.encode(values), 200
    else:
        body, status = _xml(call, found, show), 200
    more = {"Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(body))}
    return Response(body, status, {**headers, **more, "Vary": "Accept"})


def _container(row: Row[Any]) -> dict[str, object]:
    return {
        "name": row.name,
        "count": row.objects,
        "bytes": row.bytes,
        "last_modified": iso(row.changed_us),
    }


def _object(row: Row[Any]) -> dict[str, object]:
    found = {
        "name": row.name,
        "hash": row.target_etag if row.kind == "static" else row.etag,
        "bytes": row.size,
        "content_type": row.content_type,
        "last_modified": iso(row.created_us),
    }
    if row.kind == "static":
        found["slo_etag"] = f'"{row.etag}"'
    if row.kind == "link":
        found["symlink_path"] = f"/v1/{row.target}"
        if row.target_etag:
            found["symlink_etag"] = row.target_etag
    return found


def _xml(call: Call, found: Sequence[Row[Any] | str], show: Any) -> bytes:
    container = call.address.container
    noun, item = ("container", "object") if container else ("account", "container")
    name = container or f"{PREFIX}{call.address.account}"
    parts = [f'<?xml version="1.0" encoding="UTF-8"?>\n<{noun} name={_attribute(name)}>']
    for one in found:
        if isinstance(one, str):
            parts.append(f"<subdir name={_attribute(one)}><name>{_text(one)}</name></subdir>")
        else:
            values = "".join(
                f"<{key}>{_text(str(value))}</{key}>" for key, value in show(one).items()
            )
            parts.append(f"<{item}>{values}</{item}>")
    return ("".join(parts) + f"</{noun}>").encode()


# What XML 1.0 cannot say, even escaped.
_UNSAYABLE = {code: "\ufffd" for code in (*range(0x20), 0xFFFE, 0xFFFF) if code not in (9, 10, 13)}
_KEPT = {code: f"&#{code};" for code in (9, 10, 13)}  # space of an attribute, else read as blanks


def _text(value: str) -> str:
    return html.escape(value.translate(_UNSAYABLE), quote=False)


def _attribute(value: str) -> str:
    text = html.escape(value.translate(_UNSAYABLE))
    return f'"{text.translate(_KEPT)}"'
