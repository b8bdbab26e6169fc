"""Share networks, their subnets, and security services."""

from __future__ import annotations

import pytest

from hanok.services.shared_file_system.logic import security_services
from tests.api.shared_file_system.sharing import BASE, Sharing, at, sharing
from tests.cloud import Cloud

NETWORKS, SERVICES = f"{BASE}/share-networks", f"{BASE}/security-services"
V = at(2, 99)


@pytest.fixture
async def files(cloud: Cloud) -> Sharing:
    return await sharing(cloud)


async def _network(files: Sharing, **values: object) -> dict[str, object]:
    body = {"share_network": {"name": "n", **values}}
    made = await files.user("POST", NETWORKS, body, headers=V, status=200)
    return made.json()["share_network"]  # type: ignore[no-any-return]


async def _service(files: Sharing, kind: str = "ldap", **values: object) -> str:
    body = {"security_service": {"type": kind, "password": "hidden", **values}}
    made = await files.user("POST", SERVICES, body, headers=V, status=200)
    return str(made.json()["security_service"]["id"])


async def test_the_first_and_the_last_moment_are_times(files: Sharing) -> None:
    for first in ("0001-01-01T00:00:00.000000", "9999-12-31T23:59:59.999999"):
        made = await _network(files, created_at=first, updated_at=first)
        assert made["created_at"] == made["updated_at"] == first
    body = {"share_network": {"created_at": "9999-12-31T23:59:59-01:00"}}
    await files.user("POST", NETWORKS, body, headers=V, status=400)
    found = await files.admin.get(f"{NETWORKS}/detail?all_tenants=1", headers=V)
    assert len(found["share_networks"]) == 2


async def test_a_project_has_so_many_security_services(
    files: Sharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(security_services, "MAXIMUM", 2)
    for _ in range(2):
        await _service(files)
    body = {"security_service": {"type": "ldap"}}
    await files.user("POST", SERVICES, body, headers=V, status=400)
    await files.admin("POST", SERVICES, body, headers=V, status=200)


async def test_older_versions_show_the_default_subnet_as_the_network(files: Sharing) -> None:
    made = await _network(files, neutron_net_id="n-1", neutron_subnet_id="s-1")
    path = f"{NETWORKS}/{made['id']}"
    assert made["share_network_subnets"][0]["neutron_net_id"] == "n-1"  # type: ignore[index]
    assert made["status"] == "active" and "neutron_net_id" not in made
    older = (await files.user.get(path, headers=at(2, 25)))["share_network"]
    assert older["neutron_net_id"] == "n-1" and older["nova_net_id"] is None
    assert "status" not in older and "share_network_subnets" not in older


async def test_a_network_names_both_or_none(files: Sharing) -> None:
    body = {"share_network": {"neutron_net_id": "n-1"}}
    await files.user("POST", NETWORKS, body, headers=V, status=400)
    odd = {"share_network": {"nova_net_id": "x"}}
    await files.user("POST", NETWORKS, odd, headers=V, status=400)
    foreign = await _network(files, project_id="x", status="error")
    assert (foreign["project_id"], foreign["status"]) == (files.project_id, "active")


async def test_lists_are_filtered_by_what_subnets_are_like(files: Sharing) -> None:
    first = await _network(files, neutron_net_id="n-1", neutron_subnet_id="s-1", cidr="10.0.0.0/24")
    await _network(files, neutron_net_id="n-2", neutron_subnet_id="s-2")
    listed = await files.user.get(f"{NETWORKS}?cidr=10.0.0.0/24", headers=V)
    assert [one["id"] for one in listed["share_networks"]] == [first["id"]]
    await files.user("GET", f"{NETWORKS}?created_since=yesterday", headers=V, status=400)
    await files.user("GET", f"{NETWORKS}?segmentation_id=5", headers=V, status=403)


async def test_what_is_the_operators_of_networks_is_not_shown(files: Sharing) -> None:
    body = {"network_type": "vlan", "segmentation_id": 1000}
    made = await _network(files, neutron_net_id="n-1", neutron_subnet_id="s-1", **body)
    path = f"{NETWORKS}/{made['id']}"
    mine = (await files.user.get(path, headers=at(2, 2)))["share_network"]
    assert (mine["network_type"], mine["segmentation_id"]) == (None, None)
    theirs = (await files.admin.get(path, headers=at(2, 2)))["share_network"]
    assert (theirs["network_type"], theirs["segmentation_id"]) == ("vlan", 1000)


async def test_a_zone_has_several_subnets_from_2_70_on(files: Sharing) -> None:
    made = await _network(files)
    path = f"{NETWORKS}/{made['id']}/subnets"
    body = {"share-network-subnet": {"neutron_net_id": "n", "neutron_subnet_id": "s"}}
    await files.user("POST", path, body, headers=at(2, 69), status=409)
    added = (await files.user("POST", path, body, headers=V, status=200)).json()
    subnet = added["share_network_subnet"]
    assert subnet["share_network_id"] == made["id"] and subnet["metadata"] == {}
    await files.user("DELETE", f"{NETWORKS}/{made['id']}", headers=V, status=409)
    meta = f"{path}/{subnet['id']}/metadata"
    await files.user("POST", meta, {"metadata": {"a": "1"}}, headers=V, status=200)
    await files.user("PUT", f"{meta}/b", {"metadata": {"b": "2"}}, headers=V, status=200)
    await files.user("PUT", f"{meta}/b", {"metadata": {"c": "2"}}, headers=V, status=400)
    assert (await files.user.get(meta, headers=V))["metadata"] == {"a": "1", "b": "2"}
    await files.user("DELETE", f"{meta}/a", headers=V, status=200)
    await files.user("GET", f"{meta}/a", headers=V, status=404)
    await files.user("DELETE", f"{path}/{subnet['id']}", headers=V, status=202)
    await files.user("DELETE", f"{NETWORKS}/{made['id']}", headers=V, status=202)
    await files.user("GET", f"{NETWORKS}/{made['id']}", headers=V, status=404)


async def test_an_unknown_zone_is_refused(files: Sharing) -> None:
    body = {"share_network": {"availability_zone": "moon"}}
    await files.user("POST", NETWORKS, body, headers=V, status=400)


async def test_security_services_come_one_of_a_type(files: Sharing) -> None:
    made = await _network(files)
    do = f"{NETWORKS}/{made['id']}/action"
    first, second = await _service(files), await _service(files)
    add = {"add_security_service": {"security_service_id": first}}
    await files.user("POST", do, add, headers=V, status=200)
    await files.user("POST", do, add, headers=V, status=409)
    again = {"add_security_service": {"security_service_id": second}}
    await files.user("POST", do, again, headers=V, status=409)
    await files.user("DELETE", f"{SERVICES}/{first}", headers=V, status=403)
    listed = await files.user.get(f"{SERVICES}/detail?share_network_id={made['id']}", headers=V)
    assert [one["id"] for one in listed["security_services"]] == [first]
    assert listed["security_services"][0]["share_networks"] == [made["id"]]
    change = {"update_security_service": {"current_service_id": first, "new_service_id": second}}
    await files.user("POST", do, change, headers=V, status=202)
    drop = {"remove_security_service": {"security_service_id": second}}
    await files.user("POST", do, drop, headers=V, status=200)
    await files.user("DELETE", f"{SERVICES}/{second}", headers=V, status=202)


async def test_the_type_of_a_security_service_changes_while_no_network_has_it(
    files: Sharing,
) -> None:
    """gophercloud and the SDK send the type along with what they change."""
    path = f"{SERVICES}/{(service := await _service(files))}"

    def typed(kind: object) -> dict[str, object]:
        return {"security_service": {"type": kind, "name": "again"}}

    changed = await files.user("PUT", path, typed("kerberos"), headers=V, status=200)
    assert changed.json()["security_service"]["type"] == "kerberos"
    for odd in ("nis", None, 5):
        await files.user("PUT", path, typed(odd), headers=V, status=400)
    do = f"{NETWORKS}/{(await _network(files))['id']}/action"
    add = {"add_security_service": {"security_service_id": service}}
    await files.user("POST", do, add, headers=V, status=200)
    await files.user("PUT", path, typed("ldap"), headers=V, status=403)
    await files.user("PUT", path, typed("kerberos"), headers=V, status=200)
    shown = (await files.user.get(path, headers=V))["security_service"]
    assert (shown["type"], shown["name"]) == ("kerberos", "again")


async def test_a_password_is_sealed_and_shown_to_its_project(files: Sharing) -> None:
    service = await _service(files, "kerberos", user="u")
    shown = (await files.user.get(f"{SERVICES}/{service}", headers=at(2, 43)))["security_service"]
    assert (shown["user"], shown["password"]) == ("u", "hidden") and "ou" not in shown
    body = {"security_service": {"type": "nis"}}
    await files.user("POST", SERVICES, body, headers=V, status=400)
    site = {"type": "active_directory", "server": "s", "default_ad_site": "d"}
    await files.user("POST", SERVICES, {"security_service": site}, headers=V, status=400)


async def test_another_project_sees_none_of_it(files: Sharing) -> None:
    other = await files.cloud.project_with("others", "member", "reader")
    made, service = await _network(files), await _service(files)
    for path in (f"{NETWORKS}/{made['id']}", f"{SERVICES}/{service}"):
        await other("GET", path, headers=V, status=404)
        await other("DELETE", path, headers=V, status=404)
    assert (await other.get(f"{NETWORKS}/detail?all_tenants=1", headers=V))["share_networks"] == []
    listed = await files.admin.get(f"{NETWORKS}/detail?all_tenants=1", headers=V)
    assert [one["id"] for one in listed["share_networks"]] == [made["id"]]
    theirs = await other("POST", NETWORKS, {"share_network": {}}, headers=V, status=200)
    do = f"{NETWORKS}/{theirs.json()['share_network']['id']}/action"
    add = {"add_security_service": {"security_service_id": service}}
    await other("POST", do, add, headers=V, status=404)
