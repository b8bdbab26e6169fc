"""What a request for a new server means: references resolved with the caller's eyes, limits held, rows written."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, Struct

from hanok.base.errors import BadInput, Forbidden, NotFound
from hanok.base.ids import is_uuid, new_uuid
from hanok.services.compute import states
from hanok.services.compute.logic import (
    block_devices,
    cpu_wishes,
    disks,
    files,
    flavors,
    hardware,
    hosts,
    notices,
    quotas,
    requirements,
    scheduling,
    server_groups,
)
from hanok.services.compute.logic.disks import Mapped
from hanok.services.compute.logic.servers import hostname_of
from hanok.services.compute.room import Compute, ComputeSettings
from hanok.services.compute.schemas import answers, bodies
from hanok.services.compute.tables import keypairs, server_tags, servers
from hanok.services.image import facade as images
from hanok.services.network import facade as networks
from hanok.services.network.facade import NICWish
from hanok.store import Transaction
from hanok.web.token import Caller

_new = servers.insert()
BOOTABLE = ("qcow2", "raw", "iso", "ami", "vmdk", "vhd", "vhdx", "vdi")


def address(value: Any, name: str, family: int) -> str:
    if value in (UNSET, None, ""):
        return ""
    found = bodies.ip_address(value, name)
    if ipaddress.ip_address(found).version != family:
        raise BadInput(f"Invalid input for field/attribute {name}. Value: {found}.")
    return found


def _wishes(networks: list[bodies.NetworkWish] | str) -> list[NICWish] | str:
    """What is asked for: "auto", "none", interfaces, or "only" (the project's network, if any) for nothing at all."""
    if networks == []:
        return "only"
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


def _image_id(server: bodies.NewServer) -> str:
    image = block_devices.image_of(server) or ""
    if not is_uuid(image):
        raise BadInput("Invalid imageRef provided.")
    return image


class Callers(Struct, frozen=True, kw_only=True):
    """Who wants servers, and what each service lets them reach.

    no_disk: whether flavors without a disk may be used. external: whether external networks may be.
    bandwidth: whether ports may be named that ask for bandwidth.
    """

    compute: Caller
    image: Caller
    network: Caller
    no_disk: bool = False
    external: bool = False
    bandwidth: bool = True


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
    group: str | None
    disks: list[Mapped]
    kernel: tuple[str, str]
    files: list[dict[str, str]] | None


async def create(
    tx: Transaction, room: Compute, callers: Callers, body: bodies.CreateServer
) -> list[str]:
    """Write the rows of new servers (status BUILD) and count them against the quota.

    Returns:
        Their ids, in order.

    Raises:
        BadInput: a reference leads nowhere or does not fit, something is asked for that no server would have, or the
            caller has no project.
        OverQuota: instances, cores or ram (MiB), or servers in a group.
        Forbidden: a flavor without a disk, or an external network.
    """
    project_id = callers.compute.project_id
    if project_id is None:
        raise BadInput("A server belongs to a project: use a project's token.")
    server = body.server
    count = _counts(server)
    refuse_unserved(server.trusted_image_certificates)
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
    if parts.group is not None:
        await quotas.check_group_members(tx, room, callers.compute, parts.group, count)
    shared = _shared_values(server, parts, callers.compute, room.clock.now())
    wishes: list[NICWish] | str = parts.wishes
    if wishes == "auto":
        wishes = [NICWish(network_id=await networks.allocated(tx, room.network, callers.network))]
    made = []
    for index in range(count):
        plans = await networks.plan(
            tx,
            callers.network,
            wishes,
            count=count,
            external=callers.external,
            grouped=parts.groups != ["default"],
        )
        named = [one for one in plans if not one.ours]
        if not callers.bandwidth and await networks.resource_requests(tx, named):
            raise BadInput(
                "Creating servers with ports having resource requests, like a port with a QoS minimum "
                "bandwidth policy, is not supported until microversion 2.72."
            )
        values = {**shared, **_own_values(server, index, count), "nics": msgspec.to_builtins(plans)}
        await tx.execute(_new, values)
        await _tag(tx, values["id"], server)
        if parts.group is not None:
            await server_groups.enter(tx, parts.group, values["id"])
        made.append(values["id"])
    if parts.group is not None:
        await notices.joined(tx, room.events, callers.compute, parts.group, made)
    return made


def refuse_unserved(certificates: Any) -> None:
    """Raises BadInput for certificates that nothing would come of."""
    if certificates is not UNSET and certificates:
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
    image = await bootable(tx, callers.image, _image_id(server))
    requirements.check_properties(image.properties)
    flavor = await _flavor(tx, callers.compute, server.flavorRef)
    requirements.check_specs(flavor.extra_specs)
    check_placing(image.properties, flavor, room.settings, image.name or image.id)
    check_fit(image, flavor.memory_mib, flavor.disk_gib)
    if not flavor.disk_gib and not callers.no_disk:
        raise Forbidden("Only volume-backed servers are allowed for flavors with zero disk.")
    await quotas.check_metadata(
        tx, room, project_id, {} if server.metadata is UNSET else server.metadata
    )
    check_user_data(server.user_data)
    devices = block_devices.local_disks(
        server, flavor, image.properties, room.settings.max_local_block_devices
    )
    zone, host = await _place(tx, server)
    groups = ["default"]
    if server.security_groups is not UNSET and server.security_groups:
        groups = list(dict.fromkeys(item.name for item in server.security_groups))
    await networks.check_security_groups(tx, room.network, project_id, groups)
    return _Parts(
        image=image,
        flavor=flavor,
        public_key=await public_key(tx, callers.compute, server.key_name),
        zone=zone,
        host=host,
        groups=groups,
        wishes=_wishes(server.networks),
        hints=hints,
        group=await server_groups.hinted(tx, callers.compute, hints),
        disks=devices,
        kernel=await kernel_of(tx, callers.image, image.properties),
        files=await files.checked(tx, room, project_id, server.personality),
    )


def _hints(body: bodies.CreateServer) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for hints in (body.more_hints, body.scheduler_hints):
        if isinstance(hints, dict):
            found |= hints
    return found


async def public_key(tx: Transaction, caller: Caller, name: Any) -> str | None:
    if not isinstance(name, str):
        return None
    row = await tx.first(
        sa.select(keypairs).where(keypairs.c.user_id == caller.user_id, keypairs.c.name == name)
    )
    if row is None:
        raise BadInput("Invalid key_name provided.")
    return str(row.public_key)


def check_user_data(text: Any) -> None:
    """Raises BadInput when it is not base64."""
    if isinstance(text, str):
        files.decoded(text, "user_data")


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
        "disks": disks.with_root(parts.disks),
        "root_device": disks.root_path(image.properties, disks.root_bus(parts.disks)),
        "kernel_id": parts.kernel[0],
        "ramdisk_id": parts.kernel[1],
        "files": parts.files,
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
    maximum = (
        least if body.max_count is UNSET else bodies.whole(body.max_count, "max_count", least=1)
    )
    if least > maximum:
        raise BadInput("min_count must be <= max_count")
    if maximum > 1000:
        raise BadInput("At most 1000 servers are made at once.")
    return maximum


async def bootable(tx: Transaction, caller: Caller, image_id: str) -> images.ImageInfo:
    """An image that the caller sees and that guests can be started of.

    Raises:
        BadInput
    """
    try:
        image = await images.visible(tx, caller, image_id)
    except NotFound as error:
        raise BadInput(f"Image {image_id} could not be found.") from error
    if image.status != "active":
        raise BadInput(f"Image {image_id} is not active.")
    if image.disk_format not in BOOTABLE:
        raise BadInput(
            f"Image {image_id} is of format {image.disk_format}: {', '.join(BOOTABLE)} can be started."
        )
    return image


async def kernel_of(
    tx: Transaction, caller: Caller, properties: Mapping[str, Any]
) -> tuple[str, str]:
    """The images of the kernel and of the ramdisk that an image is started with; empty for none.

    Raises:
        BadInput: the caller sees none of them, or they are not active; a ramdisk without a kernel.
    """
    kernel, ramdisk = (str(properties.get(name) or "") for name in ("kernel_id", "ramdisk_id"))
    for image_id in (one for one in (kernel, ramdisk) if one):
        if not is_uuid(image_id):
            raise BadInput(f"Image {image_id[:50]} could not be found.")
        try:
            image = await images.visible(tx, caller, image_id)
        except NotFound as error:
            raise BadInput(f"Image {image_id} could not be found.") from error
        if image.status != "active":
            raise BadInput(f"Image {image_id} is not active.")
        if image.disk_format not in ("aki", "ari", "raw"):
            raise BadInput(
                f"Image {image_id} is of format {image.disk_format}: a kernel is aki or raw, a ramdisk ari or raw."
            )
    if ramdisk and not kernel:
        raise BadInput("The image names a ramdisk_id, and no kernel_id that it would be for.")
    return kernel, ramdisk


async def _flavor(tx: Transaction, caller: Caller, ref: Any) -> Any:
    if not isinstance(ref, str | int) or isinstance(ref, bool) or ref == "":
        raise BadInput("Invalid flavorRef provided.")
    try:
        return await flavors.get(tx, caller, str(ref).rsplit("/", 1)[-1])
    except NotFound as error:
        raise BadInput(error.message) from error


def check_placing(
    properties: Mapping[str, Any], flavor: Any, settings: ComputeSettings, image_name: str = ""
) -> None:
    """Raises BadInput when flavor or image ask something of devices or of the host that nobody could have."""
    asked = hardware.asked(
        flavor.extra_specs,
        properties,
        flavor.vcpus,
        flavor_name=flavor.name,
        image_name=image_name,
    )
    wish = cpu_wishes.wish(flavor.vcpus, flavor.memory_mib, flavor.extra_specs, properties)
    given = scheduling.given_by(
        answers.embedded_flavor(flavor), flavor.vcpus, flavor.memory_mib, flavor.disk_gib, wish
    )
    scheduling.groups_of(given, flavor.extra_specs, properties, settings.pci_aliases, asked.traits)


def check_fit(image: images.ImageInfo, memory_mib: int, disk_gib: int) -> None:
    """Raises BadInput when a flavor has too little memory or disk for an image."""
    if image.min_ram_mib > memory_mib:
        raise BadInput(
            f"Flavor's memory is too small for requested image: {image.min_ram_mib} MiB requested, "
            f"{memory_mib} MiB given."
        )
    if not disk_gib:
        return
    needed = image.virtual_size_bytes or image.size_bytes or 0
    if image.min_disk_gib > disk_gib or needed > disk_gib * 1024**3:
        requested = max(image.min_disk_gib, -(-needed // 1024**3))
        raise BadInput(
            f"Flavor's disk is too small for requested image. Flavor disk is {disk_gib} GiB, "
            f"the image needs {requested} GiB."
        )


def forced_host(zone: Any) -> tuple[str | None, str | None]:
    """Zone and host of an availability zone as it was sent: "zone", "zone:host", "zone::node" or "zone:host:node".

    Raises:
        BadInput: it is none of these, or host and node are not one.
    """
    if not isinstance(zone, str):
        return None, None
    zone, *named = zone.split(":")
    if len(named) > 2:
        raise BadInput("Invalid availability_zone: it has more parts than zone, host and node.")
    return zone or None, _same_host(named)


def _same_host(names: Sequence[str]) -> str | None:
    """The host that is named as a host, as the hypervisor on it, or as both; None where no name is given.

    Raises:
        BadInput: they are names of two hosts.
    """
    found = {one for one in names if one}
    if len(found) > 1:
        raise BadInput(f"Compute host {names[0]} has no hypervisor {names[1]}.")
    return found.pop() if found else None


async def _place(tx: Transaction, server: bodies.NewServer) -> tuple[str | None, str | None]:
    """Zone and host as asked. Whether the caller may ask is looked at before.

    Raises:
        BadInput: there is no such zone or host, or two hosts are named.
    """
    zone, host = forced_host(server.availability_zone)
    named = [one for one in (server.host, server.hypervisor_hostname) if isinstance(one, str)]
    if named and host is not None:
        raise BadInput(
            "A host may be named by availability_zone, or by host and hypervisor_hostname, not by both."
        )
    host = _same_host(named) or host
    known = await hosts.nodes(tx)
    if zone is not None and zone not in {row.zone for row in known}:
        raise BadInput("The requested availability zone is not available")
    if host is not None and host not in {row.host for row in known}:
        raise BadInput(f"Compute host {host} could not be found.")
    return zone, host
