"""From the load of a guest by its meters and an alarm to what a stack does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from hanok.base.clock import MovableClock
from hanok.services.alarming.facade import Alarms
from hanok.services.alarming.logic import alarms, evaluating
from hanok.services.metric.service import MetricRoom
from hanok.web.token import Caller
from tests.api.orchestration.stackery import Stackery
from tests.cloud import Cloud, a_flavor, a_network, a_server, an_image, running, settle

BASE = "/alarming/v2"


async def later(cloud: Cloud, clock: MovableClock, seconds: float) -> None:
    """Let time pass, and the cloud measure what it has."""
    clock.move(seconds)
    room = cloud.control.house.rooms["metric"]
    assert isinstance(room, MetricRoom)
    await room.poll()


async def looked_at(cloud: Cloud, alarm_id: str) -> str:
    """The state of an alarm when it has been evaluated once more; what follows is told."""
    facade = cloud.control.house.facade(Alarms)
    reaching = Caller(user_id="", project_id=None, everywhere=True)
    for _ in range(2):
        async with cloud.control.database.read() as tx:
            row = await alarms.find(tx, reaching, alarm_id)
        await evaluating.evaluate(facade.room, row)
    await facade.tell()
    async with cloud.control.database.read() as tx:
        return str((await alarms.find(tx, reaching, alarm_id)).state)


async def members(stacks: Stackery, path: str, count: int) -> None:
    """Wait until the stack's group has so many members."""
    async with asyncio.timeout(60):
        while True:
            inside = (await stacks.user.get(f"{path}/resources?nested_depth=1"))["resources"]
            kinds = [one["resource_type"] for one in inside]
            if kinds.count("OS::Heat::RandomString") == count:
                return
            await asyncio.sleep(0.02)


def scaled(group: str, action: Any) -> dict[str, Any]:
    """Resources of a stack whose group grows when its alarm rings."""
    member = {"type": "OS::Heat::RandomString"}
    size = {"min_size": 1, "max_size": 3, "resource": member}
    policy = {
        "adjustment_type": "change_in_capacity",
        "auto_scaling_group_id": {"get_resource": "group"},
        "scaling_adjustment": 1,
    }
    alarm = {
        "metric": "cpu",
        "resource_type": "instance",
        "query": {"str_replace": {"template": '{"=": {"server_group": "GROUP"}}', "params": {"GROUP": group}}},
        "aggregation_method": "rate:mean",
        "granularity": 300,
        "threshold": 60e9,
        "comparison_operator": "gt",
        "alarm_actions": [action],
    }  # fmt: skip
    return {
        "group": {"type": "OS::Heat::AutoScalingGroup", "properties": size},
        "up": {"type": "OS::Heat::ScalingPolicy", "properties": policy},
        "busy": {
            "type": "OS::Aodh::GnocchiAggregationByResourcesAlarm",
            "properties": alarm,
        },
    }


URL = {"get_attr": ["up", "signal_url"]}
TRUSTED = {"str_replace": {"template": "trust+url", "params": {"url": URL}}}


@pytest.mark.parametrize(
    "action", [{"get_attr": ["up", "alarm_url"]}, TRUSTED], ids=["url", "trust"]
)
async def test_a_group_grows_when_its_servers_are_busy(
    tmp_path: Path, database_url: str, action: dict[str, Any]
) -> None:
    clock = MovableClock()
    async with running(tmp_path, database=database_url, clock=clock) as cloud:
        admin = await cloud.sign_in()
        member = await cloud.project_with("p", "member")
        other = await cloud.project_with("other", "member")
        image, flavor = await an_image(member), await a_flavor(admin)
        network, of = await a_network(member), {"metering.server_group": "web"}
        server = await a_server(member, image, flavor, network, metadata=of)
        await settle(cloud)
        stacks = Stackery(cloud, member)
        path = await stacks.stack(scaled("web", action))
        alarm = (await stacks.resources(path))["busy"]["physical_resource_id"]
        for _ in range(3):
            await later(cloud, clock, 300)
        assert await looked_at(cloud, alarm) == "ok"
        for host in cloud.nodes.values():
            host.loads.set[server] = 0.9
        for _ in range(3):
            await later(cloud, clock, 300)
        assert await looked_at(cloud, alarm) == "alarm"
        await members(stacks, path, 2)
        wish = {"=": {"server_group": "web"}}
        search = "/metric/v1/search/resource/instance"
        (found,) = await member.post(search, wish, 200)
        assert found["id"] == server and found["project_id"] == member.project_id
        assert {"cpu", "memory.usage", "vcpus", "disk.root.size"} <= set(found["metrics"])
        assert await other.post(search, wish, 200) == []
        types = {one["type"] for one in await member.get("/metric/v1/resource/generic")}
        assert types == {"instance", "instance_disk", "instance_network_interface", "image"}
        await member("DELETE", f"/compute/v2.1/servers/{server}", status=204)
        await settle(cloud)
        await later(cloud, clock, 300)
        (ended,) = await member.post(search, wish, 200)
        assert ended["ended_at"] is not None
