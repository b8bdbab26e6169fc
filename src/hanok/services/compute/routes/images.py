"""Images by way of compute, for clients from before 2.36: each request is one to the image service, in older words.

The image service is asked as the caller, with the caller's token, so its rules are those that hold.

Source: Compute API reference, "Images (DEPRECATED)".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from msgspec.structs import replace
from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.base.ids import is_uuid
from hanok.services.compute.logic import quotas
from hanok.services.compute.room import Compute
from hanok.services.compute.routes.proxied import ask
from hanok.services.compute.schemas import answers, bodies
from hanok.web.listing import COMPUTE, Links
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import SIGNED_IN, Route

PATCH = "application/openstack-images-v2.1-json-patch"
# The image service cuts the list and finds the marker; the links are compute's.
STYLE = replace(COMPUTE, sizes=("limit", "page_size"))
# What a parameter is there, and how its value is written.
FILTERS: dict[str, tuple[str, Callable[[str], str]]] = {
    "name": ("name", str),
    "minRam": ("min_ram", str),
    "minDisk": ("min_disk", str),
    "type": ("image_type", str),
    "status": ("status", str.lower),
    "server": ("instance_uuid", lambda address: address.rsplit("/", 1)[-1]),
    "changes-since": ("updated_at", lambda time: f"gte:{time}"),
    "marker": ("marker", str),
}
PROPERTY = "property-"
# What the image service says of every image; the rest are an image's own properties.
COMMON = frozenset(
    (
        "id name status visibility protected os_hidden checksum os_hash_algo os_hash_value owner size virtual_size "
        "container_format disk_format created_at updated_at tags min_ram min_disk locations direct_url stores self "
        "file schema"
    ).split()
)
STATUS = {"active": "ACTIVE", "queued": "SAVING", "saving": "SAVING", "killed": "ERROR"}
PROGRESS = {"queued": 25, "saving": 50, "active": 100}


async def _ask(
    request: Request, room: Compute, method: str, path: str, body: Any = None
) -> dict[str, Any]:
    try:
        return await ask(request, room, method, path, body, media_type=PATCH)
    except NotFound as error:
        raise NotFound("Image not found.") from error


def _path(request: Request) -> str:
    image_id = request.path["image_id"]
    if not is_uuid(image_id):
        raise NotFound("Image not found.")
    return f"/image/v2/images/{image_id}"


def _properties(image: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: value
        for name, value in image.items()
        if name not in COMMON and not name.startswith("os_glance")
    }


def _links(request: Request, image_id: str) -> list[dict[str, str]]:
    return [
        *answers.links(request, "images", image_id),
        {
            "rel": "alternate",
            "type": "application/vnd.openstack.image",
            "href": f"{request.origin}/image/images/{image_id}",
        },
    ]


def _basic(request: Request, image: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": image["id"],
        "name": image["name"],
        "links": _links(request, image["id"]),
    }


def _whole(request: Request, image: Mapping[str, Any]) -> dict[str, Any]:
    properties = _properties(image)
    shown = {
        **_basic(request, image),
        "minRam": image["min_ram"],
        "minDisk": image["min_disk"],
        "metadata": properties,
        "created": image["created_at"],
        "updated": image["updated_at"],
        "status": STATUS.get(image["status"], "UNKNOWN"),
        "progress": PROGRESS.get(image["status"], 0),
        "OS-EXT-IMG-SIZE:size": image.get("size"),
    }
    if (server_id := properties.get("instance_uuid")) is not None:
        links = answers.links(request, "servers", server_id)
        shown["server"] = {"id": server_id, "links": links}
    if (resized := properties.get("auto_disk_config")) is not None:
        auto = resized.lower() in ("true", "1", "yes", "on", "t", "y")
        shown["OS-DCF:diskConfig"] = "AUTO" if auto else "MANUAL"
    return shown


# ---- images ----


def _requested(name: str, value: str) -> tuple[str, str] | None:
    """A parameter as the image service reads it; None: it is not for that."""
    if name in FILTERS:
        there, written = FILTERS[name]
        return there, written(value)
    own = name.removeprefix(PROPERTY)
    return (own, value) if own not in ("", name) else None


async def _list(request: Request, room: Compute) -> tuple[list[dict[str, Any]], Links]:
    """A page of the image service's images, and the links to other pages."""
    limit = STYLE.limit(request)
    requested = [one for pair in request.pairs if (one := _requested(*pair)) is not None]
    query = urlencode([*requested, ("limit", limit)])
    found = (await _ask(request, room, "GET", f"/image/v2/images?{query}"))["images"]
    full = bool(found) and len(found) == limit
    return found, STYLE.links(request, found[-1]["id"] if full else None)


def _listed(items: list[dict[str, Any]], links: Links) -> Response:
    answer: dict[str, Any] = {"images": items}
    STYLE.put(answer, "images", links)
    return json_answer(answer)


async def list_images(request: Request, room: Compute) -> Response:
    """GET /images."""
    found, links = await _list(request, room)
    return _listed([_basic(request, one) for one in found], links)


async def list_details(request: Request, room: Compute) -> Response:
    """GET /images/detail."""
    found, links = await _list(request, room)
    return _listed([_whole(request, one) for one in found], links)


async def show_image(request: Request, room: Compute) -> Response:
    """GET /images/{id}."""
    found = await _ask(request, room, "GET", _path(request))
    return json_answer({"image": _whole(request, found)})


async def delete_image(request: Request, room: Compute) -> Response:
    """DELETE /images/{id}."""
    await _ask(request, room, "DELETE", _path(request))
    return no_content()


# ---- their properties ----


async def _metadata(request: Request, room: Compute) -> dict[str, str]:
    return _properties(await _ask(request, room, "GET", _path(request)))


async def _write(
    request: Request, room: Compute, before: Mapping[str, str], after: Mapping[str, str]
) -> None:
    """Have the image's properties be these."""
    for name in after:
        if name in COMMON:
            raise BadInput(f"{name!r} is an attribute of images and no metadata.")
    if request.token.project_id is not None:
        async with request.reading() as tx:
            await quotas.check_metadata(tx, room, request.token.project_id, after)
    changes: list[dict[str, str]] = [
        {"op": "remove", "path": _pointer(name)} for name in before if name not in after
    ]
    changes += [
        {"op": "add", "path": _pointer(name), "value": value}
        for name, value in after.items()
        if before.get(name) != value
    ]
    if changes:
        await _ask(request, room, "PATCH", _path(request), changes)


def _pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


async def list_metadata(request: Request, room: Compute) -> Response:
    """GET /images/{id}/metadata."""
    return json_answer({"metadata": await _metadata(request, room)})


async def add_metadata(request: Request, room: Compute) -> Response:
    """POST /images/{id}/metadata: what is not named stays."""
    requested = await request.body(bodies.MetadataMap, key="metadata")
    before = await _metadata(request, room)
    await _write(request, room, before, {**before, **requested})
    return json_answer({"metadata": {**before, **requested}})


async def replace_metadata(request: Request, room: Compute) -> Response:
    """PUT /images/{id}/metadata: what is not named goes."""
    requested = await request.body(bodies.MetadataMap, key="metadata")
    await _write(request, room, await _metadata(request, room), requested)
    return json_answer({"metadata": requested})


async def show_item(request: Request, room: Compute) -> Response:
    """GET /images/{id}/metadata/{key}."""
    key = request.path["key"]
    found = await _metadata(request, room)
    if key not in found:
        raise NotFound("The resource could not be found.")
    return json_answer({"meta": {key: found[key]}})


async def put_item(request: Request, room: Compute) -> Response:
    """PUT /images/{id}/metadata/{key}."""
    requested, key = await request.body(bodies.MetadataMap, key="meta"), request.path["key"]
    if len(requested) != 1:
        raise BadInput("Request body contains too many items")
    if key not in requested:
        raise BadInput("Request body and URI mismatch")
    before = await _metadata(request, room)
    await _write(request, room, before, {**before, **requested})
    return json_answer({"meta": requested})


async def delete_item(request: Request, room: Compute) -> Response:
    """DELETE /images/{id}/metadata/{key}."""
    key = request.path["key"]
    before = await _metadata(request, room)
    if key not in before:
        raise NotFound("Invalid metadata key")
    after = {name: value for name, value in before.items() if name != key}
    await _write(request, room, before, after)
    return no_content()


_ALL = "/v2.1/images"
_ONE = _ALL + "/{image_id}"
_META = _ONE + "/metadata"
_KEY = _META + "/{key}"
_LAST, _LAST_META = (2, 35), (2, 38)
_FILTERS = (*FILTERS, *STYLE.sizes)


def _route(
    method: str, path: str, handler: Any, member: str = "", query: tuple[str, ...] = ()
) -> Route:
    return Route(
        method,
        path,
        handler,
        (SIGNED_IN,),
        maximum=_LAST_META if "/metadata" in path else _LAST,
        strict=bool(member),
        body=bodies.MetadataMap if member else None,
        member=member,
        query=query,
    )


ROUTES = (
    _route("GET", _ALL, list_images, query=_FILTERS),
    _route("GET", _ALL + "/detail", list_details, query=_FILTERS),
    _route("GET", _ONE, show_image),
    _route("DELETE", _ONE, delete_image),
    _route("GET", _META, list_metadata),
    _route("POST", _META, add_metadata, "metadata"),
    _route("PUT", _META, replace_metadata, "metadata"),
    _route("GET", _KEY, show_item),
    _route("PUT", _KEY, put_item, "meta"),
    _route("DELETE", _KEY, delete_item),
)
