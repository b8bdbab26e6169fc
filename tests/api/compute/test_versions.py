"""What compute's versions take and show, and what is refused because nothing would come of it."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.api.compute.test_servers import SERVERS, Ground, ground
from tests.cloud import NEWEST, Client, Cloud, a_flavor, an_image, settle

__all__ = ["ground"]

ROOT = "/compute/v2.1"
NOBODY = "00000000-0000-4000-8000-000000000000"


def at(minor: int) -> dict[str, str]:
    return {"OpenStack-API-Version": f"compute 2.{minor}"}


async def requested(
    ground: Ground, status: int, version: dict[str, str] = NEWEST, **values: Any
) -> str:
    """Ask for a server; gives what was said."""
    hints = values.pop("hints", None)
    server = {
        "name": "vm", "imageRef": ground.image, "flavorRef": ground.flavor, "networks": "none", **values,
    }  # fmt: skip
    body = {"server": server} if hints is None else {"server": server, "os:scheduler_hints": hints}
    return (await ground.user("POST", SERVERS, body, headers=version, status=status)).text


# ---- flavors ----


async def test_flavors_in_older_and_newer_versions(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    body = {"id": "f", "name": "f", "ram": 64, "disk": 1, "vcpus": 1, "rxtx_factor": 2.0}
    path = f"{ROOT}/flavors"
    said = await admin("POST", path, {"flavor": body}, headers=NEWEST, status=400)
    assert "'rxtx_factor' was unexpected" in said.text
    made = (await admin.post(path, {"flavor": body}, 200, headers=at(101)))["flavor"]
    assert made["rxtx_factor"] == 2.0 and made["OS-FLV-DISABLED:disabled"] is False
    newest = (await admin.get(f"{path}/f", headers=NEWEST))["flavor"]
    assert not {"rxtx_factor", "OS-FLV-DISABLED:disabled"} & set(newest)
    assert (await admin.get(f"{path}/f", headers=at(74)))["flavor"]["swap"] == ""
    assert (await admin.get(f"{path}/f", headers=at(75)))["flavor"]["swap"] == 0
    assert "description" not in (await admin.get(f"{path}/f", headers=at(54)))["flavor"]


async def test_flavors_are_found_by_name_from_2_102(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    for name in ("one", "two"):
        await a_flavor(admin, name)
    path = f"{ROOT}/flavors?name=two"
    assert [one["name"] for one in (await admin.get(path, headers=NEWEST))["flavors"]] == ["two"]
    assert len((await admin.get(path, headers=at(74)))["flavors"]) == 2
    await admin("GET", path, headers=at(101), status=400)


async def test_flavors_sort_by_every_key_of_their_version(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    for number, name in enumerate(("a", "b", "c")):
        await a_flavor(admin, name, ram=64 * (3 - number))
    path = f"{ROOT}/flavors?sort_key="
    by_memory = (await admin.get(f"{path}memory_mb", headers=NEWEST))["flavors"]
    assert [one["id"] for one in by_memory] == ["c", "b", "a"]
    for key in ("description", "disabled", "id", "is_public", "updated_at", "vcpu_weight"):
        await admin.get(f"{path}{key}", headers=NEWEST)
    await admin.get(f"{path}rxtx_factor", headers=at(101))
    await admin("GET", f"{path}rxtx_factor", headers=NEWEST, status=400)
    await admin("GET", f"{path}nosuch", status=400)


async def test_flavors_have_pages(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    for name in ("a", "b", "c"):
        await a_flavor(admin, name)
    page = await admin.get(f"{ROOT}/flavors?limit=2&sort_dir=desc")
    assert [one["id"] for one in page["flavors"]] == ["c", "b"]
    following = page["flavors_links"][0]["href"].removeprefix("http://cloud:5000")
    assert [one["id"] for one in (await admin.get(following))["flavors"]] == ["a"]
    await admin("GET", f"{ROOT}/flavors?marker=nowhere", status=400)


@pytest.mark.parametrize(
    "odd", [{"id": "키"}, {"name": " f"}, {"name": "f\n"}, {"name": "f\tg"}, {"name": " "}]
)
async def test_a_flavors_id_and_name_are_plain(cloud: Cloud, odd: dict[str, str]) -> None:
    admin = await cloud.sign_in()
    body = {"id": "f", "name": "f", "ram": 64, "disk": 1, "vcpus": 1, **odd}
    await admin("POST", f"{ROOT}/flavors", {"flavor": body}, status=400)


# ---- key pairs ----

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKMxlpbUYNnzuLBcCqhX+bnSsdGsaiHSWL0T0HkNGa a@b"


async def test_a_public_key_is_kept_as_it_was_sent(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    path = f"{ROOT}/os-keypairs"
    sent = KEY + "\n"
    made = await admin.post(path, {"keypair": {"name": "k", "public_key": sent}}, headers=NEWEST)
    assert made["keypair"]["public_key"] == sent
    assert (await admin.get(f"{path}/k"))["keypair"]["public_key"] == sent


async def test_key_pairs_in_older_and_newer_versions(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    path = f"{ROOT}/os-keypairs"
    made = await admin("POST", path, {"keypair": {"name": "old"}}, status=200)
    assert "type" not in made.json()["keypair"] and "private_key" in made.json()["keypair"]
    assert (await admin("DELETE", f"{path}/old", status=202)).content == b""
    made = await admin("POST", path, {"keypair": {"name": "new"}}, headers=at(2), status=201)
    assert made.json()["keypair"]["type"] == "ssh"
    await admin("DELETE", f"{path}/new", headers=at(2), status=204)
    for body, version, said in (
        ({"name": "k", "type": "ssh"}, 1, "'type' was unexpected"),
        ({"name": "k", "user_id": "u"}, 9, "'user_id' was unexpected"),
        ({"name": "k@b", "public_key": KEY}, 91, "unsafe characters"),
        ({"name": "k"}, 92, "'public_key' is a required property"),
        ({"name": " k", "public_key": KEY}, 92, "not valid"),
    ):
        answer = await admin("POST", path, {"keypair": body}, headers=at(version), status=400)
        assert said in answer.text
    await admin(
        "POST", path, {"keypair": {"name": "k@b", "public_key": KEY}}, headers=NEWEST, status=201
    )


# ---- what a new server may be asked to be ----


async def test_user_data_may_come_in_lines(ground: Ground) -> None:
    text = base64.encodebytes(b"#!/bin/sh\n" + b"x" * 200).decode()
    assert "\n" in text.strip()
    made = await ground.server(user_data=text)
    shown = await ground.show(made, ground.admin)
    assert shown["OS-EXT-SRV-ATTR:user_data"] == text
    assert "valid base64" in await requested(ground, 400, user_data="%%%")


async def test_hints_of_a_site_are_kept_and_shown_as_lists(ground: Ground) -> None:
    body = {
        "server": {
            "name": "vm", "imageRef": ground.image, "flavorRef": ground.flavor, "networks": "none",
        },
        "os:scheduler_hints": {"reservation": "r1", "racks": ["a", "b"]},
    }  # fmt: skip
    made = (await ground.user.post(SERVERS, body, 202, headers=NEWEST))["server"]["id"]
    shown = await ground.show(made)
    assert shown["scheduler_hints"] == {"reservation": ["r1"], "racks": ["a", "b"]}
    older = (await ground.user.get(f"{SERVERS}/{made}", headers=at(99)))["server"]
    assert "scheduler_hints" not in older


@pytest.mark.parametrize(
    ("hints", "said"),
    [
        ({"group": NOBODY}, "could not be found"),
        ({"group": "name"}, "not a valid value"),
        ({"different_host": [NOBODY]}, "could not be found"),
        ({"different_host": "name"}, "not a valid value"),
        ({"same_host": NOBODY}, "could not be found"),
        ({"same_host": 7}, "not a valid value"),
        ({"build_near_host_ip": "10.0.0.1", "cidr": "/99"}, "not a valid network"),
        ({"cidr": "/8"}, "needs the hint"),
        ({"build_near_host_ip": "nowhere"}, "not a valid value"),
        ({"cidr": "10/8"}, "not a valid value"),
        ({"query": "[1]"}, "not a condition"),
        ({"target_cell": "c"}, "no cells"),
    ],
)
async def test_a_hint_that_nothing_can_act_on_is_refused(
    ground: Ground, hints: dict[str, Any], said: str
) -> None:
    assert said in await requested(ground, 400, hints=hints)


async def test_hints_are_beside_the_server_not_in_it(ground: Ground) -> None:
    await requested(ground, 400, **{"os:scheduler_hints": {"mine": "1"}})


@pytest.mark.parametrize(
    ("values", "version", "said"),
    [
        (
            {"trusted_image_certificates": [NOBODY]},
            104,
            "validation failed. The image is not signed.",
        ),
        ({"trusted_image_certificates": [NOBODY]}, 62, "unexpected"),
        ({"personality": []}, 57, "unexpected"),
        ({"description": "d"}, 18, "unexpected"),
        ({"tags": ["t"]}, 51, "unexpected"),
        ({"hostname": "h1"}, 89, "unexpected"),
        ({"hostname": "a.b"}, 93, "dots"),
        ({"networks": "none"}, 36, "list"),
        ({"networks": [{"uuid": NOBODY, "tag": "t"}]}, 31, "unexpected"),
        ({"networks": [{"uuid": NOBODY, "tag": "t"}]}, 37, "unexpected"),
        ({"name": " vm"}, 104, "not valid"),
        ({"name": "v\tm"}, 104, "not valid"),
    ],
)
async def test_what_would_do_nothing_or_is_of_another_version_is_refused(
    ground: Ground, values: dict[str, Any], version: int, said: str
) -> None:
    if version < 37:
        values = {"networks": [{"uuid": ground.network}], **values}
    assert said in await requested(ground, 400, at(version), **values)


async def test_an_older_server_is_described_by_its_name(ground: Ground) -> None:
    server = {"name": "old", "imageRef": ground.image, "flavorRef": ground.flavor}
    made = (await ground.user.post(SERVERS, {"server": server}, 202, headers=at(1)))["server"]["id"]
    assert (await ground.show(made))["description"] == "old"


@pytest.mark.parametrize(
    ("properties", "status"),
    [
        ({"hw_disk_bus": "virtio", "hw_vif_model": "virtio", "hw_rng_model": "virtio"}, 202),
        ({"os_distro": "debian", "os_admin_user": "debian", "mine": "x"}, 202),
        ({"hw_disk_bus": "scsi", "hw_scsi_model": "virtio-scsi", "hw_cdrom_bus": "sata"}, 202),
        ({"hw_disk_bus": "xen"}, 400),
        ({"hw_firmware_type": "uefi", "hw_machine_type": "pc", "hw_vif_model": "e1000"}, 202),
        ({"hw_architecture": "aarch64", "img_hv_type": "hyperv"}, 202),  # no host has it
        ({"hw_sound_model": "ich9"}, 400),
        ({"hw_virtio_packed_ring": "true"}, 400),
        ({"hw_disk_type": "preallocated", "img_use_agent": "true"}, 202),  # for other hypervisors
        ({"trait:CUSTOM_A": "required"}, 202),
        ({"trait:CUSTOM_A": "forbidden"}, 400),
        ({"trait:custom": "required"}, 400),
    ],
)
async def test_properties_of_an_image_are_what_a_guest_gets_or_refused(
    ground: Ground, properties: dict[str, str], status: int
) -> None:
    image = await an_image(ground.user, "odd", **properties)
    said = await requested(ground, status, imageRef=image)
    assert status == 202 or next(iter(properties)) in said


async def test_an_image_can_ask_for_a_config_drive(ground: Ground) -> None:
    image = await an_image(ground.user, "drive", img_config_drive="mandatory")
    made = await ground.server(imageRef=image)
    assert (await ground.show(made))["config_drive"] == "True"


@pytest.mark.parametrize(
    ("spec", "value", "status"),
    [
        ("hw:cpu_policy", "shared", 202),
        ("mine:owner", "x", 202),
        ("hw_rng:allowed", "True", 202),
        ("hw:cpu_policy", "dedicated", 202),
        ("trait:CUSTOM_A", "required", 202),
        ("trait:CUSTOM_A", "forbidden", 202),
        ("trait:CUSTOM_A", "maybe", 400),
        ("resources:CUSTOM_GPU", "1", 202),
        ("resources:CUSTOM_GPU", "a", 400),
        ("resources:VGPU", "1", 400),
        ("resources1:VCPU", "1", 202),
        ("group_policy", "sometimes", 400),
        ("same_subtree", "_a,_b", 400),
        ("aggregate_instance_extra_specs:ssd", "true", 202),
        ("quota:cpu_shares", "10", 202),
        ("quota:cpu_shares", "1", 400),
        ("quota:vif_outbound_average", "10", 400),
        ("quota:memory_limit", "10", 400),
    ],
)
async def test_extra_specs_of_a_flavor_are_what_a_guest_gets_or_refused(
    ground: Ground, spec: str, value: str, status: int
) -> None:
    path = f"{ROOT}/flavors/{ground.flavor}/os-extra_specs"
    await ground.admin.post(path, {"extra_specs": {spec: value}}, 200)
    said = await requested(ground, status)
    assert status == 202 or spec in said


async def test_a_flavor_without_a_disk_is_for_those_whom_the_rule_lets(ground: Ground) -> None:
    await a_flavor(ground.admin, "diskless", disk=0)
    assert "zero disk" in await requested(ground, 403, flavorRef="diskless")
    rules = ground.cloud.control.app.enforcer("compute")
    rules.override({"os_compute_api:servers:create:zero_disk_flavor": "role:member"})
    await requested(ground, 202, flavorRef="diskless")


async def test_host_names_keep_letters_of_latin_1(ground: Ground) -> None:
    made = await ground.server(name="Café Ünïç ✓ 1")
    assert (await ground.show(made))["OS-EXT-SRV-ATTR:hostname"] == "café-ünïç--1"


# ---- lists of servers ----


async def listed(client: Client, query: str, version: dict[str, str] = NEWEST) -> list[str]:
    found = await client.get(f"{SERVERS}?{query}", headers=version)
    return [one["name"] for one in found["servers"]]


async def test_filters_filter(ground: Ground) -> None:
    await ground.server(name="a", config_drive=True, accessIPv4="192.0.2.1")
    await ground.server(name="b")
    await settle(ground.cloud)
    for query, names in (
        ("config_drive=true", ["a"]),
        ("config_drive=false", ["b"]),
        ("progress=100", ["b", "a"]),
        ("progress=50", []),
        ("launched_at=2001-01-01T00:00:00Z", []),
        ("task_state=spawning", []),
    ):
        assert await listed(ground.user, query) == names, query
    all_of = "all_tenants=1&"
    assert await listed(ground.admin, all_of + "access_ip_v4=192.0.2.1") == ["a"]
    assert await listed(ground.admin, all_of + "root_device_name=/dev/vda") == ["b", "a"]
    assert await listed(ground.admin, all_of + "root_device_name=/dev/sda") == []
    assert await listed(ground.admin, all_of + "auto_disk_config=true") == []
    # Before 2.83 these are for those who may use all filters.
    assert await listed(ground.user, "config_drive=true", at(82)) == ["b", "a"]
    for name in ("metadata", "security_groups", "services"):
        said = await ground.user("GET", f"{SERVERS}?{name}=x", headers=NEWEST, status=400)
        assert "Invalid filter field" in said.text


async def test_a_status_that_does_not_exist_is_refused_from_2_38(ground: Ground) -> None:
    await ground.user("GET", f"{SERVERS}?status=nonsense", headers=at(38), status=400)
    assert await listed(ground.user, "status=nonsense", at(37)) == []
    for version in (1, 74, 104):
        await ground.user("GET", f"{SERVERS}?sort_key=nosuch", headers=at(version), status=400)
    await ground.user("GET", f"{SERVERS}?sort_key=vcpus", headers=at(74), status=200)
    await ground.user("GET", f"{SERVERS}?sort_key=vcpus", headers=at(75), status=400)


async def test_changes_are_found_by_the_time_that_is_shown(ground: Ground) -> None:
    made = await ground.server(name="a")
    await settle(ground.cloud)
    updated = (await ground.show(made))["updated"]
    assert await listed(ground.user, f"changes-before={updated}") == ["a"]
    assert await listed(ground.user, f"changes-since={updated}") == ["a"]
    assert await listed(ground.user, "changes-before=2001-01-01T00:00:00Z") == []
    backwards = f"changes-since={updated}&changes-before=2001-01-01T00:00:00Z"
    await ground.user("GET", f"{SERVERS}?{backwards}", headers=NEWEST, status=400)


async def test_a_change_is_found_by_a_moment_of_the_same_second(ground: Ground) -> None:
    made = await ground.server(name="a")
    await settle(ground.cloud)
    moment = (await ground.show(made))["updated"].replace("Z", ".000001Z")
    assert await listed(ground.user, f"changes-since={moment}") == ["a"]


async def test_deleted_servers_are_for_operators_and_for_who_asks_for_changes(
    ground: Ground,
) -> None:
    made = await ground.server(name="gone")
    await settle(ground.cloud)
    await ground.user("DELETE", f"{SERVERS}/{made}", status=204)
    await settle(ground.cloud)
    assert await listed(ground.user, "") == []
    await ground.user("GET", f"{SERVERS}?status=DELETED", headers=NEWEST, status=403)
    assert await listed(ground.admin, "all_tenants=1&status=DELETED") == ["gone"]
    assert await listed(ground.admin, "all_tenants=1&deleted=true") == ["gone"]
    since = "2001-01-01T00:00:00Z"
    assert await listed(ground.user, f"changes-since={since}") == ["gone"]
    assert await listed(ground.user, "changes-before=2101-01-01T00:00:00Z") == ["gone"]


# ---- answers ----


async def test_the_answer_to_a_change_shows_less_before_2_75(ground: Ground) -> None:
    made = await ground.server()
    await settle(ground.cloud)
    body = {"server": {"name": "other"}}
    older = (await ground.user("PUT", f"{SERVERS}/{made}", body, headers=at(74), status=200)).json()
    assert older["server"]["addresses"]["net"][0].keys() == {"version", "addr"}
    assert "key_name" not in older["server"]
    newer = (await ground.user("PUT", f"{SERVERS}/{made}", body, headers=at(75), status=200)).json()
    assert "OS-EXT-IPS:type" in newer["server"]["addresses"]["net"][0]
    assert "key_name" in newer["server"]


async def test_events_say_where_they_were_from_2_62(ground: Ground) -> None:
    made = await ground.server()
    await settle(ground.cloud)
    path = f"{SERVERS}/{made}/os-instance-actions"
    first = (await ground.user.get(path))["instanceActions"][0]["request_id"]

    async def events(client: Client, minor: int) -> Any:
        action = (await client.get(f"{path}/{first}", headers=at(minor)))["instanceAction"]
        return action.get("events")

    assert await events(ground.user, 50) is None and await events(ground.admin, 50)
    assert "hostId" not in (await events(ground.user, 61))[-1]
    assert "hostId" in (await events(ground.user, 62))[-1]
    assert "host" not in (await events(ground.user, 62))[-1]
    assert "host" in (await events(ground.admin, 62))[-1]
    await ground.user("GET", f"{path}?nosuch=1", headers=at(57), status=200)
    await ground.user("GET", f"{path}?nosuch=1", headers=at(58), status=400)


async def test_hypervisors_and_services_are_named_by_number_before_2_53(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    path = f"{ROOT}/os-hypervisors"
    number = (await admin.get(path, headers=at(52)))["hypervisors"][0]["id"]
    uuid = (await admin.get(path, headers=at(53)))["hypervisors"][0]["id"]
    assert isinstance(number, int) and len(uuid) == 36
    assert (await admin.get(f"{path}/{number}", headers=at(52)))["hypervisor"]["service"]["id"]
    await admin("GET", f"{path}/{number}", headers=at(53), status=400)
    await admin("GET", f"{path}/{uuid}", headers=at(52), status=404)
    old = (await admin.get(f"{path}/{number}", headers=at(27)))["hypervisor"]
    assert isinstance(old["cpu_info"], str) and old["vcpus"] > 0 and "uptime" not in old
    newest = (await admin.get(f"{path}/{uuid}", headers=NEWEST))["hypervisor"]
    assert not {"vcpus", "cpu_info"} & set(newest) and "uptime" in newest
    assert (
        "servers"
        not in (await admin.get(f"{path}/{uuid}?with_servers=1", headers=at(74)))["hypervisor"]
    )
    assert (await admin.get(f"{path}/{uuid}?with_servers=1", headers=at(75)))["hypervisor"][
        "servers"
    ] == []
    services = f"{ROOT}/os-services"
    assert isinstance((await admin.get(services, headers=at(52)))["services"][0]["id"], int)
    assert isinstance((await admin.get(services, headers=at(53)))["services"][0]["id"], str)


async def test_limits_of_old_networks_end_where_those_do(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    kept = {}
    for minor in (35, 36, 38, 39, 56, 57):
        absolute = (await admin.get(f"{ROOT}/limits", headers=at(minor)))["limits"]["absolute"]
        kept[minor] = set(absolute)
    assert "maxTotalFloatingIps" in kept[35] and "maxTotalFloatingIps" not in kept[36]
    assert "maxImageMeta" in kept[38] and "maxImageMeta" not in kept[39]
    assert "maxPersonality" in kept[56] and "maxPersonality" not in kept[57]


async def test_a_users_quota_is_its_own_and_holds(ground: Ground) -> None:
    of_project = f"{ROOT}/os-quota-sets/{ground.user.project_id}"
    of_user = f"{of_project}?user_id={ground.user.user_id}"

    async def instances(path: str) -> int:
        return int((await ground.admin.get(path))["quota_set"]["instances"])

    too_many = {"quota_set": {"instances": 11}}
    said = await ground.admin("PUT", of_user, too_many, status=400)
    assert "the project's" in said.text
    await ground.admin("PUT", of_user, {"quota_set": {"instances": 1}}, status=200)
    assert (await instances(of_project), await instances(of_user)) == (10, 1)
    await requested(ground, 202)
    assert "Quota exceeded" in await requested(ground, 403)
    detail = await ground.admin.get(f"{of_project}/detail?user_id={ground.user.user_id}")
    assert detail["quota_set"]["instances"] == {"limit": 1, "in_use": 1, "reserved": 0}
    await ground.admin("DELETE", of_user, status=202)
    assert await instances(of_user) == 10
    await requested(ground, 202)


async def test_a_version_out_of_range_is_a_compute_fault(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    said = await admin("GET", f"{ROOT}/servers", headers=at(999), status=406)
    assert "computeFault" in said.json()


async def test_an_address_of_another_project_is_malformed(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    other = "0" * 32
    await admin("GET", f"{ROOT}/{admin.project_id}/servers", status=200)
    said = await admin("GET", f"{ROOT}/{other}/servers", status=400)
    assert "Malformed request URL" in said.text


async def test_clients_find_extensions(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    found = (await member.get(f"{ROOT}/extensions"))["extensions"]
    assert len(found) == 99
    assert found[0].keys() == {"alias", "name", "description", "namespace", "updated", "links"}
    one = (await member.get(f"{ROOT}/extensions/os-admin-actions"))["extension"]
    assert one["alias"] == "os-admin-actions"
    await member("GET", f"{ROOT}/extensions/nosuch", status=404)


async def test_consoles_of_old_kinds_cannot_be_looked_up(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    path = f"{ROOT}/os-console-auth-tokens/t"
    await admin("GET", path, headers=at(30), status=400)
    await admin("GET", path, headers=at(31), status=404)
