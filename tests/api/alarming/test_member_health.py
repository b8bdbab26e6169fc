"""An alarm on the members of a pool, which has the stack whose group makes them mended."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from hanok.services.alarming.facade import Alarms
from hanok.services.load_balancer.tables import members
from tests.api.alarming.test_scaling import looked_at
from tests.api.load_balancer.balancing import balancing
from tests.api.orchestration.stackery import Stackery, template
from tests.cloud import Cloud, running

POOL = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
BASE = "/alarming/v2/alarms"
KIND = "loadbalancer_member_health"


def rule(pool: str, stack: str, group: str) -> dict[str, Any]:
    found = {"pool_id": pool, "stack_id": stack, "autoscaling_group_id": group}
    return {"name": "ill", "type": KIND, f"{KIND}_rule": found}


async def ids_of(cloud: Cloud) -> list[str]:
    async with cloud.control.database.read() as tx:
        return list(await tx.scalars(sa.select(members.c.id)))


async def test_a_member_that_does_not_answer_is_made_anew(
    tmp_path: Path, database_url: str
) -> None:
    async with running(tmp_path, database=database_url) as cloud:
        place = await balancing(cloud)
        balancer = await place.balancer()
        pool = await place.make(balancer, "pools", **POOL, loadbalancer_id=balancer)
        stacks = Stackery(cloud, place.user)
        inner = template({
            "port": {"type": "OS::Neutron::Port", "properties": {"network": place.network}},
            "member": {"type": "OS::Octavia::PoolMember", "properties": {
                "pool": pool["id"],
                "address": {"get_attr": ["port", "fixed_ips", 0, "ip_address"]},
                "protocol_port": 80,
            }},
        })  # fmt: skip
        files = {"in.yaml": msgspec.json.encode(inner).decode()}
        group = {"min_size": 1, "max_size": 1, "resource": {"type": "in.yaml"}}
        path = await stacks.stack({
            "group": {"type": "OS::Heat::AutoScalingGroup", "properties": group},
            "ill": {"type": "OS::Aodh::LBMemberHealthAlarm", "properties": {
                "pool": pool["id"],
                "stack": {"get_param": "OS::stack_id"},
                "autoscaling_group_id": {"get_resource": "group"},
                "alarm_actions": ["trust+heat://"],
            }},
        }, files=files)  # fmt: skip
        alarm = (await stacks.resources(path))["ill"]["physical_resource_id"]
        assert (await place.user.get(f"{BASE}/{alarm}"))[f"{KIND}_rule"]["pool_id"] == pool["id"]
        assert await looked_at(cloud, alarm) == "ok"
        (before,) = await ids_of(cloud)
        async with cloud.control.database.write() as tx:
            await tx.execute(members.update().values(operating_status="ERROR"))
        assert await looked_at(cloud, alarm) == "ok", "it is new"
        past = datetime(2026, 1, 1, tzinfo=UTC)
        async with cloud.control.database.write() as tx:
            await tx.execute(members.update().values(created_at=past))
        assert await looked_at(cloud, alarm) == "alarm"
        async with asyncio.timeout(60):
            while before in (now := await ids_of(cloud)) or len(now) != 1:
                await cloud.control.house.facade(Alarms).tell()
                await asyncio.sleep(0.2)


async def test_a_pool_of_others_says_nothing(cloud: Cloud) -> None:
    place = await balancing(cloud)
    balancer = await place.balancer()
    pool = await place.make(balancer, "pools", **POOL, loadbalancer_id=balancer)
    other = await cloud.project_with("other", "member")
    for user, state in ((place.user, "ok"), (other, "insufficient data")):
        made = await user.post(BASE, rule(pool["id"], "s", "g"))
        assert await looked_at(cloud, made["alarm_id"]) == state
