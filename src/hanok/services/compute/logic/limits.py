"""What a flavor's extra specs `quota:…` hold a guest to.

Source: Flavor extra specs, "quota", in the guides of OpenStack; control groups in the kernel's documentation, whose
bounds of periods and weights hold.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from hanok.base.errors import BadInput
from hanok.commands.limits import DiskRate, Limits, NICRate

SCOPE = "quota:"
_WHOLE = re.compile(r"-?[0-9]{1,16}")


class _Spec(Struct, frozen=True):
    """Where a spec goes, and the values that are taken; 0 always means: no limit."""

    part: str
    name: str
    minimum: int
    maximum: int = 2**40


_CPU = {
    "cpu_shares": _Spec("cpu", "cpu_shares", 2, 262_144),
    "cpu_period": _Spec("cpu", "cpu_period_us", 1_000, 1_000_000),
    "cpu_quota": _Spec("cpu", "cpu_quota_us", 1_000, 2**40),
}
_DISK = {
    f"disk_{way}_{unit}_sec": _Spec("disk", f"{way}_{name}", 1)
    for way in ("total", "read", "write")
    for unit, name in (("bytes", "bytes"), ("iops", "requests"))
}
_INBOUND = {
    f"vif_inbound_{what}": _Spec("inbound", f"{what}_kb", 1, 2**32)
    for what in ("average", "peak", "burst")
}
SPECS: dict[str, _Spec] = {f"{SCOPE}{name}": one for name, one in (_CPU | _DISK | _INBOUND).items()}
"""What acts, by the name of the spec."""

NOT_HERE: dict[str, str] = {
    **{
        f"{SCOPE}{what}_{how}": "only hosts that run VMware hold servers to it"
        for what in ("cpu", "memory", "disk_io", "vif")
        for how in ("limit", "reservation", "shares_level", "shares_share")
    },
    **{
        f"{SCOPE}vif_outbound_{what}": "hosts here cannot hold back what a server sends"
        for what in ("average", "peak", "burst")
    },
}
"""What is defined and does not act, and why."""


def check_all(specs: Mapping[str, Any]) -> None:
    """Hold the extra specs `quota:…` of a flavor against what there is, and against each other.

    Raises:
        BadInput: one is not a value, or would have no effect; two do not go together.
    """
    for name in specs:
        if name not in SPECS:
            why = NOT_HERE.get(name, "there is no such limit")
            raise BadInput(
                f"The flavor asks for {name[:100]}={str(specs[name])[:100]}, which is not supported: {why}."
            )
    found = of(specs)
    _check_cpu(found)
    _check_disk(found.disk)
    _check_inbound(found.inbound)


def _check_cpu(found: Limits) -> None:
    if found.cpu_period_us and not found.cpu_quota_us:
        raise BadInput(
            "The flavor asks for quota:cpu_period, which does not act without quota:cpu_quota."
        )


def _check_disk(disk: DiskRate) -> None:
    for unit, total, parts in (
        ("bytes", disk.total_bytes, disk.read_bytes + disk.write_bytes),
        ("iops", disk.total_requests, disk.read_requests + disk.write_requests),
    ):
        if total and parts:
            raise BadInput(
                f"The flavor asks for quota:disk_total_{unit}_sec and for a limit of reads or writes: only one of both "
                "is possible."
            )


def _check_inbound(nic: NICRate) -> None:
    if (nic.peak_kb or nic.burst_kb) and not nic.average_kb:
        raise BadInput(
            "The flavor asks for quota:vif_inbound_peak or quota:vif_inbound_burst, which do not act without "
            "quota:vif_inbound_average."
        )
    if nic.peak_kb and nic.peak_kb < nic.average_kb:
        raise BadInput(
            "The flavor asks for a quota:vif_inbound_peak below its quota:vif_inbound_average."
        )


def of(specs: Mapping[str, Any]) -> Limits:
    """The limits that a flavor's extra specs ask for.

    Raises:
        BadInput: a value that is none.
    """
    parts: dict[str, dict[str, int]] = {"cpu": {}, "disk": {}, "inbound": {}}
    for name, one in SPECS.items():
        if name in specs:
            parts[one.part][one.name] = _number(name, specs[name])
    return Limits(
        disk=DiskRate(**parts["disk"]), inbound=NICRate(**parts["inbound"]), **parts["cpu"]
    )


def _number(name: str, value: Any) -> int:
    one, text = SPECS[name], str(value).strip()
    number = int(text) if _WHOLE.fullmatch(text) else None
    if number is None or (number and not one.minimum <= number <= one.maximum):
        if number is not None and number < 0 and name == f"{SCOPE}cpu_quota":
            return 0  # negative: no limit, as the field has it
        raise BadInput(
            f"The flavor asks for {name}={text[:100]}, which is not a valid value: it is 0, or a whole number from "
            f"{one.minimum} to {one.maximum}."
        )
    return number
