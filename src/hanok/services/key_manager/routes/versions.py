"""Version documents.

Source: Key Manager API v1 reference, "API Versions".
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.services.key_manager.microversions import MICROVERSIONS
from hanok.services.key_manager.room import KeyManager
from hanok.web.microversions import text
from hanok.web.request import Request, json_answer
from hanok.web.routes import PUBLIC, Route
from hanok.web.versions import Before, Shape

_MEDIA = {"base": "application/json", "type": "application/vnd.openstack.key-manager-v1+json"}


def _plain(version: dict[str, Any]) -> None:
    """As clients knew it before there were microversions."""
    del version["min_version"], version["max_version"]
    version |= {"status": "stable", "updated": "2015-04-28T00:00:00Z", "media-types": [_MEDIA]}


def _valued(answer: dict[str, Any]) -> None:
    for version in answer["versions"]:
        _plain(version)
    answer["versions"] = {"values": answer["versions"]}


LIST = Shape(Before((1, 1), _valued))
ONE = Shape(Before((1, 1), lambda answer: _plain(answer["version"])))


def _version(request: Request) -> dict[str, Any]:
    described = {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"}
    return {
        "id": "v1",
        "status": "CURRENT",
        "min_version": text(MICROVERSIONS.minimum),
        "max_version": text(MICROVERSIONS.maximum),
        "links": [{"rel": "self", "href": f"{request.base_url}/v1/"}, described],
    }


async def list_versions(request: Request, room: KeyManager) -> Response:
    """GET /."""
    return json_answer(request.shown(LIST)({"versions": [_version(request)]}), 300)


async def show_version(request: Request, room: KeyManager) -> Response:
    """GET /v1."""
    return json_answer(request.shown(ONE)({"version": _version(request)}))


ROUTES = (
    Route("GET", "/", list_versions, (PUBLIC,)),
    Route("GET", "/v1", show_version, (PUBLIC,)),
)
