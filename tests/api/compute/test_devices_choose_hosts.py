"""What images and flavors ask of devices chooses the host, and what hosts say of themselves is in placement."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hanok.commands import HostState
from hanok.node.hardware import SIMULATED_OFFERS, SIMULATED_TRAITS
from hanok.node.simulated import Shape
from hanok.services.compute.logic import hosts
from tests.api.compute.ground import Ground, at
from tests.cloud import NEWEST, a_flavor, a_network, a_server, an_image, running, settle

SERVERS = "/compute/v2.1/servers"
FLAVORS = "/compute/v2.1/flavors"
PLACEMENT = {"OpenStack-API-Version": "placement 1.39"}
PROVIDERS = "/placement/resource_providers"
POOR = ("COMPUTE_NODE", "COMPUTE_NET_VIF_MODEL_VIRTIO", "COMPUTE_GRAPHICS_MODEL_VGA")


def _without(*names: str) -> tuple[str, ...]:
    return tuple(one for one in SIMULATED_TRAITS if one not in names)


SHAPES = {
    # The one with the most memory is taken where nothing is asked for (by a hair: the third has the most vCPUs).
    "host-1": Shape(memory_mib=128 << 10, traits=POOR, offers=("machine:q35",)),
    "host-2": Shape(memory_mib=64 << 10),
    "host-3": Shape(
        memory_mib=32 << 10,
        vcpus=32,
        traits=(*_without("COMPUTE_SECURITY_TPM_2_0"), "HW_CPU_X86_AVX512F"),
        offers=(*SIMULATED_OFFERS, "machine:pc-q35-9.0"),
    ),
}


@pytest.fixture
async def ground(tmp_path: Path, database_url: str) -> AsyncIterator[Ground]:
    async with running(tmp_path, database=database_url, hosts=3, shapes=SHAPES) as cloud:
        admin = await cloud.sign_in()
        user = await cloud.project_with("p", "member")
        image, network = await an_image(user), await a_network(user)
        yield Ground(cloud, admin, user, image, await a_flavor(admin, vcpus=2), network)


async def specs(ground: Ground, values: dict[str, str]) -> None:
    before = await ground.admin.get(f"{FLAVORS}/{ground.flavor}/os-extra_specs")
    for name in before["extra_specs"]:
        await ground.admin("DELETE", f"{FLAVORS}/{ground.flavor}/os-extra_specs/{name}", status=200)
    path = f"{FLAVORS}/{ground.flavor}/os-extra_specs"
    await ground.admin.post(path, {"extra_specs": values}, 200)


async def placed(ground: Ground, properties: dict[str, str], values: dict[str, str]) -> Any:
    """The host of a server with these; what its fault says where there is none."""
    image = await an_image(ground.user, "asks", **properties)
    await specs(ground, values)
    server_id = await a_server(ground.user, image, ground.flavor)
    await settle(ground.cloud)
    shown = await ground.show(server_id)
    await ground.user("DELETE", f"{SERVERS}/{server_id}", status=204)
    await settle(ground.cloud)  # Or the host would be weighed with what this one still holds.
    if shown["status"] == "ERROR":
        return shown["fault"]["message"]
    return shown["OS-EXT-SRV-ATTR:host"]


TRAIT = "1 lacks trait"
PLACES: list[tuple[dict[str, str], dict[str, str], str]] = [
    ({}, {}, "host-1"),
    ({"hw_machine_type": "q35"}, {}, "host-1"),
    ({"hw_machine_type": "pc"}, {}, "host-2"),
    ({"hw_machine_type": "pc-q35-9.0"}, {}, "host-3"),
    ({"hw_machine_type": "virt"}, {}, "3 do not have the image's machine type"),
    ({"hw_firmware_type": "uefi"}, {}, "host-2"),
    ({"hw_firmware_type": "uefi", "os_secure_boot": "required"}, {}, "host-2"),
    ({"hw_vif_model": "virtio"}, {}, "host-1"),
    ({"hw_vif_model": "e1000"}, {}, "host-2"),
    ({"hw_vif_model": "netfront"}, {}, "3 lack trait COMPUTE_NET_VIF_MODEL_NETFRONT"),
    ({"hw_video_model": "bochs"}, {}, "host-2"),
    ({"hw_video_model": "xen"}, {}, "3 lack trait COMPUTE_GRAPHICS_MODEL_XEN"),
    ({}, {"hw:tpm_version": "2.0"}, "host-2"),
    (
        {},
        {"hw:tpm_version": "2.0", "trait:HW_CPU_X86_AVX512F": "required"},
        "2 lack trait COMPUTE_SECURITY_TPM_2_0",
    ),
    ({"hw_watchdog_action": "reset"}, {}, "host-2"),
    ({"hw_input_bus": "usb"}, {}, "host-2"),
    ({}, {"hw:vif_multiqueue_enabled": "true"}, "host-2"),
    ({"hw_architecture": "x86_64", "hw_vm_mode": "hvm", "img_hv_type": "kvm"}, {}, "host-1"),
    ({"architecture": "i386"}, {}, "host-1"),
    ({"hw_architecture": "aarch64"}, {}, "3 do not run images of this architecture"),
    ({"hypervisor_type": "xen"}, {}, "3 do not run images of this architecture"),
    ({"vm_mode": "xen"}, {}, "3 do not run images of this architecture"),
    ({"hypervisor_version_requires": ">=99"}, {}, "3 do not run images of this architecture"),
    ({"img_hv_requested_version": "<8, >=7"}, {}, "host-1"),
    ({}, {"capabilities:vcpus": ">= 20"}, "host-3"),
    ({}, {"capabilities:hypervisor_hostname": "s== host-2"}, "host-2"),
    ({}, {"capabilities:hypervisor_hostname": "<or> host-9 <or> host-3"}, "host-3"),
    ({}, {"capabilities:cpu_info:vendor": "<in> Hanok"}, "host-1"),
    ({}, {"capabilities:cpu_info:vendor": "s!= Hanok"}, "3 do not have the capabilities"),
    ({}, {"capabilities:cpu_info:features": "<in> avx2"}, "host-1"),
    ({}, {"capabilities:cpu_info:features": "<all-in> avx2 aes"}, "host-1"),
    ({}, {"capabilities:cpu_info:features": "<all-in> avx2 mmx"}, "3 do not have the capabilities"),
    ({}, {"capabilities:free_ram_mb": "<= 40000"}, "host-3"),
    ({}, {"capabilities:num_instances": "== 0"}, "host-1"),
    ({}, {"capabilities:hypervisor_type": "QEMU"}, "host-1"),
    ({}, {"capabilities:stats:odd": "1"}, "3 do not have the capabilities"),
]


async def test_devices_choose_the_host(ground: Ground) -> None:
    for properties, values, where in PLACES:
        got = await placed(ground, properties, values)
        assert where in got, (properties, values, got)
        assert where.startswith("host-") or got.startswith("No valid host was found. 3 hosts; ")


async def traits(ground: Ground, host: str) -> set[str]:
    found = await ground.admin.get(f"{PROVIDERS}?name={host}", headers=PLACEMENT)
    path = f"{PROVIDERS}/{found['resource_providers'][0]['uuid']}/traits"
    return set((await ground.admin.get(path, headers=PLACEMENT))["traits"])


async def test_hosts_tell_their_traits_and_leave_others_alone(ground: Ground) -> None:
    assert await traits(ground, "host-1") == set(POOR)
    assert await traits(ground, "host-2") == set(SIMULATED_TRAITS)
    assert "HW_CPU_X86_AVX512F" in await traits(ground, "host-3")


async def test_what_a_host_has_no_more_goes_and_what_an_operator_gave_stays(ground: Ground) -> None:
    found = await ground.admin.get(f"{PROVIDERS}?name=host-2", headers=PLACEMENT)
    path = f"{PROVIDERS}/{found['resource_providers'][0]['uuid']}/traits"
    before = await ground.admin.get(path, headers=PLACEMENT)
    before["traits"].append("STORAGE_DISK_SSD")
    await ground.admin("PUT", path, before, headers=PLACEMENT, status=200)
    told = HostState(
        host="host-2",
        address="127.0.0.1",
        vcpus=16,
        memory_mib=64 << 10,
        memory_free_mib=64 << 10,
        disk_gib=2000,
        disk_free_gib=2000,
        accelerator="simulated",
        accelerator_reason="",
        qemu_version="0.0.0",
        cpu_model="simulated",
        traits=(*_without("COMPUTE_SECURITY_TPM_2_0"), "CUSTOM_GOLD", "NO_SUCH_TRAIT"),
    )
    room = ground.cloud.compute
    async with room.database.write() as tx:
        await hosts.heard(tx, [told], room.settings, room.clock.now())
    expected = set(_without("COMPUTE_SECURITY_TPM_2_0")) | {"CUSTOM_GOLD", "STORAGE_DISK_SSD"}
    assert await traits(ground, "host-2") == expected


async def test_a_rebuild_stays_where_its_devices_are(ground: Ground) -> None:
    server_id = await ground.server()
    assert (await ground.show(server_id))["OS-EXT-SRV-ATTR:host"] == "host-1"
    for properties, why in (
        ({"hw_firmware_type": "uefi"}, "host-1 lacks COMPUTE_FIRMWARE_UEFI"),
        ({"hw_machine_type": "pc"}, "host-1 lacks machine:pc"),
        ({"hw_architecture": "aarch64"}, "what runs images of this kind"),
        ({"hw_video_model": "crt"}, "Field value crt is invalid"),
    ):
        image = await an_image(ground.user, "other", **properties)
        answer = await ground.ask(server_id, "rebuild", {"imageRef": image}, status=400)
        assert why in answer.text, answer.text
    image = await an_image(ground.user, "same", hw_vif_model="virtio", hw_boot_menu="true")
    await ground.act(server_id, "rebuild", {"imageRef": image})
    assert await ground.status(server_id) == "ACTIVE"


async def test_what_does_not_go_together_is_refused_at_once(ground: Ground) -> None:
    image = await an_image(ground.user, "lin", hw_pmu="true")
    await specs(ground, {"hw:pmu": "false"})
    body = {"name": "n", "imageRef": image, "flavorRef": ground.flavor, "networks": "none"}
    answer = await ground.user("POST", SERVERS, {"server": body}, headers=NEWEST, status=400)
    assert "Flavor nano has hw:pmu extra spec explicitly set to False, conflicting" in answer.text
    await specs(ground, {})
    body["imageRef"] = image
    made = await ground.user.post(SERVERS, {"server": body}, 202, headers=NEWEST)
    await settle(ground.cloud)
    other = await a_flavor(ground.admin, "other", vcpus=2)
    path = f"{FLAVORS}/{other}/os-extra_specs"
    await ground.admin.post(path, {"extra_specs": {"hw:pmu": "no"}}, 200)
    answer = await ground.ask(made["server"]["id"], "resize", {"flavorRef": other}, status=400)
    assert "conflicting with image lin" in answer.text


async def test_no_channel_no_agent(ground: Ground) -> None:
    image = await an_image(ground.user, "mute", hw_qemu_guest_agent="no", os_require_quiesce="yes")
    server_id = await a_server(ground.user, image, ground.flavor)
    await settle(ground.cloud)
    value = {"adminPass": "secret"}
    answer = await ground.ask(server_id, "changePassword", value, status=409)
    assert "QEMU guest agent is not enabled" in answer.text
    answer = await ground.ask(server_id, "createImage", {"name": "copy"}, status=409)
    assert "QEMU guest agent is not enabled" in answer.text


NOT_KNOWN = "does not appear to be a valid extra spec."
CHECKED = [
    ("hw:boot_menu", "maybe", "'maybe' is not a valid boolean-like value."),
    ("hw:cpu_cores", "two", "'two' is not a valid integer value."),
    ("hw:cpu_cores", "0", "'0' is less than the min value of '1'."),
    ("hw:redirected_usb_ports", "16", "'16' is greater than the max value of '15'."),
    ("hw:watchdog_action", "bark", "is not one of: none, pause, poweroff, reset, disabled."),
    ("hw:cpu_realtime_mask", "all", "'all' is not of the format"),
    ("hw:cpu_coars", "2", NOT_KNOWN),
    ("hw_rng:rate", "2", NOT_KNOWN),
    ("os:secure_boot", "optional", "is not one of: disabled, required."),
    ("trait:HW_CPU_X86_AVX", "preferred", "is not one of: required, forbidden."),
    ("trait1:HW_CPU_X86_AVX1024", "required", NOT_KNOWN),
    ("resources:VCPU", "many", "is not a valid integer value."),
    ("resources:CPU", "1", NOT_KNOWN),
    ("capabilities:cpu_info:vendor", "Intel", ""),
    ("capabilities:colour", "blue", NOT_KNOWN),
    ("quota:cpu_quota", "-1", ""),
    ("quota:cpu_speed", "1", NOT_KNOWN),
    ("pci_passthrough:alias", "gpu", "is not of the format"),
    ("group_policy", "spread", "is not one of: isolate, none."),
    ("aggregate_instance_extra_specs:any", "thing", ""),
    ("trait:CUSTOM_GOLD", "required", ""),
    ("hw:numa_cpus.1", "0-1", ""),
    ("hw:numa_mem.x", "1", NOT_KNOWN),
    ("acme:cpu_coars", "2", ""),
    ("note", "anything", ""),
]


async def test_extra_specs_are_checked_from_2_86_on(ground: Ground) -> None:
    path = f"{FLAVORS}/{ground.flavor}/os-extra_specs"
    for name, value, why in CHECKED:
        body = {"extra_specs": {name: value}}
        await ground.admin.post(path, body, 200, headers=at(85))
        for answer in (
            await ground.admin("POST", path, body, headers=at(86)),
            await ground.admin("PUT", f"{path}/{name}", body["extra_specs"], headers=NEWEST),
        ):
            assert answer.status_code == (400 if why else 200), (name, answer.text)
            assert why in answer.text and (not why or "Validation failed; " in answer.text)
