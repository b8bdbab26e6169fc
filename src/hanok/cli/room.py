"""How many guests fit into a cloud yet, from what placement says that its hosts have and give out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hanok.cli.api import API

PLACEMENT = "/placement"


def of(client: API, overhead_mib: int) -> str:
    """A sentence about it; "" where there is no flavor, or there are no hosts.

    overhead_mib: what the process of each guest needs beside; that of the next one is reserved already.
    """
    flavors = client.get("/compute/v2.1/flavors/detail")["flavors"]
    providers = client.get(f"{PLACEMENT}/resource_providers")["resource_providers"]
    hosts = []
    for one in providers:
        path = f"{PLACEMENT}/resource_providers/{one['uuid']}"
        inventories = client.get(f"{path}/inventories")["inventories"]
        if "MEMORY_MB" in inventories:
            hosts.append(free(inventories, client.get(f"{path}/usages")["usages"]))
    return sentence(flavors, hosts, overhead_mib)


def free(inventories: Mapping[str, Any], usages: Mapping[str, int]) -> dict[str, int]:
    """What a host has to give yet, by resource class."""
    return {
        name: int((one["total"] - one["reserved"]) * one["allocation_ratio"]) - usages.get(name, 0)
        for name, one in inventories.items()
    }


def fitting(flavor: Mapping[str, Any], host: Mapping[str, int], overhead_mib: int) -> int:
    """How many servers of a flavor fit into what a host has to give."""
    wants = {"MEMORY_MB": flavor["ram"], "VCPU": flavor["vcpus"], "DISK_GB": flavor["disk"]}
    beside = {"MEMORY_MB": overhead_mib}
    return min(
        int(max(host.get(name, 0) + beside.get(name, 0), 0) // (much + beside.get(name, 0)))
        for name, much in wants.items()
        if much
    )


def sentence(
    flavors: Sequence[Mapping[str, Any]], hosts: Sequence[Mapping[str, int]], overhead_mib: int
) -> str:
    """For the flavor with the least memory: "Room for 9 more servers of m1.nano (128 MiB)."."""
    if not flavors or not hosts:
        return ""
    least = min(flavors, key=lambda one: (one["ram"], one["vcpus"], one["name"]))
    count = sum(fitting(least, host, overhead_mib) for host in hosts)
    servers = "server" if count == 1 else "servers"
    return f"Room for {count or 'no'} more {servers} of {least['name']} ({least['ram']} MiB)."
