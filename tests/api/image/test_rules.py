"""What an operator sets: limits and protected properties."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from hanok.services.image.facade import ImageSettings, StoreSettings
from tests.api.image.helpers import IMAGES, OCTETS, bring_in, image, patch, stage, upload
from tests.cloud import running
from tests.disks import qcow2

RAW = {"disk_format": "raw"}
MIB = bytes(range(256)) * 4096


def limited(**limits: int) -> ImageSettings:
    stores = (StoreSettings(id="file"), StoreSettings(id="two", folder=""))
    return ImageSettings(stores=stores[:1], limits=limits)


async def test_images_are_counted(tmp_path: Path, database_url: str) -> None:
    requested = limited(image_count_total=2)
    async with running(tmp_path, database=database_url, image=requested) as cloud:
        one, two = await cloud.project_with("p", "member"), await cloud.project_with("q", "member")
        answers = await asyncio.gather(*(one("POST", IMAGES, {"name": "x"}) for _ in range(4)))
        assert sorted(answer.status_code for answer in answers) == [201, 201, 413, 413]
        assert len((await one.get(IMAGES))["images"]) == 2
        usage = (await one.get("/image/v2/info/usage"))["usage"]
        assert usage["image_count_total"] == {"usage": 2, "limit": 2}
        assert usage["image_size_total"] == {"usage": 0, "limit": -1}
        await image(two)
        first = (await one.get(IMAGES))["images"][0]["id"]
        await one("DELETE", f"{IMAGES}/{first}", status=204)
        await image(one)


async def test_bytes_are_counted(tmp_path: Path, database_url: str) -> None:
    requested = limited(image_size_total=3, image_stage_total=1)
    async with running(tmp_path, database=database_url, image=requested) as cloud:
        one = await cloud.project_with("p", "member")
        kept = await image(one, **RAW)
        await upload(one, kept, MIB * 2)
        large = await image(one, **RAW)
        assert "image_size_total" in await upload(one, large, MIB * 2, 413)
        # Nobody said how much would come: it is counted when it is there.
        answer = await one.http.request(
            "PUT",
            f"{IMAGES}/{large}/file",
            content=_stream(2),
            headers={**OCTETS, "X-Auth-Token": one.token},
        )
        assert answer.status_code == 413
        shown = await one.get(f"{IMAGES}/{large}")
        assert shown["status"] == "queued" and shown["size"] is None
        assert [path.name for path in cloud.control.settings.images.iterdir()] == [kept]
        await stage(one, large, MIB * 2, 413)
        await stage(one, large, MIB)
        usage = (await one.get("/image/v2/info/usage"))["usage"]
        assert usage["image_stage_total"] == {"usage": 1, "limit": 1}
        assert usage["image_size_total"] == {"usage": 2, "limit": 3}
        other = await image(one, **RAW)
        await stage(one, other, MIB, 413)
        assert (await bring_in(cloud, one, large, "glance-direct"))["status"] == "active"
        full = await image(one, **RAW)
        await stage(one, full, MIB)
        assert (await bring_in(cloud, one, full, "glance-direct"))["status"] == "queued"


async def _stream(mib: int) -> Any:
    for _ in range(mib):
        yield MIB


async def test_uploads_at_once_are_counted(tmp_path: Path, database_url: str) -> None:
    requested = limited(image_count_uploading=1)
    async with running(tmp_path, database=database_url, image=requested) as cloud:
        one = await cloud.project_with("p", "member")
        first, second = await image(one), await image(one)
        await stage(one, first, qcow2())
        assert "image_count_uploading" in await upload(one, second, qcow2(), 413)
        assert (await one.get(f"{IMAGES}/{second}"))["status"] == "queued"
        await bring_in(cloud, one, first, "glance-direct")
        await upload(one, second, qcow2())


PROTECTIONS = """
[^x_owner_]
create = admin, member
read = admin, member
update = admin
delete = admin
[^x_hidden_]
create = admin
read = admin
update = admin
delete = admin
[^x_fixed_]
create = @
read = @
update = !
delete = !
[^os_]
create = @
read = @
update = @
delete = @
"""


async def test_properties_are_protected_by_roles(tmp_path: Path, database_url: str) -> None:
    file = tmp_path / "protections.conf"
    file.write_text(PROTECTIONS)
    requested = ImageSettings(property_protections=str(file))
    async with running(tmp_path / "state", database=database_url, image=requested) as cloud:
        one, admin = await cloud.project_with("p", "member"), await cloud.sign_in()
        for name in ("x_hidden_a", "anything_else"):
            await one.post(IMAGES, {"name": "x", name: "1"}, 403)
        image_id = await image(one, x_owner_a="1", x_fixed_a="1", os_distro="debian")
        add = {"op": "add", "path": "/x_hidden_a", "value": "1"}
        await patch(one, image_id, add, status=403)
        await patch(admin, image_id, add)
        mine = await one.get(f"{IMAGES}/{image_id}")
        assert "x_hidden_a" not in mine and mine["x_owner_a"] == "1"
        assert "x_hidden_a" not in (await one.get(IMAGES))["images"][0]
        assert (await admin.get(f"{IMAGES}/{image_id}"))["x_hidden_a"] == "1"
        for change in (
            {"op": "replace", "path": "/x_owner_a", "value": "2"},
            {"op": "remove", "path": "/x_owner_a"},
            {"op": "replace", "path": "/x_fixed_a", "value": "2"},
            {"op": "remove", "path": "/x_fixed_a"},
        ):
            await patch(one, image_id, change, status=403)
        await patch(one, image_id, {"op": "remove", "path": "/x_hidden_a"}, status=409)
        await patch(one, image_id, {"op": "replace", "path": "/os_distro", "value": "ubuntu"})
        # What the caller does not see survives their change.
        assert (await admin.get(f"{IMAGES}/{image_id}"))["x_hidden_a"] == "1"
        await patch(admin, image_id, {"op": "remove", "path": "/x_fixed_a"}, status=403)
        file.write_text("[broken")
        await one("GET", f"{IMAGES}/{image_id}", status=503)  # closed, not open


async def test_properties_are_protected_by_policies(tmp_path: Path, database_url: str) -> None:
    file = tmp_path / "protections.conf"
    file.write_text(
        "[.*]\ncreate = context_is_admin\nread = default\nupdate = context_is_admin\ndelete = !\n"
    )
    requested = ImageSettings(property_protections=str(file), protections_by="policies")
    async with running(tmp_path / "state", database=database_url, image=requested) as cloud:
        one, admin = await cloud.project_with("p", "member"), await cloud.sign_in()
        await one.post(IMAGES, {"name": "x", "a": "1"}, 403)
        image_id = await image(admin, visibility="public", a="1")
        assert (await one.get(f"{IMAGES}/{image_id}"))["a"] == "1"
        await patch(admin, image_id, {"op": "remove", "path": "/a"}, status=403)
