"""What a server may be asked to be, and what of it is acted on: hints, image properties, extra specs of flavors.

Whatever is accepted acts. A hint, a property or a spec that asks for something which this cloud does not do yet is
refused when a server is made, never when an image or a flavor is stored: they may be meant for another cloud. What is
taken all the same stands here, each with its reason. Whoever makes one of them act takes it out of its list.

Source: Compute API reference, "Create Server" (os:scheduler_hints); Image properties and Flavor extra specs in the
image and compute guides of OpenStack.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from hanok.base.addresses import address_of
from hanok.base.errors import BadInput
from hanok.base.ids import is_uuid
from hanok.services.compute.logic import cpu_wishes, devices, disks, hardware, host_queries, limits

# ---- hints ----

HINTS_BYTES = 65_535  # as JSON: each server of a request keeps them

HINTS_NOT_ACTED_ON: dict[str, str] = {
    "target_cell": "this cloud has no cells",
    "different_cell": "this cloud has no cells",
}
"""Hints that the API defines and nothing acts on. Others are a site's own: kept, shown, and left to the site."""


def check_hints(hints: Mapping[str, Any]) -> None:
    """Hold the hints of a new server against what the API says of them, and what this cloud does with them.

    Raises:
        BadInput: a value that does not fit; a hint that would have no effect; too much of them.
    """
    if len(msgspec.json.encode(hints)) > HINTS_BYTES:
        raise BadInput(
            f"Invalid input for field/attribute os:scheduler_hints. It has more than {HINTS_BYTES} bytes."
        )
    for name, value in hints.items():
        form = _FORMS.get(name)
        if form is not None and not form(value):
            raise BadInput(
                f"Invalid input for field/attribute {name}. Value: {_text(value)}. "
                "It is not a valid value of this scheduler hint."
            )
    host_queries.read(hints.get("query", []))
    for name in hints:
        if name in HINTS_NOT_ACTED_ON:
            raise BadInput(
                f"The scheduler hint '{name}' is not supported: {HINTS_NOT_ACTED_ON[name]}."
            )


def _text(value: Any) -> str:
    return (value if isinstance(value, str) else msgspec.json.encode(value).decode())[:100]


def _id(value: Any) -> bool:
    return isinstance(value, str) and is_uuid(value)


def _one_or_several(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: all(map(fits, value)) if isinstance(value, list) else fits(value)


def _address(value: Any) -> bool:
    try:
        address_of(value)
    except ValueError:
        return False
    return True


def _name(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= 255 and value == value.strip()


_FORMS: dict[str, Callable[[Any], bool]] = {
    "group": _one_or_several(_id),
    "same_host": _one_or_several(lambda value: isinstance(value, str)),
    "different_host": _one_or_several(_id),
    "query": lambda value: isinstance(value, str | list | dict),
    "target_cell": _name,
    "different_cell": _one_or_several(lambda value: isinstance(value, str)),
    "build_near_host_ip": _address,
    "cidr": lambda value: (
        isinstance(value, str) and re.fullmatch(r"/[0-9a-f.:]+", value) is not None
    ),
}

# ---- properties of images ----

_ACTS = "acted on"
_NO = ("false", "no", "0", "off", "f", "n")

PROPERTIES_TAKEN: dict[str, tuple[tuple[str, ...] | None, str]] = {
    "hw_disk_bus": (disks.BUSES, _ACTS),
    "block_device_mapping": (None, "acted on: the volumes that servers of the image have"),
    "hw_cdrom_bus": (disks.CDROM_BUSES, _ACTS),
    "hw_scsi_model": (disks.SCSI_MODELS, _ACTS),
    "img_config_drive": (("optional", "mandatory"), "acted on: mandatory gives each server one"),
    "img_signature": (None, "held against the data when the image service takes it"),
    "img_signature_hash_method": (None, "as img_signature"),
    "img_signature_key_type": (None, "as img_signature"),
    "img_signature_certificate_uuid": (None, "as img_signature"),
    **dict.fromkeys(
        (
            "hw_auto_disk_config",
            "hw_device_id",
            "hw_disk_type",
            "hw_ipxe_boot",
            "img_bittorrent",
            "img_cache_in_nova",
            "img_compression_level",
            "img_linked_clone",
            "img_owner_id",
            "img_use_agent",
            "img_version",
        ),
        (None, "for other hypervisors: upstream's for QEMU does not look at it either"),
    ),
    "hw_rescue_device": (("disk", "cdrom"), "acted on when a server is rescued with the image"),
    "hw_rescue_bus": (
        ("virtio", "scsi", "usb", "sata", "ide"),
        "acted on when a server is rescued with the image",
    ),
}
"""Properties that ask for something: the values that are taken (None: any), and why. What guests are made of acts
(`hardware.py`), and so does `trait:…` (`scheduling.py`). What upstream's guests would have, and guests here do not, is
in `NOT_HAD` and `IMAGES_NOT_HAD`. All others only describe, or are a site's own."""

NOT_HAD: dict[str, str] = {
    "cpu_realtime": "CPUs of guests are not scheduled in real time",
    "cpu_realtime_mask": "CPUs of guests are not scheduled in real time",
    "ephemeral_encryption": "disks on hosts are not encrypted yet",
    "ephemeral_encryption_format": "disks on hosts are not encrypted yet",
    "ephemeral_encryption_secret_uuid": "disks on hosts are not encrypted yet",
    "firmware_stateless": "firmware of guests keeps its variables",
    "floppy_bus": "guests have no floppy disks",
    "mem_encryption": "memory of guests is not encrypted",
    "mem_encryption_model": "memory of guests is not encrypted",
    "pmem": "hosts have no persistent memory for guests",
    "redirected_usb_ports": "USB devices of users come by SPICE, which is not served",
    "sound_model": "guests have no sound: consoles do not carry it",
    "tpm_secret_security": "the state of a TPM is not encrypted",
    "usb_model": "a guest gets a USB controller with the devices that it asks for",
    "virtio_packed_ring": "queues of guests are of the usual form",
}
"""Why guests do not have what upstream's would, by what follows `hw_` and `hw:`."""

IMAGES_NOT_HAD: dict[str, str] = {
    "img_bdm_v2": "the volumes of an image's servers are read from block_device_mapping",
    "img_block_device_mapping": "the volumes of an image's servers are read from block_device_mapping",
    "img_mappings": "disks have the names that their buses give them",
    "img_root_device_name": "the name of the root disk is read from root_device_name",
}
"""Why guests do not have what an image asks for under other names."""

FLAGS_NOT_HAD = (
    "cpu_realtime",
    "ephemeral_encryption",
    "firmware_stateless",
    "mem_encryption",
    "redirected_usb_ports",
    "virtio_packed_ring",
)


def _gets(name: str, value: Any) -> bool:
    """Whether nothing but what guests get anyway is asked for: that they do not have something."""
    return name in FLAGS_NOT_HAD and str(value).strip().lower() in _NO


RESCUE = ("hw_rescue_device", "hw_rescue_bus")
"""Properties of an image with which a rescued server keeps the places of its own disks."""


def check_properties(properties: Mapping[str, Any]) -> None:
    """Hold the properties of an image against what a guest will get.

    Raises:
        BadInput: one asks for something else.
    """
    for name, value in properties.items():
        if name in hardware.PROPERTIES or cpu_wishes.is_property(name):
            continue  # held against each other by `hardware.requirements` and `cpu_wishes.wish`
        if name in PROPERTIES_TAKEN:
            values, _ = PROPERTIES_TAKEN[name]
            if values is None or str(value).lower() in values:
                continue
            raise BadInput(
                f"The image asks for {name}={str(value)[:100]}, which is not supported yet. "
                f"Supported: {', '.join(values)}."
            )
        if why := _why_not(name, value):
            raise BadInput(
                f"The image asks for {name}={str(value)[:100]}, which is not supported: {why}. "
                "Remove the property from the image to start servers of it."
            )


def _why_not(name: str, value: Any) -> str:
    """Why servers would not have what a property asks for; "" where they have, and where it only describes."""
    if name in IMAGES_NOT_HAD:
        return IMAGES_NOT_HAD[name] if value not in ("", "[]") else ""
    part = name.removeprefix("hw_")
    return "" if part == name or _gets(part, value) else NOT_HAD.get(part, "")


def rescue_of(properties: Mapping[str, Any]) -> dict[str, Any]:
    """How a server is rescued with an image: columns of its `rescue`, but for the image.

    properties: what the image asks of devices, which the guest has meanwhile.

    Raises:
        BadInput: a CD-ROM on a bus that has none.
    """
    stable = any(name in properties for name in RESCUE)
    device = str(properties.get("hw_rescue_device", "disk")).lower()
    usual = "scsi" if device == "cdrom" else "virtio"
    bus = str(properties.get("hw_rescue_bus", usual)).lower()
    if device == "cdrom" and bus in ("virtio", "usb"):
        raise BadInput(
            f"The image asks for hw_rescue_device=cdrom on hw_rescue_bus={bus}, which is not supported. "
            "Supported: scsi, sata, ide."
        )
    requested = {name: value for name, value in properties.items() if name in hardware.PROPERTIES}
    return {"stable": stable, "bus": bus, "device": device, "properties": requested}


def forces_config_drive(properties: Mapping[str, Any]) -> bool:
    return str(properties.get("img_config_drive", "")).lower() == "mandatory"


# ---- extra specs of flavors ----

SPECS_NOT_ACTED_ON: dict[str, str] = {
    "pci_passthrough": "devices of hosts are named by an alias",
    "accel": "there are no accelerators yet",
    "powervm": "hosts run QEMU",
    "vmware": "hosts run QEMU",
}
"""By what stands before the colon. What guests are made of acts (`hardware.py`); `resources…`, `trait…`,
`group_policy`, `capabilities` and `aggregate_instance_extra_specs` act (`scheduling.py`, `host_facts.py`,
`aggregate_rules.py`); so does a name without a colon that is in the metadata of some aggregate. What upstream's guests
would have, and guests here do not, is in `NOT_HAD`. Other specs are a site's own: kept, shown, and left to the site."""


def check_specs(specs: Mapping[str, str]) -> None:
    """Hold the extra specs of a flavor against what a server will get.

    Raises:
        BadInput: one asks for something else.
    """
    limits.check_all({name: one for name, one in specs.items() if name.startswith(limits.SCOPE)})
    for name, value in specs.items():
        if name in hardware.SPECS or cpu_wishes.is_spec(name) or name == devices.SPEC:
            continue
        scope, _, rest = name.partition(":")
        reason = SPECS_NOT_ACTED_ON.get(scope)
        if scope == "hw" and not _gets(rest, value):
            reason = NOT_HAD.get(rest)
        if reason is not None:
            raise BadInput(
                f"The flavor asks for {name}={str(value)[:100]}, which is not supported: {reason}."
            )
