"""Operators' files of telemetry: what is read, what it means, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hanok.services.metric.logic import pipelines
from hanok.services.metric.logic.definitions import Definitions, Happened, WrongDefinition, path_of

TOLD: dict[str, Any] = {
    "message_id": "m-1",
    "publisher_id": "compute.host-1",
    "event_type": "compute.instance.create.end",
    "timestamp": "2026-12-01 02:00:00.000001",
    "payload": {
        "instance_id": "i-1",
        "tenant_id": "p-1",
        "memory_mb": 64,
        "disk_gb": "many",
        "launched_at": "2026-12-01T01:59:00Z",
        "created_at": "2026-12-01T01:58:30Z",
        "image_meta": {"org.linux__1__arch": "x86_64"},
        "fixed_ips": [{"address": "10.1.0.3"}, {"address": "10.1.0.4"}],
        "state": "active",
    },
    "_context_request_id": "req-1",
    "_context_project_id": "p-1",
    "_context_user_id": "u-1",
}


def event(traits: dict[str, Any], event_type: Any = "compute.*") -> Happened:
    return Definitions([{"event_type": event_type, "traits": traits}]).event(TOLD)


def test_usual_definitions_find_the_traits_that_people_ask_for() -> None:
    found = pipelines.read("").definitions.event(TOLD)
    named = found.named
    assert (named["instance_id"], named["resource_id"], named["memory_mb"]) == ("i-1", "i-1", 64)
    assert named["service"] == "compute.host-1" and named["state"] == "active"
    assert "disk_gb" not in named  # it is no number
    plain = found.plain
    assert ["memory_mb", 2, 64] in plain["traits"]
    assert ["launched_at", 4, "2026-12-01T01:59:00"] in plain["traits"]
    assert plain["generated"] == "2026-12-01T02:00:00.000001"


@pytest.mark.parametrize(
    ("trait", "value"),
    [
        ({"fields": "payload.instance_id"}, "i-1"),
        ({"fields": "$.payload.instance_id"}, "i-1"),
        ({"fields": ["payload.nothing", "payload.state"]}, "active"),
        ({"fields": "payload.image_meta.'org.linux__1__arch'"}, "x86_64"),
        ({"fields": 'payload.image_meta["org.linux__1__arch"]'}, "x86_64"),
        ({"fields": "payload.fixed_ips[1].address"}, "10.1.0.4"),
        ({"fields": "payload.fixed_ips[*].address"}, "10.1.0.3"),
        ({"fields": "ctxt.user_id"}, "u-1"),
        ({"fields": "payload.memory_mb", "type": "float"}, 64.0),
        ({"fields": "publisher_id", "plugin": {"name": "split", "parameters": {"segment": 1}}}, "host-1"),
        ({"fields": ["payload.created_at", "payload.launched_at"], "type": "int", "plugin": "timedelta"}, 30),
        ({"fields": "payload.state", "plugin": {"name": "map", "parameters": {
            "values": {"ACTIVE": "up"}, "case_sensitive": False}}}, "up"),
        ({"fields": "payload", "type": "int", "plugin": {"name": "bitfield", "parameters": {
            "initial_bitfield": 4, "flags": [{"path": "state", "bit": 1, "value": "active"}, {"path": "no", "bit": 2}],
        }}}, 5),
    ],
)  # fmt: skip
def test_a_trait_is_found_and_made_as_it_is_defined(trait: dict[str, Any], value: Any) -> None:
    assert event({"it": trait}).named["it"] == value


def test_the_last_definition_counts_and_what_is_left_out_is_left_out() -> None:
    def one(name: str, *types: str) -> dict[str, Any]:
        return {"event_type": list(types), "traits": {name: {"fields": "payload.state"}}}

    third = one("third", "compute.*", "!*.end")
    known = Definitions([one("first", "*"), one("second", "compute.*"), third])
    assert "second" in known.event(TOLD).named and "first" not in known.event(TOLD).named
    assert "third" in known.event({**TOLD, "event_type": "compute.instance.create.start"}).named
    assert "first" in known.event({**TOLD, "event_type": "image.create"}).named


@pytest.mark.parametrize(
    "path", ["", ".", "payload.", "payload[?(@.a)]", "payload..a", "payload[1:2]", "[*]", 5, "a b"]
)
def test_a_path_of_another_sort_is_refused(path: Any) -> None:
    with pytest.raises(WrongDefinition):
        path_of(path)


def test_what_has_too_much_in_it_is_cut() -> None:
    told = {**TOLD, "payload": {"state": "x" * 100_000, "list": [None] * 100_000 + ["late"]}}
    traits = {"state": {"fields": "payload.state"}, "late": {"fields": "payload.list[*]"}}
    found = Definitions([{"event_type": "*", "traits": traits}]).event(told).named
    assert len(str(found["state"])) == 4096 and "late" not in found


FILES = {
    "polling": "sources: [{name: quick, interval: 60, meters: ['cpu', 'memory*']}]",
    "pipeline": """
sources:
    - {name: cpu, meters: [cpu], sinks: [cpu_sink, out]}
    - {name: rest, meters: ["*", "!cpu", "!power.*"], sinks: [out]}
sinks:
    - {name: cpu_sink, transformers: , publishers: ["gnocchi://?archive_policy=high"]}
    - {name: out, publishers: ["https://u:p@far.example:8443/in?timeout=3&max_retries=0", "file:///tmp/meters?json"]}
""",
    "event_pipeline": "{sources: [{name: s, events: ['image.*'], sinks: [k]}],"
    " sinks: [{name: k, publishers: ['notifier://?topic=alarm.all']}]}",
    "event_definitions": """
- event_type: &kinds [compute.instance.*]
  traits: &them {who: {fields: payload.tenant_id}}
- event_type: image.*
  traits: {<<: *them, name: {fields: payload.name}}
""",
}


def written(folder: Path, **texts: str) -> str:
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    return str(folder)


def test_files_say_what_is_measured_and_where_it_goes(tmp_path: Path) -> None:
    found = pipelines.read(written(tmp_path, **FILES))
    assert found.polling is not None
    (quick,) = found.polling
    assert quick.interval_s == 60 and quick.meters is not None
    assert quick.meters.fit("memory.usage") and not quick.meters.fit("vcpus")
    store, web, file = found.samples.of("cpu")
    assert store.option("archive_policy", "") == "high"
    assert web.target == "https://u:p@far.example:8443/in" and web.option("timeout", 5) == 3
    assert found.samples.of("vcpus") == (web, file) and found.samples.of("power.state") == ()
    assert found.events.of("image.create") and not found.events.of("volume.create.end")
    assert found.definitions.event({**TOLD, "event_type": "image.create"}).named["who"] == "p-1"


SINK = (
    "sources: [{{name: s, {what}: ['*'], sinks: [k]}}]\nsinks: [{{name: k, publishers: ['{url}']}}]"
)


def one(url: str, what: str = "meters") -> str:
    return SINK.format(url=url, what=what)


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("polling", "sources: [{name: a, interval: 1, meters: [cpu]}]", "interval"),
        ("polling", "sources: [{name: a, interval: 60, meters: [cpu], discovery: [x]}]", "discovery"),
        ("polling", "sources: [", "polling.yaml"),
        ("polling", "!!python/object/apply:os.getcwd []", "polling.yaml"),
        ("pipeline", one("kafka://a/b"), "not supported"),
        ("pipeline", one("notifier://?topic=alarm.all"), "not supported"),
        ("pipeline", one("http:///path"), "names no host"),
        ("pipeline", one("http://far/path?verify_ssl=/x"), "verify_ssl"),
        ("pipeline", one("http://far/path?timeout=600"), "timeout"),
        ("pipeline", one("file://relative"), "is not a file"),
        ("pipeline", one("file:///a/../b"), "is not a file"),
        ("pipeline", "sources: [{name: s, meters: ['*'], sinks: [k]}]\nsinks: []", "no sink k"),
        ("pipeline", "sources: []\nsinks: [{name: k, publishers: [], transformers: [{name: x}]}]", "transformers"),
        ("event_pipeline", one("remotewrite://far/write", "events"), "not supported"),
        ("event_pipeline", one("notifier://", "events"), "alarm.all"),
        ("event_definitions", "[{event_type: a, traits: {b: {fields: 'payload[?(@.c)]'}}}]", "not supported"),
        ("event_definitions", "[{event_type: a, traits: {b: {fields: c, type: colour}}}]", "type of the trait b"),
        ("event_definitions", "[{event_type: a, traits: {b: {fields: c, plugin: {name: x}}}}]", "plug-ins are"),
        ("event_definitions", "a: b", "not a list"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused_with_its_place(
    tmp_path: Path, name: str, text: str, why: str
) -> None:
    with pytest.raises(WrongDefinition, match=name) as refused:
        pipelines.read(written(tmp_path, **{name: text}))
    assert why in str(refused.value)


def test_a_file_may_not_be_larger_than_it_has_reason_to_be(tmp_path: Path) -> None:
    with pytest.raises(WrongDefinition, match="larger than 1 MiB"):
        pipelines.read(written(tmp_path, polling="#" * ((1 << 20) + 1)))
    with pytest.raises(WrongDefinition, match="not a folder"):
        pipelines.read(str(tmp_path / "nothing"))
