"""Disks of guests that go from host to host, by TLS: a door where other hosts read, and what reads there.

    GET /disks/{server}/{name}   Range: bytes=N-   Authorization: Bearer TICKET
    GET /streams/{server}/{name}                   Authorization: Bearer TICKET   (101, then bytes both ways)

Who asks shows a certificate of the cloud, which is not revoked; the ticket is for that host and one guest's files, and
good for a while. Only names that a guest's disks have are files here, and only plain ones of the guest's own user: what
a guest may have put beside them is not followed. What arrives is put beside the guests, and becomes a guest's when all
of it is there; what broke goes on where it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import re
import secrets
import shutil
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from cryptography import x509

from hanok.base.authority import ServerSide, TLSFolder, host_of
from hanok.base.clock import Clock
from hanok.base.durable import settle
from hanok.base.failpoints import failpoint
from hanok.commands import (
    ByteChannel,
    ExpectInstance,
    OfferDisks,
    OfferedDisks,
    TakeDisks,
    TakenDisks,
)
from hanok.commands.messages import DiskFacts, MovedDisk
from hanok.drivers.qemu import moving
from hanok.drivers.qemu.images import Tools
from hanok.node import channel
from hanok.node.errors import NotDone
from hanok.node.guests import Guest, Guests
from hanok.node.images import RESERVE
from hanok.node.moves import (
    DISKS,
    LAND,
    MEMORY,
    Landings,
    check_moves,
    connected,
    hung_up_unless_done,
    join,
    moved_disks,
)
from hanok.node.records import write_whole

log = logging.getLogger(__name__)

PIECE = 1 << 20
ZEROS = 64 << 10  # so much of nothing stays a hole
TICKET_S = 3 * 3600.0  # as long as one transfer may take
HEAD_BYTES = 8192
HEAD_S = 20.0
IDLE_S = 60.0
CONNECTIONS = 16
OF_A_HOST = 4  # of these
LINES_OF_A_GUEST = 64  # one for its memory, and one for each disk
AT_ONCE = 2  # guests that arrive
NAME = re.compile(
    r"disk|swap|ephemeral|ephemeral\d{1,3}\.qcow2|variables(-secure)?|tpm/[\w.-]{1,64}|config\.iso"
)
STATIC = re.compile(r"config\.iso|variables(-secure)?")  # what does not change while a guest runs
_REQUEST = re.compile(rb"GET /(disks|streams)/([0-9a-f-]{36})/([\w./-]{1,80}) HTTP/1\.1\r\n")
_HEADER = re.compile(rb"\r\n(authorization|range): *([^\r\n]{1,200})", re.IGNORECASE)
_RANGE = re.compile(rb"bytes=(\d{1,18})-")


@dataclass(frozen=True)
class Ticket:
    server_id: str
    host: str
    until_s: float
    sizes: dict[str, int]
    generation: int = 0
    streams: bool = False


class PeerDoor:
    """Listens while it is entered."""

    def __init__(
        self, address: str, tls: TLSFolder, side: ServerSide, landings: Landings, clock: Clock
    ) -> None:
        """side: what is shown, of the files in tls."""
        self._landings = landings
        guests = landings.guests
        self._address = address
        self._side = side
        self._tls = tls
        self._guests = guests
        self._clock = clock
        self._tickets: dict[str, Ticket] = {}
        self._open: dict[asyncio.Task[None], str] = {}  # and of which host
        self._lines: dict[asyncio.Task[None], str] = {}  # and of which guest
        self._server: asyncio.Server | None = None
        self._revoked: tuple[int, frozenset[int]] = (0, frozenset())

    async def __aenter__(self) -> PeerDoor:
        self._server = await asyncio.start_server(
            self._connected,
            self._address,
            0,
            ssl=self._side.context,
            ssl_handshake_timeout=HEAD_S,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        all_of_them = [*self._open, *self._lines]
        for task in all_of_them:
            task.cancel()
        await asyncio.gather(*all_of_them, return_exceptions=True)

    async def offer(self, requested: OfferDisks) -> OfferedDisks:
        """A ticket for the files of a guest.

        Raises:
            NotDone: the guest runs, or has memory that was saved.
        """
        sizes: dict[str, int] = {}
        async with self._guests.holding(requested.server_id) as guest:
            if requested.live:
                sizes = await self._live_sizes(guest)
            elif guest.process is not None or guest.record.actual == "suspended":
                raise NotDone("The server's disks are in use.", transient=True)
            names = STATIC if requested.live else NAME
            disks = await asyncio.to_thread(self._files, guest, names)
        source = self._ticket_for(
            Ticket(
                requested.server_id,
                requested.to_host,
                self._clock.monotonic_s() + TICKET_S,
                {one.name: one.size_bytes for one in disks},
            )
        )
        record = guest.record
        facts = DiskFacts(
            image_id=record.image_id,
            image_format=record.image_format,
            blank_root=record.blank_root,
            disk_generation=record.disk_generation,
            machine=record.machine,
            requested_machine=record.requested_machine,
            places=record.places if requested.live else {},
            root_ports=record.root_ports if requested.live else 0,
        )
        return OfferedDisks(source=source, disks=disks, facts=facts, sizes=sizes)

    async def _live_sizes(self, guest: Guest) -> dict[str, int]:
        """How large the disks of a guest that runs are; where its devices are is in its record then."""
        monitor = check_moves(guest)
        await self._guests.note_places(guest, monitor)
        return await moving.sizes(monitor, moved_disks(guest.record))

    def expect(self, requested: ExpectInstance) -> ByteChannel:
        """Where another host sends a guest that is expected here."""
        until = self._clock.monotonic_s() + TICKET_S
        server_id, generation = requested.server_id, requested.generation
        return self._ticket_for(
            Ticket(server_id, requested.from_host, until, {}, generation, streams=True)
        )

    def _ticket_for(self, made: Ticket) -> ByteChannel:
        """Earlier tickets for the same are good no longer."""
        now = self._clock.monotonic_s()
        self._tickets = {
            text: one
            for text, one in self._tickets.items()
            if one.until_s > now and (one.server_id, one.streams) != (made.server_id, made.streams)
        }
        text = secrets.token_urlsafe(32)
        self._tickets[text] = made
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        kind = "streams" if made.streams else "disks"
        at = f"[{self._address}]" if ":" in self._address else self._address
        return ByteChannel(url=f"https://{at}:{port}/{kind}/{made.server_id}", ticket=text)

    def _files(self, guest: Guest, names: re.Pattern[str]) -> tuple[MovedDisk, ...]:
        folder = self._guests.records.files(guest.record.server_id)
        found = []
        for path in sorted([*folder.glob("*"), *folder.glob("tpm/*")]):
            name = str(path.relative_to(folder))
            if names.fullmatch(name):
                with contextlib.suppress(OSError):
                    file = _opened(folder, name)
                    found.append(MovedDisk(name=name, size_bytes=os.fstat(file).st_size))
                    os.close(file)
        return tuple(found)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        host = self._asker(writer)
        if not host or not self._takes_more(host):
            writer.close()
            return
        self._open[task] = host
        try:
            async with asyncio.timeout(TICKET_S):
                await self._serve(reader, writer, host)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the other host hung up, or never asked
        finally:
            self._open.pop(task, None)
            writer.close()

    def _takes_more(self, host: str) -> bool:
        """Whether one more connection is taken: none of the hosts has them all."""
        of_it = sum(one == host for one in self._open.values())
        return len(self._open) < CONNECTIONS and of_it < OF_A_HOST

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str
    ) -> None:
        async with asyncio.timeout(HEAD_S):
            head = await reader.readuntil(b"\r\n\r\n")
        requested = _REQUEST.match(head)
        headers = {name.lower(): value.strip() for name, value in _HEADER.findall(head)}
        ticket = self._ticket(headers.get(b"authorization", b""), host)
        first = _RANGE.fullmatch(headers.get(b"range", b""))
        found = (one.decode() for one in requested.groups()) if requested else ("", "", "")
        kind, server_id, name = found
        if ticket is not None and ticket.server_id != server_id:
            ticket = None
        if ticket is not None and ticket.streams and kind == "streams":
            await self._stream(reader, writer, ticket, name)
            return
        size = ticket.sizes.get(name) if ticket is not None and kind == "disks" else None
        if size is None or len(head) > HEAD_BYTES:
            await _refuse(writer, b"401 Unauthorized", "The ticket is not valid for this.")
        elif first is None or int(first[1]) >= size:
            await _refuse(writer, b"416 Range Not Satisfiable", "There is no such range.")
        else:
            await self._send(writer, server_id, name, int(first[1]), size)

    async def _stream(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        ticket: Ticket,
        name: str,
    ) -> None:
        """A line to a guest that is expected, or the word that it has been sent."""
        if name == LAND:
            there = await self._landings.land(ticket.server_id, ticket.generation)
            await _say(writer, b"200 OK" if there else b"410 Gone")
            return
        if name not in (MEMORY, DISKS):
            await _say(writer, b"404 Not Found")
            return
        of_it = sum(one == ticket.server_id for one in self._lines.values())
        if of_it >= LINES_OF_A_GUEST:
            await _say(writer, b"429 Too Many Requests")
            return
        try:
            guest = await connected(self._landings.line(ticket.server_id, name))
        except OSError:
            await _say(writer, b"410 Gone")
            return
        task = asyncio.current_task()
        assert task is not None
        self._lines[task] = ticket.server_id
        self._open.pop(task, None)  # it is known what it is for
        try:
            async with hung_up_unless_done(guest[1]):
                await _say(writer, b"101 Switching Protocols")
                await join((reader, writer), guest)
        finally:
            self._lines.pop(task, None)

    def _asker(self, writer: asyncio.StreamWriter) -> str:
        """The host whose good certificate the other side showed; "" for none."""
        shown = writer.get_extra_info("peercert") or {}
        if int(str(shown.get("serialNumber", "0")), 16) in self._refused():
            return ""
        names = shown.get("subjectAltName", ())
        return host_of(str(one[1]) for one in names if one[0] == "email")

    def _refused(self) -> frozenset[int]:
        """The numbers of certificates that are good no longer, as they stand in the folder now."""
        try:
            changed = self._tls.revoked.stat().st_mtime_ns
            if changed != self._revoked[0]:
                listed = x509.load_pem_x509_crl(self._tls.revoked.read_bytes())
                self._revoked = changed, frozenset(one.serial_number for one in listed)
        except FileNotFoundError:
            return frozenset()
        return self._revoked[1]

    def _ticket(self, shown: bytes, host: str) -> Ticket | None:
        text = shown.decode(errors="replace").removeprefix("Bearer ")
        found = self._tickets.get(text)
        if found is None or found.host != host or found.until_s < self._clock.monotonic_s():
            return None
        return found

    async def _send(
        self, writer: asyncio.StreamWriter, server_id: str, name: str, first: int, size: int
    ) -> None:
        file = await asyncio.to_thread(_opened, self._guests.records.files(server_id), name)
        try:
            writer.write(
                b"HTTP/1.1 206 Partial Content\r\nConnection: close\r\n"
                b"Content-Length: %d\r\nContent-Range: bytes %d-%d/%d\r\n\r\n"
                % (size - first, first, size - 1, size)
            )
            at = first
            while at < size:
                piece = await asyncio.to_thread(os.pread, file, min(PIECE, size - at), at)
                if not piece:
                    return  # it became shorter: the other side sees that
                writer.write(piece)
                at += len(piece)
                async with asyncio.timeout(IDLE_S):
                    await writer.drain()
        finally:
            os.close(file)


async def _say(writer: asyncio.StreamWriter, status: bytes) -> None:
    writer.write(b"HTTP/1.1 %s\r\n\r\n" % status)
    await writer.drain()


async def _refuse(writer: asyncio.StreamWriter, status: bytes, why: str) -> None:
    text = f"{why}\n".encode()
    writer.write(
        b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
        % (status, len(text), text)
    )
    await writer.drain()


def _opened(folder: Path, name: str) -> int:
    """A plain file of a guest's, with one name, in its own folder; nothing that leads elsewhere."""
    where = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        *above, last = name.split("/")
        for part in above:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=where)
            os.close(where)
            where = inner
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        file = os.open(last, flags, dir_fd=where)
        status, around = os.fstat(file), os.fstat(where)
        if (
            not stat.S_ISREG(status.st_mode)
            or status.st_nlink != 1
            or status.st_uid != around.st_uid
        ):
            os.close(file)
            raise OSError(errno.EPERM, "not a disk of the guest's own")
        return file
    finally:
        os.close(where)


# ---- arriving


_Said = tuple[int, DiskFacts, tuple[MovedDisk, ...]]


@dataclass
class _Reading:
    """What comes for one command. copied: bytes that are here."""

    generation: int
    future: asyncio.Future[None]
    copied: list[int]
    stop: threading.Event


@dataclass
class Arrivals:
    """What comes to this host. folder: of what is not a guest's yet, on the file system of guests' own files."""

    host: str
    folder: Path
    guests: Guests
    _threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(AT_ONCE, thread_name_prefix="arrivals")
    )
    _under_way: dict[str, _Reading] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def take(self, requested: TakeDisks) -> TakenDisks:
        """Begin to read, or wait a while for what is being read.

        Raises:
            NotDone: it broke; asked again, it goes on.
        """
        server_id, total = requested.server_id, sum(one.size_bytes for one in requested.disks)
        if self.guests.generation(server_id) >= requested.generation:
            # They are its own, or are about to be: what it has written since is not written over.
            return TakenDisks(done=True, copied=total, total=total)
        for one in requested.disks:
            if not NAME.fullmatch(one.name) or ".." in one.name:
                raise NotDone("The command names a disk that no server has.", detail=one.name)
        reading = self._reading(requested)
        await asyncio.wait([reading.future], timeout=requested.wait_s)
        if not reading.future.done():
            return TakenDisks(done=False, copied=reading.copied[0], total=total)
        if self._under_way.get(server_id) is reading:
            del self._under_way[server_id]
        if reading.generation != requested.generation:  # an earlier one, which is over
            reading.future.exception()
            return TakenDisks(done=False, copied=0, total=total)
        reading.future.result()
        await failpoint("node.take_disks.after")
        return TakenDisks(done=True, copied=total, total=total)

    def _reading(self, requested: TakeDisks) -> _Reading:
        """What comes for this command; what comes for an earlier one is ended first.

        Raises:
            NotDone: a later command has begun.
        """
        found = self._under_way.get(requested.server_id)
        if found is None:
            copied, stop = [0], threading.Event()
            loop = asyncio.get_running_loop()
            future = loop.run_in_executor(self._threads, self._read, requested, copied, stop)
            found = _Reading(requested.generation, future, copied, stop)
            self._under_way[requested.server_id] = found
        elif found.generation > requested.generation:
            raise NotDone("A later command has the server's disks come here.")
        elif found.generation < requested.generation:
            found.stop.set()
        return found

    def _read(self, requested: TakeDisks, counted: list[int], stop: threading.Event) -> None:
        folder = self.folder / requested.server_id
        folder.mkdir(mode=0o700, exist_ok=True)
        facts = folder / "facts.json"
        said = msgspec.json.encode((requested.generation, requested.facts, requested.disks))
        if facts.exists() and facts.read_bytes() == said:
            return  # all of it is here
        facts.unlink(missing_ok=True)
        total = sum(one.size_bytes for one in requested.disks)
        space = os.statvfs(folder)
        if space.f_bavail * space.f_frsize < RESERVE:
            raise NotDone("The host's disk is full.", transient=True)
        for one in requested.disks:
            self._read_one(requested, one, folder / one.name.replace("/", "+"), counted, stop)
        log.info("the disks of server %s are here: %d bytes", requested.server_id, total)
        write_whole(facts, said)

    def _read_one(
        self,
        requested: TakeDisks,
        disk: MovedDisk,
        path: Path,
        counted: list[int],
        stop: threading.Event,
    ) -> None:
        """Anew: what a guest's disk was before may be another one."""
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            at = 0

            def take(piece: bytes) -> None:
                nonlocal at
                if stop.is_set():
                    raise NotDone("The server's disks are not to come here any more.")
                _write_with_holes(handle, piece, at)
                at += len(piece)
                counted[0] += len(piece)
                space = os.fstatvfs(handle)
                if space.f_bavail * space.f_frsize < RESERVE:
                    raise NotDone("The host has not enough disk space for the server's disks.")

            source = ByteChannel(
                url=f"{requested.source.url}/{disk.name}", ticket=requested.source.ticket
            )
            if disk.size_bytes:
                channel.fetch(source, self.host, disk.size_bytes, take)
            os.ftruncate(handle, disk.size_bytes)
            os.fsync(handle)
        finally:
            os.close(handle)

    def forget(self, server_id: str, generation: int) -> None:
        """Nothing of it has arrived, and nothing more comes, but for commands later than this generation."""
        if (reading := self._under_way.get(server_id)) is not None:
            if reading.generation > generation:
                return
            reading.stop.set()
        if (said := self._said(server_id)) is not None and said[0] > generation:
            return
        shutil.rmtree(self.folder / server_id, ignore_errors=True)

    async def settle(self, guest: Guest) -> None:
        """What has arrived whole, for this guest, is its own."""
        folder = self.folder / guest.record.server_id
        said = await asyncio.to_thread(self._said, guest.record.server_id)
        if said is None:
            return
        generation, known, _ = said
        if generation != guest.record.generation:
            await asyncio.to_thread(self.forget, guest.record.server_id, guest.record.generation)
            return
        disks = self.guests.disks(guest.record)
        await asyncio.to_thread(disks.make_folder)
        await asyncio.to_thread(self._move, guest, folder)
        await failpoint("node.take_disks.moved")
        root = self.guests.records.files(guest.record.server_id) / "disk"
        if root.exists() and known.image_id and not known.blank_root:
            tools = Tools(guest.record.uid, self.guests.settings.qemu_gid)
            base = self.guests.images.path(known.image_id)
            await tools.stand_on(root, base, known.image_format)
        await self.guests.remember(guest, **msgspec.structs.asdict(known))
        await asyncio.to_thread(self.forget, guest.record.server_id, generation)

    def _said(self, server_id: str) -> _Said | None:
        """What has arrived whole of a server, and for which generation; None: nothing."""
        try:
            raw = (self.folder / server_id / "facts.json").read_bytes()
        except FileNotFoundError:
            return None
        found: _Said = msgspec.json.decode(raw, type=_Said)
        return found

    def _move(self, guest: Guest, folder: Path) -> None:
        files = self.guests.records.files(guest.record.server_id)
        uid, gid = guest.record.uid, self.guests.settings.qemu_gid
        for path in folder.iterdir():
            if path.name == "facts.json":
                continue
            target = files / path.name.replace("+", "/")
            if target.parent != files:
                target.parent.mkdir(mode=0o700, exist_ok=True)
                _own(target.parent, uid, gid)
            _own(path, uid, gid)
            path.rename(target)
            settle(target.parent)


def _own(path: Path, uid: int | None, gid: int | None) -> None:
    if uid is not None:
        os.chown(path, uid, -1 if gid is None else gid)


def _write_with_holes(file: int, data: bytes, at: int) -> None:
    """Write, but leave out what is nothing: a disk takes no more room here than it did there."""
    for start in range(0, len(data), ZEROS):
        part = data[start : start + ZEROS]
        if part.count(0) == len(part):
            continue
        view, offset = memoryview(part), at + start
        while view:
            written = os.pwrite(file, view, offset)
            view, offset = view[written:], offset + written
