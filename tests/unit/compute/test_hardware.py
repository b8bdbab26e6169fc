"""What images and flavors ask of devices: from their words to the hypervisor's command line, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hanok.base.errors import BadInput
from hanok.base.ids import new_uuid
from hanok.commands import EnsureInstance
from hanok.drivers.qemu.arguments import GuestSpec, Interface, arguments
from hanok.drivers.qemu.capabilities import Capabilities, FirmwareFile
from hanok.drivers.qemu.hardware import INTERFACE_MODELS, VIDEO
from hanok.node.hardware import Board
from hanok.node.records import Record
from hanok.services.compute.logic import hardware

Words = dict[str, str]
PLAIN = FirmwareFile("/f/code", "/f/vars", machines=("pc-q35-*", "pc-i440fx-*"))
SIGNED = FirmwareFile("/f/code.ms", "/f/vars.ms", secure=True, smm=True, machines=("pc-q35-*",))
ABLE = Capabilities(
    machines={
        "q35": "pc-q35-7.2",
        "pc": "pc-i440fx-7.2",
        "pc-q35-7.1": "pc-q35-7.1",
        "pc-q35-7.2": "pc-q35-7.2",
        "pc-i440fx-7.2": "pc-i440fx-7.2",
    },
    devices=frozenset({*INTERFACE_MODELS.values(), *(device for device, _ in VIDEO.values())}),
    firmwares=(SIGNED, PLAIN),
    tpm_versions=("1.2", "2.0"),
)


def command_line(
    properties: Words, specs: Words, vcpus: int = 4, *, accelerator: str = "tcg"
) -> str:
    """The words that a guest of this image and flavor is started with."""
    requested = hardware.requirements(specs, properties, vcpus)
    spec = EnsureInstance(
        server_id=new_uuid(),
        generation=1,
        name="n",
        hostname="n",
        project_id="p",
        user_id="u",
        vcpus=vcpus,
        memory_mib=64,
        disk_gib=1,
        image_id=new_uuid(),
        image_format="raw",
        devices=requested.devices,
    )
    record = Record(server_id=spec.server_id, generation=1, spec=spec)
    board = Board(ABLE, accelerator)
    for name, value in board.found_anew(record).items():
        setattr(record, name, value)
    taps = tuple(range(10, 10 + requested.devices.queues))
    guest = GuestSpec(
        server_id=spec.server_id,
        vcpus=vcpus,
        memory_mib=64,
        accelerator=accelerator,
        folder="/run/x",
        serial_log="/x/console.log",
        qmp_fd=3,
        interfaces=(Interface("fa:16:3e:00:00:01", taps[0], 1442, more_fds=taps[1:]),),
        hardware=board.hardware(record, Path("/x/files"), Path("/run/x")),
    )
    return " ".join(arguments(guest))


ACTS: list[tuple[Words, Words, tuple[str, ...], tuple[str, ...]]] = [
    ({}, {}, ("pc-q35-7.2,", "menu=off", "sockets=4,cores=1,threads=1", "VGA,", "base=utc"), ()),
    ({"hw_machine_type": "pc"}, {}, ("pc-i440fx-7.2,", "bus=pci.0,addr=0xb,"), ("pcie-root-port",)),
    ({"hw_machine_type": "pc-q35-7.1"}, {}, ("pc-q35-7.1,",), ()),
    ({"hw_firmware_type": "bios"}, {}, (), ("pflash",)),
    (
        {"hw_firmware_type": "uefi"},
        {},
        ("pflash0=firmware", '/f/code"', '/x/files/variables"'),
        ("smm=on",),
    ),
    (
        {"hw_firmware_type": "uefi", "os_secure_boot": "required"},
        {},
        ("smm=on", "/f/code.ms", "/x/files/variables-secure", "property=secure,value=on"),
        (),
    ),
    ({"hw_firmware_type": "uefi"}, {"os:secure_boot": "required"}, ("/f/code.ms",), ()),
    ({"hw_firmware_type": "uefi", "os_secure_boot": "optional"}, {}, ("/f/code.ms",), ()),
    (
        {"hw_firmware_type": "uefi", "os_secure_boot": "optional", "hw_machine_type": "pc"},
        {},
        ('/f/code"',),
        ("smm=on",),
    ),
    ({"hw_firmware_type": "uefi"}, {"os:secure_boot": "disabled"}, ('/f/code"',), ()),
    *(
        ({"hw_video_model": model}, {}, (f"{device},id=screen",), ())
        for model, (device, _) in VIDEO.items()
    ),
    ({"hw_video_model": "none"}, {}, (), ("id=screen",)),
    ({"hw_video_ram": "9"}, {"hw_video:ram_max_mb": "16"}, ("vgamem_mb=16",), ()),
    ({}, {"hw_video:ram_max_mb": "16"}, ("vgamem_mb=8",), ()),
    ({"hw_rng_model": "virtio"}, {}, ("virtio-rng-pci",), ("max-bytes",)),
    ({"hw_rng_model": "virtio"}, {"hw_rng:allowed": "False"}, (), ("virtio-rng-pci",)),
    ({}, {"hw_rng:rate_bytes": "512"}, ("max-bytes=512,period=1000",), ()),
    ({}, {"hw_rng:rate_bytes": "5", "hw_rng:rate_period": "7"}, ("max-bytes=5,period=7",), ()),
    ({"hw_watchdog_action": "reset"}, {}, ("i6300esb", "watchdog=reset"), ()),
    ({}, {"hw:watchdog_action": "pause"}, ("i6300esb", "watchdog=pause"), ()),
    ({"hw_watchdog_action": "none"}, {"hw:watchdog_action": "reset"}, ("watchdog=none",), ()),
    ({"hw_watchdog_action": "disabled"}, {"hw:watchdog_action": "reset"}, (), ("i6300esb",)),
    ({"hw_pointer_model": "usbtablet"}, {}, ("qemu-xhci", "usb-tablet"), ("usb-kbd",)),
    ({"hw_input_bus": "usb"}, {}, ("usb-tablet", "usb-kbd"), ()),
    ({"hw_input_bus": "virtio"}, {}, ("virtio-tablet-pci", "virtio-keyboard-pci"), ("usb",)),
    *(
        ({"hw_vif_model": model}, {}, (f"{card},id=card0",), ())
        for model, card in INTERFACE_MODELS.items()
    ),
    ({"hw_vif_model": "VirtualE1000"}, {}, ("e1000,id=card0",), ("host_mtu",)),
    ({"hw_vif_multiqueue_enabled": "true"}, {}, ("fds=10:11:12:13", "mq=on,vectors=10"), ()),
    ({}, {"hw:vif_multiqueue_enabled": "yes"}, ("mq=on",), ()),
    ({"hw_vif_model": "e1000"}, {"hw:vif_multiqueue_enabled": "yes"}, (), ("mq=on",)),
    ({"hw_cpu_sockets": "2"}, {}, ("4,sockets=2,cores=2,threads=1",), ()),
    ({"hw_cpu_cores": "4"}, {}, ("sockets=1,cores=4,threads=1",), ()),
    ({"hw_cpu_max_sockets": "1"}, {}, ("sockets=1,cores=4,threads=1",), ()),
    ({}, {"hw:cpu_max_sockets": "1", "hw:cpu_threads": "2"}, ("sockets=1,cores=2,threads=2",), ()),
    ({"hw_cpu_sockets": "4"}, {"hw:cpu_sockets": "1"}, ("sockets=4,",), ()),
    ({}, {"hw:cpu_sockets": "9", "hw:cpu_max_sockets": "2"}, ("sockets=2,cores=2",), ()),
    ({"hw_boot_menu": "true"}, {"hw:boot_menu": "false"}, ("menu=on",), ()),
    ({}, {"hw:boot_menu": "on"}, ("menu=on",), ()),
    ({"hw_serial_port_count": "2"}, {"hw:serial_port_count": "3"}, ("/serial1,",), ("/serial2,",)),
    ({}, {"hw:serial_port_count": "3"}, ("/serial2,", "chardev:serial2"), ()),
    ({"hw_time_hpet": "false"}, {}, ("hpet=off",), ()),
    ({"hw_time_hpet": "true"}, {}, ("hpet=on",), ()),
    ({"hw_pmu": "true"}, {"hw:pmu": "True"}, ("max,pmu=on",), ()),
    ({}, {"hw:pmu": "no"}, ("max,pmu=off",), ()),
    ({"hw_qemu_guest_agent": "yes"}, {}, ("guest_agent",), ()),
    ({"hw_qemu_guest_agent": "no"}, {}, ("virtio-serial-pci",), ("guest_agent",)),
    ({"os_type": "Windows"}, {}, ("base=localtime",), ("hv-",)),
    ({"os_type": "linux", "os_distro": "debian"}, {}, ("base=utc",), ()),
    ({"img_hide_hypervisor_id": "true"}, {}, ("tcg-cpuid=off",), ()),
    ({}, {"hw:hide_hypervisor_id": "true"}, ("tcg-cpuid=off",), ()),
    ({}, {"hide_hypervisor_id": "true"}, ("tcg-cpuid=off",), ()),
    ({"hw_tpm_version": "2.0"}, {}, ("path=/run/x/tpm", "tpm-tis,tpmdev=tpm0"), ()),
    ({"hw_tpm_model": "tpm-crb"}, {"hw:tpm_version": "2.0"}, ("tpm-crb,tpmdev",), ()),
    ({}, {"hw:locked_memory": "true", "hw:mem_page_size": "small"}, ("mem-lock=on",), ()),
    ({}, {"hw:viommu_model": "intel"}, ("intel-iommu,intremap=on",), ()),
    ({"hw_viommu_model": "auto"}, {}, ("virtio-iommu-pci",), ()),
    (
        {"hw_maxphysaddr_bits": "42"},
        {"hw:maxphysaddr_mode": "emulate"},
        ("phys-bits=42",),
        (),
    ),
    ({}, {"hw:maxphysaddr_mode": "passthrough"}, ("host-phys-bits=on",), ()),
]


@pytest.mark.parametrize(("properties", "specs", "there", "not_there"), ACTS)
def test_what_is_asked_for_is_on_the_command_line(
    properties: Words, specs: Words, there: tuple[str, ...], not_there: tuple[str, ...]
) -> None:
    words = command_line(properties, specs)
    assert not [one for one in there if one not in words], words
    assert not [one for one in not_there if one in words], words


def test_what_only_kvm_has() -> None:
    windows = command_line({"os_type": "windows"}, {}, accelerator="kvm")
    assert "host,hv-relaxed" in windows and "hv-spinlocks=0x1fff" in windows
    hidden = {"os_type": "windows", "img_hide_hypervisor_id": "yes"}
    words = command_line(hidden, {}, accelerator="kvm")
    assert "host,kvm=off," in words and "hv-vendor-id" in words
    assert "kernel-irqchip=split" in command_line(
        {}, {"hw:viommu_model": "intel"}, accelerator="kvm"
    )


@pytest.mark.parametrize("name", sorted({*hardware.PROPERTIES} - {"img_hv_requested_version"}))
def test_every_property_is_in_a_table(name: str) -> None:
    """A property that acts is seen to act, or to choose the host."""
    in_tables = {one for properties, *_ in ACTS for one in properties}
    in_tables |= {one for properties, *_ in (*HOSTS, *REFUSED) for one in properties}
    assert name in in_tables


@pytest.mark.parametrize("name", sorted(hardware.SPECS))
def test_every_spec_is_in_a_table(name: str) -> None:
    assert name in {one for _, specs, *_ in (*ACTS, *HOSTS, *REFUSED) for one in specs}


HOSTS: list[tuple[Words, Words, set[str], set[str]]] = [
    ({}, {}, set(), set()),
    ({"hw_machine_type": "pc-q35-9.9"}, {}, set(), {"machine:pc-q35-9.9"}),
    (
        {"hw_disk_bus": "scsi", "hw_cdrom_bus": "sata"},
        {},
        {"COMPUTE_STORAGE_BUS_SCSI", "COMPUTE_STORAGE_BUS_SATA"},
        set(),
    ),
    ({"hw_firmware_type": "uefi"}, {}, {"COMPUTE_FIRMWARE_UEFI"}, set()),
    (
        {"hw_firmware_type": "uefi", "os_secure_boot": "required"},
        {},
        {"COMPUTE_FIRMWARE_UEFI", "COMPUTE_SECURITY_UEFI_SECURE_BOOT"},
        set(),
    ),
    ({"hw_video_model": "gop"}, {}, {"COMPUTE_GRAPHICS_MODEL_GOP"}, set()),
    ({"hw_vif_model": "spapr-vlan"}, {}, {"COMPUTE_NET_VIF_MODEL_SPAPR_VLAN"}, set()),
    ({"hw_emulation_architecture": "aarch64"}, {}, {"COMPUTE_ARCH_AARCH64"}, set()),
    (
        {},
        {"hw:tpm_version": "1.2"},
        {"COMPUTE_SECURITY_TPM_1_2", "COMPUTE_SECURITY_TPM_TIS"},
        set(),
    ),
    ({}, {"hw:viommu_model": "smmuv3"}, {"COMPUTE_VIOMMU_MODEL_SMMUV3"}, set()),
    (
        {},
        {"hw:maxphysaddr_mode": "passthrough"},
        {"COMPUTE_ADDRESS_SPACE_PASSTHROUGH"},
        set(),
    ),
    ({"hw_input_bus": "virtio"}, {}, set(), {"input:virtio"}),
    ({"hw_watchdog_action": "pause"}, {}, set(), {"watchdog"}),
    ({"hw_vif_multiqueue_enabled": "1"}, {}, set(), {"multiqueue"}),
]


@pytest.mark.parametrize(("properties", "specs", "traits", "offers"), HOSTS)
def test_what_a_host_has_to_have(
    properties: Words, specs: Words, traits: set[str], offers: set[str]
) -> None:
    requested = hardware.requirements(specs, properties, 2)
    assert (set(requested.traits), set(requested.offers)) == (traits, offers)


NOT_REFUSED: list[tuple[Words, Words]] = [
    ({"hw_tpm_version": "2.0"}, {"hw:tpm_version": "2.0"}),
    ({"hw_locked_memory": "true"}, {"hw:locked_memory": "yes", "hw:mem_page_size": "small"}),
    ({"hw_locked_memory": "true", "hw_mem_page_size": "small"}, {}),
    ({"hw_serial_port_count": "2"}, {"hw:serial_port_count": "2"}),
    ({}, {"hw:maxphysaddr_mode": "passthrough", "hw:maxphysaddr_bits": "52"}),
    ({}, {"hw:maxphysaddr_mode": "emulate", "hw:maxphysaddr_bits": "32"}),
    ({"hw_architecture": "x86_64", "architecture": "z80"}, {}),  # the newer name counts
]


@pytest.mark.parametrize(("properties", "specs"), NOT_REFUSED)
def test_what_agrees_is_taken(properties: Words, specs: Words) -> None:
    hardware.requirements(specs, properties, 2)


@pytest.mark.parametrize(
    ("properties", "specs", "locked"),
    [
        ({}, {"hw:mem_page_size": "small"}, False),
        ({"hw_locked_memory": "true"}, {"hw:mem_page_size": "small"}, True),
        ({"hw_locked_memory": "false"}, {}, False),
        ({}, {"hw:locked_memory": "1", "hw:mem_page_size": "any"}, True),
        ({}, {"hw:locked_memory": "no"}, False),
    ],
)
def test_memory_that_stays_where_it_is(properties: Words, specs: Words, locked: bool) -> None:
    assert hardware.requirements(specs, properties, 2).devices.locked_memory is locked


def test_cores_are_no_more_than_the_flavor_lets() -> None:
    specs = {"hw:cpu_max_cores": "1", "hw:cpu_sockets": "2", "hw:cpu_threads": "1"}
    found = hardware.requirements(specs, {}, 4).devices
    assert (found.sockets, found.cores, found.threads) == (4, 1, 1)


INVALID = "Invalid image metadata. Error: "
BOTH = (
    "Flavor small has {} extra spec explicitly set to {}, conflicting with image lin "
    "which has {} explicitly set to {}."
)
REFUSED: list[tuple[Words, Words, str]] = [
    *(
        ({name: "odd"}, {}, f"{INVALID}Field value odd is invalid")
        for name in (
            "hw_firmware_type",
            "hw_video_model",
            "hw_rng_model",
            "hw_watchdog_action",
            "hw_pointer_model",
            "hw_input_bus",
            "hw_vif_model",
            "hw_viommu_model",
            "hw_tpm_version",
            "hw_tpm_model",
            "hw_maxphysaddr_mode",
            "os_secure_boot",
        )
    ),
    *(
        ({name: "two"}, {}, f"{INVALID}invalid literal for int() with base 10: 'two'")
        for name in (
            "hw_video_ram",
            "hw_serial_port_count",
            "hw_maxphysaddr_bits",
            "hw_cpu_threads",
            "hw_cpu_max_cores",
            "hw_cpu_max_threads",
        )
    ),
    ({"architecture": "z80"}, {}, f"{INVALID}Architecture name 'z80' is not valid"),
    ({"hw_architecture": "z80"}, {}, f"{INVALID}Architecture name 'z80' is not valid"),
    ({"hypervisor_type": "wine"}, {}, f"{INVALID}Hypervisor virt type 'wine' is not valid"),
    ({"img_hv_type": "wine"}, {}, f"{INVALID}Hypervisor virt type 'wine' is not valid"),
    ({"vm_mode": "odd"}, {}, f"{INVALID}Virtual machine mode 'odd' is not valid"),
    ({"hw_vm_mode": "odd"}, {}, f"{INVALID}Virtual machine mode 'odd' is not valid"),
    ({"hypervisor_version_requires": "new"}, {}, f"{INVALID}Invalid predicate: new"),
    ({"hw_pmu": "true"}, {"hw:pmu": "0"}, BOTH.format("hw:pmu", False, "hw_pmu", True)),
    (
        {"hw_vif_multiqueue_enabled": "no"},
        {"hw:vif_multiqueue_enabled": "yes"},
        BOTH.format("hw:vif_multiqueue_enabled", True, "hw_vif_multiqueue_enabled", False),
    ),
    (
        {"hw_tpm_version": "2.0"},
        {"hw:tpm_version": "1.2"},
        BOTH.format("hw:tpm_version", "1.2", "hw_tpm_version", "2.0"),
    ),
    (
        {"hw_tpm_version": "2.0", "hw_tpm_model": "tpm-tis"},
        {"hw:tpm_model": "tpm-crb"},
        BOTH.format("hw:tpm_model", "tpm-crb", "hw_tpm_model", "tpm-tis"),
    ),
    (
        {"hw_firmware_type": "uefi", "os_secure_boot": "disabled"},
        {"os:secure_boot": "required"},
        BOTH.format("os:secure_boot", "required", "os_secure_boot", "disabled"),
    ),
    (
        {"hw_maxphysaddr_mode": "emulate"},
        {"hw:maxphysaddr_mode": "passthrough"},
        BOTH.format("hw:maxphysaddr_mode", "passthrough", "hw_maxphysaddr_mode", "emulate"),
    ),
    ({}, {"hw:tpm_version": "3"}, "Invalid TPM version '3'. Allowed values: 1.2, 2.0."),
    (
        {},
        {"hw:tpm_version": "2.0", "hw:tpm_model": "x"},
        "Invalid TPM model 'x'. Allowed values: tpm-tis, tpm-crb.",
    ),
    (
        {"hw_tpm_model": "tpm-crb"},
        {"hw:tpm_version": "1.2"},
        "TPM model CRB is only valid with TPM version 2.0.",
    ),
    (
        {},
        {"os:secure_boot": "maybe"},
        "Invalid secure boot policy 'maybe'. Allowed values: required, disabled, optional.",
    ),
    ({"os_secure_boot": "required"}, {}, "does not ask for hw_firmware_type=uefi"),
    (
        {"os_secure_boot": "required", "hw_firmware_type": "uefi", "hw_machine_type": "pc"},
        {},
        "Secure Boot is not supported by host",
    ),
    (
        {"hw_video_ram": "8"},
        {},
        "The requested amount of video memory 8 is higher than the maximum allowed by flavor 0.",
    ),
    ({"hw_video_ram": "512"}, {"hw_video:ram_max_mb": "512"}, "screens have up to 256 MiB"),
    ({}, {"hw:watchdog_action": "bark"}, "Provided watchdog action (bark) is not supported."),
    (
        {"hw_serial_port_count": "3"},
        {"hw:serial_port_count": "2"},
        "Forbidden to exceed flavor value of number of serial ports passed in image meta.",
    ),
    (
        {},
        {"hw:serial_port_count": "two"},
        "Number of serial ports specified in flavor is invalid: expected an integer, got 'two'",
    ),
    (
        {"hw_serial_port_count": "5"},
        {},
        "Maximum number of serial port exceeds 4 for qemu",
    ),
    (
        {"hw_locked_memory": "true"},
        {},
        "locked_memory value in image or flavor is forbidden when mem_page_size is not set.",
    ),
    (
        {"hw_locked_memory": "true"},
        {"hw:locked_memory": "false", "hw:mem_page_size": "small"},
        "locked_memory value in image (True) and flavor (False) conflict.",
    ),
    ({}, {"hw:serial_port_count": "-1"}, "Number of serial ports is invalid: -1 is less than 0."),
    (
        {},
        {"hw:maxphysaddr_mode": "passthrough", "hw:maxphysaddr_bits": "53"},
        "maxphysaddr_bits=53: physical addresses have 32 to 52 bits.",
    ),
    (
        {},
        {"hw:maxphysaddr_mode": "emulate", "hw:maxphysaddr_bits": "31"},
        "maxphysaddr_bits=31: physical addresses have 32 to 52 bits.",
    ),
    ({"hw_viommu_model": "intel", "hw_machine_type": "pc"}, {}, "vIOMMU is not supported by"),
    ({}, {"hw:viommu_model": "odd"}, "hw:viommu_model=odd, which does not exist"),
    (
        {},
        {"hw:maxphysaddr_mode": "odd"},
        "Invalid Maxphyaddr mode 'odd'. Allowed values: passthrough, emulate.",
    ),
    ({}, {"hw:maxphysaddr_bits": "40"}, "means nothing without maxphysaddr_mode"),
    ({}, {"hw:maxphysaddr_mode": "emulate"}, "physical addresses have 32 to 52 bits"),
    (
        {"hw_cpu_max_sockets": "3"},
        {"hw:cpu_max_sockets": "2"},
        "Image vCPU topology limits (sockets=3, cores=0, threads=0) exceeds the limits of the flavor "
        "(sockets=2, cores=0, threads=0)",
    ),
    (
        {"hw_cpu_sockets": "3"},
        {"hw:cpu_max_sockets": "2"},
        "Image vCPU topology (sockets=3, cores=0, threads=0) exceeds the limits of the flavor or image "
        "(sockets=2, cores=65536, threads=65536)",
    ),
    (
        {},
        {"hw:cpu_max_sockets": "1", "hw:cpu_max_cores": "1", "hw:cpu_max_threads": "1"},
        "Requested vCPU limits 1:1:1 are impossible to satisfy for vcpus count 2",
    ),
    (
        {},
        {"hw:cpu_cores": "few"},
        "Invalid flavor extra spec. Error: invalid literal for int() with base 10: 'few'",
    ),
    ({}, {"hw_rng:rate_bytes": "x", "hw_rng:rate_period": "y"}, "Invalid flavor extra spec."),
]


@pytest.mark.parametrize(("properties", "specs", "why"), REFUSED)
def test_what_nobody_could_have_is_refused(properties: Words, specs: Words, why: str) -> None:
    with pytest.raises(BadInput) as refused:
        hardware.requirements(specs, properties, 2, flavor_name="small", image_name="lin")
    assert why in refused.value.message


ODD: tuple[Any, ...] = (None, 7, True, [], {}, "", "\x00", "9" * 5000, "é" * 300)


@pytest.mark.parametrize("name", sorted({*hardware.PROPERTIES, *hardware.SPECS}))
def test_no_value_breaks_it(name: str) -> None:
    both: list[tuple[Any, Any]] = [({name: value}, {}) for value in ODD] + [
        ({}, {name: value}) for value in ODD
    ]
    for specs, properties in both:
        try:
            hardware.requirements(specs, properties, 2)
        except BadInput as error:
            assert len(error.message) < 600
