"""The dashboard in a real browser, against a simulated cloud in this process.

Every page is opened as administrator, member and reader, in both languages. What a browser complains of, what an API
refuses unexpectedly, and any request to another host fails the test.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.acceptance.chromium import NEEDED, barriers, browser, filled, opened, served
from tests.cloud import a_flavor, an_image

pytestmark = NEEDED


async def test_every_page_opens_for_everybody_in_both_languages(tmp_path: Path) -> None:
    async with served(tmp_path, objects_port=8080) as (cloud, origin), browser() as found:
        await filled(cloud, EVIL)
        await cloud.project_with("member", "member")
        await cloud.project_with("reader", "reader")
        seen = {}
        for user, language in (("admin", "en-US"), ("member", "ko-KR"), ("reader", "en-US")):
            one = await opened(found, origin, language, bypass_csp=True)
            await one.sign_in(user)
            await one.page.wait_for_selector("nav.side a[href='/dashboard/networks']")
            names = await one.page.eval_on_selector_all(
                "nav.side a", "found => found.map(a => a.pathname)"
            )
            for name in names:
                await one.page.click(f"nav.side a[href='{name}']")
                await one.page.wait_for_selector("main h1")
                await one.page.wait_for_selector(
                    "main .loading, main [aria-busy=true]", state="detached"
                )
                if user == "admin":
                    assert await barriers(one) == []
                    assert await one.page.locator("img[src=x]").count() == 0  # names are texts
            assert one.wrong == []
            seen[user, language] = names
            heading = await one.page.inner_text("main h1")
            assert bool(re.search("[가-힣]", heading)) is (language == "ko-KR"), heading
            await one.page.context.close()
        assert len(seen["admin", "en-US"]) > len(seen["member", "ko-KR"]) > 12
        assert "/dashboard/hypervisors" not in seen["member", "ko-KR"]
        assert "/dashboard/users" not in seen["reader", "en-US"]
        narrow = await opened(found, origin, "en-US", width=360)
        await narrow.sign_in("admin")
        await narrow.go("networks")
        wide = await narrow.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 360  # nothing is pushed off a telephone's screen


async def test_a_learner_launches_and_deletes(tmp_path: Path) -> None:
    """The course's way: flavor, image, network, key pair, instance; its steps, log and screen; then it goes."""
    async with served(tmp_path) as (_, origin), browser() as found:
        one = await opened(found, origin, "en-US")
        await one.sign_in("admin")
        await one.make("flavors", name="m1.nano", ram="64")
        await one.page.wait_for_selector("td:has-text('m1.nano')")
        data = tmp_path / "cirros.raw"
        data.write_bytes(bytes(4096))
        await one.make("images", name="cirros", file=data)
        await one.page.wait_for_selector(".state.good")
        await one.make("networks", name="net1")
        await one.page.wait_for_selector("td:has-text('net1-subnet')")
        await one.make("keypairs", name="key1")
        await one.page.wait_for_selector("dialog pre:has-text('OPENSSH PRIVATE KEY')")
        await one.page.click("dialog button.primary")
        evil = "<img src=x onerror=alert(1)>"
        await one.go("servers")
        await one.page.click("main header button.primary")
        await one.page.fill("dialog [name=name]", evil)
        await one.page.click("dialog label.choice:has-text('m1.nano')")
        await one.page.select_option("dialog [name=key]", "key1")
        await one.picture("launch")
        command = await one.page.inner_text("dialog .ways pre")
        assert (
            command.startswith("openstack server create --flavor") and "--key-name key1" in command
        )
        await one.page.click("dialog form.form .buttons button.primary")
        await one.page.wait_for_selector("header .state.good")
        await one.page.wait_for_selector(".steps li:has-text('start_guest')")
        assert evil in await one.page.inner_text("main h1")  # as text
        await one.picture("steps")
        await one.page.click("main nav.tabs a:has-text('Log')")
        await one.page.wait_for_selector("pre.log:has-text('Linux version')")
        await one.page.click("main nav.tabs a:has-text('Overview')")
        await one.page.click("main header button:has-text('Shut off')")
        await one.page.wait_for_selector("header .state.calm")  # it changes by itself
        await one.go("servers")
        await one.page.click("tbody input[type=checkbox]")
        await one.page.click(".bulk button.danger")
        await one.page.click("dialog button.danger")
        await one.page.wait_for_selector("main .empty")
        assert one.wrong == []


async def test_a_launch_makes_its_key_network_and_rules_in_place(tmp_path: Path) -> None:
    """One pane, and not a page besides: the flow that is counted against Horizon's."""
    async with served(tmp_path) as (cloud, origin), browser() as found:
        admin = await cloud.sign_in()
        await an_image(admin, visibility="public")
        await a_flavor(admin)
        await cloud.project_with("student", "member")
        one = await opened(found, origin, "en-US")
        await one.sign_in("student")
        page, clicks = one.page, 0

        async def click(selector: str) -> None:
            nonlocal clicks
            clicks += 1
            await page.locator(selector).last.click()

        async def fill(name: str, value: str) -> None:
            await page.locator(f"dialog [name={name}]").last.fill(value)

        send = "dialog form.form .buttons button.primary"
        await click("main header button.primary")
        await fill("name", "web")
        await click("dialog label.choice:has-text('nano')")
        await click("button[aria-label='Networks: New…']")
        await fill("name", "net1")
        await page.locator("dialog [name=router]").select_option(label="public")
        clicks += 2
        await click(send)
        await page.locator("dialog label.choice:has-text('net1') input:checked").wait_for()
        await click("button[aria-label='Key pair: New…']")
        await fill("name", "key1")
        await click(send)
        async with page.expect_download():
            await click("dialog button:has-text('Download')")
        await click("dialog button.primary:has-text('Close')")
        await click("button[aria-label='Security groups: New…']")
        await fill("name", "ssh")
        await click("dialog label.choice:has-text('SSH')")
        await click(send)
        await page.locator("dialog label.choice:has-text('ssh') input:checked").wait_for()
        await click(send)
        await page.wait_for_selector("header .state.good")
        assert clicks == 14
        assert one.wrong == []
        student = await cloud.sign_in("student", project="student")
        server = (await student.get("/compute/v2.1/servers/detail"))["servers"][0]
        assert server["key_name"] == "key1" and "net1" in server["addresses"]
        router = (await student.get("/network/v2.0/routers"))["routers"][0]
        assert router["name"] == "net1-router" and router["external_gateway_info"]


async def test_everyday_work_takes_few_clicks(tmp_path: Path) -> None:
    """From the first page, as `docs/dashboard.md` counts them: why a launch failed, a volume, a port, a colleague."""
    async with served(tmp_path) as (cloud, origin), browser() as found:
        ids = await filled(cloud)
        admin = await cloud.sign_in()
        colleague = {"user": {"name": "colleague", "password": "secret"}}
        await admin.post("/v3/users", colleague)
        one = await opened(found, origin, "en-US")
        await one.sign_in("admin")
        page, send = one.page, "dialog form.form .buttons button.primary"
        await page.wait_for_selector("main .fault:has-text('No valid host was found')")  # none
        for clicks in (
            ("main td a:has-text('web-1')", "main header summary", "button:text-is('Attach a volume')", send),
            ("main td a:has-text('web-1')", "main header summary", "button:text-is('Open a port')", send),
        ):  # fmt: skip
            await one.go("")
            for selector in clicks[:-1]:
                await page.click(selector)
            await page.wait_for_selector("dialog select option", state="attached")
            if await page.locator("dialog [name=port]").count():
                await page.fill("dialog [name=port]", "8080")
            await page.click(clicks[-1])
            await page.wait_for_selector("dialog", state="detached")
        await page.click("nav.side a:text-is('Projects')")
        await page.click("main tbody a:text-is('admin')")
        await page.click("main nav.tabs a:text-is('Members')")
        await page.locator("main label:has-text('Add somebody') select").select_option(
            label="colleague"
        )
        await page.get_by_label("colleague: member").click()
        await page.wait_for_selector("[aria-label='colleague: member']:checked")
        assert one.wrong == []
        path = f"/compute/v2.1/servers/{ids['server']}/os-volume_attachments"
        attached = (await admin.get(path))["volumeAttachments"]
        assert [each["volumeId"] for each in attached] == [ids["volume"]]
        rules = (await admin.get("/network/v2.0/security-group-rules?port_range_min=8080"))[
            "security_group_rules"
        ]
        assert [rule["protocol"] for rule in rules] == ["tcp"]
        await cloud.sign_in("colleague", project="admin")


async def test_what_is_refused_is_said_in_korean_with_the_apis_words_beside(tmp_path: Path) -> None:
    async with served(tmp_path) as (cloud, origin), browser() as found:
        ids = await filled(cloud)
        one = await opened(found, origin, "ko-KR", bypass_csp=True)
        await one.sign_in("admin")
        await one.go(f"servers/{ids['broken']}")
        fault = await one.page.inner_text("main .fault")
        assert "갖춘 호스트가 없습니다: 호스트: 2; 메모리 부족: 2" in fault
        assert "No valid host was found. 2 hosts; 2 lack memory" in fault
        assert await barriers(one) == []
        assert one.wrong == []
        await one.go(f"networks/{ids['network']}")
        await one.page.click("main header summary")
        await one.page.click("main header .danger-text")
        await one.page.click("dialog button.danger")
        said = await one.page.inner_text(".message.error")
        assert "사용 중입니다" in said and "one or more ports" in said.lower()


async def test_a_guest_is_typed_to_and_looked_at_in_the_page(tmp_path: Path) -> None:
    async with served(tmp_path) as (cloud, origin), browser() as found:
        ids = await filled(cloud)
        one = await opened(found, origin, "en-US")
        await one.sign_in("admin")
        await one.go(f"servers/{ids['server']}?part=serial")
        await one.page.wait_for_selector(".xterm-rows:has-text('login:')")
        await one.page.keyboard.type("somebody\n")
        await one.page.wait_for_selector(".xterm-rows:has-text('login: somebody')")
        await one.page.wait_for_selector(".beside pre.log:has-text('Linux version')")
        await one.page.click("main nav.tabs a:text-is('Console')")
        await one.page.wait_for_selector(".screen canvas")
        await one.page.wait_for_selector("[role=status]:has-text('Connected')")
        assert one.wrong == []


async def test_a_session_that_ends_keeps_the_form(tmp_path: Path) -> None:
    async with served(tmp_path) as (cloud, origin), browser() as found:
        one = await opened(found, origin, "en-US")
        await one.sign_in("admin")
        await one.go("security_groups")
        await one.page.click("main header button.primary")
        await one.page.fill("dialog [name=name]", "half filled")
        admin = await cloud.sign_in()
        password = {"user": {"password": "changed-1"}}
        await admin("PATCH", f"/v3/users/{admin.user_id}", password, status=200)
        await one.page.click("dialog form.form .buttons button.primary")
        await one.page.fill("dialog.over input[name=password]", "changed-1")
        await one.page.click("dialog.over button.primary")
        await one.page.wait_for_selector("td:has-text('half filled')")


async def test_one_page_shows_what_another_client_does(tmp_path: Path) -> None:
    async with served(tmp_path) as (cloud, origin), browser() as found:
        one = await opened(found, origin, "en-US")
        await one.sign_in("admin")
        await one.go("networks")
        await one.page.wait_for_selector(".live.on")
        admin = await cloud.sign_in()
        made = await admin.post("/network/v2.0/networks", {"network": {"name": "elsewhere"}})
        await one.page.wait_for_selector("td:has-text('elsewhere')")
        path = f"/network/v2.0/networks/{made['network']['id']}"
        await admin("PUT", path, {"network": {"name": "renamed"}}, status=200)
        await one.page.wait_for_selector("td:has-text('renamed')")
        await admin("DELETE", path, status=204)
        await one.page.wait_for_selector("td:has-text('renamed')", state="detached")
        assert one.wrong == []


EVIL = "<img src=x onerror=alert(1)>"
TEMPLATE = """heat_template_version: 2021-04-16
parameters: {name: {type: string}}
resources:
  net: {type: OS::Neutron::Net, properties: {name: {get_param: name}}}
outputs:
  shown: {value: {get_attr: [net, name]}}
"""

# What others call their things is no option of the command that is copied.
HOSTILE = """
import(document.querySelector("script[type=module]").src.replace("main.js", "commands.js")).then((found) => {
  const name = "--os-auth-url=http://evil.example";
  return found.command("image", "show", ["--name", name], found.called({ name, id: "an-id" }));
})
"""


async def test_a_stack_is_made_shown_and_removed(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, origin), browser() as found:
        one = await opened(found, origin, "en-US")
        await one.sign_in("admin")
        await one.go("stacks")
        await one.page.click("main header button.primary")
        await one.page.fill("dialog [name=name]", "first")
        await one.page.fill("dialog [name=template]", TEMPLATE)
        await one.page.click("dialog .pairs button.small")
        await one.page.fill("dialog .pair input >> nth=0", "name")
        await one.page.fill("dialog .pair input >> nth=1", EVIL)
        command = await one.page.inner_text("dialog .ways pre")
        assert command.startswith(
            "openstack stack create --template template.yaml --parameter 'name="
        )
        await one.page.click("dialog form.form .buttons button.primary")
        await one.page.wait_for_selector("td .state.good")
        await one.page.click("tbody a:has-text('first')")
        await one.page.click("main nav.tabs a:has-text('Resources')")
        await one.page.wait_for_selector("td:has-text('OS::Neutron::Net')")
        await one.page.click("main nav.tabs a:has-text('Events')")
        await one.page.wait_for_selector("td:has-text('net')")
        await one.page.click("main nav.tabs a:has-text('Outputs')")
        await one.page.wait_for_selector("td:has-text('onerror=alert')")  # as text
        await one.page.click("main nav.tabs a:has-text('Template')")
        await one.page.wait_for_selector("pre:has-text('OS::Neutron::Net')")
        await one.go("stacks")
        await one.page.click("tbody input[type=checkbox]")
        await one.page.click(".bulk button.danger")
        await one.page.click("dialog button.danger")
        await one.page.wait_for_selector("main .empty")
        assert one.wrong == []


async def test_containers_trunks_and_policies(tmp_path: Path) -> None:
    async with served(tmp_path, objects_port=8080) as (cloud, origin), browser() as found:
        one = await opened(found, origin, "en-US")
        await one.sign_in("admin")
        await one.make("containers", name="box")
        await one.page.click("tbody a:has-text('box')")
        data = tmp_path / "a b&c.html"
        data.write_text(f"<script>alert(1)</script>{EVIL}")
        await one.page.click("main header button:has-text('Upload')")
        await one.page.locator("dialog input[type=file]").set_input_files(str(data))
        await one.page.click("dialog form.form .buttons button.primary")
        await one.page.wait_for_selector("td:has-text('a b&c.html')")
        async with one.page.expect_download() as told:
            await one.page.click("td button:has-text('Download')")
        assert Path(await (await told.value).path()).read_text() == data.read_text()
        await one.make("networks", name=EVIL)
        await one.page.wait_for_selector(f"td:has-text('{EVIL}-subnet')")
        admin = await cloud.sign_in()
        network = (await admin.get("/network/v2.0/networks"))["networks"][0]["id"]
        for name in ("parent", "child"):
            port = {"network_id": network, "name": name, "fixed_ips": []}
            await admin.post("/network/v2.0/ports", {"port": port})
        await one.make("trunks", name="trunk1", port=("parent",))
        await one.page.click("tbody a:has-text('trunk1')")
        await one.page.click("main header button:has-text('Add a subport')")
        await one.page.select_option("dialog [name=port]", label="child")
        await one.page.fill("dialog [name=vlan]", "7")
        await one.page.click("dialog form.form .buttons button.primary")
        await one.page.wait_for_selector("td:text-is('7')")
        await one.make("qos_policies", name="slow")
        await one.page.click("tbody a:has-text('slow')")
        await one.page.click("main header button:has-text('Limit')")
        await one.page.fill("dialog [name=kbps]", "1000")
        await one.page.click("dialog form.form .buttons button.primary")
        await one.page.wait_for_selector("td:has-text('1,000 kbit/s')")
        shown = await one.page.evaluate(HOSTILE)
        assert shown == "openstack image show --name=--os-auth-url=http://evil.example an-id"
        assert one.wrong == []
