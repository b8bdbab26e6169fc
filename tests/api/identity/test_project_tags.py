"""Tags of projects, one at a time."""

from __future__ import annotations

from tests.cloud import Cloud


async def test_a_tag_that_is_there_is_not_added_again(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    path = f"/v3/projects/{admin.project_id}/tags"
    await admin("PUT", f"{path}/blue", status=201)
    await admin("PUT", f"{path}/blue", status=400)
    await admin("PUT", f"{path}/Blue", status=201)  # another word
    assert (await admin.get(path))["tags"] == ["Blue", "blue"]
