"""Allocation candidates."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.base.pieces import Pieces
from hanok.services.placement.logic import allocations, candidates, providers
from hanok.services.placement.logic.candidates import Group
from hanok.services.placement.room import Placement
from hanok.services.placement.routes.fresh import fresh
from hanok.services.placement.routes.query import OF_CANDIDATES, groups_of
from hanok.store import Transaction
from hanok.web.pages import number_of
from hanok.web.request import Request, json_answer
from hanok.web.routes import Route
from hanok.web.versions import Attribute, Before, Parameter, Query, Shape


def _limit(name: str, values: list[str]) -> None:
    if not all(map(number_of, values)):
        raise BadInput(f"Invalid query string parameters: limit={values[-1][:50]}")


def _policy(name: str, values: list[str]) -> None:
    if not set(values) <= {"none", "isolate"}:
        raise BadInput("Invalid query string parameters: group_policy is none or isolate")


def _once(name: str, values: list[str]) -> None:
    if len(values) > 1:
        raise BadInput(f"Query parameter '{name}' may be specified only once.")


QUERY = Query(
    *OF_CANDIDATES,
    Parameter(name="limit", since=(1, 16), check=_limit),
    Parameter(name="group_policy", since=(1, 25), check=_policy),
    Parameter(name="root_required", since=(1, 35), check=_once),
    Parameter(name="same_subtree", since=(1, 36)),
    closed=(1, 0),
)


def _check_groups(groups: dict[str, Group], subtrees: list[list[str]], policy: str) -> None:
    """Raises BadInput when the groups do not fit together."""
    if not any(group.resources for group in groups.values()):
        raise BadInput("At least one request group (`resources` or `resources{$S}`) is required.")
    for suffix, group in groups.items():
        if not group.resources and not any(suffix in names for names in subtrees):
            raise BadInput(f"All traits and aggregates of group '{suffix}' must be with resources.")
    if sum(1 for suffix in groups if suffix) > 1 and not policy:
        raise BadInput(
            'The "group_policy" parameter is required when specifying more than one "resources{N}" parameter.'
        )


async def list_candidates(request: Request, room: Placement) -> Response:
    """GET /allocation_candidates.

    Source: Placement API reference, "List allocation candidates".
    """
    request.allow()
    query = request.query
    limit = number_of(query.get("limit", ""))
    policy = query.get("group_policy", "")
    subtrees = [one.split(",") for one in request.query_all("same_subtree")]
    root_required = query["root_required"].split(",") if "root_required" in query else []
    groups = groups_of(request)
    _check_groups(groups, subtrees, policy)
    async with request.reading() as tx:
        named = {name for group in groups.values() for name in group.resources}
        await providers.check_classes(tx, named)
        wanted_traits = {
            t for g in groups.values() for t in (*g.forbidden, *(t for o in g.required for t in o))
        }
        await providers.check_traits(
            tx, [*wanted_traits, *(t.removeprefix("!") for t in root_required)]
        )
        world, found = await _found(
            tx,
            candidates.Request(
                groups=groups,
                isolate=policy == "isolate",
                same_subtree=subtrees,
                root_required=frozenset(t for t in root_required if not t.startswith("!")),
                root_forbidden=frozenset(t[1:] for t in root_required if t.startswith("!")),
            ),
            limit,
        )
    answer = await _answer(request, world, found)
    return json_answer(answer, 200, fresh(room))


async def _found(
    tx: Transaction, wanted: candidates.Request, limit: int | None
) -> tuple[candidates.World, list[candidates.Candidate]]:
    """As many candidates as are wanted (None: all), and the providers of their trees."""
    world, found = candidates.World(), list[candidates.Candidate]()
    async for part, served in candidates.search(tx, wanted, first=limit):
        found += served
        world.providers |= part.providers
        world.inventories |= part.inventories
        world.traits |= part.traits
        if limit is not None and len(found) >= limit:
            return world, found[:limit]
    return world, found


def _as_lists(candidate: dict[str, Any]) -> None:
    """Before allocations were told by provider, they were a list."""
    candidate["allocations"] = [
        {"resource_provider": {"uuid": provider_id}, "resources": one["resources"]}
        for provider_id, one in candidate["allocations"].items()
    ]


def _only_asked_for(summary: dict[str, Any]) -> None:
    """Before 1.27 a summary told of the classes that were asked for."""
    asked = summary["_asked"]
    summary["resources"] = {
        name: one for name, one in summary["resources"].items() if name in asked
    }


CANDIDATE = Shape(Before((1, 12), _as_lists), Attribute(name="mappings", since=(1, 34)))
SUMMARY = Shape(
    Attribute(name="traits", since=(1, 17)),
    Before((1, 27), _only_asked_for),
    Attribute(name="parent_provider_uuid", since=(1, 29)),
    Attribute(name="root_provider_uuid", since=(1, 29)),
    private=("_asked",),
)
TREES = Shape(Attribute(name="others", since=(1, 29)))
"""Whether the providers are told of that are in the trees of those which would be used."""


async def _answer(
    request: Request, world: candidates.World, found: list[candidates.Candidate]
) -> dict[str, Any]:
    candidate, summary = request.shown(CANDIDATE), request.shown(SUMMARY)
    pieces = Pieces()
    requests = [
        candidate(
            {
                "allocations": {p: {"resources": amounts} for p, amounts in one.resources.items()},
                "mappings": one.mappings,
            }
        )
        async for one in pieces.each(found)
    ]
    told = {p for one in found for p in one.resources}
    if request.shown(TREES).shows("others"):
        roots = {world.providers[p].root_id for p in told}
        told |= {p for p, row in world.providers.items() if row.root_id in roots}
    asked = {name for one in found for amounts in one.resources.values() for name in amounts}
    summaries = {p: summary(_summary(world, p, asked)) async for p in pieces.each(sorted(told))}
    return {"allocation_requests": requests, "provider_summaries": summaries}


def _summary(world: candidates.World, provider_id: str, asked: set[str]) -> dict[str, Any]:
    row = world.providers[provider_id]
    return {
        "resources": {
            name: {"capacity": allocations.capacity(item), "used": item.used}
            for name, item in world.inventories.get(provider_id, {}).items()
        },
        "traits": sorted(world.traits.get(provider_id, ())),
        "parent_provider_uuid": row.parent_id,
        "root_provider_uuid": row.root_id,
        "_asked": asked,
    }


ROUTES = (
    Route(
        "GET",
        "/allocation_candidates",
        list_candidates,
        ("placement:allocation_candidates:list",),
        minimum=(1, 10),
        query=QUERY,
    ),
)
