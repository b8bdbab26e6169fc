"""Hosts that see none of control's folders get images and hand over copies of disks over HTTP, by tickets."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import uvicorn

from hanok.base.clock import MovableClock
from hanok.base.cloud_key import CloudKey
from hanok.commands import ByteChannel, EnsureImage, HandOverSnapshot
from hanok.commands.wire import HASH_HEADER, HOST_HEADER, OFFSET_HEADER
from hanok.control.byte_door import ByteDoor
from hanok.control.server import Server
from hanok.control.server_settings import ServerSettings
from hanok.node import channel
from hanok.node.errors import NotDone
from hanok.node.images import ImageCache
from hanok.node.simulated import run_simulated
from hanok.services.compute import facade as compute
from hanok.services.compute.facade import Compute
from hanok.web.tickets import LIFE_S, Tickets
from tests.api.block_storage.grounds import backends_told
from tests.cloud import Client, Cloud, a_flavor, a_server, an_image, running, settle

MIB = 1 << 20
DATA = os.urandom(MIB) * 5 + b"the end"
NAME = "11111111-1111-4111-8111-111111111111"


@dataclass
class Line:
    """What is between a host and control: it may break, or stall.

    breaks: after how many bytes from control the next connections end. uploads: the same, of bytes to control.
    """

    to: int
    breaks: list[int] = field(default_factory=list)
    uploads: list[int] = field(default_factory=list)
    connections: int = 0
    passed: int = 0

    async def open(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        there, back = await asyncio.open_connection("127.0.0.1", self.to)
        # A question about what is there is short, and is let through.
        begin = await reader.read(65536)
        maximum: list[int] = [1 << 60, 1 << 60]
        if begin.startswith(b"GET") and self.breaks:
            maximum[1] = self.breaks.pop(0)
        if begin.startswith(b"PUT") and self.uploads:
            maximum[0] = self.uploads.pop(0)
        back.write(begin)
        with contextlib.suppress(ConnectionError):
            await asyncio.wait(
                [
                    asyncio.ensure_future(self._pass(reader, back, maximum[0])),
                    asyncio.ensure_future(self._pass(there, writer, maximum[1])),
                ],
                return_when=asyncio.FIRST_COMPLETED,
            )
        for one in (writer, back):
            one.close()

    async def _pass(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, maximum: int
    ) -> None:
        while maximum > 0 and (data := await source.read(min(65536, maximum))):
            maximum -= len(data)
            self.passed += len(data)
            target.write(data)
            await target.drain()


@dataclass
class Far:
    """A cloud, and a host that is nowhere near its folders."""

    cloud: Cloud
    line: Line
    folder: Path
    address: str

    @property
    def snapshots(self) -> Path:
        return self.folder / "snapshots"


@asynccontextmanager
async def _serving(cloud: Cloud, listener: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(cloud.control.app, http="httptools", lifespan="off", log_config=None)
    server = Server(config, ServerSettings())
    task = asyncio.ensure_future(server.serve(sockets=[listener]))
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        await task


@pytest.fixture
async def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Far]:
    monkeypatch.setattr(channel, "PAUSE_S", 0.001)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        line = Line(listener.getsockname()[1])
        between = await asyncio.start_server(line.open, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{between.sockets[0].getsockname()[1]}"
        folder = tmp_path / "far"
        (folder / "images").mkdir(parents=True)
        async with running(tmp_path / "near", hosts=0, bytes_url=address) as cloud:
            async with _serving(cloud, listener), asyncio.TaskGroup() as group:
                host = group.create_task(
                    run_simulated(
                        ["far"],
                        cloud.control.bus,
                        image_stores=[str(folder / "images")],
                        snapshots=folder / "snapshots",
                    )
                )
                async with asyncio.timeout(30):
                    while True:
                        async with cloud.control.database.read() as tx:
                            room = cloud.control.house.facade(Compute)
                            if await compute.hosts_up(tx, room):
                                break
                        await asyncio.sleep(0.01)
                yield Far(cloud, line, folder, address)
                host.cancel()
        between.close()


async def _server(far: Far) -> tuple[Client, str]:
    admin = await far.cloud.sign_in()
    server_id = await a_server(admin, await an_image(admin), await a_flavor(admin))
    await settle(far.cloud)
    shown = (await admin.get(f"/compute/v2.1/servers/{server_id}"))["server"]
    assert shown["status"] == "ACTIVE", shown
    return admin, server_id


async def test_a_host_with_empty_folders_runs_a_server_and_hands_over_its_disk(far: Far) -> None:
    admin, server_id = await _server(far)
    path = f"/compute/v2.1/servers/{server_id}/action"
    answer = await admin("POST", path, {"createImage": {"name": "kept"}}, status=202)
    await settle(far.cloud)
    image_id = answer.headers["Location"].rpartition("/")[2]
    image = await admin.get(f"/image/v2/images/{image_id}")
    assert image["status"] == "active", image
    data = (await admin("GET", f"/image/v2/images/{image_id}/file", status=200)).content
    assert data.startswith(b"QFI\xfb") and len(data) == image["size"]
    assert list(far.snapshots.iterdir()) == []
    assert list(far.cloud.control.settings.snapshots.iterdir()) == []
    assert far.line.connections >= 3  # image, look, hand-over
    assert (await admin.get("/hanok/v1/inventory"))["differences"] == []


async def test_backups_of_its_volumes_come_and_go_over_the_line(far: Far) -> None:
    admin = await far.cloud.sign_in()
    await backends_told(admin)
    body: dict[str, Any] = {"volume_type": {"name": "sealed"}}  # one that is not all zeros
    kind = (await admin.post("/volume/v3/types", body, 200))["volume_type"]["id"]
    body = {"encryption": {"provider": "luks"}}
    await admin.post(f"/volume/v3/types/{kind}/encryption", body, 200)
    body = {"volume": {"size": 1, "volume_type": "sealed"}}
    volume = (await admin.post("/volume/v3/volumes", body, 202))["volume"]["id"]
    await settle(far.cloud)
    body = {"backup": {"volume_id": volume}}
    backup = (await admin.post("/volume/v3/backups", body, 202))["backup"]["id"]
    await settle(far.cloud)
    body = {"restore": {}}
    made = await admin.post(f"/volume/v3/backups/{backup}/restore", body, 202)
    await settle(far.cloud)
    shown = (await admin.get(f"/volume/v3/backups/{backup}"))["backup"]
    assert (shown["status"], shown["object_count"]) == ("available", 2), shown
    path = f"/volume/v3/volumes/{made['restore']['volume_id']}"
    assert (await admin.get(path))["volume"]["status"] == "available"
    assert list(far.snapshots.iterdir()) == []
    assert list(far.cloud.control.settings.snapshots.iterdir()) == []
    assert far.line.connections >= 3  # look, hand-over, restore
    assert (await admin.get("/hanok/v1/inventory"))["differences"] == []


async def _image(far: Far) -> EnsureImage:
    """An image with some megabytes, as a host is told of it."""
    admin = await far.cloud.sign_in()
    body = {"name": "big", "disk_format": "raw", "container_format": "bare"}
    image_id = (await admin.post("/image/v2/images", body))["id"]
    path = f"/image/v2/images/{image_id}/file"
    kind = {"Content-Type": "application/octet-stream"}
    await admin("PUT", path, content=DATA, headers=kind, status=204)
    return EnsureImage(
        image_id=image_id,
        disk_format="raw",
        size_bytes=len(DATA),
        hash_value=hashlib.sha512(DATA).hexdigest(),
        source=far.cloud.control.house.tickets.to_read(image_id, "far", len(DATA)),
    )


def _cache(far: Far) -> ImageCache:
    return ImageCache(far.folder / "cache", (str(far.folder / "images"),), gid=None, host="far")


async def test_the_cache_of_a_real_host_takes_an_image_and_goes_on_after_a_break(far: Far) -> None:
    requested = await _image(far)
    cache = _cache(far)
    far.line.breaks = [2 * MIB, MIB, 0, MIB // 2]
    state = await cache.ensure(requested)
    assert state.copied and cache.path(requested.image_id).read_bytes() == DATA
    assert far.line.connections == 5
    assert far.line.passed < len(DATA) + MIB  # what had come did not come again
    assert not (await cache.ensure(requested)).copied


async def test_another_image_than_the_one_that_was_meant_is_refused(far: Far) -> None:
    requested = await _image(far)
    cache = _cache(far)
    with pytest.raises(NotDone, match="checksum differs"):
        await cache.ensure(msgspec.structs.replace(requested, hash_value="0" * 128))
    other = msgspec.structs.replace(requested, size_bytes=len(DATA) - 1)
    with pytest.raises(NotDone, match="differs from its checksum"):
        await cache.ensure(other)
    assert cache.list() == [] and list(cache.folder.iterdir()) == []


async def test_a_line_that_stays_broken_ends_the_try(far: Far) -> None:
    requested = await _image(far)
    far.line.breaks = [0] * 50
    with pytest.raises(NotDone, match="cannot be moved") as caught:
        await _cache(far).ensure(requested)
    assert caught.value.transient
    assert far.line.connections == channel.TRIES + 1


async def test_a_far_end_that_says_nothing_is_given_up(
    far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "SILENT_S", 0.05)
    requested = await _image(far)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    mute = await asyncio.start_server(silent, "127.0.0.1", 0)
    assert requested.source is not None
    url = f"http://127.0.0.1:{mute.sockets[0].getsockname()[1]}/bytes/images/{requested.image_id}"
    source = ByteChannel(url=url, ticket=requested.source.ticket)
    with pytest.raises(NotDone, match="cannot be moved"):
        await _cache(far).ensure(msgspec.structs.replace(requested, source=source))
    mute.close()


async def _handed_over(far: Far, data: bytes) -> None:
    (far.snapshots / NAME).write_bytes(data)
    target = far.cloud.control.house.tickets.to_write(NAME, "far", 100 * MIB)
    hand_overs = channel.HandOvers()
    with contextlib.closing(hand_overs):
        requested = HandOverSnapshot(server_id=NAME, snapshot_id=NAME, target=target)
        async with asyncio.timeout(60):
            while not (await hand_overs.ensure("far", requested, far.snapshots / NAME)).done:
                pass


async def test_a_hand_over_goes_on_after_a_break(far: Far) -> None:
    far.line.uploads = [2 * MIB, MIB, 0]
    await _handed_over(far, DATA)
    whole = far.cloud.control.settings.snapshots / NAME
    assert whole.read_bytes() == DATA
    assert far.line.passed < len(DATA) + 3 * MIB
    before = far.line.passed
    await _handed_over(far, DATA)  # asked again, nothing is sent
    assert far.line.passed < before + 1000


def _request(channel: ByteChannel, **headers: str) -> dict[str, Any]:
    return {
        "url": httpx.URL(channel.url).raw_path.decode(),
        "headers": {
            "Authorization": f"Bearer {channel.ticket}",
            HOST_HEADER: "far",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        },
    }


async def test_what_is_not_what_was_sent_is_refused(cloud: Cloud) -> None:
    target = cloud.control.house.tickets.to_write(NAME, "far", 10)
    digest = hashlib.sha256(b"0123456789").hexdigest()

    async def put(content: bytes, place: str, hashed: str = digest) -> int:
        requested = _request(target, Content_Range=place)
        requested["headers"][HASH_HEADER] = hashed
        return (await cloud.http.put(content=content, **requested)).status_code

    for content, place, status in (
        (b"0123456789", "", 400),
        (b"0123456789", "bytes 0-8/10", 400),
        (b"0123456789a", "bytes 0-9/10", 400),
        (b"012345678", "bytes 0-9/10", 400),
        (b"0123456789a", "bytes 0-10/11", 413),
        (b"9", "bytes 99-99/100", 413),
        (b"0000000000", "bytes 0-9/10", 422),
        (b"9", "bytes 9-9/10", 409),  # what came before was thrown away
    ):
        assert await put(content, place) == status, place
    assert await put(b"0123456789", "bytes 0-9/10", "g" * 64) == 400
    assert not cloud.control.house.copies.has(NAME)
    assert await put(b"01234", "bytes 0-9/10") == 400
    looked = await cloud.http.head(**_request(target))
    assert looked.headers[OFFSET_HEADER] == "5"
    assert await put(b"56789", "bytes 5-9/10") == 201
    assert cloud.control.house.copies.path(NAME).read_bytes() == b"0123456789"
    assert await put(b"0123456789", "bytes 0-9/10") == 409


async def test_a_copy_is_written_by_one_at_a_time_whichever_process_takes_it(cloud: Cloud) -> None:
    house = cloud.control.house
    target = house.tickets.to_write(NAME, "far", 10)
    requested = _request(target, Content_Range="bytes 0-9/10")
    requested["headers"][HASH_HEADER] = hashlib.sha256(b"0123456789").hexdigest()
    half, go_on = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"01234"
        half.set()
        await go_on.wait()
        yield b"56789"

    other = ByteDoor(house.tickets, [], house.copies)  # of another process on the same folder
    transport = httpx.ASGITransport(app=other)
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://cloud:5000") as there,
        asyncio.TaskGroup() as group,
    ):
        first = group.create_task(cloud.http.put(content=slowly(), **requested))
        await half.wait()
        assert (await there.put(content=b"0123456789", **requested)).status_code == 409
        go_on.set()
        assert (await first).status_code == 201
        assert (await there.put(content=b"0123456789", **requested)).status_code == 409
    other.close()
    assert house.copies.path(NAME).read_bytes() == b"0123456789"


async def test_a_ticket_is_good_for_one_thing_one_host_and_a_while(
    cloud: Cloud, tmp_path: Path
) -> None:
    admin = await cloud.sign_in()
    image_id = await an_image(admin)
    size = (await admin.get(f"/image/v2/images/{image_id}"))["size"]
    tickets = cloud.control.house.tickets
    good = tickets.to_read(image_id, "far", size)
    assert (await cloud.http.get(**_request(good))).status_code == 200
    ranged = await cloud.http.get(**_request(good, Range="bytes=10-"))
    assert ranged.status_code == 206 and len(ranged.content) == size - 10
    for odd in (f"bytes={size}-", "bytes=-5", "bytes=1-2", "x"):
        assert (await cloud.http.get(**_request(good, Range=odd))).status_code == 416

    clock = MovableClock(cloud.control.clock.now())
    clock.move(-LIFE_S - 1)
    late = Tickets(cloud.control.house.cloud_key, clock, "http://cloud:5000")
    forged = Tickets(CloudKey(tmp_path / "other"), cloud.control.clock, "http://cloud:5000")
    for wrong in (
        tickets.to_read(NAME, "far", size),
        tickets.to_read(image_id, "near", size),
        tickets.to_write(image_id, "far", size),
        late.to_read(image_id, "far", size),
        forged.to_read(image_id, "far", size),
        ByteChannel(url=good.url, ticket=admin.token),
        ByteChannel(url=good.url, ticket=""),
    ):
        requested = _request(wrong) | {"url": _request(good)["url"]}
        assert (await cloud.http.get(**requested)).status_code == 401
    for kind in ("images/..%2f..%2fcontrol", f"snapshots/{image_id}", "", "images/x"):
        requested = _request(good) | {"url": f"/bytes/{kind}"}
        assert (await cloud.http.get(**requested)).status_code == 404
    smaller = tickets.to_read(image_id, "far", size - 1)
    assert (await cloud.http.get(**_request(smaller))).status_code == 404
