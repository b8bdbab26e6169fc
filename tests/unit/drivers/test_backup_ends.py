"""A copy that QEMU makes of a disk is ended, also where it ends by itself at the same moment."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hanok.drivers.qemu.monitor import Monitor

GREETING = {"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 0}}, "capabilities": []}}
ENDED: dict[str, object] = {
    "error": {"class": "GenericError", "desc": "Job 'backup' in state 'concluded' cannot"}
}


class Copying:
    """What QEMU answers while it copies a disk: the job concludes just before it is told to end."""

    def __init__(self) -> None:
        self.status = "running"
        self.file_is_open = True
        self.hung_up = asyncio.Event()

    def answer(self, command: str) -> dict[str, object]:
        if command == "query-jobs":
            job = {"id": "backup", "status": self.status, "type": "backup"}
            return {"return": [job] if self.status else []}
        if command == "job-cancel":
            self.status = "concluded"
            return ENDED
        if command == "job-dismiss":
            self.status = ""
        elif command == "query-named-block-nodes":
            return {"return": [{"node-name": "backup"}] if self.file_is_open else []}
        elif command == "blockdev-del":
            self.file_is_open = bool(self.status)
        return {"return": {}}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(json.dumps(GREETING).encode() + b"\r\n")
        while data := await reader.read(10_000):  # one command at a time, without an end of line
            said = json.loads(data)
            answer = self.answer(said["execute"])
            if "id" in said:
                answer["id"] = said["id"]
            writer.write(json.dumps(answer).encode() + b"\r\n")
        writer.close()
        await writer.wait_closed()
        self.hung_up.set()


@asynccontextmanager
async def listening(copying: Copying, path: Path) -> AsyncIterator[Monitor]:
    async with await asyncio.start_unix_server(copying.serve, path):
        monitor = await Monitor.connect(path)
        try:
            yield monitor
        finally:
            await monitor.close()
            await copying.hung_up.wait()


async def test_a_copy_that_concludes_while_it_is_given_up_leaves_no_file_open(
    tmp_path: Path,
) -> None:
    copying = Copying()
    async with listening(copying, tmp_path / "monitor") as monitor:
        await monitor.end_backup()
    assert not copying.status and not copying.file_is_open
