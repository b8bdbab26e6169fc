"""Object versioning as Swift speaks of it: versions with ids, listed, read, removed and brought back."""

from __future__ import annotations

from typing import Any

from tests.api.object_storage.objects import PORT, Swift, member, nobody
from tests.cloud import Cloud

from hanok.services.object_storage import facade
from hanok.services.object_storage.facade import ObjectStore

ENABLED = {"X-Versions-Enabled": "true"}
ID = "x-object-version-id"


async def _listed(swift: Swift, more: str = "") -> list[dict[str, Any]]:
    answer = await swift("GET", f"/c?versions&format=json{more}", 200)
    return list(answer.json())


async def test_versions_have_ids(cloud: Cloud) -> None:
    swift = await member(cloud)
    assert "object_versioning" in (await cloud.http.get(f"{PORT}/info")).json()
    await swift.put("/c")
    await swift.put("/c/o", b"0")
    await swift("POST", "/c", 204, headers=ENABLED)
    assert (await swift("HEAD", "/c", 204)).headers["x-versions-enabled"] == "True"
    ids = [(await swift.put("/c/o", bytes(size))).headers[ID] for size in (2, 3)]
    head = (await swift("HEAD", "/c/o", 200)).headers
    assert (head[ID], head["content-location"]) == (
        ids[1],
        f"/v1/AUTH_{swift.account}/c/o?version-id={ids[1]}",
    )
    assert await swift.names("/c") == ["o"]
    used = (await swift("HEAD", "/c", 204)).headers
    assert (used["x-container-object-count"], used["x-container-bytes-used"]) == ("1", "6")
    assert [(one["version_id"], one["bytes"], one["is_latest"]) for one in await _listed(swift)] == [
        (ids[1], 3, True), (ids[0], 2, False), ("null", 1, False),
    ]  # fmt: skip
    assert [one["version_id"] for one in await _listed(swift, "&reverse=1")] == ["null", *ids]
    for version, size in zip(("null", *ids), (1, 2, 3), strict=True):
        read = await swift("GET", f"/c/o?version-id={version}", 200)
        assert (len(read.content), read.headers[ID]) == (size, version)
    # A deletion is a version, too.
    mark = (await swift("DELETE", "/c/o", 204)).headers[ID]
    await swift("GET", "/c/o", 404)
    again = (await swift("DELETE", "/c/o", 404)).headers[ID]
    marked = await swift("GET", f"/c/o?version-id={mark}", 404)
    assert marked.headers[ID] == mark
    assert [one["version_id"] for one in await _listed(swift) if one["is_latest"]] == [again]
    # The name leads to a version again: it is no new one.
    await swift("PUT", f"/c/o?version-id={ids[0]}", 201)
    assert len((await swift("GET", "/c/o", 200)).content) == 2
    assert [one["version_id"] for one in await _listed(swift) if one["is_latest"]] == [ids[0]]
    assert len(await _listed(swift)) == 5
    copy = await swift("COPY", f"/c/o?version-id={ids[1]}", 201, headers={"Destination": "c/copy"})
    assert len((await swift("GET", "/c/copy", 200)).content) == 3 and copy.headers[ID]
    await swift("DELETE", f"/c/copy?version-id={copy.headers[ID]}", 204)
    await swift("DELETE", "/c", 409)
    for version in ("null", *ids, mark, again):
        assert (await swift("DELETE", f"/c/o?version-id={version}", 204)).headers[ID] == version
    await swift("DELETE", f"/c/o?version-id={ids[0]}", 404)
    assert (await swift("HEAD", "", 204)).headers["x-account-bytes-used"] == "0"
    assert await facade.differences(cloud.control.house.facade(ObjectStore), mend=False) == []
    await swift("DELETE", "/c", 204)


async def test_pages_of_versions(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift.put("/c", headers=ENABLED)
    for name in ("a", "b/1", "b/2", "c"):
        for _ in range(3):
            await swift.put(f"/c/{name}")
    for reverse in ("", "&reverse=true"):
        whole = [one["version_id"] for one in await _listed(swift, reverse)]
        seen: list[str] = []
        after = ""
        while page := await _listed(swift, f"&limit=5{reverse}{after}"):
            seen += [one["version_id"] for one in page]
            after = f"&marker={page[-1]['name']}&version_marker={page[-1]['version_id']}"
        assert seen == whole and len(seen) == 12
    for reverse, names in (("", ["a", "b/", "c"]), ("&reverse=true", ["c", "b/", "a"])):
        folded = await _listed(swift, f"&delimiter=/{reverse}")
        assert list(dict.fromkeys(one.get("subdir", one.get("name")) for one in folded)) == names
    assert len(await _listed(swift, "&prefix=b")) == 6
    await swift("GET", "/c?versions", 406, headers={"Accept": "text/plain"})
    await swift("GET", "/c?versions&format=json&version_marker=1", 400)
    await swift("GET", "/c?versions&format=json&marker=a&version_marker=x", 400)
    await swift("GET", "/c?versions&format=json&delimiter=1", 400)


async def test_what_is_refused(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift.put("/old")
    await swift.put("/c", headers={"X-Versions-Location": "old"})
    await swift("POST", "/c", 400, headers=ENABLED)
    await swift.put("/e", headers=ENABLED)
    await swift("POST", "/e", 400, headers={"X-History-Location": "old"})
    version = (await swift.put("/e/o", b"x")).headers[ID]
    await swift("POST", f"/e/o?version-id={version}", 400)
    await swift("PUT", f"/e/o?version-id={version}", 400, content=b"x")
    await swift("PUT", "/e/o?version-id=null", 400)
    await swift("PUT", "/e/o?version-id=0000000001.00000", 404)
    await swift("GET", "/e/o?version-id=nonsense", 400)
    await swift("GET", "/old/o?version-id=0000000001.00000", 400)
    # Who may read a container reads what its names lead to, and no version by its id.
    await swift("POST", "/e", 204, headers={"X-Container-Read": ".r:*,.rlistings"})
    anybody = nobody(cloud, swift.account)
    await anybody("GET", "/e/o", 200)
    await anybody("GET", f"/e/o?version-id={version}", 401)
    await anybody("GET", "/e?versions&format=json", 401)


async def test_switched_off_again(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift.put("/c", headers=ENABLED)
    first = (await swift.put("/c/o", b"1")).headers[ID]
    await swift("POST", "/c", 204, headers={"X-Versions-Enabled": "false"})
    assert (await swift("HEAD", "/c", 204)).headers["x-versions-enabled"] == "False"
    for _ in range(2):
        assert ID not in (await swift.put("/c/o", b"22")).headers
    assert [one["version_id"] for one in await _listed(swift)] == ["null", first]
    await swift("DELETE", "/c/o", 204)
    assert [(one["version_id"], one["is_latest"]) for one in await _listed(swift)] == [
        (first, False)
    ]
    assert (await swift("HEAD", "/c", 204)).headers["x-container-object-count"] == "0"
    await swift.put("/c/o", b"333")
    assert (await swift("HEAD", "/c", 204)).headers["x-container-bytes-used"] == "4"
