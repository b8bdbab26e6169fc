"""A real browser, and a simulated cloud in this process for it.

What a browser complains of, what an API refuses and any request to another host is kept in `Page.wrong`.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
import uvicorn
from playwright import async_api as playwright

from hanok.control.server import Server
from hanok.control.server_settings import ServerSettings
from tests.cloud import (
    NEWEST,
    PASSWORD,
    Cloud,
    a_flavor,
    a_network,
    a_server,
    an_image,
    running,
    settle,
)

PUBLIC_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBqGPE2pHNyCmKxLTHtQ4eGEP2pwGkoT2ddJMDmFRpxo learner@class"
)
CHROMIUM = "/usr/bin/chromium"
NEEDED = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="Debian's chromium is not installed"),
]
WAIT_MS = 60_000  # a loaded machine
PICTURES = os.environ.get("HANOK_PICTURES", "")  # a folder: pictures for the documentation are made


class _Silent(Server):
    """Ended by the test, so it leaves signals alone."""

    def capture_signals(self) -> Any:
        from contextlib import nullcontext

        return nullcontext()


@asynccontextmanager
async def served(
    state: Path, hosts: int = 2, objects_port: int = 0
) -> AsyncIterator[tuple[Cloud, str]]:
    """A cloud, and where a browser finds it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        async with running(state, hosts=hosts, port=port, objects_port=objects_port) as cloud:
            config = uvicorn.Config(
                cloud.control.app,
                http="httptools",
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=1,
            )
            rooms = cloud.control.house.rooms
            server = _Silent(config, ServerSettings(), ending=rooms["dashboard"].ending)
            serving = asyncio.ensure_future(server.serve(sockets=[listener]))
            try:
                yield cloud, f"http://127.0.0.1:{port}"
            finally:
                server.should_exit = True
                await serving


class Page:
    """A browser's page with somebody signed in, and everything that was wrong on it."""

    def __init__(self, page: Any, origin: str) -> None:
        self.page, self.origin, self.wrong = page, origin, list[str]()
        page.set_default_timeout(WAIT_MS)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.wrong.append(f"{page.url}: {error}"))
        page.on("request", self._on_request)
        page.on("response", self._answered)

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(f"{self.page.url}: {message.text}")

    def _on_request(self, request: Any) -> None:
        if not request.url.startswith((self.origin, "data:", "blob:")):
            self.wrong.append(f"{self.page.url} asks {request.url}")

    def _answered(self, response: Any) -> None:
        if response.status >= 400:
            self.wrong.append(f"{self.page.url}: {response.status} of {response.url}")

    async def sign_in(self, user: str) -> None:
        await self.page.goto(f"{self.origin}/dashboard/")
        await self.page.fill("input[name=user]", user)
        await self.page.fill("input[name=password]", PASSWORD)
        await self.page.click("form.sign-in button.primary")
        await self.page.wait_for_selector(".app nav.side", state="attached")

    async def go(self, path: str) -> None:
        await self.page.goto(f"{self.origin}/dashboard/{path}")
        await self.page.wait_for_selector(".app nav.side", state="attached")

    async def picture(self, name: str) -> None:
        if PICTURES:
            await self.page.screenshot(path=f"{PICTURES}/{name}.png")

    async def make(self, path: str, **values: Any) -> None:
        """Fill the form that makes one of these, and send it."""
        await self.go(path)
        await self.page.click("main header button.primary")
        await self.fill(**values)
        await self.page.click("dialog form.form .buttons button.primary")

    async def act(self, label: str, **values: Any) -> None:
        """Do something to what the page is of: fill the action's form, send it, wait until it is closed."""
        button = self.page.locator(f"main header button:text-is('{label}')").first
        if not await button.is_visible():
            await self.page.click("main header summary")
        await button.click()
        await self.fill(**values)
        await self.page.click("dialog form.form .buttons button.primary")
        await self.page.wait_for_selector("dialog", state="detached")

    async def sure(self, label: str) -> None:
        """Do something to what the page is of that asks whether it is meant."""
        await self.page.click("main header summary")
        await self.page.click(f"main header button:text-is('{label}')")
        await self.page.click("dialog .buttons button:not([type=button])")
        await self.page.wait_for_selector("dialog", state="detached")

    async def fill(self, **values: Any) -> None:
        """Fields of the open form: a text, a file, (an option's label,), [labels], {names: values}, or a tick."""
        await self.page.wait_for_selector("dialog form.form")
        for name, value in values.items():
            field = self.page.locator(f"dialog [name='{name}']").first
            if isinstance(value, Path):
                await field.set_input_files(str(value))
            elif isinstance(value, tuple):
                await self._choose(field, value[0])
            elif isinstance(value, list):
                for label in value:
                    await self.page.click(
                        f"dialog label.choice:has([name='{name}']):has-text('{label}')"
                    )
            elif isinstance(value, dict):
                await self._pairs(value)
            elif isinstance(value, bool):
                await field.set_checked(value)
            else:
                await field.fill(value)

    async def _choose(self, field: Any, label: str) -> None:
        """An option by how its label begins: a note may stand behind it."""
        option = field.locator("option", has_text=re.compile(f"^{re.escape(label)}( — .*)?$"))
        await option.wait_for(state="attached")
        await field.select_option(value=await option.evaluate("(one) => one.value"))

    async def _pairs(self, pairs: dict[str, str]) -> None:
        for at, (key, value) in enumerate(pairs.items()):
            await self.page.click("dialog .pairs button.small")
            row = self.page.locator("dialog .pair").nth(at).locator("input")
            await row.nth(0).fill(key)
            await row.nth(1).fill(value)


@asynccontextmanager
async def browser() -> AsyncIterator[Any]:
    async with playwright.async_playwright() as library:
        found = await library.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield found
        finally:
            await found.close()


async def opened(
    found: Any, origin: str, language: str, width: int = 1280, **settings: Any
) -> Page:
    context = await found.new_context(
        locale=language,
        viewport={"width": width, "height": 800},
        reduced_motion="reduce",
        **settings,
    )
    return Page(await context.new_page(), origin)


async def filled(cloud: Cloud, mark: str = "") -> dict[str, str]:
    """A project as a course leaves it: something of most kinds. Returns ids by what they are of.

    mark: what the names of all of it end with.
    """
    admin = await cloud.sign_in()
    image, flavor = await an_image(admin, f"cirros{mark}"), await a_flavor(admin)
    network = await a_network(admin, f"net1{mark}")
    subnets = (await admin.get("/network/v2.0/subnets"))["subnets"]
    outside = (await admin.get("/network/v2.0/networks?router:external=true"))["networks"][0]["id"]
    gateway = {"name": f"router1{mark}", "external_gateway_info": {"network_id": outside}}
    router = (await admin.post("/network/v2.0/routers", {"router": gateway}))["router"]["id"]
    inside = {"subnet_id": next(one["id"] for one in subnets if one["network_id"] == network)}
    await admin("PUT", f"/network/v2.0/routers/{router}/add_router_interface", inside, status=200)
    pair = {"keypair": {"name": "key1", "public_key": PUBLIC_KEY}}
    await admin.post("/compute/v2.1/os-keypairs", pair, 201, headers=NEWEST)
    server = await a_server(admin, image, flavor, network, name=f"web-1{mark}", key_name="key1")
    await a_server(admin, image, flavor, network, name="web-2")
    await a_flavor(admin, "huge", ram=99_999_999)
    broken = await a_server(admin, image, "huge", network, name="too-large")
    volume = {"volume": {"name": f"data{mark}", "size": 1}}
    made = await admin.post("/volume/v3/volumes", volume, 202)
    group = {"security_group": {"name": f"web{mark}", "description": mark}}
    await admin.post("/network/v2.0/security-groups", group)
    await settle(cloud)
    port = (await admin.get(f"/network/v2.0/ports?device_id={server}"))["ports"][0]["id"]
    floating = {"floatingip": {"floating_network_id": outside, "port_id": port}}
    await admin.post("/network/v2.0/floatingips", floating)
    return {
        "server": server,
        "broken": broken,
        "network": network,
        "router": router,
        "image": image,
        "volume": made["volume"]["id"],
    }


AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
_SERIOUS = """
async () => (await axe.run(document, {resultTypes: ["violations"]})).violations
  .filter((one) => ["serious", "critical"].includes(one.impact))
  .map((one) => `${one.id}: ${one.nodes.map((node) => node.html.slice(0, 200)).join(" | ")}`)
"""


async def barriers(one: Page) -> list[str]:
    """What axe finds serious on the page as it is shown; the page's context has to bypass its policy."""
    if not await one.page.evaluate("Boolean(window.axe)"):
        await one.page.add_script_tag(path=AXE)
    found = await one.page.evaluate(_SERIOUS)
    return [f"{one.page.url} {text}" for text in found]
