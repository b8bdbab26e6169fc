"""Flows that the kernel keeps track of in a network namespace, by the mark that rules gave them.

Source: linux/netfilter/nfnetlink.h; linux/netfilter/nfnetlink_conntrack.h (CTA_MARK, CTA_MARK_MASK); netlink(7).
"""

from __future__ import annotations

import socket
import struct
from collections import Counter
from collections.abc import Iterator

_NETLINK_NETFILTER = 12
_GET, _DELETE = 0x101, 0x102  # of the subsystem of flows: IPCTNL_MSG_CT_GET, IPCTNL_MSG_CT_DELETE
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_ERROR, _DONE = 2, 3
_MARK, _MARK_MASK = 8, 21
_HEADER, _FAMILY, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BBH"), struct.Struct("=HH")
_KIND = 0x3FFF  # of an attribute, without its flags
BUFFER = 1 << 16
WAIT_S = 5.0


def opened() -> socket.socket:
    """A socket to the kernel, for the network namespace in which this is called. Raises OSError."""
    made = socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER
    )
    made.settimeout(WAIT_S)
    return made


def marks(kernel: socket.socket) -> Counter[int]:
    """How many flows have each mark. The kernel walks its whole table for an answer, so all are asked for at once.

    Raises:
        OSError
    """
    kernel.send(_message(_GET, _REQUEST | _DUMP, 0, 0))
    return Counter(map(_mark_of, _answers(kernel)))


def _mark_of(flow: bytes) -> int:
    """Of what the kernel says of a flow, nfgenmsg and attributes; where there is no mark, it is 0."""
    at = _FAMILY.size
    while at + 4 <= len(flow):
        length, kind = _ATTRIBUTE.unpack_from(flow, at)
        if kind & _KIND == _MARK:
            (mark,) = struct.unpack_from("!I", flow, at + 4)
            return int(mark)
        at += max((length + 3) & ~3, 4)
    return 0


def forget(kernel: socket.socket, mark: int, mask: int = 0xFFFFFFFF) -> None:
    """Flows with this mark are not known any more: their next packet begins another. Raises OSError."""
    kernel.send(_message(_DELETE, _REQUEST | _ACK, mark, mask))
    for _ in _answers(kernel):
        pass


def _message(kind: int, flags: int, mark: int, mask: int) -> bytes:
    """nlmsghdr, nfgenmsg (any family, version 0), two attributes in network order."""
    body = _FAMILY.pack(socket.AF_UNSPEC, 0, 0)
    body += struct.pack("=HH", 8, _MARK) + struct.pack("!I", mark)
    body += struct.pack("=HH", 8, _MARK_MASK) + struct.pack("!I", mask)
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, 1, 0) + body


def _answers(kernel: socket.socket) -> Iterator[bytes]:
    """What the kernel's messages hold, up to the one that ends an answer."""
    while True:
        told = kernel.recv(BUFFER)
        at = 0
        while at + _HEADER.size <= len(told):
            length, kind, *_ = _HEADER.unpack_from(told, at)
            if kind == _ERROR:
                (number,) = struct.unpack_from("=i", told, at + _HEADER.size)
                if number:
                    raise OSError(-number, "the kernel refuses a question about flows")
                return
            if kind == _DONE:
                return
            yield told[at + _HEADER.size : at + length]
            at += max((length + 3) & ~3, _HEADER.size)
