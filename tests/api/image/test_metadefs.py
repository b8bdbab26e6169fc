"""Metadata definitions: namespaces and what is in them."""

from __future__ import annotations

from typing import Any

import pytest

from hanok.cli.commands.image import standard
from tests.cloud import Cloud

BASE = "/image/v2/metadefs/namespaces"
TITLED = {"title": "A title", "type": "string"}


def whole(name: str = "My::Namespace", **more: Any) -> dict[str, Any]:
    return {
        "namespace": name,
        "display_name": "Mine",
        "description": "For tests",
        "visibility": "private",
        "resource_type_associations": [{"name": "OS::Glance::Image", "prefix": "hw_"}],
        "properties": {"cores": {"title": "Cores", "type": "integer", "minimum": 1}},
        "objects": [
            {
                "name": "CPU",
                "description": "All of it",
                "required": ["model"],
                "properties": {"model": TITLED},
            }
        ],
        "tags": [{"name": "red"}, {"name": "blue"}],
        **more,
    }


async def test_a_namespace_with_everything_in_it(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    made = await admin("POST", BASE, whole(), status=201)
    assert made.headers["Location"] == "/v2/metadefs/namespaces/My%3A%3ANamespace"
    shown = await admin.get(f"{BASE}/My::Namespace")
    assert shown["properties"] == {"cores": {"title": "Cores", "type": "integer", "minimum": 1}}
    assert [tag["name"] for tag in shown["tags"]] == ["blue", "red"]
    assert shown["objects"][0]["required"] == ["model"]
    assert shown["resource_type_associations"][0]["prefix"] == "hw_"
    assert shown["owner"] == admin.project_id and shown["protected"] is False
    assert shown["schema"] == "/v2/schemas/metadefs/namespace"
    prefixed = await admin.get(f"{BASE}/My::Namespace?resource_type=OS::Glance::Image")
    assert list(prefixed["properties"]) == ["hw_cores"]
    assert prefixed["objects"][0]["required"] == ["hw_model"]
    await admin("GET", f"{BASE}/My::Namespace?resource_type=OS::Nova::Flavor", status=404)
    await admin.post(BASE, whole(), 409)
    await admin("DELETE", f"{BASE}/My::Namespace", status=204)
    await admin("GET", f"{BASE}/My::Namespace", status=404)


async def test_who_sees_and_changes_what(cloud: Cloud) -> None:
    admin, one = await cloud.sign_in(), await cloud.project_with("p", "member")
    await one.post(BASE, whole(), 403)
    await admin.post(BASE, whole("Hidden"))
    await admin.post(BASE, whole("Open", visibility="public"))
    await admin.post(BASE, whole("Theirs", owner=one.project_id))
    assert {n["namespace"] for n in (await one.get(BASE))["namespaces"]} == {"Open", "Theirs"}
    for path in ("", "/objects", "/objects/CPU", "/properties", "/properties/cores", "/tags",
                 "/tags/red", "/resource_types"):  # fmt: skip
        await one("GET", f"{BASE}/Hidden{path}", status=404)
        await one("GET", f"{BASE}/Open{path}", status=200)
    for path in ("", "/objects/CPU", "/properties/cores", "/tags", "/tags/red"):
        await one("DELETE", f"{BASE}/Open{path}", status=403)
        await one("DELETE", f"{BASE}/Hidden{path}", status=404)
    assert (await one.get(f"{BASE}/Open"))["tags"] == [{"name": "blue"}, {"name": "red"}]


async def test_namespaces_change_and_are_protected(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    await admin.post(BASE, whole("A", protected=True))
    await admin.post(BASE, whole("B"))
    for path in ("", "/objects/CPU", "/properties/cores", "/tags", "/tags/red", "/objects",
                 "/resource_types/OS::Glance::Image"):  # fmt: skip
        await admin("DELETE", f"{BASE}/A{path}", status=403)
    await admin("PUT", f"{BASE}/A", {"namespace": "B"}, status=409)
    changed = (await admin("PUT", f"{BASE}/A", {"namespace": "C"}, status=200)).json()
    assert (changed["namespace"], changed["visibility"], changed["protected"]) == (
        "C",
        "private",
        False,
    )
    assert "display_name" not in changed
    await admin("GET", f"{BASE}/A", status=404)
    assert (await admin.get(f"{BASE}/C"))["objects"][0]["name"] == "CPU"
    await admin("PUT", f"{BASE}/C", {}, status=400)
    await admin("PUT", f"{BASE}/C", {"namespace": "C", "self": "/x"}, status=403)
    await admin("DELETE", f"{BASE}/C", status=204)


async def test_namespaces_page_and_filter(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    for name in "abcde":
        visibility = "public" if name in "ace" else "private"
        await admin.post(BASE, {"namespace": name, "visibility": visibility})
    await admin.post(BASE, whole("typed"))
    seen, url = [], f"{BASE}?limit=2&sort_key=namespace&sort_dir=asc"
    while url:
        page = await admin.get(url)
        seen += [n["namespace"] for n in page["namespaces"]]
        url = f"/image{page['next']}" if "next" in page else ""
    assert seen == ["a", "b", "c", "d", "e", "typed"]
    public = await admin.get(f"{BASE}?visibility=public")
    assert {n["namespace"] for n in public["namespaces"]} == {"a", "c", "e"}
    typed = await admin.get(f"{BASE}?resource_types=OS::Glance::Image,OS::Nova::Flavor")
    assert [n["namespace"] for n in typed["namespaces"]] == ["typed"]
    for bad in ("limit=-1", "limit=x", "sort_dir=up", "sort_key=x", "visibility=odd"):
        await admin("GET", f"{BASE}?{bad}", status=400)
    await admin("GET", f"{BASE}?marker=nothing", status=404)


async def test_properties(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    await admin.post(BASE, whole("N"))
    path = f"{BASE}/N/properties"
    made = await admin.post(path, {"name": "size", **TITLED, "enum": ["s", "m"], "default": "s"})
    assert made == {"name": "size", **TITLED, "enum": ["s", "m"], "default": "s"}
    await admin.post(path, {"name": "size", **TITLED}, 409)
    assert set((await admin.get(path))["properties"]) == {"cores", "size"}
    changed = await admin("PUT", f"{path}/size", {"name": "girth", **TITLED}, status=200)
    assert changed.json() == {"name": "girth", **TITLED}
    await admin("PUT", f"{path}/girth", {"name": "cores", **TITLED}, status=409)
    await admin("GET", f"{path}/size", status=404)
    kind = "resource_type=OS::Glance::Image"
    assert (await admin.get(f"{path}/hw_girth?{kind}"))["name"] == "girth"
    await admin("GET", f"{path}/girth?{kind}", status=404)
    await admin("DELETE", f"{path}/girth", status=204)
    await admin("DELETE", f"{path}/girth", status=404)
    await admin("DELETE", path, status=204)
    assert (await admin.get(path))["properties"] == {}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "x"},
        {"name": "x", "type": "string"},
        {"name": "x", "title": "t", "type": "magic"},
        {"name": "x", "title": 1, "type": "string"},
        {"name": "x" * 81, **TITLED},
        {"name": "x", **TITLED, "maxLength": -1},
        {"name": "x", **TITLED, "enum": "a"},
        {"name": "x", **TITLED, "surprise": 1},
        {"name": "x", **TITLED, "operators": [1]},
    ],
)
async def test_bad_properties_are_refused(cloud: Cloud, body: dict[str, Any]) -> None:
    admin = await cloud.sign_in()
    await admin.post(BASE, {"namespace": "N"})
    await admin("POST", f"{BASE}/N/properties", body, status=400)
    within = {key: value for key, value in body.items() if key != "name"}
    if set(within) != set(TITLED):
        requested = {"namespace": "M", "properties": {"p": within}}
        await admin("POST", BASE, requested, status=400)
        await admin(
            "POST", f"{BASE}/N/objects", {"name": "o", "properties": {"p": within}}, status=400
        )


async def test_objects(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    await admin.post(BASE, {"namespace": "N"})
    path = f"{BASE}/N/objects"
    made = await admin.post(path, {"name": "O", "properties": {"p": TITLED}, "required": ["p"]})
    assert made["self"] == "/v2/metadefs/namespaces/N/objects/O" and made["created_at"]
    await admin.post(path, {"name": "O"}, 409)
    await admin.post(path, {"name": "P"})
    assert [
        o["name"]
        for o in (await admin.get(f"{path}?limit=1&sort_key=name&sort_dir=asc"))["objects"]
    ] == ["O"]
    await admin("GET", f"{path}?limit=0", status=400)
    await admin("PUT", f"{path}/O", {"name": "P"}, status=409)
    changed = (
        await admin("PUT", f"{path}/O", {"name": "Q", "description": "d"}, status=200)
    ).json()
    assert changed["name"] == "Q" and changed["description"] == "d"
    await admin("GET", f"{path}/O", status=404)
    await admin("DELETE", f"{path}/Q", status=204)
    await admin("DELETE", path, status=204)
    assert (await admin.get(path))["objects"] == []
    await admin.post(f"{BASE}/nowhere/objects", {"name": "O"}, 404)


async def test_tags(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    await admin.post(BASE, {"namespace": "N"})
    path = f"{BASE}/N/tags"

    async def names(query: str = "") -> list[str]:
        return [tag["name"] for tag in (await admin.get(f"{path}{query}"))["tags"]]

    made = await admin("POST", f"{path}/one", status=201)
    assert made.json()["name"] == "one"
    await admin("POST", f"{path}/one", status=409)
    await admin("POST", f"{path}/{'x' * 81}", status=400)
    await admin.post(path, {"tags": [{"name": "a"}, {"name": "b"}]})
    order = "?sort_key=name&sort_dir=asc"
    assert await names(order) == ["a", "b"]
    append = {"X-Openstack-Append": "True"}
    await admin("POST", path, {"tags": [{"name": "c"}]}, headers=append, status=201)
    assert await names(order) == ["a", "b", "c"]
    assert await names(f"{order}&limit=1&marker=a") == ["b"]
    await admin("POST", path, {"tags": [{"name": "c"}]}, headers=append, status=409)
    await admin.post(path, {"tags": [{"name": "x"}, {"name": "x"}]}, 409)
    await admin.post(path, {"tags": "x"}, 400)
    assert await names(order) == ["a", "b", "c"]
    await admin("PUT", f"{path}/a", {"name": "z"}, status=200)
    await admin("PUT", f"{path}/z", {"name": "b"}, status=409)
    await admin("DELETE", f"{path}/z", status=204)
    await admin("GET", f"{path}/z", status=404)
    await admin("DELETE", path, status=204)
    assert await names() == []


async def test_types_of_resources(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    await admin.post(BASE, {"namespace": "N"})
    path = f"{BASE}/N/resource_types"
    kinds = {
        t["name"] for t in (await admin.get("/image/v2/metadefs/resource_types"))["resource_types"]
    }
    assert {"OS::Glance::Image", "OS::Nova::Flavor"} <= kinds and "My::Type" not in kinds
    made = await admin.post(path, {"name": "My::Type", "prefix": "my:"})
    assert made["prefix"] == "my:"
    await admin.post(path, {"name": "My::Type"}, 409)
    kinds = {
        t["name"] for t in (await admin.get("/image/v2/metadefs/resource_types"))["resource_types"]
    }
    assert "My::Type" in kinds
    assert (await admin.get(path))["resource_type_associations"][0]["name"] == "My::Type"
    await admin("DELETE", f"{path}/My::Type", status=204)
    await admin("DELETE", f"{path}/My::Type", status=404)


async def test_the_definitions_that_come_along_fit(cloud: Cloud) -> None:
    admin, one = await cloud.sign_in(), await cloud.project_with("p", "reader")
    for requested in standard():
        await admin.post(BASE, requested)
    listed = {n["namespace"] for n in (await one.get(BASE))["namespaces"]}
    assert {"OS::Compute::Watchdog", "OS::Compute::CPUPinning", "OS::OperatingSystem"} <= listed
    shown = await one.get(f"{BASE}/OS::Compute::Watchdog?resource_type=OS::Nova::Flavor")
    assert "reset" in shown["properties"]["hw:watchdog_action"]["enum"]


@pytest.mark.parametrize(
    "name",
    ["namespace", "namespaces", "resource_type", "resource_types", "property", "properties",
     "object", "objects", "tag", "tags"],
)  # fmt: skip
async def test_schemas(cloud: Cloud, name: str) -> None:
    one = await cloud.project_with("p", "reader")
    answered = await one.get(f"/image/v2/schemas/metadefs/{name}")
    expected = {"resource_type": "resource_type_association"}.get(name, name)
    expected = {"resource_types": "resource_type_associations"}.get(name, expected)
    assert answered["name"] == expected and answered["properties"]
