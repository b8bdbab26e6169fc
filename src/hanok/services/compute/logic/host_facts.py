"""What hosts told of themselves, where a request looks at it: machine types, hypervisors, figures and processors.

`capabilities:` specs of flavors name these as upstream's scheduler names them: a path of words, the last a figure.

Source: "Compute schedulers" in the administration guide of OpenStack (ComputeCapabilitiesFilter,
ImagePropertiesFilter).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.services.compute.logic import spec_values
from hanok.services.compute.logic.hardware import Requirements
from hanok.services.compute.tables import servers, services
from hanok.services.placement import facade as placement
from hanok.store import Transaction

SCOPE = "capabilities:"
ARCHITECTURES = {"x86_64": ("x86_64", "i686")}
"""What a host of an architecture runs."""

_told = sa.select(services.c.provider_id, services.c.host, services.c.host_state).where(
    services.c.binary == "nova-compute", services.c.host_state.is_not(None)
)
_told_some = _told.where(services.c.provider_id.in_(bindparam("ids", expanding=True)))
_counts = (
    sa.select(servers.c.host, sa.func.count().label("count"))
    .where(servers.c.deleted.is_(False), servers.c.host.in_(bindparam("hosts", expanding=True)))
    .group_by(servers.c.host)
)
_COMPARE: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
}


class Facts(Struct, frozen=True, kw_only=True):
    """What is known of a host. figures: by the names of `capabilities:` specs; nested."""

    offers: frozenset[str] = frozenset()
    architecture: str = ""
    hypervisors: frozenset[str] = frozenset()
    version: tuple[int, ...] = ()
    figures: Mapping[str, Any] = {}


def capabilities(specs: Mapping[str, Any]) -> dict[tuple[str, ...], str]:
    """What a flavor wants of figures of hosts, by their path."""
    return {
        tuple(name.removeprefix(SCOPE).split(":")): str(wish)
        for name, wish in specs.items()
        if name.startswith(SCOPE)
    }


def looks(requested: Requirements, specs: Mapping[str, Any]) -> bool:
    """Whether a request looks at what hosts told."""
    wants = (
        requested.offers
        or requested.architecture
        or requested.hypervisor
        or requested.mode
        or requested.versions
    )
    return bool(wants) or any(name.startswith(SCOPE) for name in specs)


async def of(
    tx: Transaction, provider_ids: Collection[str] | None, *, told: bool
) -> dict[str, Facts]:
    """By resource provider; None for all. told: whether figures are looked up, too."""
    if provider_ids is None:
        rows = await tx.all(_told)
    else:
        rows = await tx.all(_told_some, {"ids": list(provider_ids)})
    figures: dict[str, dict[str, Any]] = {}
    if told and rows:
        figures = await _figures(tx, rows)
    return {
        row.provider_id: Facts(
            offers=frozenset(row.host_state.get("offers", ())),
            architecture=row.host_state.get("cpu_arch", ""),
            hypervisors=frozenset(row.host_state.get("hypervisors", ())),
            version=_numbers(row.host_state.get("qemu_version", "0")),
            figures=figures.get(row.provider_id, {}),
        )
        for row in rows
    }


# ---- what filters ask ----


def has_offers(requirements: Requirements, facts: Facts, *, machine: bool) -> bool:
    """Whether a host has the machine that is asked for, or all else."""
    requested = {one for one in requirements.offers if one.startswith("machine:") == machine}
    return requested <= facts.offers


def runs(requested: Requirements, facts: Facts) -> bool:
    """Whether a host runs guests of this architecture, by this hypervisor, in this mode, of such a version."""
    architectures = ARCHITECTURES.get(facts.architecture, (facts.architecture,))
    return (
        (not requested.architecture or requested.architecture in architectures)
        and (not requested.hypervisor or requested.hypervisor in facts.hypervisors)
        and requested.mode in ("", "hvm")
        and all(_COMPARE[how](facts.version, version) for how, version in requested.versions)
    )


def satisfies(requested: Mapping[tuple[str, ...], str], facts: Facts) -> bool:
    """Whether a host has what a flavor wants of its figures; one that it does not have does not."""
    for path, wish in requested.items():
        value = _value(facts.figures, path)
        if value is None or not spec_values.fits(wish, value):
            return False
    return True


def _value(figures: Any, path: Sequence[str]) -> str | None:
    for name in path:
        figures = figures.get(name) if isinstance(figures, dict) else None
    if figures is None:
        return None
    return ", ".join(figures) if isinstance(figures, list | tuple) else str(figures)


# ---- figures ----


async def _figures(tx: Transaction, rows: Sequence[Row[Any]]) -> dict[str, dict[str, Any]]:
    given = await placement.capacities(tx, [row.provider_id for row in rows])
    counts = {
        row.host: row.count for row in await tx.all(_counts, {"hosts": [row.host for row in rows]})
    }
    return {
        row.provider_id: {
            **_resources(given.get(row.provider_id, {})),
            **_named(row.host, row.host_state),
            "running_vms": counts.get(row.host, 0),
            "num_instances": counts.get(row.host, 0),
        }
        for row in rows
    }


def _resources(given: Mapping[str, placement.Capacity]) -> dict[str, Any]:
    none = placement.Capacity(total=0, reserved=0, used=0, ratio=1.0)
    cpu, memory, disk = (given.get(name, none) for name in ("VCPU", "MEMORY_MB", "DISK_GB"))
    return {
        "vcpus": cpu.total,
        "vcpus_total": cpu.total,
        "vcpus_used": cpu.used,
        "memory_mb": memory.total,
        "total_usable_ram_mb": memory.total,
        "memory_mb_used": memory.reserved + memory.used,
        "free_ram_mb": memory.total - memory.reserved - memory.used,
        "local_gb": disk.total,
        "total_usable_disk_gb": disk.total,
        "local_gb_used": disk.used,
        "free_disk_gb": disk.total - disk.used,
        "free_disk_mb": (disk.total - disk.used) * 1024,
        "disk_mb_used": disk.used * 1024,
        "cpu_allocation_ratio": cpu.ratio,
        "ram_allocation_ratio": memory.ratio,
        "disk_allocation_ratio": disk.ratio,
    }


def _named(host: str, state: Mapping[str, Any]) -> dict[str, Any]:
    vcpus = state.get("vcpus", 1)
    return {
        "host": host,
        "nodename": host,
        "hypervisor_hostname": host,
        "host_ip": state.get("address", ""),
        "hypervisor_type": "QEMU",
        "hypervisor_version": packed(state.get("qemu_version", "0")),
        "disk_available_least": state.get("disk_free_gib", 0),
        "cpu_info": {
            "arch": state.get("cpu_arch", ""),
            "model": state.get("cpu_model", ""),
            "vendor": state.get("cpu_vendor", ""),
            "features": list(state.get("cpu_flags", ())),
            "topology": {"sockets": 1, "cores": vcpus, "threads": 1},
        },
    }


def _numbers(version: str) -> tuple[int, ...]:
    """7.2.0 as numbers; what stands behind them is left out."""
    found = []
    for part in version.split("."):
        digits = re.match("[0-9]{1,9}", part)
        if digits is None:
            break
        found.append(int(digits[0]))
    return tuple(found)


def packed(version: str) -> int:
    """7.2.0 as 7002000."""
    numbers = (*_numbers(version), 0, 0, 0)
    return numbers[0] * 1_000_000 + numbers[1] * 1000 + numbers[2]
