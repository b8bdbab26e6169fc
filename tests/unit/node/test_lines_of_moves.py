"""The connections that a guest moves over end with the move."""

from __future__ import annotations

import asyncio
import socket

import pytest

from hanok.node import moves


async def _pair() -> tuple[moves.Streams, socket.socket]:
    """A connection of ours, and its other end, which reads nothing by itself."""
    near, far = socket.socketpair()
    far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return await asyncio.open_connection(sock=near), far


def _is_open(streams: moves.Streams) -> bool:
    return bool(streams[1].get_extra_info("socket").fileno() != -1)


async def _in_vain(monkeypatch: pytest.MonkeyPatch, *, cancelled: bool) -> None:
    monkeypatch.setattr(moves, "FLUSH_S", 0.05)
    one, sends = await _pair()
    other, deaf = await _pair()
    with sends, deaf:
        one[1].transport.pause_reading()  # type: ignore[attr-defined]
        other[1].write(bytes(1 << 22))  # more than the deaf one's buffers take
        task = asyncio.ensure_future(moves.join(one, other))
        await asyncio.sleep(0)
        if cancelled:
            task.cancel()
        else:
            one[1].transport.resume_reading()  # type: ignore[attr-defined]
            sends.shutdown(socket.SHUT_WR)
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0)
        assert not _is_open(one)
        assert not _is_open(other)


async def test_one_that_reads_no_more_keeps_no_connection_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await _in_vain(monkeypatch, cancelled=False)


async def test_a_move_that_is_ended_leaves_no_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await _in_vain(monkeypatch, cancelled=True)


async def test_what_has_come_by_the_end_arrives() -> None:
    one, sends = await _pair()
    other, takes = await _pair()
    with sends, takes:
        sends.sendall(b"the last words")
        sends.shutdown(socket.SHUT_WR)
        await moves.join(one, other)
        assert takes.recv(100) == b"the last words"
        assert takes.recv(100) == b""


async def test_a_line_that_comes_to_nothing_is_hung_up() -> None:
    streams, far = await _pair()
    with far, pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01), moves.hung_up_unless_done(streams[1]):
            await asyncio.sleep(5)
    await asyncio.sleep(0)
    assert not _is_open(streams)
