"""1,000 simulated servers on 100 simulated hosts: how fast, is any lost, is a host ever over capacity.

`python -m bench.scale [SERVERS] [HOSTS]`
"""

from __future__ import annotations

import sys
import time

from tests.disks import qcow2

from bench.client import serving

NEWEST = {"OpenStack-API-Version": "compute 2.104"}
PLACEMENT = {"OpenStack-API-Version": "placement 1.39"}
AT_ONCE = 100
IDLE_S = 10  # how long hosts report before there is work, to know what that costs


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    hosts = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    with serving("cloud", hosts=hosts) as cloud:
        project_id = cloud.sign_in()
        quota = {"quota_set": {"instances": -1, "cores": -1, "ram": -1}}
        cloud.ask("PUT", f"/compute/v2.1/os-quota-sets/{project_id}", quota)
        quota = {"quota": {"port": -1}}
        cloud.ask("PUT", f"/network/v2.0/quotas/{project_id}", quota)
        body = {"name": "i", "disk_format": "qcow2", "container_format": "bare"}
        image_id = cloud.ask("POST", "/image/v2/images", body)[2]["id"]
        octets = {"Content-Type": "application/octet-stream"}
        cloud.ask("PUT", f"/image/v2/images/{image_id}/file", qcow2(), octets)
        flavor = {"id": "nano", "name": "nano", "ram": 64, "disk": 1, "vcpus": 1}
        cloud.ask("POST", "/compute/v2.1/flavors", {"flavor": flavor})
        network = cloud.ask("POST", "/network/v2.0/networks", {"network": {"name": "n"}})[2][
            "network"
        ]
        subnet = {"network_id": network["id"], "cidr": "10.0.0.0/16", "ip_version": 4}
        cloud.ask("POST", "/network/v2.0/subnets", {"subnet": subnet})
        before = cloud.cpu_s()
        for _ in range(IDLE_S):
            time.sleep(1)
            cloud.ask("GET", "/compute/v2.1/flavors")  # an idle connection would be closed
        idle = (cloud.cpu_s() - before) / IDLE_S
        for networks, word in (
            ("none", "without network"),
            ([{"uuid": network["id"]}], "with a port"),
        ):
            wanted = {
                "name": "vm",
                "imageRef": image_id,
                "flavorRef": "nano",
                "networks": networks,
                "min_count": min(AT_ONCE, count),
            }
            before, started = cloud.cpu_s(), time.monotonic()
            for _ in range(max(1, count // AT_ONCE)):
                status, _, answer = cloud.ask(
                    "POST", "/compute/v2.1/servers", {"server": wanted}, NEWEST
                )
                assert status == 202, answer
            found: dict[str, int] = {}
            while True:
                found = {}
                marker = ""
                while True:
                    page = cloud.ask(
                        "GET", f"/compute/v2.1/servers/detail?limit=1000{marker}", None, NEWEST
                    )[2]
                    for server in page["servers"]:
                        found[server["status"]] = found.get(server["status"], 0) + 1
                    if "servers_links" not in page:
                        break
                    marker = f"&marker={page['servers'][-1]['id']}"
                if not found.get("BUILD"):
                    break
                time.sleep(1)
            took, cpu = time.monotonic() - started, cloud.cpu_s() - before
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
            print(
                f"{word}: {count} servers on {hosts} hosts in {took:.1f} s = {count / took:.0f}/s "
                f"({cpu / count * 1000:.1f} ms CPU each, {(cpu - idle * took) / count * 1000:.1f} without what "
                f"the hosts' reports cost); {found}; hosts over capacity: {over}; "
                f"memory {cloud.pss_mb():.0f} MB PSS"
            )
            left = count
            while left:
                page = cloud.ask("GET", "/compute/v2.1/servers?limit=1000", None, NEWEST)[2][
                    "servers"
                ]
                left = len(page)
                for server in page:
                    cloud.ask("DELETE", f"/compute/v2.1/servers/{server['id']}")
                time.sleep(1)


if __name__ == "__main__":
    main()
