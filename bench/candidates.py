"""What a search for allocation candidates costs as providers become more: `python -m bench.candidates [SIZE …]`.

Wanted: ten candidates among 10,000 providers for at most twice what they cost among 1,000, and those for at most 60 times
the bare framework's answer.
"""

from __future__ import annotations

import sys

from bench.client import Server, serving

PLACEMENT = {"OpenStack-API-Version": "placement 1.39"}
COUNT = 400
RESOURCES = "resources=VCPU:1,MEMORY_MB:64,DISK_GB:1"
SEARCHES = {
    "limit 10": f"{RESOURCES}&limit=10",
    "limit 10, without a common trait": f"{RESOURCES}&required=!CUSTOM_RARE&limit=10",
    "limit 10, a trait that one has": f"{RESOURCES}&required=CUSTOM_RARE&limit=10",
    "limit 10, two groups": (
        "resources1=VCPU:1&resources2=MEMORY_MB:64&group_policy=none&limit=10"
    ),
    "no limit": RESOURCES,
}


def add(cloud: Server, name: str) -> str:
    """A provider with room for many; returns its id."""
    status, _, made = cloud.ask("POST", "/placement/resource_providers", {"name": name}, PLACEMENT)
    assert status == 200, made
    stock = {
        "resource_provider_generation": 0,
        "inventories": {
            what: {"total": total}
            for what, total in (("VCPU", 16), ("MEMORY_MB", 32768), ("DISK_GB", 500))
        },
    }
    path = f"/placement/resource_providers/{made['uuid']}"
    status, _, answer = cloud.ask("PUT", f"{path}/inventories", stock, PLACEMENT)
    assert status == 200, answer
    return str(made["uuid"])


def main() -> None:
    sizes = [int(one) for one in sys.argv[1:]] or [100, 1000, 10000]
    with serving("bare") as bare, serving("cloud") as cloud:
        base = bare.cost_ms("GET", "/anything", 2000)
        cloud.sign_in()  # a connection that waits too long is hung up on
        cloud.ask("PUT", "/placement/traits/CUSTOM_RARE", None, PLACEMENT)
        costs: dict[str, list[float]] = {name: [] for name in SEARCHES}
        made = 1  # the simulated host is one
        for size in sizes:
            while made < size:
                provider_id = add(cloud, f"provider-{made:05}")
                made += 1
            if size == sizes[0]:
                path = f"/placement/resource_providers/{provider_id}/traits"
                traits = {"traits": ["CUSTOM_RARE"], "resource_provider_generation": 1}
                status, _, answer = cloud.ask("PUT", path, traits, PLACEMENT)
                assert status == 200, answer
            for name, query in SEARCHES.items():
                count = COUNT if "limit" in query else max(5, COUNT // size)
                path = f"/placement/allocation_candidates?{query}"
                costs[name].append(cloud.cost_ms("GET", path, count, None, PLACEMENT))
        print(f"bare framework: {base:.3f} ms CPU a request; CPU ms by number of providers:")
        print(f"| {'search':<36} |" + "".join(f" {size:>7,} |" for size in sizes) + " × bare |")
        print(f"|{'-' * 38}|" + "---------|" * len(sizes) + "--------|")
        for name, found in costs.items():
            cells = "".join(f" {cost:7.2f} |" for cost in found)
            print(f"| {name:<36} |{cells} {found[-1] / base:6.0f} |")


if __name__ == "__main__":
    main()
