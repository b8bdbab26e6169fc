"""Bodies.

Source: Key Manager API v1 reference, "Secrets", "Containers", "ACLs", "Consumers", "Quotas".
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Text = Annotated[str, Meta(max_length=255)]
Named = Annotated[str, Meta(min_length=1, max_length=255)]
Reference = Annotated[str, Meta(min_length=1, max_length=1000)]
SecretType = Literal["symmetric", "public", "private", "passphrase", "certificate", "opaque"]
ContainerType = Literal["generic", "rsa", "certificate"]


class NewSecret(Struct, kw_only=True, forbid_unknown_fields=True):
    """payload: as text; base64 of bytes where payload_content_encoding says so."""

    name: Text | None = None
    algorithm: Text | None = None
    mode: Text | None = None
    bit_length: Annotated[int, Meta(ge=1, le=32767)] | None = None
    expiration: Text | None = None
    secret_type: SecretType = "opaque"
    payload: str | UnsetType = UNSET
    payload_content_type: Text | None = None
    payload_content_encoding: Text | None = None


class NewTransportKey(Struct, kw_only=True, forbid_unknown_fields=True):
    """transport_key: a certificate, as its plugin reads it."""

    plugin_name: Named
    transport_key: Annotated[str, Meta(min_length=1, max_length=20000)]


class Metadata(Struct, kw_only=True, forbid_unknown_fields=True):
    metadata: dict[str, Text]


class Pair(Struct, kw_only=True, forbid_unknown_fields=True):
    key: Named
    value: Text


class SecretRef(Struct, kw_only=True, forbid_unknown_fields=True):
    secret_ref: Reference
    name: Text | None = None


class NewContainer(Struct, kw_only=True, forbid_unknown_fields=True):
    type: ContainerType
    name: Text | None = None
    secret_refs: list[SecretRef] = []


class OrderMeta(Struct, kw_only=True, forbid_unknown_fields=True):
    """What the key shall be. passphrase: of the private one of a pair."""

    name: Text | None = None
    algorithm: Text | None = None
    bit_length: Annotated[int, Meta(ge=1, le=32767)] | None = None
    mode: Text | None = None
    expiration: Text | None = None
    payload_content_type: Text | None = None
    passphrase: Text | None = None


class NewOrder(Struct, kw_only=True, forbid_unknown_fields=True):
    type: Literal["key", "asymmetric"]
    meta: OrderMeta


class Readers(
    Struct, kw_only=True, forbid_unknown_fields=True, rename={"project_access": "project-access"}
):
    users: list[Named] | UnsetType = UNSET
    project_access: bool | UnsetType = UNSET


class ACL(Struct, kw_only=True, forbid_unknown_fields=True):
    read: Readers | UnsetType = UNSET


class SecretConsumer(Struct, kw_only=True, forbid_unknown_fields=True):
    service: Named
    resource_type: Named
    resource_id: Named


class ContainerConsumer(Struct, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=36)]
    URL: Named


Amount = Annotated[int, Meta(ge=-1, le=2**31 - 1)]


class Amounts(Struct, kw_only=True, forbid_unknown_fields=True):
    """-1: any number."""

    secrets: Amount | UnsetType = UNSET
    containers: Amount | UnsetType = UNSET
    consumers: Amount | UnsetType = UNSET
    orders: Amount | UnsetType = UNSET
    cas: Amount | UnsetType = UNSET


class ProjectQuotas(Struct, kw_only=True, forbid_unknown_fields=True):
    project_quotas: Amounts
