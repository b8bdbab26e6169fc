"""The addresses 169.254.169.254 and fe80::a9fe:a9fe: what a guest may read about itself.

Who asks is decided by where the question came in (the socket of one network) and the source address, which the switch
does not let a guest choose. Headers are read to find their end and are thrown away. Control answers with every
file the guest may read; directories are listed here.

Source: OpenStack's "Metadata service"; EC2's "Instance metadata categories" (listings: a name a line, directories below
meta-data with a slash).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import urllib.parse
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from hanok.base.clock import Clock
from hanok.base.recent import Recent
from hanok.bus import Bus, NobodyThere
from hanok.commands import MetadataDocument, MetadataQuestion, wire
from hanok.node.chassis import Chassis

log = logging.getLogger(__name__)

CACHE_S = 2.0  # a guest asks for a dozen files in a row as it starts
ASK_S = 5.0
REQUEST_S = 5.0
REQUEST_BYTES = 8192
MAX_CONNECTIONS = 64  # a network
EACH_GUEST = 8  # of these at most: a guest that starts asks for one file after the other
MAX_CACHED = 4096
PASSWORD_BYTES = 1020  # upstream's four pieces of 255
_PASSWORD = re.compile(r"/+openstack/+[^/]+/+password/*")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*\r\n", re.IGNORECASE)
_PRINTABLE = re.compile(rb"[\x20-\x7e\r\n\t]+")


@dataclass
class MetadataServer:
    """Serves the networks it is told to."""

    bus: Bus
    chassis: Chassis
    clock: Clock
    host: str
    _servers: dict[str, list[asyncio.Server]] = field(default_factory=dict)
    _cached: Recent[tuple[str, str], tuple[float, MetadataDocument]] = field(
        default_factory=lambda: Recent(MAX_CACHED)
    )
    _connections: dict[str, dict[asyncio.Task[None], str]] = field(default_factory=dict)

    async def serve(self, network_id: str, requested: bool) -> None:
        """Listen on a network, or no longer."""
        if not requested:
            await self._stop(network_id)
        elif network_id not in self._servers:
            listeners = await self.chassis.metadata_sockets(network_id)

            async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await self._connected(network_id, reader, writer)

            self._servers[network_id] = [
                await asyncio.start_server(connected, sock=one, limit=REQUEST_BYTES)
                for one in listeners
            ]

    async def close(self) -> None:
        for network_id in list(self._servers):
            await self._stop(network_id)

    async def _stop(self, network_id: str) -> None:
        if (servers := self._servers.pop(network_id, None)) is None:
            return
        for server in servers:
            server.close()
        tasks = self._connections.pop(network_id, {})
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for server in servers:
            await server.wait_closed()

    async def _connected(
        self, network_id: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        # One of the link comes with the name of the link.
        address = str((writer.get_extra_info("peername") or ("",))[0]).partition("%")[0]
        if not self._admitted(network_id, address):
            writer.close()
            return
        open_now = self._connections.setdefault(network_id, {})
        open_now[task] = address
        try:
            async with asyncio.timeout(REQUEST_S + ASK_S):
                writer.write(await self._answer(network_id, address, reader))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # it hung up, or is too slow to be served
        finally:
            open_now.pop(task, None)
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(1.0):
                    await writer.wait_closed()

    def _admitted(self, network_id: str, address: str) -> bool:
        """Whether there is room for one more connection of this guest.

        When a network's are all taken, the guest that holds the most gives up its oldest for one that holds fewer.
        """
        open_now = self._connections.get(network_id, {})
        held = Counter(open_now.values())
        if held[address] >= EACH_GUEST:
            return False
        if len(open_now) < MAX_CONNECTIONS:
            return True
        greediest, maximum = held.most_common(1)[0]
        if held[address] + 1 >= maximum:
            return False
        oldest = next(task for task, whose in open_now.items() if whose == greediest)
        del open_now[oldest]
        oldest.cancel()
        return True

    async def _answer(self, network_id: str, address: str, reader: asyncio.StreamReader) -> bytes:
        try:
            async with asyncio.timeout(REQUEST_S):
                head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return response(431, b"")
        words = head.split(b"\r\n", 1)[0].split(b" ")
        path = path_of(words[1]) if len(words) == 3 and words[2].startswith(b"HTTP/1.") else None
        if path is None:
            return response(400, b"")
        try:
            document = await self._document(network_id, address)
            found = look_up(document.files, path) if document.found else None
            if found is not None and words[0] == b"POST" and is_password(path):
                return await self._leave(network_id, address, head, reader)
        except NobodyThere as error:
            log.warning("metadata for %s on network %s: %s", address, network_id, error)
            return response(503, b"")
        if found is None:  # whatever the method: who asks for a token of EC2's goes on without
            return response(404, b"")
        if words[0] not in (b"GET", b"HEAD"):
            return response(405, b"")
        return response(200, found, json=path.endswith(".json"), bodiless=words[0] == b"HEAD")

    async def _leave(
        self, network_id: str, address: str, head: bytes, reader: asyncio.StreamReader
    ) -> bytes:
        """Keep a guest's password for its owner: 200, or 409 where there is one."""
        length = body_length(head)
        if length is None or length > PASSWORD_BYTES:
            return response(400, b"")
        async with asyncio.timeout(REQUEST_S):
            body = await reader.readexactly(length)
        if not _PRINTABLE.fullmatch(body):
            return response(400, b"")
        question = MetadataQuestion(
            network_id=network_id, address=address, password=body.decode("ascii")
        )
        document = await self._ask(question)
        self._cached.forget((network_id, address))
        if not document.found:
            return response(404, b"")
        return response(200 if document.left else 409, b"")

    async def _document(self, network_id: str, address: str) -> MetadataDocument:
        now = self.clock.monotonic_s()
        if (known := self._cached.get((network_id, address))) is not None and known[0] > now:
            return known[1]
        document = await self._ask(MetadataQuestion(network_id=network_id, address=address))
        if document.found:
            self._cached.put((network_id, address), (now + CACHE_S, document))
        return document

    async def _ask(self, question: MetadataQuestion) -> MetadataDocument:
        subject = wire.from_host(wire.METADATA, self.host)
        answer = await self.bus.ask(subject, wire.encode(question), timeout_s=ASK_S)
        return wire.decode_document(answer)


def path_of(target: bytes) -> str | None:
    """The path of a request line's target, a path or a whole URL; None where it is neither.

    A path may begin with two slashes, as clients write that put a URL and a path together.
    """
    text = target.decode("latin-1")
    if not text.startswith("/"):
        try:
            text = urllib.parse.urlsplit(text).path or "/"
        except ValueError:
            return None
    path = urllib.parse.unquote(text.partition("?")[0].partition("#")[0])
    return path if path.startswith("/") else None


def is_password(path: str) -> bool:
    """Whether a guest may leave its password here."""
    return _PASSWORD.fullmatch(path) is not None


def body_length(head: bytes) -> int | None:
    """How long the body of a request says it is; None where it does not say."""
    found = _LENGTH.search(head)
    return None if found is None else int(found[1])


def look_up(files: Mapping[str, bytes], path: str) -> bytes | None:
    """A file's content, or a directory's listing; None where there is neither.

    EC2's versions stand at the top, and below "ec2" as well. A file may stand at a directory's own path with a slash at
    its end ("latest/meta-data/public-keys/"), where the listing is not just names.
    """
    parts = [part for part in path.split("/") if part]
    if not parts or parts[0] == "ec2":
        parts = parts[1:]
        files = {name: one for name, one in files.items() if not name.startswith("openstack/")}
    name = "/".join(parts)
    if name in files:
        return files[name]
    if name and f"{name}/" in files:
        return files[f"{name}/"]
    prefix = f"{name}/" if name else ""
    entries: dict[str, bool] = {}
    for other in files:
        if other.startswith(prefix) and other != prefix:
            entry, slash, _ = other[len(prefix) :].partition("/")
            entries[entry] = entries.get(entry, False) or bool(slash)
    if not entries:
        return None
    marked = (
        name and parts[0] != "openstack"
    )  # versions, and OpenStack's tree, are listed without slashes
    return "\n".join(
        f"{entry}/" if marked and is_folder else entry
        for entry, is_folder in sorted(entries.items())
    ).encode()


REASONS = {
    200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 409: "Conflict",
    431: "Request Header Fields Too Large", 503: "Service Unavailable",
}  # fmt: skip


def response(status: int, body: bytes, *, json: bool = False, bodiless: bool = False) -> bytes:
    """An HTTP/1.1 answer that ends its connection."""
    if status != 200:
        body = f"{status} {REASONS[status]}\n".encode()
    lines = [
        f"HTTP/1.1 {status} {REASONS[status]}",
        f"Content-Type: {'application/json' if json and status == 200 else 'text/plain; charset=UTF-8'}",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    if status == 503:
        lines.append("Retry-After: 2")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if bodiless else body)
