"""Locations: shown and changed where the operator allows it, and added by services."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hanok.drivers.image_stores.web import WebRules
from hanok.events.tables import events
from hanok.services.image.facade import ImageSettings, StoreSettings
from tests.api.image.helpers import IMAGES, OCTETS, data_of, image, patch, upload
from tests.cloud import Client, Cloud, a_flavor, a_server, running, settle
from tests.disks import qcow2
from tests.web import Page, Web, serving

STORES = (StoreSettings(id="file"), StoreSettings(id="web", kind="http"))


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as made:
        made.pages["/disk"] = Page(data=qcow2())
        yield made


def settings(web: Web, **more: Any) -> ImageSettings:
    rules = WebRules(ports=(web.port,), networks=("127.0.0.1/32",))
    return ImageSettings(stores=STORES, web=rules, **more)


@pytest.fixture
async def shown(tmp_path: Path, database_url: str, web: Web) -> AsyncIterator[Cloud]:
    """A cloud that shows and takes locations."""
    requested = settings(web, show_multiple_locations=True, show_image_direct_url=True)
    async with running(tmp_path / "state", database=database_url, image=requested) as cloud:
        yield cloud


async def locations(client: Client, image_id: str) -> list[str]:
    return [one["url"] for one in (await client.get(f"{IMAGES}/{image_id}"))["locations"]]


async def test_locations_are_hidden_unless_the_operator_shows_them(cloud: Cloud) -> None:
    one = await cloud.project_with("p", "member")
    image_id = await image(one)
    await upload(one, image_id, qcow2())
    plain = await one.get(f"{IMAGES}/{image_id}")
    assert "locations" not in plain and "direct_url" not in plain
    value = {"url": "http://example.org/x", "metadata": {}}
    change = {"op": "add", "path": "/locations/-", "value": value}
    await patch(one, image_id, change, status=403)


async def test_an_uploaded_image_shows_where_it_is(shown: Cloud) -> None:
    one, two = await shown.project_with("p", "member"), await shown.project_with("q", "member")
    image_id = await image(one, visibility="community")
    assert await locations(one, image_id) == []
    await upload(one, image_id, qcow2())
    mine = await one.get(f"{IMAGES}/{image_id}")
    assert mine["locations"][0]["url"].startswith("file:///")
    assert mine["locations"][0]["metadata"] == {"store": "file"}
    assert mine["direct_url"] == mine["locations"][0]["url"]
    theirs = await two.get(f"{IMAGES}/{image_id}")
    assert theirs["locations"] == [] and "direct_url" not in theirs


async def test_events_tell_of_no_locations(shown: Cloud, web: Web) -> None:
    """Their addresses may hold secrets, and payloads are for whoever listens."""
    one = await shown.project_with("p", "member")
    image_id = await image(one)
    web.pages["/disk?signature=secret"] = web.pages["/disk"]
    address = web.url("/disk?signature=secret")
    value = {"url": address, "metadata": {}}
    await patch(one, image_id, {"op": "add", "path": "/locations/-", "value": value})
    assert await locations(one, image_id) == [address]
    await patch(one, image_id, {"op": "replace", "path": "/name", "value": "new"})
    async with shown.control.database.read() as tx:
        rows = await tx.all(sa.select(events).where(events.c.resource == f"image:{image_id}"))
    assert {row.kind for row in rows} == {"image.create", "image.update", "image.activate"}
    assert rows[-1].payload["name"] == "new" and "secret" not in str(rows)


async def test_locations_on_the_web_are_added_reordered_and_removed(shown: Cloud, web: Web) -> None:
    one, admin = await shown.project_with("p", "member"), await shown.sign_in()
    image_id = await image(one)
    first = {"url": web.url("/disk"), "metadata": {"foo": "bar"}}
    made = await patch(one, image_id, {"op": "add", "path": "/locations/-", "value": first})
    assert (made["status"], made["size"], made["stores"]) == ("active", len(qcow2()), "web")
    assert made["locations"][0]["metadata"] == {"foo": "bar", "store": "web"}
    assert await data_of(one, image_id) == qcow2()
    add = {"op": "add", "path": "/locations/-", "value": first}
    await patch(one, image_id, add, status=400)  # it is there already
    second = {"url": web.url("/disk") + "#new", "metadata": {}}
    await patch(one, image_id, {"op": "add", "path": "/locations/0", "value": second})
    assert await locations(one, image_id) == [second["url"], first["url"]]
    turned = {"op": "replace", "path": "/locations", "value": [first, second]}
    await patch(one, image_id, turned)
    assert await locations(one, image_id) == [first["url"], second["url"]]
    for value, status in (([first], 400), ([], 403), ("x", 400), ([first, {"url": "x:"}], 400)):
        change = {"op": "replace", "path": "/locations", "value": value}
        await patch(one, image_id, change, status=status)
    await patch(one, image_id, {"op": "remove", "path": "/locations/0"}, status=403)
    await patch(admin, image_id, {"op": "remove", "path": "/locations/7"}, status=400)
    await patch(admin, image_id, {"op": "remove", "path": "/locations/0"})
    assert await locations(one, image_id) == [second["url"]]
    await patch(admin, image_id, {"op": "remove", "path": "/locations/0"}, status=403)


@pytest.mark.parametrize(
    "url",
    [
        "gopher://example.org/x",
        "file:///etc/passwd",
        "http://127.0.0.1:1/x",
        "http://169.254.169.254/x",
        "s3://x/y",
        "x" * 2000,
    ],
)
async def test_locations_that_lead_inside_are_refused(shown: Cloud, url: str) -> None:
    one = await shown.project_with("p", "member")
    image_id = await image(one)
    value = {"url": url, "metadata": {}}
    await patch(one, image_id, {"op": "add", "path": "/locations/-", "value": value}, status=400)
    await one("POST", f"{IMAGES}/{image_id}/locations", {"url": url}, status=400)
    assert (await one.get(f"{IMAGES}/{image_id}"))["status"] == "queued"


async def test_another_images_object_cannot_be_named(shown: Cloud) -> None:
    one, two = await shown.project_with("p", "member"), await shown.project_with("q", "member")
    secret = await image(one, visibility="private")
    await upload(one, secret, qcow2())
    (url,) = await locations(one, secret)
    mine = await image(two)
    value = {"url": url, "metadata": {}}
    await patch(two, mine, {"op": "add", "path": "/locations/-", "value": value}, status=400)
    await two("POST", f"{IMAGES}/{mine}/locations", {"url": url}, status=400)
    service = await shown.project_with("services", "admin", "service")
    await service("POST", f"{IMAGES}/{mine}/locations", {"url": url}, status=409)


async def test_hashes_that_are_given_stay(shown: Cloud, web: Web) -> None:
    one = await shown.project_with("p", "member")
    image_id = await image(one)
    said = {"checksum": "1" * 32, "os_hash_algo": "sha512", "os_hash_value": "deadbeef" * 16}
    value = {"url": web.url("/disk"), "metadata": {}, "validation_data": said}
    made = await patch(one, image_id, {"op": "add", "path": "/locations/-", "value": value})
    assert {name: made[name] for name in said} == said
    assert "validation_data" not in made["locations"][0]
    other = {**said, "checksum": "2" * 32}
    value = {"url": web.url("/disk#2"), "metadata": {}, "validation_data": other}
    await patch(one, image_id, {"op": "add", "path": "/locations/-", "value": value}, status=409)


async def add(client: Client, cloud: Cloud, image_id: str, url: str, **said: str) -> dict[str, Any]:
    body = {"url": url, **({"validation_data": said} if said else {})}
    await client("POST", f"{IMAGES}/{image_id}/locations", body, status=202)
    await settle(cloud)
    return dict(await client.get(f"{IMAGES}/{image_id}"))


async def test_a_location_is_hashed_and_looked_at(
    tmp_path: Path, database_url: str, web: Web
) -> None:
    web.pages["/other"] = Page(data=b"no disk at all" * 100)
    state = tmp_path / "state"
    async with running(state, database=database_url, image=settings(web)) as cloud:
        one = await cloud.project_with("p", "member")
        image_id = await image(one)
        made = await add(one, cloud, image_id, web.url("/disk"))
        assert (made["status"], made["size"], made["stores"]) == ("active", len(qcow2()), "web")
        assert made["os_hash_value"] == hashlib.sha512(qcow2()).hexdigest()
        assert made["checksum"] == hashlib.md5(qcow2()).hexdigest()
        (task,) = (await one.get(f"{IMAGES}/{image_id}/tasks"))["tasks"]
        assert (task["type"], task["status"]) == ("location_import", "success")
        await one("POST", f"{IMAGES}/{image_id}/locations", {"url": web.url("/disk")}, status=409)
        right = hashlib.sha256(qcow2()).hexdigest()
        image_id = await image(one)
        made = await add(
            one, cloud, image_id, web.url("/disk"), os_hash_algo="sha256", os_hash_value=right
        )
        assert (made["status"], made["os_hash_value"]) == ("active", right)
        image_id = await image(one)
        made = await add(
            one, cloud, image_id, web.url("/disk"), os_hash_algo="sha256", os_hash_value="0" * 64
        )
        # Nothing at the location is ours to free: the image shows where it was said to be, until it has data.
        assert made["status"] == "queued" and made["os_hash_value"] is None
        assert made["stores"] == "web"
        file = f"{IMAGES}/{image_id}/file"
        await one("GET", file, status=204)
        await one("PUT", file, content=qcow2(), headers=OCTETS, status=204)
        made = await one.get(f"{IMAGES}/{image_id}")
        assert (made["status"], made["stores"]) == ("active", "file")
        for path, stores in (("/other", "web"), ("/nothing", None)):
            image_id = await image(one)
            made = await add(one, cloud, image_id, web.url(path))
            assert made["status"] == "queued" and made.get("stores") == stores
        made = await add(one, cloud, image_id, web.url("/disk"))
        assert (made["status"], made["stores"]) == ("active", "web")
        for body in (
            {},
            {"url": 1},
            {"url": web.url("/disk"), "validation_data": {"os_hash_value": "0" * 128}},
            {
                "url": web.url("/disk"),
                "validation_data": {"os_hash_algo": "sha123", "os_hash_value": "0" * 128},
            },
            {
                "url": web.url("/disk"),
                "validation_data": {"os_hash_algo": "sha512", "os_hash_value": "0" * 64},
            },
        ):
            await one("POST", f"{IMAGES}/{image_id}/locations", body, status=400)


@pytest.mark.parametrize(("algorithm", "boots"), [("sha256", True), ("sha1", False)])
async def test_a_server_of_an_image_with_another_hash(
    tmp_path: Path, database_url: str, web: Web, algorithm: str, boots: bool
) -> None:
    async with running(tmp_path / "state", database=database_url, image=settings(web)) as cloud:
        one, admin = await cloud.project_with("p", "member"), await cloud.sign_in()
        value = hashlib.new(algorithm, qcow2()).hexdigest()
        image_id = await image(one)
        await add(
            one, cloud, image_id, web.url("/disk"), os_hash_algo=algorithm, os_hash_value=value
        )
        server = await a_server(one, image_id, await a_flavor(admin))
        await settle(cloud)
        shown = (await one.get(f"/compute/v2.1/servers/{server}"))["server"]
        assert shown["status"] == ("ACTIVE" if boots else "ERROR")
        assert boots or "of the kind sha1" in shown["fault"]["message"]


async def test_a_location_without_hashing(tmp_path: Path, database_url: str, web: Web) -> None:
    requested = settings(web, secure_hash=False)
    async with running(tmp_path / "state", database=database_url, image=requested) as cloud:
        one = await cloud.project_with("p", "member")
        made = await add(one, cloud, await image(one), web.url("/disk"))
        assert made["status"] == "active" and made["size"] == len(qcow2())
        assert made["checksum"] is None is made["os_hash_value"]


async def test_services_ask_where_an_image_is(cloud: Cloud) -> None:
    one = await cloud.project_with("p", "member")
    service = await cloud.project_with("services", "admin", "service")
    image_id = await image(one)
    await upload(one, image_id, qcow2())
    await one("GET", f"{IMAGES}/{image_id}/locations", status=403)
    (found,) = await service.get(f"{IMAGES}/{image_id}/locations")
    assert found["url"].startswith("file:///") and found["metadata"] == {"store": "file"}
    # Without a store "http", only services name locations.
    mine = await image(one)
    body = {"url": "http://example.org/x"}
    await one("POST", f"{IMAGES}/{mine}/locations", body, status=403)
