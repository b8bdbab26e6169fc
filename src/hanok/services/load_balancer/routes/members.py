"""All members of a pool at once.

Source: Load Balancer API v2 reference, "Batch Update Members".
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.services.load_balancer.logic import members as logic
from hanok.services.load_balancer.logic.trees import row_of
from hanok.services.load_balancer.room import LoadBalancing
from hanok.services.load_balancer.routes.api import BODIES, disallowed, reach_of, rule
from hanok.services.load_balancer.schemas import resources
from hanok.services.load_balancer.tables import pools
from hanok.web.attributes import Wrong, schema, truth
from hanok.web.request import Request, no_content
from hanok.web.routes import Route

_PUT = rule("update", "pool_member")
Requested = list[tuple[dict[str, Any], frozenset[str]]]


def _read(body: Any) -> Requested:
    """The members that a body asks for, each with the names of what was sent of it."""
    if not isinstance(body, dict) or not isinstance(body.get("members"), list):
        raise BadInput("Invalid input for field/attribute members. Mandatory field missing.")
    if odd := [name for name in body if name != "members"]:
        raise BadInput(f"Unknown attribute for argument: {odd[0][:100]}")
    if not body["members"]:
        return []
    many = BODIES.made_many(body, "member", "members", resources.MEMBER, (0, 0))
    sent = [one if isinstance(one, dict) else {} for one in body["members"]]
    return [
        (made.values, frozenset(name for name in one if name in made.values))
        for made, one in zip(many, sent, strict=True)
    ]


async def replace(request: Request, room: LoadBalancing) -> Response:
    """PUT /pools/{id}/members?additive_only=true."""
    try:
        additive = truth(request.query.get("additive_only", "false"))
    except Wrong as wrong:
        raise BadInput(f"Invalid input for field/attribute additive_only. {wrong}") from None
    requested, reach = _read(await request.json()), reach_of(request)
    async with request.transaction() as tx:
        pool = await row_of(tx, pools, "pool", request.path["pool_id"])
        if not request.may(_PUT, project_id=pool.project_id):
            raise disallowed((_PUT,))
        await logic.replace(tx, room, reach, pool.id, requested, additive=additive)
        request.made(pool.id)
    return no_content(202)


def _body() -> dict[str, Any]:
    one = schema(resources.MEMBER, "POST")
    return {
        "type": "object",
        "properties": {"members": {"type": "array", "items": one}},
        "required": ["members"],
        "additionalProperties": False,
    }


ROUTES = (
    Route(
        "PUT",
        "/v2.0/lbaas/pools/{pool_id}/members",
        replace,
        (_PUT,),
        strict=True,
        body=_body,
        query=("additive_only",),
        event="load_balancer.pool.members",
    ),
)
