"""Archive policies and their rules.

Source: Gnocchi's REST API reference, "Archive Policy" and "Archive Policy Rule".
"""

from __future__ import annotations

from starlette.responses import Response

from hanok.services.metric.logic import policies
from hanok.services.metric.room import Metric
from hanok.services.metric.routes import common
from hanok.web.request import Request, no_content
from hanok.web.routes import Route


async def list_policies(request: Request, room: Metric) -> Response:
    request.allow()
    async with request.reading() as tx:
        rows = await policies.every(tx)
    return common.spaced([policies.shown(row) for row in rows.values()])


async def create_policy(request: Request, room: Metric) -> Response:
    request.allow()
    body = await request.json()
    async with request.transaction() as tx:
        row = await policies.create(tx, body)
        request.made(row.name)
    headers = common.location(request, "archive_policy", row.name)
    return common.spaced(policies.shown(row), 201, headers)


async def show_policy(request: Request, room: Metric) -> Response:
    request.allow()
    async with request.reading() as tx:
        row = await policies.find(tx, request.path["name"])
    return common.spaced(policies.shown(row))


async def update_policy(request: Request, room: Metric) -> Response:
    request.allow()
    body = await request.json()
    async with request.transaction() as tx:
        row = await policies.update(tx, request.path["name"], body)
    return common.spaced(policies.shown(row))


async def delete_policy(request: Request, room: Metric) -> Response:
    request.allow()
    async with request.transaction() as tx:
        await policies.delete(tx, request.path["name"])
    return no_content()


async def list_rules(request: Request, room: Metric) -> Response:
    request.allow()
    async with request.reading() as tx:
        found = await policies.rules(tx)
    return common.spaced(found)


async def create_rule(request: Request, room: Metric) -> Response:
    request.allow()
    body = await request.json()
    async with request.transaction() as tx:
        row = await policies.create_rule(tx, body)
        request.made(row.name)
    headers = common.location(request, "archive_policy_rule", row.name)
    return common.spaced(policies.rule_shown(row), 201, headers)


async def show_rule(request: Request, room: Metric) -> Response:
    request.allow()
    async with request.reading() as tx:
        row = await policies.find_rule(tx, request.path["name"])
    return common.spaced(policies.rule_shown(row))


async def rename_rule(request: Request, room: Metric) -> Response:
    request.allow()
    body = await request.json()
    async with request.transaction() as tx:
        row = await policies.rename_rule(tx, request.path["name"], body)
    headers = common.location(request, "archive_policy_rule", row.name)
    return common.spaced(policies.rule_shown(row), 200, headers)


async def delete_rule(request: Request, room: Metric) -> Response:
    request.allow()
    async with request.transaction() as tx:
        await policies.delete_rule(tx, request.path["name"])
    return no_content()


_POLICY, _RULE = "/v1/archive_policy", "/v1/archive_policy_rule"
_ONE, _ONE_RULE = f"{_POLICY}/{{name}}", f"{_RULE}/{{name}}"
ROUTES = (
    Route("GET", _POLICY, list_policies, ("list archive policy",)),
    Route(
        "POST",
        _POLICY,
        create_policy,
        ("create archive policy",),
        strict=True,
        event="metric.archive_policy.created",
    ),
    Route("GET", _ONE, show_policy, ("get archive policy",)),
    Route(
        "PATCH",
        _ONE,
        update_policy,
        ("update archive policy",),
        strict=True,
        event="metric.archive_policy.updated",
    ),
    # As gnocchiclient spells it.
    Route(
        "PATCH",
        f"{_POLICY}//{{name}}",
        update_policy,
        ("update archive policy",),
        strict=True,
        event="metric.archive_policy.updated",
    ),
    Route(
        "DELETE",
        _ONE,
        delete_policy,
        ("delete archive policy",),
        event="metric.archive_policy.deleted",
    ),
    Route("GET", _RULE, list_rules, ("list archive policy rule",)),
    Route(
        "POST",
        _RULE,
        create_rule,
        ("create archive policy rule",),
        strict=True,
        event="metric.archive_policy_rule.created",
    ),
    Route("GET", _ONE_RULE, show_rule, ("get archive policy rule",)),
    Route(
        "PATCH",
        _ONE_RULE,
        rename_rule,
        ("update archive policy rule",),
        strict=True,
        event="metric.archive_policy_rule.updated",
    ),
    Route(
        "DELETE",
        _ONE_RULE,
        delete_rule,
        ("delete archive policy rule",),
        event="metric.archive_policy_rule.deleted",
    ),
)
