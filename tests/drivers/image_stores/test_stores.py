"""What every store does, asked of a folder, of a real S3 server, and of this cloud's own."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from hanok.drivers.image_stores import Store, StoreBroken, StoreFull
from hanok.drivers.image_stores.files import FileStore
from hanok.drivers.image_stores.s3 import PART, S3Store
from tests import s3
from tests.operations.test_killed import Process

KEY = "b5d2d8ee-2f3b-4a0e-9d7e-0d5f1f0c7a11"


def s3_store(server: s3.Server, secret: str = s3.SECRET) -> S3Store:
    return S3Store(
        endpoint=server.endpoint,
        bucket="images",
        region="us-east-1",
        access_key=s3.ACCESS,
        secret_key=secret,
    )


@pytest.fixture(scope="module")
def own_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """A cloud whose own object storage is the S3 server: its address, and a key."""
    cloud = Process(tmp_path_factory.mktemp("own") / "cloud")
    try:
        cloud.start()
        cloud.wait(lambda: (cloud.folder / "admin-openrc.sh").exists())
        cloud.sign_in()
        token = cloud.get("/identity/v3/auth/catalog")["catalog"]
        (entry,) = [one for one in token if one["type"] == "s3"]
        headers = {"X-Subject-Token": cloud.http.headers["X-Auth-Token"]}
        who = cloud.http.get("/identity/v3/auth/tokens", headers=headers).json()["token"]
        keys = f"/identity/v3/users/{who['user']['id']}/credentials/OS-EC2"
        made = cloud.http.post(keys, json={"tenant_id": who["project"]["id"]}).json()["credential"]
        yield entry["endpoints"][0]["url"], made
    finally:
        cloud.close()


def own_store(own_cloud: tuple[str, dict[str, str]]) -> S3Store:
    """A store in a bucket of its own."""
    endpoint, key = own_cloud
    bucket = f"images-{os.urandom(4).hex()}"
    made = S3Store(
        endpoint=endpoint, bucket=bucket, region="us-east-1",
        access_key=key["access"], secret_key=key["secret"],
    )  # fmt: skip
    assert made._client.put(f"{endpoint}/{bucket}").status_code == 200
    return made


@pytest.fixture(params=["file", "s3", "own"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "file":
        yield FileStore(tmp_path / "store")
        return
    if request.param == "own":
        made = own_store(request.getfixturevalue("own_cloud"))
    else:
        made = s3_store(request.getfixturevalue("s3_server"))
    yield made
    made.close()


async def pieces(data: bytes, size: int = 1 << 20) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def broken(data: bytes) -> AsyncIterator[bytes]:
    async for piece in pieces(data):
        yield piece
    raise ConnectionResetError("the client went away")


async def all_of(store: Store, start: int, length: int) -> bytes:
    return b"".join([piece async for piece in store.get(KEY, start, length)])


@pytest.mark.parametrize("size", [0, 1, 5000, PART - 1, 2 * PART + 12345])
async def test_what_is_put_comes_back(store: Store, size: int) -> None:
    data = os.urandom(size)
    assert await store.put(KEY, pieces(data), attempt="1") == size
    assert await store.size(KEY) == size
    whole = await all_of(store, 0, size)
    assert hashlib.sha256(whole).digest() == hashlib.sha256(data).digest()
    if size > 100:
        assert await all_of(store, 17, 50) == data[17:67]
    await store.delete(KEY)
    assert await store.size(KEY) is None
    await store.delete(KEY)


async def test_a_stream_that_breaks_leaves_nothing(store: Store) -> None:
    with pytest.raises(ConnectionResetError):
        await store.put(KEY, broken(os.urandom(PART + 5_000_000)), attempt="1")
    assert await store.size(KEY) is None
    await store.abandon(KEY, attempt="1")
    with pytest.raises(StoreBroken):
        await all_of(store, 0, 10)


async def test_a_second_object_of_the_key_replaces_the_first(store: Store) -> None:
    await store.put(KEY, pieces(b"first"), attempt="1")
    await store.put(KEY, pieces(b"second"), attempt="2")
    assert await all_of(store, 0, 6) == b"second"
    await store.delete(KEY)


async def test_an_s3_upload_that_nobody_ended_is_found_and_freed(s3_server: s3.Server) -> None:
    store = s3_store(s3_server)
    address = store._address(KEY)
    upload = store._begin(address)
    store._part(address, upload, 1, os.urandom(PART))
    await store.abandon(KEY, attempt="1")
    with pytest.raises(StoreBroken, match=r"NoSuchUpload|404"):
        store._part(address, upload, 2, b"more")
    store.close()


async def test_a_wrong_secret_is_said(s3_server: s3.Server) -> None:
    store = s3_store(s3_server, "wrong")
    with pytest.raises(StoreBroken, match=r"SignatureDoesNotMatch|403"):
        await store.put(KEY, pieces(b"data"), attempt="1")
    store.close()
    with httpx.Client() as plain:
        assert plain.get(f"{s3_server.endpoint}/images/{KEY}").status_code == 403


FULL = """
import asyncio, resource, signal, sys
from pathlib import Path
from hanok.drivers.image_stores import StoreFull
from hanok.drivers.image_stores.files import FileStore

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, 3 << 20))

async def stream():
    for _ in range(5):
        yield bytes(1 << 20)

async def main():
    try:
        await FileStore(Path(sys.argv[1])).put("image", stream(), attempt="1")
    except StoreFull:
        print("full")

asyncio.run(main())
"""


def test_a_full_disk_is_said_and_its_space_is_freed(tmp_path: Path) -> None:
    """The file system refuses for real: files of that process end at 3 MiB."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "src")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.strip() == "full", done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="a small file system is mounted, which only root may")
async def test_a_small_file_system_that_fills_up(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=True)
    try:
        store = FileStore(folder)
        with pytest.raises(StoreFull):
            await store.put(KEY, pieces(bytes(6 << 20)), attempt="1")
        assert list(folder.iterdir()) == []
        assert await store.put(KEY, pieces(bytes(3 << 20)), attempt="2") == 3 << 20
    finally:
        subprocess.run(["umount", str(folder)], check=True)
