"""OS::Swift types.

Source: the template guide, "OpenStack Resource Types", OS::Swift; Object Store API reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from hanok.services.orchestration.logic.types.model import (
    Attribute,
    Driver,
    Failed,
    Property,
    ResourceType,
)
from hanok.services.orchestration.logic.work import Work

_OBJECTS = 1_000  # that a container is emptied of when it is purged, a look at a time


async def account_url(work: Work) -> str:
    """The address of the project's account in the object store, as whoever asked for the change reaches it.

    Raises:
        Failed: the catalog has none.
    """
    origin = urlsplit(work.origin)
    listed = await work.cloud("GET", "/identity/v3/auth/catalog", headers={"host": origin.netloc})
    for service in listed["catalog"]:
        for one in service["endpoints"]:
            if service["type"] == "object-store" and one["interface"] == "public":
                _, _, rest = str(one["url"]).partition("://")
                return f"{origin.scheme}://{rest}"
    raise Failed("There is no object store in the catalog.")


class Container(Driver):
    """A container; it is removed when it is empty, or emptied where that is asked for."""

    async def create(self, work: Work) -> str | None:
        name = work.properties["name"] or work.name_of_resource
        await self._ask(work, "PUT", self._path(work, name), headers=_headers(work.properties))
        return str(name)

    def _path(self, work: Work, name: str) -> str:
        return f"objects:/v1/AUTH_{work.cloud.project_id}/{quote(name, safe='')}"

    async def _ask(
        self, work: Work, method: str, path: str, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        status, said, raw = await work.cloud.raw(method, path, headers=headers)
        if status >= 400 and status != 404:
            raise Failed(
                f"The object store answered {status}: {raw[:200].decode('utf-8', 'replace')}"
            )
        return status, said, raw

    async def update(self, work: Work, changed: Mapping[str, Any]) -> None:
        await self._ask(work, "POST", self._path(work, work.id), headers=_headers(work.properties))

    async def delete(self, work: Work) -> None:
        if not work.part.physical_id:
            return
        if work.properties["PurgeOnDelete"]:
            await self._empty(work)
        await self._ask(work, "DELETE", self._path(work, work.id))

    async def _empty(self, work: Work) -> None:
        path = self._path(work, work.id)
        while True:
            status, _, raw = await self._ask(work, "GET", f"{path}?format=json&limit={_OBJECTS}")
            names = (
                [one["name"] for one in msgspec.json.decode(raw or b"[]")] if status < 300 else []
            )
            if not names:
                return
            for name in names:
                await self._ask(work, "DELETE", f"{path}/{quote(name, safe='')}")

    async def check(self, work: Work) -> None:
        status, _, _ = await self._ask(work, "HEAD", self._path(work, work.id))
        if status == 404:
            raise Failed("The container is gone.")

    async def attribute(self, work: Work, name: str) -> Any:
        status, said, _ = await self._ask(work, "HEAD", self._path(work, work.id))
        if status == 404:
            return None
        told = {
            "ObjectCount": "x-container-object-count",
            "BytesUsed": "x-container-bytes-used",
            "HeadContainer": "",
        }
        if name == "show" or told.get(name) == "":
            return dict(said)
        if name in ("DomainName", "WebsiteURL", "RootURL"):
            url = await account_url(work)
            return {
                "DomainName": urlsplit(url).hostname,
                "WebsiteURL": f"{url}/{quote(work.id, safe='')}",
                "RootURL": url,
            }[name]
        return said.get(told.get(name, ""), None)


def _headers(given: Mapping[str, Any]) -> dict[str, str]:
    keys = ("X-Container-Read", "X-Container-Write")
    found = {key.lower(): _wire(given[key]) for key in keys if given[key] is not None}
    for name, value in (given["X-Container-Meta"] or {}).items():
        if not name.isascii() or any(one in f"{name}{value}" for one in "\r\n:"):
            raise Failed(f"The metadata {name[:50]} cannot be sent.")
        found[f"x-container-meta-{name}".lower()] = _wire(value)
    return found


def _wire(value: Any) -> str:
    """A value as headers have it: the bytes of UTF-8, each as a character."""
    return str(value).encode().decode("latin-1")


TYPES = (
    ResourceType(
        name="OS::Swift::Container",
        service="object-store",
        properties={
            "name": Property(),
            "X-Container-Read": Property(update=True),
            "X-Container-Write": Property(update=True),
            "X-Container-Meta": Property(type="map", update=True, default={}),
            "X-Account-Meta": Property(
                type="map", default={}, refused="an account's metadata is not a container's."
            ),
            "PurgeOnDelete": Property(type="boolean", default=False, update=True),
        },
        attributes={
            name: Attribute()
            for name in (
                "DomainName",
                "WebsiteURL",
                "RootURL",
                "ObjectCount",
                "BytesUsed",
                "HeadContainer",
            )
        },
        driver=Container(),
    ),
)
