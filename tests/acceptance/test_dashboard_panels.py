"""The dashboard's pages of younger services, and each form of them sent once, in a real browser."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from hanok.services.metric.logic import measures, metrics, times
from hanok.services.metric.service import MetricRoom
from tests.acceptance.chromium import NEEDED, Page, barriers, browser, filled, opened, served
from tests.cloud import NEWEST, Client, Cloud, a_network, settle

pytestmark = NEEDED

LB, EVIL = "/load-balancer/v2.0/lbaas", "<img src=x onerror=alert(1)>"


async def test_a_load_balancer_is_made_in_one_pane_and_goes_with_all_below(tmp_path: Path) -> None:
    async with served(tmp_path) as (cloud, origin), browser() as found:
        ids = await filled(cloud)
        admin = await cloud.sign_in()
        subnets = await admin.get(f"/network/v2.0/subnets?network_id={ids['network']}")
        path = f"/network/v2.0/subnets/{subnets['subnets'][0]['id']}"
        await admin("PUT", path, {"subnet": {"name": "net1-subnet"}}, status=200)
        one = await opened(found, origin, "en-US", bypass_csp=True)
        await one.sign_in("admin")
        await one.go("load_balancers")
        await one.page.click("main header button.primary")
        await one.fill(
            name=EVIL, subnet=("net1-subnet",), provider=("amphora",), protocol=("HTTP",), port="80"
        )
        await one.fill(algorithm=("LEAST_CONNECTIONS",), check=("HTTP",), provider=("ovn",))
        # What the other provider cannot do is not sent.
        await one.page.wait_for_selector("dialog .ways pre:has-text('--protocol TCP')")
        await one.fill(members=["web-1", "web-2"], member_port="8080")
        shown = await one.page.inner_text("dialog .ways pre")
        assert (
            "--lb-algorithm SOURCE_IP_PORT" in shown and "healthmonitor create --type TCP" in shown
        )
        assert shown.count("member create --address") == 2
        await one.page.click("dialog .ways button:has-text('Terraform')")
        blocks = await one.page.inner_text("dialog .ways pre")
        assert blocks.count('resource "openstack_lb_') == 6 and ".id" in blocks
        assert await barriers(one) == []
        await one.page.click("dialog form.form .buttons button.primary")
        await one.page.wait_for_selector("td .state.good:has-text('ONLINE')")
        await one.page.click(f"tbody a:has-text('{EVIL}')")
        await one.page.wait_for_selector(".tree li li li:has-text('8080') .state.good")
        assert await one.page.locator(".tree li li li .state.good").count() == 2
        assert await barriers(one) == []
        # A member where nobody is: the page shows it without being loaded again.
        (pool,) = (await admin.get(f"{LB}/pools"))["pools"]
        await admin.post(
            f"{LB}/pools/{pool['id']}/members",
            {"member": {"address": "10.9.9.9", "protocol_port": 1}},
        )
        await one.page.wait_for_selector(".tree li:has-text('10.9.9.9') .state.bad")
        await one.page.wait_for_selector("main header .state:has-text('DEGRADED')")
        await one.act("Remove a member", member=("10.9.9.9:1",))
        await one.page.wait_for_selector("main header .state.good:has-text('ONLINE')")
        await one.act("Add a pool", name="second")
        await ready(one)
        await one.act("Check members", pool=("second",), delay="2", timeout="1")
        await ready(one)
        await one.act("Add a member", pool=("second",), server=("web-1",), port="90")
        await ready(one)
        await one.act("Add a listener", name="other", port="81", pool=("second",))
        await ready(one)
        await one.act("Remove a listener, a pool or a check", part=("Listener: other",))
        await ready(one)
        await one.act("Give it a floating IP", floating=("A new one of public",))
        await one.act("Edit", name="renamed")
        await ready(one)
        assert one.wrong == []
        await one.go("load_balancers")
        await one.page.wait_for_selector("td .state.good")
        await one.page.click("tbody input[type=checkbox]")
        await one.page.click(".bulk button.danger")
        await one.page.click("dialog button.danger")
        await one.page.wait_for_selector("main .empty")
        assert (await admin.get(f"{LB}/pools"))["pools"] == []


async def ready(one: Page) -> None:
    """What was changed of a load balancer is there, and others may change it."""
    await one.page.wait_for_selector("main header button:text-is('Add a member')")


async def test_an_alarm_is_made_on_what_a_server_uses_and_charts_show_it(tmp_path: Path) -> None:
    async with served(tmp_path) as (cloud, origin), browser() as found:
        ids = await filled(cloud)
        await measured(cloud, ids["server"])
        admin = await cloud.sign_in()
        one = await opened(found, origin, "en-US", bypass_csp=True)
        await one.sign_in("admin")
        await one.go(f"servers/{ids['server']}?part=charts")
        await one.page.wait_for_selector("section.card:has-text('CPU') h3:has-text('50 %')")
        assert await one.page.locator("svg.chart .curve").count() >= 2
        assert await barriers(one) == []
        await one.go(f"volumes/{ids['volume']}?part=charts")
        await one.page.wait_for_selector("section.card h3:has-text('1 GiB')")
        host = (await admin.get("/compute/v2.1/os-hypervisors", headers=NEWEST))["hypervisors"]
        where = (await admin.get(f"/compute/v2.1/servers/{ids['server']}"))["server"][
            "OS-EXT-SRV-ATTR:host"
        ]
        number = next(each["id"] for each in host if each["hypervisor_hostname"] == where)
        await one.go(f"hypervisors/{number}?part=charts")
        await one.page.wait_for_selector("svg.chart[aria-label^='CPUs that its instances use']")
        await one.make(
            "alarms",
            name=EVIL,
            type=("instance",),
            resource=("web-1",),
            metric=("memory.usage",),
            threshold="1",
            severity=("critical",),
        )
        await one.page.click(f"tbody a:has-text('{EVIL}')")
        await one.page.wait_for_selector("svg.chart .line-at", state="attached")
        (alarm,) = await admin.get("/alarming/v2/alarms")
        rule = alarm["gnocchi_resources_threshold_rule"]
        assert (rule["resource_id"], rule["metric"], rule["threshold"]) == (
            ids["server"],
            "memory.usage",
            1,
        )
        await one.act("Edit", threshold="2", alarm="https://example.org/hook")
        await one.page.wait_for_selector("dd:has-text('memory.usage mean > 2')")
        await one.act("Set its state", state=("alarm",))
        await one.page.wait_for_selector("main header .state.bad")
        await one.page.click("main header button:text-is('Disable')")
        await one.page.wait_for_selector("main header button:text-is('Enable')")
        await one.page.click("main nav.tabs a:text-is('History')")
        await one.page.wait_for_selector("td:has-text('state transition')")
        assert (
            await one.page.locator("td:text-is('creation'), td:text-is('rule change')").count() >= 2
        )
        await one.sure("Delete")
        await one.page.wait_for_selector("main .empty")
        assert one.wrong == []


async def measured(cloud: Cloud, server: str) -> None:
    """Two values of each of a server's counters, five minutes apart, by which it was half busy."""
    room = cloud.control.house.rooms["metric"]
    assert isinstance(room, MetricRoom)
    await room.poll()
    now = times.of_datetime(cloud.control.house.clock.now())
    async with cloud.control.database.write() as tx:
        rows = (await metrics.of_resources(tx, [server]))[server]
        cpu = next(row for row in rows if row.name == "cpu")
        points = [(now - back * 300 * times.NS, (10 - back) * 150e9) for back in (3, 2, 1)]
        await measures.take(tx, room.facade._room, [(cpu.sequence, points)])


async def test_an_instance_moves_while_it_runs_and_its_host_is_emptied(tmp_path: Path) -> None:
    async with served(tmp_path) as (cloud, origin), browser() as found:
        ids = await filled(cloud)
        admin = await cloud.sign_in()
        path = f"/compute/v2.1/servers/{ids['server']}"

        async def host() -> str:
            return str((await admin.get(path))["server"]["OS-EXT-SRV-ATTR:host"])

        before = await host()
        one = await opened(found, origin, "en-US", bypass_csp=True)
        await one.sign_in("admin")
        await one.go(f"servers/{ids['server']}")
        await one.act("Move while it runs")
        await settle(cloud)
        after = await host()
        assert after != before
        await one.page.click("main nav.tabs a:text-is('Moves')")
        await one.page.wait_for_selector("td:text-is('live-migration')")
        await one.page.wait_for_selector("td:text-is('completed')")
        await one.go("hypervisors")
        await one.page.click(f"tbody a:text-is('{after}')")
        await one.page.click("main header summary")
        await one.page.click("main header button:text-is('Drain')")
        await one.page.click("dialog button:text-is('Drain')")
        await one.page.wait_for_selector("dialog [role=status]:has-text('have moved.')")
        said = await one.page.inner_text("dialog [role=status]")
        assert said in ("1 of 1 have moved.", "2 of 2 have moved.")
        assert await barriers(one) == []
        await one.page.click("dialog button:text-is('Close')")
        assert await host() != after
        await one.page.click("main header summary")
        await one.page.click("main header button:text-is('Accept new instances again')")
        services = "/compute/v2.1/os-services?binary=nova-compute"
        async with asyncio.timeout(60):
            while {each["status"] for each in (await admin.get(services))["services"]} != {
                "enabled"
            }:
                await asyncio.sleep(0.05)
        assert one.wrong == []


async def test_each_form_of_the_panels_is_sent_once(tmp_path: Path) -> None:
    async with served(tmp_path) as (cloud, origin), browser() as found:
        admin = await cloud.sign_in()
        other = await cloud.project_with("other", "member")
        one = await opened(found, origin, "en-US")
        await one.sign_in("admin")
        await volumes(one, admin, cloud)
        await sharing(one, admin, str(other.project_id))
        await federation(one, admin)
        assert one.wrong == []


async def page_of(one: Page, name: str) -> None:
    """The page of the one thing of that name in the list that is open."""
    await one.page.click(f"main tbody a:text-is('{name}')")
    await one.page.wait_for_selector(f"main h1:has-text('{name}')")


async def volumes(one: Page, admin: Client, cloud: Cloud) -> None:
    """Types with encryption and QoS specs; groups of volumes with snapshots and copies."""
    await one.make("volume_types", name="sealed", specs={"volume_backend_name": "files"})
    await page_of(one, "sealed")
    await one.act("Encrypt its volumes")
    types = {
        each["name"]: each["id"] for each in (await admin.get("/volume/v3/types"))["volume_types"]
    }
    path = f"/volume/v3/types/{types['sealed']}/encryption"
    assert (await admin.get(path))["key_size"] == 256
    await one.sure("Encrypt no longer")
    async with asyncio.timeout(30):
        while await admin.get(path):  # the page has asked for it
            await asyncio.sleep(0.05)
    await one.make(
        "qos_specs", name="slow", consumer=("front-end",), specs={"total_iops_sec": "100"}
    )
    await page_of(one, "slow")
    await one.act("Set specs", specs={"total_bytes_sec": "1000000"})
    await one.page.wait_for_selector("dt:has-text('total_bytes_sec')")
    await one.act("Give it to a volume type", type=("sealed",))
    assert (await admin.get(f"/volume/v3/types/{types['sealed']}"))["volume_type"]["qos_specs_id"]
    await one.sure("Take it from all types")
    await one.sure("Delete")
    await one.page.wait_for_selector("main .empty")
    await one.make(
        "group_types", name="together", specs={"consistent_group_snapshot_enabled": "<is> True"}
    )
    await page_of(one, "together")
    await one.page.wait_for_selector("dd:has-text('<is> True')")
    await one.make(
        "volume_groups", name="group1", group_type=("together",), volume_types=["sealed"]
    )
    await settle(cloud)
    volume = {"volume": {"name": "data", "size": 1, "volume_type": "sealed"}}
    await admin.post("/volume/v3/volumes", volume, 202)
    await settle(cloud)
    await one.go("volume_groups")
    await page_of(one, "group1")
    await one.act("Change its volumes", add=["data"])
    await settle(cloud)
    await one.page.wait_for_selector("main td:has-text('data')")
    await one.act("Create snapshot", name="moment")
    await settle(cloud)
    await one.go("group_snapshots")
    await page_of(one, "moment")
    await one.act("Create a group of it", name="copy")
    await settle(cloud)
    await one.sure("Delete")
    await settle(cloud)
    for name in ("copy", "group1"):
        await one.go("volume_groups")
        await page_of(one, name)
        await one.act("Delete", volumes=True)
        await settle(cloud)
    assert (await admin.get("/volume/v3/volumes"))["volumes"] == []


async def sharing(one: Page, admin: Client, project: str) -> None:
    """A network for another project; lists of addresses."""
    await one.make("networks", name="lent")
    await one.page.wait_for_selector("td:has-text('lent-subnet')")
    await one.make("address_groups", name="offices", addresses="192.168.10.0/24")
    await page_of(one, "offices")
    await one.act("Add addresses", addresses="10.0.0.7/32")
    await one.page.wait_for_selector("dd:has-text('10.0.0.7/32')")
    await one.act("Remove addresses", addresses=["192.168.10.0/24"])
    await one.page.wait_for_selector("dd:text-is('10.0.0.7/32')")
    await one.go("rbac_policies")
    await one.page.click("main header button.primary")
    # What was chosen of another kind is not sent.
    await one.fill(object_type=("address_group",), object_id=("offices",))
    await one.fill(object_type=("network",))
    await one.page.wait_for_selector(
        "dialog [name=object_id] option:text-is('lent')", state="attached"
    )
    await one.fill(object_id=("lent",), target=project)
    await one.page.click("dialog form.form .buttons button.primary")
    await one.page.wait_for_selector("td:has-text('access_as_shared') >> nth=0")
    policies = (await admin.get(f"/network/v2.0/rbac-policies?target_tenant={project}"))[
        "rbac_policies"
    ]
    assert [each["object_type"] for each in policies] == ["network"]
    await one.go(f"rbac_policies/{policies[0]['id']}")
    await one.sure("Share no longer")
    await one.go("address_groups")
    await page_of(one, "offices")
    await one.sure("Delete")


async def federation(one: Page, admin: Client) -> None:
    """Who is who of another identity provider; definitions of metadata."""
    rules: list[dict[str, Any]] = [
        {"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "HTTP_OIDC_SUB"}]}
    ]
    await one.make("mappings", id="people", rules=json.dumps(rules))
    await page_of(one, "people")
    rules[0]["local"][0]["user"]["type"] = "ephemeral"
    await one.act("Edit", rules=json.dumps(rules))
    await one.page.wait_for_selector("pre:has-text('ephemeral')")
    await one.make("identity_providers", id="school", remote_ids="https://school.example")
    await page_of(one, "school")
    await one.act("Add a protocol", protocol=("openid",), mapping=("people",))
    await one.page.wait_for_selector("dt:has-text('openid')")
    await one.sure("Disable")
    await one.page.wait_for_selector("main header summary")
    path = "/v3/OS-FEDERATION/identity_providers/school"
    assert (await admin.get(path))["identity_provider"]["enabled"] is False
    await one.sure("Delete")
    await one.go("mappings")
    await page_of(one, "people")
    await one.sure("Delete")
    await one.page.wait_for_selector("main .empty")


REFUSED = """
async (calls) => {
  const main = document.querySelector("script[type=module]").src;
  const { api } = await import(main.replace("main.js", "api.js"));
  const { inWords } = await import(main.replace("main.js", "refusals.js"));
  const said = [];
  for (const call of calls) {
    try { await api(call); said.push(["", "it was not refused"]); }
    catch (error) { said.push([inWords(error), error.message]); }
  }
  return said;
}
"""
NOWHERE = "00000000-0000-4000-8000-000000000000"


async def test_what_services_refuse_is_said_in_korean_by_its_sentence(tmp_path: Path) -> None:
    """What the APIs really answer: a sentence that is changed there is not understood any more here."""
    async with served(tmp_path) as (cloud, origin), browser() as found:
        ids = await filled(cloud)
        server, volume = f"/servers/{ids['server']}", f"/volumes/{ids['volume']}"
        action, small = (
            f"{server}/action",
            {"name": "x", "flavorRef": "1", "imageRef": ids["image"]},
        )
        retype = {"os-retype": {"new_type": "none", "migration_policy": "never"}}
        cases: list[tuple[str, str, str, Any, str]] = [
            ("compute", "GET", f"/servers/{NOWHERE}", None, "없거나"),
            ("compute", "POST", action, {"os-start": None}, "“start”"),
            ("compute", "POST", action, {"resize": {"flavorRef": "none"}}, "없거나"),
            ("compute", "POST", "/servers", {"server": {**small, "networks": "none"}}, "없거나"),
            ("compute", "POST", "/flavors", {"flavor": {"name": "nano", "ram": 1, "vcpus": 1, "disk": 0}}, "이미"),
            ("compute", "DELETE", "/os-keypairs/none", None, "없거나"),
            ("block-storage", "GET", f"/volumes/{NOWHERE}", None, "없거나"),
            ("block-storage", "POST", f"{volume}/action", {"os-extend": {"new_size": 1}}, "줄일 수 없"),
            ("block-storage", "POST", f"{volume}/action", {"os-extend": {"new_size": 99999999}}, "할당량"),
            ("block-storage", "POST", "/volumes", {"volume": {"size": -1}}, "보낸 값"),
            ("compute", "PUT", "/os-quota-sets/x", {"quota_set": {"cores": -9}}, "보낸 값"),
            ("block-storage", "POST", f"{volume}/action", retype, "없거나"),
            ("block-storage", "DELETE", f"/types/{NOWHERE}", None, "없거나"),
            ("identity", "DELETE", "/domains/default", None, "비활성화"),
            ("identity", "GET", "/users/none", None, "없거나"),
            ("identity", "POST", "/projects", {"project": {"name": "admin"}}, "이미"),
            ("identity", "POST", "/users", {"user": {}}, "보낸 값"),
            ("load-balancer", "GET", f"/v2.0/lbaas/loadbalancers/{NOWHERE}", None, "없거나"),
            ("alarming", "GET", f"/v2/alarms/{NOWHERE}", None, "없거나"),
            ("metric", "GET", f"/v1/metric/{NOWHERE}", None, "없거나"),
        ]  # fmt: skip
        one = await opened(found, origin, "ko-KR")
        await one.sign_in("admin")
        calls = [
            {
                "service": service,
                "method": method,
                "path": path,
                **({} if body is None else {"body": body}),
            }
            for service, method, path, body, _ in cases
        ]
        said = await one.page.evaluate(REFUSED, calls)
        wrong = [
            (case[:3], told)
            for case, told in zip(cases, said, strict=True)
            if case[4] not in told[0]
        ]
        assert wrong == []


async def test_a_share_is_made_let_in_to_and_set_back_by_forms(tmp_path: Path) -> None:
    async with served(tmp_path) as (cloud, origin), browser() as found:
        admin = await cloud.sign_in()
        one = await opened(found, origin, "en-US", bypass_csp=True)
        await one.sign_in("admin")
        await one.make("share_types", name="plain", specs={"share_backend_name": "folder"})
        await page_of(one, "plain")
        await one.page.wait_for_selector("dd:has-text('are set back to snapshots')")
        await one.act("Remove a spec", key=("share_backend_name",))
        await one.go("shares")
        await one.page.click("main header button.primary")
        await one.fill(name=EVIL, size="2", type=("plain",))
        shown = await one.page.inner_text("dialog .ways pre")
        assert "share create" in shown and shown.endswith("NFS 2")
        await one.page.click("dialog .ways button:has-text('Terraform')")
        blocks = await one.page.inner_text("dialog .ways pre")
        assert 'resource "openstack_sharedfilesystem_share_v2"' in blocks
        assert await barriers(one) == []
        await one.page.click("dialog form.form .buttons button.primary")
        await one.page.wait_for_selector("td .state.good:has-text('available')")
        await one.page.click(f"tbody a:has-text('{EVIL}')")
        await one.page.wait_for_selector("code:has-text('sudo mount -t nfs -o vers=4.1')")
        await one.act("Allow access", access_to="10.0.0.0/24", access_level=("read only",))
        await one.page.wait_for_selector("tr:has-text('10.0.0.0/24') .state.good")
        assert await barriers(one) == []
        (share,) = (await admin.get("/share/v2/shares"))["shares"]
        requested = f"/share/v2/share-access-rules?share_id={share['id']}"
        (rule,) = (await admin.get(requested, headers=SHARES))["access_list"]
        assert (rule["access_to"], rule["access_level"]) == ("10.0.0.0/24", "ro")
        await one.act("Extend", new_size="3")
        await one.page.wait_for_selector("dd:has-text('3 GiB')")
        await one.act("Shrink", new_size="1")
        await one.page.wait_for_selector("dd:has-text('1 GiB')")
        await one.act("Create snapshot", name="before")
        await one.page.wait_for_selector("tr:has-text('before') .state.good")
        await page_of(one, "before")
        await one.page.wait_for_selector("main header .state.good")
        await one.act("Allow access", access_to="10.0.0.7")
        await one.page.wait_for_selector("tr:has-text('10.0.0.7') .state.good")
        await one.act("Deny access", access=("10.0.0.7",))
        await one.page.wait_for_selector(".empty:has-text('Nobody may mount it yet.')")
        await one.sure("Set the share back to it")
        await settle(cloud)
        await one.sure("Delete")
        await one.page.wait_for_selector("main .empty")
        await one.go(f"shares/{share['id']}")
        await one.page.click("tr:has-text('10.0.0.0/24') summary")
        await one.page.click("tr:has-text('10.0.0.0/24') button:text-is('Deny access')")
        await one.page.click("dialog button.danger")
        await one.page.wait_for_selector(".empty:has-text('Nobody may mount it yet.')")
        await one.sure("Into the recycle bin")
        await one.page.click("main header button:text-is('Restore')")
        await one.page.wait_for_selector("main header button:text-is('Allow access')")
        await one.sure("Delete")
        await one.page.wait_for_selector("main .empty")
        await share_networks(one, admin)
        assert one.wrong == []
        await a_member_in_korean(cloud, await opened(found, origin, "ko-KR"))


SHARES = {"X-OpenStack-Manila-API-Version": "2.99"}


async def a_member_in_korean(cloud: Cloud, one: Page) -> None:
    """A member makes a share and is not offered what only operators may; what is refused is said in Korean."""
    member = await cloud.project_with("pupils", "member")
    await one.sign_in("pupils")
    for page in ("share_snapshots", "share_networks", "security_services", "share_types"):
        await one.go(page)
        await one.page.wait_for_selector("main h1:text-matches('[가-힣]')")
    assert await one.page.locator("main header button.primary").count() == 0  # of types
    await one.page.click("main tbody a:text-is('default')")
    await one.page.wait_for_selector("dd:has-text('스냅샷 마운트')")
    await one.go("shares")
    await one.page.click("main header button.primary")
    await one.fill(name="homework", network=("없음: 호스트가 직접 제공",))
    await one.page.wait_for_selector("dialog input[name=public]:disabled")
    await one.page.click("dialog form.form .buttons button.primary")
    await one.page.wait_for_selector("td .state.good")
    (share,) = (await member.get("/share/v2/shares"))["shares"]
    await one.go(f"shares/{share['id']}")
    await one.act("접근 허용", access_to="10.0.0.7")
    await one.page.wait_for_selector("tr:has-text('10.0.0.7') .state.good")
    await one.act("스냅샷 생성", name="kept")
    await one.page.wait_for_selector("tr:has-text('kept') .state.good")
    assert one.wrong == []
    again = {"allow_access": {"access_type": "ip", "access_to": "10.0.0.7"}}
    cases: list[tuple[str, str, Any, str]] = [
        ("GET", f"/shares/{NOWHERE}", None, "없거나"),
        ("POST", "/shares", {"share": {"size": 99_999_999, "share_proto": "NFS"}}, "할당량"),
        ("POST", "/types", {"share_type": {"name": "x"}}, "역할"),
        ("POST", f"/shares/{share['id']}/action", again, "이미"),
        ("DELETE", f"/shares/{share['id']}", None, "스냅샷이 남아"),
        ("POST", "/share-networks", {"share_network": {"neutron_net_id": NOWHERE}}, "보낸 값"),
    ]
    calls = [
        {"service": "shared-file-system", "method": method, "path": path}
        | ({} if body is None else {"body": body})
        for method, path, body, _ in cases
    ]
    said = await one.page.evaluate(REFUSED, calls)
    assert [
        (case[:2], told) for case, told in zip(cases, said, strict=True) if case[3] not in told[0]
    ] == []


async def share_networks(one: Page, admin: Client) -> None:
    """A share network with subnets, and a directory that it names."""
    await a_network(admin, "net1")
    await one.make("security_services", type=("ldap",), name="people", user="reader")
    await page_of(one, "people")
    await one.act("Edit", domain="school.example", password="a secret")
    await one.page.wait_for_selector("dd:has-text('school.example')")
    (service,) = (await admin.get("/share/v2/security-services/detail"))["security_services"]
    assert service["password"] == "a secret"
    await one.make("share_networks", name="own", net=("net1",))
    await page_of(one, "own")
    await one.act("Add a security service", service=("people",))
    await one.page.wait_for_selector("td:has-text('ldap')")
    assert await barriers(one) == []
    await one.act("Remove a security service", service=("people",))
    await one.act("Remove a subnet")
    await one.page.wait_for_selector(".empty >> nth=1")
    await one.act("Edit", description="none left")
    await one.page.wait_for_selector("dd:has-text('none left')")
    await one.sure("Delete")
    await one.page.wait_for_selector("main .empty")
    assert (await admin.get("/share/v2/share-networks"))["share_networks"] == []
