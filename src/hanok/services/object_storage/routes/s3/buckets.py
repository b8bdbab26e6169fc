"""Buckets: made, listed, removed."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.services.object_storage.logic import containers, listing
from hanok.services.object_storage.logic.listing import Page
from hanok.services.object_storage.logic.names import Said
from hanok.services.object_storage.routes.s3 import acls, xml
from hanok.services.object_storage.routes.s3.call import S3Call, answer, iso, nothing, owner
from hanok.services.object_storage.routes.s3.faults import S3Error

LOCATION = "s3-location"
_MAXIMUM = 1000
_NAME = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(-+[a-z0-9]+)*(\.[a-z0-9]+(-+[a-z0-9]+)*)*")
_ADDRESS = re.compile(r"\d{1,3}(\.\d{1,3}){3}")


async def list_buckets(call: S3Call) -> Response:
    """ListBuckets."""
    call.swift.check_reads_account()
    limit = call.number("max-buckets", _MAXIMUM, _MAXIMUM, minimum=1)
    page = Page(
        limit=limit + 1,
        prefix=call.query.get("prefix", ""),
        marker=call.query.get("continuation-token", ""),
    )
    async with call.room.database.read() as tx:
        found = await listing.of_containers(tx, call.account, page)
    rows = [one for one in found[:limit] if not isinstance(one, str)]
    buckets = [
        xml.element(
            "Bucket",
            xml.element("Name", row.name),
            xml.element("CreationDate", iso(row.created_us)),
        )
        for row in rows
    ]
    content = [owner(call), xml.element("Buckets", *buckets)]
    if len(found) > limit:
        content.append(xml.element("ContinuationToken", rows[-1].name))
    if page.prefix:
        content.append(xml.element("Prefix", page.prefix))
    return answer(xml.element("ListAllMyBucketsResult", *content, namespace=True))


async def create(call: S3Call) -> Response:
    """CreateBucket."""
    call.check_owner()
    for name in ("x-amz-bucket-object-lock-enabled", "x-amz-object-ownership"):
        said = call.headers.get(name, "").lower()
        if said not in ("", "false", "objectwriter"):
            raise S3Error("NotImplemented", f"{name} is not served here")
    if not _NAME.fullmatch(call.bucket[:64]) or _ADDRESS.fullmatch(call.bucket):
        raise S3Error("InvalidBucketName", fields={"BucketName": call.bucket})
    location = await _location(call)
    read_acl = acls.of_bucket(call) or ""
    room = call.room
    metadata = {LOCATION: location} if location else {}
    changes = containers.Changes(metadata=metadata, read_acl=read_acl)
    async with room.database.write() as tx:
        there = await containers.get(tx, call.account, call.bucket)
        if there is None:
            _, made = await containers.put(tx, call.account, call.bucket, changes, room.now_us())
        if there is not None or not made:
            _check_same(call, there, location)
            return nothing(200, {"Location": f"/{call.bucket}"})
        await room.tell(
            tx, "container.created", call.account, call.bucket, user_id=call.token.user_id
        )
    return nothing(200, {"Location": f"/{call.bucket}"})


def _check_same(call: S3Call, there: Row[Any] | None, location: str) -> None:
    """Whoever lost the answer may ask for a bucket once more; all else is refused.

    Raises:
        S3Error
    """
    other = there is None or there.metadata.get(LOCATION, "") != location
    if other or "x-amz-acl" in call.headers:
        raise S3Error("BucketAlreadyOwnedByYou", fields={"BucketName": call.bucket})


async def _location(call: S3Call) -> str:
    body = await call.body()
    if not body.strip():
        return ""
    try:
        found = xml.read(body, "CreateBucketConfiguration")
        found.only("LocationConstraint", "Tags")
    except xml.Malformed:
        raise S3Error("MalformedXML") from None
    if found.one("Tags") is not None:
        raise S3Error("NotImplemented", "Tags are set by PutBucketTagging")
    said = found.value("LocationConstraint") or ""
    if len(said) > 64 or (said and call.signature.region and said != call.signature.region):
        raise S3Error("IllegalLocationConstraintException")
    return said


async def show(call: S3Call) -> Response:
    """HeadBucket."""
    row = await call.readable(listing=True)
    found = {
        "Content-Type": xml.TYPE,
        "x-amz-bucket-region": row.metadata.get(LOCATION) or "us-east-1",
    }
    return nothing(200, found)


async def location(call: S3Call) -> Response:
    """GetBucketLocation."""
    row = await call.owned()
    return answer(xml.element("LocationConstraint", row.metadata.get(LOCATION, ""), namespace=True))


async def remove(call: S3Call) -> Response:
    """DeleteBucket."""
    await call.owned()
    room = call.room
    try:
        async with room.database.write() as tx:
            await containers.remove(tx, call.account, call.bucket)
            await room.tell(
                tx, "container.deleted", call.account, call.bucket, user_id=call.token.user_id
            )
            tx.after_commit(room.freed.set)
    except Said as error:
        code = "NoSuchBucket" if error.status == 404 else "BucketNotEmpty"
        raise S3Error(code, fields={"BucketName": call.bucket}) from None
    return nothing()
