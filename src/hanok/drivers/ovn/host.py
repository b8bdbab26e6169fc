"""The host's tools, checked: commands, network namespaces, device settings."""

from __future__ import annotations

import array
import asyncio
import ctypes
import errno
import fcntl
import os
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from hanok.base import programs
from hanok.drivers.ovn.errors import ExecuteError, Unanswered

T = TypeVar("T")

NAMESPACES = Path("/run/netns")
FORGED_DSCP = 63  # what the switch marks a guest's announcement of a router with: no class of service that is in use
COMMAND_TIMEOUT_S = 30.0  # a loaded machine; the commands themselves take milliseconds

_CLONE_NEWNET = 0x40000000  # linux/sched.h
_SIOCETHTOOL, _ETHTOOL_STXCSUM = 0x8946, 0x17  # linux/sockios.h, linux/ethtool.h
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
_TUNSETIFF, _TUNSETPERSIST, _TUNATTACHFILTER = 0x400454CA, 0x400454CB, 0x401054D5  # linux/if_tun.h
_TUNGETIFF = 0x800454D2
_IFF_TAP, _IFF_NO_PI, _IFF_MULTI_QUEUE = 0x0002, 0x1000, 0x0100


async def run(*argv: str, timeout_s: float = COMMAND_TIMEOUT_S) -> str:
    """Run a command and return what it printed.

    Raises:
        ExecuteError: it failed or is not installed; detail has its words.
        Unanswered: it did not end in time; it has been killed.
    """
    try:
        said = await programs.run(*argv, within_s=timeout_s)
    except TimeoutError:
        raise Unanswered(f"{argv[0]} did not end in {timeout_s} s", detail=" ".join(argv)) from None
    except OSError as error:
        raise ExecuteError(f"cannot run {argv[0]}", detail=str(error)) from None
    if said.status:
        raise ExecuteError(
            f"the command {argv[0]} failed on the host",
            detail=f"{' '.join(argv)}: {said.complaint.decode(errors='replace').strip()}",
        )
    return said.out.decode()


async def ip(namespace: str | None, *arguments: str) -> str:
    """Run iproute2's `ip` in a namespace, by name or path; None is this process's own."""
    if namespace and namespace.startswith("/"):
        return await run("nsenter", f"--net={namespace}", "--", "ip", *arguments)
    return await run("ip", *(["-n", namespace] if namespace else []), *arguments)


async def inside(namespace: str | None, function: Callable[[], T]) -> T:
    """Run a function in a network namespace, in a thread that lives as long as it does.

    What it opens (sockets, taps) stays in that namespace and can be used from outside.

    Raises:
        ExecuteError: no such namespace, or an OSError of the function.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(settle_with: Callable[[], None]) -> None:
        if not future.done():
            settle_with()

    def main() -> None:
        try:
            if namespace is not None:
                _enter(namespace)
            result = function()
        except BaseException as error:
            raised = error  # the name of an except clause ends with it
            loop.call_soon_threadsafe(settle, lambda: future.set_exception(raised))
        else:
            loop.call_soon_threadsafe(settle, lambda: future.set_result(result))

    threading.Thread(target=main, name=f"netns-{namespace}", daemon=True).start()
    try:
        return await future
    except OSError as error:
        raise ExecuteError(
            f"in namespace {namespace}: {error.strerror}", detail=str(error)
        ) from error


def namespace_of(pid: int) -> str:
    """The network namespace of a process, as a path that every mount namespace of the machine can open."""
    return f"/proc/{pid}/ns/net"


def _enter(namespace: str) -> None:
    # A path stays one behind another.
    handle = os.open(NAMESPACES / namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(handle, _CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(handle)


_libc = ctypes.CDLL(None, use_errno=True)


def namespace_exists(namespace: str) -> bool:
    return (NAMESPACES / namespace).exists()


# Below: to be run inside().


def device_exists(device: str) -> bool:
    """Whether this namespace has such a device."""
    try:
        socket.if_nametoindex(device)
    except OSError:
        return False
    return True


def set_sysctl(name: str, value: int | str) -> None:
    """Set net.<name> (with slashes) of this namespace."""
    (Path("/proc/sys/net") / name).write_text(f"{value}\n")


def no_ipv6() -> None:
    """No address of ours on any link of this namespace: link-local ones come by themselves."""
    if Path("/proc/sys/net/ipv6").exists():
        for which in ("all", "default"):
            set_sysctl(f"ipv6/conf/{which}/disable_ipv6", 1)


def no_ipv6_at_first() -> None:
    """As no_ipv6, but links that were told to speak it since go on."""
    switch = Path("/proc/sys/net/ipv6/conf/default/disable_ipv6")
    if switch.exists() and switch.read_text().strip() != "1":
        no_ipv6()


def only_given_ipv6(device: str) -> bool:
    """A device has the IPv6 addresses that it is given and no others; False where the kernel has no IPv6."""
    if not Path(f"/proc/sys/net/ipv6/conf/{device}").exists():
        return False
    # 1: none is made of the MAC (linux/if_link.h, IN6_ADDR_GEN_MODE_NONE).
    for name, value in (("addr_gen_mode", 1), ("accept_ra", 0), ("disable_ipv6", 0)):
        set_sysctl(f"ipv6/conf/{device}/{name}", value)
    return True


def has_ipv6(device: str) -> bool:
    """Whether a device speaks IPv6."""
    try:
        return Path(f"/proc/sys/net/ipv6/conf/{device}/disable_ipv6").read_text().strip() == "0"
    except OSError:
        return False


def finish_checksums(device: str) -> None:
    """Switch checksum offload off: the userspace datapath passes packets on as they are."""
    request = array.array("B", struct.pack("II", _ETHTOOL_STXCSUM, 0))
    address, _ = request.buffer_info()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        packed = struct.pack("16sP16x", device.encode(), address)
        fcntl.ioctl(any_socket, _SIOCETHTOOL, packed)


def set_up(device: str) -> None:
    """Set a device administratively up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        name = device.encode()
        answer = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, struct.pack("16sH22x", name, 0))
        flags = struct.unpack("16sH22x", answer)[1] | _IFF_UP
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH22x", name, flags))


def _forged() -> bytes:
    """A filter for what goes to a guest: without announcements of routers that the switch marked as a guest's own.

    OVN 23.03 lets them pass whatever its ACLs say (ovn-northd(8): neighbour discovery at priority 65532), and can mark
    them: by a DSCP that nobody uses. Also what hides one behind further headers is dropped: it has this mark, the
    greatest hop limit, and neither TCP nor UDP in it.

    Source: linux/filter.h: code, how many steps to skip when true and when false, value.
    """
    byte, half, masked, equal, give = 0x30, 0x28, 0x54, 0x15, 0x06

    def look(base: int) -> list[tuple[int, str, str, int]]:
        """At a header of IPv6 that begins there."""
        return [
            (half, "", "", base),
            (masked, "", "", 0x3F << 6),
            (equal, "", "accept", FORGED_DSCP << 6),
            (byte, "", "", base + 7),
            (equal, "", "accept", 255),
            (byte, "", "", base + 6),
            (equal, "accept", "", 6),
            (equal, "accept", "drop", 17),
        ]

    plain, tagged = look(14), look(18)
    steps = [
        (half, "", "", 12),
        (equal, "plain", "", 0x86DD),
        (equal, "", "accept", 0x8100),
        (half, "", "", 16),
        (equal, "tagged", "accept", 0x86DD),
    ]
    places = {"plain": len(steps), "tagged": len(steps) + len(plain)}
    steps += [*plain, *tagged]
    places |= {"drop": len(steps), "accept": len(steps) + 1}
    steps += [(give, "", "", 0), (give, "", "", 1 << 18)]
    return b"".join(
        struct.pack("HBBI", code, *(places[to] - at - 1 if to else 0 for to in ways), value)
        for at, (code, *ways, value) in enumerate(steps)
    )


def without_forged(tap: int) -> None:
    """Whoever reads from this descriptor of a tap reads nothing that is forged; see _forged.

    At each opening: the kernel remembers a filter's place in the memory of who set it, so one that stays does not work.
    For the same reason a tap of several queues has none: the guest's QEMU switches them on and off, and the kernel
    would look for the filter in QEMU's memory.
    """
    if _has_several(tap):
        return
    steps = array.array("B", _forged())
    address, _ = steps.buffer_info()
    fcntl.ioctl(tap, _TUNATTACHFILTER, struct.pack("HxxxxxxP", len(steps) // 8, address))


def _has_several(tap: int) -> bool:
    """Whether the tap of a descriptor was made for several queues."""
    answer = fcntl.ioctl(tap, _TUNGETIFF, struct.pack("16sH22x", b"", 0))
    return bool(struct.unpack("16sH22x", answer)[1] & _IFF_MULTI_QUEUE)


def open_tap(device: str, *, several: bool | None = None) -> int:
    """Attach to a tap, made if there is none; no vnet header: see finish_checksums.

    several: whether it can be attached to more than once, each time a queue; None: as it was made.
    """
    if several is None:
        try:
            return open_tap(device, several=False)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            several = True
    flags = _IFF_TAP | _IFF_NO_PI | (_IFF_MULTI_QUEUE if several else 0)
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH22x", device.encode(), flags))
    except BaseException:
        os.close(tap)
        raise
    return tap


def make_tap(device: str, *, several: bool = False) -> bool:
    """A tap that stays when nobody holds it, up. True when it was made now."""
    made = not device_exists(device)
    if made:
        tap = open_tap(device, several=several)
        try:
            fcntl.ioctl(tap, _TUNSETPERSIST, 1)
        finally:
            os.close(tap)
    set_up(device)
    return made


def is_narrow(device: str) -> bool:
    """Whether there is a tap that can be attached to once, and nobody is."""
    if not device_exists(device):
        return False
    try:
        os.close(open_tap(device, several=False))
    except OSError:  # it was made for several, or a guest runs with it
        return False
    return True


_COUNTERS = ("octets", "packets", "errors", "drop")


def traffic() -> dict[str, dict[str, int]]:
    """What went through the devices of this thread's namespace, as whoever is behind each of them sees it.

    Source: proc(5), /proc/pid/net/dev: bytes, packets, errs and drop come first of what a device received, and again
    after eight columns of what it sent.
    """
    found = {}
    for line in Path("/proc/thread-self/net/dev").read_text("ascii").splitlines()[2:]:
        name, _, rest = line.partition(":")
        numbers = [int(one) for one in rest.split()]
        found[name.strip()] = {
            **{f"tx_{what}": numbers[place] for place, what in enumerate(_COUNTERS)},
            **{f"rx_{what}": numbers[place + 8] for place, what in enumerate(_COUNTERS)},
        }
    return found
