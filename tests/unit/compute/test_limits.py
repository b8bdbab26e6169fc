"""What extra specs `quota:…` hold a guest to."""

from __future__ import annotations

import pytest

from hanok.base.errors import BadInput
from hanok.commands.limits import DiskRate, Limits, NICRate
from hanok.services.compute.logic import limits


@pytest.mark.parametrize(
    ("specs", "found", "kinds"),
    [
        ({}, Limits(), ""),
        ({"quota:cpu_shares": "2048"}, Limits(cpu_shares=2048), "cpu"),
        ({"quota:cpu_shares": "0"}, Limits(), ""),
        ({"quota:cpu_quota": "-1"}, Limits(), ""),
        (
            {"quota:cpu_period": "20000", "quota:cpu_quota": "10000"},
            Limits(cpu_period_us=20000, cpu_quota_us=10000),
            "cpu",
        ),
        (
            {"quota:disk_read_bytes_sec": "1048576", "quota:disk_total_iops_sec": "100"},
            Limits(disk=DiskRate(read_bytes=1048576, total_requests=100)),
            "disk",
        ),
        (
            {"quota:vif_inbound_average": "100", "quota:vif_inbound_peak": "200"},
            Limits(inbound=NICRate(average_kb=100, peak_kb=200)),
            "inbound",
        ),
    ],
)
def test_what_acts(specs: dict[str, str], found: Limits, kinds: str) -> None:
    limits.check_all(specs)
    assert limits.of(specs) == found
    assert found.kinds() == frozenset(kinds.split())


@pytest.mark.parametrize(
    ("specs", "said"),
    [
        ({"quota:cpu_shares": "1"}, "from 2 to 262144"),
        ({"quota:cpu_shares": "many"}, "not a valid value"),
        ({"quota:cpu_period": "999", "quota:cpu_quota": "1000"}, "from 1000 to 1000000"),
        ({"quota:cpu_period": "20000"}, "without quota:cpu_quota"),
        ({"quota:disk_read_iops_sec": "-5"}, "not a valid value"),
        ({"quota:disk_read_iops_sec": "9" * 30}, "not a valid value"),
        ({"quota:disk_total_bytes_sec": "9", "quota:disk_read_bytes_sec": "9"}, "only one of both"),
        ({"quota:vif_inbound_burst": "9"}, "without quota:vif_inbound_average"),
        ({"quota:vif_inbound_average": "9", "quota:vif_inbound_peak": "8"}, "peak below"),
        ({"quota:vif_outbound_average": "9"}, "what a server sends"),
        ({"quota:memory_limit": "9"}, "VMware"),
        ({"quota:disk_io_shares_level": "high"}, "VMware"),
        ({"quota:cpu_sharse": "9"}, "no such limit"),
    ],
)
def test_what_is_refused_with_the_reason(specs: dict[str, str], said: str) -> None:
    with pytest.raises(BadInput, match=said) as refused:
        limits.check_all(specs)
    assert next(iter(specs)).split("_")[0] in refused.value.message
