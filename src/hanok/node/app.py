"""A node process: what is built once, what it listens to, what it does by itself."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import msgspec

from hanok.base.clock import Clock
from hanok.bus import Bus
from hanok.commands import InstanceChanged, wire
from hanok.drivers.qemu import capabilities
from hanok.drivers.qemu.capabilities import Capabilities
from hanok.drivers.qemu.errors import StartFailed
from hanok.drivers.qemu.probe import Accelerator, probe
from hanok.node import cgroups
from hanok.node.channel import HandOvers
from hanok.node.chassis import Chassis
from hanok.node.console import ConsoleDoor
from hanok.node.guests import Guests
from hanok.node.handlers import Handlers
from hanok.node.hardware import Board
from hanok.node.images import ImageCache
from hanok.node.metadata import MetadataServer
from hanok.node.records import Records
from hanok.node.settings import NodeSettings
from hanok.node.snapshots import Snapshots
from hanok.node.upkeep import Upkeep

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
    able = await _capabilities(settings, accelerator)
    board = Board(able, accelerator.kind, several_queues=chassis.several_queues)
    state = Path(settings.state_dir)
    records = Records(state, clock)
    images = ImageCache(
        state / "images",
        settings.image_stores,
        gid=settings.qemu_gid,
        uid=settings.converter_uid,
        host=settings.host,
    )
    hand_overs = HandOvers()
    metadata = MetadataServer(bus, chassis, clock, settings.host)

    async def tell(event: InstanceChanged) -> None:
        await bus.publish(wire.from_host(wire.INSTANCE, event.host), wire.encode(event))

    try:
        async with asyncio.TaskGroup() as tasks:
            guests = Guests(
                settings,
                records,
                images,
                chassis,
                accelerator,
                clock,
                tasks,
                tell,
                metadata.serve,
                await asyncio.to_thread(cgroups.find, cgroups.name_of(settings.run_dir)),
                board,
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
                    upkeep = Upkeep(settings, guests, images, clock)
                    tasks.create_task(upkeep.run(), name="upkeep")
                    await _beat(handlers, bus, upkeep)
            finally:
                await guests.let_go()
    finally:
        hand_overs.close()
        await metadata.close()


async def _beat(handlers: Handlers, bus: Bus, upkeep: Upkeep) -> None:
    """Tell control that the host is there, and what is wrong with it."""
    while True:
        try:
            described = await handlers.host_state()
            host = msgspec.structs.replace(described, warnings=upkeep.warnings())
            await bus.publish(wire.from_host(wire.HEARTBEAT, host.host), wire.encode(host))
        except Exception:  # an outermost loop: the next beat tries again
            log.exception("a heartbeat was missed")
        await asyncio.sleep(wire.HEARTBEAT_S)


async def _capabilities(settings: NodeSettings, accelerator: Accelerator) -> Capabilities:
    """What QEMU can make here. One that does not say so ends no node: guests go on, and new ones say why not."""
    try:
        return await capabilities.ask(settings.qemu_binary, accelerator.kind)
    except StartFailed as error:
        log.error("host %s: %s (%s)", settings.host, error.message, error.detail)
        return Capabilities()


async def _accelerator(settings: NodeSettings) -> Accelerator:
    if settings.accelerator:
        return Accelerator(settings.accelerator, "the settings say so")
    return await probe(settings.qemu_binary, uid=settings.qemu_uid, gid=settings.qemu_gid)


async def _version(binary: str) -> str:
    """QEMU's version, "7.2.22"."""
    process = await asyncio.create_subprocess_exec(
        binary, "--version", stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(10):
        words, _ = await process.communicate()
    line = words.decode(errors="replace").partition("\n")[0]
    return line.partition("version ")[2].partition(" ")[0]
