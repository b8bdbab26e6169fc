"""What compute takes and refuses of bodies and queries, held against upstream's published schemas: a table a kind."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cloud import NEWEST, Cloud, a_flavor, a_server, an_image, settle

COMPUTE = "/compute/v2.1"
PATTERNS = (
    "access_ip_v4 access_ip_v6 auto_disk_config availability_zone config_drive description display_description "
    "display_name flavor hostname ip ip6 kernel_id key_name locked_by name node not-tags not-tags-any power_state "
    "progress ramdisk_id reservation_id root_device_name tags tags-any"
).split()


def at(minor: int) -> dict[str, str]:
    return {"OpenStack-API-Version": f"compute 2.{minor}"}


async def _server(cloud: Cloud) -> str:
    admin = await cloud.sign_in()
    server = await a_server(admin, await an_image(admin), await a_flavor(admin))
    await settle(cloud)
    return server


@pytest.mark.parametrize("minor", [1, 104])
async def test_a_body_holds_nothing_beside_its_thing(cloud: Cloud, minor: int) -> None:
    admin = await cloud.sign_in()
    one = f"/servers/{await _server(cloud)}"
    flavor = {"name": "f", "ram": 64, "disk": 1, "vcpus": 1}
    bodies: list[tuple[str, str, dict[str, Any]]] = [
        ("PUT", one, {"server": {"name": "n"}}),
        ("POST", f"{one}/metadata", {"metadata": {"a": "b"}}),
        ("PUT", f"{one}/metadata", {"metadata": {"a": "b"}}),
        ("PUT", f"{one}/metadata/a", {"meta": {"a": "b"}}),
        ("POST", "/flavors", {"flavor": flavor}),
        ("POST", "/os-keypairs", {"keypair": {"name": "k"}}),
        (
            "POST",
            f"{one}/remote-consoles",
            {"remote_console": {"protocol": "vnc", "type": "novnc"}},
        ),
    ]
    for method, path, body in bodies:
        version = at(max(minor, 6) if "remote-consoles" in path else minor)
        beside = {**body, "other": 1}
        answer = await admin(method, f"{COMPUTE}{path}", beside, headers=version, status=400)
        assert "'other' was unexpected" in answer.text, path


async def test_identity_passes_over_what_stands_beside_as_upstream_does(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    provider = {"identity_provider": {}, "other": 1}
    await admin("PUT", "/v3/OS-FEDERATION/identity_providers/p", provider, status=201)


@pytest.mark.parametrize("name", PATTERNS)
async def test_an_empty_pattern_is_refused_and_not_taken_for_every_server(
    cloud: Cloud, name: str
) -> None:
    admin = await cloud.sign_in()
    await admin("GET", f"{COMPUTE}/servers?{name}=", headers=NEWEST, status=400)


@pytest.mark.parametrize(
    "path",
    [
        "/compute/v2.1/servers",
        "/compute/v2.1/flavors",
        "/compute/v2.1/os-keypairs",
        "/compute/v2.1/os-hypervisors",
        "/compute/v2.1/os-server-groups",
        "/v3/users",
        "/network/v2.0/networks",
        "/network/v2.0/agents",
        "/image/v2/images",
        "/image/v2/tasks",
        "/image/v2/metadefs/namespaces",
    ],
)
async def test_an_empty_limit_is_no_number(cloud: Cloud, path: str) -> None:
    admin = await cloud.sign_in()
    await admin("GET", f"{path}?limit=", headers=NEWEST, status=400)


@pytest.mark.parametrize(
    "query", ["with_servers=", "hypervisor_hostname_pattern=", "with_servers=perhaps"]
)
async def test_hypervisors_are_asked_for_with_values(cloud: Cloud, query: str) -> None:
    admin = await cloud.sign_in()
    await admin("GET", f"{COMPUTE}/os-hypervisors?{query}", headers=NEWEST, status=400)


@pytest.mark.parametrize(("minor", "knows"), [(35, True), (36, True), (49, True), (50, False)])
async def test_a_quota_class_speaks_of_networks_until_2_49(
    cloud: Cloud, minor: int, knows: bool
) -> None:
    """Quota sets stop at 2.35, and classes later."""
    admin = await cloud.sign_in()
    path = f"{COMPUTE}/os-quota-class-sets/default"
    found = (await admin.get(path, headers=at(minor)))["quota_class_set"]
    assert ("floating_ips" in found) == knows and ("server_groups" in found) != knows
    body = {"quota_class_set": {"floating_ips": 7}}
    await admin("PUT", path, body, headers=at(minor), status=200 if knows else 400)
    own = await admin.get(f"{COMPUTE}/os-quota-sets/{admin.project_id}", headers=at(minor))
    assert ("floating_ips" in own["quota_set"]) == (minor == 35)


@pytest.mark.parametrize("sent", [None, {}, "", 1, [], {"a": "b"}])
async def test_before_there_were_reasons_a_lock_is_a_lock(cloud: Cloud, sent: Any) -> None:
    admin = await cloud.sign_in()
    path = f"{COMPUTE}/servers/{await _server(cloud)}"
    await admin("POST", f"{path}/action", {"lock": sent}, headers=at(72), status=202)
    assert (await admin.get(path, headers=NEWEST))["server"]["locked"] is True
    expected = 202 if sent is None or sent == {} else 400
    await admin("POST", f"{path}/action", {"lock": sent}, headers=at(73), status=expected)


async def test_a_host_name_may_be_one_letter(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    path = f"{COMPUTE}/servers/{await _server(cloud)}"
    for minor in (90, 94, 104):
        found = await admin(
            "PUT", path, {"server": {"hostname": "a"}}, headers=at(minor), status=200
        )
        assert found.json()["server"]["OS-EXT-SRV-ATTR:hostname"] == "a"
        for odd in ("", "-", ".", "a-", "a\n"):
            await admin("PUT", path, {"server": {"hostname": odd}}, headers=at(minor), status=400)


async def test_a_full_page_leads_on_and_an_empty_one_ends(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    actions = f"{COMPUTE}/servers/{await _server(cloud)}/os-instance-actions"
    for path, name, links in (
        (f"{COMPUTE}/os-hypervisors", "hypervisors", "hypervisors_links"),
        (f"{COMPUTE}/os-hypervisors/detail", "hypervisors", "hypervisors_links"),
        (actions, "instanceActions", "links"),
    ):
        whole = await admin.get(path, headers=NEWEST)
        assert len(whole[name]) == 1 and links not in whole
        first = await admin.get(f"{path}?limit=1", headers=NEWEST)
        assert first[name] == whole[name]
        following = first[links][0]["href"].removeprefix("http://cloud:5000")
        last = await admin.get(following, headers=NEWEST)
        assert last[name] == [] and links not in last
        await admin("GET", f"{path}?marker=nothing", headers=NEWEST, status=400)


@pytest.mark.parametrize(
    "path", ["servers", "servers/detail", "flavors", "os-keypairs", "os-hypervisors"]
)
async def test_an_empty_marker_is_the_beginning(cloud: Cloud, path: str) -> None:
    """Programs that page by themselves begin so: canonical/prometheus-openstack-exporter#64."""
    admin = await cloud.sign_in()
    await _server(cloud)
    whole = await admin.get(f"{COMPUTE}/{path}", headers=NEWEST)
    found = await admin.get(f"{COMPUTE}/{path}?limit=100&marker=", headers=NEWEST)
    name = path.removesuffix("/detail").removeprefix("os-")
    assert found[name] == whole[name]


async def test_a_group_that_a_network_cannot_apply_is_refused(cloud: Cloud) -> None:
    """It was taken and left out: kubernetes-sigs/cluster-api-provider-openstack#913."""
    admin = await cloud.sign_in()
    image, flavor = await an_image(admin), await a_flavor(admin)
    network = "/network/v2.0"
    body: dict[str, Any] = {"network": {"port_security_enabled": False}}
    made = (await admin.post(f"{network}/networks", body))["network"]["id"]
    body = {"subnet": {"network_id": made, "ip_version": 4, "cidr": "10.6.0.0/24"}}
    await admin.post(f"{network}/subnets", body)
    await admin.post(f"{network}/security-groups", {"security_group": {"name": "own"}})
    for groups, status in ((["own"], 400), (["default", "own"], 400), (["default"], 202)):
        server = {
            "name": "vm",
            "imageRef": image,
            "flavorRef": flavor,
            "networks": [{"uuid": made}],
            "security_groups": [{"name": one} for one in groups],
        }
        path = f"{COMPUTE}/servers"
        answer = await admin("POST", path, {"server": server}, headers=NEWEST, status=status)
        if status == 400:
            assert "requires port_security_enabled" in answer.text
    await settle(cloud)
