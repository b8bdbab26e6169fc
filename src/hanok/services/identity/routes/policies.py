"""Policies that identity keeps for others, and the endpoints they are for."""

from __future__ import annotations

from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.services.identity import schemas
from hanok.services.identity.logic import (
    endpoint_policies,
    endpoints,
    policies,
    regions,
    services,
)
from hanok.services.identity.room import Identity
from hanok.services.identity.routes import lists
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route


async def list_policies(request: Request, room: Identity) -> Response:
    """GET /v3/policies."""
    request.allow()
    async with request.reading() as tx:
        return await lists.answer(request, tx, lists.POLICIES, policies.ALL, schemas.policy)


async def create_policy(request: Request, room: Identity) -> Response:
    """POST /v3/policies."""
    request.allow()
    body, extra = await schemas.read(request, "policy", schemas.PolicyBody)
    values = schemas.given(body)
    for name in ("blob", "type"):
        if name not in values:
            raise BadInput(f"'{name}' is a required property")
    async with request.transaction() as tx:
        row = await policies.create(tx, values, extra)
        request.made(row.id)
    return json_answer({"policy": schemas.policy(request, row)}, 201)


async def show_policy(request: Request, room: Identity) -> Response:
    """GET /v3/policies/{id}."""
    request.allow()
    async with request.reading() as tx:
        row = await policies.get(tx, request.path["policy_id"])
    return json_answer({"policy": schemas.policy(request, row)})


async def update_policy(request: Request, room: Identity) -> Response:
    """PATCH /v3/policies/{id}."""
    request.allow()
    body, extra = await schemas.read(request, "policy", schemas.PolicyBody)
    async with request.transaction() as tx:
        row = await policies.get(tx, request.path["policy_id"])
        row = await policies.update(tx, row, schemas.given(body), extra)
    return json_answer({"policy": schemas.policy(request, row)})


async def delete_policy(request: Request, room: Identity) -> Response:
    """DELETE /v3/policies/{id}."""
    request.allow()
    async with request.transaction() as tx:
        await policies.delete(tx, await policies.get(tx, request.path["policy_id"]))
    return no_content()


# ---- what a policy is for ----


async def _named(request: Request, tx: Transaction) -> tuple[str, dict[str, str]]:
    """The policy of the path, and what it is to be for: an endpoint, a service, or a service in a region.

    Raises:
        NotFound: one of them is not there.
    """
    path = request.path
    policy = await policies.get(tx, path["policy_id"])
    target = {}
    for find, what in (
        (endpoints.get, "endpoint"),
        (services.get, "service"),
        (regions.get, "region"),
    ):
        if f"{what}_id" in path:
            target[what] = (await find(tx, path[f"{what}_id"])).id
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
        policy = await policies.get(tx, request.path["policy_id"])
        ids = [row.id for row in await endpoint_policies.endpoints_of(tx, policy.id)]
        mine = endpoints.among(ids)
        return await lists.answer(request, tx, lists.ENDPOINTS, mine, schemas.endpoint)


async def show_policy_in_use(request: Request, room: Identity) -> Response:
    """GET /v3/policies/{id}/OS-ENDPOINT-POLICY/policy: the policy, if there is an endpoint that it is for."""
    request.allow()
    async with request.reading() as tx:
        policy = await policies.get(tx, request.path["policy_id"])
        if not await endpoint_policies.endpoints_of(tx, policy.id):
            raise NotFound(f"No endpoint is associated with policy {policy.id}.")
    return json_answer({"policy": schemas.policy(request, policy)})


async def show_policy_of_endpoint(request: Request, room: Identity) -> Response:
    """GET /v3/endpoints/{id}/OS-ENDPOINT-POLICY/policy: the nearest that fits."""
    request.allow()
    async with request.reading() as tx:
        endpoint = await endpoints.get(tx, request.path["endpoint_id"])
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
        "GET",
        "/v3/policies",
        list_policies,
        ("identity:list_policies",),
        query=lists.POLICIES.parameters,
    ),
    Route(
        "POST",
        "/v3/policies",
        create_policy,
        ("identity:create_policy",),
        body=schemas.PolicyBody,
        member="policy",
        event="identity.policy.created",
    ),
    Route("GET", "/v3/policies/{policy_id}", show_policy, ("identity:get_policy",)),
    Route(
        "PATCH",
        "/v3/policies/{policy_id}",
        update_policy,
        ("identity:update_policy",),
        body=schemas.PolicyBody,
        member="policy",
        event="identity.policy.updated",
    ),
    Route(
        "DELETE",
        "/v3/policies/{policy_id}",
        delete_policy,
        ("identity:delete_policy",),
        event="identity.policy.deleted",
    ),
    *(
        Route(method, _OF + path, handler, (f"identity:{verb}_policy_association_for_{what}",))
        for what, path in _TARGETS.items()
        for method, handler, verb in (
            ("PUT", associate, "create"),
            ("GET", check, "check"),
            ("DELETE", separate, "delete"),
        )
    ),
    Route(
        "GET",
        f"{_OF}/endpoints",
        list_endpoints,
        ("identity:list_endpoints_for_policy",),
        query=lists.ENDPOINTS.parameters,
    ),
    Route("GET", f"{_OF}/policy", show_policy_in_use, ("identity:get_policy_for_endpoint",)),
    Route(
        "GET",
        "/v3/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy",
        show_policy_of_endpoint,
        ("identity:get_policy_for_endpoint",),
    ),
)
