"""Usage by project, the audit log, migrations, hosts of old, external events, small facts, and what was withdrawn."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from hanok.base.ids import new_uuid
from hanok.services.compute.tables import migrations, servers
from tests.api.compute.test_servers import SERVERS, Ground
from tests.cloud import NEWEST, Cloud, a_flavor, a_network, an_image, settle

ROOT = "/compute/v2.1"
USAGE = f"{ROOT}/os-simple-tenant-usage"
EVENTS = f"{ROOT}/os-server-external-events"
NOBODY = "6b6a0f3e-0000-4000-8000-000000000000"


@pytest.fixture
async def ground(cloud: Cloud) -> Ground:
    admin = await cloud.sign_in()
    user = await cloud.project_with("p", "member")
    return Ground(
        cloud, admin, user, await an_image(user), await a_flavor(admin), await a_network(user)
    )


def at(minor: int) -> dict[str, str]:
    return {"OpenStack-API-Version": f"compute 2.{minor}"}


async def launched(
    ground: Ground, server_id: str, hours: float, ended: float | None = None
) -> None:
    """Say that a server was launched, and ended, so many hours ago."""
    now = ground.cloud.compute.clock.now()
    values: dict[str, Any] = {"launched_at": now - timedelta(hours=hours)}
    if ended is not None:
        values["terminated_at"] = now - timedelta(hours=ended)
    async with ground.cloud.control.database.write() as tx:
        await tx.execute(servers.update().where(servers.c.id == server_id).values(**values))


def window(ground: Ground, start: float, end: float = 0.0) -> str:
    """The query for a time that began and ended so many hours ago."""
    now = ground.cloud.compute.clock.now()
    texts = [(now - timedelta(hours=one)).strftime("%Y-%m-%dT%H:%M:%S.%f") for one in (start, end)]
    return f"start={texts[0]}&end={texts[1]}"


async def test_usage_is_added_up_by_project(ground: Ground) -> None:
    one, two = await ground.server(), await ground.server()
    await settle(ground.cloud)
    await launched(ground, one, 4)
    await launched(ground, two, 3, 1)
    mine = f"{USAGE}/{ground.user.project_id}"
    found = (await ground.user.get(f"{mine}?{window(ground, 2)}"))["tenant_usage"]
    assert found["total_hours"] == pytest.approx(3, abs=0.01)
    assert found["total_memory_mb_usage"] == pytest.approx(3 * 64, abs=1)
    assert found["total_vcpus_usage"] == pytest.approx(3, abs=0.01)
    assert found["tenant_id"] == ground.user.project_id
    assert {one["state"] for one in found["server_usages"]} == {"active", "terminated"}
    assert found["server_usages"][0].keys() == {
        "instance_id", "name", "hours", "tenant_id", "flavor", "vcpus", "memory_mb", "local_gb", "state",
        "started_at", "ended_at", "uptime",
    }  # fmt: skip
    assert (await ground.user.get(f"{mine}?{window(ground, 9, 8)}")) == {"tenant_usage": {}}
    every = await ground.admin.get(f"{USAGE}?{window(ground, 2)}")
    assert [(one["tenant_id"], "server_usages" in one) for one in every["tenant_usages"]] == [
        (ground.user.project_id, False)
    ]
    every = await ground.admin.get(f"{USAGE}?detailed=1&{window(ground, 2)}")
    assert len(every["tenant_usages"][0]["server_usages"]) == 2
    # In pages, from 2.40.
    ids, address = [], f"{mine}?{window(ground, 2)}&limit=1"
    while address:
        page = await ground.user.get(address.removeprefix("http://cloud:5000"), headers=at(40))
        ids += [row["instance_id"] for row in page["tenant_usage"].get("server_usages", [])]
        address = page.get("tenant_usage_links", [{"href": ""}])[0]["href"]
    assert ids == [one, two]
    assert "tenant_usage_links" not in await ground.user.get(f"{mine}?limit=1", headers=at(39))


@pytest.mark.parametrize(
    ("query", "minor", "status"),
    [
        ("", 1, 200),
        ("start=yesterday", 1, 400),
        ("start=2026-01-02T00:00:00&end=2026-01-01T00:00:00", 1, 400),
        ("start=2026-01-02T00:00:00&end=2026-01-02T00:00:00", 1, 400),
        ("start=2026-01-02%2000:00:00.000000", 1, 200),
        ("limit=x", 39, 200),
        ("limit=x", 40, 400),
        ("marker=nosuch", 40, 400),
        ("other=1", 74, 200),
        ("other=1", 75, 400),
    ],
)
async def test_how_usage_is_asked_for(ground: Ground, query: str, minor: int, status: int) -> None:
    path = f"{USAGE}/{ground.user.project_id}"
    await ground.user("GET", f"{path}?{query}", headers=at(minor), status=status)
    await ground.user("GET", USAGE, status=403)
    await ground.user("GET", f"{USAGE}/other", status=403)


async def test_the_audit_log_says_that_no_host_has_told(ground: Ground) -> None:
    path = f"{ROOT}/os-instance_usage_audit_log"
    found = (await ground.admin.get(path))["instance_usage_audit_logs"]
    assert found["hosts_not_run"] == ["host-1"] and found["num_hosts"] == 1
    assert found["overall_status"] == "0 of 1 hosts done. 0 errors." and found["log"] == {}
    found = await ground.admin.get(f"{path}/2026-01-15%2010:00:00.000001")
    found = found["instance_usage_audit_log"]
    assert (found["period_beginning"], found["period_ending"]) == (
        "2025-12-01 00:00:00", "2026-01-01 00:00:00",
    )  # fmt: skip
    answer = await ground.admin("GET", f"{path}/yesterday", status=400)
    assert "Invalid timestamp for date yesterday" in answer.text
    await ground.admin("GET", f"{path}/0001-01-01%2000:00:00.000000", status=400)
    await ground.user("GET", path, status=403)


# ---- migrations ----


async def recorded(ground: Ground, server_id: str, **values: Any) -> dict[str, Any]:
    """A migration in the records."""
    now = ground.cloud.compute.clock.now()
    row = {
        "uuid": new_uuid(), "server_id": server_id, "project_id": ground.user.project_id,
        "user_id": ground.user.user_id, "migration_type": "live-migration", "status": "running", "hidden": False,
        "source_compute": "host-1", "dest_compute": "host-2", "old_flavor": "nano", "new_flavor": "nano",
        "progress": {"memory_total_bytes": 5}, "created_at": now, "updated_at": now, "before": {}, "after": {},
        **values,
    }  # fmt: skip
    async with ground.cloud.control.database.write() as tx:
        await tx.execute(migrations.insert(), row)
        found = await tx.first(sa.select(migrations).where(migrations.c.uuid == row["uuid"]))
    assert found is not None
    return dict(found._mapping)


async def test_migrations_are_listed_as_each_version_shows_them(ground: Ground) -> None:
    path = f"{ROOT}/os-migrations"
    assert await ground.admin.get(path) == {"migrations": []}
    server = await ground.server()
    await settle(ground.cloud)
    one = await recorded(ground, server)
    await recorded(ground, server, migration_type="resize", status="finished", hidden=True)
    oldest = (await ground.admin.get(f"{path}?hidden=false"))["migrations"][0]
    assert oldest.keys() == {
        "id", "status", "instance_uuid", "source_compute", "source_node", "dest_compute", "dest_node", "dest_host",
        "old_instance_type_id", "new_instance_type_id", "created_at", "updated_at",
    }  # fmt: skip
    for minor, more in (
        (23, {"links", "migration_type"}),
        (59, {"uuid"}),
        (80, {"user_id", "project_id"}),
    ):
        shown = (await ground.admin.get(f"{path}?hidden=false", headers=at(minor)))["migrations"][0]
        before = (await ground.admin.get(f"{path}?hidden=false", headers=at(minor - 1)))[
            "migrations"
        ][0]
        assert shown.keys() - before.keys() == more
    for query, count in (
        ("host=host-2", 2), ("host=host-9", 0), ("status=running", 1), ("migration_type=resize", 1),
        (f"instance_uuid={server}", 2), ("source_compute=host-1", 2), ("limit=1", 1),
        (f"project_id={ground.user.project_id}", 2), ("user_id=other", 0), ("changes-since=2999-01-01T00:00:00Z", 0),
    ):  # fmt: skip
        assert (
            len((await ground.admin.get(f"{path}?{query}", headers=NEWEST))["migrations"]) == count
        ), query
    page = await ground.admin.get(f"{path}?limit=1", headers=NEWEST)
    assert page["migrations_links"][0]["rel"] == "next"
    await ground.admin("GET", f"{path}?marker={NOBODY}", headers=NEWEST, status=400)
    await ground.admin("GET", f"{path}?other=1", headers=at(59), status=400)
    await ground.admin("GET", f"{path}?other=1", headers=at(58), status=200)
    await ground.user("GET", path, status=403)
    await ground.cloud.project_with("q", "manager")
    manager = await ground.cloud.sign_in("q", "secret", project="q")
    assert await manager.get(path) == {"migrations": []}
    of_server = f"{SERVERS}/{server}/migrations"
    (shown,) = (await ground.admin.get(of_server, headers=NEWEST))["migrations"]
    assert (shown["id"], shown["memory_total_bytes"], shown["server_uuid"]) == (
        one["id"],
        5,
        server,
    )
    shown = (await ground.admin.get(f"{of_server}/{one['id']}", headers=NEWEST))["migration"]
    assert shown["uuid"] == one["uuid"]
    for method, number in (("GET", "99"), ("DELETE", "99"), ("GET", "x"), ("GET", "9" * 30)):
        answer = await ground.admin(method, f"{of_server}/{number}", headers=NEWEST, status=404)
        assert f"In-progress live migration {number} is not found" in answer.text
    await ground.admin("GET", of_server, headers=at(22), status=404)
    await ground.admin("DELETE", f"{of_server}/{one['id']}", headers=at(23), status=404)
    body = {"force_complete": None}
    await ground.admin("POST", f"{of_server}/x/action", body, headers=NEWEST, status=404)
    await ground.admin("POST", f"{of_server}/{one['id']}/action", body, headers=NEWEST, status=409)


# ---- hosts ----


async def test_hosts_are_as_they_were_until_2_42(ground: Ground) -> None:
    path = f"{ROOT}/os-hosts"
    found = (await ground.admin.get(path))["hosts"]
    assert {"host_name": "host-1", "service": "compute", "zone": "nova"} in found
    assert {one["service"] for one in found} == {"compute", "conductor", "scheduler"}
    assert found[0]["service"] == "compute"  # clients take the first for one that has servers
    assert len((await ground.admin.get(f"{path}?zone=nova"))["hosts"]) == 1
    assert len((await ground.admin.get(f"{path}?service=scheduler"))["hosts"]) == 1
    assert (await ground.admin.get(f"{path}?zone="))["hosts"] == found
    await ground.server()
    await settle(ground.cloud)
    rows = [one["resource"] for one in (await ground.admin.get(f"{path}/host-1"))["host"]]
    assert [one["project"] for one in rows] == [
        "(total)", "(used_now)", "(used_max)", ground.user.project_id,
    ]  # fmt: skip
    assert rows[2] == {**rows[3], "project": "(used_max)"} and rows[3]["memory_mb"] == 64
    await ground.admin("GET", f"{path}/nosuch", status=404)
    answer = await ground.admin("PUT", f"{path}/host-1", {"status": "disable"}, status=200)
    assert answer.json() == {"host": "host-1", "status": "disabled"}
    listed = (await ground.admin.get(f"{ROOT}/os-services?binary=nova-compute"))["services"]
    assert listed[0]["status"] == "disabled"
    await ground.admin("PUT", f"{path}/host-1", {"status": "enable"}, status=200)
    both = {"status": "enable", "maintenance_mode": "enable"}
    await ground.admin("PUT", f"{path}/nosuch", both, status=404)
    for body, status in (
        ({}, 400), ({"status": "on"}, 400), ({"other": 1}, 400), ({"maintenance_mode": "enable"}, 501),
    ):  # fmt: skip
        await ground.admin("PUT", f"{path}/host-1", body, status=status)
    for verb in ("reboot", "shutdown", "startup"):
        await ground.admin("GET", f"{path}/host-1/{verb}", status=501)
        await ground.admin("GET", f"{path}/nosuch/{verb}", status=404)
    for address in (path, f"{path}/host-1", f"{path}/host-1/reboot"):
        await ground.admin("GET", address, headers=at(43), status=404)
        await ground.user("GET", address, status=403)


# ---- external events ----


async def test_external_events_say_what_became_of_each(ground: Ground) -> None:
    server = await ground.server()
    await settle(ground.cloud)

    def event(
        name: str = "network-changed", server_id: str = server, **more: Any
    ) -> dict[str, Any]:
        return {"name": name, "server_uuid": server_id, **more}

    async def sent(status: int, *events: dict[str, Any], minor: int = 93) -> Any:
        answer = await ground.admin(
            "POST", EVENTS, {"events": events}, headers=at(minor), status=status
        )
        return answer.json()

    found = await sent(200, event(status="failed", tag="t"))
    assert found["events"] == [
        {
            "name": "network-changed",
            "server_uuid": server,
            "status": "failed",
            "tag": "t",
            "code": 200,
        }
    ]
    found = await sent(207, event(), event(server_id=NOBODY), event("volume-extended"))
    assert [(one["code"], one["status"]) for one in found["events"]] == [
        (200, "completed"), (404, "failed"), (400, "failed"),
    ]  # fmt: skip
    assert "No instances found for any event" in str(await sent(404, event(server_id=NOBODY)))
    found = await sent(207, event("power-update", tag="POWER_ON"), event("power-update", tag="x"))
    assert [one["code"] for one in found["events"]] == [200, 400]
    for minor, name in (
        (50, "volume-extended"), (75, "power-update"), (81, "accelerator-request-bound"), (92, "volume-reimaged"),
    ):  # fmt: skip
        await sent(400, event(name, tag="POWER_ON"), minor=minor)
        await sent(200, event(name, tag="POWER_ON"), minor=minor + 1)
    for bad in (
        event("nosuch"),
        event(server_id="x"),
        event(status="maybe"),
        event(other=1),
        {"name": "network-changed"},
    ):
        await sent(400, bad)
    await sent(400)
    await ground.user("POST", EVENTS, {"events": [event()]}, status=403)


# ---- facts, and what is no more ----


async def test_small_facts_of_a_server(ground: Ground) -> None:
    server = await ground.server()
    await settle(ground.cloud)
    one = f"{SERVERS}/{server}"
    assert await ground.user.get(f"{one}/topology", headers=at(78)) == {
        "nodes": [],
        "pagesize_kb": None,
    }
    await ground.user("GET", f"{one}/topology", headers=at(77), status=404)
    assert await ground.user.get(f"{one}/os-server-password") == {"password": ""}
    await ground.user("DELETE", f"{one}/os-server-password", status=204)
    body = {"injectNetworkInfo": None}
    await ground.admin("POST", f"{one}/action", body, status=202)
    await ground.user("POST", f"{one}/action", body, status=403)
    stranger = await ground.cloud.project_with("q", "member")
    for method, path in (
        ("GET", "topology"),
        ("GET", "os-server-password"),
        ("DELETE", "os-server-password"),
    ):
        await stranger(method, f"{one}/{path}", headers=NEWEST, status=404)


async def test_diagnostics_are_as_each_version_shows_them(ground: Ground) -> None:
    server = await ground.server(networks=[{"uuid": ground.network}])
    await settle(ground.cloud)
    path = f"{SERVERS}/{server}/diagnostics"
    old = await ground.admin.get(path, headers=at(47))
    assert {
        "cpu0_time",
        "vda_read",
        "vda_read_req",
        "vda_write",
        "vda_errors",
        "memory",
        "memory-actual",
        "memory-rss",
    } <= old.keys()
    assert [name for name in old if name.startswith("tap") and name.endswith("_rx_packets")]
    found = await ground.admin.get(path, headers=at(48))
    assert found.keys() == {
        "state", "driver", "hypervisor", "hypervisor_os", "uptime", "config_drive", "num_cpus", "num_disks",
        "num_nics", "memory_details", "cpu_details", "disk_details", "nic_details",
    }  # fmt: skip
    assert (found["state"], found["driver"], found["num_nics"]) == ("running", "libvirt", 1)
    assert found["memory_details"] == {"maximum": 64, "used": 64}
    (disk,) = found["disk_details"]
    assert disk.pop("errors_count") == 0
    assert disk.keys() == {"read_bytes", "read_requests", "write_bytes", "write_requests"}
    assert found["cpu_details"][0].keys() == {"id", "time", "utilisation"}
    assert found["nic_details"][0]["mac_address"].startswith("fa:16:3e")
    await ground.user("GET", path, status=403)
    await ground.user("POST", f"{SERVERS}/{server}/action", {"os-stop": None}, status=202)
    await settle(ground.cloud)
    await ground.admin("GET", path, status=409)


GONE = (
    ("GET", "os-agents"), ("PUT", "os-agents/1"), ("GET", "os-cells/detail"), ("GET", "os-cells/a"),
    ("POST", "os-certificates"), ("GET", "os-cloudpipe"), ("GET", f"servers/{NOBODY}/consoles"),
    ("GET", "os-fixed-ips/10.0.0.1"), ("GET", "os-floating-ip-dns"), ("GET", "os-floating-ips-bulk"),
    ("GET", "os-fping"), ("POST", "os-networks"), ("DELETE", "os-networks/a"), ("POST", "os-tenant-networks"),
    ("GET", "os-security-group-default-rules"), ("GET", f"servers/{NOBODY}/os-virtual-interfaces"),
)  # fmt: skip


async def test_what_was_withdrawn_says_so(ground: Ground) -> None:
    for method, path in GONE:
        for version in (at(1), NEWEST):
            answer = await ground.user(method, f"{ROOT}/{path}", {}, headers=version, status=410)
            assert "no longer available" in answer.json()["computeFault"]["message"]
    for key in ("resetNetwork", "os-getRDPConsole"):
        await ground.user("POST", f"{SERVERS}/{NOBODY}/action", {key: None}, status=410)
    await ground.cloud.anonymous("GET", f"{ROOT}/os-fping", status=401)
