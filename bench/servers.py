"""What servers cost: pages of them in detail as ratios to the bare framework, and a server from create to delete.

`python -m bench.servers`
"""

from __future__ import annotations

import time

from bench.client import Server, serving, wait
from bench.requests import NEWEST, prepare

MANY, PAGES, LIVES = 1000, 40, 100
POLL_S = 0.05
SERVERS = "/compute/v2.1/servers"


def network(cloud: Server) -> str:
    made = cloud.ask("POST", "/network/v2.0/networks", {"network": {"name": "n"}})[2]["network"]
    subnet = {"network_id": made["id"], "cidr": "10.0.0.0/16", "ip_version": 4}
    cloud.ask("POST", "/network/v2.0/subnets", {"subnet": subnet})
    return str(made["id"])


def crowd(cloud: Server, body: dict[str, object]) -> None:
    """So many servers that a page is full."""
    requested = {"server": {**body, "min_count": 196}}
    for _ in range(5):
        status, _, answer = cloud.ask("POST", SERVERS, requested, NEWEST)
        assert status == 202, answer
    wait(lambda: not cloud.ask("GET", f"{SERVERS}?status=BUILD&limit=1")[2]["servers"])


def life(cloud: Server, body: dict[str, object]) -> int:
    """Create a server, poll until it is ACTIVE, delete it, poll until it is gone; returns the number of polls."""
    status, _, made = cloud.ask("POST", SERVERS, {"server": body}, NEWEST)
    assert status == 202, made
    path, polls = f"{SERVERS}/{made['server']['id']}", 1
    while cloud.ask("GET", path, None, NEWEST)[2]["server"]["status"] != "ACTIVE":
        time.sleep(POLL_S)
        polls += 1
    assert cloud.ask("DELETE", path)[0] == 204
    while cloud.ask("GET", path, None, NEWEST)[0] != 404:
        time.sleep(POLL_S)
        polls += 1
    return polls + 1


def lives(cloud: Server, body: dict[str, object]) -> tuple[float, float]:
    """CPU ms and polls of a server's life, over so many."""
    for _ in range(10):
        life(cloud, body)
    before = cloud.cpu_s()
    polls = sum(life(cloud, body) for _ in range(LIVES))
    return (cloud.cpu_s() - before) / LIVES * 1000, polls / LIVES


def main() -> None:
    with serving("bare") as bare, serving("cloud", hosts=4) as cloud:
        _, image_id = prepare(cloud)
        quota = {"quota": {"port": -1}}
        project_id = cloud.sign_in()
        cloud.ask("PUT", f"/network/v2.0/quotas/{project_id}", quota)
        body = {"name": "vm", "imageRef": image_id, "flavorRef": "nano"}
        body["networks"] = [{"uuid": network(cloud)}]  # type: ignore[assignment]
        cost, polls = lives(cloud, body)
        crowd(cloud, body)
        base = bare.cost_ms("GET", "/anything", 2000)
        few = cloud.cost_ms("GET", f"{SERVERS}/detail?limit=20", 500, None, NEWEST)
        many = cloud.cost_ms("GET", f"{SERVERS}/detail?limit={MANY}", PAGES, None, NEWEST)
        print(f"bare framework: {base:.3f} ms CPU a request")
        print(f"servers/detail, a page of 20: {few:.2f} ms, {few / base:.1f}× (wanted: ≤ 12×)")
        print(
            f"servers/detail, a page of {MANY}: {many:.1f} ms, {many / base:.0f}× (wanted: ≤ 350×)"
        )
        print(f"a server's life, {polls:.1f} polls: {cost:.1f} ms (wanted: ≤ 20 ms)")


if __name__ == "__main__":
    main()
