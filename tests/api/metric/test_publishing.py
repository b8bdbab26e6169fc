"""What is measured and what happens, on its way to others: Prometheus, addresses, files, alarms."""

from __future__ import annotations

import asyncio
import os
import resource
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from hanok.base.clock import MovableClock
from hanok.drivers.image_stores.web import WebBroken
from hanok.rooms import WrongSettings
from hanok.services.metric.facade import Metrics, MetricSettings
from hanok.services.metric.logic import protocols, publishing
from hanok.services.metric.logic.pipelines import Publisher
from hanok.services.metric.service import MetricRoom
from hanok.services.metric.tables import outgoing
from tests.cloud import Client, Cloud, a_network, an_image, running, settle
from tests.web import Page, serving

METRIC = "/metric/v1"
SECRET = "a-secret-for-prometheus"


def files(folder: Path, **texts: str) -> MetricSettings:
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    return MetricSettings(telemetry_folder=str(folder), polling_interval_s=100_000)


def pipeline(what: str, *urls: str, names: str = "*") -> str:
    return f"""
sources: [{{name: s, {what}: ["{names}"], sinks: [k]}}]
sinks: [{{name: k, publishers: {list(urls)}}}]
"""


def room(cloud: Cloud) -> MetricRoom:
    found = cloud.control.house.rooms["metric"]
    assert isinstance(found, MetricRoom)
    return found


async def a_volume(client: Client, name: str, size: int = 3) -> str:
    wish = {"volume": {"name": name, "size": size}}
    return str((await client.post("/volume/v3/volumes", wish, 202))["volume"]["id"])


async def scraped(cloud: Cloud, secret: str = SECRET, status: int = 200) -> str:
    sent = {"Authorization": f"Bearer {secret}"}
    return (await cloud.anonymous("GET", "/metrics", headers=sent, status=status)).text


async def test_prometheus_reads_what_was_measured_with_its_secret_alone(
    tmp_path: Path, database_url: str
) -> None:
    secret, clock = tmp_path / "secret", MovableClock()
    secret.write_text(f"{SECRET}\n")
    own = MetricSettings(scrape_token_file=str(secret))
    async with running(tmp_path, database=database_url, clock=clock, metric=own) as cloud:
        member = await cloud.project_with("p", "member")
        made = await a_volume(member, 'a "name"\\')
        await an_image(member, "mine")
        await settle(cloud)
        await room(cloud).poll()
        page = await scraped(cloud)
        (line,) = [one for one in page.splitlines() if one.startswith("ceilometer_volume_size{")]
        assert f'project="{member.project_id}"' in line and f'resource="{made}"' in line
        assert 'resource_name="a \\"name\\"\\\\"' in line and 'unit="GB"' in line
        assert line.rpartition("}")[2].split()[0] == "3.0"
        assert page.count("# TYPE ceilometer_image_size gauge\n") == 1
        await scraped(cloud, "another", 401)
        await member("GET", "/metrics", status=401)
        await cloud.anonymous("GET", "/metrics", status=401)
        sent = {"Authorization": f"Bearer {SECRET}"}
        await cloud.anonymous("POST", "/metrics", headers=sent, status=405)
        clock.move(3600)
        assert await scraped(cloud) == "", "what nobody has measured for long is not shown"


async def test_nobody_reads_metrics_where_there_is_no_secret(cloud: Cloud) -> None:
    await cloud.sign_in()
    await room(cloud).poll()
    await scraped(cloud, "", 404)
    await scraped(cloud, SECRET, 404)


async def test_samples_go_to_each_publisher_in_its_form(tmp_path: Path) -> None:
    kept = tmp_path / "meters"
    with serving() as web:
        for path in ("/in", "/push/job/hanok", "/write"):
            web.pages[path] = Page(status=204)
        near = f"127.0.0.1:{web.port}"
        urls = (
            f"http://{near}/in",
            f"prometheus://{near}/push/job/hanok",
            f"remotewrite://{near}/write",
            f"file://{kept}",
        )
        own = files(tmp_path, pipeline=pipeline("meters", *urls, names="volume.*"))
        async with running(tmp_path, metric=own) as cloud:
            member = await cloud.project_with("p", "member")
            made = await a_volume(member, "data")
            await settle(cloud)
            await room(cloud).poll()
            assert await member.get(f"{METRIC}/resource/volume") == [], (
                "the store is not among them"
            )
        told = dict(
            zip([path for verb, path in web.requests if verb == "POST"], web.told, strict=True)
        )
        (sample,) = msgspec.json.decode(told["/in"])
        assert (sample["counter_name"], sample["counter_volume"]) == ("volume.size", 3.0)
        assert (sample["counter_type"], sample["counter_unit"]) == ("gauge", "GB")
        assert (sample["resource_id"], sample["project_id"]) == (made, member.project_id)
        assert sample["resource_metadata"]["display_name"] == "data"
        (line,) = [msgspec.json.decode(one) for one in kept.read_bytes().splitlines()]
        assert line["resource_id"] == made
        pushed = told["/push/job/hanok"].decode().splitlines()
        assert pushed[0] == "# TYPE ceilometer_volume_size gauge" and pushed[1].endswith("} 3.0")
        taken = protocols.written(protocols.unsnapped(told["/write"]))
        ((_, named),) = taken.items()
        ((_, value),) = named["ceilometer_volume_size"]
        assert value == 3.0


async def test_a_publisher_that_takes_nothing_keeps_nothing_from_the_store(tmp_path: Path) -> None:
    with serving() as web:
        web.pages["/in"] = Page(status=500)
        far = f"{web.url('/in')}?max_retries=0&timeout=60"
        own = files(tmp_path, pipeline=pipeline("meters", far, "gnocchi://?archive_policy=high"))
        async with running(tmp_path, metric=own) as cloud:
            member = await cloud.project_with("p", "member")
            await a_volume(member, "data")
            await settle(cloud)
            await room(cloud).poll()
            (found,) = await member.get(f"{METRIC}/resource/volume")
            shown = await member.get(f"{METRIC}/metric/{found['metrics']['volume.size']}")
            assert shown["archive_policy"]["name"] == "high"
        assert web.told


async def test_only_what_polling_names_is_measured(tmp_path: Path) -> None:
    text = "sources: [{name: v, interval: 60, meters: ['volume.*', 'vcpus']}]"
    async with running(tmp_path, metric=files(tmp_path, polling=text)) as cloud:
        member = await cloud.project_with("p", "member")
        await a_volume(member, "data")
        await an_image(member, "mine")
        await settle(cloud)
        await room(cloud).poll()
        assert len(await member.get(f"{METRIC}/resource/volume")) == 1
        assert await member.get(f"{METRIC}/resource/image") == []


async def test_a_file_that_says_what_is_not_known_stops_the_start(tmp_path: Path) -> None:
    own = files(tmp_path, pipeline=pipeline("meters", "kafka://far"))
    with pytest.raises(WrongSettings, match=r"pipeline\.yaml: the publisher 'kafka"):
        async with running(tmp_path, metric=own):
            pass


async def test_what_is_deleted_has_ended_at_once(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await a_volume(member, "data")
    await settle(cloud)
    await room(cloud).poll()
    await member("DELETE", f"/volume/v3/volumes/{made}", status=202)
    await settle(cloud)
    await cloud.control.events.tell()
    shown = await member.get(f"{METRIC}/resource/volume/{made}")
    assert shown["ended_at"] is not None


# ---- events ----


async def waiting(cloud: Cloud) -> int:
    async with cloud.control.database.read() as tx:
        return int(await tx.scalar(sa.select(sa.func.count()).select_from(outgoing)) or 0)


def quiet(cloud: Cloud) -> Publisher:
    """A publisher that this test alone sends to."""
    (found,) = cloud.control.house.facade(Metrics)._outward
    return found


async def test_events_wait_for_a_publisher_until_it_takes_them(
    tmp_path: Path, database_url: str
) -> None:
    with serving() as web:
        web.pages["/in"] = Page(status=503)
        far = f"{web.url('/in')}?max_retries=0"
        own = files(tmp_path, event_pipeline=pipeline("events", far, names="network.*"))
        async with running(tmp_path, database=database_url, metric=own) as cloud:
            member = await cloud.project_with("p", "member")
            await a_network(member)
            await settle(cloud)
            await cloud.control.events.tell()
            assert await waiting(cloud) == 1
            told = (await _notifications(cloud))[0]
            await cloud.control.house.facade(Metrics).happened([told])
            assert await waiting(cloud) == 1, "what is told twice waits once"
            here = room(cloud).facade._room
            with pytest.raises(WebBroken):
                await publishing.send_some(here, quiet(cloud))
            assert await waiting(cloud) == 1
            web.pages["/in"] = Page(status=200)
            await publishing.send_some(here, quiet(cloud))
            assert await waiting(cloud) == 0
        (event,) = msgspec.json.decode(web.told[-1])
        assert event["event_type"] == "network.create.end"
        assert ["name", 1, "net"] in event["traits"]
        assert ["project_id", 1, member.project_id] in event["traits"]


async def _notifications(cloud: Cloud) -> list[dict[str, Any]]:
    """Those of the network that was made, as a process that died would tell them again."""
    async with cloud.control.database.read() as tx:
        payload = await tx.scalar(sa.select(outgoing.c.payload))
    event = msgspec.json.decode(payload)
    return [{"message_id": event["message_id"], "event_type": event["event_type"], "timestamp": None,
             "publisher_id": "network.localhost", "payload": {}}]  # fmt: skip


async def test_of_events_that_nobody_takes_each_project_keeps_a_part(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = room(cloud).facade._room
    to = Publisher(url="http://far/", scheme="http", target="http://far/")
    rows = [
        {"publisher": to.key, "message_id": f"{number}", "project_id": "busy" if number < 3000 else "calm",
         "payload": b"{}"}
        for number in range(3010)
    ]  # fmt: skip
    async with here.database.write() as tx:
        await tx.insert(outgoing, rows)
    assert await publishing.trim(here, to) == 500
    async with here.database.read() as tx:
        left = await tx.all(sa.select(outgoing).order_by(outgoing.c.sequence))
    assert left[0].message_id == "500" and sum(one.project_id == "calm" for one in left) == 10


async def test_alarms_ring_by_traits_as_they_are_defined_and_by_what_they_are_to_hear(
    tmp_path: Path,
) -> None:
    traits = "{event_type: network.create.end, traits: {colour: {fields: payload.network.name}}}"
    hears = pipeline("events", "notifier://?topic=alarm.all", names="!subnet.*")
    own = files(tmp_path, event_definitions=f"[{traits}]", event_pipeline=hears)
    async with running(tmp_path, metric=own) as cloud:
        member = await cloud.project_with("p", "member")
        query = [{"field": "traits.colour", "op": "eq", "type": "string", "value": "red"}]
        states = {}
        for event_type, condition in (("network.*", query), ("subnet.*", [])):
            rule = {"event_type": event_type, "query": condition}
            sent = {"name": event_type, "type": "event", "event_rule": rule}
            states[event_type] = (await member.post("/alarming/v2/alarms", sent))["alarm_id"]
        await a_network(member, "red")
        await settle(cloud)
        await cloud.control.events.tell()
        shown = [await member.get(f"/alarming/v2/alarms/{one}/state") for one in states.values()]
        assert shown == ["alarm", "insufficient data"]


def test_a_file_of_events_is_turned_when_it_is_full(tmp_path: Path) -> None:
    path = tmp_path / "events"
    options = (("backup_count", 1), ("max_bytes", 10))
    to = Publisher(url="", scheme="file", target=str(path), options=options)
    for line in (b"12345\n", b"67890\n", b"abcde\n"):
        publishing.append(to, line)
    assert path.read_bytes() == b"abcde\n"
    assert Path(f"{path}.1").read_bytes() == b"67890\n" and not Path(f"{path}.2").exists()


async def test_events_for_a_pipe_that_nobody_reads_wait_and_hold_up_nobody(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    to = Publisher(url="", scheme="file", target=str(pipe))
    async with asyncio.timeout(30):
        with pytest.raises(WebBroken):
            await publishing.deliver(to, b"{}\n", "", {})
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        try:
            with pytest.raises(WebBroken, match="not a plain file"):
                await publishing.deliver(to, b"{}\n", "", {})
        finally:
            os.close(reader)


def test_what_a_full_disk_does_not_take_whole_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "events"
    path.write_bytes(b"before\n")
    to = Publisher(url="", scheme="file", target=str(path))
    largest = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, largest[1]))  # as where a disk is full
    try:
        with pytest.raises(OSError):
            publishing.append(to, b"x" * 30)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, largest)
    assert path.read_bytes() == b"before\n"
    publishing.append(to, b"after\n")
    assert path.read_bytes() == b"before\nafter\n"
