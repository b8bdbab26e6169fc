"""The hardware of guests: what this host has for them, and what one of them gets.

Control is told in two ways. Traits are the words that all clouds have in common; they are for placement. What no trait
stands for is an offer, in words of our own: "machine:NAME" for each type of machine, "watchdog", "input:usb",
"input:virtio", "multiqueue".
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec

from hanok.base.durable import put_in_place
from hanok.commands import Devices
from hanok.drivers.qemu import tpm
from hanok.drivers.qemu.capabilities import Capabilities
from hanok.drivers.qemu.hardware import INTERFACE_MODELS, PC, Q35, VIDEO, Firmware, Hardware
from hanok.node.errors import NotDone
from hanok.node.records import Record

ALWAYS = (
    "COMPUTE_NODE",
    "COMPUTE_ARCH_X86_64",
    "COMPUTE_DEVICE_TAGGING",
    "COMPUTE_FIRMWARE_BIOS",
    "COMPUTE_GRAPHICS_MODEL_NONE",
    *(
        f"COMPUTE_IMAGE_TYPE_{kind}"
        for kind in ("AKI", "AMI", "ARI", "ISO", "QCOW2", "RAW", "VDI", "VHD", "VHDX", "VMDK")
    ),
    "COMPUTE_NET_ATTACH_INTERFACE",
    "COMPUTE_NET_ATTACH_INTERFACE_WITH_TAG",
    "HW_ARCH_X86_64",
)
BUSES = {
    "FDC": "isa-fdc",
    "IDE": "piix3-ide",
    "SATA": "ich9-ahci",
    "SCSI": "virtio-scsi-pci",
    "USB": "qemu-xhci",
    "VIRTIO": "virtio-blk-pci",
}
IOMMUS = {"INTEL": "intel-iommu", "VIRTIO": "virtio-iommu-pci"}
CPU_TRAITS = {
    "3dnow": "3DNOW",
    "abm": "ABM",
    "aes": "AESNI",
    "amx-bf16": "AMXBF16",
    "amx-int8": "AMXINT8",
    "amx-tile": "AMXTILE",
    "avx": "AVX",
    "avx2": "AVX2",
    "avx512-vpopcntdq": "AVX512VPOPCNTDQ",
    "avx512bitalg": "AVX512BITALG",
    "avx512bw": "AVX512BW",
    "avx512cd": "AVX512CD",
    "avx512dq": "AVX512DQ",
    "avx512er": "AVX512ER",
    "avx512f": "AVX512F",
    "avx512ifma": "AVX512IFMA",
    "avx512pf": "AVX512PF",
    "avx512vbmi": "AVX512VBMI",
    "avx512vbmi2": "AVX512VBMI2",
    "avx512vl": "AVX512VL",
    "avx512vnni": "AVX512VNNI",
    "bmi1": "BMI",
    "bmi2": "BMI2",
    "f16c": "F16C",
    "fma": "FMA3",
    "fma4": "FMA4",
    "gfni": "AVX512GFNI",
    "mmx": "MMX",
    "mpx": "MPX",
    "pclmulqdq": "CLMUL",
    "pdpe1gb": "PDPE1GB",
    "sha-ni": "SHA",
    "sse": "SSE",
    "sse2": "SSE2",
    "pni": "SSE3",
    "sse4.1": "SSE41",
    "sse4.2": "SSE42",
    "sse4a": "SSE4A",
    "ssse3": "SSSE3",
    "tbm": "TBM",
    "vaes": "AVX512VAES",
    "vpclmulqdq": "AVX512VPCLMULQDQ",
    "xop": "XOP",
}
"""What the trait of a feature of processors is called (behind HW_CPU_X86_), by QEMU's name of the feature."""

SIMULATED_TRAITS = tuple(
    sorted(
        {
            *ALWAYS,
            *(f"COMPUTE_GRAPHICS_MODEL_{model.upper()}" for model in VIDEO),
            *(
                f"COMPUTE_NET_VIF_MODEL_{model.upper()}"
                for model in INTERFACE_MODELS
                if model != "igb"
            ),
            *(f"COMPUTE_STORAGE_BUS_{bus}" for bus in BUSES),
            *(f"COMPUTE_VIOMMU_MODEL_{model}" for model in IOMMUS),
            "COMPUTE_ADDRESS_SPACE_EMULATED",
            "COMPUTE_ADDRESS_SPACE_PASSTHROUGH",
            "COMPUTE_FIRMWARE_UEFI",
            "COMPUTE_SECURITY_TPM_1_2",
            "COMPUTE_SECURITY_TPM_2_0",
            "COMPUTE_SECURITY_TPM_CRB",
            "COMPUTE_SECURITY_TPM_TIS",
            "COMPUTE_SECURITY_UEFI_SECURE_BOOT",
            "HW_CPU_X86_AESNI",
            "HW_CPU_X86_AVX",
            "HW_CPU_X86_AVX2",
            "HW_CPU_X86_SSE2",
        }
    )
)
"""What a simulated host has unless it is told otherwise: what a usual one has."""
SIMULATED_OFFERS = (
    "input:usb",
    "input:virtio",
    "machine:pc",
    "machine:pc-i440fx-7.2",
    "machine:pc-q35-7.2",
    "machine:q35",
    "multiqueue",
    "watchdog",
)

VARIABLES = "variables"
TPM_STATE = "tpm"


@dataclass(frozen=True)
class Board:
    """What this host's QEMU can make.

    accelerator: "kvm" or "tcg". several_queues: whether the host's network gives a guest more than one.
    """

    capabilities: Capabilities
    accelerator: str
    several_queues: bool = False

    @cached_property
    def traits(self) -> tuple[str, ...]:
        """For placement, sorted."""
        return tuple(sorted({*ALWAYS, *self._devices(), *self._firmware(), *self._processors()}))

    @cached_property
    def offers(self) -> tuple[str, ...]:
        """What no trait stands for, sorted."""
        devices = self.capabilities.devices
        found = {f"machine:{name}" for name in self.capabilities.machines if _is_ours(name)}
        for offer, device in (
            ("watchdog", "i6300esb"),
            ("input:usb", "usb-tablet"),
            ("input:virtio", "virtio-tablet-pci"),
        ):
            if device in devices:
                found.add(offer)
        return tuple(sorted(found | ({"multiqueue"} if self.several_queues else set())))

    @cached_property
    def cpu_flags(self) -> tuple[str, ...]:
        """What a guest's processors can do, in one of the ways in which each is written."""
        flags = self.capabilities.cpu_flags
        return tuple(sorted(one for one in flags if "_" not in one and not one.startswith("x-")))

    def _devices(self) -> Iterable[str]:
        devices = self.capabilities.devices
        for model, (device, _) in VIDEO.items():
            if device in devices:
                yield f"COMPUTE_GRAPHICS_MODEL_{model.upper()}"
        for model, device in INTERFACE_MODELS.items():
            if device in devices:
                yield f"COMPUTE_NET_VIF_MODEL_{model.upper()}"
        for bus, device in BUSES.items():
            if device in devices:
                yield f"COMPUTE_STORAGE_BUS_{bus}"
        for model, device in IOMMUS.items():
            if device in devices:
                yield f"COMPUTE_VIOMMU_MODEL_{model}"

    def _firmware(self) -> Iterable[str]:
        usual = self.capabilities.machines.get(Q35, Q35)
        if self._flash(usual, secure=False) is not None:
            yield "COMPUTE_FIRMWARE_UEFI"
        if self._flash(usual, secure=True) is not None:
            yield "COMPUTE_SECURITY_UEFI_SECURE_BOOT"
        versions = self.capabilities.tpm_versions
        for version in versions:
            yield f"COMPUTE_SECURITY_TPM_{version.replace('.', '_')}"
        for model in ("tpm-tis", "tpm-crb"):
            if versions and model in self.capabilities.devices:
                yield f"COMPUTE_SECURITY_{model.replace('-', '_').upper()}"

    def _processors(self) -> Iterable[str]:
        flags = self.capabilities.cpu_flags
        for flag in flags & CPU_TRAITS.keys():
            yield f"HW_CPU_X86_{CPU_TRAITS[flag]}"
        for flag, vendor in (("svm", "AMD_SVM"), ("vmx", "INTEL_VMX")):
            if flag in flags:
                yield from (f"HW_CPU_X86_{flag.upper()}", f"HW_CPU_X86_{vendor}")
        yield "COMPUTE_ADDRESS_SPACE_EMULATED"
        if self.accelerator == "kvm":
            yield "COMPUTE_ADDRESS_SPACE_PASSTHROUGH"

    # ---- one guest

    def found_anew(self, record: Record) -> dict[str, str]:
        """What its record says of a guest's machine from now on, where that is something else.

        The name with its version is kept as long as QEMU knows it: the guest's machine does not change with the host.

        Raises:
            NotDone: this host does not have such a machine.
        """
        requested = record.spec.devices.machine or Q35
        kept = record.machine in self.capabilities.machines or not self.capabilities.machines
        if record.machine and record.requested_machine == requested and kept:
            return {}
        return {"machine": self._resolved(requested), "requested_machine": requested}

    def _resolved(self, name: str) -> str:
        machines = self.capabilities.machines
        if not machines:  # nobody asked QEMU
            return name
        if not _is_ours(name) or name not in machines:
            raise NotDone(f"The host does not have the machine type {name}.")
        return machines[name]

    def _flash(self, machine: str, *, secure: bool) -> Firmware | None:
        return self.capabilities.firmware(machine, secure=secure)

    def firmware(self, devices: Devices, machine: str) -> Firmware | None:
        """The firmware of a guest; None for the BIOS.

        Raises:
            NotDone: there is none.
        """
        if devices.firmware == "bios":
            return None
        if devices.secure_boot != "disabled":
            found = self._flash(machine, secure=True)
            if found is not None:
                return found
            if devices.secure_boot == "required":
                raise NotDone("Secure Boot is not supported by host")
        found = self._flash(machine, secure=False)
        if found is None:
            raise NotDone("UEFI is not supported")
        return found

    def hardware(self, record: Record, files: Path, run: Path) -> Hardware:
        """What a guest is made of.

        Args:
            files: its folder. run: the one of its sockets.

        Raises:
            NotDone: this host cannot make it.
        """
        devices = record.spec.devices
        for model, known in (
            (devices.video, {*VIDEO, "none"}),
            (devices.nic, set(INTERFACE_MODELS)),
            (devices.viommu, {"", *(name.lower() for name in IOMMUS)}),
        ):
            if model not in known:
                raise NotDone(
                    f"Requested hardware '{model}' is not supported by the 'qemu' virt driver"
                )
        flash = self.firmware(devices, record.machine)
        names = {one.name for one in msgspec.structs.fields(Devices)}
        own = {"machine", "firmware", "secure_boot", "queues", "tpm_version"}
        return Hardware(
            machine=record.machine,
            flash=flash,
            store="" if flash is None else str(store_of(files, flash)),
            tpm=str(run / tpm.SOCKET) if devices.tpm_version else "",
            **{name: getattr(devices, name) for name in names - own},
        )


def check_machine(devices: Devices, offers: tuple[str, ...]) -> None:
    """Raises NotDone when a simulated host does not have a machine, as a real one does."""
    if devices.machine and f"machine:{devices.machine}" not in offers:
        raise NotDone(f"The host does not have the machine type {devices.machine}.")


async def make_ready(
    hardware: Hardware, record: Record, files: Path, run: Path, gid: int | None
) -> None:
    """The store of its firmware's variables is there, and its TPM runs.

    Raises:
        StartFailed: the TPM does not run. OSError: there is no room.
    """
    uid = record.uid
    group = gid if uid is not None else None
    if hardware.flash is not None:
        await asyncio.to_thread(make_store, files, hardware.flash, uid, group)
    if hardware.tpm:
        state = files / TPM_STATE
        with contextlib.suppress(FileExistsError):
            state.mkdir(mode=0o700)
            if uid is not None:
                os.chown(state, uid, -1 if group is None else group, follow_symlinks=False)
        version = record.spec.devices.tpm_version
        await asyncio.to_thread(tpm.start, run, state, version, uid=uid, gid=group)


def store_of(files: Path, flash: Firmware) -> Path:
    """A store that has no keys is none for a firmware that looks for them."""
    return files / (f"{VARIABLES}-secure" if flash.secure else VARIABLES)


def make_store(files: Path, flash: Firmware, uid: int | None, gid: int | None) -> None:
    """A guest's own variables, if it has none: in a folder in which it may write, so no link is followed."""
    path = store_of(files, flash)
    if path.exists():
        return
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(fd, "wb") as target:
        target.write(Path(flash.variables).read_bytes())
        if uid is not None:
            os.fchown(fd, uid, -1 if gid is None else gid)
    put_in_place(temporary, path)


def forget(files: Path) -> None:
    """What a firmware and a TPM remember is gone, as of a machine that is new."""
    for name in (VARIABLES, f"{VARIABLES}-secure"):
        (files / name).unlink(missing_ok=True)
    shutil.rmtree(files / TPM_STATE, ignore_errors=True)


def _is_ours(name: str) -> bool:
    return name in (Q35, PC) or name.startswith(("pc-q35-", "pc-i440fx-"))
