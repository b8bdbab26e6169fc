"""The control process as the supervisor, systemd or `hanok control` start it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from hanok.base import collector
from hanok.base.authority import TLSFolder
from hanok.base.failpoints import arm_from_environment
from hanok.bus import Bus, MemoryBus
from hanok.control.app import Control
from hanok.control.server import Sealed, Server
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
    listeners: list[socket.socket] = []
    try:
        if not settings.behind:
            listeners.append(_listener(settings.host, settings.port))
        for name, port in settings.own_ports.items():
            if settings.behind and port in settings.doors.values():
                continue
            listener = _listener(settings.host, port)
            listeners.append(listener)
            settings = settings.at_own_port(name, listener.getsockname()[1])
        listeners += [_listener(settings.host, door) for door in settings.doors]
        bus = await _bus(settings)
        try:
            with _taken_as_it_is():
                await _running(settings, bus, beside, listeners)
        finally:
            await bus.close()
    finally:
        for listener in listeners:
            listener.close()


async def _running(
    settings: ControlSettings, bus: Bus, beside: Sequence[Beside], listeners: list[socket.socket]
) -> None:
    async with Control.running(settings, admin_password=_password(settings), bus=bus) as control:
        async with asyncio.TaskGroup() as group:
            others = [group.create_task(_run(each, bus)) for each in beside]
            try:
                await _serve(control, listeners)
            finally:
                for task in others:
                    task.cancel()


@contextmanager
def _taken_as_it_is() -> Iterator[None]:
    """PortTaken comes out alone, whatever groups of tasks it ended."""
    try:
        yield
    except BaseExceptionGroup as several:
        found: BaseException | None = several.subgroup(PortTaken)
        if found is None:
            raise
        while isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]
        raise found from None


async def _run(each: Beside, bus: Bus) -> None:
    await each(bus)


async def _bus(settings: ControlSettings) -> Bus:
    if not settings.bus:
        return MemoryBus()
    # Only here: a cloud in one process needs no client for messages.
    from hanok.bus.nats import NATSBus

    password = ""
    if settings.bus_password_file and not settings.tls:
        password = Path(settings.bus_password_file).read_text().strip()
    return await NATSBus.connect(
        settings.bus,
        name="control",
        user="" if settings.tls else settings.bus_user,
        password=password,
        tls=TLSFolder(Path(settings.tls)) if settings.tls else None,
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


def _listen(listener: socket.socket) -> None:
    """Who else took the same address, and did not listen yet, is in time until now."""
    try:
        listener.listen(BACKLOG)
    except OSError as error:
        host, port = listener.getsockname()[:2]
        raise PortTaken(f"{host}:{port}: {error.strerror}") from error


async def _serve(control: Control, listeners: list[socket.socket]) -> None:
    settings = control.settings.server
    config = uvicorn.Config(
        control.app,
        http="httptools",
        ws=_web_socket,  # type: ignore[arg-type]  # called as the class is
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
        _listen(listener)
        log.info("serving at %s port %d", *listener.getsockname()[:2])
    sealed = _sealed(control.settings)

    def ending() -> None:
        for room in control.house.rooms.values():
            room.ending()

    server = Server(config, settings, sealed, ending, doors=control.settings.doors)
    await server.serve(sockets=listeners)


def _web_socket(**given: Any) -> asyncio.Protocol:
    """The protocol of a connection that becomes a WebSocket; its library is loaded for the first one."""
    from uvicorn.protocols.websockets.auto import AutoWebSocketsProtocol

    assert AutoWebSocketsProtocol is not None
    made: asyncio.Protocol = AutoWebSocketsProtocol(**given)
    return made


def _sealed(settings: ControlSettings) -> Sealed | None:
    """What this process shows its clients, and holds hosts against that show it a certificate of theirs."""
    return Sealed(TLSFolder(Path(settings.tls))) if settings.tls else None
