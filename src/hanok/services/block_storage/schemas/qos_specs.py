"""Bodies and answers of QoS specs.

Source: Block Storage API reference, "Quality of service (QoS) specifications".
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from hanok.services.block_storage.schemas.bodies import Specs

NewSpecs = Specs
"""A name, a consumer, and the specs, side by side."""
ChangedSpecs = Annotated[Specs, Meta(min_length=1)]


class DroppedKeys(Struct, forbid_unknown_fields=True, kw_only=True):
    keys: Annotated[list[Annotated[str, Meta(min_length=1, max_length=255)]], Meta(min_length=1)]


def shown(row: Any) -> dict[str, Any]:
    return {"id": row.id, "name": row.name, "consumer": row.consumer, "specs": row.specs}
