"""What busy clients cost others: `python -m bench.fairness [--ports 5000] [--state DIR]`; a table, milliseconds.

Starts a simulated cloud by the command and measures from processes beside it:

    validations alone, and while one, or four, read the list of all ports in a loop
    new connections, twenty at once, alone and beside 64 that ask without pause
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from tests.ports import free_port

ROOT = Path(__file__).parent.parent
SECONDS = 6.0
AT_ONCE = 100  # ports of a request


class API:
    def __init__(self, port: int, token: str = "") -> None:
        self.line = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self.token = token

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"X-Auth-Token": self.token, "X-Subject-Token": self.token}
        headers["Content-Type"] = "application/json"
        self.line.request(method, path, None if body is None else json.dumps(body), headers)
        response = self.line.getresponse()
        raw = response.read()
        assert response.status < 300, (method, path, response.status, raw[:300])
        self.headers = response.headers
        return json.loads(raw) if raw else None


def sign_in(port: int, password: str) -> API:
    api = API(port)
    user = {"name": "admin", "domain": {"id": "default"}, "password": password}
    scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
    auth = {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}
    body = api("POST", "/v3/auth/tokens", {"auth": auth})
    api.token = api.headers["X-Subject-Token"]
    api.project = body["token"]["project"]["id"]  # type: ignore[attr-defined]
    return api


def make_ports(api: API, count: int) -> None:
    project = api.project  # type: ignore[attr-defined]
    api("PUT", f"/network/v2.0/quotas/{project}", {"quota": {"port": -1}})
    network = api("POST", "/network/v2.0/networks", {"network": {"name": "wide"}})["network"]["id"]
    subnet = {"network_id": network, "ip_version": 4, "cidr": "10.64.0.0/16"}
    api("POST", "/network/v2.0/subnets", {"subnet": subnet})
    for start in range(0, count, AT_ONCE):
        some = [{"network_id": network} for _ in range(min(AT_ONCE, count - start))]
        api("POST", "/network/v2.0/ports", {"ports": some})


def settle(pid: int) -> None:
    """Wait until the cloud has nothing to do any more: it follows up what was made."""
    tick = os.sysconf("SC_CLK_TCK")

    def cpu_s() -> float:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / tick

    for _ in range(120):
        before = cpu_s()
        time.sleep(1)
        if cpu_s() - before < 0.05:
            return


def read_lists(port: int, token: str, stop: Event) -> None:
    api = API(port, token)
    while not stop.is_set():
        api("GET", "/network/v2.0/ports")


def keep_busy(port: int, token: str, stop: Event, clients: int) -> None:
    """Clients that ask for a token's validity without pause."""

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while not stop.is_set():
            await one_request(reader, writer, token)
        writer.close()

    async def all_of_them() -> None:
        await asyncio.gather(*(one() for _ in range(clients)))

    asyncio.run(all_of_them())


async def one_request(reader: Any, writer: Any, token: str) -> None:
    writer.write(
        f"GET /v3/auth/tokens HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Auth-Token: {token}\r\n"
        f"X-Subject-Token: {token}\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length")
    )
    await reader.readexactly(length)


def validations(port: int, token: str) -> list[float]:
    api = API(port, token)
    took = []
    until = time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        began = time.perf_counter()
        api("GET", "/v3/auth/tokens")
        took.append((time.perf_counter() - began) * 1000)
    return took


def new_connections(port: int, token: str) -> list[float]:
    async def one(began: float) -> float:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await one_request(reader, writer, token)
        writer.close()
        return (time.perf_counter() - began) * 1000

    async def rounds() -> list[float]:
        took: list[float] = []
        for _ in range(10):
            began = time.perf_counter()
            took += await asyncio.gather(*(one(began) for _ in range(20)))
            await asyncio.sleep(0.2)
        return took

    return asyncio.run(rounds())


def row(what: str, took: list[float], per_s: bool = True) -> None:
    took = sorted(took)
    rate = f"{len(took) / SECONDS:8.0f}" if per_s else "       -"
    p99 = took[min(len(took) - 1, int(len(took) * 0.99))]
    print(f"{what:44} {rate} {statistics.median(took):8.2f} {p99:8.2f} {took[-1]:8.2f}", flush=True)


def beside(target: Any, count: int, *args: Any) -> tuple[Event, list[Any]]:
    stop = multiprocessing.Event()
    started = [
        multiprocessing.Process(target=target, args=(*args[:2], stop, *args[2:]))
        for _ in range(count)
    ]
    for one in started:
        one.start()
    time.sleep(1.5)
    return stop, started


def end(stop: Event, started: list[Any]) -> None:
    stop.set()
    for one in started:
        one.join(30)


def main() -> None:
    parser = argparse.ArgumentParser("bench.fairness", description=__doc__)
    parser.add_argument("--ports", type=int, default=5000)
    parser.add_argument("--src", type=Path, default=ROOT / "src", help="whose cloud to measure")
    given = parser.parse_args()
    state, port = Path(tempfile.mkdtemp(prefix="hanok-fair-")) / "cloud", free_port()
    environment = {**os.environ, "PYTHONPATH": str(given.src)}
    hanok = [sys.executable, "-P", "-m", "hanok.cli"]
    subprocess.run([*hanok, "up", "--simulated", "--port", str(port), "--state-dir", str(state)], env=environment,
                   check=True, stdout=subprocess.DEVNULL)  # fmt: skip
    try:
        api = sign_in(port, (state / "control/admin-password").read_text().strip())
        make_ports(api, given.ports)
        settle(int((state / "lock").read_text()))
        api("GET", "/network/v2.0/ports")
        began = time.perf_counter()
        api("GET", "/network/v2.0/ports")
        print(
            f"one list of {given.ports} ports alone: {(time.perf_counter() - began) * 1000:.0f} ms"
        )
        print(f"{'':44} {'a second':>8} {'median':>8} {'p99':>8} {'longest':>8}")
        row("validations alone", validations(port, api.token))
        for readers in (1, 4):
            stop, started = beside(read_lists, readers, port, api.token)
            row(f"validations beside {readers} reading lists", validations(port, api.token))
            end(stop, started)
        row("20 new connections alone", new_connections(port, api.token), False)
        stop, started = beside(keep_busy, 1, port, api.token, 64)
        row("20 new connections beside 64 busy", new_connections(port, api.token), False)
        end(stop, started)
    finally:
        subprocess.run([*hanok, "destroy", "--yes", "--state-dir", str(state)], env=environment, check=False,
                       stdout=subprocess.DEVNULL)  # fmt: skip


if __name__ == "__main__":
    main()
