"""The control process as the supervisor, systemd or `hanok control` start it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import uvicorn

from hanok.base import collector
from hanok.base.failpoints import arm_from_environment
from hanok.bus import Bus, MemoryBus
from hanok.control.app import Control
from hanok.control.server import Server
from hanok.control.settings import ControlSettings

log = logging.getLogger(__name__)

BACKLOG = 2048
FINISH_S = 5  # what requests under way get when we are told to end

Beside = Callable[[Bus], Awaitable[None]]
"""Something that runs in the same process until it is cancelled: the hosts of a simulated cloud."""


class PortTaken(Exception):
    """Somebody else listens at our address; the text names it."""


async def main(settings: ControlSettings, *, beside: Sequence[Beside] = ()) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        PortTaken: the address is in use.
    """
    arm_from_environment()
    listeners = [_listener(settings.host, settings.port)]
    try:
        for name, port in settings.own_ports.items():
            listener = _listener(settings.host, port)
            listeners.append(listener)
            settings = settings.at_own_port(name, listener.getsockname()[1])
        bus = await _bus(settings)
        try:
            async with Control.running(
                settings, admin_password=_password(settings), bus=bus
            ) as control:
                async with asyncio.TaskGroup() as group:
                    others = [group.create_task(_run(each, bus)) for each in beside]
                    try:
                        await _serve(control, listeners)
                    finally:
                        for task in others:
                            task.cancel()
        finally:
            await bus.close()
    finally:
        for listener in listeners:
            listener.close()


async def _run(each: Beside, bus: Bus) -> None:
    await each(bus)


async def _bus(settings: ControlSettings) -> Bus:
    if not settings.bus:
        return MemoryBus()
    # Only here: a cloud in one process needs no client for messages.
    from hanok.bus.nats import NATSBus

    password = ""
    if settings.bus_password_file:
        password = Path(settings.bus_password_file).read_text().strip()
    return await NATSBus.connect(
        settings.bus, name="control", user=settings.bus_user, password=password
    )


def _password(settings: ControlSettings) -> str:
    return Path(settings.admin_password_file).read_text().strip()


def _listener(host: str, port: int) -> socket.socket:
    """An address of ours, taken; it is listened to only when there is somebody to answer."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise PortTaken(f"{host}:{port}: {error.strerror}") from error
    listener.setblocking(False)
    return listener


async def _serve(control: Control, listeners: list[socket.socket]) -> None:
    settings = control.settings.server
    config = uvicorn.Config(
        control.app,
        http="httptools",
        lifespan="off",
        log_config=None,
        access_log=False,
        backlog=BACKLOG,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=FINISH_S,
        timeout_keep_alive=settings.keep_alive_s,
    )
    collector.serve()
    for listener in listeners:
        log.info("serving at %s port %d", *listener.getsockname()[:2])
    await Server(config, settings).serve(sockets=listeners)
