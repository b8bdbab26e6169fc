"""Names of extra specs that flavors may have, and values that each may have: what is held against them from 2.86 on.

What has no namespace, or one that is nobody's, is a site's own and is left alone.

Source: microversion history, 2.86; "Flavor extra specs" in the configuration guide of OpenStack compute.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress

from hanok.base import patterns
from hanok.base.errors import BadInput
from hanok.services.placement import facade as placement

Check = Callable[[str], None]
"""Takes a value; raises BadInput when it is none."""

_TRUTH = frozenset("1 t true on y yes 0 f false off n no".split())
_SUFFIX = "([a-zA-Z0-9_-]{1,64})?"
_CPUS = r"\^?\d+((-\d+)?(,\^?\d+(-\d+)?)?)*"
_WHOLE = re.compile(r"\s*[+-]?\d+(_\d+)*\s*")
_DIGITS = 1000


def _truth(value: str) -> None:
    if value.strip().lower() not in _TRUTH:
        raise BadInput(f"Validation failed; '{value}' is not a valid boolean-like value.")


def _any(value: str) -> None:
    """Whatever it is."""


def _whole(minimum: int | None = None, maximum: int | None = None) -> Check:
    def check(value: str) -> None:
        if len(value) > _DIGITS or not _WHOLE.fullmatch(value):
            raise BadInput(f"Validation failed; '{value}' is not a valid integer value.")
        if maximum is not None and int(value) > maximum:
            raise BadInput(
                f"Validation failed; '{value}' is greater than the max value of '{maximum}'."
            )
        if minimum is not None and int(value) < minimum:
            raise BadInput(
                f"Validation failed; '{value}' is less than the min value of '{minimum}'."
            )

    return check


def _fits(form: patterns.Pattern, value: str) -> bool:
    with suppress(patterns.BadPattern):  # too long to be looked at
        return form.fullmatch(value)
    return False


def _words(names: str) -> Check:
    known = names.split()

    def check(value: str) -> None:
        if value not in known:
            raise BadInput(f"Validation failed; '{value}' is not one of: {', '.join(known)}.")

    return check


def _form(text: str) -> Check:
    """Some of the field's forms can be read in very many ways, so `re` does not get them."""
    form = patterns.pattern(text)

    def check(value: str) -> None:
        if not _fits(form, value):
            raise BadInput(f"Validation failed; '{value}' is not of the format '{text}'.")

    return check


_SIZES = ("cpu_sockets cpu_cores cpu_threads cpu_max_sockets cpu_max_cores cpu_max_threads").split()
_FLAGS = (
    "boot_menu cpu_realtime ephemeral_encryption hide_hypervisor_id locked_memory mem_encryption pmu "
    "vif_multiqueue_enabled virtio_packed_ring"
).split()
SOUND = "sb16 es1370 pcspk ac97 ich6 ich9 usb virtio"
USB = "none nec-xhci qemu-xhci"

_HW: dict[str, Check] = {
    **dict.fromkeys(_FLAGS, _truth),
    **dict.fromkeys(_SIZES, _whole(1)),
    "cpu_dedicated_mask": _form(_CPUS),
    "cpu_policy": _words("dedicated shared mixed"),
    "cpu_realtime_mask": _form(r"(\^)?\d+((-\d+)?(,\^?\d+(-\d+)?)?)*"),
    "cpu_thread_policy": _words("prefer isolate require"),
    "emulator_threads_policy": _words("isolate share"),
    "ephemeral_encryption_format": _words("plain luks luksv2"),
    "maxphysaddr_bits": _whole(),
    "maxphysaddr_mode": _words("passthrough emulate"),
    "mem_encryption_model": _words("amd-sev amd-sev-es amd-sev-snp"),
    "mem_page_size": _form(r"(large|small|any|\d+([kKMGT]i?)?(b|bit|B)?)"),
    "numa_nodes": _whole(1),
    "pci_numa_affinity_policy": _words("required preferred legacy socket"),
    "pmem": _form("([a-zA-Z0-9_]+(,)?)+"),
    "redirected_usb_ports": _whole(0, 15),
    "serial_port_count": _whole(0),
    "sound_model": _words(SOUND),
    "tpm_model": _words("tpm-tis tpm-crb"),
    "tpm_secret_security": _words("user host deployment"),
    "tpm_version": _words("1.2 2.0"),
    "usb_model": _words(USB),
    "viommu_model": _words("intel smmuv3 virtio auto"),
    "watchdog_action": _words("none pause poweroff reset disabled"),
}

_CAPABILITIES = (
    "id uuid service_id host vcpus memory_mb local_gb vcpus_used memory_mb_used local_gb_used hypervisor_type "
    "hypervisor_version hypervisor_hostname free_ram_mb free_disk_gb current_workload running_vms "
    "disk_available_least host_ip mapped cpu_allocation_ratio ram_allocation_ratio disk_allocation_ratio "
    "total_usable_ram_mb total_usable_disk_gb disk_mb_used free_disk_mb vcpus_total num_instances num_io_ops "
    "failed_builds aggregates cell_uuid updated"
).split()
_DEEP = (
    "cpu_info metrics stats numa_topology supported_hv_specs pci_device_pools nodename pci_stats "
    "supported_instances limits instances"
).split()


def _quotas() -> Iterator[tuple[str, Check]]:
    for key in ("cpu", "memory", "disk_io", "vif"):
        yield f"{key}_limit", _whole(0)
        yield f"{key}_reservation", _whole()
        yield f"{key}_shares_level", _words("custom high normal low")
        yield f"{key}_shares_share", _whole(0)
    yield from (("cpu_shares", _whole(0)), ("cpu_period", _whole(0)), ("cpu_quota", _whole()))
    for what in ("read", "write", "total"):
        yield from ((f"disk_{what}_{unit}_sec", _whole(0)) for unit in ("bytes", "iops"))
    for way in ("inbound", "outbound"):
        yield from ((f"vif_{way}_{what}", _whole(0)) for what in ("average", "peak", "burst"))


KNOWN: dict[str, Check] = {
    **{f"hw:{name}": check for name, check in _HW.items()},
    **{f"quota:{name}": check for name, check in _quotas()},
    **{f"capabilities:{name}": _any for name in _CAPABILITIES},
    "hide_hypervisor_id": _truth,
    "group_policy": _words("isolate none"),
    "hw_rng:allowed": _truth,
    "hw_rng:rate_bytes": _whole(0),
    "hw_rng:rate_period": _whole(0),
    "hw_video:ram_max_mb": _whole(0),
    "os:secure_boot": _words("disabled required"),
    "pci_passthrough:alias": _form(r"[^:]+:\d+(?:\s*,\s*[^:]+:\d+)*"),
    "accel:device_profile": _any,
}
"""What each extra spec of this very name may have as its value."""

_REQUIRED = _words("required forbidden")
PATTERNS: tuple[tuple[re.Pattern[str], Check], ...] = (
    (re.compile(r"hw:numa_cpus\.\d+"), _form(_CPUS)),
    (re.compile(r"hw:numa_mem\.\d+"), _whole(1)),
    (re.compile(f"resources{_SUFFIX}:CUSTOM_[A-Z0-9_]+"), _whole()),
    (re.compile(f"trait{_SUFFIX}:CUSTOM_[A-Z0-9_]+"), _REQUIRED),
    (re.compile(r"aggregate_instance_extra_specs:.+"), _any),
    (re.compile(rf"capabilities:({'|'.join(_DEEP)})(:\w+)*"), _any),
)
STANDARD = (
    (re.compile(f"resources{_SUFFIX}:([A-Z0-9_]+)"), placement.CLASSES, _whole()),
    (re.compile(f"trait{_SUFFIX}:([A-Z0-9_]+)"), placement.TRAITS, _REQUIRED),
)
"""Names that end in what is standard: of a class, of a trait."""

NAMESPACES = re.compile(
    f"(hw|hw_rng|hw_video|os|quota|pci_passthrough|accel|capabilities|aggregate_instance_extra_specs|"
    f"resources{_SUFFIX}|trait{_SUFFIX})"
)


def check(name: str, value: str) -> None:
    """Hold an extra spec against what is known of it.

    Raises:
        BadInput: it does not exist, or cannot have that value.
    """
    found = KNOWN.get(name) or _of_pattern(name)
    if found is not None:
        found(value)
        return
    namespace, colon, _ = name.partition(":")
    if colon and NAMESPACES.fullmatch(namespace):
        raise BadInput(
            f"Validation failed; extra spec '{name}' does not appear to be a valid extra spec."
        )


def _of_pattern(name: str) -> Check | None:
    for form, found in PATTERNS:
        if form.fullmatch(name):
            return found
    for form, known, found in STANDARD:
        match = form.fullmatch(name)
        if match is not None and match[2] in known:
            return found
    return None
