"""What a server may be asked to be, and what of it is acted on: hints, image properties, extra specs of flavors.

Whatever is accepted acts. A hint, a property or a spec that asks for something which this cloud does not do yet is
refused when a server is made, never when an image or a flavor is stored: they may be meant for another cloud. What is
taken all the same stands here, each with its reason. Whoever makes one of them act takes it out of its list.

Source: Compute API reference, "Create Server" (os:scheduler_hints); Image properties and Flavor extra specs in the
image and compute guides of OpenStack.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from hanok.base.errors import BadInput
from hanok.base.ids import is_uuid

# ---- hints ----

HINTS_NOT_ACTED_ON: dict[str, str] = {
    "query": "queries about hosts are not evaluated yet",
    "target_cell": "this cloud has no cells",
    "different_cell": "this cloud has no cells",
}
"""Hints that the API defines and nothing acts on. Others are a site's own: kept, shown, and left to the site."""


def check_hints(hints: Mapping[str, Any]) -> None:
    """Hold the hints of a new server against what the API says of them, and what this cloud does with them.

    Raises:
        BadInput: a value that does not fit; a group that is not there; a hint that would have no effect.
    """
    for name, value in hints.items():
        form = _FORMS.get(name)
        if form is not None and not form(value):
            raise BadInput(
                f"Invalid input for field/attribute {name}. Value: {_text(value)}. "
                "It is not a valid value of this scheduler hint."
            )
    if "group" in hints:
        # There are no server groups yet, so whichever is named is not there.
        raise BadInput(f"Server group {_text(hints['group'])} could not be found.")
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
        ipaddress.ip_address(value if isinstance(value, str) else "")
    except ValueError:
        return False
    return True


def _name(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= 255 and value == value.strip()


_FORMS: dict[str, Callable[[Any], bool]] = {
    "group": _one_or_several(_id),
    "same_host": _one_or_several(lambda value: isinstance(value, str)),
    "different_host": _one_or_several(_id),
    "query": lambda value: isinstance(value, str | dict),
    "target_cell": _name,
    "different_cell": _one_or_several(lambda value: isinstance(value, str)),
    "build_near_host_ip": _address,
    "cidr": lambda value: (
        isinstance(value, str) and re.fullmatch(r"/[0-9a-f.:]+", value) is not None
    ),
}

# ---- properties of images ----

_GUESTS_GET = "what a guest gets anyway"
_NO = ("false", "no", "0", "off")
_YES = ("true", "yes", "1", "on")

PROPERTIES_TAKEN: dict[str, tuple[tuple[str, ...] | None, str]] = {
    "hw_disk_bus": (("virtio",), _GUESTS_GET),
    "hw_rng_model": (("virtio",), _GUESTS_GET),
    "hw_vif_model": (("virtio",), _GUESTS_GET),
    "hw_video_model": (("vga",), _GUESTS_GET),
    "hw_machine_type": (("q35",), _GUESTS_GET),
    "hw_firmware_type": (("bios",), _GUESTS_GET),
    "hw_architecture": (("x86_64",), _GUESTS_GET),
    "hw_qemu_guest_agent": (_YES, _GUESTS_GET),
    "hw_boot_menu": (_NO, _GUESTS_GET),
    "hw_cpu_sockets": (("1",), _GUESTS_GET),
    "hw_cpu_threads": (("1",), _GUESTS_GET),
    "hw_cpu_policy": (("shared",), _GUESTS_GET),
    "hw_mem_encryption": (_NO, _GUESTS_GET),
    "hw_mem_page_size": (("small", "any"), _GUESTS_GET),
    "hw_vif_multiqueue_enabled": (_NO, _GUESTS_GET),
    "hw_watchdog_action": (("disabled",), _GUESTS_GET),
    "hw_video_ram": (("8",), _GUESTS_GET),
    "img_hv_type": (("qemu", "kvm"), "hosts run QEMU"),
    "img_hide_hypervisor_id": (_NO, _GUESTS_GET),
    "img_config_drive": (("optional", "mandatory"), "acted on: mandatory gives each server one"),
    "img_signature": (None, "held against the data when the image service takes it"),
    "img_signature_hash_method": (None, "as img_signature"),
    "img_signature_key_type": (None, "as img_signature"),
    "img_signature_certificate_uuid": (None, "as img_signature"),
    # Without a prefix, and acting all the same.
    "architecture": (("x86_64",), _GUESTS_GET),
    "hypervisor_type": (("qemu", "kvm"), "hosts run QEMU"),
    "vm_mode": (("hvm",), _GUESTS_GET),
    "os_secure_boot": (("disabled", "optional"), _GUESTS_GET),
}
"""Properties that ask for something: the values that are taken (None: any), and why. All other `hw_…` and
`img_…` are refused; `trait:…` acts (`scheduling.py`); all others without these prefixes only describe."""

_ASKING = ("hw_", "img_")


def check_properties(properties: Mapping[str, Any]) -> None:
    """Hold the properties of an image against what a guest will get.

    Raises:
        BadInput: one asks for something else.
    """
    for name, value in properties.items():
        if name in PROPERTIES_TAKEN:
            values, _ = PROPERTIES_TAKEN[name]
            if values is None or str(value).lower() in values:
                continue
            raise BadInput(
                f"The image asks for {name}={str(value)[:100]}, which is not supported yet. "
                f"Supported: {', '.join(values)}."
            )
        if name.startswith(_ASKING):
            raise BadInput(
                f"The image asks for {name}={str(value)[:100]}, which is not supported yet: "
                "servers would not have it. Remove the property from the image to start servers of it."
            )


def forces_config_drive(properties: Mapping[str, Any]) -> bool:
    return str(properties.get("img_config_drive", "")).lower() == "mandatory"


# ---- extra specs of flavors ----

SPECS_TAKEN: dict[str, tuple[tuple[str, ...] | None, str]] = {
    "hw:cpu_policy": (("shared",), _GUESTS_GET),
    "hw:cpu_sockets": (("1",), _GUESTS_GET),
    "hw:cpu_threads": (("1",), _GUESTS_GET),
    "hw:mem_page_size": (("small", "any"), _GUESTS_GET),
    "hw:mem_encryption": (_NO, _GUESTS_GET),
    "hw:boot_menu": (_NO, _GUESTS_GET),
    "hw:hide_hypervisor_id": (_NO, _GUESTS_GET),
    "hide_hypervisor_id": (_NO, _GUESTS_GET),
    "hw:vif_multiqueue_enabled": (_NO, _GUESTS_GET),
    "hw:watchdog_action": (("disabled",), _GUESTS_GET),
    "hw_rng:allowed": (_YES, _GUESTS_GET),
    "hw_video:ram_max_mb": (None, "bounds what an image may ask for, and images ask for nothing"),
    "os:secure_boot": (("disabled", "optional"), _GUESTS_GET),
}
"""Specs that ask for something: the values that are taken (None: any), and why."""

SPECS_NOT_ACTED_ON: dict[str, str] = {
    "same_subtree": "groups of resources are not held to a part of a host",
    "aggregate_instance_extra_specs": "there are no host aggregates yet",
    "capabilities": "servers are not placed by capabilities of hosts yet",
    "quota": "guests are not held to rates of their own yet",
    "hw": "guests do not have it",
    "hw_rng": "guests do not have it",
    "hw_video": "guests do not have it",
    "os": "guests do not have it",
    "pci_passthrough": "devices of hosts are not handed to guests yet",
    "accel": "there are no accelerators yet",
    "powervm": "hosts run QEMU",
    "vmware": "hosts run QEMU",
}
"""By what stands before the colon. `resources…`, `trait…` and `group_policy` act (`scheduling.py`). Specs under other
names are a site's own: kept, shown, and left to the site."""


def check_specs(specs: Mapping[str, str]) -> None:
    """Hold the extra specs of a flavor against what a server will get.

    Raises:
        BadInput: one asks for something else.
    """
    for name, value in specs.items():
        values, _ = SPECS_TAKEN.get(name, ((), ""))
        if values is None or str(value).lower() in values:
            continue
        reason = SPECS_NOT_ACTED_ON.get(name.partition(":")[0])
        if reason is not None:
            raise BadInput(
                f"The flavor asks for {name}={str(value)[:100]}, which is not supported: {reason}."
            )
