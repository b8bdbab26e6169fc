"""What a guest is made of beside its disks, as words of QEMU's command line. Pure: nothing here touches the host.

What stands on the machine's own bus has a fixed place there, whichever of it a guest has, so that one that is resumed
finds the same tree.

Source: QEMU, "System Emulation", and its `-device help`; virtio devices of the domain format of libvirt for what the
image properties mean.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

Q35, PC = "q35", "pc"
_TABLETS = {"usb": "usb-tablet", "virtio": "virtio-tablet-pci"}
_KEYBOARDS = {"usb": "usb-kbd", "virtio": "virtio-keyboard-pci"}
# Slot 1 of the older machine is its south bridge.
_SLOTS = {
    Q35: {"screen": 0x1, "channels": 0x2, "rng": 0x3, "balloon": 0x4},
    PC: {"screen": 0x2, "channels": 0x5, "rng": 0x3, "balloon": 0x4},
}
_MORE_SLOTS = {"inputs": 0x6, "tablet": 0x7, "keyboard": 0x8, "watchdog": 0x9, "iommu": 0xA}

# Of disks and interfaces on the older machine, where hot plug is for a slot of its bus: a bridge that its firmware
# finds empty gets no room for what comes later.
FIRST_PLACE, PLACES = 0x0B, 0x15

VIDEO = {
    "vga": ("VGA", "vgamem_mb={}"),
    "cirrus": ("cirrus-vga", "vgamem_mb={}"),
    "qxl": ("qxl-vga", "vgamem_mb={}"),
    "vmvga": ("vmware-svga", "vgamem_mb={}"),
    "bochs": ("bochs-display", "vgamem={}M"),
    "virtio": ("virtio-vga", "max_hostmem={}M"),
}
"""QEMU's device for each model of a screen, and what says how much memory (MiB) it has."""

INTERFACE_MODELS = {
    "virtio": "virtio-net-pci",
    "e1000": "e1000",
    "e1000e": "e1000e",
    "igb": "igb",
    "rtl8139": "rtl8139",
    "ne2k_pci": "ne2k_pci",
    "pcnet": "pcnet",
    "vmxnet3": "vmxnet3",
}
"""QEMU's device for each model of a network interface."""

HYPER_V = (
    "hv-relaxed,hv-vapic,hv-spinlocks=0x1fff,hv-vpindex,hv-runtime,hv-synic,hv-reset,hv-frequencies,"
    "hv-time,hv-stimer,hv-tlbflush,hv-ipi"
)
USUAL_VIDEO_MIB = {"vga": 8}
SCSI_MODELS = {
    "virtio-scsi": "virtio-scsi-pci",
    "lsilogic": "lsi53c895a",
    "lsisas1068": "mptsas1068",
    "lsisas1078": "megasas",
    "vmpvscsi": "pvscsi",
}
"""QEMU's devices by the names that images use (hw_scsi_model)."""


@dataclass(frozen=True)
class Firmware:
    """Files of a firmware. variables: what a guest's own store of variables is copied from.

    secure: whether it holds guests to signed boot loaders, with keys in its variables; smm: whether it needs that mode.
    """

    code: str
    variables: str
    secure: bool = False
    smm: bool = False


@dataclass(frozen=True)
class Hardware:
    """As `commands.Devices`, with what the host made of it.

    machine: a type that its QEMU lists. flash: the firmware, where it is not the BIOS, and store: the guest's own
    variables of it. tpm: the socket of the process that is its TPM, "" for none.
    """

    machine: str = Q35
    flash: Firmware | None = None
    store: str = ""
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
    watchdog: str = ""
    inputs: str = ""
    keyboard: bool = False
    nic: str = "virtio"
    serial_ports: int = 1
    agent: bool = True
    tpm: str = ""
    tpm_model: str = "tpm-tis"
    locked_memory: bool = False
    viommu: str = ""
    address_space: str = ""
    address_bits: int = 0

    @property
    def family(self) -> str:
        """The kind of machine: with PCI Express, or the older one without."""
        return Q35 if "q35" in self.machine else PC

    def slot(self, name: str) -> str:
        """Where on the machine's own bus a device sits."""
        return f"{(_SLOTS[self.family] | _MORE_SLOTS)[name]:#x}"


USUAL = Hardware()


def machine(hardware: Hardware, accelerator: str) -> list[str]:
    """The board, its firmware, and what it does when nobody feeds its watchdog."""
    options = [hardware.machine, "vmport=off", "dump-guest-core=off"]
    if hardware.hpet is not None:
        options.append(f"hpet={_on(hardware.hpet)}")
    if hardware.viommu == "intel" and accelerator == "kvm":
        options.append("kernel-irqchip=split")
    if hardware.flash is not None:
        options += ["smm=on"] * hardware.flash.smm + ["pflash0=firmware", "pflash1=variables"]
    argv = [*_flash(hardware), "-machine", ",".join(options)]
    if hardware.watchdog:
        argv += ["-action", f"watchdog={hardware.watchdog}"]
    if hardware.locked_memory:
        argv += ["-overcommit", "mem-lock=on"]
    return argv


def _flash(hardware: Hardware) -> list[str]:
    if hardware.flash is None:
        return []
    argv: list[str] = []
    for name, path, fixed in (
        ("firmware", hardware.flash.code, True),
        ("variables", hardware.store, False),
    ):
        file = {"driver": "file", "filename": path, "read-only": fixed}
        node = {"driver": "raw", "node-name": name, "read-only": fixed, "file": file}
        argv += ["-blockdev", json.dumps(node)]
    if hardware.flash.smm:
        # Only code in that mode may write the variables; waking from sleep would leave it.
        argv += ["-global", "driver=cfi.pflash01,property=secure,value=on"]
        argv += ["-global", "ICH9-LPC.disable_s3=1"]
    return argv


def processors(hardware: Hardware, vcpus: int, accelerator: str) -> list[str]:
    """How many, how they are shown, and what they can do."""
    shown = str(vcpus)
    if hardware.sockets:
        shown += f",sockets={hardware.sockets},cores={hardware.cores},threads={hardware.threads}"
    kvm = accelerator == "kvm"
    words = ["host" if kvm else "max"]
    if hardware.pmu is not None:
        words.append(f"pmu={_on(hardware.pmu)}")
    if hardware.hidden:
        words.append("kvm=off" if kvm else "tcg-cpuid=off")
    if hardware.windows and kvm:  # nothing but KVM has them
        words += [HYPER_V, *(["hv-vendor-id=Hanok"] if hardware.hidden else [])]
    words += _addresses(hardware)
    return ["-cpu", ",".join(words), "-smp", shown]


def _addresses(hardware: Hardware) -> list[str]:
    if hardware.address_space == "emulate" and hardware.address_bits:
        return ["host-phys-bits=off", f"phys-bits={hardware.address_bits}"]
    if hardware.address_space == "passthrough":
        limit = hardware.address_bits
        return ["host-phys-bits=on", *([f"host-phys-bits-limit={limit}"] if limit else [])]
    return []


def clock(hardware: Hardware) -> list[str]:
    return ["-rtc", f"base={'localtime' if hardware.windows else 'utc'},driftfix=slew"]


def boot(hardware: Hardware) -> list[str]:
    return ["-boot", f"menu={_on(hardware.boot_menu)},strict=on"]


def first(hardware: Hardware) -> list[str]:
    """What has to be there before the devices that it is for."""
    if hardware.viommu == "intel":
        return ["-device", "intel-iommu,intremap=on,caching-mode=on,device-iotlb=on,aw-bits=48"]
    if hardware.viommu == "virtio":
        return ["-device", f"virtio-iommu-pci,id=iommu,addr={hardware.slot('iommu')}"]
    return []


def channels(hardware: Hardware, folder: str) -> list[str]:
    """Serial ports beyond the first, the bus of channels with the agent's, and the screen.

    folder: for their sockets, as it stands in an option.
    """
    argv: list[str] = []
    for number in range(1, hardware.serial_ports):
        socket = f"socket,id=serial{number},path={folder}/serial{number},server=on,wait=off"
        argv += ["-chardev", socket, "-serial", f"chardev:serial{number}"]
    argv += ["-device", f"virtio-serial-pci,id=channels,addr={hardware.slot('channels')}"]
    if hardware.agent:
        argv += ["-chardev", f"socket,id=agent,path={folder}/agent,server=on,wait=off"]
        port = "virtserialport,bus=channels.0,chardev=agent,name=org.qemu.guest_agent.0"
        argv += ["-device", port]
    return [*argv, *_screen(hardware), "-vnc", f"unix:{folder}/vnc"]


def _screen(hardware: Hardware) -> list[str]:
    if hardware.video == "none":
        return []
    device, memory = VIDEO[hardware.video]
    words = [device, "id=screen", f"addr={hardware.slot('screen')}"]
    mib = hardware.video_ram_mib or USUAL_VIDEO_MIB.get(hardware.video, 0)
    return ["-device", ",".join([*words, *([memory.format(mib)] if mib else [])])]


def last(hardware: Hardware) -> list[str]:
    """Randomness, the balloon, and what only some guests have."""
    argv: list[str] = []
    if hardware.rng:
        rate = ""
        if hardware.rng_bytes:
            rate = f",max-bytes={hardware.rng_bytes},period={hardware.rng_period_ms}"
        argv += ["-object", "rng-random,id=rng0,filename=/dev/urandom"]
        argv += ["-device", f"virtio-rng-pci,id=rng,rng=rng0,addr={hardware.slot('rng')}{rate}"]
    balloon = (
        f"virtio-balloon-pci,id=balloon,free-page-reporting=on,addr={hardware.slot('balloon')}"
    )
    argv += ["-device", balloon]
    if hardware.watchdog:
        argv += ["-device", f"i6300esb,id=watchdog,addr={hardware.slot('watchdog')}"]
    return [*argv, *_inputs(hardware), *_tpm(hardware)]


def _inputs(hardware: Hardware) -> list[str]:
    if not hardware.inputs:
        return []
    usb = hardware.inputs == "usb"
    argv = ["-device", f"qemu-xhci,id=inputs,addr={hardware.slot('inputs')}"] if usb else []
    desired = {"tablet": _TABLETS, **({"keyboard": _KEYBOARDS} if hardware.keyboard else {})}
    for name, devices in desired.items():
        place = "bus=inputs.0" if usb else f"addr={hardware.slot(name)}"
        argv += ["-device", f"{devices[hardware.inputs]},id={name},{place}"]
    return argv


def _tpm(hardware: Hardware) -> list[str]:
    if not hardware.tpm:
        return []
    return [
        *("-chardev", f"socket,id=tpm,path={escaped(hardware.tpm)}"),
        *("-tpmdev", "emulator,id=tpm0,chardev=tpm"),
        *("-device", f"{hardware.tpm_model},tpmdev=tpm0"),
    ]


def place(family: str, number: int) -> dict[str, str]:
    """Where a disk or an interface is: on a PCIe root port, or in a slot of the older machine's bus."""
    if family == PC:
        return {"bus": "pci.0", "addr": f"{FIRST_PLACE + number:#x}"}
    return {"bus": f"rp{number}"}


def vectors(queues: int) -> int:
    """Interrupts of a virtio interface: two a queue, one for its settings and one for its control queue."""
    return 2 * queues + 2


def escaped(value: str) -> str:
    """A comma inside a value of an option list is written twice."""
    return value.replace(",", ",,")


def _on(value: bool) -> str:
    return "on" if value else "off"
