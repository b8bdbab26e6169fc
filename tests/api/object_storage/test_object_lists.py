"""Lists of names: pages, prefixes, folders, both ways, in the order of bytes, in three forms."""

from __future__ import annotations

import sqlalchemy as sa
from tests.api.object_storage.objects import Swift, member
from tests.cloud import Cloud

from hanok.services.object_storage.tables import object_containers, objects

NAMES = ["a", "a/1", "a/2", "a/b/3", "b", "photos/animals/cat", "photos/me", "photos/plants/x", "z"]


async def _fill(swift: Swift, names: list[str]) -> None:
    await swift.put("/c")
    for name in names:
        await swift.put(f"/c/{name}", b"x")


async def test_pages(cloud: Cloud) -> None:
    swift = await member(cloud)
    await _fill(swift, NAMES)
    assert await swift.names("/c") == NAMES
    assert await swift.names("/c?reverse=on") == NAMES[::-1]
    assert await swift.names("/c?limit=2") == NAMES[:2]
    assert await swift.names("/c?limit=2&marker=a/1") == NAMES[2:4]
    assert await swift.names("/c?end_marker=a/b/3") == NAMES[:3]
    assert await swift.names("/c?marker=z&reverse=true&limit=2") == ["photos/plants/x", "photos/me"]
    assert await swift.names("/c?marker=b&end_marker=a&reverse=1") == ["a/b/3", "a/2", "a/1"]
    assert await swift.names("/c?prefix=a/") == ["a/1", "a/2", "a/b/3"]
    assert await swift.names("/c?limit=0") == []
    for said in ("10001", "-1", "x", "9" * 30):
        await swift("GET", f"/c?limit={said}", 412)
    await swift("GET", "/c?marker=%00", 412)


async def test_folders(cloud: Cloud) -> None:
    swift = await member(cloud)
    await _fill(swift, NAMES)
    folded = ["a", "a/", "b", "photos/", "z"]
    assert await swift.names("/c?delimiter=/") == folded
    assert await swift.names("/c?delimiter=/&reverse=yes") == folded[::-1]
    assert await swift.names("/c?delimiter=/&limit=2") == ["a", "a/"]
    assert await swift.names("/c?delimiter=/&marker=a/") == ["b", "photos/", "z"]
    assert await swift.names("/c?delimiter=/&marker=a/&limit=1") == ["b"]
    assert await swift.names("/c?delimiter=/&prefix=photos/") == [
        "photos/animals/", "photos/me", "photos/plants/",
    ]  # fmt: skip
    assert await swift.names("/c?delimiter=os&prefix=ph") == ["phot" + "os"]
    assert await swift.names("/c?path=photos") == ["photos/me"]
    assert await swift.names("/c?path=") == ["a", "b", "z"]
    found = (await swift("GET", "/c?delimiter=/&format=json&prefix=photos/", 200)).json()
    assert found[0] == {"subdir": "photos/animals/"}
    assert found[1]["name"] == "photos/me"


async def test_many_names_in_folders(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift.put("/c")
    database = cloud.control.database
    names = [f"{folder:03}/{number:03}" for folder in range(150) for number in range(4)]
    names += [f"900/{number:04}" for number in range(1500)]
    async with database.write() as tx:
        container = await tx.scalar(
            sa.select(object_containers.c.id).where(
                object_containers.c.account == swift.account, object_containers.c.name == "c"
            )
        )
        row = {"container_id": container, "blob": "", "size": 0, "stored": 0, "etag": "0" * 32}
        row |= {"content_type": "text/x", "headers": {}, "created_us": 1, "kind": ""}
        row |= {"target": "", "target_etag": "", "delete_at": None}
        await tx.execute(objects.insert(), [{**row, "name": name} for name in names])
    folders = [f"{folder:03}/" for folder in range(150)] + ["900/"]
    assert await swift.names("/c?delimiter=/") == folders
    assert await swift.names("/c?delimiter=/&reverse=true") == folders[::-1]
    assert await swift.names("/c?delimiter=/&marker=100/&limit=3") == ["101/", "102/", "103/"]
    assert len(await swift.names("/c?prefix=900/")) == 1500


async def test_names_are_in_the_order_of_their_bytes(cloud: Cloud) -> None:
    swift = await member(cloud)
    names = ["B", "a", "A", "_", "é", "z", "~", "ü", "aa", "a-b", "aB", "💾", "\uffee"]
    await _fill(swift, names)
    assert await swift.names("/c") == sorted(names, key=str.encode)
    assert await swift.names("/c?marker=z") == sorted(
        (name for name in names if name > "z"), key=str.encode
    )
    for name in names:
        await swift("PUT", f"/{name}", 202 if name == "c" else 201)
    assert await swift.names() == sorted([*names, "c"], key=str.encode)
    assert await swift.names("?prefix=a&delimiter=-") == ["a", "a-", "aB", "aa"]


async def test_forms(cloud: Cloud) -> None:
    swift = await member(cloud)
    await swift.put("/c")
    empty = await swift("GET", "/c", 204)
    assert empty.headers["content-length"] == "0"
    assert (await swift("GET", "/c?format=json", 200)).json() == []
    await swift.put("/c/a%26%3Cb%3E%22%0A", b"x", headers={"Content-Type": "text/x"})
    xml = await swift("GET", "/c?format=xml", 200)
    assert xml.headers["content-type"] == "application/xml; charset=utf-8"
    assert '<container name="c"><object><name>a&amp;&lt;b&gt;"\n</name>' in xml.text
    requested = await swift("GET", "/c", 200, headers={"Accept": "application/json"})
    assert requested.json()[0]["content_type"] == "text/x"
    both = {"Accept": "text/plain;q=0.1, application/xml"}
    assert "xml" in (await swift("GET", "", 200, headers=both)).headers["content-type"]
    await swift("GET", "/c", 406, headers={"Accept": "image/png"})
    plain = await swift("GET", "/c?format=odd", 200, headers={"Accept": "image/png"})
    assert plain.headers["content-type"] == "text/plain; charset=utf-8"
    account = (await swift("GET", "?format=json", 200)).json()
    assert account[0]["name"] == "c" and account[0]["count"] == 1 and account[0]["bytes"] == 1
