"""What a thread has in its hands stays open until it is done, whoever is stopped."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hanok.base.threads import in_thread
from hanok.drivers.image_stores.files import FileStore


async def test_who_is_stopped_waits_for_the_thread() -> None:
    begun, go, over = threading.Event(), threading.Event(), []

    def work() -> None:
        begun.set()
        go.wait(30)
        over.append(True)

    asking = asyncio.ensure_future(in_thread(work))
    await asyncio.to_thread(begun.wait, 30)
    asking.cancel()
    asking.cancel()
    await asyncio.sleep(0)
    assert not asking.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert over == [True]


async def test_an_upload_that_is_stopped_writes_into_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore(tmp_path / "images")
    begun, go, over = threading.Event(), threading.Event(), threading.Event()
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
                over.set()

    async def pieces(byte: bytes) -> AsyncIterator[bytes]:
        yield byte * 4096

    async def other() -> AsyncIterator[bytes]:
        go.set()  # now its file is open
        await asyncio.to_thread(over.wait, 30)
        yield b"b" * 4096

    monkeypatch.setattr(os, "write", slow)
    stopped = asyncio.ensure_future(store.put("one", pieces(b"a"), attempt="1"))
    await asyncio.to_thread(begun.wait, 30)
    stopped.cancel()
    await asyncio.sleep(0)
    await store.put("two", other(), attempt="1")
    with pytest.raises(asyncio.CancelledError):
        await stopped
    assert (tmp_path / "images" / "two").read_bytes() == b"b" * 4096
    assert os.listdir(tmp_path / "images") == ["two"]
