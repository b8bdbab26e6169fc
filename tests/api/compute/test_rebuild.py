"""Servers made anew: what changes, what stays, what is refused, and how it ends when it breaks."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hanok.base import failpoints
from tests.api.compute.ground import PLACES, SERVERS, Ground, at, standing
from tests.cloud import an_image, settle

STEPS = ("FetchImage", "MakeDisk")


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    async with standing(tmp_path) as one:
        yield one


async def test_a_rebuild_changes_what_it_names_and_keeps_the_rest(ground: Ground) -> None:
    server_id = await ground.server(metadata={"old": "1"}, config_drive=True)
    before = await ground.show(server_id)
    other = await an_image(ground.user, "other", min_ram=1)
    await ground.user.post(
        "/compute/v2.1/os-keypairs",
        {"keypair": {"name": "k", "public_key": KEY}},
        201,
        headers=at(92),
    )
    data = base64.b64encode(b"#!/bin/sh").decode()
    value = {
        "imageRef": other,
        "name": "new",
        "metadata": {"new": "2"},
        "description": "said",
        "key_name": "k",
        "user_data": data,
        "hostname": "host.example",
        "accessIPv4": "192.0.2.9",
        "adminPass": "secret",
        "OS-DCF:diskConfig": "AUTO",
        "preserve_ephemeral": False,
    }
    answer = await ground.ask(server_id, "rebuild", value)
    told = answer.json()["server"]
    assert answer.headers["Location"].endswith(server_id)
    assert (told["adminPass"], told["user_data"], told["key_name"]) == ("secret", data, "k")
    assert told["status"] == "REBUILD" and told["image"]["id"] == other
    await settle(ground.cloud)
    shown = await ground.show(server_id)
    assert shown["status"] == "ACTIVE" and shown["addresses"] == before["addresses"]
    for name, expected in (
        ("name", "new"),
        ("metadata", {"new": "2"}),
        ("description", "said"),
        ("key_name", "k"),
        ("OS-EXT-SRV-ATTR:user_data", data),
        ("OS-EXT-SRV-ATTR:hostname", "host.example"),
        ("accessIPv4", "192.0.2.9"),
        ("OS-DCF:diskConfig", "AUTO"),
        ("OS-EXT-SRV-ATTR:host", before["OS-EXT-SRV-ATTR:host"]),
    ):
        assert shown[name] == expected, name
    assert (await ground.actions(server_id))[0] == ("rebuild", None)
    await ground.act(server_id, "rebuild", {"imageRef": other, "key_name": None, "user_data": None})
    shown = await ground.show(server_id)
    assert (shown["key_name"], shown["OS-EXT-SRV-ATTR:user_data"]) == (None, None)
    assert shown["name"] == "new"
    await ground.assert_clean()


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2L1Yl3bJ5n0bS0wTj9n0T2Q1nQn4n0XwE1vTjB1w2J k"


@pytest.mark.parametrize(
    ("before", "status"), [(None, "ACTIVE"), ("os-stop", "SHUTOFF"), ("error", "ACTIVE")]
)
async def test_a_rebuilt_server_stands_as_it_stood(
    ground: Ground, before: str | None, status: str
) -> None:
    server_id = await ground.server()
    if before == "error":
        await ground.act(server_id, "os-resetState", {"state": "error"}, client=ground.admin)
    elif before:
        await ground.act(server_id, before)
    await ground.act(server_id, "rebuild", {"imageRef": ground.image})
    assert await ground.status(server_id) == status
    assert (await ground.guests())[server_id] == ("stopped" if before == "os-stop" else "running")
    await ground.assert_clean()


@pytest.mark.parametrize("action", ["pause", "suspend"])
async def test_other_states_refuse_a_rebuild(ground: Ground, action: str) -> None:
    server_id = await ground.server()
    await ground.act(server_id, action)
    said = await ground.ask(server_id, "rebuild", {"imageRef": ground.image}, status=409)
    state = {"pause": "paused", "suspend": "suspended"}[action]
    words = f"Cannot 'rebuild' instance {server_id} while it is in vm_state {state}"
    assert words in said.text


@pytest.mark.parametrize(
    ("value", "minor", "words"),
    [
        ({"imageRef": "70a599e0-31e7-49b7-b260-868f441e862b"}, 104, "could not be found"),
        ({"imageRef": "x"}, 104, "could not be found"),
        ({}, 104, "imageRef"),
        ({"description": "x"}, 18, "description"),
        ({"key_name": "x"}, 53, "key_name"),
        ({"key_name": "nosuch"}, 54, "Invalid key_name"),
        ({"user_data": "eA=="}, 56, "user_data"),
        ({"user_data": "?"}, 57, "base64"),
        ({"hostname": "h2"}, 89, "hostname"),
        ({"hostname": "a.b"}, 93, "hostname"),
        ({"personality": []}, 57, "personality"),
        ({"personality": [{"path": "/x", "contents": "x!"}]}, 56, "base64"),
        ({"trusted_image_certificates": ["c"]}, 62, "trusted"),
        ({"trusted_image_certificates": ["c"]}, 63, "trusted"),
        ({"accessIPv4": "x"}, 104, "accessIPv4"),
        ({"OS-DCF:diskConfig": "x"}, 104, "diskConfig"),
        ({"preserve_ephemeral": "x"}, 104, "preserve_ephemeral"),
        ({"surprise": 1}, 104, "surprise"),
    ],
)
async def test_what_a_rebuild_cannot_be_is_refused(
    ground: Ground, value: dict[str, Any], minor: int, words: str
) -> None:
    server_id = await ground.server()
    whole = {"imageRef": ground.image, **value} if value else {}
    said = await ground.ask(server_id, "rebuild", whole, status=400, minor=minor)
    assert words in said.text
    assert await ground.status(server_id) == "ACTIVE"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"min_ram": 4096}, "memory is too small"),
        ({"min_disk": 50}, "disk is too small"),
        ({"hw_disk_bus": "xen"}, "not supported"),
        ({"trait:CUSTOM_X": "required"}, "stays on its host"),
    ],
)
async def test_an_image_that_does_not_fit_is_refused(
    ground: Ground, values: dict[str, Any], words: str
) -> None:
    server_id = await ground.server()
    other = await an_image(ground.user, "other", **values)
    assert words in (await ground.ask(server_id, "rebuild", {"imageRef": other}, status=400)).text


async def test_an_image_that_is_not_active_is_refused(ground: Ground) -> None:
    server_id = await ground.server()
    body = {"name": "empty", "disk_format": "raw", "container_format": "bare"}
    empty = (await ground.user.post("/image/v2/images", body))["id"]
    said = await ground.ask(server_id, "rebuild", {"imageRef": empty}, status=400)
    assert "not active" in said.text


async def test_older_versions_see_less_of_a_rebuilt_server(ground: Ground) -> None:
    server_id = await ground.server()
    for minor, there, absent in (
        (1, "adminPass", "key_name"),
        (53, "description", "key_name"),
        (54, "key_name", "user_data"),
        (57, "user_data", "trusted_image_certificates"),
        (74, "locked_reason", "OS-EXT-STS:vm_state"),
        (75, "OS-EXT-STS:vm_state", "pinned_availability_zone"),
    ):
        answer = await ground.act(server_id, "rebuild", {"imageRef": ground.image}, minor=minor)
        told = answer.json()["server"]
        assert there in told and absent not in told, minor


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        ("os-extended-server-attributes", "OS-EXT-SRV-ATTR:host"),
        ("servers:show:host_status", "host_status"),
        ("servers:show:flavor-extra-specs", "extra_specs"),
    ],
)
async def test_rules_say_what_the_answer_shows(ground: Ground, rule: str, name: str) -> None:
    server_id = await ground.server()
    enforcer = ground.cloud.control.app.enforcer("compute")
    more = {"os_compute_api:servers:show:host_status:unknown-only": "!"}  # hosts here are known
    for check, shown in (("!", False), ("@", True)):
        enforcer.override({f"os_compute_api:{rule}": check, **more})
        answer = await ground.ask(server_id, "rebuild", {"imageRef": ground.image})
        enforcer.override({})
        told = answer.json()["server"]
        assert (name in told or name in told["flavor"]) is shown
        await settle(ground.cloud)


async def test_a_locked_server_and_a_strangers_are_not_rebuilt(ground: Ground) -> None:
    server_id = await ground.server()
    stranger = await ground.cloud.project_with("q", "member")
    value = {"imageRef": ground.image}
    await ground.ask(server_id, "rebuild", value, status=404, client=stranger)
    await ground.act(server_id, "lock")
    await ground.ask(server_id, "rebuild", value, status=409)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("step", STEPS)
async def test_a_rebuild_that_breaks_leaves_the_old_server_or_says_that_it_is_gone(
    ground: Ground, step: str, place: str
) -> None:
    server_id = await ground.server()
    other = await an_image(ground.user, "other")
    with failpoints.armed(f"compute.rebuild_server.{step}.{place}", "raise"):
        await ground.act(server_id, "rebuild", {"imageRef": other, "name": "new"})
    shown = await ground.show(server_id)
    if step == "FetchImage":
        assert (shown["status"], shown["name"]) == ("ACTIVE", "vm")
        assert shown["image"]["id"] == ground.image
    else:
        assert (shown["status"], shown["image"]["id"]) == ("ERROR", other)
    assert (await ground.actions(server_id))[0] == ("rebuild", "Error")
    await ground.assert_clean()
    await ground.act(server_id, "rebuild", {"imageRef": other})
    assert await ground.status(server_id) == "ACTIVE"
    await ground.delete(server_id)
    await ground.assert_nothing_left()


async def test_a_server_without_a_host_is_not_ready(ground: Ground) -> None:
    with failpoints.armed("compute.create_server.ClaimHost.before_do", "raise"):
        server_id = await ground.server()
    said = await ground.ask(server_id, "rebuild", {"imageRef": ground.image}, status=409)
    assert "not ready" in said.text
    await ground.user("DELETE", f"{SERVERS}/{server_id}", status=204)
