"""Load balancers as tests tell hosts of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import structs

from hanok.base.ids import new_uuid
from hanok.commands import (
    BalancerListener,
    BalancerMember,
    BalancerPool,
    BalancerPort,
    BalancerState,
    EnsureBalancer,
)

PORT = BalancerPort(port_id=new_uuid(), mac="fa:16:3e:05:00:02", addresses=("127.0.0.1/8",))


def pool(*members: tuple[str, int], **more: Any) -> BalancerPool:
    """A pool of members at addresses and ports."""
    made = (BalancerMember(id=new_uuid(), address=one, port=at) for one, at in members)
    values: dict[str, Any] = {"algorithm": "ROUND_ROBIN", "members": tuple(made), **more}
    return BalancerPool(id=new_uuid(), **values)


def listener(port: int, to: BalancerPool | None = None, **more: Any) -> BalancerListener:
    """One that hands on to a pool."""
    values: dict[str, Any] = {"mode": "http", "pool_id": "" if to is None else to.id, **more}
    return BalancerListener(id=new_uuid(), port=port, **values)


def plan(*parts: BalancerListener | BalancerPool, **more: Any) -> EnsureBalancer:
    """A load balancer of listeners and pools."""
    values: dict[str, Any] = {
        "balancer_id": new_uuid(),
        "carrier_id": new_uuid(),
        "generation": 1,
        "port": PORT,
        **more,
    }
    return EnsureBalancer(
        listeners=tuple(one for one in parts if isinstance(one, BalancerListener)),
        pools=tuple(one for one in parts if isinstance(one, BalancerPool)),
        **values,
    )


def next_one(before: EnsureBalancer, **changes: Any) -> EnsureBalancer:
    """The same with other values, told later."""
    return structs.replace(before, generation=before.generation + 1, **changes)


async def until(
    state: Callable[[], Awaitable[BalancerState]], fits: Callable[[BalancerState], bool]
) -> BalancerState:
    """Wait for a state that fits."""
    async with asyncio.timeout(60):
        while not fits(found := await state()):
            await asyncio.sleep(0.1)
    return found


class Web:
    """A web server of few words, wherever its socket is: it says its name, and what it was asked."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.heads: list[str] = []
        self.server: asyncio.Server | None = None

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.heads.append(head.decode())
                body = self.name.encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nSet-Cookie: app=%s\r\n\r\n%s"
                    % (len(body), body, body)
                )
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def serve(self, **where: Any) -> int:
        """Listen; gives the port."""
        self.server = await asyncio.start_server(self.answer, **where)
        return int(self.server.sockets[0].getsockname()[1])

    def end(self) -> None:
        assert self.server is not None
        self.server.close()
