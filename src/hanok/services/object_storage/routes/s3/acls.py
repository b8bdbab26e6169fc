"""Access lists as S3 shows them. They are Swift's: a bucket's is its container's. An object may be everybody's to read.

What has no place there (lists of users, who may write without being one, owners of objects) is refused.
"""

from __future__ import annotations

from starlette.responses import Response

from hanok.services.object_storage.logic import acls, containers, objects
from hanok.services.object_storage.logic.names import Said
from hanok.services.object_storage.routes import reading
from hanok.services.object_storage.routes.s3 import xml
from hanok.services.object_storage.routes.s3.call import (
    S3Call,
    answer,
    nothing,
    owner,
    version_headers,
)
from hanok.services.object_storage.routes.s3.faults import S3Error
from hanok.services.object_storage.routes.s3.xml import Element, Node

PUBLIC_READ = f".r:*,{acls.LISTINGS}"
EVERYBODY = "http://acs.amazonaws.com/groups/global/AllUsers"
# Whoever writes is of the bucket's project, so these say nothing more than "private".
_OF_OWNER = ("bucket-owner-full-control", "bucket-owner-read")
_XSI = ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def _said(call: S3Call) -> str | None:
    """The canned list of a request's headers; None: nothing is said."""
    for name in call.headers:
        if name.startswith("x-amz-grant-"):
            raise S3Error("NotImplemented", f"{name[:64]} is not served here: say x-amz-acl")
    said = call.headers.get("x-amz-acl")
    if said is None:
        return None
    if said in ("public-read-write", "authenticated-read", "aws-exec-read", "log-delivery-write"):
        raise S3Error("NotImplemented", f"The access list {said} is not served here")
    if said not in ("private", "public-read", *_OF_OWNER):
        raise S3Error(
            "InvalidArgument",
            "The access list is not a valid one.",
            fields={"ArgumentName": "x-amz-acl"},
        )
    return said


def of_bucket(call: S3Call) -> str | None:
    """What a request says of who may read a bucket; None: nothing."""
    said = _said(call)
    return None if said is None else PUBLIC_READ if said == "public-read" else ""


def of_object(call: S3Call) -> str | None:
    """What a request says of who may read an object: "public-read", or "" for whom the bucket lets; None: nothing."""
    said = _said(call)
    return None if said is None else objects.PUBLIC if said == "public-read" else ""


def _is_public(read_acl: str) -> bool:
    return acls.comes_from("", acls.parsed(read_acl)[0])


def _shown(call: S3Call, *, public: bool) -> Response:
    grants = [_grant(call, "CanonicalUser", "FULL_CONTROL")]
    if public:
        grants.append(_grant(call, "Group", "READ"))
    root = xml.element(
        "AccessControlPolicy",
        owner(call),
        xml.element("AccessControlList", *grants),
        namespace=True,
    )
    return answer(root)


def _grant(call: S3Call, kind: str, permission: str) -> Element:
    if kind == "Group":
        inner = xml.element("URI", EVERYBODY)
    else:
        shown = owner(call, "X")
        inner = Element(shown.removeprefix("<X>").removesuffix("</X>"))
    grantee = Element(f'<Grantee{_XSI} xsi:type="{kind}">{inner}</Grantee>')
    return xml.element("Grant", grantee, xml.element("Permission", permission))


async def show_bucket(call: S3Call) -> Response:
    """GetBucketAcl."""
    row = await call.owned()
    return _shown(call, public=_is_public(row.read_acl))


async def show_object(call: S3Call) -> Response:
    """GetObjectAcl."""
    await call.owned()
    whole = await reading.find(
        call.swift, call.address, follow=False, whole=False, version=call.version()
    )
    public = whole.row.headers.get(objects.ACL) == objects.PUBLIC
    return _shown(call, public=public or _is_public(whole.container.read_acl))


async def put_bucket(call: S3Call) -> Response:
    """PutBucketAcl."""
    row = await call.owned()
    read_acl = of_bucket(call)
    if read_acl is None:
        read_acl = PUBLIC_READ if await _read(call) else ""
    if not read_acl and not _is_public(row.read_acl):
        return nothing(200)  # what Swift says of who may read is not S3's to take away
    room = call.room
    async with room.database.write() as tx:
        held = await containers.held(tx, call.account, call.bucket)
        changes = containers.Changes(metadata={}, read_acl=read_acl)
        await containers.change(tx, held, changes, room.now_us())
        await room.tell(
            tx, "container.updated", call.account, call.bucket, user_id=call.token.user_id
        )
    return nothing(200)


async def put_object(call: S3Call) -> Response:
    """PutObjectAcl."""
    container = await call.owned()
    said = of_object(call)
    if said is None:
        said = objects.PUBLIC if await _read(call) else ""
    room, version = call.room, call.version()
    path = (call.account, call.bucket, call.key)
    try:
        async with room.database.write() as tx:
            row = await objects.annotate(tx, *path, version, {objects.ACL: said})
            where = f"{call.bucket}/{call.key}"
            await room.tell(tx, "object.updated", call.account, where, user_id=call.token.user_id)
    except Said:
        raise S3Error("NoSuchKey" if version is None else "NoSuchVersion") from None
    return nothing(200, version_headers(container.versions_mode, row.version_us))


async def _read(call: S3Call) -> bool:
    """Whether everybody may read, as a list in a body says.

    Raises:
        S3Error: it says something that has no place here.
    """
    root = await call.document("AccessControlPolicy")
    listed = root.one("AccessControlList")
    if listed is None:
        raise S3Error("MalformedACLError")
    public = False
    for grant in listed.all("Grant"):
        grantee, permission = grant.one("Grantee"), grant.value("Permission")
        if grantee is None or permission is None:
            raise S3Error("MalformedACLError")
        public = _granted(call, grantee, permission) or public
    return public


def _granted(call: S3Call, grantee: Node, permission: str) -> bool:
    if grantee.value("URI") == EVERYBODY and permission == "READ":
        return True
    if grantee.value("ID") == call.account and permission == "FULL_CONTROL":
        return False
    raise S3Error(
        "NotImplemented", "A list may grant FULL_CONTROL to the owner and READ to everybody"
    )
