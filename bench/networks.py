"""What networks cost: `python -m bench.networks [PORTS]` (10,000); a table with what is asked.

CPU of the control process, as ratios to the bare framework in the same run. "With OVN" is with a northbound database of
OVN's own (ovsdb-server), whose client and the loop that writes are in that process; without, nobody is connected, and
what is left is the request's own.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.drivers.ovn.support import northbound_server

from bench.client import Server, serving

V2 = "/network/v2.0"
NOWHERE = "unix:/nonexistent/nb.sock"
BULK, COUNT, RULES = 100, 200, 20
STEP_S, CALM = 0.25, 0.02  # a process is calm when it takes less than this share of a core


@contextmanager
def ovn() -> Iterator[str]:
    """A northbound database of its own; gives its address."""
    ready, done = threading.Event(), threading.Event()
    found: list[str] = []

    async def keep() -> None:
        async with northbound_server() as server:
            found.append(server.remote)
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(keep()))
    thread.start()
    assert ready.wait(60)
    try:
        yield found[0]
    finally:
        done.set()
        thread.join()


def calm(cloud: Server) -> float:
    """Wait until the process has nothing more to do; its CPU time so far."""
    quiet, before = 0, cloud.cpu_s()
    while quiet < 3:
        time.sleep(STEP_S)
        cloud.ask("GET", "/v3")  # an idle connection would be closed
        now = cloud.cpu_s()
        quiet = quiet + 1 if now - before <= CALM * STEP_S + 0.01 else 0
        before = now
    return before


def made(cloud: Server, kind: str, **values: Any) -> Any:
    status, _, answer = cloud.ask("POST", f"{V2}/{kind.replace('_', '-')}s", {kind: values})
    assert status == 201, answer
    return answer[kind]


def network(cloud: Server, cidr: str = "10.64.0.0/14") -> str:
    network_id = str(made(cloud, "network", name="n")["id"])
    made(cloud, "subnet", network_id=network_id, cidr=cidr, ip_version=4)
    return network_id


def ports(cloud: Server, network_id: str, count: int, **values: Any) -> None:
    for start in range(0, count, BULK):
        some = [{"network_id": network_id, **values} for _ in range(min(BULK, count - start))]
        status, _, answer = cloud.ask("POST", f"{V2}/ports", {"ports": some})
        assert status == 201, answer


def cost_ms(cloud: Server, count: int, act: Callable[[int], None]) -> float:
    """CPU of doing something so many times, until all that comes of it is done."""
    act(0)
    before = calm(cloud)
    for number in range(1, count + 1):
        act(number)
    return (calm(cloud) - before) / count * 1000


def created(cloud: Server, network_id: str) -> tuple[float, float]:
    """CPU of creating a network, and a port."""
    one = cost_ms(cloud, COUNT, lambda number: made(cloud, "network", name=f"n{number}"))
    other = cost_ms(cloud, COUNT, lambda _: made(cloud, "port", network_id=network_id))
    return one, other


def ruled(cloud: Server, network_id: str, count: int) -> float:
    """CPU of one more rule in a group of so many ports, each written before the next."""
    group = made(cloud, "security_group", name=f"of {count}")["id"]
    ports(cloud, network_id, count, security_groups=[group])

    def rule(number: int) -> None:
        made(
            cloud, "security_group_rule", security_group_id=group, direction="ingress", protocol="tcp",
            port_range_min=number + 1, port_range_max=number + 1, remote_group_id=group,
        )  # fmt: skip
        time.sleep(0.1)

    return cost_ms(cloud, RULES, rule)


def prepared(cloud: Server) -> str:
    project_id = cloud.sign_in()
    limits = dict.fromkeys(("port", "network", "security_group_rule", "security_group"), -1)
    cloud.ask("PUT", f"{V2}/quotas/{project_id}", {"quota": limits})
    return network(cloud)


def show(what: str, figure: str, limit: str = "") -> None:
    print(f"| {what:<58} | {figure:>9} | {limit:>7} |", flush=True)


def requests(base: float, count: int) -> None:
    """Pages, what creates, and how that grows, without OVN's share."""
    with serving("cloud", northbound=NOWHERE) as cloud:
        network_id = prepared(cloud)
        ports(cloud, network_id, 100)
        for number in range(200):
            made(cloud, "network", name=f"page-{number}")
        first = cloud.cost_ms("GET", f"{V2}/ports?limit=100", COUNT)
        show("a page of 100 ports", f"{first / base:.1f}×", "≤ 35×")
        page = cloud.cost_ms("GET", f"{V2}/networks?limit=200", COUNT)
        show("a page of 200 networks", f"{page / base:.1f}×", "≤ 50×")
        one, other = created(cloud, network_id)
        show("create network", f"{one / base:.1f}×", "≤ 25×")
        show("create port", f"{other / base:.1f}×", "≤ 40×")
        ports(cloud, network_id, count - COUNT - 101)
        many = cost_ms(cloud, COUNT, lambda _: made(cloud, "port", network_id=network_id))
        show(f"one more port at {count:,}, to that at 100", f"{many / other:.2f}×", "≤ 1.5×")
        far = cloud.cost_ms("GET", f"{V2}/ports?limit=100", COUNT)
        show(f"a page of 100 ports out of {count:,}, to that of 100", f"{far / first:.2f}×")


def growth(base: float, count: int) -> None:
    """With OVN's database: how it grows."""
    with tempfile.TemporaryDirectory(prefix="hanok-bench-") as folder, ovn() as northbound:
        with serving("cloud", state=folder, northbound=northbound) as cloud:
            network_id = prepared(cloud)
            one, few = created(cloud, network_id)
            show("create network, with OVN", f"{one / base:.1f}×")
            show("create port, with OVN", f"{few / base:.1f}×")
            small = ruled(cloud, network_id, 10)
            large = ruled(cloud, network_id, 1000)
            show("one more rule in a group of 10 ports", f"{small:.1f} ms")
            show(
                "one more rule in a group of 1,000 ports, to that", f"{large / small:.2f}×", "≤ 2×"
            )
            there = COUNT + 1 + 1010
            ports(cloud, network_id, count - there)
            calm(cloud)
            many = cost_ms(cloud, COUNT, lambda _: made(cloud, "port", network_id=network_id))
            show(f"one more port at {count:,}, with OVN, to that at 100", f"{many / few:.2f}×")
        started = time.monotonic()
        with serving("cloud", state=folder, northbound=northbound) as cloud:
            show(
                f"start of control with {count:,} ports",
                f"{time.monotonic() - started:.1f} s",
                "≤ 5 s",
            )
            cloud.sign_in()
            busy = calm(cloud)
            show("CPU until all of it was compared with OVN", f"{busy:.1f} s")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with serving("bare") as bare:
        base = bare.cost_ms("GET", "/anything", 2000)
    print(f"bare framework: {base:.3f} ms CPU a request")
    requests(base, count)
    growth(base, count)


if __name__ == "__main__":
    main()
