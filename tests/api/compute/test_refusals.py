"""What compute refuses, and why; and what is right beside it."""

from __future__ import annotations

import base64
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import (
    NEWEST,
    Client,
    Cloud,
    a_flavor,
    a_network,
    a_server,
    an_image,
    running,
    settle,
)

V2 = "/compute/v2.1"
NETWORK = "/network/v2.0"
NOWHERE = "00000000-0000-4000-8000-00000000dead"


@pytest.fixture
async def bare(tmp_path: Path, database_url: str) -> AsyncIterator[Cloud]:
    """A cloud without hosts, for what needs none."""
    async with running(tmp_path, database=database_url, hosts=0) as cloud:
        yield cloud


def at(minor: int) -> dict[str, str]:
    return {"OpenStack-API-Version": f"compute 2.{minor}"}


async def ask(
    client: Client,
    method: str,
    path: str,
    body: Any,
    status: int,
    why: str = "",
    minor: int = 104,
) -> Any:
    """It is answered with this status, and these words are in what is said. Gives the body, if there is one."""
    answer = await client(method, f"{V2}{path}", body, headers=at(minor))
    got = f"{answer.status_code}: {answer.text[:300]}"
    assert answer.status_code == status and why in answer.text, f"{method} {path} {body}: {got}"
    return answer.json() if "json" in answer.headers.get("content-type", "") else None


# ---- flavors ----


async def test_a_flavor(bare: Cloud) -> None:
    admin = await bare.sign_in()
    await a_flavor(admin, "one")
    base: dict[str, Any] = {"id": "two", "name": "two", "ram": 64, "disk": 1, "vcpus": 1}
    for values, status, why in (
        ({"id": "one"}, 409, "Flavor with ID one already exists"),
        ({"name": "one"}, 409, "Flavor with name one already exists"),
        ({"rxtx_factor": 0}, 400, ""),
        ({"rxtx_factor": "fast"}, 400, ""),
        ({"rxtx_factor": 1e39}, 400, ""),
        ({"ram": 0}, 400, ""),
        ({"vcpus": 0}, 400, ""),
        ({"disk": -1}, 400, ""),
        ({"rxtx_factor": "2.5"}, 200, "2.5"),
    ):
        await ask(admin, "POST", "/flavors", {"flavor": {**base, **values}}, status, why, minor=1)
    for flavor_id in (None, "auto"):
        body = {"flavor": {**base, "id": flavor_id, "name": f"n-{flavor_id}"}}
        made = await ask(admin, "POST", "/flavors", body, 200)
        assert uuid.UUID(made["flavor"]["id"])
    described = {"flavor": {"description": "small"}}
    assert (await ask(admin, "PUT", "/flavors/one", described, 200, "small"))["flavor"]["ram"] == 64
    assert (await ask(admin, "GET", "/flavors/one", None, 200))["flavor"]["description"] == "small"
    await ask(admin, "PUT", "/flavors/nobody", described, 404)
    assert await ask(admin, "DELETE", "/flavors/one", None, 202) is None
    await ask(admin, "GET", "/flavors/one", None, 404)


async def test_flavors_are_found(bare: Cloud) -> None:
    admin, member = await bare.sign_in(), await bare.project_with("p", "member")
    await a_flavor(admin, "small")
    await a_flavor(admin, "large", ram=512, disk=20)
    hidden = {"id": "hidden", "name": "hidden", "ram": 64, "disk": 1, "vcpus": 1}
    body: Any = {"flavor": {**hidden, "os-flavor-access:is_public": False}}
    await ask(admin, "POST", "/flavors", body, 200)
    for client, query, expected in (
        (admin, "", {"small", "large"}),
        (admin, "?is_public=true", {"small", "large"}),
        (admin, "?is_public=false", {"hidden"}),
        (admin, "?is_public=None", {"small", "large", "hidden"}),
        (member, "?is_public=None", {"small", "large"}),
        (member, "?is_public=false", {"small", "large"}),
        (admin, "?minRam=65", {"large"}),
        (admin, "?minDisk=1&minRam=64", {"small", "large"}),
        (admin, "?minDisk=20", {"large"}),
        (admin, "?minDisk=21", set()),
    ):
        found = await ask(client, "GET", f"/flavors{query}", None, 200)
        assert {one["id"] for one in found["flavors"]} == expected, query
    for query in ("is_public=perhaps", "minRam=x", "minDisk=x"):
        await ask(admin, "GET", f"/flavors?{query}", None, 400)
    await ask(member, "GET", "/flavors/hidden", None, 404)


async def test_who_has_a_flavor(bare: Cloud) -> None:
    admin, member = await bare.sign_in(), await bare.project_with("p", "member")
    await a_flavor(admin, "open")
    hidden = {"id": "hidden", "name": "hidden", "ram": 64, "disk": 1, "vcpus": 1}
    body: Any = {"flavor": {**hidden, "os-flavor-access:is_public": False}}
    await ask(admin, "POST", "/flavors", body, 200)

    async def act(flavor: str, action: str, tenant: str, status: int) -> Any:
        path = f"/flavors/{flavor}/action"
        return await ask(admin, "POST", path, {action: {"tenant": tenant}}, status)

    await ask(admin, "GET", "/flavors/open/os-flavor-access", None, 404, "not available for public")
    await act("open", "addTenantAccess", member.project_id, 409)
    await act("open", "removeTenantAccess", member.project_id, 404)
    body = {"addTenantAccess": {"tenant": member.project_id}}
    await ask(admin, "POST", "/flavors/open/action", body, 200, minor=6)
    await ask(admin, "POST", "/flavors/open/action", body, 409, minor=7)
    await act("open", "removeTenantAccess", member.project_id, 200)
    await act("hidden", "addTenantAccess", NOWHERE, 400)
    await act("hidden", "removeTenantAccess", NOWHERE, 404)  # a project that is gone may be named
    await act("hidden", "removeTenantAccess", member.project_id, 404)
    made = await act("hidden", "addTenantAccess", member.project_id, 200)
    assert made["flavor_access"] == [{"flavor_id": "hidden", "tenant_id": member.project_id}]
    await act("hidden", "addTenantAccess", member.project_id, 409)
    await ask(member, "GET", "/flavors/hidden", None, 200)
    assert await ask(admin, "GET", "/flavors/hidden/os-flavor-access", None, 200) == made
    left = await act("hidden", "removeTenantAccess", member.project_id, 200)
    assert left == {"flavor_access": []}
    await ask(member, "GET", "/flavors/hidden", None, 404)


async def test_a_flavors_extra_specs(bare: Cloud) -> None:
    admin = await bare.sign_in()
    await a_flavor(admin, "one")
    path = "/flavors/one/os-extra_specs"
    wrong: Any = ({"a": "x" * 256}, {"a": True}, {"a": None}, {"a b*": "1"}, {"a": []})
    for specs in wrong:
        await ask(admin, "POST", path, {"extra_specs": specs}, 400, minor=1)
    await ask(admin, "POST", path, {"extra_specs": {"a": "x" * 255, "b": "2"}}, 200, minor=1)
    await ask(admin, "PUT", f"{path}/a", {"b": "1"}, 400, "mismatch", minor=1)
    await ask(admin, "PUT", f"{path}/a", {"a": "1", "b": "1"}, 400, minor=1)
    assert await ask(admin, "PUT", f"{path}/a", {"a": "1"}, 200, minor=1) == {"a": "1"}
    assert await ask(admin, "GET", f"{path}/a", None, 200) == {"a": "1"}
    shown = await ask(admin, "GET", path, None, 200)
    assert shown == {"extra_specs": {"a": "1", "b": "2"}}
    await ask(admin, "DELETE", f"{path}/a", None, 200)
    for method in ("GET", "DELETE"):
        await ask(admin, method, f"{path}/a", None, 404)
    assert (await ask(admin, "GET", path, None, 200)) == {"extra_specs": {"b": "2"}}


# ---- a new server ----


async def no(client: Client, base: Any, values: Any, status: int, why: str, **more: Any) -> None:
    """A server of these values is refused."""
    body = {"server": {**base, **values}, **more}
    await ask(client, "POST", "/servers", body, status, why)


async def base_of(admin: Client, member: Client) -> dict[str, Any]:
    """What a server needs at least."""
    image = await an_image(member)
    return {
        "name": "vm", "imageRef": image, "flavorRef": await a_flavor(admin), "networks": "none",
    }  # fmt: skip


async def test_a_new_server(bare: Cloud) -> None:
    admin, member = await bare.sign_in(), await bare.project_with("p", "member")
    base = await base_of(admin, member)
    hungry = await an_image(member, "hungry", min_ram=65)
    wide = await an_image(member, "wide", min_disk=2)
    queued = (await member.post("/image/v2/images", {"name": "queued"}))["id"]
    cases: Any = (
        ({"imageRef": "x"}, "Invalid imageRef"),
        ({"imageRef": ""}, "Invalid imageRef"),
        ({"imageRef": NOWHERE}, "could not be found"),
        ({"imageRef": queued}, "is not active"),
        ({"imageRef": hungry}, "memory is too small"),
        ({"imageRef": wide}, "disk is too small"),
        ({"flavorRef": ""}, ""),
        ({"flavorRef": "nobody"}, "nobody"),
        ({"flavorRef": True}, ""),
        ({"accessIPv4": "2001:db8::1"}, "accessIPv4"),
        ({"accessIPv4": "x"}, "accessIPv4"),
        ({"accessIPv6": "10.0.0.1"}, "accessIPv6"),
        ({"OS-DCF:diskConfig": "PERHAPS"}, "diskConfig"),
        ({"min_count": 2, "max_count": 1}, "min_count must be <= max_count"),
        ({"min_count": 0}, ""),
        ({"max_count": 1001}, "1000"),
        ({"max_count": 2, "hostname": "one"}, "hostname"),
        ({"key_name": "nobody"}, "Invalid key_name"),
        ({"user_data": "x!"}, "user_data"),
        ({"availability_zone": "nowhere"}, "zone is not available"),
        ({"security_groups": [{"name": "nobody"}]}, "nobody"),
        ({"tags": ["a/b"]}, ""),
        ({"trusted_image_certificates": ["a"]}, "certificates"),
        ({"networks": "perhaps"}, ""),
        ({"networks": [{}]}, "'uuid' or a 'port'"),
        ({"networks": [{"uuid": NOWHERE}]}, "could not be found"),
    )
    for values, why in cases:
        await no(member, base, values, 400, why)
    await no(admin, base, {"host": "nobody"}, 400, "could not be found")
    assert (await ask(member, "GET", "/servers", None, 200))["servers"] == []


async def test_what_a_new_server_may_say(bare: Cloud) -> None:
    admin, member = await bare.sign_in(), await bare.project_with("p", "member")
    base = await base_of(admin, member)
    device = {
        "source_type": "image", "destination_type": "local", "uuid": base["imageRef"],
        "boot_index": 0, "delete_on_termination": True, "tag": "root",
    }  # fmt: skip
    values = {
        "hostname": "web-1", "tags": ["b", "a"], "OS-DCF:diskConfig": "MANUAL",
        "accessIPv4": "192.0.2.1", "accessIPv6": "2001:DB8::1", "metadata": {"k": "v"},
        "block_device_mapping_v2": [device], "user_data": base64.b64encode(b"#!").decode(),
    }  # fmt: skip
    made = (await ask(member, "POST", "/servers", {"server": {**base, **values}}, 202))["server"]
    path = f"/servers/{made['id']}"
    shown = (await ask(member, "GET", path, None, 200))["server"]
    assert (shown["accessIPv4"], shown["accessIPv6"]) == ("192.0.2.1", "2001:db8::1")
    assert shown["tags"] == ["a", "b"] and shown["OS-DCF:diskConfig"] == "MANUAL"
    for body, status, why in (
        ({"accessIPv4": "2001:db8::1"}, 400, "accessIPv4"),
        ({"accessIPv6": "192.0.2.1"}, 400, "accessIPv6"),
        ({"OS-DCF:diskConfig": "auto"}, 400, "diskConfig"),
        ({"accessIPv4": "192.0.2.9", "accessIPv6": "", "OS-DCF:diskConfig": "AUTO"}, 200, "AUTO"),
    ):
        await ask(member, "PUT", path, {"server": body}, status, why)
    shown = (await ask(member, "GET", path, None, 200))["server"]
    assert (shown["accessIPv4"], shown["accessIPv6"]) == ("192.0.2.9", "")
    for key, why in (("x", "not found"), ("k", "")):
        answer = await ask(member, "GET", f"{path}/metadata/{key}", None, 404 if why else 200, why)
        assert why or answer == {"meta": {"k": "v"}}
    several: Any = {**base, "min_count": 2, "max_count": 3, "return_reservation_id": True}
    answer = await ask(member, "POST", "/servers", {"server": several}, 202)
    assert list(answer) == ["reservation_id"]
    query = f"/servers?reservation_id={answer['reservation_id']}"
    found = (await ask(member, "GET", query, None, 200))["servers"]
    assert {one["name"] for one in found} == {"vm-1", "vm-2", "vm-3"}


async def test_where_a_new_server_is_connected(bare: Cloud) -> None:
    admin, member = await bare.sign_in(), await bare.project_with("p", "member")
    stranger = await bare.project_with("other", "member")
    base = await base_of(admin, member)
    net, other = await a_network(member), await a_network(member, "other", "10.2.0.0/24")

    async def port(client: Client = member, **values: Any) -> str:
        body = {"port": {"network_id": net, **values}}
        return str((await client.post(f"{NETWORK}/ports", body))["port"]["id"])

    one = await port(fixed_ips=[{"ip_address": "10.1.0.50"}])
    without = await port(fixed_ips=[])
    busy = await port(device_id="somebody's")
    empty = (await member.post(f"{NETWORK}/networks", {"network": {"name": "empty"}}))["network"]
    theirs = await a_network(stranger, "theirs", "10.3.0.0/24")
    for name in ("twice", "twice"):
        await member.post(f"{NETWORK}/security-groups", {"security_group": {"name": name}})
    cases: Any = (
        ([{"port": NOWHERE}], {}, 400, "could not be found"),
        ([{"port": one}, {"port": one}], {}, 400, ""),
        ([{"port": one}], {"max_count": 2}, 400, "single configured port"),
        ([{"port": without}], {}, 400, "requires a FixedIP"),
        ([{"port": busy}], {}, 409, "in use"),
        ([{"port": one, "uuid": other}], {}, 400, "is not on network"),
        ([{"uuid": empty["id"]}], {}, 400, "requires a subnet"),
        ([{"uuid": theirs}], {}, 400, "could not be found"),
        ([{"uuid": net, "fixed_ip": "10.1.0.50"}], {}, 400, "already in use"),
        ([{"uuid": net, "fixed_ip": "10.9.0.5"}], {}, 400, "not a valid ip address"),
        ([{"uuid": net, "fixed_ip": "x"}], {}, 400, ""),
        ([{"uuid": net, "fixed_ip": "10.1.0.60"}], {"max_count": 2}, 400, "Invalid fixed IP"),
        ("auto", {}, 409, "Multiple possible networks"),
        ([{"uuid": net}], {"security_groups": [{"name": "twice"}]}, 409, "Multiple"),
        ([{"port": one}, {"uuid": net, "fixed_ip": "10.1.0.60"}], {}, 202, ""),
    )
    for networks, values, status, why in cases:
        await no(member, base, {"networks": networks, **values}, status, why)


async def test_an_image_of_a_kind_that_does_not_start(bare: Cloud) -> None:
    admin, member = await bare.sign_in(), await bare.project_with("p", "member")
    base = await base_of(admin, member)
    body = {"name": "kernel", "disk_format": "aki", "container_format": "aki"}
    image = (await member.post("/image/v2/images", body))["id"]
    await member(
        "PUT",
        f"/image/v2/images/{image}/file",
        content=b"x" * 600,
        headers={"Content-Type": "application/octet-stream"},
        status=204,
    )
    await no(member, base, {"imageRef": image}, 400, "can be started")
    system = await bare.sign_in(scope={"system": {"all": True}})
    answer = await system("POST", f"{V2}/servers", {"server": base}, headers=NEWEST)
    assert answer.status_code in (400, 403)


async def test_a_token_for_the_system_is_refused_by_its_scope(bare: Cloud) -> None:
    admin, member = await bare.sign_in(), await bare.project_with("p", "member")
    made = await ask(member, "POST", "/servers", {"server": await base_of(admin, member)}, 202)
    system = await bare.sign_in(scope={"system": {"all": True}})
    one = f"/servers/{made['server']['id']}"
    for method, path, body in (
        ("GET", "/servers", None),
        ("GET", one, None),
        ("PUT", one, {"server": {"name": "other"}}),
        ("POST", f"{one}/action", {"os-stop": None}),
        ("DELETE", one, None),
    ):
        await ask(system, method, path, body, 403, "Policy doesn't allow")
    assert (await ask(member, "GET", one, None, 200))["server"]["name"] == "vm"


# ---- limits ----


async def test_quotas(bare: Cloud) -> None:
    admin, member = await bare.sign_in(), await bare.project_with("p", "member")
    base = await base_of(admin, member)
    await ask(member, "POST", "/servers", {"server": base}, 202)
    path = f"/os-quota-sets/{member.project_id}"
    for values, status, why in (
        ({"instances": 0}, 400, "already used"),
        ({"instances": -2}, 400, ""),
        ({"nobody": 1}, 400, ""),
        ({"instances": 0, "force": "perhaps"}, 400, ""),
        ({"instances": 0, "force": "true"}, 200, ""),
        ({"instances": -1}, 200, ""),
        ({"instances": 1}, 200, ""),
    ):
        await ask(admin, "PUT", path, {"quota_set": values}, status, why)
    await no(member, base, {}, 403, "Quota exceeded")
    await ask(admin, "PUT", path, {"quota_set": {"tenant_id": "x", "cores": 5}}, 200, minor=1)
    shown = (await ask(member, "GET", path, None, 200))["quota_set"]
    assert (shown["instances"], shown["cores"]) == (1, 5)
    await ask(admin, "DELETE", path, None, 202)
    defaults = (await ask(member, "GET", f"{path}/defaults", None, 200))["quota_set"]
    assert (await ask(member, "GET", path, None, 200))["quota_set"] == defaults
    body = {"quota_class_set": {"instances": 3}}
    await ask(admin, "PUT", "/os-quota-class-sets/default", body, 200, '"instances":3')
    assert (await ask(member, "GET", path, None, 200))["quota_set"]["instances"] == 3
    await ask(admin, "PUT", "/os-quota-class-sets/default", {"quota_class_set": {"x": 1}}, 400)


async def test_a_key_pair(bare: Cloud) -> None:
    member = await bare.project_with("p", "member")
    body = {"keypair": {"name": "k", "type": "pgp"}}
    await ask(member, "POST", "/os-keypairs", body, 400, minor=2)
    body["keypair"].update(type="x509")
    made = (await ask(member, "POST", "/os-keypairs", body, 201, minor=2))["keypair"]
    assert made["public_key"].startswith("-----BEGIN CERTIFICATE-----")
    assert "PRIVATE KEY" in made["private_key"] and made["fingerprint"].count(":") == 19
    sent: Any = {"keypair": {"name": "again", "type": "x509", "public_key": made["public_key"]}}
    again = (await ask(member, "POST", "/os-keypairs", sent, 201, minor=2))["keypair"]
    assert again["fingerprint"] == made["fingerprint"]
    sent["keypair"].update(name="bad", public_key="-----BEGIN CERTIFICATE-----")
    await ask(member, "POST", "/os-keypairs", sent, 400, "invalid", minor=2)


# ---- hosts ----


async def test_a_number_where_a_uuid_stands_since(cloud: Cloud) -> None:
    """Services and hypervisors have UUIDs from 2.53 on: what is none is a bad request there, and not found before."""
    admin = await cloud.sign_in()
    number = (await ask(admin, "GET", "/os-hypervisors", None, 200, minor=52))["hypervisors"][0][
        "id"
    ]
    for odd in (number, "host-1", "x" * 80):
        for method, path, until in (
            ("GET", f"/os-hypervisors/{odd}", 104),
            ("GET", f"/os-hypervisors/{odd}/uptime", 87),
            ("DELETE", f"/os-services/{odd}", 104),
        ):
            for minor in (53, until):
                why = f"Invalid uuid {str(odd)[:50]}"
                await ask(admin, method, path, None, 400, why, minor=minor)
    await ask(admin, "GET", f"/os-hypervisors/{number}", None, 200, minor=52)
    await ask(admin, "GET", "/os-hypervisors/host-1", None, 404, minor=52)
    await ask(admin, "GET", f"/os-hypervisors/{NOWHERE}", None, 404)


async def test_a_compute_service(cloud: Cloud) -> None:
    admin, member = await cloud.sign_in(), await cloud.project_with("p", "member")
    base = await base_of(admin, member)
    listed = (await ask(admin, "GET", "/os-services", None, 200))["services"]
    compute = next(one for one in listed if one["binary"] == "nova-compute")
    others = [one for one in listed if one["binary"] != "nova-compute"]
    path = f"/os-services/{compute['id']}"
    for values, status, why in (
        ({}, 400, "No updates were requested"),
        ({"status": "perhaps"}, 400, ""),
        ({"forced_down": "perhaps"}, 400, ""),
        ({"disabled_reason": "why"}, 400, "requires that status is"),
        ({"status": "enabled", "disabled_reason": "why"}, 400, "requires that status is"),
        ({"status": "disabled", "disabled_reason": "why"}, 200, "why"),
        ({"forced_down": True}, 200, '"forced_down":true'),
    ):
        await ask(admin, "PUT", path, values, status, why)
    for other in others:
        await ask(admin, "PUT", f"/os-services/{other['id']}", {"status": "disabled"}, 400)
    await ask(admin, "PUT", f"/os-services/{NOWHERE}", {"status": "disabled"}, 404)
    await ask(admin, "PUT", "/os-services/1", {"status": "disabled"}, 400, "Invalid uuid 1")
    query = "/os-services?host=host-1&binary=nova-compute"
    shown = (await ask(admin, "GET", query, None, 200))["services"][0]
    assert (shown["status"], shown["state"]) == ("disabled", "down")
    assert (shown["disabled_reason"], shown["forced_down"]) == ("why", True)
    assert (await ask(admin, "GET", "/os-services?host=nobody", None, 200))["services"] == []

    named = {"host": "host-1", "binary": "nova-compute"}
    for verb, values, status, expected in (
        ("force-down", {}, 400, {}),
        ("force-down", {"forced_down": False}, 200, {"forced_down": False}),
        ("enable", {}, 200, {"status": "enabled"}),
        ("disable", {}, 200, {"status": "disabled"}),
        ("disable-log-reason", {}, 400, {}),
        (
            "disable-log-reason",
            {"disabled_reason": "r"},
            200,
            {"status": "disabled", "disabled_reason": "r"},
        ),
        ("enable", {"host": "nobody"}, 404, {}),
    ):
        body = {**named, **values}
        answer = await ask(admin, "PUT", f"/os-services/{verb}", body, status, minor=52)
        if status == 200:
            assert answer["service"] == {**named, **expected}, verb
    await ask(admin, "PUT", "/os-services/enable", named, 200, minor=52)
    shown = (await ask(admin, "GET", query, None, 200))["services"][0]
    assert (shown["status"], shown["disabled_reason"]) == ("enabled", None)

    server = await a_server(member, base["imageRef"], base["flavorRef"])
    await settle(cloud)
    await ask(admin, "DELETE", path, None, 409, "hosting instances")
    await ask(member, "DELETE", f"/servers/{server}", None, 204)
    await settle(cloud)
    for one, status, minor in (("x", 400, 52), ("9999", 404, 52), (NOWHERE, 404, 53)):
        await ask(admin, "DELETE", f"/os-services/{one}", None, status, minor=minor)
    older = (await ask(admin, "GET", query, None, 200, minor=52))["services"][0]
    await ask(admin, "DELETE", f"/os-services/{older['id']}", None, 204, minor=52)


async def test_hypervisors(tmp_path: Path) -> None:
    async with running(tmp_path, hosts=2) as cloud:
        admin, member = await cloud.sign_in(), await cloud.project_with("p", "member")
        base = await base_of(admin, member)
        server = await a_server(member, base["imageRef"], base["flavorRef"])
        await settle(cloud)
        for query, status, names in (
            ("", 200, ["host-1", "host-2"]),
            ("?hypervisor_hostname_pattern=-2", 200, ["host-2"]),
            ("?hypervisor_hostname_pattern=nobody", 404, []),
            ("?hypervisor_hostname_pattern=host&limit=1", 400, []),
            (f"?hypervisor_hostname_pattern=host&marker={NOWHERE}", 400, []),
            (f"?marker={NOWHERE}", 400, []),
            ("?limit=x", 400, []),
            ("?with_servers=perhaps", 400, []),
        ):
            answer = await ask(admin, "GET", f"/os-hypervisors{query}", None, status)
            found = [one["hypervisor_hostname"] for one in answer.get("hypervisors", ())]
            assert found == names, query
        first = await ask(admin, "GET", "/os-hypervisors?limit=1", None, 200)
        assert len(first["hypervisors"]) == 1 and "marker=" in str(first["hypervisors_links"])
        marker = first["hypervisors"][0]["id"]
        rest = await ask(admin, "GET", f"/os-hypervisors?marker={marker}", None, 200)
        assert len(rest["hypervisors"]) == 1 and rest["hypervisors"] != first["hypervisors"]
        assert "hypervisors_links" not in rest
        path = "/os-hypervisors/detail?with_servers=true"
        rows = (await ask(admin, "GET", path, None, 200))["hypervisors"]
        assert [s["uuid"] for row in rows for s in row.get("servers") or ()] == [server]
        await ask(admin, "GET", "/os-hypervisors/nobody/search", None, 404, minor=52)
        found = await ask(admin, "GET", "/os-hypervisors/-1/search", None, 200, minor=52)
        assert [one["hypervisor_hostname"] for one in found["hypervisors"]] == ["host-1"]
        found = await ask(admin, "GET", "/os-hypervisors/host/servers", None, 200, minor=52)
        held = [s["uuid"] for one in found["hypervisors"] for s in one.get("servers", ())]
        assert held == [server]


# ---- what belongs to a server ----


async def test_a_servers_tags_metadata_and_addresses(cloud: Cloud) -> None:
    admin, member = await cloud.sign_in(), await cloud.project_with("p", "member")
    base = await base_of(admin, member)
    net = await a_network(member)
    server = await a_server(member, base["imageRef"], base["flavorRef"], net)
    await settle(cloud)
    path = f"/servers/{server}"
    many = [f"t{number}" for number in range(51)]
    for tags, status in ((many, 400), (["a", "a"], 200), (many[:49], 200)):
        await ask(member, "PUT", f"{path}/tags", {"tags": tags}, status)
    for tag, status in (("t1", 204), ("new", 201), ("more", 400)):
        await ask(member, "PUT", f"{path}/tags/{tag}", None, status)
    for tag, status in (("new", 204), ("nobody", 404)):
        await ask(member, "GET", f"{path}/tags/{tag}", None, status)
        await ask(member, "DELETE", f"{path}/tags/{tag}", None, status)
    assert len((await ask(member, "GET", f"{path}/tags", None, 200))["tags"]) == 49
    for sent, status in (({"a": "1", "b": "2"}, 400), ({"b": "2"}, 400), ({"a": "1"}, 200)):
        await ask(member, "PUT", f"{path}/metadata/a", {"meta": sent}, status)
    assert (await ask(member, "GET", f"{path}/metadata/a", None, 200)) == {"meta": {"a": "1"}}
    for status in (204, 404):
        await ask(member, "DELETE", f"{path}/metadata/a", None, status)
    shown = await ask(member, "GET", f"{path}/ips/net", None, 200)
    assert shown["net"][0]["addr"].startswith("10.1.0.")
    await ask(member, "GET", f"{path}/ips/nobody", None, 404)
    renamed = {"server": {"hostname": "renamed"}}
    await ask(member, "PUT", path, renamed, 200)
    shown = (await ask(member, "GET", path, None, 200))["server"]
    assert shown["OS-EXT-SRV-ATTR:hostname"] == "renamed"
    body: Any = {"os-resetState": {"state": "perhaps"}}
    await ask(admin, "POST", f"{path}/action", body, 400)
    body["os-resetState"].update(state="error")
    await ask(admin, "POST", f"{path}/action", body, 202)
    assert (await ask(member, "GET", path, None, 200))["server"]["status"] == "ERROR"


async def test_a_servers_actions(cloud: Cloud) -> None:
    admin, member = await cloud.sign_in(), await cloud.project_with("p", "member")
    base = await base_of(admin, member)
    server = await a_server(member, base["imageRef"], base["flavorRef"])
    await settle(cloud)
    for action in ("os-stop", "os-start"):
        await ask(member, "POST", f"/servers/{server}/action", {action: None}, 202)
        await settle(cloud)
    path = f"/servers/{server}/os-instance-actions"

    async def names(query: str) -> list[str]:
        found = await ask(member, "GET", f"{path}?{query}", None, 200)
        return [one["action"] for one in found["instanceActions"]]

    assert await names("") == ["start", "stop", "create"]
    assert await names("changes-since=2001-01-01T00:00:00Z") == ["start", "stop", "create"]
    assert await names("changes-since=2999-01-01T00:00:00Z") == []
    assert await names("changes-before=2001-01-01T00:00:00Z") == []
    assert await names("changes-before=2999-01-01T00:00:00Z") == ["start", "stop", "create"]
    first = await ask(member, "GET", f"{path}?limit=1", None, 200)
    marker = first["instanceActions"][0]["request_id"]
    assert "marker=" in str(first["links"]) and await names(f"marker={marker}") == [
        "stop",
        "create",
    ]
    assert await names(f"marker={marker}&limit=2") == ["stop", "create"]
    for query in ("marker=req-nobody", "limit=x", "changes-since=x", "changes-before=x"):
        await ask(member, "GET", f"{path}?{query}", None, 400)
    await ask(member, "GET", f"{path}/req-{NOWHERE}", None, 404)
    shown = await ask(member, "GET", f"{path}/{marker}", None, 200)
    assert shown["instanceAction"]["action"] == "start"
