"""Shares in stacks: made with whom they let in, changed in place, and removed with what they were reached in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hanok.base import failpoints
from tests.api.orchestration.stackery import STACKS, Stackery, standing, template
from tests.api.shared_file_system.sharing import BASE, NEWEST
from tests.cloud import running


@pytest.fixture
async def stackery(tmp_path: Path, database_url: str) -> AsyncIterator[Stackery]:
    async with standing(tmp_path, database=database_url) as ground:
        yield ground


def of(name: str) -> dict[str, str]:
    return {"get_resource": name}


def manila(kind: str, **properties: Any) -> dict[str, Any]:
    return {"type": f"OS::Manila::{kind}", "properties": properties}


def rule(to: str, level: str | None = None, kind: str = "ip") -> dict[str, str]:
    found = {"access_type": kind, "access_to": to}
    return {**found, "access_level": level} if level else found


async def rules(stackery: Stackery, share_id: str) -> dict[str, tuple[str, str]]:
    """Level and state of a share's rules, by whom they are for."""
    path = f"{BASE}/share-access-rules?share_id={share_id}"
    listed = (await stackery.user.get(path, headers=NEWEST))["access_list"]
    return {one["access_to"]: (one["access_level"], one["state"]) for one in listed}


async def ids(stackery: Stackery, path: str) -> dict[str, str]:
    found = await stackery.resources(path)
    return {name: one["physical_resource_id"] for name, one in found.items()}


async def shown(stackery: Stackery, share_id: str) -> dict[str, Any]:
    answer = await stackery.user.get(f"{BASE}/shares/{share_id}", headers=NEWEST)
    return dict(answer["share"])


async def test_a_share_lets_in_whom_its_stack_says(stackery: Stackery) -> None:
    def home(*some: dict[str, str], **changed: Any) -> dict[str, Any]:
        return {"home": manila("Share", **{
            "share_protocol": "NFS", "size": 1, "name": "home", "metadata": {"a": "1"},
            "share_type": "default", "access_rules": list(some), **changed})}  # fmt: skip

    outputs = {
        name: {"value": {"get_attr": ["home", name]}} for name in ("export_locations", "status")
    }
    made = home(rule("10.0.0.0/24"), rule("10.0.1.5/32", "ro"))
    path = await stackery.stack(made, outputs=outputs)
    share = (await ids(stackery, path))["home"]
    assert await rules(stackery, share) == {
        "10.0.0.0/24": ("rw", "active"),
        "10.0.1.5": ("ro", "active"),
    }
    told = await stackery.outputs(path)
    assert told["status"] == "available" and all("/" in one for one in told["export_locations"])

    by_hand = {"allow_access": rule("10.9.0.1", "rw")}
    action = f"{BASE}/shares/{share}/action"
    await stackery.user("POST", action, by_hand, headers=NEWEST, status=200)
    some = rule("10.0.0.0/24"), rule("10.0.1.5/32", "ro")
    await stackery.update(path, home(*some, description="d", metadata={"b": "2"}, size=2))
    now = await shown(stackery, share)
    assert (now["description"], now["metadata"], now["size"]) == ("d", {"b": "2"}, 2)
    assert "10.9.0.1" in await rules(stackery, share)
    same = home(*some, description="d", metadata={"b": "2"}, size=2)
    await stackery.update(path, same, converge=True)
    assert set(await rules(stackery, share)) == {"10.0.0.0/24", "10.0.1.5"}

    await stackery.update(path, home(rule("10.0.1.5", "rw"), rule("fd00::/64", "ro"), size=1))
    assert (await ids(stackery, path))["home"] == share
    assert await rules(stackery, share) == {
        "10.0.1.5": ("rw", "active"),
        "fd00::/64": ("ro", "active"),
    }
    assert (await shown(stackery, share))["size"] == 1

    kept = rule("10.0.1.5", "rw")
    bad = home(kept, rule("some", kind="user"), size=1, name="house")
    failed = await stackery.update(path, bad, "UPDATE_FAILED")
    assert "user:some" in failed["stack_status_reason"]
    await stackery.update(path, home(kept, size=1, name="house"))
    assert (await ids(stackery, path))["home"] == share
    assert await rules(stackery, share) == {"10.0.1.5": ("rw", "active")}
    assert (await shown(stackery, share))["name"] == "house"
    assert await stackery.act(path, "check") == "CHECK_COMPLETE"
    await stackery.delete(path)
    await stackery.user("GET", f"{BASE}/shares/{share}", headers=NEWEST, status=404)


async def test_a_share_is_reached_in_the_network_of_its_stack(stackery: Stackery) -> None:
    admin = await stackery.cloud.sign_in()
    kinds = Stackery(stackery.cloud, admin)

    def served(**specs: Any) -> dict[str, Any]:
        return {"kind": manila("ShareType", name="served", driver_handles_share_servers=True,
                               extra_specs={"mount_snapshot_support": "True", **specs})}  # fmt: skip

    offers = await kinds.stack(served(availability_zones="nova"))
    kind = (await ids(kinds, offers))["kind"]
    await kinds.update(offers, served(revert_to_snapshot_support=True))
    there = (await admin.get(f"{BASE}/types/{kind}", headers=NEWEST))["share_type"]["extra_specs"]
    assert there == {
        "driver_handles_share_servers": "True",
        "snapshot_support": "True",
        "mount_snapshot_support": "True",
        "revert_to_snapshot_support": "True",
    }
    body = {"stack_name": "no", "template": template(served())}
    await stackery.user("POST", STACKS, body, status=403)

    def site(*services: str, **more: Any) -> dict[str, Any]:
        return {
            "net": {"type": "OS::Neutron::Net"},
            "subnet": {"type": "OS::Neutron::Subnet",
                       "properties": {"network": of("net"), "cidr": "10.8.0.0/24"}},
            "people": manila("SecurityService", type="ldap", server="10.8.0.9", name="people", password="p"),
            "others": manila("SecurityService", type="ldap", server="10.8.0.10"),
            "where": manila("ShareNetwork", name="where", neutron_subnet=of("subnet"),
                            security_services=[of(one) for one in services]),
            **more,
        }  # fmt: skip

    home = manila("Share", share_protocol="NFS", size=1, share_type="served", share_network=of("where"),
                  access_rules=[rule("10.8.0.0/24")])  # fmt: skip
    outputs = {"cidr": {"value": {"get_attr": ["where", "cidr"]}}}
    path = await stackery.stack(site("people"), outputs=outputs)
    await stackery.update(path, site("others"))
    found = await ids(stackery, path)
    query = f"{BASE}/security-services?share_network_id={found['where']}"
    services = (await stackery.user.get(query, headers=NEWEST))["security_services"]
    assert [one["id"] for one in services] == [found["others"]]
    # A network that has one gets no share server: no back end joins it (decision 0093).
    again = {"template": template(site(home=home), outputs=outputs)}
    await stackery.user("PUT", path, again, status=202)
    assert (await stackery.ended(path))["stack_status"] == "UPDATE_COMPLETE"
    assert (await stackery.outputs(path))["cidr"] == "10.8.0.0/24"
    share = (await ids(stackery, path))["home"]
    places = await stackery.user.get(f"{BASE}/shares/{share}/export_locations", headers=NEWEST)
    assert places["export_locations"][0]["path"].startswith("10.8.0.")

    ports = f"/network/v2.0/ports?device_owner=manila:share&project_id={stackery.user.project_id}"
    on_it = f"{ports}&fixed_ips=subnet_id%3D{found['subnet']}&fields=id"
    assert len((await stackery.user.get(on_it))["ports"]) == 1
    odd = {
        "where": manila("ShareNetwork", neutron_network="public", neutron_subnet=found["subnet"])
    }
    bad = await stackery.stack(odd, "CREATE_FAILED", "odd")
    reason = (await stackery.user.get(bad))["stack"]["stack_status_reason"]
    assert "does not belong to provided neutron_network" in reason, reason
    await stackery.delete(bad)
    await stackery.delete(path)
    assert (await stackery.user.get(ports))["ports"] == []
    listed = await stackery.user.get(f"{BASE}/share-networks", headers=NEWEST)
    assert listed["share_networks"] == []
    await kinds.delete(offers)


async def test_what_cannot_be_is_said(stackery: Stackery) -> None:
    share = {"share_protocol": "NFS", "size": 1}
    for kind, properties, why in (
        ("Share", {**share, "size": 0}, "size"),
        ("Share", {**share, "access_rules": [rule("10.0.0.1"), rule("10.0.0.1/32", "ro")]}, "two rules"),
        ("Share", {**share, "share_network": "nowhere"}, "Share Network (nowhere) could not be found"),
        ("ShareNetwork", {"neutron_network": "n"}, "without neutron_subnet"),
        ("ShareNetwork", {"nova_network": "n"}, "no longer supported"),
        ("SecurityService", {"type": "nis"}, "type"),
    ):  # fmt: skip
        assert why in await stackery.refused({"x": manila(kind, **properties)}), why
    for name, properties, why in (
        ("cifs", {**share, "share_protocol": "CIFS"}, "CIFS"),
        ("user", {**share, "access_rules": [rule("somebody", kind="user")]}, "user:somebody"),
    ):
        path = await stackery.stack({"x": manila("Share", **properties)}, "CREATE_FAILED", name)
        reason = (await stackery.user.get(path))["stack"]["stack_status_reason"]
        assert why in reason, reason
        await stackery.delete(path)
    admin = Stackery(stackery.cloud, await stackery.cloud.sign_in())
    nowhere = {
        "kind": manila("ShareType", name="odd", driver_handles_share_servers=False,
                       extra_specs={"vendor_name": "nobody"}),
        "x": manila("Share", share_type=of("kind"), **share),
    }  # fmt: skip
    path = await admin.stack(nowhere, "CREATE_FAILED", "odd")
    reason = (await admin.user.get(path))["stack"]["stack_status_reason"]
    assert "Went to status error due to" in reason and "Unknown" not in reason, reason
    lost = (await ids(admin, path))["x"]
    nowhere["kind"]["properties"].pop("extra_specs")
    await admin.update(path, nowhere)
    assert (await ids(admin, path))["x"] != lost
    await admin.delete(path)


async def test_a_share_that_was_being_made_is_made_once(tmp_path: Path) -> None:
    point = "orchestration.begun"
    failpoints.arm(point, "hang", 1)
    # A host of the test has its shares in memory: it has not got this one when the first cloud ends.
    failpoints.arm("shared_file_system.create_share.MakeShare.before_do", "hang", 1)
    share = {"x": manila("Share", share_protocol="NFS", size=1, access_rules=[rule("10.0.0.1")])}
    async with standing(tmp_path) as ground:
        body = {"stack_name": "s", "template": template(share)}
        stack_id = (await ground.user.post(STACKS, body))["stack"]["id"]
        async with asyncio.timeout(30):
            while not failpoints.waiting(point):
                await asyncio.sleep(0.02)
    failpoints.disarm()
    async with running(tmp_path) as cloud:
        ground = Stackery(cloud, await cloud.sign_in("p", project="p"))
        path = f"{STACKS}/s/{stack_id}"
        assert (await ground.ended(path))["stack_status"] == "CREATE_COMPLETE"
        listed = (await ground.user.get(f"{BASE}/shares", headers=NEWEST))["shares"]
        assert [one["id"] for one in listed] == list((await ids(ground, path)).values())
        assert await rules(ground, listed[0]["id"]) == {"10.0.0.1": ("rw", "active")}
        await ground.delete(path)
