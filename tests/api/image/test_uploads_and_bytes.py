"""Whose bytes an upload, an import and a location are: what a late one must not touch."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hanok.base.errors import Conflict
from hanok.services.image import facade
from hanok.services.image.logic import images
from hanok.services.image.room import Images
from hanok.store import Transaction
from tests.api.image.helpers import image
from tests.cloud import Cloud


async def _row(tx: Transaction, image_id: str) -> Any:
    """The row of an image that is there."""
    row = await images.get_any(tx, image_id)
    assert row is not None
    return row


async def test_bytes_that_another_image_has_are_not_thrown_away(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    one, other = await image(member), await image(member)
    now = cloud.control.clock.now()
    async with cloud.control.database.write() as tx:
        for image_id in (one, other):
            await images.add_location(tx, image_id, "file", "shared")
        for image_id, freed in ((one, False), (other, True)):
            (location,) = (await images.locations(tx, [image_id]))[image_id]
            assert await images.remove_location(tx, location, now)
            assert await images.in_trash(tx, "file", "shared") is freed


async def test_no_upload_begins_while_an_import_is_under_way(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await image(member)
    now = cloud.control.clock.now()
    async with cloud.control.database.write() as tx:
        row = await _row(tx, made)
        await images.begin_import(tx, row, "task", ["file"], now, status=None)
        with pytest.raises(Conflict):
            await images.begin_upload(tx, row, "file", now)


async def test_a_late_upload_does_not_finish_that_of_another(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await image(member)
    now = cloud.control.clock.now()
    async with cloud.control.database.write() as tx:
        numbers = []
        for _ in range(2):
            numbers.append(await images.begin_upload(tx, await _row(tx, made), "file", now))
            if len(numbers) == 1:
                await images.give_up_upload(tx, made, numbers[0], now)
        late, mine = numbers
        assert not await images.touch_upload(tx, made, late, now)
        await images.give_up_upload(tx, made, late, now)
        assert not await images.finish_upload(tx, made, late, {"status": "active"}, now)
        assert await images.finish_upload(tx, made, mine, {"status": "active"}, now)


async def test_what_an_upload_has_written_is_freed_with_its_image(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await image(member)
    now = cloud.control.clock.now()
    async with cloud.control.database.write() as tx:
        number = await images.begin_upload(tx, await _row(tx, made), "file", now)
        await images.forget(tx, await _row(tx, made), now)
        assert await images.in_trash(tx, "file", f"{made}{images.ATTEMPT}{number}")


@pytest.mark.parametrize("way", ["deleted", "taken_up"])
async def test_bytes_that_were_whole_before_the_row_said_so_are_freed(
    cloud: Cloud, way: str
) -> None:
    """The process died between the two: the image still waits for its data, which nothing refers to."""
    member = await cloud.project_with("p", "member")
    made, now = await image(member), cloud.control.clock.now()
    room = cloud.control.house.facade(Images)
    async with cloud.control.database.write() as tx:
        begun = now if way == "deleted" else now - timedelta(seconds=facade.UPLOAD_DEAD_S + 1)
        await images.begin_upload(tx, await _row(tx, made), "file", begun)
    path = room.stores["file"].path(made)
    assert path is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"whole")
    if way == "deleted":
        await member("DELETE", f"/image/v2/images/{made}", status=204)
    else:
        await facade.mend(room)
        assert (await member.get(f"/image/v2/images/{made}"))["status"] == "queued"
    assert not path.exists()
