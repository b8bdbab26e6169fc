"""CORS: which pages of other origins a browser lets use a container's objects.

Source: "CORS" in the administrators' guide; the Fetch standard.
"""

from __future__ import annotations

from sqlalchemy import Row
from starlette.responses import Response

from hanok.services.object_storage.logic import containers
from hanok.services.object_storage.routes.call import Call, empty

METHODS = ("COPY", "DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT")
_META = "x-container-meta-access-control-"
_EXPOSED = (
    "cache-control", "content-language", "content-type", "expires", "last-modified", "pragma", "etag",
    "x-timestamp", "x-trans-id", "x-openstack-request-id",
)  # fmt: skip


async def _container(call: Call) -> Row[object] | None:
    if not call.address.container:
        return None
    async with call.room.database.read() as tx:
        return await containers.get(tx, call.address.account, call.address.container)


def _lets(row: Row[object] | None, origin: str) -> bool:
    if row is None:
        return False
    allowed = row.metadata.get(_META + "allow-origin", "").split()
    return "*" in allowed or origin in allowed


async def preflight(call: Call) -> Response:
    """OPTIONS: what a browser asks before it lets a page do something."""
    origin, method = call.headers.get("origin"), call.headers.get("access-control-request-method")
    allow = {"Allow": ", ".join(METHODS if call.address.object else METHODS[1:])}
    if not origin or not call.address.container:
        return empty(200, allow)
    row = await _container(call)
    if not method or method not in METHODS or not _lets(row, origin):
        return empty(401, allow)
    assert row is not None
    anyone = "*" in row.metadata[_META + "allow-origin"].split()
    found = {
        **allow,
        "Access-Control-Allow-Origin": "*" if anyone else origin,
        "Access-Control-Allow-Methods": ", ".join(METHODS),
        "Vary": "Access-Control-Request-Headers"
        if anyone
        else "Origin, Access-Control-Request-Headers",
    }
    if (age := row.metadata.get(_META + "max-age", "")).isdigit():
        found["Access-Control-Max-Age"] = age
    if (names := call.headers.get("access-control-request-headers", ""))[:4096]:
        found["Access-Control-Allow-Headers"] = _names(names)
    return empty(200, found)


def _names(said: str) -> str:
    """Names of headers as they were asked for, without what is none."""
    names = (name.strip().lower() for name in said[:4096].split(","))
    return ", ".join(name for name in names if name and name.replace("-", "").isalnum())


async def show(call: Call, response: Response) -> None:
    """Tell a browser which pages may read this answer."""
    origin = call.headers.get("origin")
    if not origin or "access-control-allow-origin" in response.headers:
        return
    row = await _container(call)
    if row is None or not _lets(row, origin):
        return
    anyone = "*" in row.metadata[_META + "allow-origin"].split()
    response.headers["Access-Control-Allow-Origin"] = "*" if anyone else origin
    exposed = [
        *_EXPOSED,
        *_names(row.metadata.get(_META + "expose-headers", "").replace(" ", ",")).split(", "),
    ]
    exposed += [
        name
        for name in response.headers
        if name.startswith(("x-object-meta-", "x-container-meta-"))
    ]
    response.headers["Access-Control-Expose-Headers"] = ", ".join(
        dict.fromkeys(name for name in exposed if name)
    )
    if not anyone:
        response.headers.add_vary_header("Origin")
