"""What a request for a new server means: references resolved with the caller's eyes, limits held, rows written."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, Struct, UnsetType

from hanok.base.errors import BadInput, Forbidden, NotFound
from hanok.base.ids import is_uuid, new_uuid
from hanok.services.compute import states
from hanok.services.compute.logic import (
    attaching,
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
    server_volumes,
    volume_wishes,
)
from hanok.services.compute.logic import servers as servers_logic
from hanok.services.compute.logic.disks import Mapped
from hanok.services.compute.logic.servers import hostname_of
from hanok.services.compute.logic.volume_wishes import VolumeWish
from hanok.services.compute.room import Compute, ComputeSettings
from hanok.services.compute.schemas import answers, bodies
from hanok.services.compute.tables import keypairs, server_tags, servers
from hanok.services.image import facade as images
from hanok.services.network import facade as networks
from hanok.services.network.facade import NICPlan, NICWish
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


async def _image(
    tx: Transaction, callers: Callers, server: bodies.NewServer
) -> images.ImageInfo | None:
    """The image that the request names; None: it names a volume to boot from, and no image.

    Raises:
        BadInput: there is no such image, or nothing to boot from.
    """
    image = block_devices.image_of(server) or ""
    if is_uuid(image):
        return await bootable(tx, callers.image, image)
    described = [] if image else block_devices.described(server)
    if not block_devices.volumes_of(described):
        raise BadInput("Invalid imageRef provided.")
    if block_devices.root_volume(described) is None:
        raise volume_wishes.invalid(block_devices.BOOT_SEQUENCE)
    return None


class Callers(Struct, frozen=True, kw_only=True):
    """Who wants servers, and what each service lets them reach.

    no_disk: whether flavors without a disk may be used. external: whether external networks may be.
    bandwidth: whether ports may be named that ask for bandwidth. volumes: None: block storage is switched off.
    knows_multiattach: whether the version of the request knows volumes that several servers have.
    """

    compute: Caller
    image: Caller
    network: Caller
    volumes: Caller | None = None
    knows_multiattach: bool = True
    no_disk: bool = False
    external: bool = False
    bandwidth: bool = True


class _Parts(Struct, frozen=True, kw_only=True):
    """What a request for servers leads to: its references resolved, its texts read.

    image: or what stands for it, where a volume is booted from. root: the volume that is; None: a disk of the host.
    """

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
    volumes: list[VolumeWish]
    root: VolumeWish | None
    kernel: tuple[str, str]
    files: list[dict[str, str]] | None


async def create(
    tx: Transaction, room: Compute, callers: Callers, body: bodies.CreateServer
) -> list[str]:
    """Write the rows of new servers (status BUILD) and count them against the quota.

    They are as many as the quota leaves room for, within the numbers that are asked for.

    Returns:
        Their ids, in order.

    Raises:
        BadInput: a reference leads nowhere or does not fit, something is asked for that no server would have, or the
            caller has no project.
        OverQuota: instances, cores or ram (MiB), or servers in a group.
        Forbidden: a flavor without a disk, an external network, or too many ports.
    """
    project_id = callers.compute.project_id
    if project_id is None:
        raise BadInput("A server belongs to a project: use a project's token.")
    server = body.server
    least, maximum = _counts(server)
    parts = await _resolved(tx, room, callers, project_id, body)
    count = await quotas.count_within(
        tx,
        room,
        project_id,
        callers.compute.user_id,
        least=least,
        maximum=maximum,
        vcpus=parts.flavor.vcpus,
        memory_mib=parts.flavor.memory_mib,
    )
    shared = _shared_values(server, parts, callers.compute, room.clock.now())
    wishes: list[NICWish] | str = parts.wishes
    if wishes == "auto":
        wishes = [NICWish(network_id=await networks.allocated(tx, room.network, callers.network))]
    plans = await _interfaces(tx, callers, parts, wishes, count)
    count = await _ports_for(tx, room, project_id, plans, least, count)
    if parts.group is not None:
        await quotas.check_group_members(tx, room, callers.compute, parts.group, count)
    made = []
    for index in range(count):
        if index:
            plans = await _interfaces(tx, callers, parts, wishes, count)
        values = {**shared, **_own_values(server, index, count), "nics": msgspec.to_builtins(plans)}
        await tx.execute(_new, values)
        await _tag(tx, values["id"], server)
        await _keep_volumes(tx, room, callers, values["id"], parts)
        if parts.group is not None:
            await server_groups.enter(tx, parts.group, values["id"])
        made.append(values["id"])
    if parts.group is not None:
        await notices.joined(tx, room.events, callers.compute, parts.group, made)
    return made


async def _interfaces(
    tx: Transaction, callers: Callers, parts: _Parts, wishes: list[NICWish] | str, count: int
) -> list[NICPlan]:
    """The interfaces of one of so many servers. Raises as `networks.plan`, and BadInput: they ask for bandwidth."""
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
    return plans


async def _ports_for(
    tx: Transaction,
    room: Compute,
    project_id: str,
    plans: Sequence[NICPlan],
    least: int,
    maximum: int,
) -> int:
    """For how many servers with such interfaces the project may still have ports.

    Raises:
        Forbidden: for fewer than are asked for at least.

    Source: Compute API reference, "Create multiple servers", min_count and max_count.
    """
    each = len([one for one in plans if one.ours])
    left = await networks.ports_left(tx, room.network, project_id) if each else None
    if left is None or left >= each * maximum:
        return maximum
    if left < each * least:
        raise Forbidden("Maximum number of ports exceeded")
    return left // each


def trusted(sent: list[str] | UnsetType | None) -> list[str] | None:
    """The certificates that a request names; None: none.

    Raises:
        BadInput: one is named twice, or is no secret.
    """
    if sent is UNSET or not sent:
        return None
    for one in sent:
        if not is_uuid(one) or sent.count(one) > 1:
            raise BadInput(
                f"Invalid input for field/attribute trusted_image_certificates. Value: {one[:64]}. Ids of secrets of "
                "the key manager are expected, each once."
            )
    return sent


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
    named = await _image(tx, callers, server)
    described = block_devices.with_image(
        block_devices.described(server), server, {} if named is None else named.properties
    )
    wishes, said = await _volumes(
        tx, room, callers, described, _counts(server)[1], imaged=named is not None
    )
    root = block_devices.root_volume(described)
    if root is not None and trusted(server.trusted_image_certificates):
        raise BadInput(
            "Image certificate validation is not supported for servers that boot from a volume."
        )
    image = of_volume(said or {}) if named is None else named
    requirements.check_properties(image.properties)
    flavor = await _flavor(tx, callers.compute, server.flavorRef)
    requirements.check_specs(flavor.extra_specs)
    check_placing(image.properties, flavor, room.settings, image.name or image.id)
    check_fit(image, flavor.memory_mib, 0 if root else flavor.disk_gib)
    if not flavor.disk_gib and root is None and not callers.no_disk:
        raise Forbidden("Only volume-backed servers are allowed for flavors with zero disk.")
    await quotas.check_metadata(
        tx, room, project_id, {} if server.metadata is UNSET else server.metadata
    )
    check_user_data(server.user_data)
    devices = block_devices.local_disks(
        described, flavor, image.properties, room.settings.max_local_block_devices
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
        volumes=wishes,
        root=root,
        kernel=await kernel_of(tx, callers.image, image.properties),
        files=await files.checked(tx, room, project_id, server.personality),
    )


async def _volumes(
    tx: Transaction,
    room: Compute,
    callers: Callers,
    described: Sequence[block_devices.Device],
    count: int,
    *,
    imaged: bool,
) -> tuple[list[VolumeWish], dict[str, str] | None]:
    """The volumes that are described, held against what the caller reaches; see `volume_wishes.checked`.

    imaged: whether an image is named as well; upstream then asks of no volume whether it is bootable.

    Raises:
        BadInput. Unavailable: block storage is switched off. Forbidden: they are too many.
    """
    wishes = block_devices.volumes_of(described)
    if not wishes:
        return [], None
    volumes = room.volumes
    assert callers.volumes is not None
    eyes = volume_wishes.Eyes(
        volumes=callers.volumes,
        images=callers.image,
        knows_multiattach=callers.knows_multiattach,
        boots=not imaged,
    )
    maximum = room.settings.max_disk_devices_to_attach
    if 0 <= maximum < len(described):
        raise server_volumes.too_many(maximum)
    return await volume_wishes.checked(tx, volumes, eyes, wishes, count)


def of_volume(said: Mapping[str, str]) -> images.ImageInfo:
    """What stands for the image of a server that boots from a volume. said: by the volume, of its image."""
    memory = said.get("min_ram", "0")
    return images.ImageInfo(
        id="",
        name=None,
        status="active",
        disk_format="raw",
        container_format=None,
        size_bytes=None,
        virtual_size_bytes=None,
        hash_algorithm=None,
        hash_value=None,
        min_disk_gib=0,
        min_ram_mib=int(memory) if memory.isdecimal() else 0,
        owner=None,
        visibility="private",
        properties={name: value for name, value in said.items() if name != "min_ram"},
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
        "image_id": "" if parts.root else image.id,
        "disks": msgspec.to_builtins(parts.disks) if parts.root else disks.with_root(parts.disks),
        "root_device": disks.root_path(image.properties, disks.root_bus(parts.disks)),
        "kernel_id": parts.kernel[0],
        "ramdisk_id": parts.kernel[1],
        "files": parts.files,
        "image_format": "raw" if parts.root else image.disk_format or "raw",
        "image_properties": {
            name: value
            for name, value in image.properties.items()
            if isinstance(value, str) and name not in (block_devices.MAPPING, "bdm_v2")
        },
        "flavor_id": flavor.id,
        "flavor": answers.embedded_flavor(flavor),
        "vcpus": flavor.vcpus,
        "memory_mib": flavor.memory_mib,
        "disk_gib": flavor.disk_gib,
        "key_name": server.key_name if isinstance(server.key_name, str) else None,
        "public_key": parts.public_key,
        "user_data": server.user_data if isinstance(server.user_data, str) else None,
        "trusted_certificates": trusted(server.trusted_image_certificates),
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
        hostname = server.hostname
    return {
        "id": server_id,
        "name": name,
        "hostname": hostname,
        "description": None if server.description is UNSET else server.description,
        "launch_index": index,
    }


async def _keep_volumes(
    tx: Transaction, room: Compute, callers: Callers, server_id: str, parts: _Parts
) -> None:
    """The server has rows of its volumes; those that there are already are kept for it.

    Raises:
        BadInput: one cannot be.
    """
    if not parts.volumes:
        return
    server = await servers_logic.get_any(tx, server_id)
    assert server is not None and callers.volumes is not None
    for wish in parts.volumes:
        rows = await server_volumes.of_server(tx, server_id)
        bus = wish.bus or disks.bus_of(server.image_properties, wish.device)
        values: dict[str, Any] = {
            "state": server_volumes.PLANNED,
            "boot_index": wish.boot_index,
            "bus": bus,
            "device_type": wish.device,
            "tag": wish.tag or None,
            "delete_on_termination": wish.delete_on_termination,
            "source_type": wish.source,
            "source_id": wish.source_id,
            "size_gib": wish.size_gib,
            "volume_type": wish.type,
            "made": wish.source != "volume",
        }
        if wish.source == "volume" and wish.source_id is not None:
            if any(row.volume_id == wish.source_id for row in rows):
                raise volume_wishes.invalid(f"volume {wish.source_id} is named twice.")
            values |= {"state": server_volumes.RESERVED, "volume_id": wish.source_id}
            values["attachment_id"] = await attaching.reserve(
                tx, room, callers.volumes, wish.source_id, server_id
            )
        await server_volumes.add(tx, server_id, room.clock.now(), **values)
    await _name_volumes(tx, server)


async def _name_volumes(tx: Transaction, server: Any) -> None:
    """The volumes are called as the guest will call them."""
    rows = await server_volumes.of_server(tx, server.id)
    devices = server_volumes.names(server, rows)
    for row in rows:
        await server_volumes.change(tx, row.id, device=devices[row.id])
        if row.boot_index == 0:
            await servers_logic.change(tx, server.id, {"root_device": devices[row.id]})


async def _tag(tx: Transaction, server_id: str, server: bodies.NewServer) -> None:
    if server.tags is not UNSET and server.tags:
        rows = [{"server_id": server_id, "tag": tag} for tag in dict.fromkeys(server.tags)]
        await tx.execute(server_tags.insert(), rows)


def _counts(body: bodies.NewServer) -> tuple[int, int]:
    """How many servers are to be made: at least, and at most.

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
    if maximum > 1 and body.hostname is not UNSET:
        raise BadInput("Several servers cannot have one and the same hostname.")
    return least, maximum


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
    requested = hardware.requirements(
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
    scheduling.groups_of(
        given, flavor.extra_specs, properties, settings.pci_aliases, requested.traits
    )


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
