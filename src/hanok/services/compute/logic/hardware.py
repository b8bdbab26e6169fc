"""What image and flavor ask of a guest's devices, and what a host has to have for that.

Where both say something, who wins and which of it is a conflict is as upstream has it, property by property. What comes
of it is a pure function of a server's flavor and image properties, which its row keeps: the same for all its life.

Source: Image properties and Flavor extra specs in the image and compute guides of OpenStack; "Libvirt" in the
administration guide (secure boot, UEFI, emulated TPM, IOMMU, video, serial consoles).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from hanok.base.errors import BadInput
from hanok.commands import Devices
from hanok.services.compute.logic import cpu_topology, image_properties
from hanok.services.compute.logic.image_properties import truth

SPECS = frozenset(
    {
        "hide_hypervisor_id",
        "hw:boot_menu",
        "hw:hide_hypervisor_id",
        "hw:locked_memory",
        "hw:maxphysaddr_bits",
        "hw:maxphysaddr_mode",
        "hw:pmu",
        "hw:serial_port_count",
        "hw:tpm_model",
        "hw:tpm_version",
        "hw:vif_multiqueue_enabled",
        "hw:viommu_model",
        "hw:watchdog_action",
        "hw_rng:allowed",
        "hw_rng:rate_bytes",
        "hw_rng:rate_period",
        "hw_video:ram_max_mb",
        "os:secure_boot",
        *cpu_topology.SPECS,
    }
)
"""The extra specs that are acted on here."""

PROPERTIES = image_properties.NAMES
SERIAL_PORTS = 4  # of a PC; QEMU has no more
QUEUES = 256
BUSES = ("fdc", "ide", "lxc", "sata", "scsi", "uml", "usb", "virtio", "xen")
LARGEST = 2**31 - 1  # what devices take as a number, whatever it counts
REPEATED_CHARACTERS = 100  # characters of a value that is repeated in a refusal
VIDEO_MIB = 256
RNG_PERIOD_MS = 1000
TPM_VERSIONS, TPM_MODELS = ("1.2", "2.0"), ("tpm-tis", "tpm-crb")
SECURE = ("required", "disabled", "optional")
ADDRESS_SPACES = ("passthrough", "emulate")
WATCHDOG = ("none", "pause", "poweroff", "reset", "disabled")


class Requirements(Struct, frozen=True, kw_only=True):
    """What is asked for.

    Args:
        devices: of the guest.
        traits: that its host has to have. offers: what it has to have that no trait stands for.
        architecture, hypervisor, mode: of what the host runs; "" where nothing was said.
        versions: what is asked of the hypervisor's version.
    """

    devices: Devices
    traits: frozenset[str] = frozenset()
    offers: frozenset[str] = frozenset()
    architecture: str = ""
    hypervisor: str = ""
    mode: str = ""
    versions: tuple[tuple[str, tuple[int, ...]], ...] = ()


class Wish(Struct, frozen=True):
    """Extra specs of a flavor and properties of an image, read; and what the two are called."""

    specs: Mapping[str, Any]
    image: Mapping[str, Any]
    flavor_name: str = ""
    image_name: str = ""

    def both(self, key: str, prefix: str = "hw") -> Any:
        """A value that flavor or image may name; where both do, it has to be the same.

        Raises:
            BadInput: they differ.
        """
        requested, said = self.specs.get(f"{prefix}:{key}"), self.image.get(f"{prefix}_{key}")
        if requested and said and str(requested) != str(said):
            raise self._conflict(key, requested, said, prefix)
        return str(requested)[:REPEATED_CHARACTERS] if requested else said

    def flag(self, key: str) -> bool | None:
        """As `both`, for what is on or off; None where neither says.

        Raises:
            BadInput: they differ.
        """
        text, said = self.specs.get(f"hw:{key}"), self.image.get(f"hw_{key}")
        requested = None if text is None else truth(text)
        if requested is not None and said is not None and requested != said:
            raise self._conflict(key, requested, said)
        return said if requested is None else requested

    def _conflict(self, key: str, requested: Any, said: Any, prefix: str = "hw") -> BadInput:
        return BadInput(
            f"Flavor {self.flavor_name} has {prefix}:{key} extra spec explicitly set to {str(requested)[:100]}, "
            f"conflicting with image {self.image_name} which has {prefix}_{key} explicitly set to {said}."
        )

    def number(self, name: str) -> int:
        """A number that the flavor names; 0 where it does not.

        Raises:
            BadInput: it is none.
        """
        return number_of(self.specs.get(name, 0))


def number_of(value: Any) -> int:
    """Raises BadInput when a flavor's value is not a number, or larger than any that acts."""
    try:
        number = int(str(value))
    except ValueError as error:
        raise BadInput(f"Invalid flavor extra spec. Error: {str(error)[:200]}") from None
    if abs(number) > LARGEST:
        raise BadInput(f"Invalid flavor extra spec. Error: {str(value)[:50]} is out of range")
    return number


def requirements(
    specs: Mapping[str, Any],
    properties: Mapping[str, Any],
    vcpus: int,
    *,
    flavor_name: str = "",
    image_name: str = "",
) -> Requirements:
    """What a flavor with these extra specs, and an image with these properties, ask for.

    Raises:
        BadInput: a value that does not exist; one of each that do not go together; more than the flavor allows.
    """
    image = image_properties.read(properties)
    wish = Wish(specs, image, flavor_name, image_name)
    version, model = _tpm(wish)
    sized = specs.get("hw:mem_page_size") or properties.get("hw_mem_page_size")
    devices = Devices(
        machine=image.get("hw_machine_type", ""),
        firmware=image.get("hw_firmware_type", "bios"),
        secure_boot=_secure_boot(wish),
        boot_menu=image.get("hw_boot_menu", truth(specs.get("hw:boot_menu", "no"))),
        **_topology(wish, vcpus),
        pmu=wish.flag("pmu"),
        hpet=image.get("hw_time_hpet"),
        hidden=_hidden(wish),
        windows=image.get("os_type") == "windows",
        video=image.get("hw_video_model", "vga"),
        video_ram_mib=_video_ram(wish),
        rng=truth(specs.get("hw_rng:allowed", "true")),
        **_rng_rate(wish),
        watchdog=_watchdog(wish),
        inputs=image.get("hw_input_bus", "usb" if "hw_pointer_model" in image else ""),
        keyboard="hw_input_bus" in image,
        nic=image.get("hw_vif_model", "virtio"),
        queues=_queues(wish, vcpus),
        serial_ports=_serial_ports(wish),
        agent=image.get("hw_qemu_guest_agent", True),
        tpm_version=version,
        tpm_model=model,
        locked_memory=_locked_memory(wish, sized=bool(sized)),
        viommu=_viommu(wish),
        **_address_space(wish),
    )
    return Requirements(
        devices=devices,
        traits=frozenset(_traits(devices, image) | _buses(properties)),
        offers=frozenset(_offers(devices, image)),
        architecture=image.get("hw_architecture", ""),
        hypervisor=image.get("img_hv_type", ""),
        mode=image.get("hw_vm_mode", ""),
        versions=image.get("img_hv_requested_version", ()),
    )


# ---- what a host has to have ----


def _traits(devices: Devices, image: Mapping[str, Any]) -> set[str]:
    found = set()
    for name, prefix in (
        ("hw_video_model", "COMPUTE_GRAPHICS_MODEL"),
        ("hw_vif_model", "COMPUTE_NET_VIF_MODEL"),
        ("hw_emulation_architecture", "COMPUTE_ARCH"),
    ):
        if name in image:
            found.add(_trait(prefix, image[name]))
    if devices.firmware == "uefi":
        found.add("COMPUTE_FIRMWARE_UEFI")
    if devices.secure_boot == "required":
        found.add("COMPUTE_SECURITY_UEFI_SECURE_BOOT")
    if devices.tpm_version:
        found.add(_trait("COMPUTE_SECURITY_TPM", devices.tpm_version.replace(".", "_")))
        found.add(_trait("COMPUTE_SECURITY", devices.tpm_model))
    if devices.viommu:
        found.add(_trait("COMPUTE_VIOMMU_MODEL", devices.viommu))
    if devices.address_space:
        emulated = devices.address_space == "emulate"
        found.add(f"COMPUTE_ADDRESS_SPACE_{'EMULATED' if emulated else 'PASSTHROUGH'}")
    return found


def _buses(properties: Mapping[str, Any]) -> set[str]:
    """Of disks, whose own properties say what they may be."""
    named = (str(properties.get(name, "")).lower() for name in ("hw_disk_bus", "hw_cdrom_bus"))
    return {_trait("COMPUTE_STORAGE_BUS", one) for one in named if one in BUSES}


def _trait(prefix: str, value: str) -> str:
    return f"{prefix}_{value.replace('-', '_').upper()}"


def _offers(devices: Devices, image: Mapping[str, Any]) -> set[str]:
    found = set()
    if devices.machine:
        found.add(f"machine:{devices.machine}")
    if devices.watchdog:
        found.add("watchdog")
    if devices.inputs:
        found.add(f"input:{devices.inputs}")
    if devices.queues > 1:
        found.add("multiqueue")
    return found


# ---- one property after the other ----


def _secure_boot(wish: Wish) -> Any:
    policy = wish.both("secure_boot", "os")
    if policy is None:
        return "disabled"
    if policy not in SECURE:
        raise BadInput(
            f"Invalid secure boot policy {policy!r}. Allowed values: {', '.join(SECURE)}."
        )
    if policy == "required" and wish.image.get("hw_firmware_type") != "uefi":
        raise BadInput(
            "Secure boot is required, and the image does not ask for hw_firmware_type=uefi."
        )
    if policy == "required" and not _is_q35(wish):
        raise BadInput("Secure Boot is not supported by host")
    return policy


def _is_q35(wish: Wish) -> bool:
    return "q35" in wish.image.get("hw_machine_type", "q35")


def _topology(wish: Wish, vcpus: int) -> dict[str, Any]:
    sockets, cores, threads = cpu_topology.best(wish, vcpus)
    return {"sockets": sockets, "cores": cores, "threads": threads}


def _hidden(wish: Wish) -> bool:
    specs = ("hide_hypervisor_id", "hw:hide_hypervisor_id")
    flavor = any(truth(wish.specs.get(name, "")) for name in specs)
    return flavor or wish.image.get("img_hide_hypervisor_id", False)


def _video_ram(wish: Wish) -> int:
    """A power of two, in MiB, that is at least what the image asks for."""
    requested = wish.image.get("hw_video_ram", 0)
    maximum = wish.number("hw_video:ram_max_mb")
    if requested > maximum:
        raise BadInput(
            f"The requested amount of video memory {requested} is higher than the maximum allowed by flavor {maximum}."
        )
    if requested > VIDEO_MIB:
        raise BadInput(
            f"The image asks for hw_video_ram={requested}: screens have up to {VIDEO_MIB} MiB."
        )
    return 1 << (requested - 1).bit_length() if requested > 0 else 0


def _rng_rate(wish: Wish) -> dict[str, Any]:
    limit, period = wish.number("hw_rng:rate_bytes"), wish.number("hw_rng:rate_period")
    if limit <= 0:
        return {}
    return {"rng_bytes": limit, "rng_period_ms": period if period > 0 else RNG_PERIOD_MS}


def _watchdog(wish: Wish) -> Any:
    """The image's word counts before the flavor's."""
    action = wish.image.get(
        "hw_watchdog_action", wish.specs.get("hw:watchdog_action") or "disabled"
    )
    if action not in WATCHDOG:
        raise BadInput(f"Provided watchdog action ({str(action)[:100]}) is not supported.")
    return "" if action == "disabled" else action


def _queues(wish: Wish, vcpus: int) -> int:
    if vcpus < 2:
        return 1
    virtio = wish.image.get("hw_vif_model", "virtio") == "virtio"
    return min(vcpus, QUEUES) if wish.flag("vif_multiqueue_enabled") and virtio else 1


def _serial_ports(wish: Wish) -> int:
    """The flavor says how many there may be."""
    text, said = wish.specs.get("hw:serial_port_count"), wish.image.get("hw_serial_port_count")
    try:
        maximum = int(text or 0)
    except ValueError:
        raise BadInput(
            f"Number of serial ports specified in flavor is invalid: expected an integer, got '{str(text)[:100]}'"
        ) from None
    if maximum and said and said > maximum:
        raise BadInput(
            "Forbidden to exceed flavor value of number of serial ports passed in image meta."
        )
    count = said or maximum or 1
    if count > SERIAL_PORTS:
        raise BadInput(f"Maximum number of serial port exceeds {SERIAL_PORTS} for qemu")
    if count < 0:
        raise BadInput(f"Number of serial ports is invalid: {count} is less than 0.")
    return int(count)


def _tpm(wish: Wish) -> Any:
    """Version and model; no version where there is to be none."""
    named = wish.both("tpm_version")
    if named is None:
        return "", TPM_MODELS[0]
    if named not in TPM_VERSIONS:
        raise BadInput(f"Invalid TPM version {named!r}. Allowed values: {', '.join(TPM_VERSIONS)}.")
    model = wish.both("tpm_model") or TPM_MODELS[0]
    if model not in TPM_MODELS:
        raise BadInput(f"Invalid TPM model {model!r}. Allowed values: {', '.join(TPM_MODELS)}.")
    if model == "tpm-crb" and named != "2.0":
        raise BadInput("TPM model CRB is only valid with TPM version 2.0.")
    return named, model


def _locked_memory(wish: Wish, *, sized: bool) -> bool:
    """sized: whether the size of its pages was asked for."""
    text, said = wish.specs.get("hw:locked_memory"), wish.image.get("hw_locked_memory")
    requested = None if text is None else truth(text)
    if requested is not None and said is not None and requested != said:
        raise BadInput(
            f"locked_memory value in image ({said}) and flavor ({requested}) conflict. A consistent value is expected "
            "if both specified."
        )
    locked = bool(said if requested is None else requested)
    if locked and not sized:
        raise BadInput(
            "locked_memory value in image or flavor is forbidden when mem_page_size is not set."
        )
    return locked


def _viommu(wish: Wish) -> str:
    model = wish.specs.get("hw:viommu_model") or wish.image.get("hw_viommu_model") or ""
    if not model:
        return ""
    if model not in ("intel", "smmuv3", "virtio", "auto"):
        raise BadInput(
            f"The flavor asks for hw:viommu_model={str(model)[:100]}, which does not exist."
        )
    if not _is_q35(wish):
        raise BadInput(
            f"vIOMMU is not supported by Current machine type {wish.image['hw_machine_type'][:100]} "
            "(Architecture: x86_64)."
        )
    return "virtio" if model == "auto" else str(model)


def _address_space(wish: Wish) -> dict[str, Any]:
    mode = wish.both("maxphysaddr_mode")
    bits = number_of(
        wish.specs.get("hw:maxphysaddr_bits") or wish.image.get("hw_maxphysaddr_bits") or 0
    )
    if mode is None:
        if bits:
            raise BadInput("maxphysaddr_bits means nothing without maxphysaddr_mode.")
        return {}
    if mode not in ADDRESS_SPACES:
        allowed = ", ".join(ADDRESS_SPACES)
        raise BadInput(f"Invalid Maxphyaddr mode {mode!r}. Allowed values: {allowed}.")
    if not 32 <= bits <= 52 and (bits or mode == "emulate"):
        raise BadInput(f"maxphysaddr_bits={bits}: physical addresses have 32 to 52 bits.")
    return {"address_space": mode, "address_bits": bits}
