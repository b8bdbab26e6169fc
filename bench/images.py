"""Uploads and downloads of large images: CPU of the control process, rate, memory.

`python -m bench.images [GIB]`: one image of so many GiB (1) goes in and comes out over loopback; prints a table. The file
store is in a folder under /var/tmp; what `cp` of the same file takes stands beside. `--chunks` sends the upload without
an announced size, as clients do that read from a pipe.
"""

from __future__ import annotations

import http.client
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.client import serving

MIB = 1 << 20


def status(pid: int, name: str) -> int:
    """A size from /proc/PID/status in bytes."""
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def call(
    connection: http.client.HTTPConnection, method: str, path: str, body: object, **headers: str
) -> http.client.HTTPResponse:
    connection.request(method, path, body=body, headers=headers)  # type: ignore[arg-type]
    return connection.getresponse()


def main() -> None:
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    size = round(float(words[0] if words else 1) * 1024) * MIB
    folder = Path(tempfile.mkdtemp(prefix="hanok-images-", dir="/var/tmp"))
    try:
        measure(folder, size, chunks="--chunks" in sys.argv)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(folder: Path, size: int, *, chunks: bool) -> None:
    source = folder / "source"
    piece = os.urandom(MIB)
    with source.open("wb") as file:
        for _ in range(size // MIB):
            file.write(piece)
    begun = time.monotonic()
    subprocess.run(["cp", "--reflink=never", str(source), str(folder / "copy")], check=True)
    copied = time.monotonic() - begun
    (folder / "copy").unlink()
    with serving("cloud", state=str(folder / "state")) as cloud:
        cloud.sign_in()
        token = cloud.token
        before_idle = status(cloud.process.pid, "VmRSS")
        connection = http.client.HTTPConnection("127.0.0.1", cloud.port, timeout=3600)
        body = b'{"name": "large", "disk_format": "raw", "container_format": "bare"}'
        answer = call(
            connection,
            "POST",
            "/image/v2/images",
            body,
            **{"X-Auth-Token": token, "Content-Type": "application/json"},
        )
        image = re.search(rb'"id":"([^"]+)"', answer.read())[1].decode()  # type: ignore[index]
        path = f"/image/v2/images/{image}/file"
        headers = {"X-Auth-Token": token, "Content-Type": "application/octet-stream"}
        if not chunks:
            headers["Content-Length"] = str(size)
        cpu, begun = cloud.cpu_s(), time.monotonic()
        with source.open("rb") as file:
            connection.request("PUT", path, body=file, headers=headers, encode_chunked=chunks)
            answer = connection.getresponse()
            text = answer.read()
        assert answer.status == 204, text
        buffer = bytearray(4 * MIB)
        line("upload", size, cloud.cpu_s() - cpu, time.monotonic() - begun, copied)
        for what in ("download", "again"):
            cpu, begun, got = cloud.cpu_s(), time.monotonic(), 0
            answer = call(connection, "GET", path, None, **{"X-Auth-Token": token})
            while count := answer.readinto(buffer):
                got += count
            assert got == size, got
            line(what, size, cloud.cpu_s() - cpu, time.monotonic() - begun, copied)
        print(f"cp of the same file: {size / MIB / copied:.0f} MiB/s")
        peak = status(cloud.process.pid, "VmHWM")
        print(f"memory: {before_idle / MIB:.0f} MiB before, {peak / MIB:.0f} MiB at most")


def line(what: str, size: int, cpu_s: float, wall_s: float, copied_s: float) -> None:
    gib = size / (1 << 30)
    rate, share = size / MIB / wall_s, copied_s / wall_s
    print(f"{what:10} {cpu_s / gib:5.2f} CPU s a GiB  {rate:6.0f} MiB/s  {share:5.0%} of cp's rate")


if __name__ == "__main__":
    main()
