"""Signals that a guest puts into the object store, at a signed address that is good for one object of one container.

A resource has a container of its own, with a key of its own. It keeps versions, so that each signal is one of them
until it is taken; it goes with the resource. What comes late to the address of something that is waited for no more
is in an object that nobody looks at.

Source: Object Storage API reference, "Temporary URL middleware"; "Object versioning".
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from hanok.services.orchestration.logic import signals, texts
from hanok.services.orchestration.logic.types.model import Failed
from hanok.services.orchestration.logic.types.swift import account_url
from hanok.services.orchestration.logic.work import Work

Take = Callable[[str, Any], Awaitable[None]]
"""The id of a signal, and what it says."""

FOREVER = 2**31 - 1  # seconds since 1970: an address is good for as long as its container is there
_PAGE = 100  # signals that are taken at one look


def choose(work: Work) -> None:
    """The key of a resource's container: written down before the container is made."""
    work.data.setdefault("mailbox_key", secrets.token_urlsafe(32))


def _account(work: Work) -> str:
    return f"/v1/AUTH_{work.cloud.project_id}"


def _container(work: Work) -> str:
    return f"{_account(work)}/signals-{work.part.id}"


async def ask(
    work: Work, method: str, path: str, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    """Ask the object store.

    Raises:
        Failed: it refuses, for another reason than that there is nothing.
    """
    status, _, raw = await work.cloud.raw(method, f"objects:{path}", headers=headers)
    if status >= 400 and status != 404:
        said = raw[:200].decode("utf-8", "replace")
        raise Failed(f"The object store answered {status}: {said}")
    return status, raw


async def ensure(work: Work) -> None:
    """The container is there, and the address of the store known."""
    work.data["mailbox_at"] = await account_url(work)
    sent = {"x-container-meta-temp-url-key": work.data["mailbox_key"], "x-versions-enabled": "true"}
    await ask(work, "PUT", _container(work), sent)


def address(work: Work, name: str) -> str:
    """Where a signal is put, by whoever has the address. name: of the object, for what is waited for."""
    path = f"{_container(work)}/{name}"
    key = str(work.data.get("mailbox_key", "")).encode()
    signed = hmac.new(key, f"PUT\n{FOREVER}\n{path}".encode(), hashlib.sha256).hexdigest()
    store = urlsplit(str(work.data.get("mailbox_at", "")))
    return f"{store.scheme}://{store.netloc}{path}?temp_url_sig={signed}&temp_url_expires={FOREVER}"


async def collect(work: Work, name: str, take: Take) -> None:
    """Take the signals that came, oldest first. One is gone once it was taken, for good or bad; after a crash it may
    be taken once more, with the same id.

    Raises:
        Failed: one is no JSON, or too long, or what `take` raises.
    """
    for one in reversed(await _versions(work, name)):
        place = f"{_container(work)}/{name}?version-id={quote(one['version_id'])}"
        try:
            if (details := await _details(work, place, one["bytes"])) is not None:
                await take(one["version_id"], details)
        except Failed:
            await ask(work, "DELETE", place)
            raise
        await ask(work, "DELETE", place)


async def _details(work: Work, place: str, size: int) -> Any:
    """What a signal says; None: nothing, as it is empty or gone. size: of the object, which may stand for others."""
    status, raw = await ask(work, "GET", place) if size <= signals.LARGEST else (413, b"")
    if max(size, len(raw)) > signals.LARGEST:
        raise Failed(f"A signal has more than {signals.LARGEST} bytes.")
    if status == 404 or not raw.strip():
        return None
    try:
        return texts.from_json(raw)
    except ValueError:
        raise Failed("A signal is not valid JSON.") from None


async def _versions(work: Work, name: str) -> list[dict[str, Any]]:
    query = f"versions&format=json&limit={_PAGE}&prefix={name}"
    status, raw = await ask(work, "GET", f"{_container(work)}?{query}")
    listed = msgspec.json.decode(raw) if status < 300 and raw else []
    return [one for one in listed if one.get("name") == name]


async def remove(work: Work) -> None:
    """The container is gone, with what was not taken. Its key goes first, so that nothing comes meanwhile."""
    await ask(work, "POST", _container(work), {"x-remove-container-meta-temp-url-key": "x"})
    while some := await _all(work):
        for one in some:
            where = f"{quote(one['name'])}?version-id={quote(one['version_id'])}"
            await ask(work, "DELETE", f"{_container(work)}/{where}")
    await ask(work, "DELETE", _container(work))


async def _all(work: Work) -> list[dict[str, Any]]:
    """What a container holds, whoever put it there; a look at a time."""
    status, raw = await ask(work, "GET", f"{_container(work)}?versions&format=json&limit={_PAGE}")
    return list(msgspec.json.decode(raw)) if status < 300 and raw else []
