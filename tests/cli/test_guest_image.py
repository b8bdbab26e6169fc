"""The guest image, built and booted by a real node: takes minutes on a machine that is busy."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from tests.node.hosts import eventually, house, server

from hanok.base.ids import new_uuid
from hanok.cli.guest import build
from hanok.commands import DiskFile, EnsureImage, ImageState, SetPower
from hanok.drivers.image_format import inspect

LEAST_MIB = 96
USER_DATA = b"""#!/bin/sh
echo I am $(hostname)
# What people and suites use in such a guest.
echo $(curl -V | cut -d ' ' -f 1 | head -n 1) $(su cirros -c "/sbin/blkid -L config-2 -o device") $(which mkfs.ext4)
"""


@pytest.mark.host
@pytest.mark.skipif(os.geteuid() != 0, reason="only root builds it without fakeroot")
async def test_the_image_boots_and_knows_who_it_is(tmp_path: Path) -> None:
    words: list[str] = []
    data = build(tmp_path / "guest.qcow2", words.append).read_bytes()
    assert words and inspect(data).problems == []
    assert len(data) < 30_000_000
    async with house("real") as host:
        image_id, value = new_uuid(), hashlib.sha512(data).hexdigest()
        (host.folder / "store" / image_id).write_bytes(data)
        image = EnsureImage(
            image_id=image_id, disk_format="qcow2", size_bytes=len(data), hash_value=value
        )
        assert isinstance(await host.ask(image), ImageState)
        identity = {
            "uuid": new_uuid(),
            "hostname": "web-1.example",
            "public_keys": {"a": "ssh-ed25519 A"},
        }
        requested = server(
            image_id=image_id,
            memory_mib=LEAST_MIB,
            config_drive=(
                DiskFile(
                    path="openstack/latest/meta_data.json", content=json.dumps(identity).encode()
                ),
                DiskFile(path="openstack/latest/user_data", content=USER_DATA),
            ),
        )
        await host.instance(requested)

        async def prompt() -> str:
            text = await host.console(requested.server_id)
            return text if "login: " in text else ""

        text = await eventually(prompt, timeout_s=240)
        assert "web-1 login: " in text and "I am web-1" in text and "1 ssh key(s)" in text
        assert "curl /dev/" in text and "/sbin/mkfs.ext4" in text
        off = SetPower(server_id=requested.server_id, generation=2, power="stopped", timeout_s=25)
        assert (await host.instance(off)).power == "stopped"
        assert "reboot: Power down" in await host.console(requested.server_id)
