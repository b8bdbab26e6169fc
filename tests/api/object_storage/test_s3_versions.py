"""Versions by S3: kept, listed, read, removed, and brought back."""

from __future__ import annotations

from tests.api.object_storage.s3 import S3, code, parsed, texts, user
from tests.cloud import Cloud

from hanok.services.object_storage import facade
from hanok.services.object_storage.facade import ObjectStore


async def _versions(s3: S3, *query: tuple[str, str]) -> list[tuple[str, str, str, str]]:
    """Sort, key, version and whether it is the latest, of all that a list shows."""
    root = await s3.xml("/bucket", [("versions", ""), *query])
    return [
        (one.tag, *(one.findtext(name, "") for name in ("Key", "VersionId", "IsLatest")))
        for one in root
        if one.tag in ("Version", "DeleteMarker")
    ]


async def test_versions_are_kept(cloud: Cloud) -> None:
    s3, swift = await user(cloud)
    await s3.put("/bucket")
    await s3.put("/bucket/o", b"null")
    await s3.versioned("/bucket")
    ids = [(await s3.put("/bucket/o", bytes(size))).headers["x-amz-version-id"] for size in (1, 2)]
    assert (await swift("HEAD", "/bucket", 204)).headers["x-container-bytes-used"] == "7"
    gone = (await s3("DELETE", "/bucket/o", 204)).headers
    assert gone["x-amz-delete-marker"] == "true"
    missing = await s3("GET", "/bucket/o", 404)
    assert (code(missing), missing.headers["x-amz-delete-marker"]) == ("NoSuchKey", "true")
    assert await _versions(s3) == [
        ("DeleteMarker", "o", gone["x-amz-version-id"], "true"),
        ("Version", "o", ids[1], "false"), ("Version", "o", ids[0], "false"), ("Version", "o", "null", "false"),
    ]  # fmt: skip
    for version, size in ((ids[0], 1), (ids[1], 2), ("null", 4)):
        read = await s3("GET", "/bucket/o", 200, query=[("versionId", version)])
        assert (len(read.content), read.headers["x-amz-version-id"]) == (size, version)
    marked = await s3("GET", "/bucket/o", 405, query=[("versionId", gone["x-amz-version-id"])])
    assert code(marked) == "MethodNotAllowed"
    # Without the mark, the last version is there again.
    await s3("DELETE", "/bucket/o", 204, query=[("versionId", gone["x-amz-version-id"])])
    assert len((await s3("GET", "/bucket/o", 200)).content) == 2
    await s3("DELETE", "/bucket/o", 204, query=[("versionId", ids[1])])
    assert len((await s3("GET", "/bucket/o", 200)).content) == 1
    await s3("DELETE", "/bucket/o", 204, query=[("versionId", "null")])
    assert await _versions(s3) == [("Version", "o", ids[0], "true")]
    assert code(await s3("GET", "/bucket/o", 404, query=[("versionId", ids[1])])) == "NoSuchVersion"
    assert (
        code(await s3("GET", "/bucket/o", 400, query=[("versionId", "nonsense")]))
        == "InvalidArgument"
    )
    other = {"if-match": '"other"'}
    await s3("DELETE", "/bucket/o", 412, query=[("versionId", ids[0])], headers=other)
    assert code(await s3("DELETE", "/bucket", 409)) == "BucketNotEmpty"
    await s3("DELETE", "/bucket/o", 204, query=[("versionId", ids[0])])
    assert (await swift("HEAD", "", 204)).headers["x-account-bytes-used"] == "0"
    await s3("DELETE", "/bucket", 204)
    room = cloud.control.house.facade(ObjectStore)
    await facade.sweep(room, everything=True)
    assert [one async for one in room.store.list()] == []


async def test_suspended(cloud: Cloud) -> None:
    s3, swift = await user(cloud)
    await s3.put("/bucket")
    assert (await s3.xml("/bucket", [("versioning", "")])).findtext("Status") is None
    await s3.versioned("/bucket")
    first = (await s3.put("/bucket/o", b"1")).headers["x-amz-version-id"]
    await s3.versioned("/bucket", "Suspended")
    assert (await s3.xml("/bucket", [("versioning", "")])).findtext("Status") == "Suspended"
    for _ in range(2):
        await s3.put("/bucket/o", b"22")
    assert await _versions(s3) == [
        ("Version", "o", "null", "true"),
        ("Version", "o", first, "false"),
    ]
    assert (await s3("DELETE", "/bucket/o", 204)).headers["x-amz-version-id"] == "null"
    assert await _versions(s3) == [
        ("DeleteMarker", "o", "null", "true"),
        ("Version", "o", first, "false"),
    ]
    await s3.put("/bucket/o", b"333")
    assert await _versions(s3) == [
        ("Version", "o", "null", "true"),
        ("Version", "o", first, "false"),
    ]
    assert (await swift("HEAD", "/bucket", 204)).headers["x-container-bytes-used"] == "4"
    assert await facade.differences(cloud.control.house.facade(ObjectStore), mend=False) == []


async def test_a_list_of_versions_in_pages(cloud: Cloud) -> None:
    s3, _ = await user(cloud)
    await s3.put("/bucket")
    await s3.versioned("/bucket")
    for name in ("a", "b/1", "b/2", "c"):
        for _ in range(3):
            await s3.put(f"/bucket/{name}", b"x")
        await s3("DELETE", f"/bucket/{name}", 204)
    whole = await _versions(s3)
    assert (
        len(whole) == 16
        and [one[1] for one in whole] == ["a"] * 4 + ["b/1"] * 4 + ["b/2"] * 4 + ["c"] * 4
    )
    for size in (1, 3, 5):
        seen: list[str | None] = []
        after: list[tuple[str, str]] = []
        for _ in range(20):
            query = [("versions", ""), ("max-keys", str(size)), *after]
            root = await s3.xml("/bucket", query)
            seen += [
                one.findtext("VersionId") for one in root if one.tag in ("Version", "DeleteMarker")
            ]
            if root.findtext("IsTruncated") == "false":
                break
            after = [
                ("key-marker", root.findtext("NextKeyMarker", "")),
                ("version-id-marker", root.findtext("NextVersionIdMarker", "")),
            ]
        assert seen == [one[2] for one in whole]
    folded = await s3.xml("/bucket", [("versions", ""), ("delimiter", "/")])
    assert texts(folded, "CommonPrefixes/Prefix") == ["b/"]
    assert sorted({*texts(folded, "Version/Key")}) == ["a", "c"]


async def test_a_version_is_copied(cloud: Cloud) -> None:
    s3, _ = await user(cloud)
    await s3.put("/bucket")
    await s3.versioned("/bucket")
    old = (await s3.put("/bucket/o", b"old")).headers["x-amz-version-id"]
    await s3.put("/bucket/o", b"new")
    source = {"x-amz-copy-source": f"/bucket/o?versionId={old}"}
    made = await s3.put("/bucket/o", headers=source)
    assert made.headers["x-amz-copy-source-version-id"] == old
    assert (await s3("GET", "/bucket/o", 200)).content == b"old"
    await s3.put(
        "/bucket/o", b"", 404, headers={"x-amz-copy-source": "/bucket/o?versionId=0000000001.00000"}
    )
    body = f"<Delete><Object><Key>o</Key><VersionId>{old}</VersionId></Object><Object><Key>o</Key></Object></Delete>"
    root = parsed(await s3("POST", "/bucket", 200, query=[("delete", "")], content=body.encode()))
    assert texts(root, "Deleted/VersionId") == [old] and texts(root, "Deleted/DeleteMarker") == [
        "true"
    ]


async def test_other_ways_to_keep_versions_are_not_mixed(cloud: Cloud) -> None:
    s3, swift = await user(cloud)
    await s3.put("/bucket")
    await s3.put("/versions")
    await swift("POST", "/bucket", 204, headers={"X-Versions-Location": "versions"})
    body = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    assert (
        code(await s3.put("/bucket", body, 409, query=[("versioning", "")])) == "InvalidBucketState"
    )
