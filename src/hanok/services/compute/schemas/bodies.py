"""Bodies of Compute v2.1 in their newest form, with the versions of each field.

Unknown keys are refused, and so is what a microversion does not know yet, or no longer. What an older version says in
another way is turned into the newest form here, before a handler sees it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from hanok.base.addresses import address_of
from hanok.base.errors import BadInput
from hanok.web.numbers import MAXIMUM as MAXIMUM
from hanok.web.numbers import whole as whole
from hanok.web.versions import field_of, turns_older

# Printable, and no blank at either end. Source: Compute API reference, "name" of servers, flavors and key pairs.
PRINTABLE = (
    r"^(?!\s)[^\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]*(?<!\s)$(?!\n)"
)
Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=PRINTABLE)]
Tag = Annotated[str, Meta(min_length=1, max_length=60, pattern=r"^[^,/]*$")]
UUIDText = Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$")]
Key = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9-_:. ]{1,255}$")]
Value = Annotated[str, Meta(max_length=255)]
MetadataMap = dict[Key, Value]
HostName = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9-._]*$")]
Certificates = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=255)]], Meta(min_length=1, max_length=50)
]
Description = Annotated[str, Meta(max_length=255)]
GuestName = Annotated[
    str,
    Meta(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$(?!\n)"),
]


class NetworkWish(Struct, forbid_unknown_fields=True, kw_only=True):
    uuid: UUIDText | UnsetType = UNSET
    port: UUIDText | UnsetType | None = UNSET
    fixed_ip: str | UnsetType = UNSET
    tag: Annotated[Tag | UnsetType, field_of(since=(2, 32), gap=((2, 37), (2, 41)))] = UNSET


class FixedAddress(Struct, forbid_unknown_fields=True, kw_only=True):
    ip_address: str


class InterfaceAttachment(Struct, forbid_unknown_fields=True, kw_only=True):
    """Another interface of a server: by port, by network and perhaps address, or on the only network."""

    net_id: UUIDText | UnsetType = UNSET
    port_id: UUIDText | UnsetType = UNSET
    fixed_ips: Annotated[list[FixedAddress], Meta(min_length=1, max_length=1)] | UnsetType = UNSET
    tag: Annotated[Tag | UnsetType, field_of(since=(2, 49))] = UNSET


class VolumeAttachment(Struct, forbid_unknown_fields=True, kw_only=True):
    """A volume that a server is to have. device: is not heeded: guests name their devices."""

    volumeId: UUIDText
    device: str | UnsetType | None = UNSET
    tag: Annotated[Tag | UnsetType, field_of(since=(2, 49))] = UNSET
    delete_on_termination: Annotated[bool | str | UnsetType, field_of(since=(2, 79))] = UNSET


class SwappedVolume(Struct, forbid_unknown_fields=True, kw_only=True):
    """Another volume in the place of one."""

    volumeId: UUIDText
    device: str | UnsetType | None = UNSET


class ChangedVolumeAttachment(Struct, forbid_unknown_fields=True, kw_only=True):
    """A volume as a server has it. All but delete_on_termination has to be as it is."""

    volumeId: UUIDText
    device: str | UnsetType | None = UNSET
    id: UUIDText | UnsetType = UNSET
    serverId: UUIDText | UnsetType = UNSET
    tag: str | UnsetType | None = UNSET
    delete_on_termination: bool | str | UnsetType = UNSET
    attachment_id: Annotated[UUIDText | UnsetType, field_of(since=(2, 89))] = UNSET
    bdm_uuid: Annotated[UUIDText | UnsetType, field_of(since=(2, 89))] = UNSET


class OldVolume(Struct, forbid_unknown_fields=True, kw_only=True):
    """A new volume by way of compute."""

    size: int | str
    volume_type: str | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    snapshot_id: str | UnsetType = UNSET
    availability_zone: str | UnsetType = UNSET
    display_name: str | UnsetType = UNSET
    display_description: str | UnsetType = UNSET


class OldSnapshot(Struct, forbid_unknown_fields=True, kw_only=True):
    """A new snapshot by way of compute."""

    volume_id: str
    force: bool | str | UnsetType = UNSET
    display_name: str | UnsetType = UNSET
    display_description: str | UnsetType = UNSET


class AssistedSnapshot(Struct, forbid_unknown_fields=True, kw_only=True):
    """A snapshot that compute is to take of a volume that a guest has. create_info: how the file is to be called."""

    volume_id: UUIDText
    create_info: dict[str, Any]


class GroupRef(Struct, forbid_unknown_fields=True, kw_only=True):
    name: Name


class BlockDevice(Struct, forbid_unknown_fields=True, kw_only=True):
    """What a server boots from or has besides (`logic/block_devices.py`)."""

    source_type: Literal["volume", "image", "snapshot", "blank"] | UnsetType = UNSET
    destination_type: Literal["local", "volume"] | UnsetType = UNSET
    uuid: str | UnsetType = UNSET
    boot_index: int | str | UnsetType | None = UNSET
    volume_size: int | str | UnsetType | None = UNSET
    delete_on_termination: Any = UNSET
    device_name: Any = UNSET
    device_type: Any = UNSET
    disk_bus: Any = UNSET
    guest_format: Any = UNSET
    no_device: Any = UNSET
    tag: Annotated[Tag | UnsetType, field_of(since=(2, 32), gap=((2, 33), (2, 41)))] = UNSET
    volume_type: Annotated[Any, field_of(since=(2, 67))] = UNSET
    image_id: Any = UNSET
    snapshot_id: Any = UNSET
    volume_id: Any = UNSET


class File(Struct, forbid_unknown_fields=True, kw_only=True):
    """A file for a guest. contents: base64."""

    path: str
    contents: str


class NewServer(Struct, forbid_unknown_fields=True, kw_only=True):
    """The server that is wanted."""

    name: Name
    flavorRef: Any
    imageRef: str | UnsetType = UNSET
    adminPass: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET
    metadata: MetadataMap | UnsetType = UNSET
    networks: Annotated[list[NetworkWish] | str, field_of(required=(2, 37))]
    disk_config: str | UnsetType = field(default=UNSET, name="OS-DCF:diskConfig")
    accessIPv4: str | UnsetType = UNSET
    accessIPv6: str | UnsetType = UNSET
    personality: Annotated[list[File] | UnsetType, field_of(until=(2, 56))] = UNSET
    key_name: str | UnsetType | None = UNSET
    availability_zone: Name | UnsetType | None = UNSET
    block_device_mapping: list[dict[str, Any]] | UnsetType = UNSET
    block_device_mapping_v2: list[BlockDevice] | UnsetType = UNSET
    config_drive: bool | str | UnsetType | None = UNSET
    min_count: int | str | UnsetType = UNSET
    max_count: int | str | UnsetType = UNSET
    return_reservation_id: bool | str | UnsetType = UNSET
    security_groups: list[GroupRef] | UnsetType = UNSET
    user_data: Annotated[str, Meta(max_length=65535)] | UnsetType | None = UNSET
    description: Annotated[Description | UnsetType | None, field_of(since=(2, 19))] = UNSET
    tags: Annotated[
        Annotated[list[Tag], Meta(max_length=50)] | UnsetType, field_of(since=(2, 52))
    ] = UNSET
    trusted_image_certificates: Annotated[
        Certificates | UnsetType | None, field_of(since=(2, 63))
    ] = UNSET
    host: Annotated[HostName | UnsetType, field_of(since=(2, 74))] = UNSET
    hypervisor_hostname: Annotated[HostName | UnsetType, field_of(since=(2, 74))] = UNSET
    hostname: Annotated[GuestName | UnsetType, field_of(since=(2, 90))] = UNSET


class CreateServer(Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of POST /servers: the server, and beside it what the scheduler is told, under either of two names."""

    server: NewServer
    scheduler_hints: dict[str, Any] | UnsetType = field(default=UNSET, name="os:scheduler_hints")
    more_hints: dict[str, Any] | UnsetType = field(default=UNSET, name="OS-SCH-HNT:scheduler_hints")


def _label_only(body: dict[str, Any]) -> dict[str, Any]:
    """A host name of one label, as short as a label may be."""
    name = body.get("hostname")
    if isinstance(name, str) and (len(name) > 63 or "." in name):
        raise BadInput(
            f"Invalid input for field/attribute hostname. Value: {name[:100]}. It must be a host name of at most 63 "
            "characters without dots; fully qualified names are taken from microversion 2.94."
        )
    return body


@turns_older(NewServer, (2, 19))
def _described_by_its_name(server: dict[str, Any]) -> dict[str, Any]:
    return (
        {**server, "description": server["name"]} if isinstance(server.get("name"), str) else server
    )


@turns_older(NewServer, (2, 37))
def _networks_by_themselves(server: dict[str, Any]) -> dict[str, Any]:
    networks = server.get("networks", [])
    if not isinstance(networks, list):
        raise BadInput("Invalid input for field/attribute networks. It must be a list.")
    return {**server, "networks": networks}


@turns_older(NewServer, (2, 94))
def _one_label(server: dict[str, Any]) -> dict[str, Any]:
    return _label_only(server)


class UpdateServer(Struct, forbid_unknown_fields=True, kw_only=True):
    name: Name | UnsetType = UNSET
    disk_config: str | UnsetType = field(default=UNSET, name="OS-DCF:diskConfig")
    accessIPv4: str | UnsetType | None = UNSET
    accessIPv6: str | UnsetType | None = UNSET
    description: Annotated[Description | UnsetType | None, field_of(since=(2, 19))] = UNSET
    hostname: Annotated[GuestName | UnsetType, field_of(since=(2, 90))] = UNSET
    pinned_availability_zone: Annotated[Name | UnsetType | None, field_of(since=(2, 104))] = UNSET


@turns_older(UpdateServer, (2, 94))
def _still_one_label(server: dict[str, Any]) -> dict[str, Any]:
    return _label_only(server)


class Rebuild(Struct, forbid_unknown_fields=True, kw_only=True):
    """What a server is to be made anew of; what is left out stays as it is."""

    imageRef: str
    name: Name | UnsetType = UNSET
    adminPass: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET
    metadata: MetadataMap | UnsetType = UNSET
    preserve_ephemeral: bool | str | UnsetType = UNSET
    accessIPv4: str | UnsetType = UNSET
    accessIPv6: str | UnsetType = UNSET
    disk_config: str | UnsetType = field(default=UNSET, name="OS-DCF:diskConfig")
    personality: Annotated[list[File] | UnsetType, field_of(until=(2, 56))] = UNSET
    description: Annotated[Description | UnsetType | None, field_of(since=(2, 19))] = UNSET
    key_name: Annotated[
        Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType | None,
        field_of(since=(2, 54)),
    ] = UNSET
    user_data: Annotated[
        Annotated[str, Meta(max_length=65535)] | UnsetType | None, field_of(since=(2, 57))
    ] = UNSET
    trusted_image_certificates: Annotated[
        Certificates | UnsetType | None, field_of(since=(2, 63))
    ] = UNSET
    hostname: Annotated[GuestName | UnsetType, field_of(since=(2, 90))] = UNSET


@turns_older(Rebuild, (2, 94))
def _again_one_label(server: dict[str, Any]) -> dict[str, Any]:
    return _label_only(server)


class Rescue(Struct, forbid_unknown_fields=True, kw_only=True):
    """What a server is rescued with: a password, and an image if it is not its own."""

    adminPass: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET
    rescue_image_ref: Annotated[str, Meta(max_length=2048)] | UnsetType = UNSET


class Unshelve(Struct, forbid_unknown_fields=True, kw_only=True):
    """Where a shelved server is to come back; null unpins it from its zone."""

    availability_zone: Annotated[Name | UnsetType | None, field_of(since=(2, 77))] = UNSET
    host: Annotated[HostName | UnsetType, field_of(since=(2, 91))] = UNSET


@turns_older(Unshelve, (2, 91))
def _a_zone_is_named(body: dict[str, Any]) -> dict[str, Any]:
    if "availability_zone" in body and body["availability_zone"] is None:
        raise BadInput(
            "Invalid input for field/attribute availability_zone. Value: None. None is not of type 'string'"
        )
    return body


class Resize(Struct, forbid_unknown_fields=True, kw_only=True):
    flavorRef: Any
    disk_config: str | UnsetType = field(default=UNSET, name="OS-DCF:diskConfig")


class Migrate(Struct, forbid_unknown_fields=True, kw_only=True):
    host: Annotated[HostName | UnsetType | None, field_of(since=(2, 56))] = UNSET


class Evacuate(Struct, forbid_unknown_fields=True, kw_only=True):
    """Where a server of a dead host is to be made anew."""

    host: HostName | UnsetType | None = UNSET
    adminPass: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET
    onSharedStorage: Annotated[bool | str | UnsetType, field_of(until=(2, 13))] = UNSET
    force: Annotated[bool | str | UnsetType, field_of(since=(2, 29), until=(2, 67))] = UNSET


class LiveMigrate(Struct, forbid_unknown_fields=True, kw_only=True):
    """Where a server is to go while it runs, and whether its local disks go along."""

    host: HostName | None
    block_migration: bool | str
    disk_over_commit: Annotated[
        bool | str | UnsetType, field_of(until=(2, 24), required=(2, 1))
    ] = UNSET
    force: Annotated[bool | str | UnsetType, field_of(since=(2, 30), until=(2, 67))] = UNSET


class ChangePassword(Struct, forbid_unknown_fields=True, kw_only=True):
    adminPass: Annotated[str, Meta(max_length=255)]


class Reboot(Struct, forbid_unknown_fields=True, kw_only=True):
    type: str


class CreateImage(Struct, forbid_unknown_fields=True, kw_only=True):
    name: Name
    metadata: MetadataMap | UnsetType = UNSET


class CreateBackup(Struct, forbid_unknown_fields=True, kw_only=True):
    name: Name
    backup_type: str
    rotation: int | str
    metadata: MetadataMap | UnsetType = UNSET


class Lock(Struct, forbid_unknown_fields=True, kw_only=True):
    locked_reason: Annotated[
        Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType, field_of(since=(2, 73))
    ] = UNSET


class ConsoleOutput(Struct, forbid_unknown_fields=True, kw_only=True):
    length: int | str | None = None


class VNCConsole(Struct, forbid_unknown_fields=True, kw_only=True):
    type: str


class RemoteConsole(Struct, forbid_unknown_fields=True, kw_only=True):
    protocol: str
    type: str


class AttachShare(Struct, forbid_unknown_fields=True, kw_only=True):
    share_id: UUIDText
    tag: Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9-]*$")] = ""


class ResetState(Struct, forbid_unknown_fields=True, kw_only=True):
    state: str


class FloatingIPPool(Struct, kw_only=True):
    """Where a floating IP is wanted from; what else was sent is not looked at, as ever."""

    pool: Annotated[str, Meta(max_length=255)] | None = None


class AddFloatingIP(Struct, forbid_unknown_fields=True, kw_only=True):
    address: str
    fixed_address: str | UnsetType = UNSET


class AddressRef(Struct, forbid_unknown_fields=True, kw_only=True):
    address: str


class AddFixedIP(Struct, forbid_unknown_fields=True, kw_only=True):
    networkId: (
        Annotated[str, Meta(min_length=1, max_length=36)] | Annotated[int, Meta(ge=0, le=MAXIMUM)]
    )


class CreateFlavor(Struct, forbid_unknown_fields=True, kw_only=True):
    name: Name
    ram: int | str
    vcpus: int | str
    disk: int | str
    id: Any = None
    swap: int | str = 0
    rxtx_factor: Annotated[float | str, field_of(until=(2, 101))] = 1.0
    ephemeral: int | str = field(default=0, name="OS-FLV-EXT-DATA:ephemeral")
    is_public: bool | str = field(default=True, name="os-flavor-access:is_public")
    description: Annotated[
        Annotated[str, Meta(max_length=65535)] | None, field_of(since=(2, 55))
    ] = None


class UpdateFlavor(Struct, forbid_unknown_fields=True, kw_only=True):
    description: Annotated[str, Meta(max_length=65_535)] | None


class TenantAccess(Struct, forbid_unknown_fields=True, kw_only=True):
    tenant: str


class CreateKeypair(Struct, forbid_unknown_fields=True, kw_only=True):
    name: Annotated[
        str, Meta(min_length=1, max_length=255, pattern=r"^(?! )[a-zA-Z0-9_@. -]+(?<! )$(?!\n)")
    ]
    public_key: Annotated[str | UnsetType, field_of(required=(2, 92))] = UNSET
    type: Annotated[str, field_of(since=(2, 2))] = "ssh"
    user_id: Annotated[str | UnsetType, field_of(since=(2, 10))] = UNSET


@turns_older(CreateKeypair, (2, 92))
def _plainer_name(keypair: dict[str, Any]) -> dict[str, Any]:
    if any(letter in str(keypair.get("name")) for letter in "@."):
        raise BadInput("Keypair data is invalid: Keypair name contains unsafe characters")
    return keypair


class UpdateService(Struct, forbid_unknown_fields=True, kw_only=True):
    status: str | UnsetType = UNSET
    disabled_reason: Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType = UNSET
    forced_down: bool | str | UnsetType = UNSET


class ServiceByHost(Struct, forbid_unknown_fields=True, kw_only=True):
    host: str
    binary: str
    disabled_reason: Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType = UNSET
    forced_down: bool | str | UnsetType = UNSET


def ip_address(value: str, name: str) -> str:
    """An address of IPv4 or IPv6, in the form that the network service writes.

    Raises:
        BadInput: it is none.
    """
    try:
        return str(address_of(value))
    except ValueError:
        raise BadInput(
            f"Invalid input for field/attribute {name}. Value: {value[:64]}. It is not a valid IP address"
        ) from None


class SecurityGroup(Struct, kw_only=True):
    """Other keys are passed over, as upstream does here and for rules."""

    name: Annotated[str, Meta(max_length=255)]
    description: Annotated[str, Meta(max_length=255)]


class SecurityGroupRule(Struct, kw_only=True):
    """Traffic to the parent group's members from a prefix, or from the members of group_id."""

    parent_group_id: UUIDText
    group_id: UUIDText | None = None
    cidr: str | None = None
    ip_protocol: str | None = None
    from_port: int | str | None = None
    to_port: int | str | None = None


def truth(value: object, name: str) -> bool:
    """A flag that may come as text.

    Raises:
        BadInput: it is none.
    """
    if isinstance(value, bool):
        return value
    text = str(value).lower()
    if text in ("true", "1", "yes", "on", "t", "y"):
        return True
    if text in ("false", "0", "no", "off", "f", "n"):
        return False
    raise BadInput(f"Invalid input for field/attribute {name}. Value: {value}. It is not a boolean")


# ---- server groups ----


class GroupRules(Struct, forbid_unknown_fields=True, kw_only=True):
    max_server_per_host: int | str | UnsetType = UNSET


class NewServerGroup(Struct, forbid_unknown_fields=True, kw_only=True):
    """Before 2.64 a list of policies, of which there is one."""

    name: Name
    policy: Annotated[
        Literal["affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"],
        field_of(since=(2, 64)),
    ]
    policies: Annotated[
        Annotated[list[str], Meta(min_length=1, max_length=1)] | UnsetType,
        field_of(until=(2, 63), required=(2, 1)),
    ] = UNSET
    rules: Annotated[GroupRules | UnsetType, field_of(since=(2, 64))] = UNSET


@turns_older(NewServerGroup, (2, 64))
def _one_policy(group: dict[str, Any]) -> dict[str, Any]:
    policies = group.get("policies")
    if not isinstance(policies, list) or len(policies) != 1:
        raise BadInput(
            "Invalid input for field/attribute policies. It is a list of one policy of server groups."
        )
    named = {name: value for name, value in group.items() if name != "policies"}
    return {**named, "policy": policies[0]}


@turns_older(NewServerGroup, (2, 15))
def _hard_policies(group: dict[str, Any]) -> dict[str, Any]:
    policies = group.get("policies")
    if isinstance(policies, list) and any(str(one).startswith("soft-") for one in policies):
        raise BadInput(
            "Invalid input for field/attribute policies. Soft policies are taken from microversion 2.15."
        )
    return group


# ---- host aggregates ----


class CreateAggregate(Struct, forbid_unknown_fields=True, kw_only=True):
    name: Name
    availability_zone: Name | None = None


class UpdateAggregate(Struct, forbid_unknown_fields=True, kw_only=True):
    name: Name | UnsetType = UNSET
    availability_zone: Name | UnsetType | None = UNSET


class HostOfAggregate(Struct, forbid_unknown_fields=True, kw_only=True):
    host: HostName


class AggregateMetadata(Struct, forbid_unknown_fields=True, kw_only=True):
    """Keys with None are taken away."""

    metadata: dict[Key, Value | None]


class ImageRef(Struct, forbid_unknown_fields=True, kw_only=True):
    id: UUIDText


class CacheImages(Struct, forbid_unknown_fields=True, kw_only=True):
    cache: Annotated[list[ImageRef], Meta(min_length=1)]


# ---- hosts, until 2.42 ----

_Switch = Literal["enable", "disable", "Enable", "Disable", "ENABLE", "DISABLE"]


class UpdateHost(Struct, forbid_unknown_fields=True, kw_only=True):
    status: _Switch | UnsetType = UNSET
    maintenance_mode: _Switch | UnsetType = UNSET


# ---- external events ----


class ExternalEvent(Struct, forbid_unknown_fields=True, kw_only=True):
    name: Literal[
        "network-changed",
        "network-vif-plugged",
        "network-vif-unplugged",
        "network-vif-deleted",
        "volume-extended",
        "power-update",
        "accelerator-request-bound",
        "volume-reimaged",
    ]
    server_uuid: UUIDText
    status: Literal["failed", "completed", "in-progress"] = "completed"
    tag: str | UnsetType = UNSET


def _without(event: dict[str, Any], name: str) -> dict[str, Any]:
    if event.get("name") == name:
        raise BadInput(
            f"Invalid input for field/attribute name. Value: {name}. It is not an event."
        )
    return event


class ExternalEvents(Struct, forbid_unknown_fields=True, kw_only=True):
    events: Annotated[list[ExternalEvent], Meta(min_length=1)]


@turns_older(ExternalEvent, (2, 51))
def _before_volume_extended(event: dict[str, Any]) -> dict[str, Any]:
    return _without(event, "volume-extended")


@turns_older(ExternalEvent, (2, 76))
def _before_power_update(event: dict[str, Any]) -> dict[str, Any]:
    return _without(event, "power-update")


@turns_older(ExternalEvent, (2, 82))
def _before_accelerator_request_bound(event: dict[str, Any]) -> dict[str, Any]:
    return _without(event, "accelerator-request-bound")


@turns_older(ExternalEvent, (2, 93))
def _before_volume_reimaged(event: dict[str, Any]) -> dict[str, Any]:
    return _without(event, "volume-reimaged")
