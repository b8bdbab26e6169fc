"""Bodies of Placement in their newest form, with the versions of each field."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from hanok.base.errors import BadInput
from hanok.web.versions import field_of, turns_older

UUIDText = Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$")]
CUSTOM = r"^CUSTOM_[A-Z0-9_]+$"
CustomName = Annotated[str, Meta(pattern=CUSTOM, max_length=255)]
TraitName = Annotated[str, Meta(pattern=r"^[A-Z0-9_]+$", min_length=1, max_length=255)]
ClassName = Annotated[str, Meta(pattern=r"^[A-Z0-9_]+$", min_length=1, max_length=255)]
MAXIMUM = 2_147_483_647
Whole = Annotated[int, Meta(ge=0, le=MAXIMUM)]
Positive = Annotated[int, Meta(ge=1, le=MAXIMUM)]


class ProviderBody(Struct, forbid_unknown_fields=True, kw_only=True):
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    uuid: UUIDText | UnsetType = UNSET
    parent_provider_uuid: Annotated[UUIDText | UnsetType | None, field_of(since=(1, 14))] = UNSET


class ChangedProviderBody(Struct, forbid_unknown_fields=True, kw_only=True):
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    parent_provider_uuid: Annotated[UUIDText | UnsetType | None, field_of(since=(1, 14))] = UNSET


class InventoryBody(Struct, forbid_unknown_fields=True, kw_only=True):
    total: Positive
    reserved: Whole = 0
    min_unit: Positive = 1
    max_unit: Positive = MAXIMUM
    step_size: Positive = 1
    allocation_ratio: Annotated[float, Meta(ge=0, le=3.40282e38)] = 1.0
    resource_provider_generation: int | None = None


class NewInventoryBody(InventoryBody, forbid_unknown_fields=True, kw_only=True):
    resource_class: ClassName


class ChangedInventoryBody(InventoryBody, forbid_unknown_fields=True, kw_only=True):
    resource_provider_generation: int


@turns_older(NewInventoryBody, (1, 26))
@turns_older(ChangedInventoryBody, (1, 26))
@turns_older(InventoryBody, (1, 26))
def _some_left(body: dict[str, Any]) -> dict[str, Any]:
    """Before 1.26 an inventory had to have usable capacity."""
    total, reserved = body.get("total"), body.get("reserved", 0)
    none_left = isinstance(total, int) and isinstance(reserved, int) and reserved >= total > 0
    if none_left or body.get("allocation_ratio") == 0:
        raise BadInput(
            "Unable to update inventory: The reserved value is greater than or equal to total."
        )
    return body


class InventoriesBody(Struct, forbid_unknown_fields=True, kw_only=True):
    resource_provider_generation: int
    inventories: dict[ClassName, InventoryBody]


class TraitsBody(Struct, forbid_unknown_fields=True, kw_only=True):
    traits: list[TraitName]
    resource_provider_generation: int


class AggregatesBody(Struct, forbid_unknown_fields=True, kw_only=True):
    aggregates: list[UUIDText]
    resource_provider_generation: int


class ResourceClassBody(Struct, forbid_unknown_fields=True, kw_only=True):
    name: CustomName


Resources = Annotated[dict[ClassName, Positive], Meta(min_length=1)]


class ProviderRef(Struct, forbid_unknown_fields=True, kw_only=True):
    uuid: UUIDText


class ListedAllocation(Struct, forbid_unknown_fields=True, kw_only=True):
    """Until 1.11."""

    resource_provider: ProviderRef
    resources: Resources


class NamedAllocation(Struct, forbid_unknown_fields=True, kw_only=True):
    """From 1.12. generation is accepted from 1.28 and not looked at."""

    resources: Resources
    generation: int | UnsetType = UNSET


class ListedAllocationsBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """Until 1.11."""

    allocations: Annotated[list[ListedAllocation], Meta(min_length=1)]
    project_id: Annotated[str | UnsetType, field_of(since=(1, 8), required=(1, 8))] = UNSET
    user_id: Annotated[str | UnsetType, field_of(since=(1, 8), required=(1, 8))] = UNSET


Suffix = Annotated[str, Meta(pattern=r"^([a-zA-Z0-9_-]{1,64})?$")]
Mappings = Annotated[
    dict[Suffix, Annotated[list[UUIDText], Meta(min_length=1)]], Meta(min_length=1)
]
"""Which providers serve which group, as candidates say it; taken, and not looked at."""


class AllocationsBody(Struct, forbid_unknown_fields=True, kw_only=True):
    allocations: dict[UUIDText, NamedAllocation]
    project_id: Annotated[str, Meta(min_length=1, max_length=255)]
    user_id: Annotated[str, Meta(min_length=1, max_length=255)]
    consumer_generation: Annotated[
        int | UnsetType | None, field_of(since=(1, 28), required=(1, 28))
    ] = UNSET
    consumer_type: Annotated[
        Annotated[str, Meta(pattern=r"^[A-Z0-9_]+$", max_length=255)] | UnsetType,
        field_of(since=(1, 38), required=(1, 38)),
    ] = UNSET
    mappings: Annotated[Mappings | UnsetType, field_of(since=(1, 34))] = UNSET


class ConsumerBody(AllocationsBody, forbid_unknown_fields=True, kw_only=True):
    """What one consumer is to have."""


@turns_older(ConsumerBody, (1, 28))
def _something(body: dict[str, Any]) -> dict[str, Any]:
    """Before a consumer had a generation, it was ended by DELETE only."""
    if body.get("allocations") == {}:
        raise BadInput("JSON does not validate: {} does not have enough properties")
    return body


class ReshapeBody(Struct, forbid_unknown_fields=True, kw_only=True):
    inventories: dict[UUIDText, InventoriesBody]
    allocations: dict[UUIDText, AllocationsBody]
