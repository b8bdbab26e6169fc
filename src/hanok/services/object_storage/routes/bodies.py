"""Bodies as blobs: how much of one may come, and that no more is kept.

A quota is exact where a row is written. Before that, a body that would pass it is refused as soon as it does, and all
bodies that come for an account at once have no more than its quota together: else many that are sent side by side could
fill the disk, each of which fits.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from typing import Any

from msgspec import Struct
from sqlalchemy import Row

from hanok.drivers.byte_store import Full, Stored, TooLong
from hanok.services.object_storage.logic import accounts, containers, objects, sweeping, uploads
from hanok.services.object_storage.logic.names import Address, Said
from hanok.services.object_storage.logic.objects import ANY, Conditions
from hanok.services.object_storage.routes.call import Call

QUOTA = "Upload exceeds quota."
TOO_LARGE = "Your request is too large."


class Allowance(Struct, frozen=True):
    """How many bytes may come.

    account: whose they are. at_once: of all its bodies under way; None: there is no limit.
    """

    account: str
    maximum: int
    at_once: int | None
    text: str = TOO_LARGE


def announced(call: Call) -> int:
    """How many bytes the body has, as far as that is said.

    Raises:
        Said
    """
    said = call.headers.get("content-length")
    if said is None:
        if "chunked" not in call.headers.get("transfer-encoding", "").lower():
            raise Said(411, "Missing Content-Length header.")
        return 0
    if not (said.isascii() and said.isdigit()):
        raise Said(400, "Invalid Content-Length header value")
    if len(said) > 18 or int(said) > call.room.settings.maximum_object_bytes:
        raise Said(413, TOO_LARGE)
    return int(said)


async def allowed(
    call: Call,
    size: int,
    address: Address | None = None,
    *,
    conditions: Conditions = ANY,
    container: Row[Any] | None = None,
) -> Allowance:
    """Say before a body comes what would be said after it. What counts is looked at once more then.

    Args:
        size: of the body, as far as it is said. address: of what is written; None: it is the request's.
        container: that one, where it was looked at just now.

    Raises:
        Said
    """
    address = address or call.address
    async with call.room.database.read() as tx:
        if container is None:
            container = await containers.get(tx, address.account, address.container)
        owner = await accounts.get(tx, address.account)
        if container is None:
            raise Said(404)
        there = await objects.get(tx, container.id, address.object)
    conditions.check(there, call.room.now_s())
    null = container.versions_mode == "suspended" and there is not None and not there.version_us
    if there is None or (container.versions_mode and not null):
        gone, count = 0, 0 if there is not None else 1
    else:
        gone, count = there.stored, 0
    default = call.room.settings.quota_bytes
    containers.check_quota(container, objects=count, size=size - gone)
    if owner is not None:
        accounts.check_quota(owner, size - gone, default, objects=count)
    return _allowance(call, address.account, container, owner, gone)


async def allowed_part(call: Call, size: int, upload: str, number: int) -> Allowance:
    """The same of a part of an object. Raises Said, as `allowed`."""
    address = call.address
    async with call.room.database.read() as tx:
        container = await containers.get(tx, address.account, address.container)
        owner = await accounts.get(tx, address.account)
        if container is None:
            raise Said(404)
        gone = await uploads.size_of(tx, upload, number)
    containers.check_quota(container, objects=0, size=size - gone)
    if owner is not None:
        accounts.check_quota(owner, size - gone, call.room.settings.quota_bytes, objects=0)
    return _allowance(call, address.account, container, owner, gone)


def _allowance(
    call: Call, account: str, container: Row[Any], owner: Row[Any] | None, gone: int
) -> Allowance:
    settings = call.room.settings
    at_once = settings.quota_bytes or None
    rooms = [containers.room(container)]
    if owner is not None:
        at_once = accounts.quota(owner, settings.quota_bytes)
    if at_once is not None:
        rooms.append(at_once - (0 if owner is None else int(owner.bytes)))
    left = min((max(one, 0) + gone for one in rooms if one is not None), default=None)
    if left is None or left >= settings.maximum_object_bytes:
        return Allowance(account, settings.maximum_object_bytes, at_once)
    return Allowance(account, left, at_once, QUOTA)


async def allowed_aside(call: Call) -> Allowance:
    """Of a body that becomes no object itself: an archive."""
    account, settings = call.address.account, call.room.settings
    async with call.room.database.read() as tx:
        owner = await accounts.get(tx, account)
    at_once = settings.quota_bytes or None
    if owner is not None:
        at_once = accounts.quota(owner, settings.quota_bytes)
    return Allowance(account, settings.maximum_object_bytes, at_once)


class _TooMany(Exception):
    """The bodies that come for an account have more bytes than it may hold."""


async def _counted(
    call: Call, body: AsyncIterable[bytes], allowance: Allowance
) -> AsyncGenerator[bytes]:
    coming, size = call.room.coming, 0
    try:
        async for part in body:
            size += len(part)
            total = coming.add(allowance.account, len(part))
            if allowance.at_once is not None and total > allowance.at_once:
                raise _TooMany
            yield part
    finally:
        coming.add(allowance.account, -size)


async def taken(call: Call, body: AsyncIterable[bytes], size: int, allowance: Allowance) -> Stored:
    """A body as a blob, whole.

    Args:
        size: how many bytes it has, as far as that is said.

    Raises:
        Said
    """
    call.request.repeatable = False
    counted = _counted(call, body, allowance)
    try:
        return await call.room.store.put(counted, limit=allowance.maximum, announced=size)
    except TooLong:
        raise Said(413, allowance.text) from None
    except _TooMany:
        raise Said(413, QUOTA) from None
    except Full:
        await sweeping.free_space(call.room)
        raise Said(507) from None
    finally:
        await counted.aclose()
