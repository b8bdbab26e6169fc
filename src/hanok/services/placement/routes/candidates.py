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

MISSING_VALUE, BAD_VALUE = "placement.query.missing_value", "placement.query.bad_value"


def _limit(name: str, values: list[str]) -> None:
    if not all(map(number_of, values)):
        raise BadInput(f"Invalid query string parameters: limit={values[-1][:50]}")


def _policy(name: str, values: list[str]) -> None:
    if not set(values) <= {"none", "isolate"}:
        raise BadInput("Invalid query string parameters: group_policy is none or isolate")


def _once(name: str, values: list[str]) -> None:
    if len(values) > 1:
        raise BadInput(
            f"Query parameter '{name}' may be specified only once.",
            code="placement.query.duplicate_key",
        )


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
        raise BadInput(
            "There must be at least one resources or resources[$S] parameter.", code=MISSING_VALUE
        )
    if any("" in names for names in subtrees):
        raise BadInput(
            "Empty string (unsuffixed group) can not be specified in `same_subtree`",
            code=BAD_VALUE,
        )
    if odd := sorted({one for names in subtrees for one in names} - groups.keys()):
        raise BadInput(
            f"Real suffixes should be specified in `same_subtree`: {odd[0][:100]} not found.",
            code=BAD_VALUE,
        )
    for suffix, group in groups.items():
        if not group.resources and not any(suffix in names for names in subtrees):
            raise BadInput(
                f"Resourceless suffixed group request should be specified in `same_subtree` query param: "
                f"bad group(s) - '{suffix}'.",
                code=BAD_VALUE,
            )
    if sum(1 for suffix in groups if suffix) > 1 and not policy:
        raise BadInput(
            'The "group_policy" parameter is required when specifying more than one "resources{N}" parameter.'
        )


def _root_traits(request: Request) -> tuple[frozenset[str], frozenset[str]]:
    """What the root of a tree must have, and must not.

    Raises:
        BadInput: one trait is both.
    """
    sent = request.query.get("root_required")
    names = sent.split(",") if sent is not None else []
    required = frozenset(one for one in names if not one.startswith("!"))
    forbidden = frozenset(one[1:] for one in names if one.startswith("!"))
    if both := sorted(required & forbidden):
        raise BadInput(
            f"Conflicting required and forbidden traits found in root_required: {', '.join(both)}",
            code=BAD_VALUE,
        )
    return required, forbidden


async def list_candidates(request: Request, room: Placement) -> Response:
    """GET /allocation_candidates.

    Source: Placement API reference, "List allocation candidates".
    """
    request.allow()
    limit = number_of(next(iter(request.query_all("limit")), ""))
    policy = next(iter(request.query_all("group_policy")), "")  # of several, the first counts
    subtrees = [
        [name.strip() for name in one.split(",")] for one in request.query_all("same_subtree")
    ]
    root_required, root_forbidden = _root_traits(request)
    groups = groups_of(request)
    _check_groups(groups, subtrees, policy)
    async with request.reading() as tx:
        named = {name for group in groups.values() for name in group.resources}
        await providers.check_classes(tx, named)
        requested_traits = {
            t for g in groups.values() for t in (*g.forbidden, *(t for o in g.required for t in o))
        }
        await providers.check_traits(tx, [*requested_traits, *root_required, *root_forbidden])
        world, found = await _found(
            tx,
            candidates.Request(
                groups=groups,
                isolate=policy == "isolate",
                same_subtree=subtrees,
                root_required=root_required,
                root_forbidden=root_forbidden,
            ),
            limit,
            nested=request.shown(TREES).shows("others"),
        )
    answer = await _answer(request, world, found)
    return json_answer(answer, 200, fresh(room))


async def _found(
    tx: Transaction, requested: candidates.Request, limit: int | None, *, nested: bool
) -> tuple[candidates.World, list[candidates.Candidate]]:
    """As many candidates as are wanted (None: all), and the providers of their trees.

    Args:
        nested: whether a candidate may have several providers of one tree.
    """
    world, found = candidates.World(), list[candidates.Candidate]()
    async for part, served in candidates.search(tx, requested, first=limit):
        found += served if nested else [one for one in served if _is_flat(part, one)]
        world.providers |= part.providers
        world.inventories |= part.inventories
        world.traits |= part.traits
        if limit is not None and len(found) >= limit:
            return world, found[:limit]
    return world, found


def _is_flat(world: candidates.World, candidate: candidates.Candidate) -> bool:
    """Whether each tree serves it with one provider, which is all that clients from before trees know."""
    roots = [world.providers[one].root_id for one in candidate.resources]
    return len(set(roots)) == len(roots)


def _as_lists(candidate: dict[str, Any]) -> None:
    """Before allocations were told by provider, they were a list."""
    candidate["allocations"] = [
        {"resource_provider": {"uuid": provider_id}, "resources": one["resources"]}
        for provider_id, one in candidate["allocations"].items()
    ]


def _only_requested(summary: dict[str, Any]) -> None:
    """Before 1.27 a summary told of the classes that were asked for."""
    requested = summary["_requested"]
    summary["resources"] = {
        name: one for name, one in summary["resources"].items() if name in requested
    }


CANDIDATE = Shape(Before((1, 12), _as_lists), Attribute(name="mappings", since=(1, 34)))
SUMMARY = Shape(
    Attribute(name="traits", since=(1, 17)),
    Before((1, 27), _only_requested),
    Attribute(name="parent_provider_uuid", since=(1, 29)),
    Attribute(name="root_provider_uuid", since=(1, 29)),
    private=("_requested",),
)
TREES = Shape(Attribute(name="others", since=(1, 29)))
"""Whether a tree may serve with several providers, and its others are told of."""


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
    requested = {name for one in found for amounts in one.resources.values() for name in amounts}
    summaries = {p: summary(_summary(world, p, requested)) async for p in pieces.each(sorted(told))}
    return {"allocation_requests": requests, "provider_summaries": summaries}


def _summary(world: candidates.World, provider_id: str, requested: set[str]) -> dict[str, Any]:
    row = world.providers[provider_id]
    return {
        "resources": {
            name: {"capacity": allocations.capacity(item), "used": item.used}
            for name, item in world.inventories.get(provider_id, {}).items()
        },
        "traits": sorted(world.traits.get(provider_id, ())),
        "parent_provider_uuid": row.parent_id,
        "root_provider_uuid": row.root_id,
        "_requested": requested,
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
