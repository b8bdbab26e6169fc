"""The alarming service's."""

from __future__ import annotations

from typing import Any

from tests.api.ways import Things, Way, Ways
from tests.cloud import Client

BASE = "/alarming/v2"
_ALARM: dict[str, Any] = {"type": "event", "event_rule": {"event_type": "network.create.*"}}


async def an_alarm(owner: Client, name: str = "a", **more: Any) -> str:
    made = await owner.post(f"{BASE}/alarms", {"name": name, **_ALARM, **more})
    return str(made["alarm_id"])


async def things(owner: Client) -> Things:
    return {("alarming", "alarm_id"): await an_alarm(owner)}


async def ways(admin: Client, other: Client) -> Ways:
    """With an alarm and a quota of another project."""
    await an_alarm(other)
    limit = {"quotas": [{"resource": "alarms", "limit": 7}]}
    theirs = {"project_id": other.project_id}
    await admin.post(f"{BASE}/quotas", {**theirs, **limit})
    everywhere = "q.field=all_projects&q.op=eq&q.value=true"
    return {
        ("GET /v2/alarms", "telemetry:get_alarms:all_projects"): Way(query=everywhere),
        ("GET /v2/metrics", "telemetry:get_metrics:all_projects"): Way(query="all_projects=true"),
        ("POST /v2/quotas", ""): Way(body={**theirs, **limit}),
        ("GET /v2/quotas/{project_id}", ""): Way(path=theirs),
        ("DELETE /v2/quotas/{project_id}", ""): Way(path=theirs),
        ("POST /v2/alarms", ""): Way(body={"name": "b", **_ALARM}),
        ("PUT /v2/alarms/{alarm_id}", ""): Way(body={"name": "c", **_ALARM}),
        ("PUT /v2/alarms/{alarm_id}/state", ""): Way(body="alarm"),
    }
