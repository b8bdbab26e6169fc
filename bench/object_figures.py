"""What objects cost: `python -m bench.object_figures [FOLDER]`; nothing else should run beside it.

A simulated cloud in a process of its own, over HTTP on loopback, durable: 1 GiB up and down with the process's CPU time and memory,
objects of 4 KiB beside the bare framework (the same server, an application that takes a body and answers, or sends one), and ten
clients beside ten bare writers that write, fsync and rename files in the same folder, in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from statistics import median

import httpx
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.ports import free_port

from bench.serve import server

GIB = 1 << 30
SMALL = bytes(4096)
COUNT, ROUNDS, CLIENTS = 200, 3, 10
TICK = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory_mib(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    return 0.0


async def bare(request: Request) -> Response:
    """Take a body, or send 4 KiB."""
    if request.method == "GET":
        return Response(SMALL)
    async for _ in request.stream():
        pass
    return Response(None, 201)


class Process:
    """A server in a process of its own."""

    def __init__(self, words: list[str], port: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.pid = self.process.pid
        for _ in range(600):
            with suppress(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{port}/healthcheck")
                return
            time.sleep(0.1)

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=60)


async def _gib() -> AsyncIterator[bytes]:
    piece = os.urandom(1 << 20)
    for _ in range(GIB >> 20):
        yield piece


def sign_in(port: int) -> tuple[str, dict[str, str]]:
    user = {"name": "admin", "domain": {"id": "default"}, "password": "secret"}
    auth = {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"project": {"name": "admin", "domain": {"id": "default"}}},
    }
    made = httpx.post(f"http://127.0.0.1:{port}/identity/v3/auth/tokens", json={"auth": auth})
    project = made.json()["token"]["project"]["id"]
    return project, {"X-Auth-Token": made.headers["X-Subject-Token"]}


async def large(pid: int, url: str, headers: dict[str, str]) -> None:
    """1 GiB up and down."""
    async with httpx.AsyncClient(timeout=600) as http:
        rest = memory_mib(pid, "VmRSS")
        before = cpu_s(pid)
        sent = {**headers, "Content-Length": str(GIB)}
        told = await http.put(f"{url}/large", content=_gib(), headers=sent)
        assert told.status_code == 201, told.text
        up = cpu_s(pid) - before
        before, size = cpu_s(pid), 0
        async with http.stream("GET", f"{url}/large", headers=headers) as answer:
            async for piece in answer.aiter_raw():
                size += len(piece)
        assert size == GIB
        down = cpu_s(pid) - before
    more = memory_mib(pid, "VmHWM") - rest
    print(f"1 GiB up {up:.2f} CPU s, down {down:.2f} CPU s, {more:.0f} MiB more at the most")


def each_ms(pid: int, work: Callable[[int], None]) -> float:
    """CPU milliseconds of the server for each request."""
    before = cpu_s(pid)
    for number in range(COUNT):
        work(number)
    return (cpu_s(pid) - before) / COUNT * 1000


def small(cloud: Process, other: Process, url: str, plain: str, headers: dict[str, str]) -> None:
    """4 KiB: the cloud beside the bare framework, in turns."""
    found: dict[str, list[tuple[float, float]]] = {"PUT": [], "GET": []}
    with httpx.Client() as http:

        def once(method: str, where: str) -> Callable[[int], None]:
            body = SMALL if method == "PUT" else None

            def work(number: int) -> None:
                told = http.request(method, f"{where}/{number}", content=body, headers=headers)
                assert told.status_code in (200, 201), told.text

            return work

        for _ in range(ROUNDS):
            for method, rounds in found.items():
                ours = each_ms(cloud.pid, once(method, url))
                rounds.append((ours, each_ms(other.pid, once(method, plain))))
    for method, rounds in found.items():
        ours, theirs = (median(one) for one in zip(*rounds, strict=True))
        print(
            f"4 KiB {method}: {ours:.2f} CPU ms, bare {theirs:.2f}: {ours / max(theirs, 1e-9):.1f} times"
        )


def write_bare(folder: Path, number: int) -> None:
    """What durable writing of a small file takes at the least."""
    side, name = folder / f"side-{number}", folder / f"file-{number}"
    file = os.open(side, os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(file, SMALL)
    os.fsync(file)
    os.close(file)
    os.rename(side, name)
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def a_second(work: Callable[[int], Callable[[int], None]]) -> float:
    """How many of a thing ten at once do in a second."""
    doers = [work(number) for number in range(CLIENTS)]

    def some(number: int) -> None:
        for round_ in range(COUNT // CLIENTS):
            doers[number](number * COUNT + round_)

    threads = [threading.Thread(target=some, args=(number,)) for number in range(CLIENTS)]
    began = time.monotonic()
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return COUNT / (time.monotonic() - began)


def ten(url: str, headers: dict[str, str], folder: Path) -> None:
    """Ten clients beside ten bare writers, in turns."""
    folder.mkdir(exist_ok=True)

    def client(_: int) -> Callable[[int], None]:
        http = httpx.Client()

        def put(number: int) -> None:
            told = http.put(f"{url}/ten-{number}", content=SMALL, headers=headers)
            assert told.status_code == 201, told.text

        return put

    def writer(_: int) -> Callable[[int], None]:
        return lambda number: write_bare(folder, number)

    rounds = [(a_second(client), a_second(writer)) for _ in range(ROUNDS)]
    ours, theirs = (median(one) for one in zip(*rounds, strict=True))
    print(f"ten clients {ours:.0f} a second, ten bare writers {theirs:.0f}: {ours / theirs:.0%}")


def main() -> None:
    parser = argparse.ArgumentParser("bench.object_figures")
    parser.add_argument("folder", nargs="?", help="where the cloud's state is for the time")
    parser.add_argument("--small", action="store_true", help="leave out what is large")
    parser.add_argument("--bare", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.bare:
        app = Starlette(routes=[Route("/{path:path}", bare, methods=["GET", "PUT"])])
        uvloop.run(server(app, given.bare).serve())
        return
    ports = [free_port() for _ in range(3)]
    with tempfile.TemporaryDirectory(prefix="hanok-bench-", dir=given.folder) as name:
        words = ["bench.under_test", str(ports[0]), name, "--durable"]
        words += ["--objects-port", str(ports[1])]
        cloud = Process(words, ports[1])
        other = Process(["bench.object_figures", "--bare", str(ports[2])], ports[2])
        try:
            project, headers = sign_in(ports[0])
            url = f"http://127.0.0.1:{ports[1]}/v1/AUTH_{project}/c"
            httpx.put(url, headers=headers)
            print(f"at rest {memory_mib(cloud.pid, 'VmRSS'):.0f} MiB")
            if not given.small:
                asyncio.run(large(cloud.pid, url, headers))
            small(cloud, other, url, f"http://127.0.0.1:{ports[2]}", headers)
            ten(url, headers, Path(name) / "bare")
        finally:
            cloud.end()
            other.end()


if __name__ == "__main__":
    main()
