"""Alarms over the API: made, evaluated, rung by events, told; and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from hanok.base.clock import MovableClock
from hanok.services.alarming.facade import AlarmingSettings, Alarms
from hanok.services.alarming.logic import alarms, evaluating
from hanok.services.alarming.tables import notices
from hanok.services.metric.logic import times
from hanok.web.token import Caller
from tests.cloud import Client, Cloud, a_network, running, settle
from tests.web import Page, serving

BASE = "/alarming/v2"
NOWHERE = "00000000-0000-4000-8000-000000000000"
EVENT: dict[str, Any] = {"type": "event", "event_rule": {"event_type": "network.create.*"}}


def body(name: str = "a", **more: Any) -> dict[str, Any]:
    return {"name": name, **EVENT, **more}


async def a_metric(client: Client) -> str:
    made = await client.post("/metric/v1/metric", {"archive_policy_name": "medium"})
    return str(made["id"])


async def push(cloud: Cloud, client: Client, metric: str, value: float) -> None:
    now = times.of_datetime(cloud.control.house.clock.now())
    moments = [now - back * 60 * times.NS for back in (0, 1, 2)]
    measures = [{"timestamp": at / times.NS, "value": value} for at in moments]
    await client("POST", f"/metric/v1/metric/{metric}/measures", measures, status=202)


def threshold(metric: str, **more: Any) -> dict[str, Any]:
    rule = {
        "metrics": [metric],
        "aggregation_method": "mean",
        "comparison_operator": "gt",
        "threshold": 80,
        "granularity": 60,
    }
    kind = "gnocchi_aggregation_by_metrics_threshold"
    return {"name": "t", "type": kind, f"{kind}_rule": rule, **more}


def room(cloud: Cloud) -> Alarms:
    return cloud.control.house.facade(Alarms)


async def looked_at(cloud: Cloud, client: Client, path: str) -> dict[str, Any]:
    """An alarm when it has been evaluated once more, whether it is due or not."""
    reaching = Caller(user_id="", project_id=None, everywhere=True)
    async with cloud.control.database.read() as tx:
        row = await alarms.find(tx, reaching, path.rpartition("/")[2])
    await evaluating.evaluate(room(cloud).room, row)
    shown: dict[str, Any] = await client.get(path)
    return shown


async def test_an_alarm_follows_what_is_measured_and_says_why(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    metric = await a_metric(member)
    made = await member.post(f"{BASE}/alarms", threshold(metric))
    path = f"{BASE}/alarms/{made['alarm_id']}"
    assert made["state"] == "insufficient data" and made["state_reason"] == "Not evaluated yet"
    assert (await looked_at(cloud, member, path))["state"] == "insufficient data"
    await push(cloud, member, metric, 95)
    shown = await looked_at(cloud, member, path)
    assert shown["state"] == "alarm"
    assert shown["state_reason"].startswith(
        "Transition to alarm due to 1 samples outside threshold"
    )
    await push(cloud, member, metric, 5)
    assert (await looked_at(cloud, member, path))["state"] == "ok"
    past = await member.get(f"{path}/history")
    kinds = [one["type"] for one in past]
    assert kinds == ["state transition", "state transition", "creation"]
    counted = (await member.get(f"{BASE}/metrics"))["evaluation_results"]
    assert counted[0]["state_counters"] == {"ok": 1, "alarm": 1, "insufficient data": 1}


async def test_an_alarm_sees_what_its_project_sees_and_no_more(cloud: Cloud) -> None:
    owner = await cloud.project_with("owner", "member")
    other = await cloud.project_with("other", "member")
    metric = await a_metric(owner)
    await push(cloud, owner, metric, 95)
    made = await other.post(f"{BASE}/alarms", threshold(metric))
    path = f"{BASE}/alarms/{made['alarm_id']}"
    assert (await looked_at(cloud, other, path))["state"] == "insufficient data"
    for method, more in (("GET", ""), ("DELETE", ""), ("GET", "/history"), ("GET", "/state")):
        await owner(method, path + more, status=404)
    assert await owner.get(f"{BASE}/alarms") == []
    wish = {"filter": '{"=": {"type": "event"}}'}
    assert await owner.post(f"{BASE}/query/alarms", wish, 200) == []


async def test_composite_rules_are_put_together(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    high, low = await a_metric(member), await a_metric(member)
    await push(cloud, member, high, 95)
    await push(cloud, member, low, 5)
    kind = "gnocchi_aggregation_by_metrics_threshold"
    parts = [{**threshold(one)[f"{kind}_rule"], "type": kind} for one in (high, low)]
    for word, state in (("or", "alarm"), ("and", "ok")):
        sent = {"name": word, "type": "composite", "composite_rule": {word: parts}}
        made = await member.post(f"{BASE}/alarms", sent)
        shown = await looked_at(cloud, member, f"{BASE}/alarms/{made['alarm_id']}")
        assert shown["state"] == state, shown["state_reason"]


async def test_what_happens_rings_alarms_of_its_project(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    other = await cloud.project_with("other", "member")
    query = [{"field": "traits.name", "op": "eq", "type": "string", "value": "mine"}]
    rule = {"event_type": "network.*", "query": query}
    mine = await member.post(f"{BASE}/alarms", body(event_rule=rule))
    theirs = await other.post(f"{BASE}/alarms", body(event_rule=rule))
    await a_network(member, "another", "10.8.0.0/24")
    await settle(cloud)
    await cloud.control.events.tell()
    assert await member.get(f"{BASE}/alarms/{mine['alarm_id']}/state") == "insufficient data"
    await a_network(member, "mine", "10.9.0.0/24")
    await settle(cloud)
    await cloud.control.events.tell()
    assert await member.get(f"{BASE}/alarms/{mine['alarm_id']}/state") == "alarm"
    assert await other.get(f"{BASE}/alarms/{theirs['alarm_id']}/state") == "insufficient data"


REFUSED: tuple[tuple[dict[str, Any], int], ...] = (
    (body(type="bad_type"), 400),
    (body(alarm_actions=["zaqar://?topic=a"]), 400),
    (body(alarm_actions=["http://127.0.0.1:8000/a"]), 400),
    (body(alarm_actions=["http://169.254.169.254/latest"]), 400),
    (body(alarm_actions=["http://[::1]/"]), 400),
    (body(alarm_actions=["http://user:secret@example.org/"]), 400),
    (body(alarm_actions=["trust+http://example.org/heat-api/v1/x"]), 400),
    (body(alarm_actions=["log://"]), 401),
    (body(alarm_actions=[f"http://example.org/{number}" for number in range(11)]), 400),
    (body(severity="odd"), 400),
    (body(project_id="other"), 401),
    (body(time_constraints=[{"name": "a", "start": "11:00am", "duration": 10}]), 400),
    (body(time_constraints=[{"name": "a", "start": "* * * * *", "duration": -1}]), 400),
    (body(time_constraints=[{"name": "a", "start": "* * * * *", "duration": 1, "timezone": "aaaa"}]), 400),
    (threshold(NOWHERE, event_rule={"event_type": "*"}), 400),
    ({"name": "a", "type": "event"}, 400),
    ({"name": "c", "type": "composite", "composite_rule": {"xor": []}}, 400),
    ({"name": "l", "type": "loadbalancer_member_health", "loadbalancer_member_health_rule": {
        "pool_id": NOWHERE, "stack_id": NOWHERE, "autoscaling_group_id": "a/b"}}, 400),
    ({"name": "l", "type": "loadbalancer_member_health", "loadbalancer_member_health_rule": {"pool_id": NOWHERE}}, 400),
    (body(alarm_actions=["trust+heat://"]), 400),
    ({"name": "p", "type": "prometheus", "prometheus_rule": {"query": "up", "threshold": 1}}, 400),
)  # fmt: skip


async def test_what_cannot_be_is_refused(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    for sent, status in REFUSED:
        answer = await member("POST", f"{BASE}/alarms", sent)
        assert answer.status_code == status, (sent, answer.text)
        assert answer.json()["error_message"]["faultstring"]


async def test_a_project_has_so_many_alarms(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    quota = {"project_id": member.project_id, "quotas": [{"resource": "alarms", "limit": 1}]}
    await member("POST", f"{BASE}/quotas", quota, status=403)
    await admin.post(f"{BASE}/quotas", quota)
    assert await member.get(f"{BASE}/quotas") == quota
    await member.post(f"{BASE}/alarms", body())
    await member("POST", f"{BASE}/alarms", body(), status=403)
    await admin("DELETE", f"{BASE}/quotas/{member.project_id}", status=204)
    await member.post(f"{BASE}/alarms", body())


async def test_lists_are_filtered_sorted_and_cut(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    for name in ("b", "a", "c"):
        await member.post(f"{BASE}/alarms", body(name, enabled=name != "c"))
    path = f"{BASE}/alarms?sort=name:asc"
    assert [one["name"] for one in await member.get(path)] == ["a", "b", "c"]
    assert [one["name"] for one in await member.get(f"{path}&limit=1")] == ["a"]
    off = await member.get(f"{BASE}/alarms?q.field=enabled&q.op=eq&q.value=false")
    assert [one["name"] for one in off] == ["c"]
    wish = {"filter": '{"or": [{"=": {"name": "a"}}, {"=~": {"name": "^c"}}]}'}
    found = await member.post(f"{BASE}/query/alarms", {**wish, "orderby": '[{"name": "DESC"}]'}, 200)  # fmt: skip
    assert [one["name"] for one in found] == ["c", "a"]
    for query, status in (("q.field=timestamp&q.op=gt&q.value=1", 400), ("sort=odd", 400), ("limit=0", 400),
                          ("q.field=all_projects&q.op=eq&q.value=true", 403), ("marker=odd", 400)):  # fmt: skip
        await member("GET", f"{BASE}/alarms?{query}", status=status)


async def test_an_action_is_told_until_it_is_taken(tmp_path: Path, database_url: str) -> None:
    clock = MovableClock()
    own = AlarmingSettings(action_networks=("127.0.0.1/32",))
    with serving() as web:
        web.pages["/hook"] = Page(status=503)
        async with running(tmp_path, database=database_url, clock=clock, alarming=own) as cloud:
            member = await cloud.project_with("p", "member")
            sent = body(alarm_actions=[web.url("/hook")], severity="critical")
            made = await member.post(f"{BASE}/alarms", sent)
            await a_network(member)
            await cloud.control.events.tell()
            await room(cloud).tell()
            web.pages["/hook"] = Page(status=204)
            await room(cloud).tell()
            failed = len(web.told)  # the cloud tells by itself, too, so it may be two
            assert failed in (1, 2)  # and waits before it tries again
            clock.move(60)
            await room(cloud).tell()
            clock.move(600)
            await room(cloud).tell()
            assert len(web.told) > failed
            (once,) = {*web.told}
            told = msgspec.json.decode(once)
            assert told["alarm_id"] == made["alarm_id"] and told["current"] == "alarm"
            assert (told["previous"], told["severity"]) == ("insufficient data", "critical")
            assert not any(web.tokens)


async def test_a_copy_of_a_cloud_calls_nobody_outside(tmp_path: Path) -> None:
    own = AlarmingSettings(action_networks=("127.0.0.1/32",), actions_lead_out=False)
    with serving() as web:
        web.pages["/hook"] = Page(status=204)
        async with running(tmp_path, alarming=own) as cloud:
            member = await cloud.project_with("p", "member")
            await member.post(f"{BASE}/alarms", body(alarm_actions=[web.url("/hook")]))
            await a_network(member)
            await cloud.control.events.tell()
            await room(cloud).tell()
            async with cloud.control.database.read() as tx:
                left = await tx.scalars(sa.select(notices.c.id))
            assert (web.told, list(left)) == ([], []), "it is given up, not kept"
