"""The process between hosts: guests reach volumes of other hosts through it, and other hosts the volumes of this one.

    guest's QEMU → unix socket of one attachment → relay ══ TCP, NBD with TLS ══ relay → unix socket → storage daemon
                          (its own host)                                     (the volume's host)

Both sides show certificates of the cloud's authority, which say of which host they are. A host reaches the exports
that are open for it and no others, whatever it asks for: the options of NBD are followed until they have named one. No
guest's process has the host's key, and none speaks to the network. Connections are copied as bytes from then on.

What there is to be is in files of its folder, written by the node, so that it can die and return:

    allow/<export>          the hosts that may have it, a line each
    reach/<export>          JSON: the address, port and name of the host that has it
    <export's hex digits>   the sockets that it makes
    ctl                     "look": read the files again; answers with what it goes by.
                            "take": certificates, as JSON in the next line, from now on (it cannot read them itself)

    python -m hanok.drivers.volumes.relay FOLDER <what "look" answers> <settings, as JSON>
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import ssl
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import uvloop
from msgspec import Struct

from hanok.base.errors import HanokError
from hanok.base.ids import is_uuid
from hanok.drivers.volumes import negotiation
from hanok.drivers.volumes.negotiation import NotAgreed, Streams

log = logging.getLogger(__name__)

NEGOTIATION_S = 20.0
BUFFER = 512 << 10
MAXIMUM_STRANGERS = 64  # connections that have not shown yet what they may have
MAXIMUM_FROM_AN_ADDRESS = 16  # of these
MAXIMUM_OF_A_HOST = 1024
MAXIMUM_OF_AN_EXPORT = 8
BACKLOG = 128
TOLD_BYTES = 1 << 20
# Whether the other machine is there still: asked after so many seconds of silence, so often, so many times.
ALIVE = ((socket.TCP_KEEPIDLE, 15), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3))
HOST = "@host.hanok"  # how certificates of hosts name them, as mail addresses


class Far(Struct, frozen=True, kw_only=True):
    """Where an export is: a host's address and port, and its name in its certificate."""

    host: str
    port: int
    name: str


class Settings(Struct, frozen=True, kw_only=True):
    """daemon: the socket of this host's exports. address, port: where it listens to other hosts.

    tls: the folder with ca-cert.pem, server-cert.pem, server-key.pem and, where there is one, ca-crl.pem.
    """

    daemon: str
    tls: str
    address: str
    port: int
    uid: int | None = None
    gid: int | None = None


def socket_of(folder: Path, export: str) -> Path:
    """Where guests reach an export of another host."""
    return folder / export.replace("-", "")


class Material(Struct, frozen=True, kw_only=True):
    """Certificates that were made anew, as PEM. started: what "look" answers from now on. revoked: numbers."""

    started: str
    authority: str
    certificate: str
    key: str
    listed: str = ""
    revoked: tuple[int, ...] = ()

    def __repr__(self) -> str:
        return "Material(…)"


def host_of(certificate: object) -> str:
    """The host that a peer's certificate is of; "" for none."""
    names = certificate.get("subjectAltName", ()) if isinstance(certificate, dict) else ()
    for kind, value in names:
        if kind == "email" and value.endswith(HOST):
            return str(value.removesuffix(HOST))
    return ""


def contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS of both sides: what we are to others, and what we ask of them."""
    listed = folder / "ca-crl.pem"
    return _contexts(
        folder / "ca-cert.pem",
        listed if listed.exists() else None,
        folder / "server-cert.pem",
        folder / "server-key.pem",
    )


def contexts_of(material: Material) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The same of what is in memory, which the library only takes as files."""
    with contextlib.ExitStack() as opened:

        def file(text: str) -> Path:
            handle = os.memfd_create("tls", os.MFD_CLOEXEC)
            opened.callback(os.close, handle)
            os.write(handle, text.encode())
            return Path(f"/proc/self/fd/{handle}")

        return _contexts(
            file(material.authority),
            file(material.listed) if material.listed else None,
            file(material.certificate),
            file(material.key),
        )


def _contexts(
    authority: Path, listed: Path | None, certificate: Path, key: Path
) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    found = []
    for kind in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT):
        context = ssl.SSLContext(kind)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False  # names of hosts are looked at by us
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority)
        if listed is not None:
            context.load_verify_locations(listed)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        context.load_cert_chain(certificate, key)
        found.append(context)
    return found[0], found[1]


Serve = Callable[[socket.socket, Callable[[], None]], Awaitable[None]]


class Relay:
    """started: what its control socket answers."""

    def __init__(self, folder: Path, settings: Settings, started: str) -> None:
        self._folder, self._settings, self._started = folder, settings, started
        self._as_server, self._as_client = contexts(Path(settings.tls))
        self._doors: dict[str, tuple[Far, asyncio.Task[None]]] = {}
        self._open: dict[asyncio.Task[None], tuple[str, str]] = {}  # export, and of which host
        self._shown: dict[
            asyncio.Task[None], int
        ] = {}  # the number of the certificate that was shown
        self._strangers: Counter[str] = Counter()  # by their address
        self._tasks: asyncio.TaskGroup

    async def run(self, control: socket.socket, others: socket.socket) -> None:
        """Until cancelled. others: listens to other hosts."""
        async with asyncio.TaskGroup() as self._tasks:
            self._look()
            strangers = asyncio.Semaphore(MAXIMUM_STRANGERS)
            self._tasks.create_task(self._accept(others, self._from_far, strangers))
            await self._accept(control, self._told, asyncio.Semaphore(1))

    async def _accept(
        self, listener: socket.socket, serve: Serve, strangers: asyncio.Semaphore
    ) -> None:
        """strangers: how many more connections there may be that have not said yet what they are for."""
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        with listener:
            while True:
                await strangers.acquire()
                try:
                    accepted, _ = await loop.sock_accept(listener)
                except OSError as error:  # too many files, say: those that are there go on
                    log.error("no connection is taken: %r", error)
                    strangers.release()
                    await asyncio.sleep(0.2)
                    continue
                accepted.setblocking(False)
                self._tasks.create_task(self._served(accepted, serve, strangers))

    async def _served(
        self, accepted: socket.socket, serve: Serve, strangers: asyncio.Semaphore
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        left = contextlib.ExitStack()
        left.callback(strangers.release)
        try:
            with left, accepted:
                await serve(accepted, left.close)
        except (HanokError, OSError, EOFError, TimeoutError, ValueError) as error:
            log.info("a connection ended: %r", error)
        finally:
            self._open.pop(task, None)
            self._shown.pop(task, None)

    # ---- what there is to be

    async def _told(self, accepted: socket.socket, _known: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(NEGOTIATION_S):
            said = b""
            while not said.endswith(b"\n") or said == b"take\n":
                if not (piece := await loop.sock_recv(accepted, BUFFER)) or len(said) > TOLD_BYTES:
                    return
                said += piece
            if said.startswith(b"take\n"):
                self._take(msgspec.json.decode(said.removeprefix(b"take\n"), type=Material))
            self._look()
            await loop.sock_sendall(accepted, self._started.encode() + b"\n")

    def _take(self, material: Material) -> None:
        """Connections go on, but for those of whom nobody believes any more."""
        self._as_server, self._as_client = contexts_of(material)
        self._started = material.started
        for task, number in list(self._shown.items()):
            if number in material.revoked:
                task.cancel()

    def _look(self) -> None:
        """Doors and connections are those that the files say."""
        paths = [path for path in (self._folder / "reach").iterdir() if is_uuid(path.name)]
        requested = {path.name: far for path in paths if (far := _far(path)) is not None}
        for name, (far, task) in list(self._doors.items()):
            if requested.get(name) != far or task.done():
                task.cancel()
                del self._doors[name]
                socket_of(self._folder, name).unlink(missing_ok=True)
        for name, far in requested.items():
            if name not in self._doors:
                listener = self._listener(socket_of(self._folder, name))
                door = self._tasks.create_task(self._door(listener, name, far))
                self._doors[name] = far, door
        for task, (export, host) in list(self._open.items()):
            if host not in self._allowed(export) if host else export not in requested:
                task.cancel()

    def _allowed(self, export: str) -> list[str]:
        """The hosts that may have an export of this one."""
        if not is_uuid(export):
            return []
        try:
            return (self._folder / "allow" / export).read_text().split()
        except OSError:
            return []

    # ---- from other hosts to this one's volumes

    async def _from_far(self, plain: socket.socket, known: Callable[[], None]) -> None:
        _prepare(plain)
        async with contextlib.AsyncExitStack() as opened:
            async with asyncio.timeout(NEGOTIATION_S), self._a_stranger(plain):
                await negotiation.demand_tls(plain)
                client = await opened.enter_async_context(_accepted(plain, self._as_server))
                host = self._host(client)
                if (
                    not host
                    or sum(one == host for _, one in self._open.values()) >= MAXIMUM_OF_A_HOST
                ):
                    raise NotAgreed("the certificate is of no host, or it has too many connections")
                daemon = await opened.enter_async_context(_to_socket(Path(self._settings.daemon)))
                await negotiation.introduce(*daemon)
                export = await negotiation.agree(
                    client, daemon, lambda name: host in self._allowed(name)
                )
            known()
            await self._copy(export, host, client, daemon)

    def _host(self, streams: Streams) -> str:
        """The host that the other side has shown that it is; "" for none."""
        shown = streams[1].get_extra_info("peercert") or {}
        if (task := asyncio.current_task()) is not None:
            self._shown[task] = int(str(shown.get("serialNumber", "0")), 16)
        return host_of(shown)

    @contextlib.asynccontextmanager
    async def _a_stranger(self, plain: socket.socket) -> AsyncIterator[None]:
        """Raises NotAgreed where one machine has too many idle connections."""
        address = str(plain.getpeername()[0])
        if self._strangers[address] >= MAXIMUM_FROM_AN_ADDRESS:
            raise NotAgreed(f"{address} has too many idle connections")
        self._strangers[address] += 1
        try:
            yield
        finally:
            self._strangers[address] -= 1
            if not self._strangers[address]:
                del self._strangers[address]

    # ---- from guests of this host to others'

    @staticmethod
    def _listener(path: Path) -> socket.socket:
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(path))
        path.chmod(0o660)
        listener.listen(4)
        return listener

    async def _door(self, listener: socket.socket, export: str, far: Far) -> None:
        more = asyncio.Semaphore(MAXIMUM_OF_AN_EXPORT)
        await self._accept(listener, lambda one, _: self._to_far(one, export, far), more)

    async def _to_far(self, plain: socket.socket, export: str, far: Far) -> None:
        async with contextlib.AsyncExitStack() as opened:
            async with asyncio.timeout(NEGOTIATION_S):
                guest = await opened.enter_async_context(_accepted(plain, None))
                server = await opened.enter_async_context(self._connected(far))
                await negotiation.greet(*guest)
            await self._copy(export, "", guest, server)

    @contextlib.asynccontextmanager
    async def _connected(self, far: Far) -> AsyncIterator[Streams]:
        """A connection to another host, which has shown that it is that one."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(far.host, far.port, type=socket.SOCK_STREAM)
        family, kind, _, _, address = found[0]
        with socket.socket(family, kind) as plain:
            plain.setblocking(False)
            _prepare(plain)
            await loop.sock_connect(plain, address)
            await negotiation.ask_for_tls(plain)
            reader, writer = await asyncio.open_connection(
                sock=plain, ssl=self._as_client, server_hostname="", limit=BUFFER
            )
            async with _closing(writer):
                shown = self._host((reader, writer))
                if shown != far.name:
                    raise NotAgreed(f"the server is {shown or 'no host'}, not {far.name}")
                yield reader, writer

    # ---- bytes

    async def _copy(self, export: str, host: str, one: Streams, other: Streams) -> None:
        """Both ways, until one of them ends."""
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = export, host
        if host and host not in self._allowed(export):  # it was closed meanwhile
            raise NotAgreed("the export is closed")
        ways = [
            asyncio.ensure_future(_pump(one[0], other[1])),
            asyncio.ensure_future(_pump(other[0], one[1])),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)


def _prepare(plain: socket.socket) -> None:
    """A connection between hosts: nothing waits for more to send, and one whose other end is gone ends."""
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ALIVE:
        plain.setsockopt(socket.IPPROTO_TCP, option, value)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(BUFFER):
        writer.write(piece)
        await writer.drain()


@contextlib.asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        writer.transport.abort()


@contextlib.asynccontextmanager
async def _accepted(plain: socket.socket, context: ssl.SSLContext | None) -> AsyncIterator[Streams]:
    """An accepted connection as streams, with TLS as its server where there is a context."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=BUFFER, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, plain, ssl=context)
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
    async with _closing(writer):
        yield reader, writer


@contextlib.asynccontextmanager
async def _to_socket(path: Path) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_unix_connection(str(path), limit=BUFFER)
    async with _closing(writer):
        yield reader, writer


def _far(path: Path) -> Far | None:
    try:
        found = json.loads(path.read_bytes())
        return Far(host=found["host"], port=found["port"], name=found["name"])
    except (OSError, ValueError, KeyError):
        return None


# ---- the process


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((settings.address, settings.port))
    listener.listen(BACKLOG)
    return listener


def _control(folder: Path) -> socket.socket:
    """Only we may connect, or who started us."""
    path = folder / "ctl"
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    os.umask(0o177)
    listener.bind(str(path))
    os.umask(0o007)
    listener.listen(4)
    return listener


def _without_rights(settings: Settings) -> None:
    """From here on we are nobody. The key is in memory, where nobody but root can look."""
    if settings.uid is not None:
        gid = settings.uid if settings.gid is None else settings.gid
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(settings.uid, settings.uid, settings.uid)


async def _main(folder: Path, settings: Settings, started: str) -> None:
    others = _listen(settings)
    relay = Relay(folder, settings, started)
    _without_rights(settings)
    await relay.run(_control(folder), others)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    folder, started, given = sys.argv[1:4]
    settings = Settings(**json.loads(given))
    uvloop.run(_main(Path(folder), settings, started))


if __name__ == "__main__":
    main()
