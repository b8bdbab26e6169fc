"""Limits that are registered with identity, as images feel them."""

from __future__ import annotations

from tests.api.image.helpers import IMAGES, image, upload
from tests.cloud import Cloud
from tests.disks import qcow2

RS, LS = "/v3/registered_limits", "/v3/limits"


async def test_a_registered_limit_holds_until_a_project_is_given_more(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    owner = await cloud.project_with("owner", "member")
    (service,) = (await admin.get("/v3/services?type=image"))["services"]
    what = {"service_id": service["id"], "resource_name": "image_count_total"}
    made = await admin.post(RS, {"registered_limits": [{**what, "default_limit": 1}]})
    registered = f"{RS}/{made['registered_limits'][0]['id']}"

    first = await image(owner)
    body = {"name": "second", "disk_format": "qcow2", "container_format": "bare"}
    refused = await owner("POST", IMAGES, body, status=413)
    assert f"limit of image_count_total of project {owner.project_id}: 1 allowed" in refused.text
    usage = (await owner.get("/image/v2/info/usage"))["usage"]
    assert usage["image_count_total"] == {"usage": 1, "limit": 1}

    own = {**what, "project_id": owner.project_id, "resource_limit": 2}
    limit = (await admin.post(LS, {"limits": [own]}))["limits"][0]["id"]
    await image(owner, "second")
    await owner("POST", IMAGES, body, status=413)
    await upload(owner, first, qcow2())  # an image that is there already may be filled

    other = await cloud.project_with("other", "member")
    await image(other)
    await other("POST", IMAGES, body, status=413)

    await admin("DELETE", f"{LS}/{limit}", status=204)
    await admin("DELETE", registered, status=204)
    await image(owner, "third")
