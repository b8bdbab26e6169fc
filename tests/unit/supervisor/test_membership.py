"""Whom the messages let speak, tried with a nats-server."""

from __future__ import annotations

import asyncio
import datetime
import shutil
import subprocess
from pathlib import Path

import msgspec
import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from hanok.base import authority
from hanok.base.authority import Authority, TLSFolder
from hanok.supervisor import membership, settings
from hanok.supervisor.settings import Cloud, CloudSettings
from tests.ports import free_port

pytestmark = pytest.mark.skipif(
    shutil.which("nats-server") is None, reason="nats-server is not installed"
)
NOW = datetime.datetime.now(datetime.UTC)


class Site:
    """A cloud's messages, and files of hosts."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.signs = folder, Authority.new("hanok 3f2a1c", NOW)
        own_settings = CloudSettings(
            id="3f2a1c", simulated=False, region="r", host_name="h1", address="127.0.0.1",
            nats_port=free_port(),
        )  # fmt: skip
        self.cloud = Cloud(folder, own_settings)
        (folder / "control").mkdir()
        (folder / "node").mkdir()
        engines = ((self.cloud.control_tls, "control"), (messages_folder(self.cloud), "messages"))
        for path, name in engines:
            own = TLSFolder(path)
            key = own.ensure_key()
            own.put(own.authority, self.signs.certificate)
            own.put(own.certificate, self.signs.for_engine(key, name, ["127.0.0.1"], NOW))
        self.host("h1", self.cloud.node_tls)

    def host(self, name: str, path: Path) -> TLSFolder:
        one = TLSFolder(path)
        requested = authority.request(one.ensure_key())
        one.take(self.signs.for_host(requested, name, ["127.0.0.1"], NOW))
        return one

    def has(self, name: str, *keys: str) -> None:
        """This host is there, with these keys."""
        hosts = [{"name": name, "address": "127.0.0.1", "anchor": "", "keys": keys}]
        self.cloud.members_file.write_bytes(msgspec.json.encode({"hosts": hosts}))
        self.conf.write_text(membership.messages_conf(self.cloud))

    @property
    def conf(self) -> Path:
        return self.folder / "nats.conf"

    async def comes_in(self, tls: TLSFolder) -> Client | None:
        """As a host with these files; None: it is refused."""
        try:
            client = await nats.connect(
                f"tls://127.0.0.1:{self.cloud.settings.nats_port}",
                tls=authority.client_context(tls),
                allow_reconnect=False,
                max_reconnect_attempts=1,
                connect_timeout=5,
                error_cb=quiet,
            )
            await client.flush(
                5
            )  # the server may look at a certificate after the client is content
        except (TimeoutError, OSError, nats.errors.Error):
            return None
        return client if client.is_connected else None


async def quiet(error: Exception) -> None:
    """It is what the test is about."""


def messages_folder(cloud: Cloud) -> Path:
    return membership.messages_tls(cloud).path


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(settings, "RUN", tmp_path / "run")
    return Site(tmp_path)


async def test_a_name_that_another_one_had_is_heard_with_its_own_key_only(site: Site) -> None:
    gone, there = site.host("h2", site.folder / "gone"), site.host("h2", site.folder / "there")
    site.has("h2", authority.key_hash(there.certificate.read_bytes()))
    server = subprocess.Popen(["nats-server", "-c", str(site.conf)], stderr=subprocess.DEVNULL)
    try:
        async with asyncio.timeout(60):
            while (client := await site.comes_in(there)) is None:
                await asyncio.sleep(0.05)
        assert await site.comes_in(gone) is None
        own = await site.comes_in(TLSFolder(site.cloud.node_tls))
        control = await site.comes_in(TLSFolder(site.cloud.control_tls))
        assert own is not None and control is not None
        heard: list[str] = []

        async def hear(message: Msg) -> None:
            heard.append(message.subject)

        await control.subscribe("control.>", cb=hear)
        await control.flush()
        # It speaks as itself, and as nobody else.
        for subject in ("control.heartbeat.h1", "node.h1.command", "control.wake", "_INBOX.x"):
            await client.publish(subject, b"")
        await client.publish("control.heartbeat.h2", b"")
        await client.flush()
        async with asyncio.timeout(60):
            while not heard:
                await asyncio.sleep(0.02)
        assert heard == ["control.heartbeat.h2"]
        for one in (client, own, control):
            await one.close()
    finally:
        server.kill()
        server.wait()
