"""Metrics, resources and measures over the API: made, read, aggregated, searched, removed."""

from __future__ import annotations

from typing import Any

import pytest

from hanok.services.metric.logic import measures, policies
from tests.cloud import Client, Cloud

BASE = "/metric/v1"
SERVER = "2f6f5e0e-8b0e-4c59-8c1c-0f4a2bb5a001"
NOWHERE = "00000000-0000-4000-8000-000000000000"


def at(clock: str, value: float) -> dict[str, Any]:
    return {"timestamp": f"2026-03-06T{clock}", "value": value}


async def a_metric(client: Client, policy: str = "medium", **more: Any) -> str:
    body = {"archive_policy_name": policy, **more}
    return str((await client.post(f"{BASE}/metric", body))["id"])


async def an_instance(client: Client, key: str, group: str, **more: Any) -> dict[str, Any]:
    body = {
        "id": key,
        "project_id": client.project_id,
        "server_group": group,
        "metrics": {"cpu": {"archive_policy_name": "ceilometer-low-rate"}},
        **more,
    }
    made: dict[str, Any] = await client.post(f"{BASE}/resource/instance", body)
    return made


async def push(client: Client, metric: str, *measures: dict[str, Any]) -> None:
    path = f"{BASE}/metric/{metric}/measures"
    await client("POST", path, list(measures), status=202)


async def test_policies_and_types_are_there_from_the_start(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    found = {one["name"]: one for one in await member.get(f"{BASE}/archive_policy")}
    assert set(found) == {
        "bool", "low", "medium", "high", "ceilometer-low", "ceilometer-low-rate", "ceilometer-high",
        "ceilometer-high-rate",
    }  # fmt: skip
    kept = found["low"]["definition"]
    assert kept == [{"granularity": "0:05:00", "points": 8640, "timespan": "30 days, 0:00:00"}]
    kinds = {one["name"] for one in await member.get(f"{BASE}/resource_type")}
    assert {"generic", "instance", "image", "volume", "instance_disk"} <= kinds
    await member("POST", f"{BASE}/archive_policy", {"name": "mine", "definition": []}, status=403)


async def test_measures_are_seen_at_once_and_the_same_when_they_are_folded(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    metric = await a_metric(member)
    path = f"{BASE}/metric/{metric}/measures"
    await push(member, metric, at("14:33:57", 43.1), at("14:34:12", 12), at("14:34:15", -16))
    minutes = [
        ["2026-03-06T14:33:00+00:00", 60.0, 43.1],
        ["2026-03-06T14:34:00+00:00", 60.0, -2.0],
    ]
    assert await member.get(f"{path}?granularity=60") == minutes
    before = await member.get(path)
    await fold(cloud)
    assert await member.get(path) == before
    await push(member, metric, at("14:34:30", 10))  # the hour is not over: it still counts
    again = await member.get(f"{path}?granularity=60&start=2026-03-06T14:34")
    assert again == [["2026-03-06T14:34:00+00:00", 60.0, 2.0]]
    await fold(cloud)
    assert await member.get(f"{path}?granularity=60&start=2026-03-06T14:34") == again
    status = await (await cloud.sign_in()).get(f"{BASE}/status")
    assert status["storage"]["summary"] == {"metrics": 0, "measures": 0}


async def fold(cloud: Cloud) -> None:
    """Make aggregates of all measures, as a loop does after a while."""
    async with cloud.control.database.write() as tx:
        rows = await policies.every(tx)
        rules = {name: policies.rules_of(one) for name, one in rows.items()}
        await measures.fold(tx, list(range(1, 20)), rules)


async def test_old_points_go_and_late_ones_do_not_come_back(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    policy = {"name": "short", "definition": [{"granularity": "1s", "points": 3}]}
    await admin.post(f"{BASE}/archive_policy", policy)
    metric = await a_metric(admin, "short")
    await push(admin, metric, *(at(f"14:33:{second:02}", second) for second in range(10, 20)))
    path = f"{BASE}/metric/{metric}/measures"
    values = [17.0, 18.0, 19.0]
    assert [one[2] for one in await admin.get(path)] == values
    await fold(cloud)
    assert [one[2] for one in await admin.get(path)] == values
    await push(admin, metric, at("14:33:17", 99))
    assert [one[2] for one in await admin.get(path)] == values


async def test_rates_are_differences_also_across_what_was_folded(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    metric = await a_metric(member, "ceilometer-low-rate")
    await push(member, metric, at("14:00:00", 100), at("14:05:00", 160))
    await fold(cloud)
    await push(member, metric, at("14:10:00", 190))
    path = f"{BASE}/metric/{metric}/measures?aggregation=rate:mean"
    assert [one[2] for one in await member.get(path)] == [60.0, 30.0]


async def test_resources_keep_what_they_were_and_are_found_by_it(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await an_instance(member, SERVER, "web", display_name="a")
    assert made["metrics"]["cpu"] and made["started_at"]
    path = f"{BASE}/resource/instance/{SERVER}"
    changed = (await member("PATCH", path, {"display_name": "b"}, status=200)).json()
    assert changed["display_name"] == "b"
    past = await member.get(f"{path}/history?sort=revision_end:asc-nullslast")
    assert [one["display_name"] for one in past] == ["a", "b"]
    search = f"{BASE}/search/resource/instance"
    for query, count in (
        ({"=": {"server_group": "web"}}, 1),
        ({"and": [{"=": {"server_group": "web"}}, {"like": {"display_name": "b%"}}]}, 1),
        ({"not": {"in": {"id": [SERVER]}}}, 0),
    ):
        assert len(await member.post(search, query, 200)) == count, query
    text = f"{search}?filter=server_group%20%3D%20web%20and%20not%20display_name%20%3D%20'a'"
    assert len(await member.post(text, None, 200)) == 1
    await member("POST", search, {"=": {"nosuch": 1}}, status=400)
    by_name = f"{path.replace('instance', 'generic')}/metric"
    assert (await member.get(f"{by_name}/cpu"))["id"] == made["metrics"]["cpu"]
    await member("GET", f"{by_name}/nosuch", status=404)
    await member("DELETE", path, status=204)
    await member("GET", f"{BASE}/metric/{made['metrics']['cpu']}", status=404)


async def test_a_list_of_several_types_has_what_all_of_them_have(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    await an_instance(member, SERVER, "web", display_name="a")
    await member.post(f"{BASE}/resource/generic", {"id": f"{SERVER[:-1]}2"})
    path = f"{BASE}/resource/generic"
    plain = await member.get(path)
    assert plain[0].keys() == plain[1].keys() and "display_name" not in plain[0]
    assert {one["type"] for one in plain} == {"instance", "generic"}
    detailed = {one["type"]: one for one in await member.get(f"{path}?details=true")}
    assert detailed["instance"]["display_name"] == "a" and "display_name" not in detailed["generic"]
    found = await member.post(f"{BASE}/search/resource/generic", {"=": {"type": "instance"}}, 200)
    assert [one["id"] for one in found] == [SERVER] and "display_name" not in found[0]
    (own,) = await member.get(f"{BASE}/resource/instance")
    assert own["display_name"] == "a"


async def test_a_batch_makes_metrics_and_many_are_aggregated_by_group(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    keys = [f"{SERVER[:-1]}{number}" for number in range(4)]
    for number, key in enumerate(keys):
        await an_instance(member, key, "web" if number < 3 else "db")
    batch = {
        key: {
            "load": {
                "archive_policy_name": "low",
                "measures": [at("14:00:00", 10.0 * number), at("14:05:00", 20.0 * number)],
            }
        }
        for number, key in enumerate(keys)
    }
    path = f"{BASE}/batch/resources/metrics/measures"
    await member("POST", path, batch, status=400)  # such metrics are not there yet
    await member("POST", f"{path}?create_metrics=true", batch, status=202)
    wish = {
        "resource_type": "instance",
        "search": "server_group = web",
        "operations": "(aggregate mean (metric load mean))",
    }
    made = await member.post(f"{BASE}/aggregates", wish, 200)
    assert [one[2] for one in made["measures"]["aggregated"]] == [10.0, 20.0]
    groups = await member.post(f"{BASE}/aggregates?groupby=server_group", {**wish, "search": {}}, 200)  # fmt: skip
    assert [(one["group"]["server_group"], one["measures"]["measures"]["aggregated"][0][2]) for one in groups] == [
        ("db", 30.0), ("web", 10.0),
    ]  # fmt: skip
    wish["operations"] = "(* 2 (metric load max))"
    apart = (await member.post(f"{BASE}/aggregates", wish, 200))["measures"]
    assert apart[keys[1]]["load"]["max"][0][2] == 20.0


async def test_another_project_sees_nothing_whatever_it_asks_for(cloud: Cloud) -> None:
    owner = await cloud.project_with("owner", "member")
    other = await cloud.project_with("other", "member")
    made = await an_instance(owner, SERVER, "web")
    metric = made["metrics"]["cpu"]
    await push(owner, metric, at("14:00:00", 1))
    for method, path in (
        ("GET", f"/metric/{metric}"), ("GET", f"/metric/{metric}/measures"), ("DELETE", f"/metric/{metric}"),
        ("GET", f"/resource/instance/{SERVER}"), ("PATCH", f"/resource/generic/{SERVER}"),
        ("DELETE", f"/resource/instance/{SERVER}"), ("GET", f"/resource/generic/{SERVER}/history"),
        ("GET", f"/aggregation/metric?metric={metric}"),
    ):  # fmt: skip
        await other(method, BASE + path, status=404)
    assert await other.get(f"{BASE}/metric?project_id={owner.project_id}") == []
    assert await other.get(f"{BASE}/resource/generic") == []
    everything = {"or": [{"=": {"project_id": owner.project_id}}, {"!=": {"id": NOWHERE}}]}
    assert await other.post(f"{BASE}/search/resource/instance", everything, 200) == []
    gone = await other("DELETE", f"{BASE}/resource/generic", everything, status=200)
    assert gone.json() == {"deleted": 0}
    sent = [at("14:00:00", 5)]
    await other("POST", f"{BASE}/metric/{metric}/measures", sent, status=404)
    await other("POST", f"{BASE}/batch/metrics/measures", {metric: sent}, status=404)
    wish = {"operations": ["metric", metric, "mean"]}
    await other("POST", f"{BASE}/aggregates", wish, status=404)


@pytest.mark.parametrize(
    ("operations", "why"),
    [
        ("(metric", "Invalid operations"),
        (["nosuch", 1], "'nosuch' operation invalid"),
        ("(rolling mean 0 (metric x mean))", "'rolling' operation invalid"),
        ("(" * 60 + "metric", "Invalid operations"),
        (["+", 1, 2], "no metric"),
        ({}, "Expected a tuple/list"),
    ],
)
async def test_operations_that_cannot_be_are_refused(
    cloud: Cloud, operations: object, why: str
) -> None:
    member = await cloud.project_with("p", "member")
    await an_instance(member, SERVER, "web")
    body = {"resource_type": "instance", "search": {}, "operations": operations}
    said = await member("POST", f"{BASE}/aggregates", body, status=400)
    assert why.replace("'", "&#x27;") in said.text


async def test_metrics_are_aggregated_across_by_one_method_and_then_another(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    one, other = await a_metric(member), await a_metric(member)
    await push(member, one, at("14:00:00", 10), at("14:00:30", 20), at("14:01:00", 30))
    await push(member, other, at("14:00:00", 20), at("14:01:00", 40))
    path = f"{BASE}/aggregation/metric?metric={one}&metric={other}"
    for query, values in (
        ("granularity=60", [17.5, 35.0]),
        ("granularity=60&aggregation=max", [20.0, 40.0]),
        ("granularity=60&aggregation=max&reaggregation=sum", [40.0, 70.0]),
        ("granularity=60&reaggregation=min", [15.0, 30.0]),
        ("granularity=60&resample=3600", [26.25]),
        ("granularity=60&start=2026-03-06T14:01", [35.0]),
        ("granularity=60&stop=2026-03-06T14:01", [17.5]),
    ):
        found = await member.get(f"{path}&{query}")
        assert [each[2] for each in found] == values, query
    for query, status, why in (
        ("resample=3600", 400, "A granularity must be specified to resample"),
        ("granularity=60&resample=soon", 400, "parse timespan"),
        ("granularity=60&start=soon", 400, "Must be a datetime"),
        ("granularity=7", 404, "at granularity"),
        ("aggregation=nosuch", 404, "nosuch"),
        ("refresh=perhaps", 400, "perhaps"),
        ("needed_overlap=much", 400, "Must be a number"),
        (f"metric={NOWHERE}", 404, NOWHERE),
        ("metric=x", 400, "badly formed"),
    ):
        refused = await member("GET", f"{path}&{query}", status=status)
        assert why in refused.text, query


async def test_a_policy_that_could_not_be_told_is_not_kept(cloud: Cloud) -> None:
    """It would keep everybody from the list of policies."""
    admin, member = await cloud.sign_in(), await cloud.project_with("p", "member")
    before = await member.get(f"{BASE}/archive_policy")
    good = {"granularity": 60, "points": 10}
    for definition, more in (
        ([{"granularity": 100_000, "points": 2_000_000_000}], {}),
        ([{"granularity": 10**400, "points": 1}], {}),
        ([good], {"aggregation_methods": [["mean"]]}),
        ([good], {"aggregation_methods": [{}]}),
    ):
        body = {"name": "n", "definition": definition, **more}
        await admin("POST", f"{BASE}/archive_policy", body, status=400)
    await admin.post(f"{BASE}/archive_policy", {"name": "n", "definition": [good]})
    changed = {"definition": [{**good, "points": 2_000_000_000, "granularity": 100_000}]}
    await admin("PATCH", f"{BASE}/archive_policy/n", changed, status=400)
    after = await member.get(f"{BASE}/archive_policy")
    assert {one["name"] for one in after} == {one["name"] for one in before} | {"n"}
