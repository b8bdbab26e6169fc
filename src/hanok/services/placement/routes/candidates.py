"""Allocation candidates."""

from __future__ import annotations

import itertools
from typing import Any

import sqlalchemy as sa
from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.services.placement.logic import allocations, candidates, providers
from hanok.services.placement.room import Placement
from hanok.services.placement.routes.query import GROUP, KEY, groups_of
from hanok.services.placement.standard import CLASS_SET
from hanok.services.placement.tables import resource_classes
from hanok.web.pages import number_of
from hanok.web.request import Request, json_answer
from hanok.web.routes import Route

MOST = 1000  # candidates of one answer when no limit was asked for


async def list_candidates(request: Request, room: Placement) -> Response:
    """GET /allocation_candidates.

    Source: Placement API reference, "List allocation candidates".
    """
    request.allow()
    version = request.microversion
    limit: int | None = None
    policy = ""
    subtrees: list[list[str]] = []
    root_required: list[str] = []
    for key, value in request.pairs:
        if KEY.fullmatch(key):
            continue
        if key == "limit" and version >= (1, 16):
            limit = number_of(value)
            if not limit:
                raise BadInput(f"Invalid query string parameters: limit={value[:50]}")
        elif key == "group_policy" and version >= (1, 25):
            if value not in ("none", "isolate"):
                raise BadInput("Invalid query string parameters: group_policy is none or isolate")
            policy = value
        elif key == "same_subtree" and version >= (1, 36):
            subtrees.append(value.split(","))
        elif key == "root_required" and version >= (1, 35):
            root_required = value.split(",")
        else:
            raise BadInput(f"Invalid query string parameters: '{key[:100]}' was unexpected")
    groups = groups_of(request)
    if not any(group.resources for group in groups.values()):
        raise BadInput("At least one request group (`resources` or `resources{$S}`) is required.")
    for suffix, group in groups.items():
        if not group.resources and not any(suffix in names for names in subtrees):
            raise BadInput(f"All traits and aggregates of group '{suffix}' must be with resources.")
    if sum(1 for suffix in groups if suffix) > 1 and not policy and version < (1, 36):
        raise BadInput('The "group_policy" parameter is required when several groups are given.')
    async with request.reading() as tx:
        named = {name for group in groups.values() for name in group.resources}
        own = set(await tx.scalars(sa.select(resource_classes.c.name)))
        unknown = sorted(named - CLASS_SET - own)
        if unknown:
            raise BadInput(f"Invalid resource class in resources parameter: {', '.join(unknown)}")
        wanted_traits = {
            t for g in groups.values() for t in (*g.forbidden, *(t for o in g.required for t in o))
        }
        await providers.check_traits(
            tx, [*wanted_traits, *(t.removeprefix("!") for t in root_required)]
        )
        world = await candidates.read_world(tx, groups)
    found = [
        one
        for one in itertools.islice(
            candidates.candidates(
                world, groups, isolate=policy == "isolate", same_subtree=subtrees
            ),
            MOST if limit is None else None,
        )
        if _root_fits(world, one, root_required)
    ][: limit or MOST]
    return json_answer(_answer(request, world, found), 200, {"Cache-Control": "no-cache"})


def _root_fits(world: candidates.World, one: candidates.Candidate, wanted: list[str]) -> bool:
    for provider_id in one.resources:
        held = world.traits.get(world.providers[provider_id].root_id, set())
        if any(
            (name[1:] in held) if name.startswith("!") else (name not in held) for name in wanted
        ):
            return False
    return True


def _answer(
    request: Request, world: candidates.World, found: list[candidates.Candidate]
) -> dict[str, Any]:
    version = request.microversion
    requests: list[dict[str, Any]] = []
    for one in found:
        if version >= (1, 12):
            entry: dict[str, Any] = {
                "allocations": {p: {"resources": amounts} for p, amounts in one.resources.items()}
            }
        else:
            entry = {
                "allocations": [
                    {"resource_provider": {"uuid": p}, "resources": amounts}
                    for p, amounts in one.resources.items()
                ]
            }
        if version >= (1, 34):
            entry["mappings"] = one.mappings
        requests.append(entry)
    used = {p for one in found for p in one.resources}
    if version >= (1, 29):
        roots = {world.providers[p].root_id for p in used}
        used |= {p for p, row in world.providers.items() if row.root_id in roots}
    summaries: dict[str, Any] = {}
    asked = {name for one in found for amounts in one.resources.values() for name in amounts}
    for provider_id in sorted(used):
        row = world.providers[provider_id]
        summary: dict[str, Any] = {
            "resources": {
                name: {
                    "capacity": allocations.capacity(item),
                    "used": item.used,
                }
                for name, item in world.inventories.get(provider_id, {}).items()
                if version >= (1, 27) or name in asked
            }
        }
        if version >= (1, 17):
            summary["traits"] = sorted(world.traits.get(provider_id, ()))
        if version >= (1, 29):
            summary["parent_provider_uuid"] = row.parent_id
            summary["root_provider_uuid"] = row.root_id
        summaries[provider_id] = summary
    return {"allocation_requests": requests, "provider_summaries": summaries}


ROUTES = (
    Route(
        "GET",
        "/allocation_candidates",
        list_candidates,
        ("placement:allocation_candidates:list",),
        minimum=(1, 10),
        query=(*GROUP, "limit", "group_policy", "same_subtree", "root_required"),
    ),
)
