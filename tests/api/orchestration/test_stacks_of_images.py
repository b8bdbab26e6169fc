"""Images of stacks: their data comes from the web, by the image service's own rules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hanok.drivers.image_stores.web import WebRules
from hanok.services.image.facade import ImageSettings
from tests.api.orchestration.stackery import Stackery, standing
from tests.disks import qcow2
from tests.web import Page, Web, serving

IMAGES = "/image/v2/images"


class Ground:
    """A stackery that may download from the test's own server, and that server."""

    def __init__(self, stackery: Stackery, web: Web) -> None:
        self.stackery, self.web = stackery, web
        web.pages["/disk"] = Page(data=qcow2())

    def image(self, path: str = "/disk", **more: Any) -> dict[str, Any]:
        formats = {"disk_format": "qcow2", "container_format": "bare"}
        properties = {"location": self.web.url(path), **formats, **more}
        return {"i": {"type": "OS::Glance::WebImage", "properties": properties}}

    async def images(self) -> list[dict[str, Any]]:
        found = await self.stackery.user.get(f"{IMAGES}?owner={self.stackery.user.project_id}")
        return list(found["images"])


@pytest.fixture
async def ground(tmp_path: Path, database_url: str) -> AsyncIterator[Ground]:
    with serving() as web:
        settings = ImageSettings(web=WebRules(ports=(web.port,), networks=("127.0.0.1/32",)))
        async with standing(tmp_path, database=database_url, image=settings) as stackery:
            yield Ground(stackery, web)


async def test_an_image_of_a_stack_has_its_data_from_the_web(ground: Ground) -> None:
    first = ground.image(name="a", min_ram=1, tags=["t"], extra_properties={"hw_disk_bus": "scsi"})
    path = await ground.stackery.stack(first)
    (made,) = await ground.images()
    assert (made["name"], made["status"], made["min_ram"]) == ("a", "active", 1)
    assert (made["tags"], made["hw_disk_bus"]) == (["t"], "scsi")
    data = await ground.stackery.user("GET", f"{IMAGES}/{made['id']}/file", status=200)
    assert data.content == qcow2()
    # Its name and visibility are changed in place; other bytes are another image.
    await ground.stackery.update(path, ground.image(name="a", min_ram=1, visibility="community"))
    ids = {one["id"] for one in await ground.images()}
    ground.web.pages["/other"] = Page(data=qcow2())
    await ground.stackery.update(path, ground.image("/other", name="b"))
    (now,) = await ground.images()
    assert now["name"] == "b" and now["id"] not in ids
    await ground.stackery.delete(path)
    assert await ground.images() == []


async def test_an_image_whose_data_does_not_come_fails_and_says_so(ground: Ground) -> None:
    for number, location in enumerate((ground.web.url("/nothing"), "http://127.0.0.1:1/disk")):
        resources = ground.image()
        resources["i"]["properties"]["location"] = location
        path = await ground.stackery.stack(resources, "CREATE_FAILED", name=f"s{number}")
        why = (await ground.stackery.resources(path))["i"]["resource_status_reason"]
        assert "could not be fetched" in why or "not allowed" in why, why
        await ground.stackery.delete(path)
    assert await ground.images() == []
