"""What a volume may do in a second: the QoS specs of its type, as its host is told them.

Source: Block Storage administration guide, "Capacity based quality of service"; names as hypervisors have them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput
from hanok.commands.volumes import VolumeLimits
from hanok.services.block_storage.tables import volume_qos_specs, volume_types
from hanok.store import Transaction

NONE = VolumeLimits()
MAXIMUM = (1 << 63) - 1

# Names of specs, and what of the limits they are.
PLAIN = {
    "total_bytes_sec": "total_bytes",
    "read_bytes_sec": "read_bytes",
    "write_bytes_sec": "write_bytes",
    "total_iops_sec": "total_operations",
    "read_iops_sec": "read_operations",
    "write_iops_sec": "write_operations",
    "total_bytes_sec_max": "total_bytes_max",
    "read_bytes_sec_max": "read_bytes_max",
    "write_bytes_sec_max": "write_bytes_max",
    "total_iops_sec_max": "total_operations_max",
    "read_iops_sec_max": "read_operations_max",
    "write_iops_sec_max": "write_operations_max",
    "size_iops_sec": "operation_size",
}
# Those that grow with the volume: "<name>_per_gb", and the least that it has, "<name>_per_gb_min".
GROWING = tuple(name for name in PLAIN if name.endswith("_sec"))[:6]
KNOWN = frozenset((*PLAIN, *(f"{name}_per_gb{end}" for name in GROWING for end in ("", "_min"))))

_specs = (
    sa.select(volume_qos_specs.c.specs)
    .join(volume_types, volume_types.c.qos_specs_id == volume_qos_specs.c.id)
    .where(volume_types.c.id == bindparam("type"))
)


async def limits_of(tx: Transaction, row: Row[Any], size_gib: int = 0) -> VolumeLimits:
    """The limits of a volume: those of its type's QoS specs. size_gib: that it is about to have."""
    specs = await tx.scalar(_specs, {"type": row.type_id})
    return NONE if specs is None else limits(specs, size_gib or row.size_gib)


def limits(specs: Mapping[str, str], size_gib: int) -> VolumeLimits:
    """The limits of a volume of a size; specs that say nothing of them are passed over."""
    found = {
        field: int(specs[name]) for name, field in PLAIN.items() if _whole(specs.get(name, ""))
    }
    for name in GROWING:
        each = specs.get(f"{name}_per_gb", "")
        if _whole(each):
            least = specs.get(f"{name}_per_gb_min", "0")
            grown = max(int(each) * size_gib, int(least) if _whole(least) else 0)
            found[PLAIN[name]] = min(grown, MAXIMUM)
    return VolumeLimits(**found)


def _whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def check(specs: Mapping[str, str]) -> None:
    """Raises BadInput for limits that are none, or that no host can keep together."""
    for name, value in specs.items():
        if name in KNOWN and not _whole(value):
            raise BadInput(f"Invalid qos specs: {name} must be a whole number, not '{value[:50]}'.")
    for unit in ("bytes", "iops"):
        total = [name for name in specs if name.startswith(f"total_{unit}_sec")]
        parts = [
            name for name in specs if name.startswith((f"read_{unit}_sec", f"write_{unit}_sec"))
        ]
        if total and parts:
            raise BadInput(f"Invalid qos specs: {total[0]} and {parts[0]} cannot be set together.")
    _check_bursts(specs)


def _check_bursts(specs: Mapping[str, str]) -> None:
    for name in GROWING:
        burst, normal = specs.get(f"{name}_max"), specs.get(name, specs.get(f"{name}_per_gb"))
        if burst is not None and normal is None:
            raise BadInput(f"Invalid qos specs: {name}_max needs {name}.")
        if burst is not None and name in specs and int(burst) < int(specs[name]):
            raise BadInput(f"Invalid qos specs: {name}_max is less than {name}.")
