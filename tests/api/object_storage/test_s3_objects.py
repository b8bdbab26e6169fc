"""Buckets and objects by S3, and that they are Swift's containers and objects."""

from __future__ import annotations

import base64
import hashlib

import pytest
from tests.api.identity.doors import (
    an_application_credential,
    by_application_credential,
    sign_in,
)
from tests.api.object_storage.s3 import S3, code, parsed, texts, user
from tests.cloud import Cloud


async def test_a_bucket_is_a_container(cloud: Cloud) -> None:
    s3, swift = await user(cloud)
    await s3.put("/bucket")
    await s3.put(
        "/bucket/a b/ü+",
        b"hello",
        headers={"x-amz-meta-colour": "red", "content-type": "text/plain"},
    )
    assert await swift.names("/bucket") == ["a b/ü+"]
    read = await swift("GET", "/bucket/a%20b/%C3%BC%2B", 200)
    assert (read.content, read.headers["x-object-meta-colour"]) == (b"hello", "red")
    await swift.put("/bucket/other", b"12345678", headers={"X-Object-Meta-Size": "big"})
    read = await s3("GET", "/bucket/other", 200)
    assert (read.content, read.headers["x-amz-meta-size"]) == (b"12345678", "big")
    await swift("DELETE", "/bucket/other", 204)
    assert code(await s3("GET", "/bucket/other", 404)) == "NoSuchKey"
    assert texts(await s3.xml("/"), "Buckets/Bucket/Name") == ["bucket"]
    assert code(await s3("DELETE", "/bucket", 409)) == "BucketNotEmpty"
    await s3("DELETE", "/bucket/a b/ü+", 204)
    await s3("DELETE", "/bucket", 204)
    await swift("HEAD", "/bucket", 404)


async def test_ranges_and_conditions(cloud: Cloud) -> None:
    s3, _ = await user(cloud)
    await s3.put("/bucket")
    etag = (await s3.put("/bucket/o", b"0123456789")).headers["etag"]
    assert etag == f'"{hashlib.md5(b"0123456789", usedforsecurity=False).hexdigest()}"'
    part = await s3("GET", "/bucket/o", 206, headers={"range": "bytes=-3"})
    assert (part.content, part.headers["content-range"]) == (b"789", "bytes 7-9/10")
    assert code(await s3("GET", "/bucket/o", 416, headers={"range": "bytes=10-"})) == "InvalidRange"
    await s3("GET", "/bucket/o", 304, headers={"if-none-match": etag})
    assert (
        code(await s3("GET", "/bucket/o", 412, headers={"if-match": '"x"'})) == "PreconditionFailed"
    )
    await s3.put("/bucket/o", b"", 412, headers={"if-none-match": "*"})
    await s3.put("/bucket/o", b"", 412, headers={"if-match": '"x"'})
    await s3.put("/bucket/none", b"", 404, headers={"if-match": etag})
    await s3.put("/bucket/o", b"new", 412, headers={"if-none-match": etag})
    await s3.put("/bucket/o", b"new", 200, headers={"if-match": etag})
    await s3("DELETE", "/bucket/o", 412, headers={"if-match": etag})
    body = f"<Delete><Object><Key>o</Key><ETag>{etag}</ETag></Object></Delete>"
    many = await s3("POST", "/bucket", 200, query=[("delete", "")], content=body.encode())
    assert texts(parsed(many), "Error/Code") == ["PreconditionFailed"]
    assert (await s3("GET", "/bucket/o", 200)).content == b"new"


async def test_what_a_body_is_said_to_be_is_held_against_it(cloud: Cloud) -> None:
    s3, swift = await user(cloud)
    await s3.put("/bucket")
    other = hashlib.sha256(b"other").hexdigest()
    assert code(await s3.put("/bucket/o", b"x", 400, digest=other)) == "XAmzContentSHA256Mismatch"
    wrong = base64.b64encode(hashlib.md5(b"y", usedforsecurity=False).digest()).decode()
    assert code(await s3.put("/bucket/o", b"x", 400, headers={"content-md5": wrong})) == "BadDigest"
    assert (
        code(await s3.put("/bucket/o", b"x", 400, headers={"content-md5": "nonsense"}))
        == "InvalidDigest"
    )
    assert (
        code(await s3.put("/bucket/o", b"x", 400, headers={"x-amz-checksum-crc32": "AAAAAA=="}))
        == "BadDigest"
    )
    assert await swift.names("/bucket") == []
    data = b"123456789"  # the check values of the catalogues of CRCs
    for name, raw in (
        ("crc32", bytes.fromhex("cbf43926")),
        ("crc32c", bytes.fromhex("e3069283")),
        ("crc64nvme", bytes.fromhex("ae8b14860a799888")),
        ("sha1", hashlib.sha1(data, usedforsecurity=False).digest()),
        ("sha256", hashlib.sha256(data).digest()),
    ):
        header, value = f"x-amz-checksum-{name}", base64.b64encode(raw).decode()
        put = await s3.put("/bucket/o", data, headers={header: value})
        assert put.headers[header] == value
        got = await s3("HEAD", "/bucket/o", 200, headers={"x-amz-checksum-mode": "ENABLED"})
        assert got.headers[header] == value
        assert header not in (await s3("HEAD", "/bucket/o", 200)).headers


@pytest.mark.parametrize("form", ["1", "2"])
async def test_lists_in_pages(cloud: Cloud, form: str) -> None:
    s3, swift = await user(cloud)
    await s3.put("/bucket")
    names = ["a", "b/1", "b/2", "c & d", "e/1", "f", "ü"]
    for name in names:
        await s3.put(f"/bucket/{name}")
    version = [("list-type", "2")] if form == "2" else []
    seen: list[str] = []
    after: list[tuple[str, str]] = []
    for _ in range(5):
        root = await s3.xml("/bucket", [*version, ("delimiter", "/"), ("max-keys", "2"), *after])
        assert root.findtext("MaxKeys") == "2"
        page = texts(root, "Contents/Key") + texts(root, "CommonPrefixes/Prefix")
        seen += sorted(page)
        if root.findtext("IsTruncated") == "false":
            break
        token = (
            root.findtext("NextContinuationToken") if form == "2" else root.findtext("NextMarker")
        )
        after = [("continuation-token" if form == "2" else "marker", token or "")]
    assert seen == ["a", "b/", "c & d", "e/", "f", "ü"]
    inner = await s3.xml("/bucket", [*version, ("prefix", "b/")])
    assert texts(inner, "Contents/Key") == ["b/1", "b/2"]
    coded = await s3.xml("/bucket", [*version, ("encoding-type", "url"), ("prefix", "ü")])
    assert texts(coded, "Contents/Key") == ["%C3%BC"]
    assert await swift.names("/bucket") == names
    assert texts(await s3.xml("/bucket", [*version, ("max-keys", "0")]), "Contents/Key") == []


async def test_copies(cloud: Cloud) -> None:
    s3, _ = await user(cloud)
    await s3.put("/bucket")
    await s3.put("/bucket/from", b"data", headers={"x-amz-meta-a": "1", "x-amz-tagging": "k=v"})
    copy = {"x-amz-copy-source": "/bucket/from"}
    root = parsed(await s3.put("/bucket/to", headers=copy))
    assert root.findtext("ETag") == '"8d777f385d3dfec8815d20f7496026dc"'
    head = (await s3("HEAD", "/bucket/to", 200)).headers
    assert (head["x-amz-meta-a"], head["x-amz-tagging-count"]) == ("1", "1")
    await s3.put(
        "/bucket/to", headers={**copy, "x-amz-metadata-directive": "REPLACE", "x-amz-meta-b": "2"}
    )
    head = (await s3("HEAD", "/bucket/to", 200)).headers
    assert head["x-amz-meta-b"] == "2" and "x-amz-meta-a" not in head
    assert code(await s3.put("/bucket/from", b"", 400, headers=copy)) == "InvalidRequest"
    await s3.put("/bucket/to", b"", 412, headers={**copy, "x-amz-copy-source-if-match": '"x"'})
    await s3.put("/bucket/to", b"", 404, headers={"x-amz-copy-source": "/bucket/none"})
    await s3.put("/bucket/to", b"", 404, headers={"x-amz-copy-source": "/none/from"})


async def test_many_are_deleted_at_once(cloud: Cloud) -> None:
    s3, swift = await user(cloud)
    await s3.put("/bucket")
    for name in ("a", "b & c", " d "):
        await s3.put(f"/bucket/{name}", b"x")
    body = "<Delete>" + "".join(
        f"<Object><Key>{name}</Key></Object>" for name in ("a", "b &amp; c", " d ", "none")
    )
    root = parsed(
        await s3(
            "POST", "/bucket", 200, query=[("delete", "")], content=f"{body}</Delete>".encode()
        )
    )
    assert texts(root, "Deleted/Key") == ["a", "b & c", " d ", "none"]
    assert await swift.names("/bucket") == []
    many = "<Delete>" + "<Object><Key>k</Key></Object>" * 1001 + "</Delete>"
    for content in (
        many,
        "<Delete/>",
        "<Delete><Object><Name>k</Name></Object></Delete>",
        "no XML",
    ):
        answer = await s3("POST", "/bucket", 400, query=[("delete", "")], content=content.encode())
        assert code(answer) == "MalformedXML"


async def _becomes_reader(cloud: Cloud, s3: S3) -> None:
    """A member of a project is a reader from now on."""
    admin = await cloud.sign_in()
    ids = {one["name"]: one["id"] for one in (await admin.get("/identity/v3/roles"))["roles"]}
    user_id = (await admin.get("/identity/v3/users?name=reader"))["users"][0]["id"]
    grants = f"/identity/v3/projects/{s3.account}/users/{user_id}/roles"
    await admin("PUT", f"{grants}/{ids['reader']}", status=204)
    await admin("DELETE", f"{grants}/{ids['member']}", status=204)


async def test_another_project_reaches_nothing(cloud: Cloud) -> None:
    s3, swift = await user(cloud)
    other, _ = await user(cloud, "other")
    reader, _ = await user(cloud, "reader")
    await _becomes_reader(cloud, reader)
    await s3.put("/bucket")
    await s3.put("/bucket/o", b"x")
    assert code(await other("GET", "/bucket/o", 404)) == "NoSuchBucket"
    await other.put("/bucket")  # each project has names of its own
    assert code(await other("GET", "/bucket/o", 404)) == "NoSuchKey"
    assert code(await reader.put("/bucket", b"", 403)) == "AccessDenied"
    assert code(await reader("GET", "/", 403)) == "AccessDenied"
    away = {"x-amz-expected-bucket-owner": other.account}
    assert code(await s3("GET", "/bucket/o", 403, headers=away)) == "AccessDenied"
    # An access list of Swift's lets a user of the project read, who is no owner.
    await swift("POST", "/bucket", 204, headers={"X-Container-Read": "*:*"})
    await other("GET", "/bucket/o", 404)


async def test_old_versions_are_the_owners(cloud: Cloud) -> None:
    reader, swift = await user(cloud, "reader")
    await reader.put("/bucket")
    await reader.versioned("/bucket")
    old = (await reader.put("/bucket/o", b"old")).headers["x-amz-version-id"]
    await reader.put("/bucket/o", b"new")
    lists = {"X-Container-Read": "*:*", "X-Container-Write": "*:*"}
    await swift("POST", "/bucket", 204, headers=lists)
    await _becomes_reader(cloud, reader)
    assert (await reader("GET", "/bucket/o", 200)).content == b"new"
    for method, path, query in (
        ("GET", "/bucket/o", [("versionId", old)]),
        ("DELETE", "/bucket/o", [("versionId", old)]),
        ("GET", "/bucket", [("versions", "")]),
    ):
        assert code(await reader(method, path, 403, query=query)) == "AccessDenied"
    source = {"x-amz-copy-source": f"/bucket/o?versionId={old}"}
    assert code(await reader.put("/bucket/copy", b"", 403, headers=source)) == "AccessDenied"
    body = f"<Delete><Object><Key>o</Key><VersionId>{old}</VersionId></Object></Delete>"
    told = await reader("POST", "/bucket", 200, query=[("delete", "")], content=body.encode())
    assert texts(parsed(told), "Error/Code") == ["AccessDenied"]


async def test_a_key_does_no_more_than_its_rules(cloud: Cloud) -> None:
    s3, swift = await user(cloud)
    await s3.put("/bucket")
    await s3.put("/bucket/other", b"x")
    account = f"/v1/AUTH_{s3.account}"
    rules = [
        {"service": "identity", "method": "POST", "path": "/v3/users/*/credentials/OS-EC2"},
        {"service": "object-store", "method": "POST", "path": f"{account}/bucket"},
        {"service": "object-store", "method": "PUT", "path": f"{account}/bucket/mine"},
    ]
    owner = swift.client
    credential = await an_application_credential(owner, unrestricted=True, access_rules=rules)
    bound = await sign_in(cloud, by_application_credential(credential))
    path = f"/identity/v3/users/{owner.user_id}/credentials/OS-EC2"
    made = (await bound.post(path, {"tenant_id": s3.account}))["credential"]
    key = S3(s3.http, made["access"], made["secret"], s3.account)
    await key.put("/bucket/mine", b"x")
    assert code(await key("GET", "/bucket/other", 403)) == "AccessDenied"
    source = {"x-amz-copy-source": "/bucket/other"}
    assert code(await key.put("/bucket/mine", b"", 403, headers=source)) == "AccessDenied"
    body = b"<Delete><Object><Key>other</Key></Object></Delete>"
    told = await key("POST", "/bucket", 200, query=[("delete", "")], content=body)
    assert texts(parsed(told), "Error/Code") == ["AccessDenied"]
    assert (await s3("GET", "/bucket/other", 200)).content == b"x"


async def test_an_object_for_everybody(cloud: Cloud) -> None:
    s3, swift = await user(cloud)
    await s3.put("/bucket")
    await s3.put("/bucket/public", b"x", headers={"x-amz-acl": "public-read"})
    await s3.put("/bucket/own", b"x")
    nobody = type(swift)(cloud.anonymous, swift.account)
    await nobody("GET", "/bucket/public", 200)
    await nobody("GET", "/bucket/own", 401)
    await nobody("GET", "/bucket", 401)
    permissions = texts(
        await s3.xml("/bucket/public", [("acl", "")]), "AccessControlList/Grant/Permission"
    )
    assert permissions == ["FULL_CONTROL", "READ"]
    await s3.put("/bucket/public", query=[("acl", "")], headers={"x-amz-acl": "private"})
    await nobody("GET", "/bucket/public", 401)
    await s3.put("/bucket", query=[("acl", "")], headers={"x-amz-acl": "public-read"})
    await nobody("GET", "/bucket/own", 200)
    assert await nobody.names("/bucket") == ["own", "public"]
    for refused in ("public-read-write", "authenticated-read"):
        answer = await s3.put(
            "/bucket", b"", 501, query=[("acl", "")], headers={"x-amz-acl": refused}
        )
        assert code(answer) == "NotImplemented"


async def test_what_is_not_served_is_said_so(cloud: Cloud) -> None:
    s3, swift = await user(cloud)
    await s3.put("/bucket")
    for headers in (
        {"x-amz-server-side-encryption": "AES256"}, {"x-amz-object-lock-mode": "GOVERNANCE"},
        {"x-amz-website-redirect-location": "/"}, {"x-amz-grant-read": "id=x"}, {"x-amz-new-thing": "1"},
    ):  # fmt: skip
        assert code(await s3.put("/bucket/o", b"x", 501, headers=headers)) == "NotImplemented"
    assert (
        code(await s3.put("/bucket/o", b"x", 400, headers={"x-amz-storage-class": "GLACIER"}))
        == "InvalidStorageClass"
    )
    assert await swift.names("/bucket") == []
    assert code(await s3.put("/bucket", b"{}", 501, query=[("policy", "")])) == "NotImplemented"
    assert code(await s3("GET", "/bucket", 404, query=[("policy", "")])) == "NoSuchBucketPolicy"
    assert code(await s3("GET", "/bucket", 400, query=[("nonsense", "")])) == "InvalidArgument"
    assert code(await s3("POST", "/bucket/o", 405)) == "MethodNotAllowed"
    assert code(await s3("GET", "/bucket", 501, query=[("inventory", "")])) == "NotImplemented"
    for name in (
        "ab",
        "Upper",
        "a..b",
        "192.168.0.1",
        "a" * 64,
        "under_score",
        "a.-b",
        "a-.b",
        "-a-",
        "a.b.",
    ):
        assert code(await s3.put(f"/{name}", b"", 400)) == "InvalidBucketName"
    await s3.put("/bucket")  # once more, by who lost the answer
    public = await s3.put("/bucket", b"", 409, headers={"x-amz-acl": "public-read"})
    assert code(public) == "BucketAlreadyOwnedByYou"
    assert code(await s3.put("/bucket/" + "k" * 1025, b"", 400)) == "KeyTooLongError"
    await s3.put("/bucket/" + "k" * 1024)


async def test_quotas_hold(cloud: Cloud) -> None:
    s3, swift = await user(cloud)
    await s3.put("/bucket")
    await swift("POST", "/bucket", 204, headers={"X-Container-Meta-Quota-Bytes": "10"})
    assert code(await s3.put("/bucket/o", b"x" * 11, 403)) == "QuotaExceeded"
    upload = (
        parsed(await s3("POST", "/bucket/o", 200, query=[("uploads", "")])).findtext("UploadId")
        or ""
    )
    part = [("partNumber", "1"), ("uploadId", upload)]
    assert code(await s3.put("/bucket/o", b"x" * 11, 403, query=part)) == "QuotaExceeded"
    await s3.put("/bucket/o", b"x" * 9, query=part)
    assert code(await s3.put("/bucket/p", b"xx", 403)) == "QuotaExceeded"


async def test_tags(cloud: Cloud) -> None:
    s3, swift = await user(cloud)
    await s3.put("/bucket")
    await s3.put("/bucket/o", b"x", headers={"x-amz-tagging": "a=1&b=%26"})
    root = await s3.xml("/bucket/o", [("tagging", "")])
    assert texts(root, "TagSet/Tag/Key") == ["a", "b"] and texts(root, "TagSet/Tag/Value") == [
        "1",
        "&",
    ]
    body = b"<Tagging><TagSet><Tag><Key>c</Key><Value>2</Value></Tag></TagSet></Tagging>"
    await s3.put("/bucket/o", body, query=[("tagging", "")])
    await swift("POST", "/bucket/o", 202, headers={"X-Object-Meta-New": "1"})
    assert texts(await s3.xml("/bucket/o", [("tagging", "")]), "TagSet/Tag/Key") == ["c"]
    await s3("DELETE", "/bucket/o", 204, query=[("tagging", "")])
    assert texts(await s3.xml("/bucket/o", [("tagging", "")]), "TagSet/Tag/Key") == []
    assert code(await s3("GET", "/bucket", 404, query=[("tagging", "")])) == "NoSuchTagSet"
    await s3.put("/bucket", body, 204, query=[("tagging", "")])
    assert texts(await s3.xml("/bucket", [("tagging", "")]), "TagSet/Tag/Value") == ["2"]
    many = "".join(f"<Tag><Key>{n}</Key><Value/></Tag>" for n in range(11))
    await s3.put(
        "/bucket/o",
        f"<Tagging><TagSet>{many}</TagSet></Tagging>".encode(),
        400,
        query=[("tagging", "")],
    )
    assert "s3-tags" not in (await swift("HEAD", "/bucket", 204)).headers
