"""Stacks with secrets, orders and containers of the key manager."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.orchestration.stackery import Stackery, standing


@pytest.fixture
async def stackery(tmp_path: Path, database_url: str) -> AsyncIterator[Stackery]:
    async with standing(tmp_path, database=database_url) as ground:
        yield ground


async def test_secrets_are_made_told_and_removed(stackery: Stackery) -> None:
    secret = {"name": "s", "payload": "hello", "payload_content_type": "text/plain"}
    order = {"type": "key", "algorithm": "aes", "bit_length": 256, "mode": "cbc"}
    held = {"name": "one", "ref": {"get_resource": "secret"}}
    path = await stackery.stack(
        {
            "secret": {"type": "OS::Barbican::Secret", "properties": secret},
            "order": {"type": "OS::Barbican::Order", "properties": order},
            "container": {
                "type": "OS::Barbican::GenericContainer",
                "properties": {"name": "c", "secrets": [held]},
            },
        },
        outputs={
            "payload": {"value": {"get_attr": ["secret", "decrypted_payload"]}},
            "key": {"value": {"get_attr": ["order", "secret_ref"]}},
            "refs": {"value": {"get_attr": ["container", "secret_refs"]}},
            "ref": {"value": {"get_resource": "secret"}},
        },
    )
    told = await stackery.outputs(path)
    assert told["payload"] == "hello" and "/secrets/" in told["key"]
    assert told["refs"][0]["secret_ref"].rpartition("/")[2] == told["ref"].rpartition("/")[2]
    await stackery.user.get(f"/key-manager/v1/secrets/{told['ref'].rpartition('/')[2]}")
    await stackery.delete(path)
    listed = (await stackery.user.get("/key-manager/v1/containers"))["containers"]
    assert listed == []
