"""Does KVM really run guests here?

/dev/kvm may exist and open and still not run a guest: it hangs for ever, or takes a hundred times as long as emulation
(a virtual machine whose own host lends it no such thing). So a boot sector of seven bytes is run that ends QEMU
through its debug-exit device with status 33: emulated, and with KVM, which is to be about as fast. A probe at the reset
vector would not do: it answers 33 on machines where no real guest gets anywhere. It runs as the users do that guests
run as: whether the node's own may open /dev/kvm says nothing of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BOOT_CODE = bytes.fromhex("b010 e6f4 f4 ebfd")  # mov al,0x10; out 0xf4,al; hlt; jmp $-1
BOOT_SECTOR = BOOT_CODE.ljust(510, b"\0") + b"\x55\xaa"
GUEST_RAN = 33  # 0x10 << 1 | 1: how isa-debug-exit says it
LIMIT_S = 10.0  # a loaded machine; it takes 0.2 s where it works
SLOWER = 4.0  # than emulation: KVM takes less where it works, this much where the machine is busy
LEAST_S = 0.5
KVM = Path("/dev/kvm")


@dataclass(frozen=True)
class Accelerator:
    """kind: "kvm" or "tcg"; reason: how that was found out, in plain English."""

    kind: str
    reason: str


def groups(path: Path = KVM) -> list[int]:
    """The group that a guest's user has to be in to open /dev/kvm; none where that takes no group, or does not help.

    Never root's: other files are that group's, too.
    """
    try:
        found = path.stat()
    except OSError:
        return []
    if found.st_gid == 0 or _may(found.st_mode, _OTHERS) or not _may(found.st_mode, _GROUP):
        return []
    return [found.st_gid]


_GROUP, _OTHERS = stat.S_IRGRP | stat.S_IWGRP, stat.S_IROTH | stat.S_IWOTH


def _may(mode: int, bits: int) -> bool:
    return mode & bits == bits


def lets_in(uid: int | None, path: Path = KVM) -> bool:
    """Whether a user who is in `groups` may open /dev/kvm. uid None: whoever we are."""
    if uid is None or uid == os.geteuid():
        return os.access(path, os.R_OK | os.W_OK)
    return _may(path.stat().st_mode, _OTHERS) or bool(groups(path))


async def probe(
    binary: str = "qemu-system-x86_64",
    *,
    uid: int | None = None,
    gid: int | None = None,
    limit_s: float = LIMIT_S,
) -> Accelerator:
    """Find out how guests run on this host. Never raises for what it finds.

    Args:
        uid, gid: whom guests run as. limit_s: how long a test guest may take.
    """
    if not KVM.exists():
        return Accelerator("tcg", f"this host has no {KVM}: guests are emulated")
    if not lets_in(uid):
        whom = "this user" if uid is None else f"the users that guests run as ({uid})"
        return Accelerator(
            "tcg",
            f"{KVM} cannot be opened by {whom}: guests are emulated; chgrp kvm {KVM} and chmod 660 {KVM} let them in",
        )
    before = time.monotonic()
    emulated = await run_boot_sector(binary, "tcg", uid=uid, gid=gid, limit_s=limit_s)
    took_s = time.monotonic() - before
    if emulated == GUEST_RAN:
        limit_s = min(limit_s, max(LEAST_S, SLOWER * took_s))
    status = await run_boot_sector(binary, "kvm", uid=uid, gid=gid, limit_s=limit_s)
    if status == GUEST_RAN:
        return Accelerator("kvm", f"a test guest ran on {KVM}")
    how = f"did not end within {limit_s:.1f} s" if status is None else f"ended with status {status}"
    beside = f" (an emulated one took {took_s:.1f} s)" if emulated == GUEST_RAN else ""
    return Accelerator(
        "tcg", f"{KVM} is there, but a test guest on it {how}{beside}: guests are emulated"
    )


@contextlib.contextmanager
def _boot_disk() -> Iterator[int]:
    """The boot sector as an open file: the folder for temporary ones may be one that guests' users do not get into."""
    with tempfile.NamedTemporaryFile(prefix="hanok-probe-") as written:
        written.write(BOOT_SECTOR)
        written.flush()
        with open(written.name, "rb") as image:
            yield image.fileno()


async def run_boot_sector(
    binary: str,
    accelerator: str,
    *,
    uid: int | None = None,
    gid: int | None = None,
    limit_s: float,
) -> int | None:
    """Run the boot sector; returns QEMU's exit status, None when it did not end in time."""
    with _boot_disk() as image:
        process = await asyncio.create_subprocess_exec(
            binary,
            *(
                "-machine",
                "pc",
                "-accel",
                accelerator,
                "-m",
                "16",
                "-nodefaults",
                "-no-user-config",
            ),
            *("-cpu", "host" if accelerator == "kvm" else "max"),
            *("-display", "none", "-vga", "none", "-no-reboot"),
            *("-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"),
            *("-add-fd", f"fd={image},set=1"),
            *("-drive", "file=/dev/fdset/1,format=raw,if=floppy,readonly=on", "-boot", "a"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            pass_fds=[image],
            user=uid,
            group=gid,
            extra_groups=None if uid is None else groups(),
        )
        try:
            async with asyncio.timeout(limit_s):
                return await process.wait()
        except TimeoutError:
            return None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
