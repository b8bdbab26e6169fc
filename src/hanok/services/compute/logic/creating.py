"""What a request for a new server means: references resolved with the caller's eyes, limits held, rows written."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import secrets
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import UNSET

from hanok.base.errors import BadInput, Forbidden, NotFound
from hanok.base.ids import is_uuid, new_uuid
from hanok.services.compute import states
from hanok.services.compute.logic import flavors, hosts, quotas
from hanok.services.compute.logic.servers import hostname_of
from hanok.services.compute.room import Compute
from hanok.services.compute.schemas import answers, bodies
from hanok.services.compute.tables import keypairs, server_tags, servers
from hanok.services.image import facade as images
from hanok.services.network.facade import NICWish
from hanok.store import Transaction
from hanok.web.microversions import Version
from hanok.web.token import Token

# Hints that mean something; others are refused rather than kept [2026-022].
HINTS = frozenset(
    {
        "group",
        "different_host",
        "same_host",
        "query",
        "build_near_host_ip",
        "cidr",
        "different_cell",
        "target_cell",
    }
)

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9]")
_QUALIFIED = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*[A-Za-z0-9]")


def host_name(text: str, version: Version) -> str:
    """A host name as a user gives it; from 2.94 it may be a fully qualified one.

    Raises:
        BadInput: it is none.
    """
    most, pattern = (255, _QUALIFIED) if version >= (2, 94) else (63, _LABEL)
    if len(text) > most or not pattern.fullmatch(text):
        raise BadInput(
            f"Invalid input for field/attribute hostname. Value: {text[:100]}. It has 2 to {most} letters, "
            "digits and hyphens, and begins and ends with a letter or a digit."
        )
    return text


def address(value: Any, name: str, version: int) -> str:
    if value in (UNSET, None, ""):
        return ""
    try:
        found = ipaddress.ip_address(value)
    except ValueError:
        found = None
    if found is None or found.version != version:
        raise BadInput(f"Invalid input for field/attribute {name}. Value: {value}.")
    return str(found)


def _wishes(body: bodies.CreateServer, version: Version) -> list[NICWish] | str:
    if body.networks is UNSET:
        if version >= (2, 37):
            raise BadInput(
                "Invalid input for field/attribute server. 'networks' is a required property"
            )
        return "auto"
    if isinstance(body.networks, str):
        if version < (2, 37) or body.networks not in ("auto", "none"):
            raise BadInput(
                f"Invalid input for field/attribute networks. Value: {body.networks[:50]}. "
                "It is 'auto', 'none' or a list."
            )
        return body.networks
    if not body.networks and version < (2, 37):
        return "auto"
    wishes = []
    for item in body.networks:
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


def _image_of(body: bodies.CreateServer) -> str:
    """The image's id, also where it is named as a block device that is an image on a local disk."""
    devices = body.block_device_mapping_v2
    if body.block_device_mapping is not UNSET and body.block_device_mapping:
        raise BadInput("Booting from volumes is not served: this cloud has no block storage yet.")
    image = body.imageRef if isinstance(body.imageRef, str) and body.imageRef else None
    if devices is not UNSET:
        for device in devices:
            if device.source_type == "image" and device.destination_type in (UNSET, "local"):
                named = device.uuid if isinstance(device.uuid, str) else None
                if image is not None and named is not None and named != image:
                    raise BadInput("The block device and imageRef name different images.")
                image = named or image
            else:
                raise BadInput(
                    "Block devices other than an image on a local disk are not served yet."
                )
    if image is None:
        raise BadInput("Invalid imageRef provided.")
    image = image.rsplit("/", 1)[-1]
    if not is_uuid(image):
        raise BadInput("Invalid imageRef provided.")
    return image


async def create(
    tx: Transaction, room: Compute, token: Token, body: bodies.CreateServer, version: Version
) -> list[str]:
    """Write the rows of new servers (status BUILD) and count them against the quota.

    Returns:
        Their ids, in order.

    Raises:
        BadInput: a reference leads nowhere or does not fit, or the token is of no project.
        OverQuota: instances, cores or ram (MiB).
        Forbidden: a host was named by somebody who may not.
    """
    if token.project_id is None:
        raise BadInput("A server belongs to a project: use a project's token.")
    _, most = _counts(body)
    image = await _image(tx, token, _image_of(body))
    flavor = await _flavor(tx, token, body.flavorRef)
    _check_fit(image, flavor)
    public_key = None
    key_name = body.key_name if isinstance(body.key_name, str) else None
    if key_name is not None:
        row = await tx.first(
            sa.select(keypairs).where(
                keypairs.c.user_id == token.user_id, keypairs.c.name == key_name
            )
        )
        if row is None:
            raise BadInput("Invalid key_name provided.")
        public_key = row.public_key
    metadata = {} if body.metadata is UNSET else body.metadata
    await quotas.check_metadata(tx, token.project_id, metadata)
    if body.personality is not UNSET and body.personality and version >= (2, 57):
        raise BadInput("Additional properties are not allowed ('personality' was unexpected)")
    user_data = body.user_data if isinstance(body.user_data, str) else None
    if user_data is not None:
        try:
            base64.b64decode(user_data, validate=True)
        except (binascii.Error, ValueError):
            raise BadInput(
                "Invalid input for field/attribute user_data. It is not base64."
            ) from None
    zone, host = await _place(tx, room, token, body)
    groups = ["default"]
    if body.security_groups is not UNSET and body.security_groups:
        groups = list(dict.fromkeys(item.name for item in body.security_groups))
    await room.network.check_security_groups(tx, token.project_id, groups)
    await quotas.check_servers(
        tx, token.project_id, count=most, vcpus=flavor.vcpus, memory_mib=flavor.memory_mib
    )
    wishes = _wishes(body, version)
    now = room.clock.now()
    reservation = f"r-{secrets.token_hex(4)}"
    disk_config = "MANUAL" if body.disk_config is UNSET else body.disk_config
    if disk_config not in ("AUTO", "MANUAL"):
        raise BadInput("Invalid input for field/attribute OS-DCF:diskConfig. It is AUTO or MANUAL.")
    hints = {} if body.scheduler_hints is UNSET else dict(body.scheduler_hints)
    unknown = sorted(set(hints) - HINTS)
    if unknown:
        raise BadInput(f"There is no scheduler hint {unknown[0][:100]}.")
    made: list[str] = []
    for index in range(most):
        server_id = new_uuid()
        plans = await room.network.plan(tx, token, wishes, count=most)
        name = body.name.strip() if most == 1 else f"{body.name.strip()}-{index + 1}"
        hostname = hostname_of(name, server_id)
        if body.hostname is not UNSET:
            if most > 1:
                raise BadInput("Several servers cannot have one and the same hostname.")
            hostname = host_name(body.hostname, version)
        drive = body.config_drive
        await tx.execute(
            servers.insert(),
            {
                "id": server_id,
                "project_id": token.project_id,
                "user_id": token.user_id,
                "name": name,
                "hostname": hostname,
                "description": _description(body, name, version),
                "image_id": image.id,
                "image_format": image.disk_format or "raw",
                "image_properties": {
                    k: v for k, v in image.properties.items() if isinstance(v, str)
                },
                "flavor_id": flavor.id,
                "flavor": answers.embedded_flavor(flavor),
                "vcpus": flavor.vcpus,
                "memory_mib": flavor.memory_mib,
                "disk_gib": flavor.disk_gib,
                "key_name": key_name,
                "public_key": public_key,
                "user_data": user_data,
                "config_drive": False
                if drive in (UNSET, None, "")
                else bodies.truth(drive, "config_drive"),
                "metadata": metadata,
                "nics": msgspec.to_builtins(plans),
                "security_groups": groups,
                "disk_config": disk_config,
                "access_ip_v4": address(body.accessIPv4, "accessIPv4", 4),
                "access_ip_v6": address(body.accessIPv6, "accessIPv6", 6),
                "vm_state": "building",
                "task_state": "scheduling",
                "power_state": states.NO_STATE,
                "locked": False,
                "generation": 1,
                "requested_zone": zone,
                "availability_zone": zone,
                "requested_host": host,
                "scheduler_hints": hints,
                "reservation_id": reservation,
                "launch_index": index,
                "created_at": now,
                "updated_at": now,
                "deleted": False,
            },
        )
        if body.tags is not UNSET and body.tags:
            await tx.execute(
                server_tags.insert(),
                [{"server_id": server_id, "tag": tag} for tag in dict.fromkeys(body.tags)],
            )
        made.append(server_id)
    return made


def _description(body: bodies.CreateServer, name: str, version: Version) -> str | None:
    if version < (2, 19):
        return name
    return None if body.description is UNSET else body.description


def _counts(body: bodies.CreateServer) -> tuple[int, int]:
    least = 1 if body.min_count is UNSET else bodies.whole(body.min_count, "min_count", least=1)
    most = least if body.max_count is UNSET else bodies.whole(body.max_count, "max_count", least=1)
    if least > most:
        raise BadInput("min_count must be <= max_count")
    if most > 1000:
        raise BadInput("At most 1000 servers are made at once.")
    return least, most


async def _image(tx: Transaction, token: Token, image_id: str) -> images.ImageInfo:
    try:
        image = await images.visible(tx, token, image_id)
    except NotFound as error:
        raise BadInput(f"Image {image_id} could not be found.") from error
    if image.status != "active":
        raise BadInput(f"Image {image_id} is not active.")
    if image.disk_format not in ("qcow2", "raw", "iso"):
        raise BadInput(
            f"Image {image_id} is of format {image.disk_format}: qcow2, raw and iso can be started."
        )
    return image


async def _flavor(tx: Transaction, token: Token, ref: Any) -> Any:
    if not isinstance(ref, str | int) or isinstance(ref, bool) or ref == "":
        raise BadInput("Invalid flavorRef provided.")
    try:
        return await flavors.get(tx, token, str(ref).rsplit("/", 1)[-1])
    except NotFound as error:
        raise BadInput(error.message) from error


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


async def _place(
    tx: Transaction, room: Compute, token: Token, body: bodies.CreateServer
) -> tuple[str | None, str | None]:
    """Zone and host as asked: "zone", for admins also "zone:host", or host by name from 2.74."""
    zone = body.availability_zone if isinstance(body.availability_zone, str) else None
    host: str | None = None
    if zone is not None and ":" in zone:
        zone, _, host = zone.partition(":")
        host = host.split(":")[0] or None
        if not token.is_admin:
            raise Forbidden(
                "Policy doesn't allow os_compute_api:servers:create:forced_host to be performed."
            )
    for named in (body.host, body.hypervisor_hostname):
        if isinstance(named, str):
            if not token.is_admin:
                raise Forbidden(
                    "Policy doesn't allow compute:servers:create:requested_destination to be performed."
                )
            host = named
    known = await hosts.nodes(tx)
    if zone is not None and zone not in {row.zone for row in known}:
        raise BadInput("The requested availability zone is not available")
    if host is not None and host not in {row.host for row in known}:
        raise BadInput(f"Compute host {host} could not be found.")
    return zone or None, host
