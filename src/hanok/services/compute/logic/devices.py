"""PCI devices: what flavors ask for by alias, and the resource providers that stand for the devices of hosts.

Each device is a provider below its host, so that the search for candidates finds it, a claim takes it, and what a
server has is its allocation.

Source: "Attaching physical PCI devices to guests" and "PCI tracking in Placement" in the compute guides of OpenStack.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hanok.base.errors import BadInput
from hanok.commands import HostDevice
from hanok.services.compute.room import PCIAlias
from hanok.services.placement import facade as placement

SPEC = "pci_passthrough:alias"
MANAGED = "COMPUTE_MANAGED_PCI_DEVICE"
MAXIMUM = 32  # devices of one server
_SPACE = uuid.UUID("0b2f0c55-5d5e-4c39-8d2f-0a1f6c0f7c11")
_ONE = re.compile(r"([^:,]{1,255}):([1-9]\d{0,3})")


def resource_class(vendor_id: str, product_id: str) -> str:
    """The class under which devices of this kind are offered."""
    return f"CUSTOM_PCI_{vendor_id}_{product_id}".upper()


def provider_id_of(host: str, address: str) -> str:
    return str(uuid.uuid5(_SPACE, f"{host} {address}"))


def children(host: str, devices: Sequence[HostDevice]) -> list[placement.Child]:
    """The providers of a host's devices."""
    return [
        placement.Child(
            id=provider_id_of(host, one.address),
            name=f"{host}_{one.address}",
            resource_class=resource_class(one.vendor_id, one.product_id),
            traits=(MANAGED,),
        )
        for one in devices
    ]


def groups(specs: Mapping[str, Any], aliases: Sequence[PCIAlias]) -> dict[str, placement.Group]:
    """What a flavor asks for by alias, a group for each device.

    Raises:
        BadInput: there is no such alias, or it does not read as one.
    """
    text = str(specs.get(SPEC, ""))
    found: dict[str, placement.Group] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        match = _ONE.fullmatch(part)
        if match is None:
            raise BadInput(f"PCI alias '{part[:100]}' is not a name and a number: NAME:1.")
        group = _group(match[1], [one for one in aliases if one.name == match[1]])
        for _ in range(int(match[2])):
            found[f"_pci{len(found)}"] = group
            if len(found) > MAXIMUM:
                raise BadInput(f"The flavor asks for more than {MAXIMUM} PCI devices.")
    return found


def _group(name: str, those: Sequence[PCIAlias]) -> placement.Group:
    if not those:
        raise BadInput(f"PCI alias {name[:100]} is not defined")
    first = those[0]
    named = first.resource_class or resource_class(first.vendor_id, first.product_id)
    if any(
        (one.resource_class or resource_class(one.vendor_id, one.product_id)) != named
        for one in those
    ):
        raise BadInput(
            f"PCI alias {name[:100]} names devices of several kinds, which is not supported."
        )
    return placement.Group(
        resources={named: 1},
        required=tuple(frozenset([one]) for one in sorted({MANAGED, *first.traits})),
    )


def taken(
    host: str, devices: Iterable[HostDevice], resources: Mapping[str, Mapping[str, int]]
) -> list[HostDevice]:
    """The devices of a host that are among these amounts by provider."""
    return [one for one in devices if provider_id_of(host, one.address) in resources]
