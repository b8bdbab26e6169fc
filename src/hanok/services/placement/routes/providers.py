"""Resource providers, their inventories, traits, aggregates, usages and allocations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import UNSET
from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict, MethodNotAllowed, NotFound
from hanok.base.ids import is_uuid, new_uuid
from hanok.base.pieces import Pieces
from hanok.services.placement import schemas
from hanok.services.placement.logic import allocations, provider_search, providers
from hanok.services.placement.logic.providers import dashed, undashed
from hanok.services.placement.room import Placement
from hanok.services.placement.routes.fresh import fresh
from hanok.services.placement.routes.query import OF_PROVIDERS, groups_of
from hanok.store import Duplicate, Transaction
from hanok.web.request import Request, json_answer, list_answer, no_content
from hanok.web.routes import Handler, Route
from hanok.web.versions import Attribute, Before, Query, Shape


def _without(*names: str) -> Callable[[dict[str, Any]], None]:
    """Leaves out the links that are called so."""

    def older(provider: dict[str, Any]) -> None:
        provider["links"] = [link for link in provider["links"] if link["rel"] not in names]

    return older


PROVIDER = Shape(
    Before((1, 1), _without("aggregates")),
    Before((1, 6), _without("traits")),
    Before((1, 11), _without("allocations")),
    Attribute(name="parent_provider_uuid", since=(1, 14)),
    Attribute(name="root_provider_uuid", since=(1, 14)),
)
AGGREGATES = Shape(Attribute(name="resource_provider_generation", since=(1, 19)))
ALLOCATION = Shape(Attribute(name="consumer_generation", since=(1, 28)))


def _links(provider_id: str) -> list[dict[str, str]]:
    base = f"/placement/resource_providers/{provider_id}"
    names = ("inventories", "usages", "aggregates", "traits", "allocations")
    return [
        {"rel": "self", "href": base},
        *({"rel": name, "href": f"{base}/{name}"} for name in names),
    ]


def _provider(request: Request, row: Any) -> dict[str, Any]:
    return request.shown(PROVIDER)(
        {
            "uuid": row.id,
            "name": row.name,
            "generation": row.generation,
            "links": _links(row.id),
            "parent_provider_uuid": row.parent_id,
            "root_provider_uuid": row.root_id,
        }
    )


async def _one(request: Request, tx: Transaction) -> Any:
    requested = request.path["uuid"]
    return await providers.get(tx, dashed(requested) if is_uuid(requested) else requested)


QUERY = Query("name", "uuid", *OF_PROVIDERS, closed=(1, 0))


async def list_providers(request: Request, room: Placement) -> Response:
    """GET /resource_providers with filters on name, uuid, resources, traits, aggregates and tree."""
    request.allow()
    query = request.query
    provider_id = None
    if "uuid" in query:
        if not is_uuid(query["uuid"]):
            raise BadInput(f"Invalid uuid value: {query['uuid'][:100]}")
        provider_id = dashed(query["uuid"])
    group = groups_of(request).get("")
    async with request.reading() as tx:
        rows = await provider_search.found(
            tx, name=query.get("name"), provider_id=provider_id, group=group
        )
    latest = max((row.updated_at for row in rows), default=None)
    items = [_provider(request, row) async for row in Pieces().each(rows)]
    whole = {"resource_providers": items}
    return await list_answer(whole, "resource_providers", fresh(room, latest))


def _creator(*, shown: bool) -> Handler:
    async def create_provider(request: Request, room: Placement) -> Response:
        """POST /resource_providers: 201 without a body, or 200 with one."""
        request.allow()
        body = await request.body(schemas.ProviderBody)
        provider_id = new_uuid() if body.uuid is UNSET else dashed(body.uuid)
        parent = body.parent_provider_uuid
        parent_id = dashed(parent) if isinstance(parent, str) else None
        if parent_id == provider_id:
            raise BadInput("A provider cannot be its own parent.")
        async with request.transaction() as tx:
            row = await providers.create(
                tx,
                provider_id=provider_id,
                name=body.name,
                parent_id=parent_id,
                now=room.clock.now(),
            )
        where = {"Location": f"{request.base_url}/resource_providers/{provider_id}"}
        if not shown:
            return no_content(201, where)
        return json_answer(_provider(request, row), 200, {**where, **fresh(room, row.updated_at)})

    return create_provider


async def show_provider(request: Request, room: Placement) -> Response:
    request.allow()
    async with request.reading() as tx:
        row = await _one(request, tx)
    return json_answer(_provider(request, row), 200, fresh(room, row.updated_at))


def _updater(*, moves: bool) -> Handler:
    async def update_provider(request: Request, room: Placement) -> Response:
        """PUT /resource_providers/{uuid}: another name, or a parent; one that has a parent moves only where it may."""
        request.allow()
        body = await request.body(schemas.ChangedProviderBody)
        async with request.transaction() as tx:
            row = await _one(request, tx)
            parent = row.parent_id
            if body.parent_provider_uuid is not UNSET:
                requested = body.parent_provider_uuid
                parent = dashed(requested) if isinstance(requested, str) else None
            now = room.clock.now()
            row = await providers.change(tx, row, body.name, parent, now, moves=moves)
        return json_answer(_provider(request, row), 200, fresh(room, row.updated_at))

    return update_provider


async def delete_provider(request: Request, room: Placement) -> Response:
    request.allow()
    async with request.transaction() as tx:
        await providers.delete(tx, await _one(request, tx))
    return no_content()


# ---- inventories ----


def _inventory(row: Any) -> dict[str, Any]:
    return {
        "total": row.total,
        "reserved": row.reserved,
        "min_unit": row.min_unit,
        "max_unit": row.max_unit,
        "step_size": row.step_size,
        "allocation_ratio": row.allocation_ratio,
    }


async def _inventories(tx: Transaction, provider_id: str) -> dict[str, Any]:
    row = await providers.get(tx, provider_id)
    rows = await providers.inventories_of(tx, provider_id)
    return {
        "resource_provider_generation": row.generation,
        "inventories": {one.resource_class: _inventory(one) for one in rows},
    }


async def list_inventories(request: Request, room: Placement) -> Response:
    request.allow()
    async with request.reading() as tx:
        answer = await _inventories(tx, (await _one(request, tx)).id)
    return json_answer(answer, 200, fresh(room))


async def replace_inventories(request: Request, room: Placement) -> Response:
    request.allow()
    body = await request.body(schemas.InventoriesBody)
    async with request.transaction() as tx:
        row = await _one(request, tx)
        await providers.raise_generation(
            tx, row, body.resource_provider_generation, room.clock.now()
        )
        await providers.set_inventories(tx, row, body.inventories)
        answer = await _inventories(tx, row.id)
    return json_answer(answer, 200, fresh(room))


async def delete_inventories(request: Request, room: Placement) -> Response:
    request.allow()
    async with request.transaction() as tx:
        row = await _one(request, tx)
        await providers.raise_generation(tx, row, None, room.clock.now())
        await providers.set_inventories(tx, row, {})
    return no_content()


async def create_inventory(request: Request, room: Placement) -> Response:
    request.allow()
    body = await request.body(schemas.NewInventoryBody)
    async with request.transaction() as tx:
        row = await _one(request, tx)
        generation = await providers.raise_generation(
            tx, row, body.resource_provider_generation, room.clock.now()
        )
        await providers.check_class(tx, body.resource_class)
        try:
            await providers.put_inventory(tx, row.id, body.resource_class, body, exists=False)
        except Duplicate as error:
            raise Conflict("Update conflict: the inventory exists already.") from error
        made = await providers.inventory(tx, row.id, body.resource_class)
    where = f"{request.base_url}/resource_providers/{row.id}/inventories/{body.resource_class}"
    return json_answer(
        {"resource_provider_generation": generation, **_inventory(made)},
        201,
        {"Location": where, **fresh(room)},
    )


async def show_inventory(request: Request, room: Placement) -> Response:
    request.allow()
    async with request.reading() as tx:
        row = await _one(request, tx)
        found = await providers.inventory(tx, row.id, request.path["resource_class"])
    return json_answer(
        {"resource_provider_generation": row.generation, **_inventory(found)}, 200, fresh(room)
    )


async def update_inventory(request: Request, room: Placement) -> Response:
    request.allow()
    body = await request.body(schemas.ChangedInventoryBody)
    name = request.path["resource_class"]
    async with request.transaction() as tx:
        row = await _one(request, tx)
        generation = await providers.raise_generation(
            tx, row, body.resource_provider_generation, room.clock.now()
        )
        try:
            await providers.inventory(tx, row.id, name)
        except NotFound as error:
            raise BadInput(f"Unable to update inventory: there is none of class {name}.") from error
        await providers.put_inventory(tx, row.id, name, body, exists=True)
        found = await providers.inventory(tx, row.id, name)
    return json_answer(
        {"resource_provider_generation": generation, **_inventory(found)}, 200, fresh(room)
    )


async def delete_inventory(request: Request, room: Placement) -> Response:
    request.allow()
    name = request.path["resource_class"]
    async with request.transaction() as tx:
        row = await _one(request, tx)
        await providers.delete_inventory(tx, row, name, room.clock.now())
    return no_content()


# ---- traits, aggregates, usages, allocations ----


async def list_traits(request: Request, room: Placement) -> Response:
    request.allow()
    async with request.reading() as tx:
        row = await _one(request, tx)
        found = await providers.traits_of(tx, row.id)
    return json_answer(
        {"traits": found, "resource_provider_generation": row.generation}, 200, fresh(room)
    )


async def replace_traits(request: Request, room: Placement) -> Response:
    request.allow()
    body = await request.body(schemas.TraitsBody)
    async with request.transaction() as tx:
        row = await _one(request, tx)
        generation = await providers.raise_generation(
            tx, row, body.resource_provider_generation, room.clock.now()
        )
        await providers.set_traits(tx, row.id, body.traits)
        found = await providers.traits_of(tx, row.id)
    return json_answer(
        {"traits": found, "resource_provider_generation": generation}, 200, fresh(room)
    )


async def delete_traits(request: Request, room: Placement) -> Response:
    request.allow()
    async with request.transaction() as tx:
        row = await _one(request, tx)
        await providers.raise_generation(tx, row, None, room.clock.now())
        await providers.set_traits(tx, row.id, ())
    return no_content()


def _distinct(ids: Sequence[str]) -> list[str]:
    """Ids of aggregates with their hyphens, or without, as they were sent.

    Raises:
        BadInput: one stands there twice.
    """
    found = [one.lower() for one in ids]
    if len(set(map(undashed, found))) < len(found):
        raise BadInput("JSON does not validate: the list of aggregates has non-unique elements")
    return found


async def _aggregates(
    request: Request, room: Placement, tx: Transaction, row: Any, generation: int
) -> Response:
    answer = {
        "aggregates": await providers.aggregates_of(tx, row.id),
        "resource_provider_generation": generation,
    }
    return json_answer(request.shown(AGGREGATES)(answer), 200, fresh(room))


async def list_aggregates(request: Request, room: Placement) -> Response:
    request.allow()
    async with request.reading() as tx:
        row = await _one(request, tx)
        return await _aggregates(request, room, tx, row, row.generation)


async def replace_aggregates(request: Request, room: Placement) -> Response:
    """PUT: the aggregates, with the provider's generation."""
    request.allow()
    async with request.transaction() as tx:
        row = await _one(request, tx)
        body = await request.body(schemas.AggregatesBody)
        generation = await providers.raise_generation(
            tx, row, body.resource_provider_generation, room.clock.now()
        )
        await providers.set_aggregates(tx, row.id, _distinct(body.aggregates))
        return await _aggregates(request, room, tx, row, generation)


async def replace_listed(request: Request, room: Placement) -> Response:
    """PUT until 1.18: the aggregates, whatever changed since."""
    request.allow()
    async with request.transaction() as tx:
        row = await _one(request, tx)
        requested = await request.body(list[schemas.UUIDText])
        await providers.set_aggregates(tx, row.id, _distinct(requested))
        return await _aggregates(request, room, tx, row, row.generation)


async def show_usages(request: Request, room: Placement) -> Response:
    request.allow()
    async with request.reading() as tx:
        row = await _one(request, tx)
        rows = await providers.inventories_of(tx, row.id)
    return json_answer(
        {
            "resource_provider_generation": row.generation,
            "usages": {one.resource_class: one.used for one in rows},
        },
        200,
        fresh(room),
    )


async def list_allocations(request: Request, room: Placement) -> Response:
    request.allow()
    shown = request.shown(ALLOCATION)
    async with request.reading() as tx:
        row = await _one(request, tx)
        rows = await allocations.of_provider(tx, row.id)
    found: dict[str, dict[str, Any]] = {}
    for one in rows:
        entry = found.get(one.consumer_id)
        if entry is None:
            entry = shown({"resources": {}, "consumer_generation": one.generation})
            found[one.consumer_id] = entry
        entry["resources"][one.resource_class] = one.used
    return json_answer(
        {"allocations": found, "resource_provider_generation": row.generation}, 200, fresh(room)
    )


_P = "placement:resource_providers"
_ONE = "/resource_providers/{uuid}"
_ITEM = _ONE + "/inventories/{resource_class}"
ROUTES = (
    Route(
        "GET",
        "/resource_providers",
        list_providers,
        (f"{_P}:list",),
        query=QUERY,
    ),
    Route(
        "POST",
        "/resource_providers",
        _creator(shown=False),
        (f"{_P}:create",),
        maximum=(1, 19),
        strict=True,
        body=schemas.ProviderBody,
    ),
    Route(
        "POST",
        "/resource_providers",
        _creator(shown=True),
        (f"{_P}:create",),
        minimum=(1, 20),
        strict=True,
        body=schemas.ProviderBody,
    ),
    Route("GET", _ONE, show_provider, (f"{_P}:show",)),
    *(
        Route(
            "PUT",
            _ONE,
            _updater(moves=moves),
            (f"{_P}:update",),
            minimum=minimum,
            maximum=maximum,
            strict=True,
            body=schemas.ChangedProviderBody,
        )
        for minimum, maximum, moves in ((None, (1, 36), False), ((1, 37), None, True))
    ),
    Route("DELETE", _ONE, delete_provider, (f"{_P}:delete",)),
    Route("GET", _ONE + "/inventories", list_inventories, (f"{_P}:inventories:list",)),
    Route(
        "PUT",
        _ONE + "/inventories",
        replace_inventories,
        (f"{_P}:inventories:update",),
        strict=True,
        body=schemas.InventoriesBody,
    ),
    Route(
        "POST",
        _ONE + "/inventories",
        create_inventory,
        (f"{_P}:inventories:create",),
        strict=True,
        body=schemas.NewInventoryBody,
    ),
    Route(
        "DELETE",
        _ONE + "/inventories",
        delete_inventories,
        (f"{_P}:inventories:delete",),
        minimum=(1, 5),
        outside=MethodNotAllowed,
    ),
    Route("GET", _ITEM, show_inventory, (f"{_P}:inventories:show",)),
    Route(
        "PUT",
        _ITEM,
        update_inventory,
        (f"{_P}:inventories:update",),
        strict=True,
        body=schemas.ChangedInventoryBody,
    ),
    Route("DELETE", _ITEM, delete_inventory, (f"{_P}:inventories:delete",)),
    Route("GET", _ONE + "/traits", list_traits, (f"{_P}:traits:list",), minimum=(1, 6)),
    Route(
        "PUT",
        _ONE + "/traits",
        replace_traits,
        (f"{_P}:traits:update",),
        minimum=(1, 6),
        strict=True,
        body=schemas.TraitsBody,
    ),
    Route("DELETE", _ONE + "/traits", delete_traits, (f"{_P}:traits:delete",), minimum=(1, 6)),
    Route("GET", _ONE + "/aggregates", list_aggregates, (f"{_P}:aggregates:list",), minimum=(1, 1)),
    Route(
        "PUT",
        _ONE + "/aggregates",
        replace_listed,
        (f"{_P}:aggregates:update",),
        minimum=(1, 1),
        maximum=(1, 18),
        body=list[schemas.UUIDText],
    ),
    Route(
        "PUT",
        _ONE + "/aggregates",
        replace_aggregates,
        (f"{_P}:aggregates:update",),
        minimum=(1, 19),
        strict=True,
        body=schemas.AggregatesBody,
    ),
    Route("GET", _ONE + "/usages", show_usages, (f"{_P}:usages",)),
    Route("GET", _ONE + "/allocations", list_allocations, (f"{_P}:allocations:list",)),
)
