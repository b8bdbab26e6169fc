"""What the cloud measures of its own things."""

from __future__ import annotations

from typing import Any

from hanok.services.metric.service import MetricRoom
from tests.cloud import Client, Cloud, an_image, settle

METRIC = "/metric/v1"


async def measured(cloud: Cloud) -> None:
    room = cloud.control.house.rooms["metric"]
    assert isinstance(room, MetricRoom)
    await room.poll()


async def newest(client: Client, kind: str, meter: str) -> tuple[dict[str, Any], float]:
    """The one resource of a type, and the newest value of a meter."""
    (found,) = await client.get(f"{METRIC}/resource/{kind}")
    lines = await client.get(f"{METRIC}/resource/{kind}/{found['id']}/metric/{meter}/measures")
    return found, float(lines[-1][2])


async def test_volumes_images_addresses_and_accounts_are_measured(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    made = await member.post("/volume/v3/volumes", {"volume": {"name": "data", "size": 3}}, 202)
    wish = {"share": {"share_proto": "NFS", "size": 2, "name": "home"}}
    shared = (await member.post("/share/v2/shares", wish, status=200))["share"]["id"]
    await an_image(member, "mine")
    public = (await member.get("/network/v2.0/networks?router:external=true"))["networks"][0]["id"]
    wish = {"floatingip": {"floating_network_id": public}}
    await member.post("/network/v2.0/floatingips", wish)
    await settle(cloud)
    await measured(cloud)
    volume, size = await newest(member, "volume", "volume.size")
    assert (volume["id"], size) == (made["volume"]["id"], 3)
    assert (volume["display_name"], volume["creator"]) == ("data", "ceilometer:service")
    share, size = await newest(member, "manila_share", "manila.share.size")
    assert (share["id"], share["name"], share["protocol"], size) == (shared, "home", "NFS", 2)
    assert share["status"] == "available" and share["availability_zone"] == "nova"
    image, size = await newest(member, "image", "image.size")
    assert image["name"] == "mine" and size > 0
    assert (await newest(member, "network", "ip.floating"))[1] == 1
    await member("DELETE", f"{METRIC}/resource/volume/{volume['id']}", status=403)
    sent = [{"timestamp": "2026-03-06T14:00:00", "value": 1}]
    path = f"{METRIC}/resource/volume/{volume['id']}/metric/volume.size/measures"
    await member("POST", path, sent, status=403)
    renamed = {"volume": {"name": "other"}}
    await member("PUT", f"/volume/v3/volumes/{volume['id']}", renamed, status=200)
    await measured(cloud)
    past = await member.get(f"{METRIC}/resource/volume/{volume['id']}/history")
    assert [one["display_name"] for one in past] == ["data", "other"]
    await member("DELETE", f"/volume/v3/volumes/{volume['id']}", status=202)
    await settle(cloud)
    await measured(cloud)
    (ended,) = await admin.get(f"{METRIC}/resource/volume")
    assert ended["ended_at"] is not None and ended["metrics"]
