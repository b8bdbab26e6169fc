"""A cloud for decisions that are the same whatever the database, and that need no host."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hanok.web.token import Caller
from tests.cloud import Client, Cloud, running


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    async with running(tmp_path, hosts=0) as cloud:
        yield cloud


def caller(client: Client, *, everywhere: bool = False) -> Caller:
    """Who asks another room, as its facade knows them."""
    return Caller(user_id=client.user_id, project_id=client.project_id, everywhere=everywhere)
