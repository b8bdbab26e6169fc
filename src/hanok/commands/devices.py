"""What a guest is made of beside processors, memory, disks and networks.

The defaults are what a guest had before commands named it, so that one whose memory was saved then finds the same
machine. Names are the image properties' and extra specs' own.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Devices(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The devices of a guest.

    Args:
        machine: "q35", "pc" or a version of these ("pc-q35-7.2"); "" for the host's usual one. A host keeps the version
            that it found for a name.
        secure_boot: with firmware "uefi"; optional: where the host has such a firmware for the machine.
        sockets, cores, threads: how processors are shown; their product is how many there are. 0: as usual.
        pmu, hpet: None leaves it to the hypervisor. hidden: the guest does not see that it is one.
        windows: clock in local time, and what such guests use of Hyper-V.
        video: the model of the screen, or "none". video_ram_mib: 0 for the model's usual amount.
        rng_bytes, rng_period_ms: how much a guest may read from its source of randomness in a period; 0: no limit.
        watchdog: what happens when it is not fed; "" for no watchdog.
        inputs: bus of keyboard and tablet; "" for none but what the machine has. keyboard: whether there is one on it.
        nic: the model of its network interfaces. queues: of each. serial_ports: the first is the console and its log.
        agent: whether there is a channel for the guest's agent.
        tpm_version: "1.2", "2.0" or "" for none. locked_memory: it is never swapped out.
        viommu: the model of its IOMMU; "" for none.
        address_space: how wide physical addresses are: as the host's, or of so many bits; "" as usual.
    """

    machine: str = ""
    firmware: Literal["bios", "uefi"] = "bios"
    secure_boot: Literal["disabled", "optional", "required"] = "disabled"
    boot_menu: bool = False
    sockets: int = 0
    cores: int = 0
    threads: int = 0
    pmu: bool | None = None
    hpet: bool | None = None
    hidden: bool = False
    windows: bool = False
    video: str = "vga"
    video_ram_mib: int = 0
    rng: bool = True
    rng_bytes: int = 0
    rng_period_ms: int = 0
    watchdog: Literal["", "none", "pause", "poweroff", "reset"] = ""
    inputs: Literal["", "usb", "virtio"] = ""
    keyboard: bool = False
    nic: str = "virtio"
    queues: int = 1
    serial_ports: int = 1
    agent: bool = True
    tpm_version: Literal["", "1.2", "2.0"] = ""
    tpm_model: Literal["tpm-tis", "tpm-crb"] = "tpm-tis"
    locked_memory: bool = False
    viommu: str = ""
    address_space: Literal["", "passthrough", "emulate"] = ""
    address_bits: int = 0
