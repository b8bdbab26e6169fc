"""One function a command, and the one place where what went wrong becomes an answer."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from hanok.base.errors import HanokError
from hanok.base.failpoints import Broken, failpoint
from hanok.base.log import request_id
from hanok.commands import (
    AdmitInstance,
    Answer,
    AskAgent,
    CloseVolume,
    Command,
    ConsoleLog,
    DescribeBackends,
    DescribeHost,
    Done,
    EnsureImage,
    EnsureInstance,
    EnsureSnapshot,
    EnsureVolume,
    EnsureVolumeCopy,
    EnsureVolumeSnapshot,
    EnsureVolumeSnapshots,
    ExpectedInstance,
    ExpectInstance,
    Failed,
    ForgetImage,
    ForgetSnapshot,
    ForgetVolumeCopy,
    HandOverSnapshot,
    HandOverVolumeCopy,
    HostInventory,
    HostState,
    InjectNMI,
    KeepInstance,
    ListInventory,
    ListVolumes,
    MoveVolume,
    OfferDisks,
    OpenConsole,
    OpenVolume,
    Ping,
    ReadConsole,
    ReadDiagnostics,
    RebootInstance,
    RefuseInstance,
    RemoveInstance,
    RemoveVolume,
    RemoveVolumeSnapshot,
    SendInstance,
    SetInterfaces,
    SetPower,
    SetVolumes,
    Stale,
    TakeDisks,
    wire,
)
from hanok.commands.machines import DescribeMachine, ReadLogs
from hanok.drivers.qemu.errors import MonitorLost, QEMUError
from hanok.drivers.volumes.backend import BackendFailed
from hanok.node import asking, diagnostics, host, limits, machine
from hanok.node.balancers import Balancers
from hanok.node.channel import HandOvers
from hanok.node.chassis import Chassis
from hanok.node.command_ids import check_ids
from hanok.node.console import ConsoleDoor, read_log
from hanok.node.errors import Late, NotDone
from hanok.node.guests import Guests
from hanok.node.images import ImageCache
from hanok.node.moves import Departures, Landings
from hanok.node.peers import Arrivals, PeerDoor
from hanok.node.settings import NodeSettings
from hanok.node.shares import Shares
from hanok.node.snapshots import Snapshots
from hanok.node.volume_copies import VolumeCopies
from hanok.node.volumes import Volumes

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Handlers:
    """Everything a command may touch."""

    settings: NodeSettings
    guests: Guests
    images: ImageCache
    snapshots: Snapshots
    hand_overs: HandOvers
    chassis: Chassis
    door: ConsoleDoor
    qemu_version: str
    volumes: Volumes
    copies: VolumeCopies
    arrivals: Arrivals
    landings: Landings
    departures: Departures
    balancers: Balancers
    shares: Shares
    peers: PeerDoor | None = None

    async def do(self, command: Command) -> Answer:
        """Do a command. Raises what it raises; `answer` makes it an answer."""
        match command:
            case Ping():
                return Done()
            case DescribeHost():
                return await self.host_state()
            case ListInventory():
                return await self.inventory()
            case DescribeMachine():
                return await machine.describe(self.settings)
            case ReadLogs():
                return await machine.read_logs(self.settings, command)
            case EnsureImage():
                return await self.images.ensure(command)
            case ForgetImage():
                if not self.guests.uses_image(command.image_id):
                    await self.images.forget(command.image_id)
                return Done()
            case EnsureInstance():
                return await self.guests.ensure(command)
            case SetPower():
                return await self.guests.set_power(command)
            case SetInterfaces():
                return await self.guests.set_interfaces(command)
            case RebootInstance():
                return await self.guests.reboot(command)
            case InjectNMI():
                await self.guests.inject_nmi(command)
                return Done()
            case AskAgent():
                await asking.ask_agent(self.guests, command)
                return Done()
            case RemoveInstance():
                self.door.withdraw(command.server_id)
                await self.snapshots.end(command.server_id)
                await self.guests.remove(command)
                await asyncio.to_thread(self.arrivals.forget, command.server_id, command.generation)
                return Done()
            case OfferDisks():
                if self.peers is None:
                    raise NotDone("No other host reaches this one.")
                return await self.peers.offer(command)
            case ExpectInstance():
                if self.peers is None:
                    raise NotDone("No other host reaches this one.")
                await self.landings.expect(command)
                return ExpectedInstance(target=self.peers.expect(command))
            case SendInstance():
                return await self.departures.send(command)
            case AdmitInstance():
                return await self.landings.admit(command)
            case KeepInstance():
                return await self.departures.keep(command)
            case RefuseInstance():
                refused = await self.landings.refuse(command)
                await asyncio.to_thread(self.arrivals.forget, command.server_id, command.generation)
                return refused
            case TakeDisks():
                return await self.arrivals.take(command)
            case EnsureSnapshot():
                return await self.snapshots.ensure(command)
            case HandOverSnapshot():
                path = self.settings.snapshot_folder / command.snapshot_id
                return await self.hand_overs.ensure(self.settings.host, command, path)
            case ForgetSnapshot():
                await self.hand_overs.end(command.snapshot_id)
                await self.snapshots.forget(command)
                return Done()
            case ReadConsole():
                self.guests.get(command.server_id)
                path = self.guests.records.files(command.server_id) / "console.log"
                return ConsoleLog(text=await asyncio.to_thread(read_log, path, command.lines))
            case OpenConsole():
                if self.guests.get(command.server_id).process is None:
                    raise NotDone("The server is not running, so it has no console.")
                return self.door.open(command.server_id, command.kind)
            case ReadDiagnostics():
                return await diagnostics.read(self.guests, self.chassis, command.server_id)
        if (answer := await self.balancers.do(command)) is not None:
            return answer
        if (told := await self.shares.do(command)) is not None:
            return told
        return await self._do_with_volumes(command)

    async def _do_with_volumes(self, command: Command) -> Answer:
        volumes, copies = self.volumes, self.copies
        match command:
            case EnsureVolume():
                return await volumes.ensure(command)
            case RemoveVolume():
                return await volumes.remove(command)
            case EnsureVolumeSnapshot():
                return await volumes.take([command])
            case EnsureVolumeSnapshots():
                return await volumes.take(command.snapshots)
            case RemoveVolumeSnapshot():
                return await volumes.remove_snapshot(command)
            case OpenVolume():
                return await volumes.open(command)
            case CloseVolume():
                return await volumes.close(command)
            case MoveVolume():
                return await volumes.move(command)
            case EnsureVolumeCopy():
                return await copies.ensure(command)
            case HandOverVolumeCopy():
                return await copies.hand_over(command)
            case ForgetVolumeCopy():
                return await copies.forget(command)
            case DescribeBackends():
                return await asyncio.to_thread(volumes.states)
            case ListVolumes():
                return await asyncio.to_thread(lambda: volumes.inventory(copies.list()))
            case SetVolumes():
                return await self.guests.set_volumes(command)
        raise NotDone("This host does not know that command.", detail=type(command).__name__)

    async def host_state(self) -> HostState:
        return await asyncio.to_thread(
            host.describe,
            self.settings,
            self.guests.accelerator,
            self.qemu_version,
            self.guests.board,
            running_guests=self.guests.running(),
            limits=limits.able(self.guests.groups, self.chassis),
        )

    async def inventory(self) -> HostInventory:
        return HostInventory(
            host=self.settings.host,
            instances=self.guests.states(),
            processes=await asyncio.to_thread(self.guests.processes),
            taps=tuple(await self.chassis.ports()),
            directories=tuple(self.guests.records.directories()),
            images=tuple(self.images.list()),
            snapshots=tuple(await asyncio.to_thread(self.snapshots.list)),
            metadata_networks=tuple(await self.chassis.metadata_networks()),
        )

    async def hear(self, _subject: str, payload: bytes) -> bytes | None:
        """A command that came over the bus."""
        return await self.handle(payload)

    async def handle(self, payload: bytes) -> bytes | None:
        """What the bus calls."""
        return await handle(self.do, payload)


Do = Callable[[Command], Awaitable[Answer]]


async def handle(do: Do, payload: bytes) -> bytes | None:
    """From a command's bytes to the answer's. None: the answer got lost (a failpoint did it)."""
    try:
        command = wire.decode_command(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        log.warning("a command cannot be read: %s", error)
        said = "The host's version does not know this command."
        return wire.encode(Failed(message=said, detail=str(error)))
    request_id.set(command.request_id)
    name = f"node.{command.__struct_config__.tag}"
    if await failpoint(f"{name}.before") == "twice":
        await answer(do, command)
    result = await answer(do, command)
    if await failpoint(f"{name}.after") == "lose":
        return None
    return wire.encode(result)


async def answer(do: Do, command: Command) -> Answer:
    """Do a command; whatever happens is an answer."""
    try:
        check_ids(command)
        return await do(command)
    except Late as late:
        return Stale(known_generation=late.known_generation)
    except NotDone as error:
        failed = Failed(message=error.message, detail=error.detail, transient=error.transient)
    except QEMUError as error:
        lost = isinstance(error, MonitorLost)
        failed = Failed(message=_sentence(error.message), detail=error.detail, transient=lost)
    except BackendFailed as error:
        failed = Failed(message=error.message, detail=error.detail, transient=error.transient)
    except HanokError as error:  # the network's
        failed = Failed(message=_sentence(error.message), detail=error.detail, transient=True)
    except TimeoutError as error:
        failed = Failed(message="The host took too long.", detail=repr(error), transient=True)
    except OSError as error:
        failed = _from_os(error)
    except Broken:  # a failpoint: the node is to break here, not to say so
        raise
    except Exception as error:  # an outermost loop: a fault of ours must not be silence
        log.exception("%s broke", type(command).__name__)
        failed = Failed(message="The host ran into an unexpected error.", detail=repr(error))
    log.warning("%s failed: %s (%s)", type(command).__name__, failed.message, failed.detail)
    return failed


def _from_os(error: OSError) -> Failed:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Failed(message="The host's disk is full.", detail=str(error), transient=True)
    if error.errno == errno.ENOMEM:
        return Failed(message="The host has no free memory.", detail=str(error), transient=True)
    return Failed(message="The host could not do this.", detail=repr(error), transient=True)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."
