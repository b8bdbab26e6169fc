"""The course beside the pages, and a class as its teacher sees it, in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.acceptance.chromium import NEEDED, PUBLIC_KEY, barriers, browser, filled, opened, served
from tests.cloud import NEWEST, Client, Cloud, a_flavor, a_network, a_server, an_image, settle

pytestmark = NEEDED


async def a_class(cloud: Cloud) -> tuple[Client, Client]:
    """A class of two as `hanok class create` makes it; its teacher, and the first student, signed in."""
    admin = await cloud.sign_in()
    roles = {one["name"]: one["id"] for one in (await admin.get("/v3/roles"))["roles"]}

    async def person(name: str, parent: str) -> tuple[str, str]:
        project = {"name": name, "parent_id": parent, "tags": ["hanok-class"]}
        made = (await admin.post("/v3/projects", {"project": project}))["project"]["id"]
        return made, await user(name, made)

    async def user(name: str, project: str) -> str:
        body = {"name": name, "password": "secret", "default_project_id": project}
        return str((await admin.post("/v3/users", {"user": body}))["user"]["id"])

    whole = {"name": "autumn", "tags": ["hanok-class"]}
    parent = (await admin.post("/v3/projects", {"project": whole}))["project"]["id"]
    for number in (1, 2):
        project, student = await person(f"autumn-0{number}", parent)
        path = f"/v3/projects/{project}/users/{student}/roles/{roles['member']}"
        await admin("PUT", path, status=204)
    teacher = await user("teacher", parent)
    await admin("PUT", f"/v3/projects/{parent}/users/{teacher}/roles/{roles['reader']}", status=204)
    inherited = f"/v3/OS-INHERIT/projects/{parent}/users/{teacher}/roles/{roles['member']}"
    await admin("PUT", f"{inherited}/inherited_to_projects", status=204)
    return (
        await cloud.sign_in("teacher", project="autumn"),
        await cloud.sign_in("autumn-01", project="autumn-01"),
    )


async def _done(one: Any, count: int) -> None:
    await one.page.wait_for_selector(f".course [role=status]:has-text('{count} of 13 steps')")


async def test_a_learner_is_led_through_the_course_by_what_the_cloud_shows(tmp_path: Path) -> None:
    async with served(tmp_path) as (cloud, origin), browser() as found:
        admin = await cloud.sign_in()
        image = await an_image(admin, visibility="public")
        await a_flavor(admin)
        student = await cloud.project_with("student", "member")
        one = await opened(found, origin, "en-US", bypass_csp=True)
        await one.sign_in("student")
        await one.page.click("header.top button:has-text('Course')")
        await _done(one, 0)
        assert await one.page.inner_text(".walk .now") != ""
        assert await barriers(one) == []
        await one.page.click(".walk .step a.button")  # to the page of its first step
        await one.page.wait_for_selector("main h1:has-text('Key pairs')")
        pair = {"keypair": {"name": "key1", "public_key": PUBLIC_KEY}}
        await student.post("/compute/v2.1/os-keypairs", pair, 201, headers=NEWEST)
        await _done(one, 1)  # by itself: the cloud tells
        network = await a_network(student, "net1")
        await _done(one, 2)
        server = await a_server(student, image, "nano", network, name="vm1", key_name="key1")
        await settle(cloud)
        await _done(one, 3)
        assert "Launch an instance" in " ".join(
            await one.page.locator(".walk li.done").all_inner_texts()
        )
        await student("DELETE", f"/compute/v2.1/servers/{server}", status=204)
        await settle(cloud)
        await one.go("servers")  # the course stays open, and what was done stays done
        await _done(one, 3)
        assert one.wrong == []


async def test_an_operator_is_led_through_the_operation_of_a_cloud(tmp_path: Path) -> None:
    async with served(tmp_path) as (cloud, origin), browser() as found:
        ids = await filled(cloud)
        one = await opened(found, origin, "ko-KR")
        await one.sign_in("admin")
        await one.page.click("header.top button:has-text('실습')")
        await one.page.click(".course button:has-text('운영자 과정')")
        done = ".course [role=status]:has-text('10단계 중 {}단계')"
        await one.page.wait_for_selector(
            done.format(3)
        )  # an image, a flavor and a launch that failed
        admin = await cloud.sign_in()
        changes: list[dict[str, Any]] = [
            {"op": "replace", "path": "/visibility", "value": "public"},
            {"op": "replace", "path": "/protected", "value": True},
        ]
        kind = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
        path = f"/image/v2/images/{ids['image']}"
        await admin("PATCH", path, changes, status=200, headers=kind)
        await cloud.project_with("practice", "member")  # a project, a user and a role
        await one.page.wait_for_selector(done.format(7))
        assert one.wrong == []


async def test_a_teacher_sees_each_student_and_starts_one_over(tmp_path: Path) -> None:
    async with served(tmp_path) as (cloud, origin), browser() as found:
        admin = await cloud.sign_in()
        image = await an_image(admin, visibility="public")
        await a_flavor(admin)
        await a_flavor(admin, "huge", ram=9_999_999)
        _, student = await a_class(cloud)
        limit = {"quota_set": {"ram": -1}}
        path = f"/compute/v2.1/os-quota-sets/{student.project_id}"
        await admin("PUT", path, limit, status=200)
        network = await a_network(student, "net1")
        await a_server(student, image, "huge", network, name="too-large")
        await settle(cloud)
        one = await opened(found, origin, "en-US", bypass_csp=True)
        await one.sign_in("teacher")
        await one.page.click("nav.side a[href='/dashboard/class']")
        first = one.page.locator("tbody tr:has-text('autumn-01')")
        await first.locator("td:has-text('No valid host was found')").wait_for()
        assert "1/12" in await first.inner_text()
        second = one.page.locator("tbody tr:has-text('autumn-02')")
        await second.locator("td:has-text('0/12')").wait_for()
        assert await barriers(one) == []
        await first.locator("button:has-text('Start over')").click()
        await one.page.click("dialog button.danger")
        await first.locator("td:has-text('0/12')").wait_for()
        assert (await student.get("/network/v2.0/networks?router:external=false"))["networks"] == []
        assert (await student.get("/compute/v2.1/servers"))["servers"] == []
        await second.locator("button:has-text('Go there')").click()
        await one.page.wait_for_selector("main h1:has-text('autumn-02')")
        assert one.wrong == []
        other = await opened(found, origin, "en-US")
        await other.sign_in("autumn-01")
        assert await other.page.locator("nav.side a[href='/dashboard/class']").count() == 0
