"""What is asked of servers in odd ways is refused with the reason, or comes true; nothing is passed over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.compute.ground import SERVERS, Ground, at, standing
from tests.cloud import NEWEST, an_image, settle


@pytest.fixture
async def ground(tmp_path: Path, database_url: str) -> AsyncIterator[Ground]:
    async with standing(tmp_path, database=database_url, hosts=2) as found:
        yield found


async def result_of(ground: Ground, **values: Any) -> str:
    """What comes of a request for a server, by an administrator: its refusal, the host it is on, or its fault."""
    hints = values.pop("hints", {})
    server = {
        "name": "vm", "imageRef": ground.image, "flavorRef": ground.flavor, "networks": "none", **values,
    }  # fmt: skip
    body = {"server": server, "os:scheduler_hints": hints}
    answer = await ground.admin("POST", SERVERS, body, headers=NEWEST)
    if answer.status_code != 202:
        assert 400 <= answer.status_code < 500, answer.text
        return f"{answer.status_code}: {answer.text}"
    await settle(ground.cloud)
    shown = await ground.show(answer.json()["server"]["id"])
    return str(shown["OS-EXT-SRV-ATTR:host"] or shown["fault"]["message"])


async def specs(ground: Ground, flavor_id: str, values: dict[str, str]) -> None:
    body = {"flavor": {"id": flavor_id, "name": flavor_id, "ram": 64, "disk": 1, "vcpus": 1}}
    await ground.admin.post("/compute/v2.1/flavors", body, 200)
    path = f"/compute/v2.1/flavors/{flavor_id}/os-extra_specs"
    await ground.admin.post(path, {"extra_specs": values}, 200)


async def test_user_data_with_blanks_that_are_none(ground: Ground) -> None:
    for text in ("YW\u2003Jj", "YW\u00a0Jj", "YW\u2028Jj"):
        assert "It is not valid base64" in await result_of(
            ground, user_data=text, config_drive=True
        )
    assert await result_of(ground, user_data="YW\r\n\tJj", config_drive=True) in (
        "host-1",
        "host-2",
    )
    server_id = await ground.server()
    body = {"imageRef": ground.image, "user_data": "YW\u2003Jj"}
    await ground.ask(server_id, "rebuild", body, status=400)
    file = {"path": "/a", "contents": "YW\u2003Jj"}
    server = {
        "name": "vm",
        "imageRef": ground.image,
        "flavorRef": ground.flavor,
        "personality": [file],
    }
    await ground.user("POST", SERVERS, {"server": server}, status=400, headers=at(36))


ONE = {"host-1"}
SOME = {"host-1", "host-2"}


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        ({"availability_zone": "nova:host-2"}, {"host-2"}),
        ({"availability_zone": "nova::host-2"}, {"host-2"}),
        ({"availability_zone": "nova:host-1:host-1"}, ONE),
        ({"availability_zone": "nova:host-1:host-2"}, "host-1 has no hypervisor host-2"),
        ({"availability_zone": "nova::nowhere"}, "Compute host nowhere could not be found"),
        ({"availability_zone": "a:b:c:d"}, "Invalid availability_zone"),
        ({"host": "host-1", "hypervisor_hostname": "host-1"}, ONE),
        ({"host": "host-1", "hypervisor_hostname": "host-2"}, "host-1 has no hypervisor host-2"),
        ({"host": "host-1", "availability_zone": "nova:host-1"}, "not by both"),
        ({"accessIPv6": "fe80::1%eth0"}, "not a valid IP address"),
        ({"accessIPv4": "::1"}, "accessIPv4"),
        ({"hints": {"a": "x" * 65_600}}, "more than 65535 bytes"),
        ({"hints": {"a": "x" * 60_000}}, SOME),
    ],
)  # fmt: skip
async def test_places_and_hints(
    ground: Ground, values: dict[str, Any], outcome: str | set[str]
) -> None:
    got = await result_of(ground, **values)
    assert got in outcome if isinstance(outcome, set) else outcome in got and got[:3] == "400"


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"hw_rng:rate_bytes": "99999999999999999999999"}, "out of range"),
        ({"hw_rng:rate_bytes": "1", "hw_rng:rate_period": "4294967296"}, "out of range"),
        ({"hw:numa_cpus.0": "0", "hw:numa_mem.0": "64"}, "NUMA node that there is not"),
        ({"hw:numa_nodes": "1", "hw:numa_cpus.1": "0"}, "NUMA node that there is not"),
        ({"hw:virtio_packed_ring": "true"}, "not supported"),
        ({"hw:virtio_packed_ring": "false"}, ""),
        ({"hw:ephemeral_encryption": "no"}, ""),
        ({"hw:redirected_usb_ports": "0"}, ""),
        ({"hw:mem_encryption": "false"}, ""),
        ({"hw:cpu_realtime_mask": "^0"}, "not supported"),
        ({"hw:numa_memory": "1", "os:odd": "1", "hw_video:odd": "1"}, ""),
        ({"pci_passthrough:odd": "1"}, "not supported"),
    ],
)
async def test_specs_of_flavors(ground: Ground, values: dict[str, str], why: str) -> None:
    await specs(ground, "odd", values)
    got = await result_of(ground, flavorRef="odd")
    assert (got[:3] == "400" and why in got) if why else got in SOME, got


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"hw_virtio_packed_ring": "true"}, "not supported"),
        ({"hw_firmware_stateless": "false", "hw_mem_encryption": "False"}, ""),
        (
            {"block_device_mapping": '[{"snapshot_id": "x", "source_type": "snapshot"}]'},
            "snapshot x",
        ),
        ({"block_device_mapping": "[]"}, ""),
        ({"img_mappings": "x"}, "not supported"),
        ({"hw_disk_busi": "scsi", "hw_serial": "1", "img_odd": "1"}, ""),
        ({"hypervisor_version_requires": ">=2.6"}, ""),
    ],
)
async def test_properties_of_images(ground: Ground, values: dict[str, str], why: str) -> None:
    image = await an_image(ground.admin, "odd", **values)
    got = await result_of(ground, imageRef=image)
    assert (got[:3] == "400" and why in got) if why else got in SOME, got


async def test_a_server_on_no_host_keeps_its_fault(ground: Ground) -> None:
    await specs(ground, "nowhere", {"trait:CUSTOM_NOWHERE": "required"})
    body = {"name": "vm", "imageRef": ground.image, "flavorRef": "nowhere", "networks": "none"}
    made = await ground.user.post(SERVERS, {"server": body}, 202, headers=NEWEST)
    server_id = made["server"]["id"]
    await settle(ground.cloud)
    fault = (await ground.show(server_id))["fault"]["message"]
    for action, value in (("os-stop", None), ("reboot", {"type": "HARD"}), ("rescue", None)):
        said = await ground.ask(server_id, action, value, status=409)
        assert "is not ready" in said.text
    assert (await ground.show(server_id))["fault"]["message"] == fault
    await ground.ask(server_id, "os-resetState", {"state": "active"}, client=ground.admin)
    for action, value in (
        ("pause", None), ("suspend", None), ("createImage", {"name": "i"}), ("shelve", None),
    ):  # fmt: skip
        said = await ground.ask(server_id, action, value, status=409)
        assert "is not ready" in said.text
    shown = await ground.show(server_id)
    assert (shown["status"], shown["OS-EXT-STS:task_state"]) == ("ACTIVE", None)
    await ground.delete(server_id)
    await ground.assert_nothing_left()


async def test_guests_that_run_have_consoles(ground: Ground) -> None:
    server_id = await ground.server()
    path = f"{SERVERS}/{server_id}/remote-consoles"
    body = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
    larger = {"id": "more", "name": "more", "ram": 128, "disk": 1, "vcpus": 1}
    await ground.admin.post("/compute/v2.1/flavors", {"flavor": larger}, 200)
    for action, value, status, shown in (
        ("rescue", None, 200, 200),
        ("unrescue", None, 202, 200),
        ("resize", {"flavorRef": "more"}, 202, 200),
        ("confirmResize", None, 204, 200),
        ("os-stop", None, 202, 409),
    ):
        await ground.act(server_id, action, value, status=status)
        await ground.user("POST", path, body, headers=NEWEST, status=shown)
    await ground.act(server_id, "os-start")
    await ground.act(server_id, "os-resetState", {"state": "error"}, client=ground.admin)
    await ground.user("POST", path, body, headers=NEWEST, status=200)
