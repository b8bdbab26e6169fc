"""Extra specs that exist, and the values that each may have."""

from __future__ import annotations

import pytest

from hanok.base.errors import BadInput
from hanok.services.compute.logic import spec_names


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hw:boot_menu", " YES "),
        ("hw:pmu", "0"),
        ("hw:redirected_usb_ports", "0"),
        ("hw:redirected_usb_ports", "15"),
        ("hw:cpu_sockets", "1"),
        ("hw:cpu_sockets", "9" * 1000),
        ("hw:maxphysaddr_bits", "-1"),
        ("quota:cpu_quota", "-1"),
        ("hw:cpu_policy", "mixed"),
        ("hw:numa_cpus.0", "0-3,^1"),
        ("resources1:CUSTOM_GPU", "1"),
        ("trait:HW_CPU_X86_AVX2", "forbidden"),
        ("resources:VCPU", "2"),
        ("anything", ""),
        ("mine:of_a_site", "x"),
        ("hw", "x"),
    ],
)
def test_what_a_spec_may_say(name: str, value: str) -> None:
    spec_names.check(name, value)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("hw:boot_menu", "perhaps", "not a valid boolean-like value"),
        ("hw:redirected_usb_ports", "16", "greater than the max value of '15'"),
        ("hw:redirected_usb_ports", "-1", "less than the min value of '0'"),
        ("hw:cpu_sockets", "0", "less than the min value of '1'"),
        ("hw:cpu_sockets", "9" * 1001, "not a valid integer value"),
        ("hw:cpu_sockets", "1.5", "not a valid integer value"),
        ("hw:numa_mem.0", "0", "less than the min value of '1'"),
        ("hw:cpu_policy", "fast", "not one of: dedicated, shared, mixed"),
        ("hw:numa_cpus.0", "x", "not of the format"),
        ("trait:CUSTOM_A", "preferred", "not one of: required, forbidden"),
        ("hw:odd", "1", "does not appear to be a valid extra spec"),
        ("resources:NOTHING", "1", "does not appear to be a valid extra spec"),
        ("trait_b:NOTHING", "required", "does not appear to be a valid extra spec"),
    ],
)
def test_what_no_spec_says(name: str, value: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        spec_names.check(name, value)
