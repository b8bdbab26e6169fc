"""Limits of a flavor: only a host that can hold a server to them takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hanok.commands.limits import Limited
from hanok.node.simulated import Shape
from tests.cloud import a_flavor, a_network, an_image, running, settle

SERVERS = "/compute/v2.1/servers"
SPECS = {"quota:cpu_quota": "20000", "quota:disk_read_iops_sec": "500"}


@pytest.mark.parametrize(
    ("able", "status"),
    [
        ((), "ERROR"),
        (("cpu",), "ERROR"),
        (("disk", "inbound"), "ERROR"),
        (("disk", "cpu"), "ACTIVE"),
    ],
)
async def test_a_host_that_cannot_is_no_valid_host(
    tmp_path: Path, able: tuple[Limited, ...], status: str
) -> None:
    async with running(tmp_path, shapes={"host-1": Shape(limits=able)}) as cloud:
        admin = await cloud.sign_in()
        flavor, network = await a_flavor(admin), await a_network(admin)
        await admin.post(
            f"/compute/v2.1/flavors/{flavor}/os-extra_specs", {"extra_specs": SPECS}, 200
        )
        body = {
            "name": "slow",
            "imageRef": await an_image(admin),
            "flavorRef": flavor,
            "networks": [{"uuid": network}],
        }
        made = await admin.post(SERVERS, {"server": body}, 202)
        await settle(cloud)
        shown: dict[str, Any] = (await admin.get(f"{SERVERS}/{made['server']['id']}"))["server"]
        assert shown["status"] == status
        if status == "ERROR":
            said = "1 host; 1 cannot hold servers to the limits of the flavor"
            assert said in shown["fault"]["message"]
