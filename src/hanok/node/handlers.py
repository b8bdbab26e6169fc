"""One function a command, and the one place where what went wrong becomes an answer."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hanok.base.errors import HanokError
from hanok.base.failpoints import Broken, failpoint
from hanok.base.ids import is_uuid
from hanok.base.log import request_id
from hanok.commands import (
    Answer,
    AskAgent,
    Command,
    ConsoleLog,
    DescribeHost,
    Done,
    EnsureImage,
    EnsureInstance,
    EnsureSnapshot,
    Failed,
    ForgetImage,
    ForgetSnapshot,
    HandOverSnapshot,
    HostInventory,
    HostState,
    InjectNMI,
    ListInventory,
    OpenConsole,
    ReadConsole,
    ReadDiagnostics,
    RebootInstance,
    RemoveInstance,
    SetInterfaces,
    SetPower,
    Stale,
    wire,
)
from hanok.drivers.qemu.errors import MonitorLost, QEMUError
from hanok.node import asking, diagnostics, host, limits
from hanok.node.channel import HandOvers
from hanok.node.chassis import Chassis
from hanok.node.console import ConsoleDoor, read_log
from hanok.node.errors import Late, NotDone
from hanok.node.guest_disks import check_names
from hanok.node.guests import Guests
from hanok.node.images import ImageCache
from hanok.node.settings import NodeSettings
from hanok.node.snapshots import Snapshots

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

    async def do(self, command: Command) -> Answer:
        """Do a command. Raises what it raises; `answer` makes it an answer."""
        match command:
            case DescribeHost():
                return await self.host_state()
            case ListInventory():
                return await self.inventory()
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
                return Done()
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
    command = wire.decode_command(payload)
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
        return Stale(seen_generation=late.seen_generation)
    except NotDone as error:
        failed = Failed(message=error.message, detail=error.detail, transient=error.transient)
    except QEMUError as error:
        lost = isinstance(error, MonitorLost)
        failed = Failed(message=_sentence(error.message), detail=error.detail, transient=lost)
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


def check_ids(command: Command) -> None:
    """Ids become file names and arguments: nothing but ids, even from control.

    Raises:
        NotDone: something that should be a UUID is not.
    """
    names = ("server_id", "image_id", "snapshot_id")
    ids = [getattr(command, name) for name in names if hasattr(command, name)]
    if isinstance(command, EnsureInstance):
        ids += images_named(command)
        check_names(command)
    if isinstance(command, EnsureInstance | SetInterfaces):
        for nic in command.nics:
            ids += [nic.port_id, nic.network_id]
            if nic.metadata is not None:
                ids.append(nic.metadata.port_id)
    for value in ids:
        if not is_uuid(value) or len(value) != 36 or value != value.lower():
            raise NotDone("The command names something that is not an id.", detail=repr(value))


def images_named(command: EnsureInstance) -> list[str]:
    """The ids of images in a command, beside the server's own."""
    kernel = command.kernel
    ids = [] if command.rescue is None else [command.rescue.image_id]
    ids += [] if kernel is None else [kernel.kernel_id]
    return ids + ([kernel.ramdisk_id] if kernel is not None and kernel.ramdisk_id else [])


def _from_os(error: OSError) -> Failed:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Failed(message="The host's disk is full.", detail=str(error), transient=True)
    if error.errno == errno.ENOMEM:
        return Failed(message="The host has no free memory.", detail=str(error), transient=True)
    return Failed(message="The host could not do this.", detail=repr(error), transient=True)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."
