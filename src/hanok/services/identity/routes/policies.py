"""Policies that identity keeps for others, and the endpoints they are for."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.base.ids import new_hex
from hanok.services.identity import schemas
from hanok.services.identity.logic import endpoint_policies
from hanok.services.identity.logic.lookup import filtered, get
from hanok.services.identity.room import Identity
from hanok.services.identity.routes import lists
from hanok.services.identity.routes.lists import PAGING
from hanok.services.identity.tables import endpoints, policies, regions, services
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route


async def list_policies(request: Request, room: Identity) -> Response:
    request.allow()
    statement = filtered(sa.select(policies), policies, request.query, ("type",))
    async with request.reading() as tx:
        page = await lists.POLICIES.page(request, tx, statement)
    items = [schemas.policy(request, row) for row in page.rows]
    return await lists.paged(request, lists.POLICIES, page, items)


async def create_policy(request: Request, room: Identity) -> Response:
    request.allow()
    body, extra = await schemas.read(request, "policy", schemas.PolicyBody)
    values = schemas.given(body)
    for name in ("blob", "type"):
        if name not in values:
            raise BadInput(f"'{name}' is a required property")
    policy_id = new_hex()
    async with request.transaction() as tx:
        await tx.insert(policies, {"id": policy_id, "extra": extra, **values})
        row = await get(tx, policies, "policy", policy_id)
    return json_answer({"policy": schemas.policy(request, row)}, 201)


async def show_policy(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.reading() as tx:
        row = await get(tx, policies, "policy", request.path["policy_id"])
    return json_answer({"policy": schemas.policy(request, row)})


async def update_policy(request: Request, room: Identity) -> Response:
    request.allow()
    body, extra = await schemas.read(request, "policy", schemas.PolicyBody)
    values: dict[str, Any] = schemas.given(body)
    async with request.transaction() as tx:
        row = await get(tx, policies, "policy", request.path["policy_id"])
        if extra:
            values["extra"] = {**row.extra, **extra}
        if not values:
            raise BadInput("Expecting to find something to change in policy.")
        await tx.execute(policies.update().where(policies.c.id == row.id).values(**values))
        row = await get(tx, policies, "policy", row.id)
    return json_answer({"policy": schemas.policy(request, row)})


async def delete_policy(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.transaction() as tx:
        row = await get(tx, policies, "policy", request.path["policy_id"])
        await endpoint_policies.forget(tx, policy=row.id)
        await tx.execute(policies.delete().where(policies.c.id == row.id))
    return no_content()


# ---- what a policy is for ----


async def _named(request: Request, tx: Transaction) -> tuple[str, dict[str, str]]:
    """The policy of the path, and what it is to be for: an endpoint, a service, or a service in a region.

    Raises:
        NotFound: one of them is not there.
    """
    path = request.path
    policy = await get(tx, policies, "policy", path["policy_id"])
    target = {}
    for table, what in ((endpoints, "endpoint"), (services, "service"), (regions, "region")):
        if f"{what}_id" in path:
            target[what] = (await get(tx, table, what, path[f"{what}_id"])).id
    return policy.id, target


async def associate(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.transaction() as tx:
        policy_id, target = await _named(request, tx)
        await endpoint_policies.associate(tx, policy_id, **target)
    return no_content()


async def check(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.reading() as tx:
        policy_id, target = await _named(request, tx)
        if not await endpoint_policies.has(tx, policy_id, **target):
            raise NotFound("Could not find policy association.")
    return no_content()


async def separate(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.transaction() as tx:
        policy_id, target = await _named(request, tx)
        await endpoint_policies.separate(tx, policy_id, **target)
    return no_content()


async def list_endpoints(request: Request, room: Identity) -> Response:
    """GET /v3/policies/{id}/OS-ENDPOINT-POLICY/endpoints: all that the policy is for."""
    request.allow()
    async with request.reading() as tx:
        policy = await get(tx, policies, "policy", request.path["policy_id"])
        rows = await endpoint_policies.endpoints_of(tx, policy.id)
    items = [schemas.endpoint(request, row) for row in rows]
    return json_answer(schemas.collection(request, "endpoints", items))


async def show_policy_in_use(request: Request, room: Identity) -> Response:
    """GET /v3/policies/{id}/OS-ENDPOINT-POLICY/policy: the policy, if there is an endpoint that it is for."""
    request.allow()
    async with request.reading() as tx:
        policy = await get(tx, policies, "policy", request.path["policy_id"])
        if not await endpoint_policies.endpoints_of(tx, policy.id):
            raise NotFound(f"No endpoint is associated with policy {policy.id}.")
    return json_answer({"policy": schemas.policy(request, policy)})


async def show_policy_of_endpoint(request: Request, room: Identity) -> Response:
    """GET /v3/endpoints/{id}/OS-ENDPOINT-POLICY/policy: the nearest that fits."""
    request.allow()
    async with request.reading() as tx:
        endpoint = await get(tx, endpoints, "endpoint", request.path["endpoint_id"])
        row = await endpoint_policies.policy_of(tx, endpoint)
    return json_answer({"policy": schemas.policy(request, row)})


_OF = "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY"
_TARGETS = {
    "endpoint": "/endpoints/{endpoint_id}",
    "service": "/services/{service_id}",
    "region_and_service": "/services/{service_id}/regions/{region_id}",
}
ROUTES = (
    Route(
        "GET", "/v3/policies", list_policies, ("identity:list_policies",), query=("type", *PAGING)
    ),
    Route(
        "POST",
        "/v3/policies",
        create_policy,
        ("identity:create_policy",),
        body=schemas.PolicyBody,
        member="policy",
    ),
    Route("GET", "/v3/policies/{policy_id}", show_policy, ("identity:get_policy",)),
    Route(
        "PATCH",
        "/v3/policies/{policy_id}",
        update_policy,
        ("identity:update_policy",),
        body=schemas.PolicyBody,
        member="policy",
    ),
    Route("DELETE", "/v3/policies/{policy_id}", delete_policy, ("identity:delete_policy",)),
    *(
        Route(method, _OF + path, handler, (f"identity:{verb}_policy_association_for_{what}",))
        for what, path in _TARGETS.items()
        for method, handler, verb in (
            ("PUT", associate, "create"),
            ("GET", check, "check"),
            ("DELETE", separate, "delete"),
        )
    ),
    Route("GET", f"{_OF}/endpoints", list_endpoints, ("identity:list_endpoints_for_policy",)),
    Route("GET", f"{_OF}/policy", show_policy_in_use, ("identity:get_policy_for_endpoint",)),
    Route(
        "GET",
        "/v3/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy",
        show_policy_of_endpoint,
        ("identity:get_policy_for_endpoint",),
    ),
)
