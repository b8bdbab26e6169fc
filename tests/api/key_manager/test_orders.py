"""Keys that the cloud makes, as their users see them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_pem_private_key,
    load_pem_public_key,
)

from hanok.services.key_manager.logic import orders as logic
from hanok.services.key_manager.tables import orders
from tests.api.key_manager.test_secrets import BASE, NOWHERE, another
from tests.cloud import Client, Cloud, settle

KEY = {"name": "k", "algorithm": "AES", "bit_length": 256, "mode": "cbc"}


@pytest.fixture
async def user(cloud: Cloud) -> Client:
    return await cloud.project_with("web", "member", "reader")


def path(reference: str) -> str:
    return reference[reference.index(BASE) :]


async def order(user: Client, kind: str = "key", **meta: Any) -> str:
    body = {"type": kind, "meta": {**KEY, **meta} if kind == "key" else meta}
    return path((await user.post(f"{BASE}/orders", body, 202))["order_ref"])


async def payload(user: Client, reference: str) -> bytes:
    answer = await user("GET", f"{path(reference)}/payload", headers={"Accept": "*/*"})
    return bytes(answer.content)


async def there(user: Client, one: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while (found := await user.get(one))["status"] == "PENDING":
            await asyncio.sleep(0.05)
    return dict(found)


async def test_a_key_is_there_with_the_answer(cloud: Cloud, user: Client) -> None:
    one = await order(user, expiration="2049-01-01T00:00:00Z")
    found = await user.get(one)
    assert (found["status"], found["type"], found["meta"]["name"]) == ("ACTIVE", "key", "k")
    assert len(await payload(user, found["secret_ref"])) == 32
    secret = await user.get(path(found["secret_ref"]))
    assert (secret["secret_type"], secret["bit_length"]) == ("symmetric", 256)
    assert secret["expiration"] == "2049-01-01T00:00:00"
    second = await order(user)
    assert await payload(user, (await user.get(second))["secret_ref"]) != await payload(
        user, found["secret_ref"]
    )
    page = await user.get(f"{BASE}/orders?limit=1")
    assert page["total"] == 2 and len(page["orders"]) == 1 and "offset=1" in page["next"]
    await user("DELETE", one, status=204)
    await user("GET", one, status=404)
    await user.get(path(found["secret_ref"]))  # what it made stays


@pytest.mark.parametrize(
    ("meta", "words"),
    [
        ({"algorithm": None}, "'algorithm' is required"),
        ({"bit_length": None}, "'bit_length' is required"),
        ({"bit_length": 100}, "multiple of 8"),
        ({"bit_length": -8}, "meta.bit_length"),
        ({"expiration": "2001-01-01"}, "before current time"),
        ({"payload_content_type": "text/plain"}, "payload_content_type"),
        ({"payload": "x"}, "payload"),
        ({"passphrase": "x"}, "passphrase"),
    ],
)
async def test_what_cannot_be_ordered_is_refused(
    user: Client, meta: dict[str, Any], words: str
) -> None:
    body = {"type": "key", "meta": {**KEY, **meta}}
    assert words in (await user("POST", f"{BASE}/orders", body, status=400)).text
    assert (await user.get(f"{BASE}/orders"))["total"] == 0


async def test_one_that_no_generator_takes_says_so(user: Client) -> None:
    for kind, algorithm, bits in (("key", "aes", 136), ("key", "rot", 128), ("asymmetric", "rsa", 512)):  # fmt: skip
        found = await user.get(await order(user, kind, algorithm=algorithm, bit_length=bits))
        assert (found["status"], found["error_status_code"]) == ("ERROR", "400")
        assert f"{algorithm} with {bits} bits" in found["error_reason"]
        assert "secret_ref" not in found and "container_ref" not in found
    await user("POST", f"{BASE}/orders", {"type": "certificate", "meta": {}}, status=400)


async def test_a_pair_comes_and_its_pass_phrase_is_nowhere(cloud: Cloud, user: Client) -> None:
    values = {"name": "pair", "bit_length": 1024}
    one = await order(user, "asymmetric", algorithm="RSA", passphrase="opensesame", **values)
    found = await there(user, one)
    assert found["status"] == "ACTIVE" and "opensesame" not in str(found)
    container = await user.get(path(found["container_ref"]))
    assert (container["type"], container["name"]) == ("rsa", "pair")
    raw = {
        each["name"]: await payload(user, each["secret_ref"]) for each in container["secret_refs"]
    }
    assert raw["private_key_passphrase"] == b"opensesame"
    private = load_pem_private_key(raw["private_key"], b"opensesame")
    assert private.public_key() == load_pem_public_key(raw["public_key"])
    async with cloud.control.database.read() as tx:
        rows = await tx.all(sa.select(orders))
    assert "opensesame" not in str(rows) and rows[0].sealed is None
    other = await there(user, await order(user, "asymmetric", algorithm="dsa", **values))
    container = await user.get(path(other["container_ref"]))
    assert container["type"] == "generic"
    (key,) = (each for each in container["secret_refs"] if each["name"] == "private_key")
    load_der_private_key(await payload(user, key["secret_ref"]), None)


async def test_a_pair_that_costs_too_much_is_an_error(
    cloud: Cloud, user: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logic, "PAIR", "raise SystemExit")
    found = await there(user, await order(user, "asymmetric", algorithm="rsa", bit_length=2048))
    assert (found["status"], found["error_reason"]) == ("ERROR", "The key could not be generated.")
    monkeypatch.undo()
    later = await order(user, "asymmetric", algorithm="rsa", bit_length=1024)
    await user("DELETE", later, status=204)
    await settle(cloud)
    assert (await user.get(f"{BASE}/secrets"))["total"] == 0


async def test_others_and_quotas(cloud: Cloud, user: Client) -> None:
    one = await order(user)
    stranger = await cloud.project_with("elsewhere", "member")
    for method in ("GET", "DELETE"):
        await stranger(method, one, status=404)
    reader = await another(cloud, user, "looks", "reader")
    await reader("POST", f"{BASE}/orders", {"type": "key", "meta": KEY}, status=403)
    await user("GET", f"{BASE}/orders/{NOWHERE}", status=404)
    admin = await cloud.sign_in()
    body = {"project_quotas": {"orders": 1}}
    await admin("PUT", f"{BASE}/project-quotas/{user.project_id}", body, status=204)
    refused = await user("POST", f"{BASE}/orders", {"type": "key", "meta": KEY}, status=403)
    assert "Only 1 orders are allowed" in refused.text
