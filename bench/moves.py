"""A volume is moved from one back end to the other and back while a client writes with many requests under way.

    python -m bench.moves [MOVES [SECONDS]]     # with QEMU; about two moves a second; TMPDIR says where

A real node without a cloud, and four volumes at a time. Every round is a new volume, of an image, so that each block is written
for the first time: a client of NBD has 16 writes of 64 KiB under way all the while, in random order, through both moves.
Beside it another process writes and syncs a file of its own, so that syncs take as long as they do on a busy disk. Then
every block that was acknowledged is read. At the end it says how many were not there, and how often a process that
serves volumes had died.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from tests.node.hosts import IMAGE_ID, House, house
from tests.node.volume_hosts import a_volume, done, opened, removed

from hanok.commands import (
    CloseVolume,
    Failed,
    MoveVolume,
    VolumeAddress,
    VolumeSource,
    VolumeState,
)

BLOCK, BLOCKS = 64, 640  # KiB; of them
AT_ONCE = 4
LOAD = (
    "import os,sys\nfile=open(sys.argv[1],'wb')\n"
    "while True: file.seek(0); file.write(os.urandom(1<<20)*8); file.flush(); os.fsync(file.fileno())"
)


@dataclass
class Tally:
    moves: int = 0
    blocks: int = 0
    lost: int = 0
    died: int = 0


def client(address: VolumeAddress) -> tuple[str, ...]:
    server = f"driver=nbd,server.type=unix,server.path={address.path},export={address.export}"
    return ("qemu-io", "--image-opts", f"{server},reconnect-delay=60,open-timeout=30")


async def said(process: asyncio.subprocess.Process, commands: list[str]) -> str:
    text = "\n".join([*commands, "quit", ""]).encode()
    out, _ = await asyncio.wait_for(process.communicate(text), 300)
    return out.decode()


async def talk(address: VolumeAddress, commands: list[str]) -> str:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *client(address), stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT
    )
    return await said(process, commands)


def pattern(block: int) -> int:
    return block % 255 + 1


async def moved(host: House, tally: Tally, move: MoveVolume) -> None:
    """Ask until it is done; a move whose process has died begins anew."""
    while True:
        answer = await host.ask(move)
        if isinstance(answer, VolumeState) and answer.done:
            tally.moves += 1
            return
        if isinstance(answer, Failed):
            assert answer.transient, answer
            tally.died += 1


async def one_round(host: House, tally: Tally) -> None:
    """Write every block once while the volume moves twice, and look at all of them."""
    volume = a_volume(source=VolumeSource(kind="image", id=IMAGE_ID))
    await done(host, volume)
    address = await opened(host, volume.volume_id)
    order = [*range(32, 32 + BLOCKS)]  # behind what the image has
    random.shuffle(order)
    writes = [f"aio_write -q -P {pattern(one)} {one * BLOCK}k {BLOCK}k" for one in order]
    writing = asyncio.ensure_future(talk(address, [*writes, "aio_flush", "flush"]))
    await asyncio.sleep(random.random() * 0.3)
    for generation, to in ((2, "files2"), (3, "files")):
        backend = {"files2": "files", "files": "files2"}[to]
        values = {"generation": generation, "backend": backend, "to": to, "wait_s": 30.0}
        await moved(host, tally, MoveVolume(volume_id=volume.volume_id, **values))  # type: ignore[arg-type]
    text = await writing
    assert "rror" not in text and "ailed" not in text, text
    text = await talk(address, [f"read -P {pattern(one)} {one * BLOCK}k {BLOCK}k" for one in order])
    tally.blocks += text.count("bytes at offset") - text.count("erification failed")
    tally.lost += text.count("erification failed")
    values = {"volume_id": volume.volume_id, "attachment_id": address.export, "backend": "files"}
    await host.ask(CloseVolume(**values))  # type: ignore[arg-type]
    await removed(host, volume.volume_id)


@contextlib.contextmanager
def busy(path: str) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-c", LOAD, path])
    try:
        yield
    finally:
        process.kill()
        process.wait()


async def main() -> None:
    moves = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    until = time.monotonic() + (float(sys.argv[2]) if len(sys.argv) > 2 else 3600)
    logging.basicConfig(level=logging.ERROR)  # why a process died
    tally = Tally()
    async with house("real") as host:
        await host.image()

        async def go_on() -> None:
            while tally.moves < moves and time.monotonic() < until:
                await one_round(host, tally)
                print(tally, flush=True)

        with busy(os.fspath(host.folder / "busy")):
            await asyncio.gather(*(go_on() for _ in range(AT_ONCE)))


if __name__ == "__main__":
    asyncio.run(main())
