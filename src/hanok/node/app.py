"""A node process: what is built once, what it listens to, what it does by itself."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from hanok.base.clock import Clock
from hanok.bus import Bus
from hanok.commands import InstanceChanged, wire
from hanok.drivers.qemu.probe import Accelerator, probe
from hanok.node.channel import HandOvers
from hanok.node.chassis import Chassis
from hanok.node.console import ConsoleDoor, trim_log
from hanok.node.guests import Guests
from hanok.node.handlers import Handlers
from hanok.node.images import ImageCache
from hanok.node.metadata import MetadataServer
from hanok.node.records import Records
from hanok.node.settings import NodeSettings
from hanok.node.snapshots import Snapshots

log = logging.getLogger(__name__)


async def run_node(
    settings: NodeSettings,
    bus: Bus,
    chassis: Chassis,
    *,
    clock: Clock | None = None,
    ready: asyncio.Event | None = None,
) -> None:
    """Be a host's node until cancelled. Guests go on when it ends, and are found again when it comes back.

    ready: set when commands are listened to.
    """
    clock = clock or Clock()
    accelerator = await _accelerator(settings)
    log.info("host %s runs guests with %s: %s", settings.host, accelerator.kind, accelerator.reason)
    state = Path(settings.state_dir)
    records = Records(state, clock)
    images = ImageCache(
        state / "images", settings.image_stores, gid=settings.qemu_gid, host=settings.host
    )
    hand_overs = HandOvers()
    metadata = MetadataServer(bus, chassis, clock, settings.host)

    async def tell(event: InstanceChanged) -> None:
        await bus.publish(wire.from_host(wire.INSTANCE, event.host), wire.encode(event))

    try:
        async with asyncio.TaskGroup() as tasks:
            guests = Guests(
                settings, records, images, chassis, accelerator, clock, tasks, tell, metadata.serve
            )
            try:
                async with ConsoleDoor(settings.console_address, guests.connect, clock) as door:
                    version = await _version(settings.qemu_binary)
                    snapshots = Snapshots(guests, settings.snapshot_folder, tasks)
                    handlers = Handlers(
                        settings, guests, images, snapshots, hand_overs, chassis, door, version
                    )
                    await guests.adopt()
                    await snapshots.clean()
                    await bus.listen(wire.node_subject(settings.host), handlers.hear)
                    if ready is not None:
                        ready.set()
                    await _beat(handlers, bus)
            finally:
                await guests.let_go()
    finally:
        hand_overs.close()
        await metadata.close()


async def _beat(handlers: Handlers, bus: Bus) -> None:
    """Tell control that the host is there, and keep the console logs short."""
    guests = handlers.guests
    while True:
        try:
            host = await handlers.host_state()
            await bus.publish(wire.from_host(wire.HEARTBEAT, host.host), wire.encode(host))
            for state in guests.states():
                path = guests.records.files(state.server_id) / "console.log"
                await asyncio.to_thread(trim_log, path)
        except Exception:  # an outermost loop: the next beat tries again
            log.exception("a heartbeat was missed")
        await asyncio.sleep(wire.HEARTBEAT_S)


async def _accelerator(settings: NodeSettings) -> Accelerator:
    if settings.accelerator:
        return Accelerator(settings.accelerator, "the settings say so")
    return await probe(settings.qemu_binary)


async def _version(binary: str) -> str:
    """QEMU's version, "7.2.22"."""
    process = await asyncio.create_subprocess_exec(
        binary, "--version", stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(10):
        words, _ = await process.communicate()
    line = words.decode(errors="replace").partition("\n")[0]
    return line.partition("version ")[2].partition(" ")[0]
