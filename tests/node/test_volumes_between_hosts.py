"""Volumes of one host for the guests of another: over TLS, by hosts that the volume is open for and no others."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from msgspec.structs import replace
from tests.certificates import Authority
from tests.node.hosts import IMAGE_ID, House, eventually, house, server
from tests.node.test_set_volumes import disks, has
from tests.node.volume_hosts import a_volume, done, opened
from tests.ports import free_port

from hanok.base.failpoints import armed
from hanok.base.ids import new_uuid
from hanok.bus import NobodyThere
from hanok.commands import (
    CloseVolume,
    Done,
    Failed,
    GuestVolume,
    HostInventory,
    ListInventory,
    OpenVolume,
    RemoveInstance,
    VolumeAddress,
    VolumeSource,
)
from hanok.drivers.volumes.relay import MAXIMUM_FROM_AN_ADDRESS, Settings, socket_of
from hanok.drivers.volumes.relay_process import RelayProcess

FIRST, SECOND, THIRD = "h1.example", "h2.example", "h3.example"


@dataclass
class Hosts:
    """first has volumes, second has guests; third is a host of the cloud that has nothing to do with either."""

    authority: Authority
    folder: Path
    first: House
    second: House

    def tls(self, host: str) -> Path:
        return self.folder / host


@pytest_asyncio.fixture
async def hosts(tmp_path: Path) -> AsyncIterator[Hosts]:
    authority = Authority()
    folders = {one: authority.folder(tmp_path / one, one) for one in (FIRST, SECOND, THIRD)}
    async with AsyncExitStack() as stack:
        made = []
        for name in (FIRST, SECOND):
            settings: dict[str, Any] = {"host": name, "tls": str(folders[name])}
            settings["volumes_port"] = free_port()
            one = await stack.enter_async_context(house("real", **settings))
            await one.image()
            made.append(one)
        yield Hosts(authority, tmp_path, *made)


async def a_disk(hosts: Hosts) -> GuestVolume:
    """A volume of the first host, open for the second."""
    one = a_volume(source=VolumeSource(kind="image", id=IMAGE_ID))
    await done(hosts.first, one)
    address = await opened(hosts.first, one.volume_id, host=SECOND)
    assert (address.host, address.name, address.path) == ("127.0.0.1", FIRST, "")
    return GuestVolume(
        volume_id=one.volume_id, attachment_id=address.export, address=address, size_gib=1
    )


async def a_guest(hosts: Hosts, *volumes: GuestVolume) -> str:
    one = server(volumes=volumes)
    await hosts.second.instance(one)
    return one.server_id


def here(hosts: Hosts, volume: GuestVolume) -> VolumeAddress:
    """Where guests of the second host have a volume of the first."""
    folder = Path(hosts.second.settings.run_dir) / "far"
    return VolumeAddress(export=volume.attachment_id, path=str(socket_of(folder, volume.attachment_id)))  # fmt: skip


async def qemu_io(image: str, *commands: str, objects: tuple[str, ...] = ()) -> str:
    words = [word for command in commands for word in ("-c", command)]
    process = await asyncio.create_subprocess_exec(
        "qemu-io", *objects, "--image-opts", *words, image,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    return said.decode()


async def io(address: VolumeAddress, *commands: str) -> None:
    """As a guest of its host reads and writes; a line that says that something differs fails."""
    image = "driver=nbd,server.type=unix,reconnect-delay=60,open-timeout=30,"
    said = await qemu_io(f"{image}server.path={address.path},export={address.export}", *commands)
    assert "ailed" not in said and "rror" not in said, said


async def try_as(hosts: Hosts, host: str, volume: GuestVolume, export: str = "") -> str:
    """What a client with a host's files is told that asks for an export of the first one."""
    at = volume.address
    tls = f"tls-creds-x509,id=t,endpoint=client,dir={hosts.tls(host)},verify-peer=off"
    image = f"driver=nbd,server.type=inet,server.host={at.host},server.port={at.port},tls-creds=t"
    named = f"{image},export={export or at.export}"
    return await qemu_io(named, "read 0 512", objects=("--object", tls))


def relay_of(host: House) -> RelayProcess:
    return RelayProcess(
        Path(host.settings.run_dir) / "far", Settings(daemon="", tls="", address="", port=0)
    )


async def kill_relay(host: House) -> None:
    relay = relay_of(host)
    await relay.look()
    assert relay.process is not None
    os.kill(relay.process.identity.pid, signal.SIGKILL)
    relay.let_go()


async def test_a_guest_has_a_volume_of_another_host(hosts: Hosts) -> None:
    volume = await a_disk(hosts)
    sid = await a_guest(hosts)
    await hosts.second.instance(has(sid, 2, volume))
    assert await disks(hosts.second, sid) == 2
    await io(here(hosts, volume), "write -P 7 4M 3M", "flush", "read -P 7 4M 3M")
    own = await opened(hosts.first, volume.volume_id)  # a second attachment, at the volume's host
    await io(own, "read -P 7 4M 3M")
    await hosts.second.instance(has(sid, 3, required=False))
    assert not Path(here(hosts, volume).path).exists()


async def test_a_server_boots_from_a_volume_of_another_host(hosts: Hosts) -> None:
    volume = await a_disk(hosts)
    boots = replace(volume, boot_index=0)
    one = server(image_id="", image_format="", disk_gib=0, volumes=(boots,))
    await hosts.second.instance(one)

    async def prompt() -> bool:
        return (await hosts.second.console(one.server_id)).endswith("login: ")

    await eventually(prompt)
    await hosts.second.ask(RemoveInstance(server_id=one.server_id, generation=2))
    assert not Path(here(hosts, volume).path).exists()


async def test_an_export_is_for_the_host_that_it_is_open_for(hosts: Hosts) -> None:
    """Whoever has another host's files reaches nothing, whatever it asks for; nor does a host an export of others."""
    volume = await a_disk(hosts)
    other = a_volume()
    await done(hosts.first, other)
    own = await opened(hosts.first, other.volume_id)
    assert "read 512/512" in await try_as(hosts, SECOND, volume)
    assert "read 512/512" not in await try_as(hosts, THIRD, volume)
    assert "read 512/512" not in await try_as(hosts, SECOND, volume, own.export)
    stranger = Authority()
    stranger.folder(hosts.tls("stranger"), SECOND)
    assert "read 512/512" not in await try_as(hosts, "stranger", volume)
    bare = f"driver=nbd,server.type=inet,server.host=127.0.0.1,server.port={volume.address.port}"
    assert "TLS" in await qemu_io(f"{bare},export={volume.attachment_id}", "read 0 512")


async def test_what_is_closed_is_reached_no_more(hosts: Hosts) -> None:
    volume = await a_disk(hosts)
    sid = await a_guest(hosts, volume)
    close = CloseVolume(
        volume_id=volume.volume_id, attachment_id=volume.attachment_id, backend="files"
    )
    assert await hosts.first.ask(close) == Done()
    assert "read 512/512" not in await try_as(hosts, SECOND, volume)
    await hosts.second.ask(RemoveInstance(server_id=sid, generation=2))


async def test_it_is_open_for_one_host_or_for_both_while_a_server_moves(hosts: Hosts) -> None:
    volume = await a_disk(hosts)
    where = {"attachment_id": volume.attachment_id}
    await opened(hosts.first, volume.volume_id, host=THIRD, beside=True, **where)
    assert "read 512/512" in await try_as(hosts, SECOND, volume)
    assert "read 512/512" in await try_as(hosts, THIRD, volume)
    await opened(hosts.first, volume.volume_id, host=THIRD, **where)
    assert "read 512/512" not in await try_as(hosts, SECOND, volume)
    await opened(hosts.first, volume.volume_id, **where)
    assert "read 512/512" not in await try_as(hosts, THIRD, volume)


@pytest.mark.parametrize("which", ["first", "second"])
async def test_a_client_only_waits_while_a_relay_is_gone(hosts: Hosts, which: str) -> None:
    volume = await a_disk(hosts)
    await a_guest(hosts, volume)
    commands = [f"write -P {number} {number}M 1M" for number in range(1, 30)]
    writing = asyncio.ensure_future(io(here(hosts, volume), *commands, "flush"))
    await kill_relay(getattr(hosts, which))
    await writing
    checks = [f"read -P {number} {number}M 1M" for number in range(1, 30)]
    await io(here(hosts, volume), *checks)


async def test_nodes_come_back_and_the_way_is_the_same(hosts: Hosts) -> None:
    volume = await a_disk(hosts)
    sid = await a_guest(hosts, volume)
    for one in (hosts.first, hosts.second):
        await one.stop()
    await io(here(hosts, volume), "write -P 9 1M 1M", "flush")  # relays live on
    await kill_relay(hosts.first)
    for one in (hosts.first, hosts.second):
        await one.start()
    await io(here(hosts, volume), "read -P 9 1M 1M")
    assert await disks(hosts.second, sid) == 2


@pytest.mark.parametrize("place", ["before_record", "after_record", "after_effect"])
async def test_a_node_that_dies_while_it_opens(hosts: Hosts, place: str) -> None:
    one = a_volume()
    await done(hosts.first, one)
    command = OpenVolume(
        volume_id=one.volume_id, attachment_id=new_uuid(), backend="files", host=SECOND
    )
    with armed(f"node.open_volume.{place}", "raise", 1), pytest.raises(NobodyThere):
        await hosts.first.ask(command)
    await hosts.first.stop()
    await hosts.first.start()
    address = await hosts.first.ask(command)
    assert isinstance(address, VolumeAddress)
    disk = GuestVolume(
        volume_id=one.volume_id, attachment_id=address.export, address=address, size_gib=1
    )
    assert "read 512/512" in await try_as(hosts, SECOND, disk)


async def test_a_volume_grows_under_a_guest_of_another_host(hosts: Hosts) -> None:
    volume = await a_disk(hosts)
    sid = await a_guest(hosts, volume)
    await done(hosts.first, a_volume(volume.volume_id, 2, size_gib=2))
    larger = replace(volume, size_gib=2)
    await hosts.second.instance(has(sid, 2, larger))
    await io(here(hosts, volume), "write -P 5 1900M 1M", "flush")


async def test_a_port_that_is_taken_breaks_nothing_else(hosts: Hosts) -> None:
    one = a_volume(source=VolumeSource(kind="image", id=IMAGE_ID))
    await done(hosts.first, one)
    values: dict[str, Any] = {"volume_id": one.volume_id, "backend": "files", "host": SECOND}
    command = OpenVolume(attachment_id=new_uuid(), **values)
    with socket.create_server(("127.0.0.1", hosts.first.settings.volumes_port)):
        refused = await hosts.first.ask(command)
        assert isinstance(refused, Failed) and refused.transient, refused
        assert isinstance(await hosts.first.ask(ListInventory()), HostInventory)
    address = await hosts.first.ask(command)
    assert isinstance(address, VolumeAddress)
    disk = GuestVolume(
        volume_id=one.volume_id, attachment_id=address.export, address=address, size_gib=1
    )
    assert "ailed" not in await try_as(hosts, SECOND, disk)


async def test_one_machine_that_says_nothing_does_not_keep_others_out(hosts: Hosts) -> None:
    disk = await a_disk(hosts)
    async with AsyncExitStack() as stack:
        hung_up = 0
        for _ in range(MAXIMUM_FROM_AN_ADDRESS + 4):
            one = stack.enter_context(socket.socket())
            one.bind(("127.0.0.3", 0))
            one.settimeout(10)
            one.connect((disk.address.host, hosts.first.settings.volumes_port))
            hung_up += await asyncio.to_thread(one.recv, 1) == b""
        assert hung_up == 4
        assert "ailed" not in await try_as(hosts, SECOND, disk)


async def test_a_host_whose_certificate_is_revoked_is_refused(hosts: Hosts) -> None:
    volume = await a_disk(hosts)
    assert "read 512/512" in await try_as(hosts, SECOND, volume)
    hosts.authority.revoke(SECOND, hosts.tls(FIRST))
    other = await a_disk(hosts)  # whatever is opened next; else it is seen within half a minute
    for one in (volume, other):
        assert "read 512/512" not in await try_as(hosts, SECOND, one)


def listens(host: House) -> int:
    """The process that listens for other hosts."""
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(str(Path(host.settings.run_dir) / "far" / "ctl"))
        raw = one.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", raw)[0])


async def test_certificates_are_made_anew_while_volumes_are_in_use(hosts: Hosts) -> None:
    volume = await a_disk(hosts)
    assert "read 512/512" in await try_as(hosts, SECOND, volume)
    before, old = listens(hosts.first), hosts.authority.serials[FIRST]
    hosts.authority.folder(hosts.tls(FIRST), FIRST)
    other = await a_disk(hosts)
    assert hosts.authority.serials[FIRST] != old
    # The one before is good no longer: what is shown now is the new one.
    hosts.authority.serials["before"] = old
    hosts.authority.revoke("before", hosts.tls(SECOND))
    for one in (volume, other):
        assert "read 512/512" in await try_as(hosts, SECOND, one)
    assert listens(hosts.first) == before


@pytest.mark.parametrize("kind", ["real", "simulated"])
async def test_what_a_host_says_to_another_one(kind: str, tmp_path: Path) -> None:
    tls = Authority().folder(tmp_path, FIRST)
    settings: dict[str, Any] = {"host": FIRST, "tls": str(tls), "volumes_port": free_port()}
    async with house(kind, **settings) as one:
        volume = a_volume()
        await done(one, volume)
        for _ in range(2):
            address = await opened(one, volume.volume_id, host=SECOND)
            assert address.name == FIRST and address.host and address.port and not address.path
        own = await opened(one, volume.volume_id, host=FIRST)
        assert own.path and not own.host


async def test_without_certificates_it_says_so(hosts: Hosts) -> None:
    async with house("real") as lonely:
        one = a_volume()
        await done(lonely, one)
        command = OpenVolume(
            volume_id=one.volume_id, attachment_id=new_uuid(), backend="files", host=SECOND
        )
        answer = await lonely.ask(command)
        assert isinstance(answer, Failed) and "only be reached by its own servers" in answer.message
        await lonely.image()
        guest = server()
        await lonely.instance(guest)
        refused = await lonely.ask(has(guest.server_id, 2, await a_disk(hosts)))
        assert isinstance(refused, Failed) and "no certificate" in refused.message
