"""The image service's store `swift`: images are objects of a project of this cloud."""

from __future__ import annotations

from pathlib import Path

from tests.api.object_storage.objects import Swift
from tests.cloud import an_image, running
from tests.disks import qcow2

from hanok.services.image.facade import ImageSettings
from hanok.services.image.room import StoreSettings


async def test_images_are_kept_as_objects(tmp_path: Path) -> None:
    async with running(tmp_path, hosts=0) as cloud:
        owner = await cloud.project_with("images", "member")
    stores = (
        StoreSettings(id="swift", kind="swift", container="kept", project_id=owner.project_id),
    )
    async with running(tmp_path, hosts=0, image=ImageSettings(stores=stores)) as cloud:
        admin = await cloud.sign_in()
        swift = Swift(await cloud.sign_in("images", project="images"))
        image = await an_image(admin)
        assert (await swift("GET", f"/kept/{image}", 200)).content == qcow2()
        assert (await admin("GET", f"/image/v2/images/{image}/file", status=200)).content == qcow2()
        told = (await admin.get("/image/v2/info/stores/detail"))["stores"]
        assert [(one["type"], one["properties"]) for one in told] == [
            ("swift", {"container": "kept"})
        ]
        await admin("DELETE", f"/image/v2/images/{image}", status=204)
        await swift("GET", f"/kept/{image}", 404)
