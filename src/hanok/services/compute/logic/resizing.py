"""What a request for another flavor means: what of the server changes, and whether it may."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from hanok.base.errors import BadInput, NotFound
from hanok.services.compute.logic import creating, disks, flavors, quotas, requirements
from hanok.services.compute.room import Compute
from hanok.services.compute.schemas import answers
from hanok.services.image import facade as images
from hanok.store import Transaction
from hanok.web.token import Caller

COLUMNS = ("flavor_id", "flavor", "vcpus", "memory_mib", "disk_gib", "disk_config")
_DISK = "Server disk was unable to be resized because: "


async def changes(
    tx: Transaction, room: Compute, caller: Caller, row: Row[Any], ref: Any, disk_config: str
) -> dict[str, Any]:
    """The columns of the server with their values in the new flavor.

    Raises:
        BadInput: the flavor is none, or does not fit. OverQuota.
    """
    flavor = await _flavor(tx, caller, row, ref)
    await _check_image(tx, room, row, flavor)
    more = {
        "cores": max(0, flavor.vcpus - row.vcpus),
        "ram": max(0, flavor.memory_mib - row.memory_mib),
    }
    await quotas.check_more(
        tx, room, row.project_id, row.user_id, {name: one for name, one in more.items() if one}
    )
    return {
        "flavor_id": flavor.id,
        "flavor": answers.embedded_flavor(flavor),
        "vcpus": flavor.vcpus,
        "memory_mib": flavor.memory_mib,
        "disk_gib": flavor.disk_gib,
        "disk_config": disk_config,
    }


async def _flavor(tx: Transaction, caller: Caller, row: Row[Any], ref: Any) -> Any:
    if not isinstance(ref, str | int) or isinstance(ref, bool) or ref == "":
        raise BadInput("Invalid input for field/attribute flavorRef. It is not a valid flavor.")
    try:
        flavor = await flavors.get(tx, caller, str(ref).rsplit("/", 1)[-1])
    except NotFound as error:
        raise BadInput(error.message) from error
    if flavor.id == row.flavor_id:
        raise BadInput("When resizing, instances must change flavor!")
    if row.image_id and row.disk_gib and not flavor.disk_gib:
        raise BadInput(f"{_DISK}Resize to zero disk flavor is not allowed.")
    if row.image_id and flavor.disk_gib < row.disk_gib:
        raise BadInput(f"{_DISK}disks do not shrink ({row.disk_gib} GiB to {flavor.disk_gib} GiB).")
    _check_further(row, flavor)
    return flavor


def _check_further(row: Row[Any], flavor: Any) -> None:
    """Raises BadInput when the ephemeral disks or the swap space that the server has do not fit into the flavor."""
    had = int(row.flavor.get("ephemeral", 0))
    if flavor.ephemeral_gib < had:
        raise BadInput(
            f"{_DISK}ephemeral disks do not shrink ({had} GiB to {flavor.ephemeral_gib} GiB)."
        )
    swap = sum(one.size_mib for one in disks.mapped(row) if one.name == "swap")
    if swap > flavor.swap_mib:
        raise BadInput(
            f"{_DISK}the server asked for {swap} MiB of swap space, the flavor has {flavor.swap_mib} MiB."
        )


async def _check_image(tx: Transaction, room: Compute, row: Row[Any], flavor: Any) -> None:
    """Raises BadInput when the flavor, with what the image asks for, is none that the server could have."""
    requirements.check_specs(flavor.extra_specs)
    image = await images.get(tx, row.image_id) if row.image_id else None
    name = row.image_id if image is None else image.name or image.id
    creating.check_placing(row.image_properties, flavor, room.settings, name)
    if image is not None:
        creating.check_fit(image, flavor.memory_mib, flavor.disk_gib)


def before(row: Row[Any]) -> dict[str, Any]:
    """The same columns as they are, and how the server is to stand when it is as it was."""
    return {**{name: row._mapping[name] for name in COLUMNS}, "vm_state": row.vm_state}
