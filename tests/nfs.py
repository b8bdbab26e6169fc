"""An NFSv4.1 client of few words, for tests: the kernel here may have none, and libnfs speaks 4.0 only.

It mounts nothing: it opens, reads, writes, locks and removes files in an export's top folder.

Source: RFC 8881 (NFSv4.1), RFC 5531 (RPC), RFC 4506 (XDR).
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from typing import Any

ACCES, NOSPC, ROFS, DQUOT, STALE, DENIED, GRACE = 13, 28, 30, 69, 70, 10010, 10013
READ, WRITE = 1, 2
PIECE = 256 << 10


class NFSError(Exception):
    """The server's status of an operation."""

    def __init__(self, status: int, operation: int) -> None:
        super().__init__(f"operation {operation}: status {status}")
        self.status = status


def u32(value: int) -> bytes:
    return struct.pack(">I", value)


def u64(value: int) -> bytes:
    return struct.pack(">Q", value)


def opaque(value: bytes) -> bytes:
    return u32(len(value)) + value + bytes(-len(value) % 4)


class Answer:
    """What is left to be read of one."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def u32(self) -> int:
        return int(struct.unpack(">I", self.raw(4))[0])

    def u64(self) -> int:
        return int(struct.unpack(">Q", self.raw(8))[0])

    def raw(self, count: int) -> bytes:
        found = self._data[self._at : self._at + count]
        assert len(found) == count, "the answer is too short"
        self._at += count
        return found

    def opaque(self) -> bytes:
        size = self.u32()
        found = self.raw(size)
        self.raw(-size % 4)
        return found


Reader = Callable[[Answer], Any]
Operation = tuple[int, bytes, Reader]


def nothing(_answer: Answer) -> None:
    return None


def _attributes(answer: Answer) -> bytes:
    for _ in range(answer.u32()):
        answer.u32()
    return answer.opaque()


def _entries(answer: Answer) -> list[str]:
    answer.raw(8)
    found = []
    while answer.u32():
        answer.u64()
        found.append(answer.opaque().decode())
        _attributes(answer)
    return found


def _locked(answer: Answer) -> bytes:
    return answer.raw(16)


def _opened(answer: Answer) -> bytes:
    stateid = answer.raw(16)
    answer.raw(4 + 8 + 8 + 4)
    for _ in range(answer.u32()):
        answer.u32()
    kind = answer.u32()  # of a delegation; we ask for none
    if kind == 3 and answer.u32() in (1, 2):
        answer.u32()
    return stateid


class Client:
    """A client with a session; uid: whom it says that it is."""

    def __init__(self, connected: socket.socket, uid: int = 0, owner: bytes = b"") -> None:
        self._socket, self._uid = connected, uid
        connected.settimeout(20)
        self._number = 0
        self.owner = owner or os.urandom(8)
        self.verifier = os.urandom(8)
        self._sequence = 0
        self._session = b""
        self._cred = struct.pack(">I", 1) + opaque(u32(0) + opaque(b"test") + u32(uid) * 2 + u32(0))
        self._begin()

    def close(self) -> None:
        self._socket.close()

    def reconnect(self, connected: socket.socket) -> None:
        """The same client again, after the server was started anew."""
        self._socket.close()
        self._socket = connected
        connected.settimeout(20)
        self._begin(claim=True)

    # ---- calls

    def _begin(self, *, claim: bool = False) -> None:
        ask = self.verifier + opaque(self.owner) + u32(0) + u32(0) + u32(0)
        clientid, sequence = self._compound((42, ask, lambda a: (a.u64(), a.u32())))[0]
        channel = struct.pack(">7I", 0, 1 << 20, 1 << 20, 4096, 16, 1, 0)
        small = struct.pack(">7I", 0, 4096, 4096, 4096, 2, 1, 0)
        ask = u64(clientid) + u32(sequence) + u32(0) + channel + small + u32(0x40000000)
        ask += u32(1) + u32(0)
        self._session = self._compound((43, ask, lambda a: a.raw(16)))[0]
        self._sequence = 0
        self.clientid = clientid
        if not claim:
            self.claimed()

    def claimed(self) -> None:
        """It takes nothing back any more."""
        self.call((58, u32(0), nothing))

    def call(self, *operations: Operation) -> list[Any]:
        """What the operations give. Raises NFSError of the first that fails."""
        self._sequence += 1
        ask = self._session + u32(self._sequence) + u32(0) + u32(0) + u32(0)
        return self._compound((53, ask, lambda a: a.raw(36)), *operations)[1:]

    def _compound(self, *operations: Operation) -> list[Any]:
        self._number += 1
        body = opaque(b"") + u32(1) + u32(len(operations))
        body += b"".join(u32(number) + ask for number, ask, _ in operations)
        head = struct.pack(">6I", self._number, 0, 2, 100003, 4, 1) + self._cred + u32(0) * 2
        self._socket.sendall(u32(0x80000000 | len(head + body)) + head + body)
        answer = Answer(self._received())
        assert answer.u32() == self._number and answer.u32() == 1
        if answer.u32():
            raise NFSError(-1, 0)
        answer.u32()
        answer.opaque()
        if answer.u32():
            raise NFSError(-2, 0)
        answer.u32()
        answer.opaque()
        found: list[Any] = []
        for _ in range(answer.u32()):
            number, status = answer.u32(), answer.u32()
            if status:
                raise NFSError(status, number)
            read = operations[len(found)][2]
            found.append(read(answer))
        return found

    def _received(self) -> bytes:
        found = b""
        while True:
            size = struct.unpack(">I", self._exactly(4))[0]
            found += self._exactly(size & 0x7FFFFFFF)
            if size & 0x80000000:
                return found

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            more = self._socket.recv(count - len(found))
            if not more:
                raise ConnectionError("the server hung up")
            found += more
        return found

    # ---- files

    def look_up(self, *names: str) -> bytes:
        """The handle of what is there."""
        steps = [(15, opaque(name.encode()), nothing) for name in names]
        found = self.call((24, b"", nothing), *steps, (10, b"", lambda a: a.opaque()))
        return bytes(found[-1])

    def names(self, handle: bytes) -> list[str]:
        ask = u64(0) + bytes(8) + u32(4096) + u32(65536) + u32(0)
        return list(self.call(at(handle), (26, ask, _entries))[-1])

    def open(
        self, folder: bytes, name: str, access: int, *, create: bool = False
    ) -> tuple[bytes, bytes]:
        """A file's handle, and the state of its being open."""
        how = u32(0)
        if create:  # UNCHECKED, with the attribute `mode`
            how = u32(1) + u32(0) + u32(2) + u32(0) + u32(1 << 1) + opaque(u32(0o666))
        ask = u32(0) + u32(access | 0x400) + u32(0) + u64(self.clientid) + opaque(b"o")
        ask += how + u32(0) + opaque(name.encode())
        done = self.call(at(folder), (18, ask, _opened), (10, b"", lambda a: a.opaque()))
        return done[2], done[1]

    def reclaim(self, handle: bytes, access: int) -> bytes:
        """What was open before the server was started anew is open again."""
        ask = u32(0) + u32(access) + u32(0) + u64(self.clientid) + opaque(b"o")
        ask += u32(0) + u32(1) + u32(0)
        return bytes(self.call(at(handle), (18, ask, _opened))[1])

    def write(self, file: tuple[bytes, bytes], data: bytes, at_byte: int = 0) -> None:
        """It is on the disk."""
        for start in range(0, len(data), PIECE):
            ask = file[1] + u64(at_byte + start) + u32(2) + opaque(data[start : start + PIECE])
            self.call(at(file[0]), (38, ask, lambda a: a.raw(16)))

    def read(self, file: tuple[bytes, bytes], count: int, at_byte: int = 0) -> bytes:
        ask = file[1] + u64(at_byte) + u32(count)
        return bytes(self.call(at(file[0]), (25, ask, lambda a: (a.u32(), a.opaque())[1]))[1])

    def close_file(self, file: tuple[bytes, bytes]) -> None:
        self.call(at(file[0]), (4, u32(0) + file[1], lambda a: a.raw(16)))

    def lock(self, file: tuple[bytes, bytes], *, reclaim: bool = False) -> bytes:
        """A lock for writing, of the whole file."""
        ask = u32(2) + u32(int(reclaim)) + u64(0) + u64(2**64 - 1)
        ask += u32(1) + u32(0) + file[1] + u32(0) + u64(self.clientid) + opaque(b"l")
        return bytes(self.call(at(file[0]), (12, ask, _locked))[1])

    def remove(self, folder: bytes, name: str) -> None:
        self.call(at(folder), (28, opaque(name.encode()), lambda a: a.raw(20)))

    def space(self, handle: bytes) -> tuple[int, int]:
        """Bytes of its file system, and how many of them are free."""
        mask = u32(2) + u32(0) + u32(1 << (42 - 32) | 1 << (44 - 32))
        free, total = struct.unpack(">QQ", self.call(at(handle), (9, mask, _attributes))[1])
        return total, free

    # ---- at once

    def put(self, share: str, name: str, data: bytes) -> None:
        """A file with this content is in an export."""
        file = self.open(self.look_up(share), name, READ | WRITE, create=True)
        try:
            self.write(file, data)
        finally:
            self.close_file(file)

    def get(self, share: str, name: str) -> bytes:
        file = self.open(self.look_up(share), name, READ)
        try:
            return self.read(file, PIECE)
        finally:
            self.close_file(file)


def at(handle: bytes) -> Operation:
    return 22, opaque(handle), nothing
