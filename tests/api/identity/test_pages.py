"""Identity's lists in pages: so many, from behind whom, and where the rest is."""

from __future__ import annotations

import pytest

from tests.cloud import Cloud


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("user", {}),
        ("project", {}),
        ("group", {}),
        ("role", {}),
        ("domain", {}),
        ("service", {"type": "t"}),
        ("region", {}),
        ("policy", {"blob": "b", "type": "t"}),
    ],
)
async def test_a_list_is_read_page_by_page(cloud: Cloud, kind: str, more: dict[str, str]) -> None:
    admin = await cloud.sign_in()
    plural = "policies" if kind == "policy" else f"{kind}s"
    for name in ("a", "b", "c"):
        named = {"id": name} if kind == "region" else {} if kind == "policy" else {"name": name}
        await admin.post(f"/v3/{plural}", {kind: {**named, **more}})
    everything = await admin.get(f"/v3/{plural}")
    assert "truncated" not in everything and everything["links"]["next"] is None
    ids = [one["id"] for one in everything[plural]]
    assert len(ids) >= 3
    found, path = [], f"/v3/{plural}?limit=2"
    while path:
        page = await admin.get(path)
        assert 1 <= len(page[plural]) <= 2
        found += [one["id"] for one in page[plural]]
        following = page["links"]["next"]
        assert page.get("truncated", False) is (following is not None)
        path = following.removeprefix("http://cloud:5000") if following else ""
    assert found == ids
    last = await admin.get(f"/v3/{plural}?marker={ids[-1]}")
    assert last[plural] == []
    said = await admin("GET", f"/v3/{plural}?marker=nobody", status=404)
    assert "nobody" in said.text
    await admin("GET", f"/v3/{plural}?limit=many", status=400)


async def test_filters_and_pages_go_together(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    for number in range(5):
        enabled = number % 2 == 0
        await admin.post("/v3/users", {"user": {"name": f"u{number}", "enabled": enabled}})
    page = await admin.get("/v3/users?enabled=true&name__startswith=u&limit=2")
    assert [one["name"] for one in page["users"]] == ["u0", "u2"]
    following = page["links"]["next"]
    assert "enabled=true" in following and "limit=2" in following
    rest = await admin.get(following.removeprefix("http://cloud:5000"))
    assert [one["name"] for one in rest["users"]] == ["u4"] and "truncated" not in rest
