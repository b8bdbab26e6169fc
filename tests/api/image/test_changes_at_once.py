"""Changes of one image at once, on two processes: none takes another's back, and none decides on what is no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cloud import Client, running

IMAGES = "/image/v2/images"
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
TIMES = 4


def _set(name: str, value: Any, how: str = "add") -> list[dict[str, Any]]:
    return [{"op": how, "path": f"/{name}", "value": value}]


@pytest.fixture
async def admins(tmp_path: Path, database_url: str) -> AsyncIterator[list[Client]]:
    """An administrator at each of two processes of one cloud."""
    async with AsyncExitStack() as stack:
        clouds = [
            await stack.enter_async_context(
                running(tmp_path, database=database_url, node_name=f"control-{number}")
            )
            for number in range(2)
        ]
        yield [await cloud.sign_in() for cloud in clouds]


async def _image(admins: list[Client], **values: Any) -> str:
    made = await admins[0].post(IMAGES, {"name": "i", "visibility": "shared", **values})
    return f"{IMAGES}/{made['id']}"


async def _at_once(admins: list[Client], *asks: tuple[str, str, Any]) -> list[httpx.Response]:
    answers = await asyncio.gather(
        *(
            admins[number % 2](method, path, body, headers=PATCH if method == "PATCH" else {})
            for number, (method, path, body) in enumerate(asks)
        )
    )
    assert all(one.status_code < 500 for one in answers), [one.text for one in answers]
    return answers


async def test_properties_and_tags_that_are_set_at_once_all_stay(admins: list[Client]) -> None:
    path = await _image(admins)
    names = [f"n{number}" for number in range(6)]
    await _at_once(
        admins,
        *(("PATCH", path, _set(name, "v")) for name in names),
        *(("PUT", f"{path}/tags/{name}", None) for name in names),
    )
    shown = await admins[0].get(path)
    assert sorted(shown["tags"]) == names
    assert [name for name in names if shown.get(name) != "v"] == []


async def test_an_image_that_turns_protected_is_not_deleted(admins: list[Client]) -> None:
    for _ in range(TIMES):
        path = await _image(admins)
        kept, gone = await _at_once(
            admins, ("PATCH", path, _set("protected", True, "replace")), ("DELETE", path, None)
        )
        assert (kept.status_code, gone.status_code) in ((200, 403), (404, 204))
        assert (await admins[0]("GET", path)).status_code == kept.status_code


async def test_members_that_are_offered_and_answered_at_once(admins: list[Client]) -> None:
    path = await _image(admins)
    projects = [f"p{number}" for number in range(6)]
    await _at_once(admins, *(("POST", f"{path}/members", {"member": one}) for one in projects * 2))
    members = (await admins[0].get(f"{path}/members"))["members"]
    assert sorted(one["member_id"] for one in members) == projects
