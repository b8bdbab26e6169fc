"""Version documents."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.services.compute.microversions import MICROVERSIONS
from hanok.services.compute.room import Compute
from hanok.web.microversions import text
from hanok.web.request import Request, json_answer
from hanok.web.routes import PUBLIC, Route


def _version(request: Request) -> dict[str, Any]:
    return {
        "id": "v2.1",
        "status": "CURRENT",
        "version": text(MICROVERSIONS.maximum),
        "min_version": text(MICROVERSIONS.minimum),
        "updated": "2013-07-23T11:33:21Z",
        "links": [{"rel": "self", "href": f"{request.base_url}/v2.1/"}],
    }


def _oldest(request: Request) -> dict[str, Any]:
    """Version 2.0: as 2.1, without microversions."""
    return {
        "id": "v2.0",
        "status": "SUPPORTED",
        "version": "",
        "min_version": "",
        "updated": "2011-01-21T11:33:21Z",
        "links": [{"rel": "self", "href": f"{request.base_url}/v2/"}],
    }


async def list_versions(request: Request, room: Compute) -> Response:
    return json_answer({"versions": [_oldest(request), _version(request)]})


def _document(version: dict[str, Any], number: str) -> Response:
    version["media-types"] = [
        {
            "base": "application/json",
            "type": f"application/vnd.openstack.compute+json;version={number}",
        }
    ]
    version["links"].append(
        {"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"}
    )
    return json_answer({"version": version})


async def show_version(request: Request, room: Compute) -> Response:
    return _document(_version(request), "2.1")


async def show_oldest(request: Request, room: Compute) -> Response:
    return _document(_oldest(request), "2")


ROUTES = (
    Route("GET", "/", list_versions, (PUBLIC,)),
    Route("GET", "/v2", show_oldest, (PUBLIC,)),
    Route("GET", "/v2.1", show_version, (PUBLIC,)),
)
