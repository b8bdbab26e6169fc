"""The metric service's."""

from __future__ import annotations

import json
from typing import Any

from hanok.base.ids import new_uuid
from tests.api.metric.test_protocols import PROTOBUF, TEXT, snapped, write
from tests.api.ways import Things, Way, Ways
from tests.cloud import Client

BASE = "/metric/v1"
_RESOURCE = "/v1/resource/{resource_type}/{resource_id}"
_KEPT = {"definition": [{"granularity": "1s", "points": 3}]}
_NAMED = "filter=display_name%20%3D%20"
_AT = "2026-03-06T14:00:00"
_PATCH = {"Content-Type": "application/json-patch+json"}


async def a_resource(owner: Client, name: str) -> str:
    """An instance with two metrics; gives its id."""
    body = {
        "id": new_uuid(),
        "project_id": owner.project_id,
        "display_name": name,
        "metrics": {one: {"archive_policy_name": "low"} for one in ("cpu", "memory")},
    }
    return str((await owner.post(f"{BASE}/resource/instance", body))["id"])


async def a_metric(owner: Client) -> str:
    return str((await owner.post(f"{BASE}/metric", {"archive_policy_name": "low"}))["id"])


async def things(owner: Client) -> Things:
    """A resource with metrics, and a metric without a resource."""
    found = {
        "resource_type": "instance",
        "resource_id": await a_resource(owner, "a"),
        "metric_name": "cpu",
        "metric_id": await a_metric(owner),
    }
    return {("metric", name): one for name, one in found.items()}


def _searching(things: Things) -> Ways:
    """Several metrics at once: by their ids, and by resources."""
    metric, searched = things["metric", "metric_id"], {"operations": ["metric", "cpu", "mean"]}
    by_ids = {"operations": ["metric", metric, "mean"]}
    by_type = {**searched, "resource_type": "instance", "search": "id != 'none'"}
    named = "POST /v1/aggregation/resource/{resource_type}/metric/{metric_name}"
    return {
        ("POST /v1/aggregates", "get measures"): Way(body=by_ids),
        ("POST /v1/aggregates", "search resource"): Way(body=by_type),
        ("GET /v1/aggregation/metric", ""): Way(query=f"metric={metric}"),
        ("POST /v1/aggregation/metric", ""): Way(body=[metric]),
        (named, ""): Way(body={"=": {"display_name": "a"}}),
        ("POST /v1/search/metric", ""): Way(body={"=": 1}, query=f"metric_id={metric}"),
    }


def _writing(things: Things) -> Ways:
    """Measures, alone and in batches, and by the protocols of others."""
    metric, resource = things["metric", "metric_id"], things["metric", "resource_id"]
    points = [{"timestamp": _AT, "value": 1}]
    batch, lines = {metric: points}, b"load,host=h one=1"
    named = {resource: {"cpu": points, "new": {"measures": points}}}
    found: Ways = {}
    for path in ("/v1/metric/{metric_id}", f"{_RESOURCE}/metric/{{metric_name}}"):
        found[f"POST {path}/measures", ""] = Way(body=points)
        hidden = Way(body=points, beside={"post measures": "!"})
        found[f"POST {path}/measures", "get metric"] = hidden
    for path, body, query in (
        ("metrics", batch, ""),
        ("resources/metrics", named, "create_metrics=true"),
    ):
        at = f"POST /v1/batch/{path}/measures"
        found[at, ""] = Way(body=body, query=query)
        found[at, "get metric"] = Way(body=body, query=query, beside={"post measures": "!"})
    written = snapped(write(1.0, 1772805600000))
    for at, query, content, kind in (
        ("POST /v1/influxdb/write", "db=rack&precision=s", lines + b" 1772805600", TEXT),
        ("POST /v1/prometheus/write", "", written, PROTOBUF),
    ):
        found[at, ""] = Way(query=query, content=content, headers=kind)
        found[at, "get resource"] = Way(
            query=query, content=content, headers=kind, beside={"update resource": "!"}
        )
    return found


async def ways(admin: Client, things: Things) -> Ways:
    """With an archive policy, a rule, and types of resources."""
    await admin.post(f"{BASE}/archive_policy", {"name": "kept", **_KEPT})
    rule = {"metric_pattern": "disk.*", "archive_policy_name": "low"}
    await admin.post(f"{BASE}/archive_policy_rule", {"name": "ruled", **rule})
    for name in ("typed", "rack", "prometheus"):
        attributes = {"job": {"type": "string", "required": False}}
        attributes["instance"] = attributes["job"]
        made = {"name": name, "attributes": attributes}
        await admin("POST", f"{BASE}/resource_type", made)
    added = [{"op": "add", "path": "/attributes/a", "value": {"type": "number", "required": False}}]
    resource = things["metric", "resource_id"]
    lone = {"archive_policy_name": "low", "name": "lone", "resource_id": resource}
    policy, ruled, typed = {"name": "kept"}, {"name": "ruled"}, {"name": "typed"}
    found: Ways = {
        ("POST /v1/archive_policy", ""): Way(body={"name": "another", **_KEPT}),
        ("GET /v1/archive_policy/{name}", ""): Way(path=policy),
        ("PATCH /v1/archive_policy/{name}", ""): Way(path=policy, body=_KEPT),
        ("PATCH /v1/archive_policy//{name}", ""): Way(path=policy, body=_KEPT),
        ("DELETE /v1/archive_policy/{name}", ""): Way(path=policy),
        ("POST /v1/archive_policy_rule", ""): Way(body={"name": "another", **rule}),
        ("GET /v1/archive_policy_rule/{name}", ""): Way(path=ruled),
        ("PATCH /v1/archive_policy_rule/{name}", ""): Way(path=ruled, body={"name": "renamed"}),
        ("DELETE /v1/archive_policy_rule/{name}", ""): Way(path={"name": "renamed"}),
        ("POST /v1/resource_type", ""): Way(body={"name": "new"}),
        ("GET /v1/resource_type/{name}", ""): Way(path=typed),
        ("PATCH /v1/resource_type/{name}", ""): Way(
            path=typed, content=json.dumps(added).encode(), headers=_PATCH
        ),
        ("DELETE /v1/resource_type/{name}", ""): Way(path=typed),
        ("POST /v1/resource/{resource_type}", ""): Way(body={"id": "vm", "display_name": "b"}),
        ("POST /v1/search/resource/{resource_type}", ""): Way(body={"=": {"display_name": "a"}}),
        ("POST /v1/metric", ""): Way(body=lone),
        ("POST /v1/metric", "get resource"): Way(body=lone, beside={"update resource": "!"}),
        ("POST /v1/influxdb/query", ""): Way(query="q=create+database+lines"),
        ("DELETE /v1/resource/{resource_type}", ""): Way(query=f"{_NAMED}b"),
        ("DELETE /v1/resource/{resource_type}", "delete resource"): Way(query=f"{_NAMED}d"),
    }
    await a_resource(admin, "d")
    others = {
        "resource_id": await a_resource(admin, "e"),
        "metric_id": await a_metric(admin),
        "metric_name": "memory",
    }
    found |= {**_searching(things), **_writing(things), **_hidden(others)}
    return found


def _hidden(others: dict[str, str]) -> Ways:
    """Who may not look at something is told that it is not there; that shows where they may not change it, either.

    Args:
        others: things that are still there when the first ones are deleted.
    """
    found: Ways = {}
    bodies: dict[str, Any] = {
        f"PATCH {_RESOURCE}": {"display_name": "c"},
        f"POST {_RESOURCE}/metric": {"disk": {"archive_policy_name": "low"}},
    }
    for at, body in bodies.items():
        found[at, ""] = Way(body=body)
    for at, seen, rule in (
        (f"PATCH {_RESOURCE}", "get resource", "update resource"),
        (f"POST {_RESOURCE}/metric", "get resource", "update resource"),
        (f"DELETE {_RESOURCE}", "get resource", "delete resource"),
        ("DELETE /v1/metric/{metric_id}", "get metric", "delete metric"),
        (f"DELETE {_RESOURCE}/metric/{{metric_name}}", "get metric", "delete metric"),
        ("GET /v1/metric/{metric_id}/measures", "get metric", "get measures"),
        (f"GET {_RESOURCE}/metric/{{metric_name}}/measures", "get metric", "get measures"),
    ):
        path = others if at.startswith("DELETE") else {}
        found[at, seen] = Way(path=path, body=bodies.get(at), beside={rule: "!"})
    return found
