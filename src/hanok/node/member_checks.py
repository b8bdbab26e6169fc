"""Whether members work, asked by the node itself: what no proxy looks at.

A member counts as well until it has failed `fall` times in a row, and again when it has answered `rise` times; the
first look decides alone, as with the proxy. Sockets are opened in the balancer's namespace.

Source: Load Balancer API v2 guide, "Health Monitors"; icmp(7), "ping_group_range"; RFC 792, RFC 4443 (echo).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

from msgspec import Struct

from hanok.base.addresses import address_of
from hanok.base.clock import Clock
from hanok.base.errors import HanokError
from hanok.commands import BalancerMember, MemberCheck

log = logging.getLogger(__name__)

T = TypeVar("T")
OWN = ("PING", "UDP-CONNECT")  # kinds that the proxy does not know
AT_ONCE, SLOT_S = (
    16,
    0.1,
)  # looks of one balancer, and what each counts for at least: 160 a second, whatever it asks
TICK_S = 0.25
HEAD_BYTES = 4096
_ECHO = {4: (8, 0), 6: (128, 129)}  # request and answer


class Inside(Protocol):
    """Runs a function in a network namespace, in a thread."""

    def __call__(self, function: Callable[[], T], /) -> Awaitable[T]: ...


class Target(Struct, frozen=True):
    """A member and how it is looked at."""

    member: BalancerMember
    check: MemberCheck

    @property
    def address(self) -> str:
        return str(address_of(self.member.check_address or self.member.address))

    @property
    def at(self) -> tuple[str, int]:
        return self.address, self.member.check_port or self.member.port


class _Found(Struct):
    """What is known of a target.

    well: None before the first look; told: what is in force of that. row: answers of one kind that came last.
    """

    due_s: float
    well: bool | None = None
    told: bool | None = None
    row: int = 0
    looking: bool = False


class MemberChecks:
    """Looks at the members of one balancer.

    changed: told after a member was found otherwise than before, until it has done what follows.
    """

    def __init__(
        self, inside: Inside, clock: Clock, changed: Callable[[], Awaitable[None]]
    ) -> None:
        self.inside = inside
        self._clock, self._changed = clock, changed
        self._targets: dict[str, Target] = {}
        self._found: dict[str, _Found] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    def set(self, targets: Mapping[str, Target]) -> None:
        """These are looked at, by id of the member; what is known of one that stays as it was is still known."""
        now = self._clock.monotonic_s()
        self._found = {
            one: self._found[one] if self._targets.get(one) == target else _Found(due_s=now)
            for one, target in targets.items()
        }
        self._targets = dict(targets)

    def known(self) -> dict[str, bool]:
        """Whether a member is well, of those that were looked at."""
        return {one: each.well for one, each in self._found.items() if each.well is not None}

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """Look at those whose time has come."""
        now = self._clock.monotonic_s()
        for one, found in self._found.items():
            if found.due_s <= now and not found.looking:
                found.looking = True
                tasks.create_task(self._look(self._targets[one], found), name="member check")

    @contextlib.asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """A part of what the node does for one balancer: members that answer at once are looked at no faster."""
        loop = asyncio.get_running_loop()
        await self._slots.acquire()
        free_s = loop.time() + SLOT_S
        try:
            yield
        finally:
            loop.call_at(max(free_s, loop.time()), self._slots.release)

    async def _look(self, target: Target, found: _Found) -> None:
        try:
            async with self._slot():
                found.due_s = self._clock.monotonic_s() + max(1, target.check.delay_s)
                well = await answers(self.inside, target)
            if self._found.get(target.member.id) is not found:
                return
            _count(found, target.check, well)
            if found.told != found.well:
                told = found.well
                await self._changed()
                found.told = told
        except (HanokError, OSError) as error:
            log.warning("a change of member %s is not in force: %r", target.member.id, error)
        except Exception:  # an outermost loop: the next look tries again
            log.exception("member %s could not be looked at", target.member.id)
        finally:
            found.looking = False


def _count(found: _Found, check: MemberCheck, well: bool) -> None:
    """Note an answer."""
    found.row = 0 if well == found.well else found.row + 1
    if found.well is None or found.row >= max(1, check.rise if well else check.fall):
        found.well, found.row = well, 0


async def answers(inside: Inside, target: Target) -> bool:
    """Whether a member answers now, as its check wants it."""
    how = {"PING": _ping, "UDP-CONNECT": _datagram, "TCP": _connects, "HTTP": _asks}
    try:
        async with asyncio.timeout(max(1, target.check.timeout_s)):
            return await how[target.check.kind](inside, target)
    except (HanokError, OSError, TimeoutError):
        return False


async def _opened(
    inside: Inside, target: Target, kind: socket.SocketKind, protocols: tuple[int, int] = (0, 0)
) -> socket.socket:
    version = address_of(target.address).version
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    protocol = protocols[0 if version == 4 else 1]
    made = await inside(lambda: socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol))
    return made


async def _connects(inside: Inside, target: Target) -> bool:
    with await _opened(inside, target, socket.SOCK_STREAM) as made:
        await asyncio.get_running_loop().sock_connect(made, target.at)
    return True


async def _datagram(inside: Inside, target: Target) -> bool:
    """Well unless its host says that nobody listens: silence is what most services of UDP answer to nothing."""
    loop = asyncio.get_running_loop()
    with await _opened(inside, target, socket.SOCK_DGRAM) as made:
        made.connect(target.at)
        await loop.sock_sendall(made, b"")
        try:
            async with asyncio.timeout(max(1, target.check.timeout_s) * 0.8):
                await loop.sock_recv(made, 1)
        except TimeoutError:
            pass
    return True


async def _ping(inside: Inside, target: Target) -> bool:
    loop = asyncio.get_running_loop()
    protocols = (socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6)
    with await _opened(inside, target, socket.SOCK_DGRAM, protocols) as made:
        request, answer = _ECHO[address_of(target.address).version]
        made.connect((target.address, 0))
        # The kernel sets identifier and checksum, and hands us the answers to it alone.
        await loop.sock_sendall(made, bytes((request, 0, 0, 0, 0, 0, 0, 1)))
        while not (said := await loop.sock_recv(made, 64)) or said[0] != answer:
            pass
    return True


async def _asks(inside: Inside, target: Target) -> bool:
    """HTTP: whether the status is one of those that are expected."""
    check = target.check
    made = await _opened(inside, target, socket.SOCK_STREAM)
    try:
        await asyncio.get_running_loop().sock_connect(made, target.at)
        reader, writer = await asyncio.open_connection(sock=made, limit=HEAD_BYTES)
    except BaseException:
        made.close()
        raise
    try:
        host = f"Host: {check.host}\r\n" if check.host else ""
        head = (
            f"{check.method} {check.path} HTTP/{check.version}\r\n{host}Connection: close\r\n\r\n"
        )
        writer.write(head.encode())
        line = await reader.readuntil(b"\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return False
    finally:
        writer.close()
    words = line.decode("latin-1").split()
    return len(words) > 1 and words[0].startswith("HTTP/") and expected(words[1], check.codes)


def expected(status: str, codes: str) -> bool:
    """Whether a status is one of "200", "200,202", "200-204"."""
    if not (status.isascii() and status.isdecimal()):
        return False
    for one in codes.split(","):
        first, _, last = one.partition("-")
        if int(first) <= int(status) <= int(last or first):
            return True
    return False
