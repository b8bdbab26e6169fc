"""The small guest finds its disks where it is told, and starts with a kernel of its image's choice."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from tests.node.hosts import House, eventually, house, server

from hanok.base.ids import new_uuid
from hanok.cli.first_things import guest_image
from hanok.cli.guest import build
from hanok.commands import DirectKernel, DiskFile, EnsureImage, ImageState
from hanok.services.compute.logic import disks, metadata
from hanok.services.compute.logic.disks import Mapped

pytestmark = [
    pytest.mark.host,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root builds the image without fakeroot"),
]
MIB = 96
SCRIPT = b"""#!/bin/sh
for at in /sys/block/[sv]d[a-z]; do
    name=${at##*/}
    echo "disk $name $(readlink -f $at/device) end"
done
modprobe -a vfat nls_cp437 nls_ascii 2>/dev/null
for one in vda sdb; do
    mount /dev/$one /mnt && echo "mounted $one $(sed -n "s,/dev/$one /mnt \\([a-z0-9]*\\) .*,\\1,p" /proc/mounts)"
    umount /mnt
done
swapon /dev/vdb && echo "swap $(sed -n 's,^/dev/vdb *partition[^0-9]*\\([0-9]*\\).*,\\1,p' /proc/swaps) KiB"
echo "motd $(cat /etc/deep/motd)"
echo "kernel $(cat /proc/cmdline)"
"""


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    known = guest_image()
    return known if known.exists() else build(tmp_path_factory.mktemp("guest") / "guest.qcow2")


async def stored(host: House, data: bytes, disk_format: str) -> str:
    image_id = new_uuid()
    (host.folder / "store" / image_id).write_bytes(data)
    image = EnsureImage(
        image_id=image_id,
        disk_format=disk_format,
        size_bytes=len(data),
        hash_value=hashlib.sha512(data).hexdigest(),
    )
    assert isinstance(await host.ask(image), ImageState)
    return image_id


def row(**values: Any) -> Any:
    """A server's row, as far as its disks go."""
    described = (
        Mapped(name="root", boot_index=0, bus="scsi", tag="system"),
        Mapped(name="ephemeral0", size_mib=512, tag="data"),
        Mapped(name="ephemeral1", size_mib=64, bus="scsi", file_system="vfat", tag="plain"),
        Mapped(name="swap", size_mib=32, tag="swap"),
    )
    base = {
        "id": new_uuid(), "disks": msgspec.to_builtins(described), "disk_tag": None,
        "flavor": {"ephemeral": 1, "swap": 64}, "image_properties": {}, "image_format": "qcow2",
        "config_drive": True, "kernel_id": "", "ramdisk_id": "", "root_device": "/dev/sda",
        "files": [{"path": "/etc/deep/motd", "contents": "aGVsbG8="}],
    }  # fmt: skip
    return SimpleNamespace(**{**base, **values})


def boot_files(guest: Path, folder: Path) -> tuple[bytes, bytes]:
    """The kernel and the ramdisk that are on the guest's first partition."""
    disk = folder / "disk.raw"
    commands = [
        ["qemu-img", "convert", "-O", "raw", str(guest), str(disk)],
        *(["mcopy", "-i", f"{disk}@@1M", f"::{name}", str(folder)] for name in FILES),
    ]
    for command in commands:
        subprocess.run(
            command, check=True, timeout=120, env={**os.environ, "MTOOLS_SKIP_CHECK": "1"}
        )
    kernel, ramdisk = (folder / name for name in FILES)
    return kernel.read_bytes(), ramdisk.read_bytes()


FILES = ("vmlinuz", "initrd.img")


async def test_disks_are_where_tags_say_and_a_chosen_kernel_starts(
    guest: Path, tmp_path: Path
) -> None:
    async with house("real") as host:
        image_id = await stored(host, guest.read_bytes(), "qcow2")
        kernel, ramdisk = boot_files(guest, tmp_path)
        one = row()
        command_line = "root=LABEL=hanok-root ro console=ttyS0,115200 net.ifnames=0 chosen=yes"
        requested = server(
            server_id=one.id,
            image_id=image_id,
            memory_mib=MIB,
            disks=disks.of(one),
            kernel=DirectKernel(
                kernel_id=await stored(host, kernel, "aki"),
                ramdisk_id=await stored(host, ramdisk, "ari"),
                command_line=command_line,
            ),
            config_drive=_drive(one),
        )
        await host.instance(requested)

        async def prompt() -> str:
            text = await host.console(requested.server_id)
            return text if "login: " in text else ""

        text = await eventually(prompt, timeout_s=240)
        for disk in disks.placed(one):
            if disk.tag:
                at = f"disk {disk.path.removeprefix('/dev/')} "
                [found] = [line for line in text.splitlines() if line.startswith(at)]
                assert disk.address in found, (disk, found)
        assert "mounted vda ext4" in text and "mounted sdb vfat" in text
        assert "swap 327" in text  # KiB, but for the header
        assert "guest: wrote /etc/deep/motd" in text and "motd hello" in text
        assert "chosen=yes" in text.partition("kernel root=")[2].splitlines()[0]


def _drive(one: Any) -> tuple[DiskFile, ...]:
    told = {
        "uuid": one.id,
        "hostname": "disks.example",
        "files": metadata.files_told(one),
    }
    content = {
        "openstack/latest/meta_data.json": json.dumps(told, separators=(",", ":")).encode(),
        "openstack/latest/user_data": SCRIPT,
        **metadata.file_contents(one),
    }
    return tuple(DiskFile(path=path, content=data) for path, data in content.items())
