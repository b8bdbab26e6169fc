"""Guests that come from another host, or go to one, while they run.

    QEMU ─ unix socket ─ node ══ TLS, with both hosts' certificates (`peers`) ══ node ─ unix socket ─ QEMU

A guest's process has neither the network nor a key. The record says what the guest is to this host (`Record.move`).
The moment that decides is when the old host's QEMU has "completed": its node writes "sent" down, and then tells the new
host, which lets the guest run. A node that dies before breaks the lines, and the guest goes on where it was; one that
dies after finds "sent" in its record, or asks its QEMU.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hanok.base.authority import TLSFolder, client_context
from hanok.base.errors import HanokError
from hanok.base.failpoints import Broken, failpoint
from hanok.commands import (
    AdmitInstance,
    ByteChannel,
    ExpectInstance,
    InstanceState,
    KeepInstance,
    KeptInstance,
    RefusedInstance,
    RefuseInstance,
    SendInstance,
    SentInstance,
)
from hanok.drivers.qemu import moving
from hanok.drivers.qemu.errors import QEMUError
from hanok.drivers.qemu.monitor import POLL_S, Monitor
from hanok.node.errors import NotDone
from hanok.node.guest_disks import CONFIG, INSTALLER, ROOT, listed
from hanok.node.guests import Guest, Guests
from hanok.node.records import Record, check_generation

log = logging.getLogger(__name__)

MEMORY, DISKS, LAND = "memory", "disks", "land"  # names of streams
BUFFER = 1 << 18
HEAD_S = 20.0
FLUSH_S = 5.0
LAND_S = 15.0
STOP_S = 60.0
OWN_S = 15.0
AT_ONCE = 2  # guests that leave: the wire is theirs
GOES_ON = (
    "created",
    "running",
    "paused",
    "ready",
    "standby",
)  # drained for a moment, a job is paused
READY_S = 3600.0  # for a disk to be the same on both sides

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def moved_disks(record: Record) -> list[str]:
    """The names of the disks that a guest writes to, and that are on its host."""
    return [one.name for one in listed(record.spec) if one.name not in (CONFIG, INSTALLER)]


def check_moves(guest: Guest) -> Monitor:
    """Raises NotDone when a guest cannot be moved while it runs."""
    record = guest.record
    if guest.monitor is None or record.actual not in ("running", "paused"):
        raise NotDone("The server is not running.")
    if record.actual != record.requested:
        raise NotDone("The server stands still by itself; unpause or reboot it first.")
    if record.spec.host_devices:
        raise NotDone("A server with devices of its host cannot be moved while it runs.")
    if record.spec.devices.tpm_version:
        raise NotDone("A server with a TPM cannot be moved while it runs.")
    if record.spec.rescue is not None:
        raise NotDone("A server that is rescued cannot be moved while it runs.")
    return guest.monitor


def is_sent(guest: Guest) -> bool:
    """Whether a guest is another host's, though its process may stand here."""
    return guest.record.move == "sent"


# ---- lines


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(BUFFER):
        writer.write(piece)
        await writer.drain()


async def join(one: Streams, other: Streams) -> None:
    """Copy both ways until one of them ends; what has come by then arrives."""
    ways = [
        asyncio.ensure_future(_pump(one[0], other[1])),
        asyncio.ensure_future(_pump(other[0], one[1])),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        try:
            await asyncio.gather(*ways, return_exceptions=True)
            for _, writer in (one, other):
                writer.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_S):
                    for _, writer in (one, other):
                        with contextlib.suppress(OSError):
                            await writer.wait_closed()
        finally:
            for _, writer in (one, other):  # whoever reads no more keeps no connection open
                writer.transport.abort()


@contextlib.asynccontextmanager
async def hung_up_unless_done(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """A connection ends where what is inside does not come to its end."""
    try:
        yield
    except BaseException:
        writer.transport.abort()
        raise


async def call(to: ByteChannel, tls: ssl.SSLContext, stream: str) -> Streams:
    """A stream of the host that expects a guest.

    Raises:
        Refused: it has nothing of the guest. NotDone: it refuses otherwise, or cannot be reached.
    """
    url = urlsplit(to.url)
    if url.scheme != "https" or not url.hostname:
        raise NotDone("The other host's address is not one.", detail=to.url)
    try:
        async with asyncio.timeout(HEAD_S):
            reader, writer = await asyncio.open_connection(
                url.hostname, url.port, ssl=tls, limit=BUFFER
            )
            async with hung_up_unless_done(writer):
                writer.write(
                    f"GET {url.path}/{stream} HTTP/1.1\r\nHost: {url.hostname}\r\n"
                    f"Authorization: Bearer {to.ticket}\r\nUpgrade: stream\r\n\r\n".encode()
                )
                head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0]
    except (
        OSError,
        TimeoutError,
        asyncio.IncompleteReadError,
        asyncio.LimitOverrunError,
    ) as error:
        raise NotDone("The other host cannot be reached.", detail=repr(error)) from error
    if b" 101 " not in head and b" 200 " not in head:
        writer.close()
        kind = Refused if b" 410 " in head else NotDone
        raise kind("The other host takes the server no more.", detail=head.decode())
    return reader, writer


class Refused(NotDone):
    """The other host has nothing of the guest, and never will have by this ticket."""


# ---- a guest that goes


@dataclass
class _Going:
    """stop: whether it is to stay after all. hurry: whether it may stand still. error: why it could not go."""

    requested: SendInstance
    task: asyncio.Task[None] | None = None
    hurry: bool = False
    stop: bool = False
    error: Exception | None = None
    progress: dict[str, int] = field(default_factory=dict)

    @property
    def generation(self) -> int:
        return self.requested.generation


@dataclass
class Departures:
    """Guests that are sent to other hosts. tasks: owns what sends them. tls: None: no other host is reached."""

    guests: Guests
    tasks: asyncio.TaskGroup
    tls: TLSFolder | None
    _under_way: dict[str, _Going] = field(default_factory=dict)
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def send(self, requested: SendInstance) -> SentInstance:
        """Begin to send a guest, or wait a while for that.

        Raises:
            NotDone: it cannot be sent, and goes on here.
        """
        server_id = requested.server_id
        async with self.guests.holding(server_id) as guest:
            check_generation(requested.generation, guest.record.generation)
            going = self._under_way.get(server_id)
            if going is None and is_sent(guest):
                return SentInstance(sent=True)
            if going is None:
                going = await self._begin(guest, requested)
        going.hurry |= requested.hurry
        assert going.task is not None
        await asyncio.wait([going.task], timeout=requested.wait_s)
        if not going.task.done():
            return SentInstance(sent=False, progress=going.progress)
        self._under_way.pop(server_id, None)
        if going.error is not None:
            raise going.error
        return SentInstance(sent=True, progress=going.progress)

    def _context(self) -> ssl.SSLContext:
        """Read anew: certificates change while the process runs."""
        if self.tls is None:
            raise NotDone("This host reaches no other one: it has no certificate.")
        return client_context(self.tls)

    async def _begin(self, guest: Guest, requested: SendInstance) -> _Going:
        await self.guests.check_whole(guest)
        check_moves(guest)
        self._context()
        await failpoint("node.send_instance.before_record")
        await self.guests.remember(guest, generation=requested.generation, move="sending")
        going = self._under_way[requested.server_id] = _Going(requested)
        name = f"send {requested.server_id}"
        going.task = self.tasks.create_task(self._sent(guest, going), name=name)
        return going

    async def keep(self, requested: KeepInstance) -> KeptInstance:
        """A guest stays, unless it is gone."""
        server_id = requested.server_id
        async with self.guests.holding(server_id) as guest:
            check_generation(requested.generation, guest.record.generation)
            # Nothing that was asked for earlier begins anew from here on.
            await self.guests.remember(guest, generation=requested.generation)
        if (going := self._under_way.pop(server_id, None)) is not None and going.task is not None:
            going.stop = True
            await asyncio.wait([going.task], timeout=STOP_S)
        async with self.guests.holding(server_id) as guest:
            check_generation(requested.generation, guest.record.generation)
            if guest.record.move == "sending":
                await self.guests.settle_sent(guest)
            if is_sent(guest) and not requested.even_sent:
                return KeptInstance(sent=True)
            if is_sent(guest):
                if not await self._is_ours(server_id):
                    return KeptInstance(sent=True)
                await self._take_back(guest)
        return KeptInstance(sent=False)

    async def _is_ours(self, server_id: str) -> bool:
        """Whether control still has the server here: what a host that was away owes may be long out of date."""
        if self.guests.own is None:
            return True
        try:
            async with asyncio.timeout(OWN_S):
                return server_id in await self.guests.own([server_id])
        except TimeoutError:
            raise NotDone(
                "The cloud does not name the project of the server.", transient=True
            ) from None

    async def _take_back(self, guest: Guest) -> None:
        """One that was sent, and that nobody else has, goes on here."""
        runs = guest.record.requested == "running"
        if guest.monitor is not None:
            if runs:
                await guest.monitor.execute("cont")
            await self.guests.remember(guest, move="", actual="running" if runs else "paused")
            return
        await self.guests.remember(guest, move="", actual="stopped")
        if runs:
            await self.guests.start(guest)

    async def _sent(self, guest: Guest, going: _Going) -> None:
        """Send a guest: all of it, or it goes on here, and `going` says why."""
        try:
            async with self._turns:
                await self._send(guest, going)
        except (HanokError, OSError, TimeoutError, Broken) as error:
            log.warning("server %s is not sent: %r", guest.record.server_id, error)
            going.error = error
            if isinstance(error, QEMUError):
                why = f"The server could not be moved: {error.message}."
                going.error = NotDone(why, detail=error.detail)
            await self._settle(guest, going)

    async def _settle(self, guest: Guest, going: _Going) -> None:
        """It goes on here; or it is there, though its end was not heard."""
        try:
            async with self.guests.locked(guest.record.server_id) as still:
                if still is guest and guest.record.move == "sending":
                    await self.guests.settle_sent(guest)
        except (HanokError, OSError, TimeoutError) as error:
            log.error("server %s does not go on: %r", guest.record.server_id, error)
        if is_sent(guest):
            going.error = None

    async def _send(self, guest: Guest, going: _Going) -> None:
        record, monitor, to = guest.record, check_moves(guest), going.requested.target
        folder = self.guests.socket(record.server_id, "")
        async with contextlib.AsyncExitStack() as lines:
            if names := going.requested.disks:
                path = folder / "o-d"
                await lines.enter_async_context(self._line(path, guest, to, DISKS))
                found = {one.name: one for one in listed(record.spec)}
                top = found[ROOT].of_image and not record.blank_root if ROOT in found else False
                syncs = {name: "top" if top and name == ROOT else "full" for name in names}
                await moving.begin_mirrors(monitor, syncs, str(path))
            await self._mirrored(monitor, going)
            await failpoint("node.send_instance.after_disks")
            path = folder / "o-m"
            await lines.enter_async_context(self._line(path, guest, to, MEMORY))
            await moving.begin_memory(monitor, str(path))
            await self._memory(guest, monitor, going)
        await self._land(guest, to)

    @contextlib.asynccontextmanager
    async def _line(
        self, path: Path, guest: Guest, to: ByteChannel, stream: str
    ) -> AsyncIterator[None]:
        """A unix socket that leads to a stream of the other host, while this is entered."""
        open_lines: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            open_lines.add(task)
            try:
                far = await call(to, self._context(), stream)
                await join((reader, writer), far)
            except (HanokError, OSError) as error:
                log.warning("server %s: %r", guest.record.server_id, error)
            finally:
                open_lines.discard(task)
                writer.close()

        server = await asyncio.start_unix_server(serve, sock=_listener(path, guest), limit=BUFFER)
        try:
            yield
        finally:
            server.close()
            path.unlink(missing_ok=True)
            if open_lines:  # what has been said by now arrives
                await asyncio.wait(open_lines, timeout=FLUSH_S)
            for task in list(open_lines):
                task.cancel()
            await asyncio.gather(*open_lines, return_exceptions=True)

    async def _mirrored(self, monitor: Monitor, going: _Going) -> None:
        """Until every disk is the same on both sides."""
        names = set(going.requested.disks)
        async with asyncio.timeout(READY_S):
            while names:
                _check_stays(going)
                jobs = await moving.mirrors(monitor)
                _note(going, jobs.values())
                for name in names:
                    job = jobs.get(name, {"status": "gone"})
                    if job.get("status") not in GOES_ON:
                        raise NotDone(
                            "A disk of the server could not be moved.", detail=str(job.get("error"))
                        )
                if all(jobs[name]["status"] == "ready" for name in names):
                    return
                await asyncio.sleep(POLL_S)

    async def _memory(self, guest: Guest, monitor: Monitor, going: _Going) -> None:
        """Until QEMU has nothing of the guest any more that the other one has not."""
        stopped = False
        while True:
            state = await moving.progress(monitor)
            going.progress |= {
                "memory_total_bytes": state.total,
                "memory_processed_bytes": state.sent,
                "memory_remaining_bytes": state.left,
            }
            if state.status == "completed":
                break
            if state.status in moving.ENDED:
                raise NotDone("The server's memory could not be moved.", detail=state.error)
            if state.status == "pre-switchover":
                _check_stays(going)
                await failpoint("node.send_instance.before_switch")
                if going.requested.disks:
                    await moving.end_mirrors(monitor)
                await moving.go_on(monitor)
            elif state.status in ("setup", "active"):  # afterwards it is too late
                _check_stays(going)
            if going.hurry and not stopped and state.status == "active":
                await monitor.execute("stop")
                stopped = True
            await asyncio.sleep(POLL_S if state.status == "active" else POLL_S / 10)
        async with self.guests.locked(guest.record.server_id):
            await self.guests.remember(guest, move="sent", actual="paused")
        await failpoint("node.send_instance.after_sent")

    async def _land(self, guest: Guest, to: ByteChannel) -> None:
        """Tell the other host that the guest is its own. Where it cannot be told, control does it."""
        try:
            async with asyncio.timeout(LAND_S):
                _, writer = await call(to, self._context(), LAND)
                writer.close()
        except Refused as error:
            # It has nothing of the guest, and will not have: the guest goes on here.
            async with self.guests.locked(guest.record.server_id):
                await self._take_back(guest)
            raise NotDone("The server did not arrive.", detail=error.detail) from error
        except (HanokError, OSError, TimeoutError) as error:
            log.warning("server %s is sent, which could not be told: %r", guest.record.server_id, error)  # fmt: skip


def _check_stays(going: _Going) -> None:
    if going.stop:
        raise NotDone("The server is to stay.")


def _note(going: _Going, jobs: Iterable[Mapping[str, Any]]) -> None:
    listed_jobs = list(jobs)
    done = sum(int(job.get("current-progress", 0)) for job in listed_jobs)
    total = sum(int(job.get("total-progress", 0)) for job in listed_jobs)
    going.progress |= {
        "disk_total_bytes": total,
        "disk_processed_bytes": done,
        "disk_remaining_bytes": max(0, total - done),
    }


def _listener(path: Path, guest: Guest) -> socket.socket:
    """A socket in a guest's own folder, to which its process may connect."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
        if guest.record.uid is not None:
            os.chown(path, guest.record.uid, -1)
        listener.listen(8)
    except OSError:
        listener.close()
        raise
    return listener


# ---- a guest that comes


@dataclass
class Landings:
    """Guests that come from other hosts."""

    guests: Guests

    async def expect(self, requested: ExpectInstance) -> None:
        """Its process is there, with disks that are empty, and waits.

        Raises:
            NotDone: it cannot be here.
        """
        server_id = requested.server_id
        async with self.guests.locked(server_id) as known:
            newest = known.record.generation if known is not None else -1
            removed = self.guests.records.removed_at(server_id)
            check_generation(requested.generation, newest, removed)
            if known is not None and newest == requested.generation and not known.record.move:
                raise NotDone("The server is here already.")
            if known is not None:  # of a try that was broken off
                await self.guests.wipe(server_id)
            guest = self._guest(requested)
            await failpoint("node.expect_instance.before_record")
            await self.guests.remember(guest, requested="stopped")
            self.guests.know(guest)
            await failpoint("node.expect_instance.after_record")
            await self.guests.plug(requested.instance)
            if self.guests.arrived is not None:
                await self.guests.arrived(guest)
            await self._make_disks(guest, requested)
            await failpoint("node.expect_instance.after_disks")
            await self._launch(guest, requested)
            await failpoint("node.expect_instance.after_start")

    def _guest(self, requested: ExpectInstance) -> Guest:
        return Guest(
            Record(
                server_id=requested.server_id,
                generation=requested.generation,
                spec=requested.instance,
                uid=self.guests.free_uid(),
                move="expected",
            )
        )

    async def _make_disks(self, guest: Guest, requested: ExpectInstance) -> None:
        disks, record = self.guests.disks(guest.record), guest.record
        disks.make_folder()
        for name in moved_disks(record):
            if (size := requested.sizes.get(name)) is None:
                raise NotDone("The other host does not say how large a disk is.", detail=name)
            base = None
            if name == ROOT and record.image_id and not record.blank_root:
                base = self.guests.images.path(record.image_id), record.image_format
            await disks.make_target(name, size, base)
        if record.spec.config_drive and not (self._files(guest) / "config.iso").exists():
            raise NotDone("The server's config drive did not come with it.", transient=True)

    def _files(self, guest: Guest) -> Path:
        return self.guests.records.files(guest.record.server_id)

    async def _launch(self, guest: Guest, requested: ExpectInstance) -> None:
        await self.guests.launch(guest, incoming=True)
        monitor, run = guest.monitor, self.guests.socket(requested.server_id, "")
        assert monitor is not None
        try:
            names = moved_disks(guest.record)
            await moving.await_guest(monitor, names, str(run / "i-d"), str(run / "i-m"))
        except BaseException:
            await self.guests.kill(guest)
            raise
        await self.guests.remember(guest, requested=requested.power)

    def line(self, server_id: str, stream: str) -> Path:
        """The socket behind a stream of a guest that is expected."""
        return self.guests.socket(server_id, "i-m" if stream == MEMORY else "i-d")

    async def land(self, server_id: str, generation: int) -> bool:
        """The other host has sent a guest: it runs here. Whether it is here.

        Where it is not, it never will be: the other host keeps it.
        """
        async with self.guests.locked(server_id) as guest:
            if guest is None or guest.record.generation != generation:
                return False
            if not guest.record.move:
                return True
            if guest.monitor is None or not await moving.has_come(guest.monitor):
                await self.guests.wipe(server_id)
                await asyncio.to_thread(self.guests.records.bury, server_id, generation)
                return False
            await self._begin(guest)
            return True

    async def _begin(self, guest: Guest) -> None:
        """It has come whole, and stands as is wanted."""
        monitor, runs = guest.monitor, guest.record.requested == "running"
        assert monitor is not None
        await self.guests.remember(guest, move="", actual="paused")
        await failpoint("node.admit_instance.before_start")
        await moving.end_exports(monitor)
        if runs:
            await monitor.execute("cont")
        await moving.announce(monitor)
        now = self.guests.clock.now()
        await self.guests.remember(guest, actual="running" if runs else "paused", started_at=now)
        log.info("server %s runs here now", guest.record.server_id)

    async def admit(self, requested: AdmitInstance) -> InstanceState:
        """A guest that the other host has sent is this one's.

        Its process may have ended since: then it is started anew, as after any such end.
        """
        server_id = requested.server_id
        async with self.guests.holding(server_id) as guest:
            check_generation(requested.generation, guest.record.generation)
            if guest.record.move:
                if guest.monitor is not None and await moving.has_come(guest.monitor):
                    await self._begin(guest)
                else:
                    await self._start_anew(guest)
            return self.guests.state(guest)

    async def _start_anew(self, guest: Guest) -> None:
        runs = guest.record.requested == "running"
        log.error("server %s was lost as it arrived; it is started anew", guest.record.server_id)
        await self.guests.kill(guest)
        await self.guests.remember(guest, move="", actual="stopped", pid=0)
        if runs:
            await self.guests.start(guest)

    async def refuse(self, requested: RefuseInstance) -> RefusedInstance:
        """A guest that is expected does not come any more."""
        server_id, generation = requested.server_id, requested.generation
        async with self.guests.locked(server_id) as guest:
            newest = guest.record.generation if guest is not None else -1
            check_generation(generation, newest)
            if guest is not None and not guest.record.move:
                return RefusedInstance(has_come=True)
            await asyncio.to_thread(self.guests.records.bury, server_id, generation)
            await self.guests.wipe(server_id)
            await asyncio.to_thread(self.guests.records.bury, server_id, generation)
            return RefusedInstance(has_come=False)


async def connected(path: Path) -> Streams:
    """Raises OSError: nobody listens."""
    return await asyncio.open_unix_connection(str(path), limit=BUFFER)
