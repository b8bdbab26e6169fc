"""Two hosts as two machines: each a process in a network namespace, with a wire between them and nothing else."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import Authority
from tests.node.host_process import FarHost, far_host
from tests.node.hosts import IMAGE_ID, server
from tests.node.volume_hosts import a_volume

from hanok.base.ids import new_hex, new_uuid
from hanok.commands import (
    Diagnostics,
    GuestVolume,
    InstanceState,
    OpenVolume,
    ReadConsole,
    ReadDiagnostics,
    SetVolumes,
    VolumeAddress,
    VolumeSource,
    VolumeState,
)

pytestmark = [
    pytest.mark.host,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
]
PORT = 10809
ADDRESSES = ("10.99.0.1", "10.99.0.2")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, timeout=30)


@pytest.fixture
def machines() -> Iterator[tuple[str, str]]:
    """Two network namespaces with a wire between them."""
    tag = f"hk{new_hex()[:6]}"
    names = (f"{tag}a", f"{tag}b")
    try:
        for name in names:
            ip("netns", "add", name)
        ip("-n", names[0], *f"link add w type veth peer name w netns {names[1]}".split())
        for name, address in zip(names, ADDRESSES, strict=True):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", "w")
            for device in ("lo", "w"):
                ip("-n", name, "link", "set", device, "up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, timeout=30)


async def a_disk(host: FarHost, index: int | None = None) -> GuestVolume:
    """A volume of the first machine, open for the second."""
    one = a_volume(source=VolumeSource(kind="image", id=IMAGE_ID))
    made = await host.ask(one)
    while isinstance(made, VolumeState) and not made.done:
        made = await host.ask(one)
    command = OpenVolume(
        volume_id=one.volume_id, attachment_id=new_uuid(), backend="files", host="b.example"
    )
    address = await host.ask(command)
    assert isinstance(address, VolumeAddress) and address.host == ADDRESSES[0], address
    return GuestVolume(
        volume_id=one.volume_id, attachment_id=address.export, address=address, size_gib=1,
        boot_index=index,
    )  # fmt: skip


async def test_a_server_boots_from_another_machines_volume_and_gets_one_more(
    machines: tuple[str, str], tmp_path: Path
) -> None:
    authority, users = Authority(), {"qemu_uid": 64400, "qemu_gid": 64400, "qemu_uids": 10}
    given: list[dict[str, Any]] = [
        {
            "host": f"{name}.example", "address": address, "volumes_port": PORT,
            "tls": str(authority.folder(tmp_path / name, f"{name}.example")), **users,
        }
        for name, address in zip("ab", ADDRESSES, strict=True)
    ]  # fmt: skip
    async with (
        far_host(machines[0], **given[0]) as first,
        far_host(machines[1], **given[1]) as other,
    ):
        root, more = await a_disk(first, 0), await a_disk(first)
        one = server(image_id="", image_format="", disk_gib=0, volumes=(root,))
        assert isinstance(await other.ask(one), InstanceState)
        told: Any = None
        async with asyncio.timeout(120):
            while "login: " not in str(getattr(told, "text", "")):
                told = await other.ask(ReadConsole(server_id=one.server_id))
                await asyncio.sleep(0.1)
        both = SetVolumes(server_id=one.server_id, generation=2, volumes=(root, more))
        assert isinstance(await other.ask(both), InstanceState)
        found = await other.ask(ReadDiagnostics(server_id=one.server_id))
        assert isinstance(found, Diagnostics) and len(found.disks) == 2
