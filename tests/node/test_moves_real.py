"""A guest moves between two machines while it runs: network namespaces with a wire between them, and nothing else."""

from __future__ import annotations

import asyncio
import datetime
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.node.host_process import FarHost, far_host
from tests.node.hosts import A_CONFIG_DRIVE, server
from tests.node.test_two_machines import ADDRESSES, PORT, machines

from hanok.base.authority import Authority, TLSFolder, request
from hanok.commands import (
    AdmitInstance,
    Answer,
    Done,
    EnsureInstance,
    ExpectedInstance,
    ExpectInstance,
    GuestDisk,
    HostInventory,
    InstanceState,
    KeepInstance,
    KeptInstance,
    ListInventory,
    OfferDisks,
    OfferedDisks,
    ReadConsole,
    RefusedInstance,
    RefuseInstance,
    RemoveInstance,
    SendInstance,
    SentInstance,
    TakeDisks,
    TakenDisks,
)

pytestmark = [
    pytest.mark.host,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
]
NAMES = ("a.example", "b.example")
USERS = {"qemu_uid": 64400, "qemu_gid": 64400, "qemu_uids": 10}
__all__ = ["machines"]


@dataclass
class Two:
    """Two hosts; the guest is at first on `old`."""

    old: FarHost
    new: FarHost

    async def boot(self, one: EnsureInstance) -> None:
        assert isinstance(await self.old.ask(one), InstanceState)
        told: Any = None
        async with asyncio.timeout(60):
            while "login: " not in str(getattr(told, "text", "")):
                told = await self.old.ask(ReadConsole(server_id=one.server_id))
                await asyncio.sleep(0.05)

    async def expect(self, one: EnsureInstance, generation: int = 2) -> SendInstance:
        """What is left is to send it."""
        offer = OfferDisks(
            server_id=one.server_id, generation=generation, to_host=NAMES[1], live=True
        )
        offered = await self.old.ask(offer)
        assert isinstance(offered, OfferedDisks), offered
        taken = await self.new.ask(
            TakeDisks(
                server_id=one.server_id, generation=generation, source=offered.source,
                disks=offered.disks, facts=offered.facts,
            )
        )  # fmt: skip
        assert isinstance(taken, TakenDisks) and taken.done
        expected = await self.new.ask(
            ExpectInstance(
                server_id=one.server_id, generation=generation, instance=one, from_host=NAMES[0],
                sizes=offered.sizes,
            )
        )  # fmt: skip
        assert isinstance(expected, ExpectedInstance), expected
        return SendInstance(
            server_id=one.server_id, generation=generation, target=expected.target,
            disks=tuple(offered.sizes), wait_s=0.2,
        )  # fmt: skip

    async def send(self, command: SendInstance) -> Answer:
        async with asyncio.timeout(60):
            while True:
                answer = await self.old.ask(command)
                if not isinstance(answer, SentInstance) or answer.sent:
                    return answer


def tls(authority: Authority, folder: Path, name: str, address: str) -> str:
    made, now = TLSFolder(folder), datetime.datetime.now(datetime.UTC)
    made.take(authority.for_host(request(made.ensure_key()), name, [address], now))
    return str(folder)


@asynccontextmanager
async def two(machines: tuple[str, str], tmp_path: Path) -> AsyncIterator[Two]:
    authority = Authority.new("cloud", datetime.datetime.now(datetime.UTC))
    given: list[dict[str, Any]] = [
        {
            "host": name, "address": address, "volumes_port": PORT,
            "tls": tls(authority, tmp_path / name, name, address), **USERS,
        }
        for name, address in zip(NAMES, ADDRESSES, strict=True)
    ]  # fmt: skip
    async with far_host(machines[0], **given[0]) as old, far_host(machines[1], **given[1]) as new:
        yield Two(old, new)


def consoles(server_id: str) -> Iterator[Path]:
    return Path("/tmp").glob(f"hk-*/run/{server_id}/serial")


async def writes(server_id: str, path: Path) -> bool:
    """Whether the guest writes to its disk, and says so."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    try:
        async with asyncio.timeout(60):
            writer.write(b"w")
            return b"." in await reader.readuntil(b".")
    except TimeoutError:
        return False
    finally:
        writer.close()


async def power(host: FarHost, server_id: str) -> str:
    found = await host.ask(ListInventory())
    assert isinstance(found, HostInventory)
    return next((one.power for one in found.instances if one.server_id == server_id), "none")


async def test_it_goes_on_there_with_its_disks(machines: tuple[str, str], tmp_path: Path) -> None:
    async with two(machines, tmp_path) as both:
        disks = (
            GuestDisk(name="root", of_image=True, boot_index=0),
            GuestDisk(name="ephemeral0", size_mib=64, file_system="ext4"),
            GuestDisk(name="swap", size_mib=64),
            GuestDisk(name="config"),
        )
        one = server(disks=disks, config_drive=A_CONFIG_DRIVE)
        await both.boot(one)
        (here,) = consoles(one.server_id)
        assert await writes(one.server_id, here)
        command = await both.expect(one)
        answer = await both.send(command)
        assert isinstance(answer, SentInstance), answer
        assert answer.progress["memory_total_bytes"] > 32 << 20
        assert await both.send(command) == SentInstance(sent=True)  # asked again
        admitted = await both.new.ask(AdmitInstance(server_id=one.server_id, generation=2))
        assert isinstance(admitted, InstanceState) and admitted.power == "running", admitted
        (there,) = set(consoles(one.server_id)) - {here}
        assert await writes(one.server_id, there)
        drive = f"state/instances/{one.server_id}/files/config.iso"
        mine, theirs = [(path.parents[2] / drive).read_bytes() for path in (here, there)]
        assert mine == theirs
        refused = await both.new.ask(RefuseInstance(server_id=one.server_id, generation=3))
        assert refused == RefusedInstance(has_come=True)
        kept = await both.old.ask(KeepInstance(server_id=one.server_id, generation=3))
        assert kept == KeptInstance(sent=True)
        gone = await both.old.ask(RemoveInstance(server_id=one.server_id, generation=4))
        assert isinstance(gone, Done)
        assert await power(both.new, one.server_id) == "running"
