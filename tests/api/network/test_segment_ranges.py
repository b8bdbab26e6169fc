"""Conversations about which numbers networks get."""

from __future__ import annotations

from typing import Any

from tests.api.network.test_networks import V2, network, refused
from tests.cloud import Client, Cloud


async def a_range(admin: Client, minimum: int, maximum: int, **values: Any) -> dict[str, Any]:
    body = {"network_type": "geneve", "minimum": minimum, "maximum": maximum, **values}
    answer = await admin.post(f"{V2}/network_segment_ranges", {"network_segment_range": body})
    return dict(answer["network_segment_range"])


async def number(client: Client, admin: Client, **values: Any) -> int:
    made = await network(client, **values)
    seen = (await admin.get(f"{V2}/networks/{made['id']}"))["network"]
    return int(seen["provider:segmentation_id"])


async def test_a_projects_ranges_go_before_those_for_all(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    one, other = [await cloud.project_with(name, "member") for name in ("one", "other")]
    listed = await admin.get(f"{V2}/network_segment_ranges?default=true")
    default = {one["network_type"]: one for one in listed["network_segment_ranges"]}
    assert set(default) == {"geneve", "vlan"}
    assert (
        default["vlan"]["physical_network"] == "public" and default["geneve"]["project_id"] is None
    )
    first = await number(one, admin)
    mine = await a_range(admin, 500, 501, shared=False, project_id=one.project_id, name="own")
    assert (mine["default"], mine["shared"], mine["project_id"]) == (False, False, one.project_id)
    assert (mine["used"], mine["available"]) == ({}, [500, 501])
    assert [await number(one, admin) for _ in range(3)] == [500, 501, first + 1]
    seen = (await admin.get(f"{V2}/network_segment_ranges/{mine['id']}"))["network_segment_range"]
    hyphens = await admin.get(f"{V2}/network-segment-ranges/{mine['id']}")  # as other clients write
    assert hyphens == {"network_segment_range": seen}
    assert (seen["used"], seen["available"]) == (
        {"500": one.project_id, "501": one.project_id},
        [],
    )
    assert await number(other, admin) == first + 2
    await a_range(admin, 600, 600)
    assert [await number(other, admin) for _ in range(2)] == [600, first + 3]
    path = f"{V2}/network_segment_ranges/{mine['id']}"
    wider = {"network_segment_range": {"maximum": 502, "name": "wider"}}
    changed = (await admin("PUT", path, wider, status=200)).json()["network_segment_range"]
    assert (changed["maximum"], changed["available"]) == (502, [502])
    assert await number(one, admin) == 502
    for how, body in (("PUT", {"network_segment_range": {"minimum": 501}}), ("DELETE", None)):
        error = await refused(admin, how, path.removeprefix(V2), body, 409)
        assert error["type"] == "NetworkSegmentRangeReferencedByProject"


async def test_vlans_are_given_out_too(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    vlan = {"provider:network_type": "vlan", "provider:physical_network": "public"}
    assert await number(admin, admin, **vlan) == 1
    await a_range(admin, 70, 79, network_type="vlan", physical_network="public")
    assert [await number(admin, admin, **vlan) for _ in range(2)] == [70, 71]
    assert await number(admin, admin, **vlan, **{"provider:segmentation_id": 5}) == 5


async def test_what_is_no_range_is_refused(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    made = await a_range(admin, 100, 199, tags=["t"])
    assert made["tags"] == ["t"] and made["shared"] is True

    async def no(status: int, client: Client = admin, **values: Any) -> str:
        body = {"network_type": "geneve", "minimum": 300, "maximum": 301, **values}
        body = {"network_segment_range": {k: v for k, v in body.items() if v is not ...}}
        return str((await refused(client, "POST", "/network_segment_ranges", body, status))["type"])

    assert await no(409, minimum=150) == "NetworkSegmentRangeOverlaps"
    for values in (
        {"minimum": 302},
        {"minimum": 0},
        {"network_type": "gre"},
        {"network_type": "vlan"},
        {"network_type": "vlan", "physical_network": "nowhere"},
        {"network_type": "vlan", "physical_network": "public", "maximum": 4095},
        {"physical_network": "public"},
        {"minimum": ...},
        {"project_id": member.project_id},
    ):
        await no(400, **values)
    await no(403, member)
    assert (await member.get(f"{V2}/network_segment_ranges"))["network_segment_ranges"] == []
    await refused(member, "GET", f"/network_segment_ranges/{made['id']}", None, 404)
    listed = await admin.get(f"{V2}/network_segment_ranges?default=true&network_type=geneve")
    path = f"/network_segment_ranges/{listed['network_segment_ranges'][0]['id']}"
    for how, body in (("PUT", {"network_segment_range": {"minimum": 5}}), ("DELETE", None)):
        error = await refused(admin, how, path, body, 400)
        assert error["type"] == "NetworkSegmentRangeDefaultReadOnly"
    own = f"/network_segment_ranges/{made['id']}"
    await refused(admin, "PUT", own, {"network_segment_range": {"network_type": "vlan"}}, 400)
    await admin("DELETE", f"{V2}{own}", status=204)
