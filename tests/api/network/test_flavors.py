"""Conversations about flavors of routers."""

from __future__ import annotations

from typing import Any

from tests.api.network.test_engine import settled
from tests.api.network.test_networks import V2, refused
from tests.cloud import Client, Cloud

DRIVER = "neutron.services.ovn_l3.service_providers.ovn.OvnDriver"


async def flavor(admin: Client, **values: Any) -> dict[str, Any]:
    body = {"flavor": {"name": "plain", "service_type": "L3_ROUTER_NAT", **values}}
    return dict((await admin.post(f"{V2}/flavors", body))["flavor"])


async def profile(admin: Client, **values: Any) -> dict[str, Any]:
    body = {"service_profile": values}
    return dict((await admin.post(f"{V2}/service_profiles", body))["service_profile"])


async def test_a_router_is_of_a_flavor(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    made = await flavor(admin, description="as it comes")
    assert (made["enabled"], made["service_profiles"]) == (True, [])
    assert [one["id"] for one in (await member.get(f"{V2}/flavors"))["flavors"]] == [made["id"]]
    (provider,) = (await member.get(f"{V2}/service-providers"))["service_providers"]
    assert provider == {"name": "ovn", "service_type": "L3_ROUTER_NAT", "default": True}
    wish = {"router": {"name": "r", "flavor_id": made["id"]}}
    error = await refused(member, "POST", "/routers", wish, 404)
    assert error["type"] == "ServiceProfileDriverNotFound"
    does = await profile(admin, driver=DRIVER)
    path = f"{V2}/flavors/{made['id']}/service_profiles"
    body = {"service_profile": {"id": does["id"]}}
    assert await admin.post(path, body) == body
    error = await refused(admin, "POST", path.removeprefix(V2), body, 409)
    assert error["type"] == "FlavorServiceProfileBindingExists"
    router = (await member.post(f"{V2}/routers", wish))["router"]
    assert router["flavor_id"] == made["id"]
    await settled(cloud)
    found = (await member.get(f"{V2}/routers?flavor_id={made['id']}&fields=id"))["routers"]
    assert found == [{"id": router["id"]}]
    plain = (await member.post(f"{V2}/routers", {"router": {}}))["router"]
    assert plain["flavor_id"] is None
    moved = {"router": {"flavor_id": None}}
    await refused(member, "PUT", f"/routers/{router['id']}", moved, 400)
    for kind, disabled in (("service_profile", does), ("flavor", made)):
        body = {kind: {"enabled": False}}
        at = f"{V2}/{kind}s/{disabled['id']}"
        changed = (await admin("PUT", at, body, status=200)).json()[kind]
        assert changed["enabled"] is False
        error = await refused(member, "POST", "/routers", wish, 409)
    assert error["type"] == "FlavorDisabled"
    for at, kind in (
        (f"/flavors/{made['id']}", "FlavorInUse"),
        (f"/service_profiles/{does['id']}", "ServiceProfileInUse"),
    ):
        assert (await refused(admin, "DELETE", at, None, 409))["type"] == kind
    await admin("DELETE", f"{path}/{does['id']}", status=204)
    error = await refused(admin, "DELETE", f"{path}/{does['id']}".removeprefix(V2), None, 404)
    assert error["type"] == "FlavorServiceProfileBindingNotFound"
    await member("DELETE", f"{V2}/routers/{router['id']}", status=204)
    await admin("DELETE", f"{V2}/flavors/{made['id']}", status=204)
    await admin("DELETE", f"{V2}/service_profiles/{does['id']}", status=204)


async def test_what_nobody_does_is_refused(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    body: Any
    for body, status, kind in (
        ({}, 400, "ServiceProfileEmpty"),
        ({"driver": "my.own.Driver"}, 404, "ServiceProfileDriverNotFound"),
        ({"driver": DRIVER, "metainfo": "{}"}, 400, ""),
        ({"metainfo": 5}, 400, ""),
    ):
        error = await refused(admin, "POST", "/service_profiles", {"service_profile": body}, status)
        assert error["type"] == kind or not kind
    notes = await profile(admin, metainfo="Extrainfo", description="d")
    assert (notes["driver"], notes["metainfo"]) == ("", "Extrainfo")
    at = f"/service_profiles/{notes['id']}"
    await refused(admin, "PUT", at, {"service_profile": {"metainfo": ""}}, 400)
    other = await flavor(admin, service_type="VPN")
    await refused(member, "POST", "/routers", {"router": {"flavor_id": other["id"]}}, 400)
    for odd in ({"service_type": ""}, {"name": "x"}, {"service_type": "L3_ROUTER_NAT", "id": 1}):
        await refused(admin, "POST", "/flavors", {"flavor": odd}, 400)
    nobody = "00000000-0000-4000-8000-000000000000"
    await refused(member, "POST", "/routers", {"router": {"flavor_id": nobody}}, 404)
    body = {"service_profile": {"id": nobody}}
    made = await flavor(admin)
    await refused(admin, "POST", f"/flavors/{made['id']}/service_profiles", body, 404)
    await refused(member, "POST", "/flavors", {"flavor": {"service_type": "L3_ROUTER_NAT"}}, 403)
    await refused(member, "GET", at, None, 404)
    assert (await member.get(f"{V2}/service_profiles"))["service_profiles"] == []
