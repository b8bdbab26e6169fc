"""What hosts told of themselves, held against what requests ask."""

from __future__ import annotations

from typing import Any

import pytest

from hanok.services.compute.logic import aggregates, hardware, host_facts
from hanok.services.compute.logic.host_facts import Facts
from hanok.services.compute.logic.servers import hostname_of


@pytest.mark.parametrize(
    ("version", "number"),
    [
        ("7.2.0", 7_002_000),
        ("10.0.2", 10_000_002),
        ("8", 8_000_000),
        ("8.1", 8_001_000),
        ("9.0.0-rc1", 9_000_000),
        ("7.2.0 (Debian 1:7.2+dfsg-7)", 7_002_000),
        ("unknown", 0),
        ("", 0),
        ("7.x.9", 7_000_000),
    ],
)
def test_a_version_as_one_number(version: str, number: int) -> None:
    assert host_facts.packed(version) == number


HOST = Facts(
    architecture="x86_64", hypervisors=frozenset(["qemu"]), version=(7, 2, 0),
    figures={"vcpus": 4, "cpu_info": {"features": ["sse", "avx"], "arch": "x86_64"}, "nothing": None},
)  # fmt: skip


@pytest.mark.parametrize(
    ("specs", "fits"),
    [
        ({}, True),
        ({"capabilities:vcpus": ">= 4"}, True),
        ({"capabilities:vcpus": ">= 5"}, False),
        ({"capabilities:cpu_info:features": "<in> avx"}, True),
        ({"capabilities:cpu_info:features": "<all-in> sse vmx"}, False),
        ({"capabilities:cpu_info:arch:more": "x86_64"}, False),
        ({"capabilities:nothing": "None"}, False),
        ({"capabilities:vcpus": "4", "capabilities:cpu_info:arch": "arm"}, False),
        ({"other:vcpus": "5"}, True),
    ],
)
def test_what_a_flavor_wants_of_figures(specs: dict[str, str], fits: bool) -> None:
    assert host_facts.satisfies(host_facts.capabilities(specs), HOST) is fits


@pytest.mark.parametrize(
    ("properties", "runs"),
    [
        ({}, True),
        ({"hw_architecture": "i686"}, True),
        ({"hw_architecture": "aarch64"}, False),
        ({"img_hv_type": "qemu"}, True),
        ({"img_hv_type": "kvm"}, False),
        ({"hw_vm_mode": "hvm"}, True),
        ({"hw_vm_mode": "xen"}, False),
        ({"img_hv_requested_version": ">=7.2,<8"}, True),
        ({"img_hv_requested_version": ">=7.2,<7.2"}, False),
        ({"img_hv_requested_version": "!=7.2.0"}, False),
    ],
)
def test_what_an_image_wants_to_run_on(properties: dict[str, Any], runs: bool) -> None:
    assert host_facts.runs(hardware.requirements({}, properties, 1), HOST) is runs


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1.5", 1.5), (" 2 ", 2.0), ("1000000", 1e6), ("1000001", None), ("0", None), ("-1", None),
        ("nan", None), ("inf", None), ("1e400", None), ("many", None), ("", None),
    ],
)  # fmt: skip
def test_a_ratio_is_a_positive_number(text: str, number: float | None) -> None:
    assert aggregates.ratio(text) == number


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Web 1", "web-1"),
        ("a_b.c", "a-b-c"),
        ("-x-", "x"),
        ("n" * 70, "n" * 63),
        ("\u96f2", "server-1"),
        ("...", "server-1"),
    ],
)
def test_any_name_makes_a_host_name(name: str, expected: str) -> None:
    assert hostname_of(name, "1") == expected
