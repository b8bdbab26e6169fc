"""A node process: what is built once, what it listens to, what it does by itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Collection
from functools import partial
from pathlib import Path

import msgspec

from hanok.base import programs
from hanok.base.authority import ServerSide, TLSFolder
from hanok.base.clock import Clock
from hanok.bus import Bus, NobodyThere
from hanok.commands import GuestsQuestion, InstanceChanged, wire
from hanok.drivers.qemu import capabilities
from hanok.drivers.qemu.capabilities import Capabilities
from hanok.drivers.qemu.errors import StartFailed
from hanok.drivers.qemu.images import Tools
from hanok.drivers.qemu.probe import Accelerator, probe
from hanok.drivers.volumes.backend import Backend, FilesBackend
from hanok.drivers.volumes.daemon import Daemon
from hanok.drivers.volumes.graph import Graph
from hanok.drivers.volumes.rbd import Cluster, RBDBackend
from hanok.node import cgroups, channel
from hanok.node.balancers import Balancers
from hanok.node.cgroups import Groups
from hanok.node.channel import HandOvers
from hanok.node.chassis import Chassis
from hanok.node.console import ConsoleDoor
from hanok.node.far_volumes import FarVolumes, far_volumes_of
from hanok.node.guests import Guests
from hanok.node.handlers import Handlers
from hanok.node.hardware import Board
from hanok.node.images import ImageCache
from hanok.node.metadata import MetadataServer
from hanok.node.moves import Departures, Landings
from hanok.node.peers import Arrivals, PeerDoor
from hanok.node.records import Records
from hanok.node.settings import NodeSettings
from hanok.node.share_folders import shares_of
from hanok.node.snapshots import Snapshots
from hanok.node.upkeep import Upkeep
from hanok.node.volume_copies import VolumeCopies
from hanok.node.volumes import Volumes

log = logging.getLogger(__name__)

OWN_S = 10.0  # for an answer to what is a host's own


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
    tls = TLSFolder(Path(settings.tls)) if settings.tls else None
    side = ServerSide(tls) if tls is not None else None
    if tls is not None:
        channel.show(tls)
    metadata = MetadataServer(bus, chassis, clock, settings.host)

    async def tell(event: InstanceChanged) -> None:
        await bus.publish(wire.from_host(wire.INSTANCE, event.host), wire.encode(event))

    try:
        async with asyncio.TaskGroup() as tasks:
            daemon = Daemon(
                Path(settings.run_dir) / "volumes", settings.volumes_uid, settings.qemu_gid
            )
            far = far_volumes_of(settings, daemon.address, tasks)
            groups = await asyncio.to_thread(cgroups.find, cgroups.name_of(settings.run_dir))
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
                groups,
                board,
                far,
            )
            try:
                async with (
                    ConsoleDoor(settings.console_address, guests.connect, clock, side) as door,
                    contextlib.AsyncExitStack() as opened,
                ):
                    version = await _version(settings.qemu_binary)
                    snapshots = Snapshots(guests, settings.snapshot_folder, tasks)
                    volumes = volumes_of(settings, daemon, images, tasks, far)
                    guests.also_uses = volumes.uses_image
                    opened.callback(far.let_go)
                    opened.push_async_callback(volumes.let_go)
                    copies = VolumeCopies(volumes, settings.snapshot_folder, hand_overs)
                    landings = Landings(guests)
                    arrivals = Arrivals(settings.host, state / "arrivals", guests)
                    opened.callback(arrivals.close)
                    guests.arrived = arrivals.settle
                    guests.own = partial(_own, bus, settings.host) if tls is not None else None
                    peers = None
                    if tls is not None and side is not None:
                        tasks.create_task(side.follow(), name="certificate")
                        peers = await opened.enter_async_context(
                            PeerDoor(settings.address, tls, side, landings, clock)
                        )
                    balancers = balancers_of(settings, chassis, clock, groups)
                    opened.callback(balancers.let_go)
                    shares = shares_of(settings, chassis)
                    opened.callback(shares.let_go)
                    handlers = Handlers(
                        settings,
                        guests,
                        images,
                        snapshots,
                        hand_overs,
                        chassis,
                        door,
                        version,
                        volumes,
                        copies,
                        arrivals,
                        landings,
                        Departures(guests, tasks, tls),
                        balancers,
                        shares,
                        peers,
                    )
                    await volumes.adopt()
                    await guests.adopt()
                    await far.adopt(volumes.attached_remotely(), guests.volumes())
                    await snapshots.clean()
                    await balancers.adopt()
                    tasks.create_task(balancers.watch(), name="balancers")
                    await shares.adopt()
                    tasks.create_task(shares.watch(), name="shares")
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


async def _own(bus: Bus, host: str, server_ids: Collection[str]) -> Collection[str]:
    """Which of these servers are this host's still. Waits for control: what was moved must not run twice."""
    question = wire.encode(GuestsQuestion(host=host, server_ids=tuple(server_ids)))
    while True:
        try:
            raw = await bus.ask(wire.from_host(wire.GUESTS, host), question, timeout_s=OWN_S)
            return wire.decode_own_guests(raw).server_ids
        except NobodyThere as error:
            log.warning("guests wait until control says which of them are here: %s", error)
            await asyncio.sleep(1.0)


def volumes_of(
    settings: NodeSettings,
    daemon: Daemon,
    images: ImageCache,
    tasks: asyncio.TaskGroup,
    far: FarVolumes,
) -> Volumes:
    """The volumes of this host, with its back ends."""
    folder = Path(settings.state_dir) / "volumes"
    uid, gid = settings.volumes_uid, settings.qemu_gid
    owner = None if uid is None else (uid, -1 if gid is None else gid)
    backends: dict[str, Backend] = {}
    for one in settings.volume_backends:
        if one.driver == "rbd":
            own = Path(settings.run_dir) / "ceph" / f"{one.name}.conf"
            cluster = Cluster(one.pool, one.ceph_user, Path(one.ceph_conf), own, owner)
            backends[one.name] = RBDBackend(one.name, cluster)
            continue
        place = Path(one.folder or folder / "backends" / one.name)
        backends[one.name] = FilesBackend(one.name, place, owner, mount=one.driver == "nfs")
    for part in (folder, folder / "backends"):
        part.mkdir(parents=True, exist_ok=True)
        part.chmod(0o711)
    back = frozenset(one.name for one in settings.volume_backends if one.cache == "writeback")
    graph = Graph(daemon, back)
    return Volumes(settings.host, folder, backends, graph, images, Tools(uid, gid), tasks, far)


def balancers_of(
    settings: NodeSettings, chassis: Chassis, clock: Clock, groups: Groups
) -> Balancers:
    """The load balancers of this host."""
    state, run, uids = Path(settings.state_dir), Path(settings.run_dir), settings.balancer_uids
    return Balancers(state / "balancers", run, chassis, uids=uids, groups=groups, clock=clock)


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
    said = await programs.run(binary, "--version", within_s=10)
    line = said.out.decode(errors="replace").partition("\n")[0]
    return line.partition("version ")[2].partition(" ")[0]
