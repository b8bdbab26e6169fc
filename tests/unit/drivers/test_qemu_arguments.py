"""The argument vector of a guest."""

from __future__ import annotations

import json

import pytest

from hanok.drivers.qemu.arguments import BaseImage, Disk, GuestSpec, Interface, arguments
from hanok.drivers.qemu.hardware import Hardware

SERVER = "5f0d9a6e-0000-4000-8000-000000000001"


def spec(**changes: object) -> GuestSpec:
    values: dict[str, object] = {
        "server_id": SERVER,
        "vcpus": 2,
        "memory_mib": 256,
        "accelerator": "tcg",
        "folder": "/run/h/x",
        "serial_log": "/s/console,1.log",
        "qmp_fd": 7,
        "disks": (
            Disk("root", "/s/disk", "qcow2", BaseImage("/images/a", "qcow2"), boot_index=1),
            Disk("config", "/s/config.iso", "raw", read_only=True),
        ),
        "interfaces": (
            Interface("fa:16:3e:00:00:01", 9, 1442),
            Interface("fa:16:3e:00:00:02", None),
        ),
    }
    return GuestSpec(**(values | changes))  # type: ignore[arg-type]


def after(argv: list[str], option: str) -> list[str]:
    return [argv[at + 1] for at, word in enumerate(argv) if word == option]


def test_every_disk_names_its_format_and_its_base_and_no_base_has_another() -> None:
    root, config = (json.loads(text) for text in after(arguments(spec()), "-blockdev"))
    assert root["driver"] == "qcow2" and root["backing"]["driver"] == "qcow2"
    assert root["backing"]["backing"] is None and root["backing"]["read-only"] is True
    assert config["driver"] == "raw" and config["read-only"] is True


def test_taps_are_descriptors_and_cards_without_one_lead_nowhere() -> None:
    assert after(arguments(spec()), "-netdev") == ["tap,id=net0,fd=9", "user,id=net1,restrict=on"]


def test_nothing_listens_on_tcp_and_the_sandbox_is_on() -> None:
    argv = arguments(spec())
    assert after(argv, "-vnc") == ["unix:/run/h/x/vnc"]
    assert after(argv, "-sandbox")[0].startswith("on,")
    assert not [word for word in argv if "127.0.0.1" in word or "0.0.0.0" in word]


def test_the_guest_waits_for_cont_and_can_be_recognised() -> None:
    argv = arguments(spec())
    assert "-S" in argv and f"guest={SERVER}" in after(argv, "-name")[0]
    assert "product=OpenStack Nova" in after(argv, "-smbios")[0]


def test_a_comma_in_a_path_starts_no_option() -> None:
    assert "logfile=/s/console,,1.log," in " ".join(arguments(spec()))


def test_a_resumed_guest_has_the_same_tree() -> None:
    assert arguments(spec(incoming=True)) == [*arguments(spec()), "-incoming", "defer"]


def test_accelerators() -> None:
    assert after(arguments(spec()), "-accel") == ["tcg,thread=multi,tb-size=128"]
    kvm = arguments(spec(accelerator="kvm"))
    assert (after(kvm, "-accel"), after(kvm, "-cpu")) == (["kvm"], ["host"])


@pytest.mark.parametrize(
    ("machine", "buses", "there"),
    [
        ("pc-q35-7.2", ("sata", "sata"), ("bus=ide.0", "bus=ide.1")),
        ("pc-i440fx-7.2", ("sata", "sata"), ("ich9-ahci,id=sata,", "bus=sata.0", "bus=sata.1")),
        ("pc-i440fx-7.2", ("ide", "ide", "ide"), ("bus=ide.0,unit=1", "bus=ide.1,unit=0")),
        (
            "pc-i440fx-7.2",
            ("virtio", "ide"),
            ("virtio-blk-pci", "bus=pci.0,addr=0xb", "bus=ide.0,unit=0"),
        ),
    ],
)
def test_each_machine_has_its_own_controllers(
    machine: str, buses: tuple[str, ...], there: tuple[str, ...]
) -> None:
    disks = tuple(Disk(f"d{n}", f"/s/{n}", "raw", bus=bus) for n, bus in enumerate(buses))
    words = " ".join(arguments(spec(disks=disks, hardware=Hardware(machine=machine))))
    assert not [one for one in there if one not in words], words


def test_devices_of_the_host_take_the_slots_that_are_left() -> None:
    argv = arguments(spec(host_devices=("0000:3b:00.1",)))
    own = next(at for at, word in enumerate(argv) if word.startswith("vfio-pci,"))
    fixed = [at for at, word in enumerate(argv) if ",addr=0x" in word]
    assert fixed and max(fixed) < own
