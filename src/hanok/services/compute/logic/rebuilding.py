"""What a request to make a server anew means: which columns of its row change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET
from sqlalchemy import Row

from hanok.base.errors import BadInput
from hanok.services.compute.logic import (
    cpu_wishes,
    creating,
    disks,
    files,
    hardware,
    host_facts,
    hosts,
    quotas,
    requirements,
)
from hanok.services.compute.room import Compute
from hanok.services.compute.schemas import bodies
from hanok.services.image import facade as images
from hanok.services.placement import facade as placement
from hanok.store import Transaction
from hanok.web.token import Caller

_AS_THEY_ARE = (("name", "name"), ("description", "description"), ("hostname", "hostname"))


async def changes(
    tx: Transaction,
    room: Compute,
    caller: Caller,
    image_caller: Caller,
    row: Row[Any],
    body: bodies.Rebuild,
) -> dict[str, Any]:
    """The columns that a rebuild changes, with their new values.

    Raises:
        BadInput: a reference leads nowhere or does not fit. OverQuota: too much metadata.
    """
    image = await _image(tx, image_caller, row, body.imageRef.rsplit("/", 1)[-1])
    kernel, ramdisk = await creating.kernel_of(tx, image_caller, image.properties)
    bus = disks.root_bus(disks.mapped(row))
    values: dict[str, Any] = {
        "kernel_id": kernel,
        "ramdisk_id": ramdisk,
        "root_device": disks.root_path(image.properties, bus),
        "image_id": image.id,
        "image_format": image.disk_format or "raw",
        "image_properties": {k: v for k, v in image.properties.items() if isinstance(v, str)},
        "config_drive": row.config_drive or requirements.forces_config_drive(image.properties),
    }
    for name, column in _AS_THEY_ARE:
        if (value := getattr(body, name)) is not UNSET:
            values[column] = value
    if body.metadata is not UNSET:
        await quotas.check_metadata(tx, room, row.project_id, body.metadata)
        values["metadata"] = body.metadata
    if body.accessIPv4 is not UNSET:
        values["access_ip_v4"] = creating.address(body.accessIPv4, "accessIPv4", 4)
    if body.accessIPv6 is not UNSET:
        values["access_ip_v6"] = creating.address(body.accessIPv6, "accessIPv6", 6)
    if body.disk_config is not UNSET:
        values["disk_config"] = creating.disk_config(body.disk_config)
    if body.key_name is not UNSET:
        values["key_name"] = body.key_name
        values["public_key"] = await creating.public_key(tx, caller, body.key_name)
    if body.user_data is not UNSET:
        creating.check_user_data(body.user_data)
        values["user_data"] = body.user_data
    values["files"] = await files.checked(tx, room, row.project_id, body.personality)
    return values


async def _image(tx: Transaction, caller: Caller, row: Row[Any], image_id: str) -> images.ImageInfo:
    image = await creating.bootable(tx, caller, image_id)
    requirements.check_properties(image.properties)
    creating.check_fit(image, row.memory_mib, row.disk_gib)
    _check_cpus(row, image.properties)
    await _check_host(tx, row, image)
    asked = {name for name in image.properties if name.startswith("trait:")}
    if more := sorted(asked - set(row.image_properties)):
        raise BadInput(
            f"The image asks for {more[0][:100]}, which the server's image did not: a rebuild stays on its host."
        )
    return image


def _check_cpus(row: Row[Any], properties: Mapping[str, Any]) -> None:
    """Raises BadInput when the image wants other CPUs, NUMA nodes or pages than the server has on its host."""
    specs = row.flavor.get("extra_specs") or {}
    one, other = (
        cpu_wishes.wish(row.vcpus, row.memory_mib, specs, those)
        for those in (row.image_properties, properties)
    )
    if one != other:
        raise BadInput(
            "An instance's NUMA topology cannot be changed as part of a rebuild. The image provided is invalid "
            "for this instance."
        )


async def _check_host(tx: Transaction, row: Row[Any], image: images.ImageInfo) -> None:
    """Raises BadInput when the image asks for devices that the server's host does not have; a rebuild stays there."""
    requested = asked_of(row, image.properties, image.name or image.id)
    provider_id = hosts.provider_id_of(row.host or "")
    before = asked_of(row, row.image_properties, row.image_id)
    lacking = requested.traits - before.traits - await placement.traits_of(tx, provider_id)
    facts = (await host_facts.of(tx, [provider_id], told=False)).get(
        provider_id, host_facts.Facts()
    )
    offers = requested.offers - before.offers - facts.offers
    if lacking or offers or not host_facts.runs(requested, facts):
        what = ", ".join(sorted(lacking | offers)) or "what runs images of this kind"
        raise BadInput(
            f"No valid host was found. A rebuild stays on its host, and {row.host} lacks {what}."
        )


def asked_of(row: Row[Any], properties: Mapping[str, Any], image_name: str) -> hardware.Asked:
    """What a server asks of devices with an image of these properties. Raises BadInput as `hardware.asked`."""
    return hardware.asked(
        row.flavor.get("extra_specs") or {},
        properties,
        row.vcpus,
        flavor_name=row.flavor["name"],
        image_name=image_name,
    )
