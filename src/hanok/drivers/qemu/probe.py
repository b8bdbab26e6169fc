"""Does KVM really run guests here?

/dev/kvm may exist and open and still not run a guest: it hangs for ever. So a boot sector of seven bytes is
run that ends QEMU through its debug-exit device with status 33. A probe at the reset vector would not do: it answers
33 on machines where no real guest gets anywhere.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

BOOT_CODE = bytes.fromhex("b010 e6f4 f4 ebfd")  # mov al,0x10; out 0xf4,al; hlt; jmp $-1
BOOT_SECTOR = BOOT_CODE.ljust(510, b"\0") + b"\x55\xaa"
GUEST_RAN = 33  # 0x10 << 1 | 1: how isa-debug-exit says it
LIMIT_S = 2.0  # it takes 0.2 s where it works
KVM = Path("/dev/kvm")


@dataclass(frozen=True)
class Accelerator:
    """kind: "kvm" or "tcg"; reason: how that was found out, in plain English."""

    kind: str
    reason: str


async def probe(binary: str = "qemu-system-x86_64", *, limit_s: float = LIMIT_S) -> Accelerator:
    """Find out how guests run on this host. Never raises for what it finds."""
    if not KVM.exists():
        return Accelerator("tcg", f"this host has no {KVM}: guests are emulated")
    if not os.access(KVM, os.R_OK | os.W_OK):
        return Accelerator("tcg", f"{KVM} cannot be opened by this user: guests are emulated")
    status = await run_boot_sector(binary, "kvm", limit_s=limit_s)
    if status == GUEST_RAN:
        return Accelerator("kvm", f"a test guest ran on {KVM}")
    how = f"did not end within {limit_s:g} s" if status is None else f"ended with status {status}"
    return Accelerator("tcg", f"{KVM} is there, but a test guest on it {how}: guests are emulated")


async def run_boot_sector(binary: str, accelerator: str, *, limit_s: float) -> int | None:
    """Run the boot sector; returns QEMU's exit status, None when it did not end in time."""
    with tempfile.TemporaryDirectory(prefix="hanok-probe-") as folder:
        image = Path(folder) / "boot.img"
        image.write_bytes(BOOT_SECTOR)
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
            *("-drive", f"file={image},format=raw,if=floppy,readonly=on", "-boot", "a"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
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
