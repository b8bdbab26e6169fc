"""A service from elsewhere: added by docs/adding-a-service.md alone, and served like those of the house."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hanok.events import Event
from tests.cloud import Client, Cloud, running, settle

LIBRARY = "/library/v1"
NEWEST = {"OpenStack-API-Version": "library latest"}


@pytest.fixture
async def cloud(tmp_path: Path, database_url: str) -> AsyncIterator[Cloud]:
    services = {"library": "tests.toy.service"}
    async with running(tmp_path, database=database_url, hosts=0, more_services=services) as cloud:
        yield cloud


async def _shelf(client: Client, name: str = "poems") -> str:
    made = await client.post(f"{LIBRARY}/shelves", {"shelf": {"name": name}})
    return str(made["shelf"]["id"])


async def _status(client: Client, shelf_id: str) -> str:
    listed = (await client.get(f"{LIBRARY}/shelves"))["shelves"]
    return next(str(one["status"]) for one in listed if one["id"] == shelf_id)


async def test_it_is_in_the_catalog_and_its_resources_are_served(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    catalog = (await member.get("/v3/auth/catalog"))["catalog"]
    assert "library" in {one["type"] for one in catalog}
    shelf = await _shelf(member)
    listed = (await member.get(f"{LIBRARY}/shelves?name=poems"))["shelves"]
    assert [one["id"] for one in listed] == [shelf]
    assert (await member.get(f"{LIBRARY}/shelves?name=other"))["shelves"] == []
    card = await member.get(f"{LIBRARY}/card")
    assert card == await member.get(f"{LIBRARY}/card")
    stranger = await cloud.project_with("q", "member")
    assert (await stranger.get(f"{LIBRARY}/shelves"))["shelves"] == []
    await stranger.get(f"{LIBRARY}/shelves/{shelf}/books", status=404)
    await cloud.anonymous("GET", f"{LIBRARY}/shelves", status=401)
    await member("POST", f"{LIBRARY}/shelves", {"shelf": {"name": "a", "x": 1}}, status=400)


async def test_microversions_change_what_is_taken_and_shown(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    books = f"{LIBRARY}/shelves/{await _shelf(member)}/books"
    body = {"book": {"title": "T", "isbn": "9780000000000"}}
    await member("POST", books, body, status=400)
    first = {"OpenStack-API-Version": "library 1.1"}
    made = (await member.post(books, body, headers=first))["book"]
    assert made["isbn"] == "9780000000000" and "bound" not in made
    assert set((await member.get(books))["books"][0]) == {"id", "title"}
    assert (await member.get(books, headers=NEWEST))["books"][0]["bound"] is False
    assert await member.get(f"{LIBRARY}/shelves?odd=1")
    await member.get(f"{LIBRARY}/shelves?odd=1", headers=first, status=400)


async def test_a_declared_resource_has_doors_rules_and_versions(cloud: Cloud) -> None:
    member, reader = (
        await cloud.project_with("p", "member"),
        await cloud.project_with("q", "reader"),
    )
    shelves, first = f"{LIBRARY}/shelves", {"OpenStack-API-Version": "library 1.1"}
    body = {"shelf": {"name": "poems", "topic": "the sea"}}
    refused = await member("POST", shelves, body, status=400)
    assert "topic" in refused.text  # the oldest version does not know it
    made = (await member.post(shelves, body, headers=first))["shelf"]
    assert made["topic"] == "the sea" and "project_id" not in made
    one = f"{shelves}/{made['id']}"
    assert set((await member.get(one))["shelf"]) == {"id", "name", "status", "created_at"}
    assert (await member.get(f"{shelves}?topic=none"))["shelves"]  # and passes over the filter
    assert not (await member.get(f"{shelves}?topic=none", headers=first))["shelves"]
    assert (await member.get(f"{shelves}?topic=the sea", headers=first))["shelves"] == [made]
    await member.get(f"{shelves}?sort_key=topic", status=400)
    assert (await member.get(f"{shelves}?sort_key=topic", headers=first))["shelves"] == [made]
    changed = await member("PUT", one, {"shelf": {"name": "verse"}}, status=200)
    assert changed.json()["shelf"]["name"] == "verse"
    for wrong in ({"status": "bound"}, {"topic": "x"}, {"name": ""}, {"name": 1}):
        await member("PUT", one, {"shelf": wrong}, status=400)
    await reader("POST", shelves, body, headers=first, status=403)  # an attribute's own rule
    await reader("POST", shelves, {"shelf": {"name": "poems"}}, status=201)
    await reader("PUT", one, {"shelf": {"name": "mine"}}, status=404)
    await reader.get(one, status=404)


async def test_a_declared_list_has_pages(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    ids = [await _shelf(member, name) for name in ("b", "a")]
    page = await member.get(f"{LIBRARY}/shelves?limit=1")
    assert [one["id"] for one in page["shelves"]] == ids[:1]
    link = str(page["shelves_links"][0]["href"])
    following = (await member.get(LIBRARY + link.partition(LIBRARY)[2]))["shelves"]
    assert [one["id"] for one in following] == ids[1:]
    by_name = (await member.get(f"{LIBRARY}/shelves?sort_key=name"))["shelves"]
    assert [one["name"] for one in by_name] == ["a", "b"]
    stranger = await cloud.project_with("q", "member")
    await stranger.get(f"{LIBRARY}/shelves?marker={ids[0]}", status=400)


async def test_an_operation_with_parts_tells_of_itself(cloud: Cloud) -> None:
    told: list[str] = []

    async def hear(event: Event) -> None:
        told.append(event.kind)

    cloud.control.events.on("library.", hear)
    member = await cloud.project_with("p", "member")
    shelf = await _shelf(member)
    for title in ("one", "two", "three"):
        await member.post(f"{LIBRARY}/shelves/{shelf}/books", {"book": {"title": title}})
    await member.post(f"{LIBRARY}/shelves/{shelf}/bind", None, 202)
    async with asyncio.timeout(30):
        while await _status(member, shelf) != "bound":
            await asyncio.sleep(0.01)
    books = (await member.get(f"{LIBRARY}/shelves/{shelf}/books", headers=NEWEST))["books"]
    assert [one["bound"] for one in books] == [True] * 3
    async with asyncio.timeout(30):
        while told != ["library.shelf.bind.start", "library.shelf.bind.end"]:
            await asyncio.sleep(0.01)


async def test_a_part_that_fails_shows_on_the_whole(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    shelf = await _shelf(member)
    for title in ("one", ""):
        await member.post(f"{LIBRARY}/shelves/{shelf}/books", {"book": {"title": title}})
    await member.post(f"{LIBRARY}/shelves/{shelf}/bind", None, 202)
    async with asyncio.timeout(30):
        while await _status(member, shelf) != "error":
            await asyncio.sleep(0.01)
    await settle(cloud)


async def test_a_quota_holds_and_the_service_is_switched_off_and_on(cloud: Cloud) -> None:
    admin, member = await cloud.sign_in(), await cloud.project_with("p", "member")
    for name in ("a", "b"):
        await _shelf(member, name)
    await member("POST", f"{LIBRARY}/shelves", {"shelf": {"name": "c"}}, status=403)
    await admin("PUT", "/hanok/v1/services/library", {"enabled": False}, status=204)
    async with asyncio.timeout(60):
        while (await member("GET", f"{LIBRARY}/shelves")).status_code != 503:
            await asyncio.sleep(0.01)
    await admin("PUT", "/hanok/v1/services/library", {"enabled": True}, status=204)
    async with asyncio.timeout(60):
        while (await member("GET", f"{LIBRARY}/shelves")).status_code != 200:
            await asyncio.sleep(0.01)
    assert len((await member.get(f"{LIBRARY}/shelves"))["shelves"]) == 2
