"""Object storage whose process is killed at each of its places, and started again: nothing lost, nothing left over."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest

from hanok.drivers.image_stores import StoreBroken
from hanok.drivers.image_stores.s3 import S3Store
from tests import s3
from tests.operations.test_killed import Process, cloud

__all__ = ["cloud"]

BIG = bytes(range(256)) * 12 * 1024  # three pieces


class _Objects:
    """The administrator's account of a cloud that comes and goes."""

    def __init__(self, cloud: Process) -> None:
        self.cloud = cloud
        token = cloud.http.headers["X-Auth-Token"]
        catalog = cloud.get("/identity/v3/auth/catalog")["catalog"]
        (entry,) = [one for one in catalog if one["type"] == "object-store"]
        self.url = str(entry["endpoints"][0]["url"])
        self.headers = {"X-Auth-Token": token}

    def __call__(
        self, method: str, path: str, content: Any = None, headers: dict[str, str] | None = None
    ) -> int:
        """The status of an answer; 0: none came."""
        sent = {**self.headers, **(headers or {})}
        try:
            return httpx.request(
                method, self.url + path, content=content, headers=sent, timeout=60
            ).status_code
        except httpx.TransportError:
            return 0

    def read(self, path: str) -> bytes:
        answer = httpx.get(self.url + path, headers=self.headers, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.content


def _pieces(data: bytes) -> Any:
    return (data[at : at + (1 << 18)] for at in range(0, len(data), 1 << 18))


def _put(swift: _Objects) -> int:
    return swift("PUT", "/c/o", _pieces(BIG))


def _copy(swift: _Objects) -> int:
    return swift("COPY", "/c/from", headers={"Destination": "c/o"})


def _manifest(swift: _Objects) -> int:
    return swift("PUT", "/c/o?multipart-manifest=put", json.dumps([{"path": "/c/from"}]).encode())


WAYS: list[tuple[str, Callable[[_Objects], int]]] = [
    ("between_pieces", _put), ("before_whole", _put), ("after_whole", _put), ("before_row", _put), ("after_row", _put),
    ("after_whole", _copy), ("before_row", _copy), ("before_row", _manifest), ("after_row", _manifest),
]  # fmt: skip


def _left_over(cloud: Process) -> list[str]:
    """Blobs and parts of blobs that are there."""
    folder = cloud.folder / "control" / "objects"
    return sorted(one.name for one in folder.rglob("*") if one.is_file())


def test_writes_that_are_killed(cloud: Process) -> None:
    swift = _Objects(cloud)
    assert swift("PUT", "/c") == 201
    assert swift("PUT", "/c/from", _pieces(BIG)) == 201
    for place, way in WAYS:
        assert swift("PUT", "/c/o", b"old") == 201
        cloud.end()
        cloud.start(f"objects.put.{place}=die:1")
        swift = _Objects(cloud)
        assert way(swift) == 0
        cloud.wait(cloud.died)
        cloud.start()
        swift = _Objects(cloud)
        assert swift.read("/c/o") == (BIG if place == "after_row" else b"old"), (place, way)
    # What was left is no older than a day: it is named, and goes by itself.
    assert {one["what"] for one in cloud.differences()} <= {"stray"}


def _complete(own: S3Store, address: str, upload: str) -> None:
    own._finish(address, upload, [own._part(address, upload, 1, BIG)])


def _parts(own: S3Store, address: str) -> None:
    """An object of one part."""
    _complete(own, address, own._begin(address))


def _s3(cloud: Process, swift: _Objects) -> S3Store:
    """The same account by S3; the key stays the same."""
    headers = {"X-Subject-Token": swift.headers["X-Auth-Token"]}
    who = cloud.http.get("/identity/v3/auth/tokens", headers=headers).json()["token"]
    path = f"/identity/v3/users/{who['user']['id']}/credentials/OS-EC2"
    keys = cloud.get(path)["credentials"]
    if not keys:
        made = cloud.http.post(path, json={"tenant_id": who["project"]["id"]})
        keys = [made.json()["credential"]]
    return S3Store(
        endpoint=swift.url.partition("/v1/")[0], bucket="c", region="us-east-1",
        access_key=keys[0]["access"], secret_key=keys[0]["secret"],
    )  # fmt: skip


def test_parts_that_are_killed(cloud: Process) -> None:
    swift = _Objects(cloud)
    assert swift("PUT", "/c") == 201
    for place in ("part.before_row", "part.after_row", "complete.before_row", "complete.after_row"):
        assert _Objects(cloud)("PUT", "/c/o", b"old") == 201
        cloud.end()
        cloud.start(f"objects.{place}=die:1")
        own = _s3(cloud, _Objects(cloud))
        with pytest.raises(StoreBroken):
            _parts(own, own._address("o"))
        own.close()
        cloud.wait(cloud.died)
        cloud.start()
        swift = _Objects(cloud)
        assert swift.read("/c/o") == (BIG if place == "complete.after_row" else b"old"), place
        own = _s3(cloud, swift)
        ((_, upload, _),) = asyncio.run(own.uploads("o")) or [("", "", "")]
        if upload:  # whoever sends it goes on with it, or ends it
            _complete(own, own._address("o"), upload)
            assert swift.read("/c/o") == BIG
        own.close()
    assert {one["what"] for one in cloud.differences()} <= {"stray"}


def test_moves_that_are_killed(cloud: Process, s3_server: s3.Server) -> None:
    swift = _Objects(cloud)
    contents = {f"/c/{number}": bytes([number]) * 1000 for number in range(5)}
    assert swift("PUT", "/c") == 201
    for path, content in contents.items():
        assert swift("PUT", path, content) == 201
    cloud.end()
    secret = cloud.folder / "secret"
    secret.write_text(s3.SECRET)
    (cloud.folder / "control-extra.toml").write_text(
        "[object_storage]\nlet_go_after_s = 0.0\nswept_after_s = 0.0\n"
        f'[object_storage.bucket]\nendpoint = "{s3_server.endpoint}"\nbucket = "images"\n'
        f'prefix = "killed/"\naccess_key = "{s3.ACCESS}"\nsecret_key_file = "{secret}"\n'
    )
    for place, to in (("copy", "bucket"), ("compare", "folder"), ("delete", "bucket")):
        cloud.start(f"objects.move.after_{place}=die:2")
        with suppress(httpx.TransportError):
            answer = cloud.http.put("/hanok/v1/objects", json={"place": to})
            assert answer.status_code < 300, (place, answer.text)
        cloud.wait(cloud.died)
        cloud.start()
        swift = _Objects(cloud)
        for path, content in contents.items():
            assert swift.read(path) == content, (place, path)
        cloud.wait(lambda: not cloud.get("/hanok/v1/objects")["moving"])
        assert cloud.get("/hanok/v1/objects")["name"] == to
        in_bucket = list((s3_server.folder / "images" / "killed").glob("*"))
        counts = (5, 0) if to == "bucket" else (0, 5)
        assert (len(in_bucket), len(_left_over(cloud))) == counts
        for path, content in contents.items():
            assert swift.read(path) == content, (place, path)
        assert cloud.differences() == []
        cloud.end()


def test_deletions_that_are_killed(cloud: Process) -> None:
    swift = _Objects(cloud)
    assert swift("PUT", "/c") == 201
    for name in ("a", "b", "kept"):
        assert swift("PUT", f"/c/{name}", name.encode()) == 201

    cloud.end()
    extra = cloud.folder / "control-extra.toml"
    extra.write_text("[object_storage]\nlet_go_after_s = 0.0\n")
    cloud.start("objects.sweep.after_delete=die:1")
    swift = _Objects(cloud)
    swift("POST", "?bulk-delete", b"c/a\nc/b\n", headers={"Content-Type": "text/plain"})
    cloud.wait(cloud.died)
    cloud.start()
    swift = _Objects(cloud)
    cloud.wait(lambda: len(_left_over(cloud)) == 1)
    assert swift.read("/c/kept") == b"kept"
    assert swift("GET", "/c/a") == 404
    assert cloud.differences() == []
