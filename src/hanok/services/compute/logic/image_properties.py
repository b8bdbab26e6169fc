"""What the values of image properties mean: names and values that are known, and older names of the same.

Source: Image properties in the image guide of OpenStack ("Useful image properties"), and the values that compute's
object of them takes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from hanok.base.errors import BadInput

Reads = Callable[[str], Any]
"""Takes a property's text and returns its value; raises ValueError with what is wrong with it."""

LEGACY = {
    "architecture": "hw_architecture",
    "hypervisor_type": "img_hv_type",
    "hypervisor_version_requires": "img_hv_requested_version",
    "vm_mode": "hw_vm_mode",
}
"""Older names of properties."""

ARCHITECTURES = frozenset(
    (
        "alpha armv6 armv7l armv7b aarch64 cris i686 ia64 lm32 m68k microblaze microblazeel mips mipsel mips64 "
        "mips64el openrisc parisc parisc64 ppc ppcle ppc64 ppc64le ppcemb s390 s390x sh4 sh4eb sparc sparc64 "
        "unicore32 x86_64 xtensa xtensaeb"
    ).split()
)
_ARCHITECTURES = {"x86_32": "i686", "x86_32p": "i686", "amd64": "x86_64"} | dict.fromkeys(
    ("i386", "i486", "i586"), "i686"
)
HYPERVISORS = frozenset(
    (
        "baremetal bhyve docker fake hyperv ironic kqemu kvm lxc lxd openvz parallels phyp prsm qemu test uml vbox "
        "vmware vz xen zvm"
    ).split()
)
_INTERFACE_MODELS = {
    "virtuale1000": "e1000",
    "virtuale1000e": "e1000e",
    "virtualpcnet32": "pcnet",
    "virtualsriovethernetcard": "sriov",
    "virtualvmxnet": "vmxnet",
    "virtualvmxnet3": "vmxnet3",
}
_MODES = {"pv": "xen", "hv": "hvm", "baremetal": "hvm"}
_VERSIONS = re.compile(r"\s*(<=|>=|==|!=|<|>)\s*(\d+(?:\.\d+)*)\s*")


def truth(text: Any) -> bool:
    """As upstream reads a flag: what is not known as true is false."""
    return str(text).strip().lower() in ("1", "t", "true", "on", "y", "yes")


def one_of(*values: str) -> Reads:
    """One of these, as it is written."""

    def read(text: str) -> str:
        if text not in values:
            raise ValueError(f"Field value {text[:100]} is invalid")
        return text

    return read


def _lowered(values: frozenset[str], others: Mapping[str, str], wrong: str) -> Reads:
    def read(text: str) -> str:
        name = others.get(text.lower(), text.lower())
        if name not in values:
            raise ValueError(wrong.format(text[:100]))
        return name

    return read


def versions(text: str) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """What is asked of a version, as pairs of a comparison and a version: ">=2.6, <9"."""
    found = []
    for part in text.split(","):
        match = _VERSIONS.fullmatch(part)
        if match is None:
            raise ValueError(f"Invalid predicate: {text[:100]}")
        found.append((match[1], tuple(int(number) for number in match[2].split("."))))
    return tuple(found)


def _words(names: str) -> Reads:
    return one_of(*names.split())


FIELDS: dict[str, Reads] = {
    **dict.fromkeys(
        ("hw_architecture", "hw_emulation_architecture"),
        _lowered(ARCHITECTURES, _ARCHITECTURES, "Architecture name '{}' is not valid"),
    ),
    "img_hv_type": _lowered(HYPERVISORS, {"xapi": "xen"}, "Hypervisor virt type '{}' is not valid"),
    "hw_vm_mode": _lowered(
        frozenset(("hvm", "xen", "uml", "exe")), _MODES, "Virtual machine mode '{}' is not valid"
    ),
    "img_hv_requested_version": versions,
    "hw_machine_type": str,
    "hw_firmware_type": _words("uefi bios"),
    "os_secure_boot": _words("required disabled optional"),
    "hw_video_model": _words("cirrus qxl vga vmvga xen virtio gop none bochs"),
    "hw_video_ram": int,
    "hw_rng_model": _words("virtio"),
    "hw_watchdog_action": _words("none pause poweroff reset disabled"),
    "hw_pointer_model": _words("usbtablet"),
    "hw_input_bus": _words("usb virtio"),
    "hw_vif_model": _lowered(
        frozenset(
            (
                "virtio ne2k_pci pcnet rtl8139 e1000 e1000e netfront spapr-vlan lan9118 sriov vmxnet vmxnet3 igb"
            ).split()
        ),
        _INTERFACE_MODELS,
        "Field value {} is invalid",
    ),
    "hw_viommu_model": _words("intel smmuv3 virtio auto"),
    "hw_tpm_version": _words("1.2 2.0"),
    "hw_tpm_model": _words("tpm-tis tpm-crb"),
    "hw_maxphysaddr_mode": _words("passthrough emulate"),
    "os_type": lambda text: text.lower(),
    **dict.fromkeys(
        (
            "hw_maxphysaddr_bits",
            "hw_serial_port_count",
            *(
                f"hw_cpu_{limit}{part}"
                for limit in ("", "max_")
                for part in ("sockets", "cores", "threads")
            ),
        ),
        int,
    ),
    **dict.fromkeys(
        (
            "hw_boot_menu",
            "hw_locked_memory",
            "hw_pmu",
            "hw_qemu_guest_agent",
            "hw_time_hpet",
            "hw_vif_multiqueue_enabled",
            "img_hide_hypervisor_id",
        ),
        truth,
    ),
}
"""How the value of each property is read of which the devices of a guest are made."""

NAMES = frozenset({*FIELDS, *LEGACY})


def read(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the properties that are known here, by their newest names.

    Raises:
        BadInput: one has a value that its property cannot have.
    """
    found = {}
    for name, value in properties.items():
        known = LEGACY.get(name, name)
        if known not in FIELDS or (known != name and known in properties):
            continue
        try:
            found[known] = FIELDS[known](str(value))
        except ValueError as error:
            raise BadInput(f"Invalid image metadata. Error: {error}") from None
    return found
