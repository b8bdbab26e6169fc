"""Two control processes that start at one moment with one port: one of them says that it is taken."""

from __future__ import annotations

import asyncio

import pytest

from hanok.control.main import PortTaken, _listen, _listener, _taken_as_it_is


def test_both_may_take_the_address_and_one_may_listen() -> None:
    with _listener("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with _listener("127.0.0.1", port) as second:
            _listen(first)
            with pytest.raises(PortTaken, match=rf"127\.0\.0\.1:{port}: Address already in use"):
                _listen(second)
        with pytest.raises(PortTaken, match=str(port)):
            _listener("127.0.0.1", port)


async def test_a_port_that_is_taken_is_told_alone() -> None:
    async def serve() -> None:
        raise PortTaken("127.0.0.1:5000: Address already in use")

    with pytest.raises(PortTaken), _taken_as_it_is():
        async with asyncio.TaskGroup() as outer:
            outer.create_task(asyncio.sleep(3600))
            async with asyncio.TaskGroup() as inner:
                inner.create_task(serve())


async def test_what_else_breaks_is_told_whole() -> None:
    async def serve() -> None:
        raise OSError("the disk")

    with pytest.raises(ExceptionGroup), _taken_as_it_is():
        async with asyncio.TaskGroup() as group:
            group.create_task(serve())
