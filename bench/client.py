"""A client that costs little: one connection kept open, requests one after another, and the server's CPU time."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.ports import free_port

TICK = os.sysconf("SC_CLK_TCK")


class Server:
    """A server in a process of its own."""

    def __init__(self, kind: str, *args: str) -> None:
        self.port = free_port()
        root = Path(__file__).parent.parent
        environment = {**os.environ, "PYTHONPATH": f"{root / 'src'}:{root}"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.serve", kind, str(self.port), *args],
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
            env=environment,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.strip() == "ready", f"the {kind} server did not start: {line}"
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        self.token = ""

    def cpu_s(self) -> float:
        """CPU time of the server so far, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def pss_mb(self) -> float:
        for line in Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], Any]:
        sent = {"X-Auth-Token": self.token} if self.token else {}
        data = None
        if isinstance(body, bytes):
            data = body
        elif body is not None:
            data = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        self.connection.request(method, path, data, sent)
        response = self.connection.getresponse()
        raw = response.read()
        found = dict(response.getheaders())
        kind = found.get("content-type", "")
        return response.status, found, json.loads(raw) if raw and "json" in kind else raw

    def sign_in(self) -> str:
        user = {"name": "admin", "domain": {"id": "default"}, "password": "secret"}
        auth = {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": "admin", "domain": {"id": "default"}}},
        }
        status, headers, body = self.ask("POST", "/v3/auth/tokens", {"auth": auth})
        assert status == 201, body
        self.token = headers["x-subject-token"]
        return str(body["token"]["project"]["id"])

    def cost_ms(
        self,
        method: str,
        path: str,
        count: int,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> float:
        """CPU milliseconds of the server for one such request, over count of them."""
        for _ in range(min(50, count)):
            status, _, answer = self.ask(method, path, body, headers)
            assert status < 300, (method, path, status, answer)
        before = self.cpu_s()
        for _ in range(count):
            self.ask(method, path, body, headers)
        return (self.cpu_s() - before) / count * 1000

    def close(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.wait(timeout=30)


@contextmanager
def serving(
    kind: str, *, hosts: int = 1, state: str = "", rounds: int = 12, northbound: str = ""
) -> Iterator[Server]:
    """A server for the length of the block.

    state: a cloud's folder; empty: one that goes with it. rounds: 2 to the power of so many make a password's hash. northbound:
    of OVN; empty: simulated.
    """
    with tempfile.TemporaryDirectory(prefix="hanok-bench-") as folder:
        server = Server(
            kind,
            *([state or folder, str(hosts), str(rounds), northbound] if kind == "cloud" else []),
        )
        try:
            yield server
        finally:
            server.close()


def wait(condition: Any, timeout_s: float = 120.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.05)
