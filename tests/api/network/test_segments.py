"""Conversations about segments: each network has one."""

from __future__ import annotations

from tests.api.network.test_networks import V2, network, refused
from tests.cloud import Cloud


async def test_a_network_has_a_segment_that_goes_with_it(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    made = await network(member)
    seen = (await admin.get(f"{V2}/networks/{made['id']}"))["network"]
    (one,) = (await admin.get(f"{V2}/segments?network_id={made['id']}"))["segments"]
    assert (one["network_type"], one["physical_network"]) == ("geneve", None)
    assert one["segmentation_id"] == seen["provider:segmentation_id"]
    assert (one["name"], one["revision_number"], one["tags"]) == ("", 1, [])
    assert one["id"] != made["id"]
    path = f"{V2}/segments/{one['id']}"
    body = {"segment": {"name": "first", "description": "d"}}
    changed = (await admin("PUT", path, body, status=200)).json()["segment"]
    assert (changed["name"], changed["description"], changed["revision_number"]) == (
        "first",
        "d",
        2,
    )
    await admin("PUT", f"{path}/tags/red", status=201)
    (tagged,) = (await admin.get(f"{V2}/segments?tags=red&name=first"))["segments"]
    assert tagged["tags"] == ["red"]
    assert (await member.get(f"{V2}/networks/{made['id']}"))["network"]["tags"] == []
    listed = await admin.get(f"{V2}/segments?physical_network=public&sort_key=segmentation_id")
    assert [one["network_type"] for one in listed["segments"]] == ["flat"]
    assert (await member.get(f"{V2}/segments"))["segments"] == []
    await refused(member, "GET", path.removeprefix(V2), None, 404)
    await member("DELETE", f"{V2}/networks/{made['id']}", status=204)
    await admin.get(path, 404)


async def test_a_second_one_is_refused_with_the_reason(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    made = await network(admin)
    wish = {"network_id": made["id"], "network_type": "vlan", "physical_network": "public"}
    error = await refused(admin, "POST", "/segments", {"segment": wish}, 409)
    assert "no other physical network" in error["message"]
    await refused(admin, "POST", "/segments", {"segment": {"network_id": made["id"]}}, 400)
    nowhere = {**wish, "network_id": "00000000-0000-4000-8000-000000000000"}
    await refused(admin, "POST", "/segments", {"segment": nowhere}, 404)
    (one,) = (await admin.get(f"{V2}/segments?network_id={made['id']}"))["segments"]
    error = await refused(admin, "DELETE", f"/segments/{one['id']}", None, 409)
    assert error["type"] == "SegmentInUse"
    moved = {"segment": {"segmentation_id": 5}}
    await refused(admin, "PUT", f"/segments/{one['id']}", moved, 400)
    await admin.get(f"{V2}/extensions/segment", 404)


async def test_pages_of_segments_do_not_tell_a_member_that_they_are_there(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    made = await network(admin)
    segments = (await admin.get(f"{V2}/segments?network_id={made['id']}"))["segments"]
    for query in (f"network_id={made['id']}", "physical_network=public", "network_type=geneve"):
        path = f"{V2}/segments?limit=1&{query}"
        assert "segments_links" in await admin.get(path)
        assert await member.get(path) == {"segments": []}
    for marker in (segments[0]["id"], made["id"]):
        await refused(member, "GET", f"/segments?marker={marker}", None, 400)
    ranges = f"{V2}/network_segment_ranges?limit=1"
    assert "network_segment_ranges_links" in await admin.get(ranges)
    assert await member.get(ranges) == {"network_segment_ranges": []}
