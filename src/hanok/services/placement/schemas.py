"""Bodies of Placement."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

UUIDText = Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$")]
CUSTOM = r"^CUSTOM_[A-Z0-9_]+$"
CustomName = Annotated[str, Meta(pattern=CUSTOM, max_length=255)]
TraitName = Annotated[str, Meta(pattern=r"^[A-Z0-9_]+$", min_length=1, max_length=255)]
ClassName = Annotated[str, Meta(pattern=r"^[A-Z0-9_]+$", min_length=1, max_length=255)]
MOST = 2_147_483_647
Whole = Annotated[int, Meta(ge=0, le=MOST)]
Positive = Annotated[int, Meta(ge=1, le=MOST)]


class ProviderBody(Struct, forbid_unknown_fields=True, kw_only=True):
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    uuid: UUIDText | UnsetType = UNSET
    parent_provider_uuid: UUIDText | UnsetType | None = UNSET


class InventoryBody(Struct, forbid_unknown_fields=True, kw_only=True):
    total: Positive
    reserved: Whole = 0
    min_unit: Positive = 1
    max_unit: Positive = MOST
    step_size: Positive = 1
    allocation_ratio: Annotated[float, Meta(ge=0, le=3.40282e38)] = 1.0
    resource_provider_generation: int | None = None


class NewInventoryBody(InventoryBody, forbid_unknown_fields=True, kw_only=True):
    resource_class: ClassName


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
    allocations: Annotated[list[ListedAllocation], Meta(min_length=1)]
    project_id: str | UnsetType = UNSET
    user_id: str | UnsetType = UNSET


class AllocationsBody(Struct, forbid_unknown_fields=True, kw_only=True):
    allocations: dict[UUIDText, NamedAllocation]
    project_id: Annotated[str, Meta(min_length=1, max_length=255)]
    user_id: Annotated[str, Meta(min_length=1, max_length=255)]
    consumer_generation: int | UnsetType | None = UNSET
    consumer_type: Annotated[str, Meta(pattern=r"^[A-Z0-9_]+$", max_length=255)] | UnsetType = UNSET
    mappings: dict[str, list[UUIDText]] | UnsetType = UNSET


class ReshapeBody(Struct, forbid_unknown_fields=True, kw_only=True):
    inventories: dict[UUIDText, InventoriesBody]
    allocations: dict[UUIDText, AllocationsBody]
