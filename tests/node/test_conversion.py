"""Disks of other hypervisors are taken into a host's cache as qcow2."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import msgspec
import pytest
from tests.node.hosts import IMAGE_ID, TINY, House, eventually, house, server

from hanok.base import failpoints
from hanok.base.ids import new_uuid
from hanok.bus import NobodyThere
from hanok.commands import EnsureImage, EnsureSnapshot, Failed, ImageState, SnapshotState
from hanok.drivers.image_format import inspect
from hanok.node.images import CachedImage

KINDS = {"vmdk": "vmdk", "vdi": "vdi", "vhd": "vpc", "vhdx": "vhdx"}
SUBFORMATS = [("vmdk", "streamOptimized"), ("vhd", "fixed")]


def stored(host: House, kind: str, *options: str) -> EnsureImage:
    """The small guest's disk in another format, in the host's store."""
    plain, image_id = host.folder / "plain", new_uuid()
    plain.write_bytes(TINY)
    path = host.folder / "store" / image_id
    command = ["qemu-img", "convert", "-f", "raw", "-O", KINDS[kind], *options]
    subprocess.run([*command, str(plain), str(path)], check=True, timeout=60)
    data = path.read_bytes()
    return EnsureImage(
        image_id=image_id,
        disk_format=kind,
        size_bytes=len(data),
        hash_value=hashlib.sha512(data).hexdigest(),
    )


def cached(host: House, image_id: str) -> Path:
    return host.folder / "state" / "images" / image_id


@pytest.mark.parametrize(
    ("kind", "options"),
    [*((kind, ()) for kind in KINDS), *((k, ("-o", f"subformat={s}")) for k, s in SUBFORMATS)],
)
async def test_a_harmless_one_is_converted_once(kind: str, options: tuple[str, ...]) -> None:
    async with house("real") as host:
        requested = stored(host, kind, *options)
        state = await host.ask(requested)
        assert isinstance(state, ImageState) and state.copied
        path = cached(host, requested.image_id)
        found = inspect(path.read_bytes())
        assert (found.format, found.problems) == ("qcow2", [])
        assert state.virtual_size_bytes == found.virtual_size_bytes >= len(TINY)
        known = msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=CachedImage)
        assert (known.format, known.disk_format) == ("qcow2", kind)
        again = await host.ask(requested)
        assert isinstance(again, ImageState) and not again.copied
        assert sorted(one.name for one in path.parent.iterdir()) == [
            requested.image_id, f"{requested.image_id}.json",
        ]  # fmt: skip


async def test_a_guest_boots_from_one_and_its_copy_is_a_disk() -> None:
    for kind in ("real", "simulated"):
        async with house(kind) as host:
            requested = stored(host, "vmdk")
            assert isinstance(await host.ask(requested), ImageState)
            guest = server(image_id=requested.image_id, image_format="vmdk")
            sid = guest.server_id
            await host.instance(guest)

            async def there(host: House = host, sid: str = sid) -> bool:
                return (await host.console(sid)).endswith("tiny login: ")

            await eventually(there)
            copy = EnsureSnapshot(server_id=sid, snapshot_id=new_uuid(), wait_s=30)
            state = await host.ask(copy)
            assert isinstance(state, SnapshotState) and state.done
            found = inspect((host.settings.snapshot_folder / copy.snapshot_id).read_bytes())
            assert (found.format, found.problems) == ("qcow2", [])


async def test_one_that_leads_to_other_files_is_refused_and_leaves_nothing() -> None:
    for kind in ("real", "simulated"):
        async with house(kind) as host:
            requested = stored(host, "vmdk", "-o", "subformat=monolithicFlat")
            answer = await host.ask(requested)
            assert isinstance(answer, Failed) and "other files" in answer.message
            assert (await host.inventory()).images == ()


async def test_one_that_the_tool_cannot_read_is_refused_and_leaves_nothing() -> None:
    async with house("real") as host:
        requested = stored(host, "vdi")
        path = host.folder / "store" / requested.image_id
        data = bytearray(path.read_bytes())
        data[0x178:0x17C] = b"\1\0\0\0"  # no size of a block
        path.write_bytes(bytes(data))
        digest = hashlib.sha512(bytes(data)).hexdigest()
        answer = await host.ask(msgspec.structs.replace(requested, hash_value=digest))
        assert isinstance(answer, Failed) and "could not be converted" in answer.message
        assert [*(host.folder / "state" / "images").iterdir()] == []


@pytest.mark.parametrize("place", ["before", "after"])
async def test_one_whose_conversion_broke_is_converted_again(place: str) -> None:
    async with house("real") as host:
        requested = stored(host, "vmdk")
        failpoints.arm(f"node.convert_image.{place}", "raise", 1)
        try:
            await host.ask(requested)
        except NobodyThere:
            pass
        finally:
            failpoints.disarm()
        await host.stop()
        await host.start()
        assert [*(host.folder / "state" / "images").iterdir()] == []
        assert isinstance(await host.ask(requested), ImageState)


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
async def test_the_tool_runs_as_nobody_else_does() -> None:
    async with house("real", qemu_uid=431_000, qemu_gid=431_000, qemu_uids=4) as host:
        requested = stored(host, "vhdx")
        assert isinstance(await host.ask(requested), ImageState)
        found = cached(host, requested.image_id).stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (0, 431_000, 0o440)
        assert host.settings.converter_uid == 431_003
    assert IMAGE_ID  # the store's other image stays what it is
