"""A real host in a process of its own, which may be in a network namespace: commands come in lines, answers go out.

    python -m tests.node.host_process SETTINGS < lines > lines

SETTINGS: JSON, for `house`. A line is a command, or its answer, as base64 of what the wire has; the first line that is
said is empty: it listens. It ends with its input, and nothing of it is left.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.node.hosts import WAIT_S, house

from hanok.commands import Answer, Command, wire


class FarHost:
    """A host in another process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def _line(self) -> bytes:
        assert self._process.stdout is not None
        found = await asyncio.wait_for(self._process.stdout.readline(), 2 * WAIT_S)
        assert found, "the host's process is gone"
        return base64.b64decode(found)

    async def ready(self) -> None:
        await self._line()

    async def ask(self, command: Command) -> Answer:
        assert self._process.stdin is not None
        self._process.stdin.write(base64.b64encode(wire.encode(command)) + b"\n")
        return wire.decode_answer(await self._line())


@asynccontextmanager
async def far_host(namespace: str, **settings: Any) -> AsyncIterator[FarHost]:
    """A host in a network namespace."""
    process = await asyncio.create_subprocess_exec(
        "nsenter", f"--net=/run/netns/{namespace}", "--",
        sys.executable, "-m", "tests.node.host_process", json.dumps(settings),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 24,
    )  # fmt: skip
    try:
        found = FarHost(process)
        await found.ready()
        yield found
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await asyncio.wait_for(process.wait(), WAIT_S)


async def main() -> None:
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader(limit=1 << 24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with house("real", **json.loads(sys.argv[1])) as host:
        await host.image()
        print("", flush=True)
        while line := await reader.readline():
            answer = await host.ask(wire.decode_command(base64.b64decode(line)))
            print(base64.b64encode(wire.encode(answer)).decode(), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
