"""Simulated servers on simulated hosts: how fast, is any lost, is a host ever over capacity, and does it get slower.

`python -m bench.scale [SERVERS] [HOSTS]`: 1,000 on 100; without a network and with a port each.
`python -m bench.scale grow [SERVERS] [HOSTS]`: with a port each, 1,000 at a time up to 10,000 on 1,000; what the first
thousand cost, and what the last; what lists, searches, sums and single servers cost with the first thousand, and with all.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from tests.disks import qcow2

from bench.client import Server, serving

NEWEST = {"OpenStack-API-Version": "compute 2.104"}
PLACEMENT = {"OpenStack-API-Version": "placement 1.39"}
SERVERS = "/compute/v2.1/servers"
AT_ONCE = 100
LIVES, POLL_S = 20, 0.05
COMPUTE = "/compute/v2.1"
LOOKS = (
    f"{SERVERS}?limit=20",
    f"{SERVERS}/detail?limit=20",
    f"{SERVERS}?limit=1000",
    f"{SERVERS}/detail?limit=1000",
    f"{SERVERS}/detail?limit=20&all_tenants=1",
    f"{SERVERS}/detail?limit=20&marker={{id}}",
    f"{SERVERS}/detail?limit=20&sort_key=display_name",
    f"{SERVERS}/detail?limit=20&name=vm-1",
    f"{SERVERS}/detail?limit=20&status=ERROR",
    f"{SERVERS}/detail?limit=20&ip={{address}}",
    f"{SERVERS}/detail?limit=20&host={{host}}&all_tenants=1",
    f"{SERVERS}/detail?limit=20&changes-since={{hour}}",
    f"{SERVERS}/{{id}}",
    f"{SERVERS}/{{id}}/os-interface",
    f"{SERVERS}/{{id}}/os-instance-actions",
    f"{COMPUTE}/limits",
    f"{COMPUTE}/os-quota-sets/{{project}}/detail",
    f"{COMPUTE}/os-simple-tenant-usage/{{project}}?limit=20",
    f"{COMPUTE}/os-hypervisors?limit=20",
    f"{COMPUTE}/os-hypervisors/detail?limit=20",
    f"{COMPUTE}/os-services?host={{host}}",
    "/network/v2.0/ports?device_id={id}",
    "/network/v2.0/ports?limit=20",
    "/network/v2.0/ports?network_id={network}&fixed_ips=ip_address%3D{address}",
    "/network/v2.0/networks/{network}",
    "/network/v2.0/network-ip-availabilities/{network}",
    "/network/v2.0/quotas/{project}/details.json",
    "/placement/usages?project_id={project}",
    "/placement/allocations/{id}",
    "/placement/allocation_candidates?resources=VCPU:1,MEMORY_MB:64,DISK_GB:1&limit=10",
)
IDLE_S = 10  # how long hosts report before there is work, to know what that costs


def prepare(cloud: Server) -> tuple[dict[str, Any], str]:
    """Quotas, an image, a flavor and a network; gives what a server is asked for with, and the network's id."""
    project_id = cloud.sign_in()
    quota = {"quota_set": {"instances": -1, "cores": -1, "ram": -1}}
    cloud.ask("PUT", f"/compute/v2.1/os-quota-sets/{project_id}", quota)
    cloud.ask("PUT", f"/network/v2.0/quotas/{project_id}", {"quota": {"port": -1}})
    body = {"name": "i", "disk_format": "qcow2", "container_format": "bare"}
    image_id = cloud.ask("POST", "/image/v2/images", body)[2]["id"]
    octets = {"Content-Type": "application/octet-stream"}
    cloud.ask("PUT", f"/image/v2/images/{image_id}/file", qcow2(), octets)
    flavor = {"id": "nano", "name": "nano", "ram": 64, "disk": 1, "vcpus": 1}
    cloud.ask("POST", "/compute/v2.1/flavors", {"flavor": flavor})
    network = cloud.ask("POST", "/network/v2.0/networks", {"network": {"name": "n"}})[2]["network"]
    subnet = {"network_id": network["id"], "cidr": "10.0.0.0/16", "ip_version": 4}
    cloud.ask("POST", "/network/v2.0/subnets", {"subnet": subnet})
    return {"name": "vm", "imageRef": image_id, "flavorRef": "nano"}, network["id"]


def idle(cloud: Server) -> float:
    """CPU seconds a second of hosts that only report."""
    before = cloud.cpu_s()
    for _ in range(IDLE_S):
        time.sleep(1)
        cloud.ask("GET", "/compute/v2.1/flavors")  # an idle connection would be closed
    return (cloud.cpu_s() - before) / IDLE_S


def make(cloud: Server, requested: dict[str, Any], count: int) -> None:
    """Ask for so many servers, and wait until none is being built."""
    body = {**requested, "min_count": min(AT_ONCE, count)}
    for _ in range(max(1, count // AT_ONCE)):
        status, _, answer = cloud.ask("POST", SERVERS, {"server": body}, NEWEST)
        assert status == 202, answer
    # Seldom: where none is left of a status, a list looks at all servers of the project.
    while cloud.ask("GET", f"{SERVERS}?status=BUILD&limit=1", None, NEWEST)[2]["servers"]:
        time.sleep(1)


def single(cloud: Server, body: dict[str, Any], reports: float) -> dict[str, float]:
    """CPU ms of creating a server, until it is ACTIVE, and of deleting one, until it is gone, without the hosts' reports."""
    spent = {"a server made": 0.0, "a server deleted": 0.0}
    for _ in range(LIVES):
        before, started = cloud.cpu_s(), time.monotonic()
        made = cloud.ask("POST", SERVERS, {"server": body}, NEWEST)[2]["server"]
        path = f"{SERVERS}/{made['id']}"
        while cloud.ask("GET", path, None, NEWEST)[2]["server"]["status"] != "ACTIVE":
            time.sleep(POLL_S)
        between, middle = cloud.cpu_s(), time.monotonic()
        cloud.ask("DELETE", path)
        while cloud.ask("GET", path, None, NEWEST)[0] != 404:
            time.sleep(POLL_S)
        spent["a server made"] += between - before - reports * (middle - started)
        spent["a server deleted"] += cloud.cpu_s() - between - reports * (time.monotonic() - middle)
    return {what: cost / LIVES * 1000 for what, cost in spent.items()}


def looks(cloud: Server, network_id: str) -> dict[str, float]:
    """CPU ms of what users and operators look at, by its path."""
    listed = cloud.ask("GET", f"{SERVERS}/detail?limit=1000", None, NEWEST)[2]["servers"]
    one = listed[len(listed) // 2]
    given = {
        "id": one["id"],
        "host": one["OS-EXT-SRV-ATTR:host"],
        "network": network_id,
        "project": one["tenant_id"],
        "address": one["addresses"]["n"][0]["addr"],
        "hour": time.strftime("%Y-%m-%dT%H:00:00", time.gmtime()),
    }
    return {path: _look(cloud, path.format(**given)) for path in LOOKS}


def _look(cloud: Server, path: str) -> float:
    """The least of three rounds: what the cloud does by itself meanwhile is in some, seldom in all."""
    headers = PLACEMENT if path.startswith("/placement") else NEWEST
    count = 5 if "limit=1000" in path else 40
    return min(cloud.cost_ms("GET", path, count, None, headers) for _ in range(3))


def statuses(cloud: Server) -> dict[str, int]:
    """How many servers are in each status."""
    found: dict[str, int] = {}
    marker = ""
    while True:
        page = cloud.ask("GET", f"{SERVERS}/detail?limit=1000{marker}", None, NEWEST)[2]
        for server in page["servers"]:
            found[server["status"]] = found.get(server["status"], 0) + 1
        if "servers_links" not in page:
            return found
        marker = f"&marker={page['servers'][-1]['id']}"


def pages(cloud: Server) -> list[float]:
    """CPU ms of a page of 20, short and in detail."""
    paths = (f"{SERVERS}?limit=20", f"{SERVERS}/detail?limit=20")
    return [cloud.cost_ms("GET", path, 200, None, NEWEST) for path in paths]


def over_capacity(cloud: Server) -> int:
    """How many inventories have more taken of them than they hold."""
    over = 0
    listed = cloud.ask("GET", "/placement/resource_providers", None, PLACEMENT)[2]
    for provider in listed["resource_providers"]:
        base = f"/placement/resource_providers/{provider['uuid']}"
        has = cloud.ask("GET", f"{base}/inventories", None, PLACEMENT)[2]["inventories"]
        used = cloud.ask("GET", f"{base}/usages", None, PLACEMENT)[2]["usages"]
        over += sum(
            used[what] > (one["total"] - one["reserved"]) * one["allocation_ratio"]
            for what, one in has.items()
        )
    return over


def remove_all(cloud: Server) -> None:
    while found := cloud.ask("GET", f"{SERVERS}?limit=1000", None, NEWEST)[2]["servers"]:
        for server in found:
            cloud.ask("DELETE", f"{SERVERS}/{server['id']}")
        time.sleep(1)


def both(count: int, hosts: int) -> None:
    with serving("cloud", hosts=hosts) as cloud:
        body, network_id = prepare(cloud)
        reports = idle(cloud)
        for networks, word in (
            ("none", "without network"),
            ([{"uuid": network_id}], "with a port"),
        ):
            before, started = cloud.cpu_s(), time.monotonic()
            make(cloud, {**body, "networks": networks}, count)
            took, cpu = time.monotonic() - started, cloud.cpu_s() - before
            short, detail = pages(cloud)
            print(
                f"{word}: {count} servers on {hosts} hosts in {took:.1f} s = {count / took:.0f}/s "
                f"({cpu / count * 1000:.1f} ms CPU each, {(cpu - reports * took) / count * 1000:.1f} without what "
                f"the hosts' reports cost); {statuses(cloud)}; over capacity: {over_capacity(cloud)}; "
                f"memory {cloud.pss_mb():.0f} MB PSS; pages of 20: {short:.2f} ms, in detail {detail:.2f} ms",
                flush=True,
            )
            remove_all(cloud)


def grow(count: int, hosts: int) -> None:
    with serving("cloud", hosts=hosts) as cloud:
        body, network_id = prepare(cloud)
        reports = idle(cloud)
        print(
            f"{hosts} hosts that report: {reports * 100:.1f} % of a core, {cloud.pss_mb():.0f} MB PSS"
        )
        networks, costs = {"networks": [{"uuid": network_id}]}, []
        for made in range(1000, count + 1, 1000):
            before, started = cloud.cpu_s(), time.monotonic()
            make(cloud, {**body, **networks}, 1000)
            took, cpu = time.monotonic() - started, cloud.cpu_s() - before
            short, detail = pages(cloud)
            print(
                f"{made}: {1000 / took:.0f}/s, {cpu - reports * took:.1f} ms CPU each without reports; pages of 20: "
                f"{short:.2f} ms, in detail {detail:.2f} ms; memory {cloud.pss_mb():.0f} MB PSS",
                flush=True,
            )
            if made in (1000, count // 1000 * 1000):
                costs.append(
                    single(cloud, {**body, **networks}, reports) | looks(cloud, network_id)
                )
                costs[-1]["a second without requests"] = idle(cloud) * 1000
                print(f"{made}: {cloud.pss_mb():.0f} MB PSS after looking", flush=True)
        compare(costs[0], costs[-1])
        print(f"{statuses(cloud)}; over capacity: {over_capacity(cloud)}")


def compare(few: dict[str, float], many: dict[str, float]) -> None:
    for what, cost in few.items():
        print(f"{what}: {cost:.2f} ms, {many[what]:.2f} ms, {many[what] / max(cost, 0.01):.2f} x")


def main() -> None:
    growing = sys.argv[1:2] == ["grow"]
    numbers = [int(one) for one in sys.argv[1 + growing :]]
    count, hosts = [*numbers, *([10_000, 1000] if growing else [1000, 100])[len(numbers) :]]
    (grow if growing else both)(count, hosts)


if __name__ == "__main__":
    main()
