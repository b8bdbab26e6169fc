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
    server_volumes,
    volume_wishes,
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
        "root_device": disks.root_path(image.properties, bus) if row.image_id else row.root_device,
        "image_id": image.id if row.image_id else "",
        "image_format": image.disk_format or "raw" if row.image_id else "raw",
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
    values["trusted_certificates"] = trusted(row, body)
    values["files"] = await files.checked(tx, room, row.project_id, body.personality)
    return values


def trusted(row: Row[Any], body: bodies.Rebuild) -> list[str] | None:
    """The certificates that the new image's signer must stand on; those from before, where the request names none.

    Raises:
        BadInput: they are not ids, or the server boots from a volume.
    """
    if body.trusted_image_certificates is UNSET:
        kept: list[str] | None = row.trusted_certificates
        return kept
    named = creating.trusted(body.trusted_image_certificates)
    if named and not row.image_id:
        raise BadInput(
            "Image certificate validation is not supported for servers that boot from a volume."
        )
    return named


async def _image(tx: Transaction, caller: Caller, row: Row[Any], image_id: str) -> images.ImageInfo:
    image = await creating.bootable(tx, caller, image_id)
    requirements.check_properties(image.properties)
    creating.check_fit(image, row.memory_mib, row.disk_gib if row.image_id else 0)
    _check_cpus(row, image.properties)
    await _check_host(tx, row, image)
    requested = {name for name in image.properties if name.startswith("trait:")}
    if more := sorted(requested - set(row.image_properties)):
        raise BadInput(
            f"The image asks for {more[0][:100]}, which the server's image did not: a rebuild stays on its host."
        )
    return image


async def root_volume(
    tx: Transaction, room: Compute, row: Row[Any], image: str, *, reimages: bool
) -> Row[Any]:
    """The row of the volume that a server boots from, which is to be made anew.

    Args:
        image: the id of the image that is asked for. reimages: whether the volume may get another image's content.

    Raises:
        BadInput: it may not, or the volume is too small. NotFound.
    """
    root = server_volumes.root_of(await server_volumes.of_server(tx, row.id))
    info = None if root is None else await room.volumes.get(tx, root.volume_id)
    if root is None or info is None:
        raise BadInput(f"Instance {row.id} has no root volume.")
    if not reimages and info.image_metadata.get("image_id") != image:
        raise BadInput("Unable to rebuild with a different image for a volume-backed server.")
    found = await images.get(tx, image)
    if found is not None:
        volume_wishes.check_fits(found, info.size_gib)
    return root


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
    requested = requirements_of(row, image.properties, image.name or image.id)
    provider_id = hosts.provider_id_of(row.host or "")
    before = requirements_of(row, row.image_properties, row.image_id)
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


def requirements_of(
    row: Row[Any], properties: Mapping[str, Any], image_name: str
) -> hardware.Requirements:
    """What a server asks of devices with an image of these properties. Raises BadInput as `hardware.asked`."""
    return hardware.requirements(
        row.flavor.get("extra_specs") or {},
        properties,
        row.vcpus,
        flavor_name=row.flavor["name"],
        image_name=image_name,
    )
