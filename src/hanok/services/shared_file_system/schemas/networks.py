"""Bodies and answers of share networks, subnets, security services and share servers.

Source: Shared File Systems API reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from hanok.base.clock import naive_micro
from hanok.services.shared_file_system.schemas.values import Flag, OptionalText, Text
from hanok.web.versions import Attribute, Inside, Shape, field_of

NetworkID = Annotated[str, Meta(max_length=36)] | UnsetType | None
Metadata = dict[str, Any] | UnsetType | None

# ---- security services ----


class SecurityServiceFields(Struct, kw_only=True):
    name: OptionalText = UNSET
    description: OptionalText = UNSET
    dns_ip: Annotated[str, Meta(max_length=64)] | UnsetType | None = UNSET
    server: OptionalText = UNSET
    domain: OptionalText = UNSET
    user: OptionalText = UNSET
    password: OptionalText = UNSET
    ou: Annotated[OptionalText, field_of(since=(2, 44))] = UNSET
    default_ad_site: Annotated[OptionalText, field_of(since=(2, 76))] = UNSET


class ChangedSecurityService(SecurityServiceFields, kw_only=True, forbid_unknown_fields=True):
    """What of one can be changed."""

    type: Text | UnsetType = UNSET


class NewSecurityService(SecurityServiceFields, kw_only=True):
    """What nobody knows is passed over, as upstream does here in every version: clients lean on it."""

    type: Text


SECURITY_SERVICE = Shape(
    Attribute(name="ou", since=(2, 44)),
    Attribute(name="default_ad_site", since=(2, 76)),
)


def security_service_summary(row: Any) -> dict[str, Any]:
    """The status is one that they no longer have; clients look for it."""
    return {"id": row.id, "name": row.name, "type": row.type, "status": "new"}


def security_service(row: Any, password: str | None) -> dict[str, Any]:
    return {
        **security_service_summary(row),
        "created_at": naive_micro(row.created_at),
        "updated_at": naive_micro(row.updated_at),
        "description": row.description,
        "dns_ip": row.dns_ip,
        "server": row.server,
        "domain": row.domain,
        "user": row.account,
        "password": password,
        "project_id": row.project_id,
        "ou": row.ou,
        "default_ad_site": row.default_ad_site,
    }


# ---- share networks ----


class SubnetFacts(Struct, kw_only=True):
    """What a client may say of a subnet; what is found there counts from when a share server is set up."""

    neutron_net_id: NetworkID = UNSET
    neutron_subnet_id: NetworkID = UNSET
    network_type: Annotated[str, Meta(max_length=32)] | UnsetType | None = UNSET
    segmentation_id: Annotated[int, Meta(ge=0, le=16_777_215)] | UnsetType | None = UNSET
    cidr: Annotated[str, Meta(max_length=64)] | UnsetType | None = UNSET
    ip_version: Literal[4, 6] | UnsetType | None = UNSET


class ChangedShareNetwork(SubnetFacts, kw_only=True, forbid_unknown_fields=True):
    name: OptionalText = UNSET
    description: OptionalText = UNSET


class NewShareNetwork(SubnetFacts, kw_only=True):
    """created_at, updated_at: of one that stood elsewhere before, as clients that move clouds say.

    What nobody knows is passed over, as upstream does here in every version: clients lean on it.
    """

    name: OptionalText = UNSET
    description: OptionalText = UNSET
    nova_net_id: str | UnsetType | None = UNSET
    availability_zone: Annotated[OptionalText, field_of(since=(2, 51))] = UNSET
    created_at: Annotated[str, Meta(max_length=40)] | UnsetType | None = UNSET
    updated_at: Annotated[str, Meta(max_length=40)] | UnsetType | None = UNSET


class NewSubnet(Struct, kw_only=True, forbid_unknown_fields=True):
    """share_network_id: the one of the path, if it is said."""

    share_network_id: OptionalText = UNSET
    neutron_net_id: NetworkID = UNSET
    neutron_subnet_id: NetworkID = UNSET
    availability_zone: OptionalText = UNSET
    metadata: Annotated[Metadata, field_of(since=(2, 78))] = UNSET


class SubnetCheck(Struct, kw_only=True, forbid_unknown_fields=True):
    """reset: as some clients call reset_operation."""

    reset: Flag | UnsetType | None = UNSET
    neutron_net_id: NetworkID = UNSET
    neutron_subnet_id: NetworkID = UNSET
    availability_zone: OptionalText = UNSET
    reset_operation: Flag | UnsetType | None = UNSET


class OneService(Struct, kw_only=True, forbid_unknown_fields=True):
    security_service_id: Text


class ServiceCheck(Struct, kw_only=True, forbid_unknown_fields=True):
    security_service_id: Text
    reset_operation: Flag | UnsetType | None = UNSET


class ServiceExchange(Struct, kw_only=True, forbid_unknown_fields=True):
    current_service_id: Text
    new_service_id: Text


class ServiceExchangeCheck(Struct, kw_only=True, forbid_unknown_fields=True):
    current_service_id: Text
    new_service_id: Text
    reset_operation: Flag | UnsetType | None = UNSET


class ResetStatus(Struct, kw_only=True, forbid_unknown_fields=True):
    status: Text


_SUBNET_OF_NETWORK = (2, 50)  # the last version that shows the one subnet as if it were the network
_FACTS = (
    "neutron_net_id",
    "neutron_subnet_id",
    "network_type",
    "segmentation_id",
    "cidr",
    "ip_version",
)
SUBNET = Shape(Attribute(name="metadata", since=(2, 78)))
SHARE_NETWORK = Shape(
    *(Attribute(name=name, until=_SUBNET_OF_NETWORK) for name in _FACTS),
    Attribute(name="gateway", since=(2, 18), until=_SUBNET_OF_NETWORK),
    Attribute(name="mtu", since=(2, 20), until=_SUBNET_OF_NETWORK),
    Attribute(name="nova_net_id", until=(2, 25)),
    Attribute(name="share_network_subnets", since=(2, 51)),
    Inside("share_network_subnets", SUBNET),
    Attribute(name="status", since=(2, 63)),
    Attribute(name="security_service_update_support", since=(2, 63)),
    Attribute(name="network_allocation_update_support", since=(2, 70)),
)


def facts(row: Any | None, *, whole: bool) -> dict[str, Any]:
    """What a subnet is like. whole: whether the caller sees what is the operator's. None: there is no subnet."""
    found: dict[str, Any] = {name: getattr(row, name, None) for name in (*_FACTS, "gateway", "mtu")}
    if not whole:
        found |= {"network_type": None, "segmentation_id": None}
    return found


def subnet(row: Any, *, whole: bool) -> dict[str, Any]:
    return {
        "id": row.id,
        "availability_zone": row.zone,
        "created_at": naive_micro(row.created_at),
        "updated_at": naive_micro(row.updated_at),
        **facts(row, whole=whole),
        "metadata": row.metadata,
    }


def share_network(
    row: Any, subnets: Sequence[Any], *, whole: bool, support: Mapping[str, bool]
) -> dict[str, Any]:
    """support: what all back ends of its share servers can change while it is used."""
    default = next((one for one in subnets if one.zone is None), None)
    return {
        "id": row.id,
        "name": row.name,
        "project_id": row.project_id,
        "created_at": naive_micro(row.created_at),
        "updated_at": naive_micro(row.updated_at),
        "description": row.description,
        **facts(default, whole=whole),
        "nova_net_id": None,
        "share_network_subnets": [subnet(one, whole=whole) for one in subnets],
        "status": row.status,
        **support,
    }


# ---- share servers ----


class ManagedServer(Struct, kw_only=True, forbid_unknown_fields=True):
    host: Annotated[str, Meta(min_length=1, max_length=255)]
    share_network_id: Annotated[str, Meta(min_length=1, max_length=255)]
    identifier: Annotated[str, Meta(min_length=1, max_length=255)]
    driver_options: dict[str, Any] | UnsetType | None = UNSET
    share_network_subnet_id: Annotated[OptionalText, field_of(since=(2, 51))] = UNSET


class UnmanagedServer(Struct, kw_only=True, forbid_unknown_fields=True):
    force: Flag | UnsetType | None = UNSET


class ServerMove(Struct, kw_only=True, forbid_unknown_fields=True):
    host: Annotated[str, Meta(min_length=1, max_length=255)]
    writable: Flag
    nondisruptive: Flag
    preserve_snapshots: Flag
    new_share_network_id: OptionalText = UNSET


class ResetTaskState(Struct, kw_only=True, forbid_unknown_fields=True):
    task_state: Text | None


SHARE_SERVER = Shape(
    Attribute(name="is_auto_deletable", since=(2, 49)),
    Attribute(name="identifier", since=(2, 49)),
    Attribute(name="share_network_subnet_id", since=(2, 51), until=(2, 69)),
    Attribute(name="task_state", since=(2, 57)),
    Attribute(name="source_share_server_id", since=(2, 57)),
    Attribute(name="security_service_update_support", since=(2, 63)),
    Attribute(name="share_network_subnet_ids", since=(2, 70)),
    Attribute(name="network_allocation_update_support", since=(2, 70)),
    Attribute(name="encryption_key_ref", since=(2, 90)),
)


def share_server(row: Any, subnets: Sequence[str], support: Mapping[str, bool]) -> dict[str, Any]:
    return {
        "id": row.id,
        "project_id": row.project_id,
        "created_at": naive_micro(row.created_at),
        "updated_at": naive_micro(row.updated_at),
        "status": row.status,
        "host": f"{row.node}@{row.backend}",
        "share_network_name": row.share_network_name or row.share_network_id,
        "share_network_id": row.share_network_id,
        "is_auto_deletable": row.auto_deletable,
        "identifier": row.identifier,
        "share_network_subnet_id": subnets[0] if subnets else None,
        "share_network_subnet_ids": sorted(subnets),
        "task_state": row.task_state,
        "source_share_server_id": row.source_share_server_id,
        "encryption_key_ref": None,
        **support,
    }


def details(row: Any) -> dict[str, str]:
    """What the back end knows of a share server: texts."""
    found = {"server_id": row.identifier, "ip": ",".join(row.addresses)}
    return found if row.port_id is None else {**found, "neutron_port_id": row.port_id}
