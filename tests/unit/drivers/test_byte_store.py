"""Bytes in a folder, where whoever writes them is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hanok.drivers.byte_store import PIECE, Files


def _open() -> list[str]:
    """The files that this process has open; other things of it come and go meanwhile."""
    found = []
    for one in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/self/fd/{one}"))
    return found


async def _twice(byte: bytes) -> AsyncIterator[bytes]:
    for _ in range(2):
        yield byte * PIECE


async def test_bytes_of_a_put_that_is_stopped_go_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Files(tmp_path, durable=False)
    begun, go, done = threading.Event(), threading.Event(), threading.Event()
    write = os.write

    def slow(file: int, data: bytes) -> int:
        first = bytes(data[:1]) == b"a"
        if first:
            begun.set()
            go.wait(30)
        try:
            return write(file, data)
        finally:
            if first:
                done.set()

    async def other() -> AsyncIterator[bytes]:
        yield b"b" * PIECE
        go.set()  # now its file is open
        await asyncio.to_thread(done.wait, 30)
        yield b"b" * PIECE

    monkeypatch.setattr(os, "write", slow)
    stopped = asyncio.ensure_future(store.put(_twice(b"a"), limit=1 << 30))
    await asyncio.to_thread(begun.wait, 30)
    stopped.cancel()
    await asyncio.sleep(0)
    stored = await store.put(other(), limit=1 << 30)
    with pytest.raises(asyncio.CancelledError):
        await stopped
    read = b"".join([piece async for piece in await store.get(stored.blob)])
    assert read == b"b" * (2 * PIECE)
    assert [one.blob async for one in store.list()] == [stored.blob]
    assert not [one for one in _open() if one.startswith(str(tmp_path))]
    store.close()


async def test_a_file_that_nobody_waits_for_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Files(tmp_path, durable=False)
    stored = await store.put(_twice(b"a"), limit=1 << 30)
    begun, go, done = threading.Event(), threading.Event(), threading.Event()
    opening = os.open

    def slow(path: Path, flags: int, mode: int = 0o777) -> int:
        begun.set()
        go.wait(30)
        try:
            return opening(path, flags, mode)
        finally:
            done.set()

    monkeypatch.setattr(os, "open", slow)
    getting = asyncio.ensure_future(store.get(stored.blob))
    await asyncio.to_thread(begun.wait, 30)
    getting.cancel()
    await asyncio.sleep(0)
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await getting
    await asyncio.to_thread(done.wait, 30)
    assert not [one for one in _open() if one.startswith(str(tmp_path))]
    store.close()
