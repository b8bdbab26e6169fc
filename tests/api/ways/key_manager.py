"""The key manager's."""

from __future__ import annotations

from typing import Any

from tests.api.ways import Things, Way, Ways
from tests.cloud import Client

BASE = "/key-manager/v1"
_SECRET, _CONTAINER = "/v1/secrets/{secret_id}", "/v1/containers/{container_id}"
_CONSUMER = {"service": "image", "resource_type": "image", "resource_id": "i"}
_KEY = {"name": "k", "algorithm": "AES", "bit_length": 128, "mode": "cbc"}
_READ = {"read": {"project-access": False}}


async def _made(client: Client, plural: str, status: int = 201, **values: Any) -> str:
    """The id of a new thing."""
    answer = await client.post(f"{BASE}/{plural}", values, status)
    return str(answer[f"{plural[:-1]}_ref"].rpartition("/")[2])


async def _secret(client: Client) -> str:
    return await _made(client, "secrets", payload="p", payload_content_type="text/plain")


def _reference(secret_id: str) -> dict[str, str]:
    return {"name": "s", "secret_ref": f"http://cloud:5000{BASE}/secrets/{secret_id}"}


async def things(owner: Client) -> Things:
    """A secret with something noted of it and a consumer, a container that has it, and an order."""
    secret = await _secret(owner)
    noted = {"metadata": {"key": "v"}}
    await owner("PUT", f"{BASE}/secrets/{secret}/metadata", noted, status=201)
    await owner("POST", f"{BASE}/secrets/{secret}/consumers", _CONSUMER, status=200)
    refs = [_reference(secret)]
    container = await _made(owner, "containers", type="generic", secret_refs=refs)
    found = {
        "secret_id": secret,
        "key": "key",
        "container_id": container,
        "order_id": await _made(owner, "orders", 202, type="key", meta=_KEY),
        "project_id": owner.project_id,
    }
    (store, *_) = (await owner.get(f"{BASE}/secret-stores"))["secret_stores"]
    found["store_id"] = store["secret_store_ref"].rpartition("/")[2]
    return {("key-manager", name): one for name, one in found.items()}


async def ways(admin: Client) -> Ways:
    """With a secret that has no payload yet, and one of which the older versions take leave."""
    other, older = await _secret(admin), await _secret(admin)
    empty = await _made(admin, "secrets")
    into, uses = _reference(other), {"name": "n", "URL": "http://consumer.example.org"}
    uploaded = {"Content-Type": "text/plain"}
    sent: dict[str, Any] = {
        "POST /v1/secrets": {"payload": "p", "payload_content_type": "text/plain"},
        f"PUT {_SECRET}/metadata": {"metadata": {"key": "v"}},
        f"POST {_SECRET}/metadata": {"key": "other", "value": "v"},
        f"PUT {_SECRET}/metadata/{{key}}": {"key": "key", "value": "w"},
        f"POST {_SECRET}/consumers": _CONSUMER,
        f"DELETE {_SECRET}/consumers": _CONSUMER,
        "POST /v1/containers": {"type": "generic"},
        f"POST {_CONTAINER}/secrets": into,
        f"DELETE {_CONTAINER}/secrets": into,
        f"POST {_CONTAINER}/consumers": uses,
        f"DELETE {_CONTAINER}/consumers": uses,
        **{f"{one} {_SECRET}/acl": _READ for one in ("PUT", "PATCH")},
        **{f"{one} {_CONTAINER}/acl": _READ for one in ("PUT", "PATCH")},
        "POST /v1/orders": {"type": "key", "meta": _KEY},
        "PUT /v1/project-quotas/{project_id}": {"project_quotas": {"secrets": 50}},
    }
    return {
        **{(name, ""): Way(body=body) for name, body in sent.items()},
        (f"GET {_SECRET}/payload", ""): Way(headers={"Accept": "*/*"}),
        (f"PUT {_SECRET}", ""): Way(path={"secret_id": empty}, content=b"p", headers=uploaded),
        (f"DELETE {_SECRET} until 1.1", ""): Way(path={"secret_id": older}),
        (f"DELETE {_SECRET}", ""): Way(query="force=true"),
    }
