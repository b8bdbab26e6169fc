"""The dashboard measured: `python -m bench.dashboard [--servers 1000] [--open 100]`.

A simulated cloud in a process of its own and Debian's chromium. Said are: what the first page weighs over the wire and when it is painted,
how long a page of 100 of many servers takes and what it costs the control process, and what many open pages cost it while nothing happens.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import Browser, Page, async_playwright
from tests.acceptance.chromium import CHROMIUM
from tests.cloud import NEWEST, Client, a_flavor, an_image

PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
IDLE_S = 20
EACH = 16  # live pages of a user
MARK = "X-Hanok-Dashboard"


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def cpu_s(pid: int) -> float:
    """Seconds of processor that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


@asynccontextmanager
async def cloud(hosts: int) -> AsyncIterator[tuple[int, Client]]:
    """A cloud of its own; gives its process and its administrator."""
    port, objects = free_port(), free_port()
    with tempfile.TemporaryDirectory() as state:
        command = [sys.executable, "-m", "bench.under_test", str(port), state]
        command += ["--hosts", str(hosts), "--objects-port", str(objects)]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=120) as http:
                yield process.pid, await _signed_in(http)
        finally:
            process.terminate()
            process.wait()


async def _signed_in(http: httpx.AsyncClient) -> Client:
    user = {"name": "admin", "domain": {"id": "default"}, "password": "secret"}
    scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
    identity = {"methods": ["password"], "password": {"user": user}}
    for _ in range(600):
        try:
            found = await http.post(
                "/v3/auth/tokens", json={"auth": {"identity": identity, "scope": scope}}
            )
        except httpx.HTTPError:
            await asyncio.sleep(0.1)
            continue
        return Client(http, found.headers["x-subject-token"], found.json()["token"])
    raise SystemExit("the cloud did not start")


async def fill(admin: Client, servers: int) -> None:
    limits = {"quota_set": {"instances": -1, "cores": -1, "ram": -1}}
    path = f"/compute/v2.1/os-quota-sets/{admin.project_id}"
    await admin("PUT", path, limits, status=200)
    image, flavor = await an_image(admin), await a_flavor(admin)
    for first in range(0, servers, 100):
        count = min(100, servers - first)
        body = {
            "name": f"vm-{first}", "imageRef": image, "flavorRef": flavor, "networks": "none",
            "min_count": count, "max_count": count,
        }  # fmt: skip
        await admin.post("/compute/v2.1/servers", {"server": body}, 202, headers=NEWEST)
    for _ in range(3000):
        busy = await admin.get("/compute/v2.1/servers?status=BUILD&limit=1")
        if not busy["servers"]:
            return
        await asyncio.sleep(0.5)


async def entered(browser: Browser, origin: str, language: str) -> tuple[Page, int]:
    """A page that is signed in, with what was carried for it."""
    context = await browser.new_context(locale=language)
    page = await context.new_page()
    session = await context.new_cdp_session(page)
    carried = 0

    def told(event: dict[str, Any]) -> None:
        nonlocal carried
        carried += int(event["encodedDataLength"])

    await session.send("Network.enable")
    session.on("Network.loadingFinished", told)
    await page.goto(f"{origin}/dashboard/")
    await page.fill("input[name=user]", "admin")
    await page.fill("input[name=password]", "secret")
    await page.click("form.sign-in button.primary")
    await page.wait_for_selector("main h1")
    await asyncio.sleep(1)
    return page, carried


async def paint(page: Page) -> float:
    """When the first of a page's content was painted, in ms from its beginning."""
    while (found := await page.evaluate(PAINT)) is None:
        await asyncio.sleep(0.01)
    return float(found)


async def first_page(browser: Browser, origin: str) -> None:
    for language in ("en-US", "ko-KR"):
        page, carried = await entered(browser, origin, language)
        print(f"first page with the overview, {language}: {carried / 1000:.0f} KB over the wire")
        painted, whole = [], []
        for _ in range(7):
            await page.goto("about:blank")
            await page.goto(f"{origin}/dashboard/")
            await page.wait_for_selector("main h1")
            whole.append(float(await page.evaluate("performance.now()")))
            painted.append(await paint(page))
        painted.sort()
        whole.sort()
        print(f"  again: first paint after {painted[3]:.0f} ms (best {painted[0]:.0f}),", end=" ")
        print(f"the overview's figures after {whole[3]:.0f} ms (best {whole[0]:.0f})")
        await page.context.close()
    fresh = []
    for _ in range(5):
        context = await browser.new_context()
        page = await context.new_page()
        await page.goto(f"{origin}/dashboard/")
        await page.wait_for_selector("form.sign-in")
        fresh.append(await paint(page))
        await context.close()
    print(f"sign-in, nothing kept: painted after {sorted(fresh)[2]:.0f} ms (best {min(fresh):.0f})")


async def many(browser: Browser, origin: str, pid: int, servers: int) -> None:
    page, _ = await entered(browser, origin, "en-US")
    shown, cost = [], []
    for _ in range(5):
        await page.click("nav.side a[href='/dashboard/networks']")
        await page.wait_for_selector("main h1:has-text('Networks')")
        await asyncio.sleep(1)
        before, began = cpu_s(pid), time.perf_counter()
        await page.click("nav.side a[href='/dashboard/servers']")
        await page.wait_for_selector("main tbody tr:nth-child(100)", state="attached")
        shown.append(time.perf_counter() - began)
        await asyncio.sleep(0.5)
        cost.append(cpu_s(pid) - before)
    took, cpu = sorted(shown)[2], sum(cost) / len(cost)
    print(f"100 of {servers} servers: shown after {took * 1000:.0f} ms, {cpu * 1000:.0f} ms of CPU")
    await page.context.close()


async def people(admin: Client, count: int) -> list[str]:
    """Users of the project; each may have so many live pages."""
    names = [f"person-{number}" for number in range(count)]
    roles = {one["name"]: one["id"] for one in (await admin.get("/v3/roles"))["roles"]}
    for name in names:
        body = {"user": {"name": name, "password": "secret"}}
        made = (await admin.post("/v3/users", body))["user"]["id"]
        path = f"/v3/projects/{admin.project_id}/users/{made}/roles/{roles['member']}"
        await admin("PUT", path, status=204)
    return names


async def idle(origin: str, admin: Client, pid: int, pages: int) -> None:
    """Live streams of many pages: what a page holds open while nothing happens."""
    names = await people(admin, -(-pages // EACH))
    before = memory_mib(pid)
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=origin, limits=limits, timeout=None) as http:
        answers = []
        for number in range(pages):
            if number % EACH == 0:
                http.cookies.clear()
                given = {"user": names[number // EACH], "password": "secret"}
                entered = await http.post("/dashboard/session", json=given, headers={MARK: "none"})
            query = {"scope": entered.json()["scope"]}
            request = http.build_request("GET", "/dashboard/events", params=query)
            answers.append(await http.send(request, stream=True))
        kept = sum(one.status_code == 200 for one in answers)
        await asyncio.sleep(2)
        used = cpu_s(pid)
        await asyncio.sleep(IDLE_S)
        share = (cpu_s(pid) - used) / IDLE_S
        grown = memory_mib(pid) - before
        for one in answers:
            await one.aclose()
    await asyncio.sleep(1)
    used = cpu_s(pid)
    await asyncio.sleep(IDLE_S)
    alone = (cpu_s(pid) - used) / IDLE_S
    print(
        f"{kept} live pages: {100 * share:.1f} % of a core, {100 * alone:.1f} % without; {grown:+.1f} MiB"
    )


async def main(given: argparse.Namespace) -> None:
    async with cloud(hosts=10) as (pid, admin), async_playwright() as library:
        origin = str(admin.http.base_url).rstrip("/")
        browser = await library.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        await first_page(browser, origin)
        await idle(origin, admin, pid, given.open)
        await fill(admin, given.servers)
        await many(browser, origin, pid, given.servers)
        await browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser("bench.dashboard")
    parser.add_argument("--servers", type=int, default=1000)
    parser.add_argument("--open", type=int, default=100)
    asyncio.run(main(parser.parse_args()))
