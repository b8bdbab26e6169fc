"""A simulated cloud with the settings that conformance suites expect: `python -m bench.under_test PORT STATE_DIR [FILE]`.

One host (--hosts N: so many), an external network, the user `admin` with the password `secret` in the project `admin`, region `RegionOne`.
Users are locked for 5 seconds after two wrong passwords, and the last two passwords are remembered. FILE is TOML with the
operator's settings of images, as under [image] in control's settings.

--database: postgresql://… instead of a SQLite file in STATE_DIR, or "postgresql" for a server that is started for it.
--processes: how many control processes share the port, STATE_DIR and the database; the kernel hands each a part of the
connections. They meet over a NATS server that is started for them; the first process has the host.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import uvloop

from bench.serve import server
from hanok.bus import Bus, MemoryBus
from hanok.bus.nats import NATSBus
from hanok.control.app import Control
from hanok.control.settings import ControlSettings
from hanok.node.simulated import run_simulated
from hanok.services.identity.facade import IdentitySettings
from hanok.services.image.facade import ImageSettings

END_S = 30.0  # an answer under way is finished first


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("bench.under_test")
    parser.add_argument("port", type=int)
    parser.add_argument("state_dir")
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--database", default="")
    parser.add_argument("--objects-port", type=int, default=8080)
    parser.add_argument("--durable", action="store_true", help="commits wait for the disk")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--hosts", type=int, default=1)
    parser.add_argument("--bus", default="", help=argparse.SUPPRESS)
    parser.add_argument("--number", type=int, default=1, help=argparse.SUPPRESS)
    return parser.parse_args()


def shared_socket(port: int) -> socket.socket:
    """A listening socket on a port that other processes may share."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind(("127.0.0.1", port))
    return made


@contextmanager
def messages() -> Iterator[str]:
    """A NATS server for the time of a with block; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as trial:
        port = int(trial.getsockname()[1])
    process = subprocess.Popen(
        ["nats-server", "-a", "127.0.0.1", "-p", str(port)], stderr=subprocess.DEVNULL
    )
    try:
        yield f"nats://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=END_S)


@contextmanager
def others(given: argparse.Namespace) -> Iterator[None]:
    """The second process and those after it, for the time of a with block."""
    started: list[subprocess.Popen[bytes]] = []
    words = [str(given.port), given.state_dir, *([str(given.file)] if given.file else [])]
    try:
        if given.number == 1:
            for number in range(2, given.processes + 1):
                more = ["--database", given.database, "--bus", given.bus, "--number", str(number)]
                more += ["--objects-port", str(given.objects_port)]
                command = [sys.executable, "-m", "bench.under_test", *words, *more]
                started.append(subprocess.Popen(command))
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(timeout=END_S)


async def main(given: argparse.Namespace) -> None:
    image = ImageSettings()
    if given.file:
        image = msgspec.toml.decode(given.file.read_bytes(), type=ImageSettings)
    settings = ControlSettings(
        state_dir=given.state_dir,
        database=given.database,
        durable=given.durable,
        objects_port=given.objects_port,
        node_name=f"control-{given.number}",
        public_cidr="172.24.4.0/24",
        public_gateway="172.24.4.1",
        sections={
            "image": image,
            "identity": IdentitySettings(
                password_rounds=4, lock_after=2, lock_for_s=5, remember_passwords=2
            ),
        },
    )
    bus: Bus = MemoryBus()
    if given.bus:
        bus = await NATSBus.connect(given.bus, name=settings.node_name)
    async with (
        Control.running(settings, admin_password="secret", bus=bus) as control,
        asyncio.TaskGroup() as group,
    ):
        ready = asyncio.Event()
        names = [f"host-{number}" for number in range(1, given.hosts + 1)]
        names = names if given.number == 1 else []
        stores, copies = settings.image_stores, settings.snapshots
        host = group.create_task(
            run_simulated(names, bus, image_stores=stores, snapshots=copies, ready=ready)
        )
        await ready.wait()
        with others(given):
            ports = [given.port, *settings.own_ports.values()]
            await server(control.app, given.port).serve([shared_socket(port) for port in ports])
        host.cancel()


if __name__ == "__main__":
    given = arguments()
    # The server raises the signal that ended it once more; what was started is ended before this process is.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as started:
        if given.database == "postgresql":
            from tests import postgres

            given.database = started.enter_context(postgres.server()).new_database()
        if given.processes > 1:
            given.bus = started.enter_context(messages())
        uvloop.run(main(given))
