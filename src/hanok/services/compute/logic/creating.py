"""What a request for a new server means: references resolved with the caller's eyes, limits held, rows written."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import secrets
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, Struct

from hanok.base.errors import BadInput, Forbidden, NotFound
from hanok.base.ids import is_uuid, new_uuid
from hanok.services.compute import states
from hanok.services.compute.logic import flavors, hosts, quotas, requirements, scheduling
from hanok.services.compute.logic.servers import hostname_of
from hanok.services.compute.room import Compute
from hanok.services.compute.schemas import answers, bodies
from hanok.services.compute.tables import keypairs, server_tags, servers
from hanok.services.image import facade as images
from hanok.services.network import facade as networks
from hanok.services.network.facade import NICWish
from hanok.store import Transaction
from hanok.web.token import Caller


def address(value: Any, name: str, family: int) -> str:
    if value in (UNSET, None, ""):
        return ""
    try:
        found = ipaddress.ip_address(value)
    except ValueError:
        found = None
    if found is None or found.version != family:
        raise BadInput(f"Invalid input for field/attribute {name}. Value: {value}.")
    return str(found)


def _wishes(networks: list[bodies.NetworkWish] | str) -> list[NICWish] | str:
    if isinstance(networks, str):
        if networks not in ("auto", "none"):
            raise BadInput(
                f"Invalid input for field/attribute networks. Value: {networks[:50]}. "
                "It must be 'auto', 'none' or a list."
            )
        return networks
    wishes = []
    for item in networks:
        port = item.port if isinstance(item.port, str) else None
        network = item.uuid if isinstance(item.uuid, str) else None
        if port is None and network is None:
            raise BadInput(
                "Invalid input for field/attribute networks: each needs a 'uuid' or a 'port'."
            )
        wishes.append(
            NICWish(
                port_id=port,
                network_id=network,
                fixed_ip=item.fixed_ip if isinstance(item.fixed_ip, str) else None,
                tag=item.tag if isinstance(item.tag, str) else None,
            )
        )
    ports = [wish.port_id for wish in wishes if wish.port_id]
    if len(ports) != len(set(ports)):
        raise BadInput("Duplicate port found in networks.")
    return wishes


# Of a block device that is the image on a local disk: what may be said besides, because it is so anyway.
_DEVICE_AS_IT_IS: dict[str, tuple[Any, ...]] = {
    "boot_index": (0, "0", None),
    "delete_on_termination": (True, "true", "True", "1", 1, None),
    "device_type": ("disk", None),
    "disk_bus": ("virtio", None),
    "device_name": (answers.ROOT_DEVICE, "vda", None),
    "volume_size": (None,),
    "guest_format": (None,),
    "no_device": (None, False),
    "volume_type": (None,),
    "snapshot_id": (None,),
    "volume_id": (None,),
}


def _image_of_device(device: bodies.BlockDevice) -> str | None:
    """The image that a block device is, if it names it itself."""
    if device.source_type != "image" or device.destination_type not in (UNSET, "local"):
        raise BadInput("Block devices other than an image on a local disk are not served yet.")
    for name, values in _DEVICE_AS_IT_IS.items():
        value = getattr(device, name)
        if value is not UNSET and value not in values:
            raise BadInput(
                f"Invalid input for field/attribute block_device_mapping_v2: {name} is not supported for an image on "
                "a local disk yet."
            )
    named = device.uuid if device.uuid is not UNSET else device.image_id
    return named if isinstance(named, str) else None


def _image_id(server: bodies.NewServer) -> str:
    """The image's id, also where it is named as a block device that is an image on a local disk."""
    if server.block_device_mapping is not UNSET and server.block_device_mapping:
        raise BadInput("Booting from volumes is not served: this cloud has no block storage yet.")
    image = server.imageRef if isinstance(server.imageRef, str) and server.imageRef else None
    devices = server.block_device_mapping_v2
    for device in () if devices is UNSET else devices:
        named = _image_of_device(device)
        if image is not None and named is not None and named != image:
            raise BadInput("The block device and imageRef name different images.")
        image = named or image
    image = (image or "").rsplit("/", 1)[-1]
    if not is_uuid(image):
        raise BadInput("Invalid imageRef provided.")
    return image


def _disk_tag(server: bodies.NewServer) -> str | None:
    """What the guest is to know its disk by. There is one: `_image_id` refuses others."""
    devices = server.block_device_mapping_v2
    tags = [] if devices is UNSET else [one.tag for one in devices if one.tag is not UNSET]
    if len(tags) > 1:
        raise BadInput(
            "Invalid input for field/attribute block_device_mapping_v2: one disk has one tag."
        )
    return tags[0] if tags else None


class Callers(Struct, frozen=True, kw_only=True):
    """Who wants servers, and what each service lets them reach.

    no_disk: whether flavors without a disk may be used. external: whether external networks may be.
    """

    compute: Caller
    image: Caller
    network: Caller
    no_disk: bool = False
    external: bool = False


class _Parts(Struct, frozen=True, kw_only=True):
    """What a request for servers leads to: its references resolved, its texts read."""

    image: images.ImageInfo
    flavor: Any
    public_key: str | None
    zone: str | None
    host: str | None
    groups: list[str]
    wishes: list[NICWish] | str
    hints: dict[str, Any]


async def create(
    tx: Transaction, room: Compute, callers: Callers, body: bodies.CreateServer
) -> list[str]:
    """Write the rows of new servers (status BUILD) and count them against the quota.

    Returns:
        Their ids, in order.

    Raises:
        BadInput: a reference leads nowhere or does not fit, something is asked for that no server would have, or the
            caller has no project.
        OverQuota: instances, cores or ram (MiB). Forbidden: a flavor without a disk, or an external network.
    """
    project_id = callers.compute.project_id
    if project_id is None:
        raise BadInput("A server belongs to a project: use a project's token.")
    server = body.server
    count = _counts(server)
    _refuse_unserved(server)
    parts = await _resolved(tx, room, callers, project_id, body)
    await quotas.check_servers(
        tx,
        room,
        project_id,
        callers.compute.user_id,
        count=count,
        vcpus=parts.flavor.vcpus,
        memory_mib=parts.flavor.memory_mib,
    )
    shared = _shared_values(server, parts, callers.compute, room.clock.now())
    made = []
    for index in range(count):
        plans = await networks.plan(
            tx, callers.network, parts.wishes, count=count, external=callers.external
        )
        values = {**shared, **_own_values(server, index, count), "nics": msgspec.to_builtins(plans)}
        await tx.execute(servers.insert(), values)
        await _tag(tx, values["id"], server)
        made.append(values["id"])
    return made


def _refuse_unserved(server: bodies.NewServer) -> None:
    """What would be accepted and do nothing."""
    if server.personality is not UNSET and server.personality:
        raise BadInput(
            "Invalid input for field/attribute personality. Files are not put into servers here; pass user_data."
        )
    if server.trusted_image_certificates is not UNSET and server.trusted_image_certificates:
        raise BadInput(
            "Invalid input for field/attribute trusted_image_certificates. Hosts do not check the certificates of "
            "images yet."
        )


async def _resolved(
    tx: Transaction, room: Compute, callers: Callers, project_id: str, body: bodies.CreateServer
) -> _Parts:
    """All that a request refers to, seen with the caller's eyes.

    Raises:
        BadInput, OverQuota
    """
    server = body.server
    hints = _hints(body)
    requirements.check_hints(hints)
    await scheduling.check_hints(tx, project_id, hints)
    image = await _image(tx, callers.image, _image_id(server))
    requirements.check_properties(image.properties)
    flavor = await _flavor(tx, callers.compute, server.flavorRef)
    requirements.check_specs(flavor.extra_specs)
    _check_placing(image, flavor)
    _check_fit(image, flavor)
    if not flavor.disk_gib and not callers.no_disk:
        raise Forbidden("Only volume-backed servers are allowed for flavors with zero disk.")
    await quotas.check_metadata(
        tx, room, project_id, {} if server.metadata is UNSET else server.metadata
    )
    _check_user_data(server.user_data)
    zone, host = await _place(tx, server)
    groups = ["default"]
    if server.security_groups is not UNSET and server.security_groups:
        groups = list(dict.fromkeys(item.name for item in server.security_groups))
    await networks.check_security_groups(tx, room.network, project_id, groups)
    return _Parts(
        image=image,
        flavor=flavor,
        public_key=await _public_key(tx, callers.compute, server.key_name),
        zone=zone,
        host=host,
        groups=groups,
        wishes=_wishes(server.networks),
        hints=hints,
    )


def _hints(body: bodies.CreateServer) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for hints in (body.more_hints, body.scheduler_hints):
        if isinstance(hints, dict):
            found |= hints
    return found


async def _public_key(tx: Transaction, caller: Caller, name: Any) -> str | None:
    if not isinstance(name, str):
        return None
    row = await tx.first(
        sa.select(keypairs).where(keypairs.c.user_id == caller.user_id, keypairs.c.name == name)
    )
    if row is None:
        raise BadInput("Invalid key_name provided.")
    return str(row.public_key)


def _check_user_data(text: Any) -> None:
    """Base64 as clients write it: in one line, or in lines of 60 or 76 characters.

    Raises:
        BadInput
    """
    if not isinstance(text, str):
        return
    try:
        base64.b64decode(re.sub(r"\s", "", text), validate=True)
    except (binascii.Error, ValueError):
        raise BadInput(
            "Invalid input for field/attribute user_data. It is not valid base64."
        ) from None


def disk_config(value: Any) -> str:
    """Raises BadInput when it is neither AUTO nor MANUAL."""
    if value not in ("AUTO", "MANUAL"):
        raise BadInput(
            "Invalid input for field/attribute OS-DCF:diskConfig. AUTO or MANUAL is expected."
        )
    return str(value)


def _shared_values(
    server: bodies.NewServer, parts: _Parts, caller: Caller, now: datetime
) -> dict[str, Any]:
    """What the servers of one request have in common."""
    image, flavor = parts.image, parts.flavor
    drive = server.config_drive
    has_drive = drive not in (UNSET, None, "") and bodies.truth(drive, "config_drive")
    return {
        "project_id": caller.project_id,
        "user_id": caller.user_id,
        "image_id": image.id,
        "disk_tag": _disk_tag(server),
        "image_format": image.disk_format or "raw",
        "image_properties": {k: v for k, v in image.properties.items() if isinstance(v, str)},
        "flavor_id": flavor.id,
        "flavor": answers.embedded_flavor(flavor),
        "vcpus": flavor.vcpus,
        "memory_mib": flavor.memory_mib,
        "disk_gib": flavor.disk_gib,
        "key_name": server.key_name if isinstance(server.key_name, str) else None,
        "public_key": parts.public_key,
        "user_data": server.user_data if isinstance(server.user_data, str) else None,
        "config_drive": has_drive or requirements.forces_config_drive(image.properties),
        "metadata": {} if server.metadata is UNSET else server.metadata,
        "security_groups": parts.groups,
        "disk_config": "MANUAL" if server.disk_config is UNSET else disk_config(server.disk_config),
        "access_ip_v4": address(server.accessIPv4, "accessIPv4", 4),
        "access_ip_v6": address(server.accessIPv6, "accessIPv6", 6),
        "vm_state": "building",
        "task_state": "scheduling",
        "power_state": states.NO_STATE,
        "locked": False,
        "generation": 1,
        "requested_zone": parts.zone,
        "availability_zone": parts.zone,
        "requested_host": parts.host,
        "scheduler_hints": parts.hints,
        "reservation_id": f"r-{secrets.token_hex(4)}",
        "created_at": now,
        "updated_at": now,
        "deleted": False,
    }


def _own_values(server: bodies.NewServer, index: int, count: int) -> dict[str, Any]:
    """What each server of one request has for itself."""
    server_id = new_uuid()
    name = server.name if count == 1 else f"{server.name}-{index + 1}"
    hostname = hostname_of(name, server_id)
    if server.hostname is not UNSET:
        if count > 1:
            raise BadInput("Several servers cannot have one and the same hostname.")
        hostname = server.hostname
    return {
        "id": server_id,
        "name": name,
        "hostname": hostname,
        "description": None if server.description is UNSET else server.description,
        "launch_index": index,
    }


async def _tag(tx: Transaction, server_id: str, server: bodies.NewServer) -> None:
    if server.tags is not UNSET and server.tags:
        rows = [{"server_id": server_id, "tag": tag} for tag in dict.fromkeys(server.tags)]
        await tx.execute(server_tags.insert(), rows)


def _counts(body: bodies.NewServer) -> int:
    """How many servers are to be made.

    Raises:
        BadInput
    """
    least = 1 if body.min_count is UNSET else bodies.whole(body.min_count, "min_count", least=1)
    most = least if body.max_count is UNSET else bodies.whole(body.max_count, "max_count", least=1)
    if least > most:
        raise BadInput("min_count must be <= max_count")
    if most > 1000:
        raise BadInput("At most 1000 servers are made at once.")
    return most


async def _image(tx: Transaction, caller: Caller, image_id: str) -> images.ImageInfo:
    try:
        image = await images.visible(tx, caller, image_id)
    except NotFound as error:
        raise BadInput(f"Image {image_id} could not be found.") from error
    if image.status != "active":
        raise BadInput(f"Image {image_id} is not active.")
    if image.disk_format not in ("qcow2", "raw", "iso"):
        raise BadInput(
            f"Image {image_id} is of format {image.disk_format}: qcow2, raw and iso can be started."
        )
    return image


async def _flavor(tx: Transaction, caller: Caller, ref: Any) -> Any:
    if not isinstance(ref, str | int) or isinstance(ref, bool) or ref == "":
        raise BadInput("Invalid flavorRef provided.")
    try:
        return await flavors.get(tx, caller, str(ref).rsplit("/", 1)[-1])
    except NotFound as error:
        raise BadInput(error.message) from error


def _check_placing(image: images.ImageInfo, flavor: Any) -> None:
    """Raises BadInput when flavor or image ask something of the host that cannot be looked for."""
    given = scheduling.given_by(
        answers.embedded_flavor(flavor), flavor.vcpus, flavor.memory_mib, flavor.disk_gib
    )
    scheduling.groups_of(given, flavor.extra_specs, image.properties)


def _check_fit(image: images.ImageInfo, flavor: Any) -> None:
    if image.min_ram_mib > flavor.memory_mib:
        raise BadInput(
            f"Flavor's memory is too small for requested image: {image.min_ram_mib} MiB wanted, "
            f"{flavor.memory_mib} MiB given."
        )
    if not flavor.disk_gib:
        return
    needed = image.virtual_size_bytes or image.size_bytes or 0
    if image.min_disk_gib > flavor.disk_gib or needed > flavor.disk_gib * 1024**3:
        wanted = max(image.min_disk_gib, -(-needed // 1024**3))
        raise BadInput(
            f"Flavor's disk is too small for requested image. Flavor disk is {flavor.disk_gib} GiB, "
            f"the image needs {wanted} GiB."
        )


def forced_host(zone: Any) -> tuple[str | None, str | None]:
    """Zone and host of an availability zone as it was sent: "zone", or "zone:host"."""
    if not isinstance(zone, str):
        return None, None
    zone, _, host = zone.partition(":")
    return zone or None, host.split(":")[0] or None


async def _place(tx: Transaction, server: bodies.NewServer) -> tuple[str | None, str | None]:
    """Zone and host as asked. Whether the caller may ask is looked at before.

    Raises:
        BadInput: there is no such zone or host.
    """
    zone, host = forced_host(server.availability_zone)
    for named in (server.host, server.hypervisor_hostname):
        if isinstance(named, str):
            host = named
    known = await hosts.nodes(tx)
    if zone is not None and zone not in {row.zone for row in known}:
        raise BadInput("The requested availability zone is not available")
    if host is not None and host not in {row.host for row in known}:
        raise BadInput(f"Compute host {host} could not be found.")
    return zone, host
