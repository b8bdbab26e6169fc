"""Images of servers whose image wants their guests to be quiesced."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hanok.base import failpoints
from tests.api.compute.ground import Ground, standing
from tests.cloud import an_image

ACTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("createImage", {"name": "copy"}),
    ("createBackup", {"name": "copy", "backup_type": "daily", "rotation": 1}),
)


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    async with standing(tmp_path) as one:
        yield one


async def copies(ground: Ground) -> list[str]:
    found = (await ground.user.get("/image/v2/images?name=copy"))["images"]
    return [one["status"] for one in found]


@pytest.mark.parametrize(("action", "value"), ACTIONS)
async def test_without_an_agent_there_is_no_image(
    ground: Ground, action: str, value: dict[str, Any]
) -> None:
    ground.image = await an_image(ground.user, "quiet", os_require_quiesce="yes")
    server_id = await ground.server()
    said = await ground.ask(server_id, action, value, status=409)
    assert "Failed to quiesce" in said.text and "guest agent is not enabled" in said.text
    assert await copies(ground) == []
    await ground.act(server_id, "os-stop")
    await ground.act(server_id, action, value)  # nothing of it is left to flush
    assert await copies(ground) == ["active"]


@pytest.mark.parametrize(("action", "value"), ACTIONS)
async def test_the_agent_has_to_answer(ground: Ground, action: str, value: dict[str, Any]) -> None:
    quiet = {"os_require_quiesce": "yes", "hw_qemu_guest_agent": "yes"}
    ground.image = await an_image(ground.user, "quiet", **quiet)
    server_id = await ground.server()
    failpoints.arm("node.ask_agent.before", "raise", 1)
    await ground.ask(server_id, action, value, status=409)
    assert await copies(ground) == []
    await ground.act(server_id, action, value)
    assert await copies(ground) == ["active"]
    assert await ground.status(server_id) == "ACTIVE"
    await ground.assert_clean()
