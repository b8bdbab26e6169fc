"""Servers that are booted from another image for a while."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hanok.base import failpoints
from tests.api.compute.ground import PLACES, Ground, standing
from tests.cloud import an_image

STEPS = ("FetchImage", "StopGuest", "StartRescue")


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    async with standing(tmp_path) as one:
        yield one


@pytest.mark.parametrize("before", [None, "os-stop", "error"])
@pytest.mark.parametrize("named", [True, False])
async def test_a_server_is_rescued_and_comes_back(
    ground: Ground, named: bool, before: str | None
) -> None:
    server_id = await ground.server()
    if before == "error":
        await ground.act(server_id, "os-resetState", {"state": "error"}, client=ground.admin)
    elif before:
        await ground.act(server_id, before)
    value: Any = None
    if named:
        value = {"rescue_image_ref": await an_image(ground.user, "saver"), "adminPass": "pw"}
    answer = await ground.act(server_id, "rescue", value, status=200)
    assert bool(answer.json()["adminPass"]) and (not named or answer.json()["adminPass"] == "pw")
    shown = await ground.show(server_id)
    assert (shown["status"], shown["OS-EXT-STS:vm_state"]) == ("RESCUE", "rescued")
    assert (await ground.guests())[server_id] == "running"
    await ground.assert_clean()
    for action, refused in (("rescue", None), ("pause", None), ("reboot", {"type": "HARD"})):
        said = await ground.ask(server_id, action, refused, status=409)
        assert f"Cannot '{action}' instance" in said.text and "rescued" in said.text
    await ground.act(server_id, "unrescue")
    assert await ground.status(server_id) == "ACTIVE"
    await ground.ask(server_id, "unrescue", status=409)
    assert (await ground.actions(server_id))[:2] == [("unrescue", None), ("rescue", None)]
    await ground.assert_clean()


async def test_a_rescued_server_is_deleted_whole(ground: Ground) -> None:
    server_id = await ground.server()
    await ground.act(server_id, "rescue", status=200)
    await ground.delete(server_id)
    await ground.assert_nothing_left()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"hw_rescue_device": "floppy"}, "not supported"),
        ({"hw_rescue_device": "cdrom", "hw_rescue_bus": "virtio"}, "not supported"),
        ({"hw_rescue_bus": "xen"}, "not supported"),
        ({"hw_firmware_type": "efi"}, "Field value efi is invalid"),
        ({"hw_sound_model": "ich9"}, "not supported"),
    ],
)
async def test_an_image_that_cannot_rescue_is_refused(
    ground: Ground, values: dict[str, Any], words: str
) -> None:
    server_id = await ground.server()
    value = {"rescue_image_ref": await an_image(ground.user, "x", **values)}
    assert words in (await ground.ask(server_id, "rescue", value, status=400)).text
    assert await ground.status(server_id) == "ACTIVE"


@pytest.mark.parametrize(
    "value",
    [
        {"rescue_image_ref": "70a599e0-31e7-49b7-b260-868f441e862b"},
        {"rescue_image_ref": ""},
        {"adminPass": 1},
        {"surprise": 1},
    ],
)
async def test_what_is_no_rescue_is_refused(ground: Ground, value: Any) -> None:
    server_id = await ground.server()
    await ground.ask(server_id, "rescue", value, status=400)


async def test_a_server_whose_own_image_is_gone_needs_another(ground: Ground) -> None:
    server_id = await ground.server()
    await ground.user("DELETE", f"/image/v2/images/{ground.image}", status=204)
    said = await ground.ask(server_id, "rescue", status=400)
    assert "cannot be rescued" in said.text
    other = await an_image(ground.user, "other", hw_rescue_device="disk", hw_rescue_bus="virtio")
    await ground.act(server_id, "rescue", {"rescue_image_ref": other}, status=200)
    assert await ground.status(server_id) == "RESCUE"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("step", STEPS)
async def test_a_rescue_that_breaks_leaves_the_server_as_it_was(
    ground: Ground, step: str, place: str
) -> None:
    server_id = await ground.server()
    with failpoints.armed(f"compute.rescue_server.{step}.{place}", "raise"):
        await ground.act(server_id, "rescue", status=200)
    assert await ground.status(server_id) == "ACTIVE"
    assert (await ground.guests())[server_id] == "running"
    assert (await ground.actions(server_id))[0] == ("rescue", "Error")
    await ground.assert_clean()
    await ground.act(server_id, "rescue", status=200)
    assert await ground.status(server_id) == "RESCUE"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("step", ["StopRescue", "StartOwn"])
async def test_a_server_whose_way_back_breaks_stays_rescued_and_may_try_again(
    ground: Ground, step: str, place: str
) -> None:
    server_id = await ground.server()
    await ground.act(server_id, "rescue", status=200)
    with failpoints.armed(f"compute.unrescue_server.{step}.{place}", "raise"):
        await ground.act(server_id, "unrescue")
    assert await ground.status(server_id) == "RESCUE"
    await ground.act(server_id, "unrescue")
    assert await ground.status(server_id) == "ACTIVE"
    await ground.assert_clean()
