"""Host aggregates: groups of hosts with metadata, which make zones and say what may go where.

Source: Compute API reference, "Host aggregates (os-aggregates)".
"""

from __future__ import annotations

from msgspec import UNSET
from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.services.compute.logic import aggregates, notices, zones
from hanok.services.compute.operations import CacheImages
from hanok.services.compute.room import Compute
from hanok.services.compute.schemas import answers, bodies
from hanok.services.image import facade as images
from hanok.web.pages import number_of
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Handler, Route


def _id(request: Request) -> int:
    """Raises BadInput: what stands in the path is not a number."""
    text = request.path["aggregate_id"]
    number = number_of(text.removeprefix("-"))
    if number is None:
        raise BadInput(f"id must be an integer, not '{text[:50]}'")
    return -number if text.startswith("-") else number


async def list_aggregates(request: Request, room: Compute) -> Response:
    """GET /os-aggregates."""
    request.allow()
    async with request.reading() as tx:
        found = await aggregates.everything(tx)
    return json_answer({"aggregates": [answers.aggregate(request, one) for one in found]})


async def create_aggregate(request: Request, room: Compute) -> Response:
    """POST /os-aggregates: the answer tells of no hosts and metadata, as ever."""
    request.allow()
    body = await request.body(bodies.CreateAggregate, key="aggregate")
    async with request.transaction() as tx:
        await zones.serialize(tx)
        made = await aggregates.create(tx, body.name, body.availability_zone, room.clock.now())
        _told(request, made, "create", name=body.name, meta_data=made.metadata)
    answer = answers.aggregate(request, made)
    del answer["hosts"], answer["metadata"]
    return json_answer({"aggregate": answer})


def _told(request: Request, one: aggregates.Aggregate, verb: str, **more: object) -> None:
    """Have an event tell of this aggregate. verb: as in versioned notifications; more: see `notices.aggregate`."""
    payload = notices.aggregate(one, verb.replace("_", ""), **more)
    request.made(str(one.row.id), payload, event=f"compute.aggregate.{verb}.end")


async def show_aggregate(request: Request, room: Compute) -> Response:
    """GET /os-aggregates/{id}."""
    request.allow()
    async with request.reading() as tx:
        one = await aggregates.get(tx, _id(request))
    return json_answer({"aggregate": answers.aggregate(request, one)})


async def update_aggregate(request: Request, room: Compute) -> Response:
    """PUT /os-aggregates/{id}: its name, its zone, or both."""
    request.allow()
    body = await request.body(bodies.UpdateAggregate, key="aggregate")
    if body.name is UNSET and body.availability_zone is UNSET:
        raise BadInput("Invalid input for field/attribute aggregate. Value: {}. It is too short.")
    zone = body.availability_zone
    changes = {} if zone is UNSET else {aggregates.ZONE: zone}
    name = None if body.name is UNSET else body.name
    async with request.transaction() as tx:
        now, settings = room.clock.now(), room.settings
        one = await zones.update(tx, _id(request), name, changes, settings, now)
        if name is not None:
            _told(request, one, "update_prop")
        if changes:
            _told(request, one, "update_metadata", meta_data=changes)
    return json_answer({"aggregate": answers.aggregate(request, one)})


async def delete_aggregate(request: Request, room: Compute) -> Response:
    """DELETE /os-aggregates/{id}: one without hosts."""
    request.allow()
    async with request.transaction() as tx:
        await zones.serialize(tx)
        one = await aggregates.get(tx, _id(request))
        _told(request, one, "delete")
        await aggregates.delete(tx, one)
    return no_content(200)


def _mover(key: str, *, adds: bool) -> Handler:
    async def handler(request: Request, room: Compute) -> Response:
        """add_host, remove_host."""
        request.allow(f"{_A}:{key}")
        body = await request.body(bodies.HostOfAggregate, key=key)
        move = zones.add_host if adds else zones.remove_host
        async with request.transaction() as tx:
            one = await move(tx, _id(request), body.host, room.settings, room.clock.now())
            _told(request, one, key, host_name=body.host, name=one.row.name)
        return json_answer({"aggregate": answers.aggregate(request, one)})

    return handler


async def set_metadata(request: Request, room: Compute) -> Response:
    """set_metadata: keys are set, those with null taken away, others stay."""
    request.allow(f"{_A}:set_metadata")
    body = await request.body(bodies.AggregateMetadata, key="set_metadata")
    async with request.transaction() as tx:
        now, settings = room.clock.now(), room.settings
        of = "metadata of aggregate"
        one = await zones.update(tx, _id(request), None, body.metadata, settings, now, of=of)
        _told(request, one, "update_metadata", meta_data=body.metadata)
    return json_answer({"aggregate": answers.aggregate(request, one)})


async def cache_images(request: Request, room: Compute) -> Response:
    """POST /os-aggregates/{id}/images: the hosts fetch these images ahead of time; 202 before they have."""
    request.allow()
    body = await request.body(bodies.CacheImages)
    ids = [one.id for one in body.cache]
    if len(set(ids)) != len(ids):
        raise BadInput("Duplicate images in request")
    async with request.transaction() as tx:
        one = await aggregates.get(tx, _id(request))
        for image_id in ids:
            try:
                await images.visible(tx, request.reaching("image"), image_id)
            except NotFound as error:
                raise BadInput(f"Image {image_id} could not be found.") from error
        await room.operations.start(
            tx,
            CacheImages(aggregate_id=one.row.id, image_ids=tuple(ids)),
            user_id=request.token.user_id,
            project_id=request.token.project_id,
        )
    return no_content(202)


_A = "os_compute_api:os-aggregates"
_ALL = "/v2.1/os-aggregates"
_ONE = _ALL + "/{aggregate_id}"
ROUTES = (
    Route("GET", _ALL, list_aggregates, (f"{_A}:index",)),
    Route(
        "POST",
        _ALL,
        create_aggregate,
        (f"{_A}:create",),
        strict=True,
        body=bodies.CreateAggregate,
        member="aggregate",
        event="compute.aggregate.create.end",
    ),
    Route("GET", _ONE, show_aggregate, (f"{_A}:show",)),
    Route(
        "PUT",
        _ONE,
        update_aggregate,
        (f"{_A}:update",),
        strict=True,
        body=bodies.UpdateAggregate,
        member="aggregate",
        event="compute.aggregate.update_prop.end",
    ),
    Route(
        "DELETE",
        _ONE,
        delete_aggregate,
        (f"{_A}:delete",),
        event="compute.aggregate.delete.end",
    ),
    *(
        Route(
            "POST",
            _ONE + "/action",
            _mover(key, adds=adds),
            (f"{_A}:{key}",),
            body_key=key,
            strict=True,
            body=bodies.HostOfAggregate,
            event=f"compute.aggregate.{key}.end",
        )
        for key, adds in (("add_host", True), ("remove_host", False))
    ),
    Route(
        "POST",
        _ONE + "/action",
        set_metadata,
        (f"{_A}:set_metadata",),
        body_key="set_metadata",
        strict=True,
        body=bodies.AggregateMetadata,
        event="compute.aggregate.update_metadata.end",
    ),
    Route(
        "POST",
        _ONE + "/images",
        cache_images,
        ("compute:aggregates:images",),
        minimum=(2, 81),
        strict=True,
        body=bodies.CacheImages,
    ),
)
