"""The pictures of the dashboard in the documentation: `python -m bench.pictures [FOLDER]`; a simulated cloud and Debian's chromium."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.acceptance.chromium import Page, browser, filled, opened, served
from tests.acceptance.test_dashboard_course import a_class
from tests.cloud import Cloud, a_network

FOLDER = Path("docs/dashboard")
SETTLED = "main .loading, main [aria-busy=true]"


async def shot(one: Page, folder: Path, name: str, **more: Any) -> None:
    await one.page.wait_for_selector(SETTLED, state="detached")
    await asyncio.sleep(1)
    await one.page.screenshot(path=folder / f"{name}.png", **more)
    print(name, one.wrong)


async def of_admin(found: Any, origin: str, ids: dict[str, str], folder: Path) -> None:
    one = await opened(found, origin, "en-US")
    await one.sign_in("admin")
    await shot(one, folder, "overview")
    await one.go("servers")
    await one.page.click("main header button.primary")
    await one.page.fill("dialog [name=name]", "web-3")
    await one.page.click("dialog label.choice:has-text('nano')")
    await shot(one, folder, "launch")
    await one.go(f"servers/{ids['server']}?part=steps")
    await one.page.wait_for_selector(".steps li")
    await shot(one, folder, "steps")
    await one.go(f"servers/{ids['server']}?part=serial")
    await one.page.wait_for_selector(".xterm-rows:has-text('login:')")
    part = {"x": 195, "y": 45, "width": 1085, "height": 560}
    await shot(one, folder, "serial", clip=part)
    await one.go("topology")
    await one.page.wait_for_selector("svg.graph")
    await one.page.locator("main form input").nth(0).fill("outside")
    await one.page.locator("main form input").nth(1).fill("web-1")
    await one.page.click("main form button.primary")
    await one.page.wait_for_selector(".path .fault")
    await shot(one, folder, "topology")
    dark = await opened(found, origin, "en-US", color_scheme="dark")
    await dark.sign_in("admin")
    await dark.go("hypervisors")
    await dark.page.wait_for_selector("main progress")
    await shot(dark, folder, "hypervisors-dark")


async def in_korean(found: Any, origin: str, ids: dict[str, str], folder: Path) -> None:
    one = await opened(found, origin, "ko-KR")
    await one.sign_in("admin")
    await one.go(f"servers/{ids['broken']}")
    await one.page.wait_for_selector("main .fault")
    await shot(one, folder, "fault-ko")
    narrow = await opened(found, origin, "ko-KR", width=360)
    await narrow.sign_in("admin")
    await narrow.go("servers")
    await narrow.page.wait_for_selector("main tbody tr")
    await shot(narrow, folder, "phone-ko")


async def of_a_class(found: Any, origin: str, cloud: Cloud, folder: Path) -> None:
    _, student = await a_class(cloud)
    await a_network(student, "net1")
    one = await opened(found, origin, "ko-KR")
    await one.sign_in("autumn-01")
    await one.go("networks")
    await one.page.click("header.top button[aria-expanded=false]:has-text('실습')")
    await one.page.wait_for_selector(".walk .done")
    await shot(one, folder, "course-ko")
    teacher = await opened(found, origin, "en-US")
    await teacher.sign_in("teacher")
    await teacher.page.click("nav.side a[href='/dashboard/class']")
    await teacher.page.wait_for_selector("tbody tr:has-text('autumn-02') td:has-text('0/12')")
    await shot(teacher, folder, "class")


async def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as state:
        async with served(Path(state)) as (cloud, origin), browser() as found:
            ids = await filled(cloud)
            await of_admin(found, origin, ids, folder)
            await in_korean(found, origin, ids, folder)
            await of_a_class(found, origin, cloud, folder)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
