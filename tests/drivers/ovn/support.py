"""A northbound database of its own for each test, without root, in a temporary folder."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

SCHEMA = Path("/usr/share/ovn/ovn-nb.ovsschema")


class NorthboundServer:
    """ovsdb-server with an empty nb.db; can be stopped, started again, and lose its data."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.remote = f"unix:{directory}/nb.sock"
        self._process: asyncio.subprocess.Process | None = None

    def create(self) -> None:
        (self.directory / "nb.db").unlink(missing_ok=True)
        subprocess.run(
            ["ovsdb-tool", "create", self.directory / "nb.db", SCHEMA], check=True, timeout=20
        )

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            "ovsdb-server", "-vconsole:off", "-vsyslog:off", "-vfile:off", "--no-chdir",
            f"--remote=punix:{self.directory}/nb.sock",
            f"--unixctl={self.directory}/nb.ctl", str(self.directory / "nb.db"),
        )  # fmt: skip
        async with asyncio.timeout(20):
            while not (self.directory / "nb.sock").exists():
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            await self._process.wait()
            (self.directory / "nb.sock").unlink(missing_ok=True)
            self._process = None


@asynccontextmanager
async def northbound_server() -> AsyncIterator[NorthboundServer]:
    with tempfile.TemporaryDirectory(prefix="hk") as directory:
        server = NorthboundServer(Path(directory))
        server.create()
        await server.start()
        try:
            yield server
        finally:
            await server.stop()
