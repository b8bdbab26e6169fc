"""Bytes over HTTP, from and to control: for hosts that do not see its folders.

A transfer that breaks goes on where it was, as long as tries bring something; one that stalls, or comes too slowly, is
broken off by us. Everything here blocks and runs in threads.
"""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import logging
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from hanok.base.authority import TLSFolder, client_context
from hanok.commands import ByteChannel, HandOverSnapshot, SnapshotState
from hanok.commands.wire import HASH_HEADER, HOST_HEADER, OFFSET_HEADER, WHOLE_HEADER
from hanok.node.errors import NotDone

log = logging.getLogger(__name__)

PIECE = 1 << 20
SILENT_S = 30.0  # without a byte
ANSWER_S = 3600.0  # for the answer to a whole copy: it is hashed and brought to the disk first
SLOW_AFTER_S, LEAST_RATE = (
    60.0,
    5000,
)  # bytes a second on average, as control asks of whoever sends to it
TRIES = 5  # in a row that brought nothing
PAUSE_S = 0.2  # and twice as long each further time
MAXIMUM_S = 3 * 3600.0  # for all of it: 1 TiB at 100 MiB/s
AT_ONCE = 2  # hand-overs

Take = Callable[[bytes], None]


class _Broken(Exception):
    """This try came to nothing; another one may not."""


def fetch(source: ByteChannel, host: str, size: int, take: Take) -> None:
    """Read so many bytes, in order, each once.

    Raises:
        NotDone: control refuses, or cannot be reached any more. What was taken is not all.
    """
    at, failed, until = 0, 0, time.monotonic() + MAXIMUM_S
    while at < size:
        before = at
        try:
            for piece in _pieces(source, host, at, size):
                take(piece)
                at += len(piece)
        except (_Broken, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            failed = 1 if at > before else failed + 1
            _again(failed if time.monotonic() < until else TRIES + 1, error)


def _again(failed: int, error: Exception) -> None:
    """Wait before the next try.

    Raises:
        NotDone: there were enough.
    """
    if failed > TRIES:
        raise NotDone(
            "The bytes cannot be moved between control and this host.",
            detail=repr(error),
            transient=True,
        ) from error
    log.info("a transfer broke off and goes on: %r", error)
    time.sleep(PAUSE_S * 2**failed)


def _pieces(source: ByteChannel, host: str, at: int, size: int) -> Iterator[bytes]:
    began, came = time.monotonic(), 0
    with _response("GET", source, host, {"Range": f"bytes={at}-"}) as answer:
        _check(answer, (206,))
        expected = f"bytes {at}-{size - 1}/{size}"
        if answer.getheader("Content-Range") != expected or answer.length != size - at:
            raise NotDone(
                "The data that control sent differs from its checksum.",
                detail=f"{answer.getheader('Content-Range')}, not {expected}",
            )
        while piece := answer.read1(PIECE):
            came += len(piece)
            _check_rate(began, came)
            yield piece
    if came != size - at:
        raise _Broken("the connection ended early")


def _check_rate(began: float, moved: int) -> None:
    past = time.monotonic() - began
    if past > SLOW_AFTER_S and moved < past * LEAST_RATE:
        raise _Broken("the bytes come too slowly")


@contextmanager
def _response(
    method: str, channel: ByteChannel, host: str, headers: dict[str, str]
) -> Iterator[http.client.HTTPResponse]:
    """An answer, read while the block runs."""
    connection = _connection(channel)
    try:
        _head(connection, method, channel, host, headers)
        connection.endheaders()
        yield connection.getresponse()
    finally:
        connection.close()


def _connection(channel: ByteChannel) -> http.client.HTTPConnection:
    url = urlsplit(channel.url)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise NotDone("Control's address for bytes is not one.", detail=channel.url)
    if url.scheme == "http":
        return http.client.HTTPConnection(url.hostname, url.port, timeout=SILENT_S)
    return http.client.HTTPSConnection(url.hostname, url.port, timeout=SILENT_S, context=_context())


_certificates: list[TLSFolder] = []


def show(tls: TLSFolder) -> None:
    """Have this process show a host's certificate to control from now on."""
    _certificates[:] = [tls]


def _context() -> ssl.SSLContext:
    """Read anew for each connection: certificates change while the process runs."""
    if not _certificates:
        raise NotDone("This host has no certificate to show to control.")
    return client_context(_certificates[0])


def _head(
    connection: http.client.HTTPConnection,
    method: str,
    channel: ByteChannel,
    host: str,
    headers: dict[str, str],
) -> None:
    connection.putrequest(method, urlsplit(channel.url).path, skip_accept_encoding=True)
    ours = {"Authorization": f"Bearer {channel.ticket}", HOST_HEADER: host, "Connection": "close"}
    for name, value in {**ours, **headers}.items():
        connection.putheader(name, value)


def _check(answer: http.client.HTTPResponse, requested: tuple[int, ...]) -> None:
    if answer.status in requested:
        return
    why = answer.read(500).decode(errors="replace").strip()
    detail = f"{answer.status} {why}"
    if answer.status >= 500 or answer.status in (409, 429):
        raise _Broken(detail)
    raise NotDone("Control refused to move the bytes.", detail=detail, transient=True)


# ---- copies of disks ----


@dataclass
class _Sending:
    """A copy on its way. progress: bytes that control has."""

    target: ByteChannel
    stop: threading.Event = field(default_factory=threading.Event)
    progress: int = 0


def send(path: Path, host: str, sending: _Sending) -> None:
    """Give a file to control, from where it has it.

    Raises:
        NotDone: control refuses, or cannot be reached any more.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise NotDone("The copy of the server's disk is gone.", detail=str(path)) from None
    try:
        size, digest = os.fstat(file).st_size, _hash(file, sending)
        failed, until = 0, time.monotonic() + MAXIMUM_S
        while True:
            before = sending.progress
            try:
                if _sent(file, size, digest, host, sending):
                    return
            except (_Broken, http.client.HTTPException, TimeoutError, ConnectionError) as error:
                failed = 1 if sending.progress > before else failed + 1
                _again(failed if time.monotonic() < until else TRIES + 1, error)
    finally:
        os.close(file)


def _hash(file: int, sending: _Sending) -> str:
    digest, at = hashlib.sha256(), 0
    while piece := os.pread(file, PIECE, at):
        _check_stop(sending)
        digest.update(piece)
        at += len(piece)
    return digest.hexdigest()


def _check_stop(sending: _Sending) -> None:
    if sending.stop.is_set():
        raise NotDone("The transfer was given up.")


def _sent(file: int, size: int, digest: str, host: str, sending: _Sending) -> bool:
    """Send what control does not have; returns whether it has all now."""
    target = sending.target
    with _response("HEAD", target, host, {}) as answer:
        _check(answer, (200,))
        at = int(answer.getheader(OFFSET_HEADER, "0"))
        if answer.getheader(WHOLE_HEADER):
            sending.progress = size
            return True
    if at >= size:
        at = 0  # it was not what it should be, or was not finished: once more
    headers = {
        "Content-Range": f"bytes {at}-{size - 1}/{size}",
        "Content-Length": str(size - at),
        "Content-Type": "application/octet-stream",
        HASH_HEADER: digest,
    }
    connection = _connection(target)
    try:
        _head(connection, "PUT", target, host, headers)
        connection.endheaders()
        began, first = time.monotonic(), at
        try:
            while piece := os.pread(file, PIECE, at):
                _check_stop(sending)
                connection.send(piece)
                at += len(piece)
                sending.progress = at
                _check_rate(began, at - first)
        except BrokenPipeError:
            pass  # it has answered already, and says why
        if connection.sock is not None:
            connection.sock.settimeout(ANSWER_S)
        answer = connection.getresponse()
        if answer.status == 422:
            raise _Broken("control found another hash")
        _check(answer, (201,))
        return True
    finally:
        connection.close()


class HandOvers:
    """The hand-overs of this process."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="hand-over")
        self._under_way: dict[str, tuple[_Sending, asyncio.Future[None]]] = {}

    async def ensure(self, host: str, requested: HandOverSnapshot, path: Path) -> SnapshotState:
        """Begin to give a copy to control, or wait a while for that.

        Raises:
            NotDone: it broke; asked again, it goes on.
        """
        name = requested.snapshot_id
        if name not in self._under_way:
            begun = _Sending(requested.target)
            loop = asyncio.get_running_loop()
            future = loop.run_in_executor(self._threads, send, path, host, begun)
            self._under_way[name] = begun, future
        sending, future = self._under_way[name]
        sending.target = requested.target  # its ticket is good for longer
        await asyncio.wait([future], timeout=requested.wait_s)
        done = future.done()
        if done:
            self._under_way.pop(name, None)
            future.result()
        return SnapshotState(snapshot_id=name, done=done, copied=sending.progress)

    async def end(self, name: str) -> None:
        """Give up the hand-over of this copy, if one is under way."""
        if (under_way := self._under_way.pop(name, None)) is not None:
            sending, future = under_way
            sending.stop.set()
            await asyncio.wait([future], timeout=SILENT_S)
            if future.done():
                future.exception()  # it is known that it ended

    def close(self) -> None:
        for sending, _ in self._under_way.values():
            sending.stop.set()
        self._threads.shutdown(wait=False, cancel_futures=True)
