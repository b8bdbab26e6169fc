"""Static websites: containers whose pages anybody may look at with a browser.

Only who comes without a token, or asks for it (X-Web-Mode), gets a page in the place of a plain answer; nothing is
shown that this caller could not read or list.

Source: "StaticWeb" in the middleware's reference.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from sqlalchemy import Row
from starlette.responses import Response

from hanok.drivers.byte_store import Missing
from hanok.services.object_storage.logic import containers, listing
from hanok.services.object_storage.logic.listing import Page
from hanok.services.object_storage.logic.names import LISTING, Address, Said, http_date
from hanok.services.object_storage.routes import reading
from hanok.services.object_storage.routes.call import Call, is_true
from hanok.services.object_storage.routes.faults import HTML

_META = "x-container-meta-web-"


async def site(call: Call) -> Row[Any] | None:
    """The container of a request that a website is to answer; None: it gets the plain answer."""
    if call.method not in ("GET", "HEAD") or not call.address.container or call.signed is not None:
        return None
    if call.request.optional_token is not None and not is_true(call.headers.get("x-web-mode")):
        return None
    async with call.room.database.read() as tx:
        row = await containers.get(tx, call.address.account, call.address.container)
    if row is None or not any(name.startswith(_META) for name in row.metadata):
        return None
    return row


async def answer(call: Call, container: Row[Any]) -> Response:
    """GET and HEAD of a website."""
    try:
        if call.address.object:
            return await _object(call, container)
        return await _root(call, container)
    except Said as error:
        if error.status not in (401, 404):
            raise
        page = await _error_page(call, container, error.status)
        if page is None:
            raise
        return page


def _of(container: Row[Any], name: str) -> str:
    return str(container.metadata.get(_META + name, ""))


async def _root(call: Call, container: Row[Any]) -> Response:
    index, listings = _of(container, "index"), is_true(_of(container, "listings"))
    if not index and not listings:
        call.check_reads(container, container.account, listing=True)
        raise Said(404)
    if not call.request.http.scope["path"].endswith("/") and not index:
        return _moved(call)
    if index:
        try:
            return await _page(call, Address(container.account, container.name, index))
        except Said as error:
            if error.status != 404 or not listings:
                raise
    return await _list(call, container, "")


async def _object(call: Call, container: Row[Any]) -> Response:
    name, index = call.address.object, _of(container, "index")
    try:
        found = await reading.answer(call)
        kind = found.headers.get("content-type", "").partition(";")[0]
        folder = _of(container, "directory-type") or "application/directory"
        if kind != folder or not (index or is_true(_of(container, "listings"))):
            return found
    except Said as error:
        if error.status != 404:
            raise
    if not name.endswith("/"):
        async with call.room.database.read() as tx:
            below = await listing.of_objects(
                tx, container.id, Page(prefix=f"{name}/", limit=1, delimiter="/")
            )
        if not below:
            raise Said(404)
        return _moved(call)
    if index:
        try:
            return await _page(call, Address(container.account, container.name, name + index))
        except Said as error:
            if error.status != 404 or not is_true(_of(container, "listings")):
                raise
    return await _list(call, container, name)


def _moved(call: Call) -> Response:
    where = f"{call.request.origin}/v1/{call.address.path}/"
    return Response(None, 301, {"Location": where, "Content-Type": HTML, "Content-Length": "0"})


async def _page(call: Call, address: Address) -> Response:
    whole = await reading.find(call, address)
    return await reading.served(call, whole)


async def _error_page(call: Call, container: Row[Any], status: int) -> Response | None:
    """The site's own page for an error, if it has one."""
    suffix = _of(container, "error")
    if not suffix:
        return None
    try:
        whole = await reading.find(
            call, Address(container.account, container.name, f"{status}{suffix}")
        )
        if whole.size > (1 << 20):
            return None
        some = await reading.pieces(call, whole, 0, whole.size)
        body = b"".join([part async for part in await reading.stream(call, some)])
    except (Said, Missing):
        return None
    found = reading.shown(call, whole)
    return Response(body, status, {**found, "Content-Length": str(len(body))})


async def _list(call: Call, container: Row[Any], prefix: str) -> Response:
    """A page that shows what is in a folder."""
    if not is_true(_of(container, "listings")):
        raise Said(404)
    call.check_reads(container, container.account, listing=True)
    async with call.room.database.read() as tx:
        rows = await listing.of_objects(
            tx, container.id, Page(prefix=prefix, delimiter="/", limit=LISTING)
        )
    if prefix and not rows:
        raise Said(404)
    body = _html(call, container, prefix, rows).encode()
    return Response(body, 200, {"Content-Type": HTML, "X-Content-Type-Options": "nosniff"})


def _html(call: Call, container: Row[Any], prefix: str, rows: Sequence[Row[Any] | str]) -> str:
    label = _of(container, "listings-label") or f"/v1/AUTH_{container.account}/{container.name}"
    title = html.escape(f"Listing of {label}/{prefix}")
    css = _of(container, "listings-css")
    style = ""
    if css:
        up = "../" * prefix.count("/") if "://" not in css and not css.startswith("/") else ""
        style = f'<link rel="stylesheet" type="text/css" href="{html.escape(up + css)}" />'
    lines = []
    if prefix:
        lines.append('<tr class="item"><td><a href="../">../</a></td><td></td><td></td></tr>')
    for one in rows:
        name = (one if isinstance(one, str) else one.name)[len(prefix) :]
        if not name:
            continue
        link = html.escape("./" + quote(name))
        size, at = ("", "") if isinstance(one, str) else (str(one.size), http_date(one.created_us))
        kind = "subdir" if isinstance(one, str) else "item"
        lines.append(
            f'<tr class="{kind}"><td class="colname"><a href="{link}">{html.escape(name)}</a></td>'
            f'<td class="colsize">{size}</td><td class="coldate">{at}</td></tr>'
        )
    return (
        f"<!DOCTYPE html>\n<html><head><title>{title}</title>{style}</head>\n"
        f'<body><h1 id="title">{title}</h1>\n<table id="listing">\n'
        '<tr id="heading"><th class="colname">Name</th><th class="colsize">Size</th>'
        '<th class="coldate">Date</th></tr>\n' + "\n".join(lines) + "\n</table></body></html>\n"
    )
