"""Servers to measure: `python -m bench.serve bare|cloud PORT [STATE_DIR HOSTS ROUNDS [NORTHBOUND]]`; prints "ready" when it listens."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

ANSWER = {"server": {"id": "x" * 36, "name": "vm", "status": "ACTIVE", "metadata": {}, "links": []}}


async def bare(_request: Request) -> JSONResponse:
    """The framework's own JSON answer: what everything is compared with."""
    return JSONResponse(ANSWER)


class Announced(uvicorn.Server):
    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        print("ready", flush=True)


def server(app: Any, port: int) -> uvicorn.Server:
    return Announced(
        uvicorn.Config(
            app,
            host="127.0.0.1",
            port=port,
            log_level="error",
            access_log=False,
            lifespan="off",
            loop="uvloop",
            http="httptools",
        )  # fmt: skip
    )


async def as_served(app: Any, port: int) -> None:
    """Serve as a control process does."""
    from hanok.control.server import Server
    from hanok.control.server_settings import ServerSettings

    class AnnouncedOurs(Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            print("ready", flush=True)

    config = uvicorn.Config(
        app, http="httptools", lifespan="off", log_level="error", access_log=False
    )
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        await AnnouncedOurs(config, ServerSettings()).serve(sockets=[listener])


async def cloud(port: int, state: Path, hosts: int, rounds: int, northbound: str) -> None:
    """A simulated cloud in this process. northbound: OVN's database; empty for a simulated one."""
    from hanok.base import collector
    from hanok.bus import MemoryBus
    from hanok.control.app import Control
    from hanok.control.settings import ControlSettings
    from hanok.node.simulated import run_simulated
    from hanok.services.identity.facade import IdentitySettings

    settings = ControlSettings(
        state_dir=str(state),
        durable=False,
        northbound=northbound,
        public_cidr="172.24.4.0/24",
        public_gateway="172.24.4.1",
        sections={"identity": IdentitySettings(password_rounds=rounds)},
    )
    bus = MemoryBus()
    async with (
        Control.running(settings, admin_password="secret", bus=bus) as control,
        asyncio.TaskGroup() as group,
    ):
        ready = asyncio.Event()
        names = [f"host-{number:03}" for number in range(hosts)]
        simulated = group.create_task(
            run_simulated(names, bus, image_stores=settings.image_stores, ready=ready)
        )
        await ready.wait()
        collector.serve()
        await as_served(control.app, port)
        simulated.cancel()


def main() -> None:
    kind, port = sys.argv[1], int(sys.argv[2])
    if kind == "bare":
        app = Starlette(routes=[Route("/{rest:path}", bare)])
        import uvloop

        uvloop.run(server(app, port).serve())
    else:
        import uvloop

        hosts = int(sys.argv[4]) if len(sys.argv) > 4 else 1
        rounds = int(sys.argv[5]) if len(sys.argv) > 5 else 12
        northbound = sys.argv[6] if len(sys.argv) > 6 else ""
        uvloop.run(cloud(port, Path(sys.argv[3]), hosts, rounds, northbound))


if __name__ == "__main__":
    main()
