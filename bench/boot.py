"""How fast a cloud starts and a guest in it, and what it holds while idle: `python -m bench.boot` as root.

The real cloud runs in a network namespace of its own, made for the run and removed after it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from tests.acceptance.clouds import CLI, ROOT, host
from tests.ports import free_port

from bench.client import TICK
from hanok.cli import api
from hanok.supervisor.settings import Cloud, load

TIMES = 3
SETTLE_S, IDLE_S = 30.0, 20.0
LOOK_S = 0.02
INSIDE = "--inside"


def show(what: str, figure: str, requested: str = "") -> None:
    print(f"| {what:<62} | {figure:>10} | {requested:>8} |", flush=True)


def timed(action: Callable[[], Any]) -> float:
    started = time.monotonic()
    action()
    return time.monotonic() - started


# ---- the real cloud, from inside its namespace


def ups(cli: CLI, cloud: Cloud) -> None:
    """`up` of a cloud that was there before: everything is installed, nothing runs."""
    answering, returned = [], []
    for _ in range(TIMES):
        cli("down")
        started = time.monotonic()
        with subprocess.Popen(cli.argv("up"), stdout=subprocess.DEVNULL) as up:
            while not api.answers(cloud):
                time.sleep(LOOK_S)
            answering.append(time.monotonic() - started)
            assert up.wait() == 0
            returned.append(time.monotonic() - started)
    show("`up` again: the APIs answer", f"{median(answering):.1f} s", "≤ 3 s")
    show("`up` again: a server can be created", f"{median(returned):.1f} s", "≤ 8 s")


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def idle(cli: CLI) -> None:
    """Memory and CPU of a cloud without guests that nobody asks anything."""
    time.sleep(SETTLE_S)
    rows = cli.json("status")["processes"]
    pids = [row["pid"] for row in rows]
    time.sleep(1)
    before = sum(map(cpu_s, pids))
    time.sleep(IDLE_S)
    share = (sum(map(cpu_s, pids)) - before) / IDLE_S * 100
    mib = {row["name"]: row["pss_kib"] / 1024 for row in rows}
    for name in ("control", "node", "supervisor"):
        show(f"idle, PSS of {name}", f"{mib[name]:.0f} MiB")
    show("idle, PSS of control and node", f"{mib['control'] + mib['node']:.0f} MiB", "≤ 180")
    engines = sum(
        size for name, size in mib.items() if name not in ("control", "node", "supervisor")
    )
    show(f"idle, PSS of the {len(mib) - 3} engines", f"{engines:.0f} MiB")
    show("idle, PSS of all", f"{sum(mib.values()):.0f} MiB", "≤ 350")
    show(f"idle, CPU of all over {IDLE_S:.0f} s, share of a core", f"{share:.1f} %", "≤ 2 %")


def created(client: api.API, body: dict[str, Any]) -> tuple[str, float]:
    """A new server's id, and the seconds until it was ACTIVE."""
    started = time.monotonic()
    server_id = client.post("/compute/v2.1/servers", {"server": body})["server"]["id"]
    while True:
        server = client.get(f"/compute/v2.1/servers/{server_id}")["server"]
        if server["status"] == "ACTIVE":
            return server_id, time.monotonic() - started
        assert server["status"] == "BUILD", server
        time.sleep(LOOK_S)


def delete(client: api.API, server_id: str) -> float:
    """Returns the seconds from the request until the server is in no list."""
    started = time.monotonic()
    client("DELETE", f"/compute/v2.1/servers/{server_id}")
    while time.monotonic() < started + 60:
        found = client.get("/compute/v2.1/servers")["servers"]
        if server_id not in [server["id"] for server in found]:
            return time.monotonic() - started
        time.sleep(LOOK_S)
    raise AssertionError("the server is not deleted")


def arguments_of(cli: CLI, server_id: str) -> list[str]:
    pid = cli.json("status")["guests"][server_id]["pid"]
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]


def of_our_own(argv: list[str], cloud: Cloud, server_id: str, folder: Path) -> list[str]:
    """The same machine with sockets, disks and a tap of ours."""
    files = cloud.state / "node" / "instances" / server_id / "files"
    found = []
    for word in argv:
        if word.startswith("socket,id=qmp,"):
            word = f"socket,id=qmp,path={folder}/qmp,server=on,wait=off"
        elif word.startswith("tap,"):
            word = "tap,id=net0,ifname=benchtap,script=no,downscript=no"
        word = word.replace(str(cloud.run / "node" / server_id), str(folder))
        found.append(word.replace(str(files), str(folder)))
    return found


def bare_start(argv: list[str], folder: Path) -> float:
    """Seconds from starting QEMU until its monitor says that the guest runs."""
    (folder / "qmp").unlink(missing_ok=True)
    started = time.monotonic()
    with (
        socket.socket(socket.AF_UNIX) as line,
        subprocess.Popen(argv, stdin=subprocess.DEVNULL) as guest,
    ):
        try:
            while True:
                try:
                    line.connect(str(folder / "qmp"))
                    break
                except OSError:
                    assert guest.poll() is None, "QEMU ended"
                    time.sleep(0.001)
            with line.makefile("rw", encoding="utf-8") as monitor:
                monitor.readline()  # the greeting
                for command in ("qmp_capabilities", "cont", "query-status"):
                    monitor.write(json.dumps({"execute": command}) + "\n")
                    monitor.flush()
                    while "return" not in (answer := json.loads(monitor.readline())):
                        pass  # an event
            assert answer["return"]["status"] == "running"
            return time.monotonic() - started
        finally:
            guest.send_signal(signal.SIGKILL)


def on_disk(folder: Path) -> tuple[int, int]:
    """Bytes that the files of a folder name and hold."""
    found = [path.lstat() for path in folder.rglob("*") if path.is_file()]
    return sum(one.st_size for one in found), sum(one.st_blocks * 512 for one in found)


def guests(cli: CLI, cloud: Cloud) -> None:
    launched = cli.json("launch")  # makes the network, and brings the image to the host
    client = api.API(cloud)
    client.sign_in()
    body = {
        "name": "measured",
        "imageRef": client.get("/image/v2/images?name=cirros")["images"][0]["id"],
        "flavorRef": next(
            flavor["id"]
            for flavor in client.get("/compute/v2.1/flavors")["flavors"]
            if flavor["name"] == "m1.nano"
        ),
        "networks": [{"uuid": client.get("/network/v2.0/networks?name=default")["networks"][0]["id"]}],
    }  # fmt: skip
    images = cloud.state / "node" / "images"
    cached = on_disk(images)
    server_id, _ = created(client, body)
    named, held = on_disk(cloud.state / "node" / "instances" / server_id)
    assert on_disk(images) == cached, "the image was copied once more"
    assert named >= held or held < cached[1] / 4
    show("the cached image holds", f"{cached[1] / 1e6:.1f} MB")
    show("the files of a second guest of it hold, just started", f"{held / 1e6:.2f} MB", "no copy")
    argv = arguments_of(cli, server_id)
    delete(client, server_id)
    delete(client, launched["server_id"])
    whole, deletes = [], []
    for _ in range(TIMES):
        server_id, took_s = created(client, body)
        whole.append(took_s)
        deletes.append(delete(client, server_id))
    folder = Path(tempfile.mkdtemp(prefix="hanok-bare-", dir="/run"))
    try:
        bare = []
        own = of_our_own(argv, cloud, argv[argv.index("-uuid") + 1], folder)
        for _ in range(TIMES):
            for left in folder.iterdir():
                left.unlink()
            make_disks(own, folder)
            bare.append(bare_start(own, folder))
    finally:
        for left in folder.iterdir():
            left.unlink()
        folder.rmdir()
    show("create to ACTIVE, cached image, one port", f"{median(whole):.2f} s")
    show("the bare start of QEMU with the same arguments", f"{median(bare):.2f} s")
    show("the difference", f"{median(whole) - median(bare):.2f} s", "≤ 0.5 s")
    show("delete, until the server is in no list", f"{median(deletes):.2f} s", "≤ 0.5 s")


def make_disks(argv: list[str], folder: Path) -> None:
    """The disks that these arguments name in our folder."""
    for word in argv:
        if not word.startswith('{"driver"'):
            continue
        node = json.loads(word)
        path = node["file"]["filename"]
        if node.get("backing"):
            base = node["backing"]
            run = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", base["driver"]]
            subprocess.run([*run, "-b", base["file"]["filename"], path], check=True)
        elif not Path(path).exists():
            Path(path).write_bytes(bytes(1 << 20))


def inside(state: Path) -> None:
    cli = CLI(state)
    # The way of the README: its environment can be read by the control process's user.
    cli.argv = lambda *words: [str(ROOT / "hanok"), *words, "--state-dir", str(state)]  # type: ignore[method-assign]
    cloud = load(state)
    assert cloud is not None
    ups(cli, cloud)
    idle(cli)
    guests(cli, cloud)


def real() -> None:
    with host() as cli:
        first_s = timed(lambda: cli("up"))
        show("`up` of a new cloud, everything installed", f"{first_s:.1f} s")
        argv = [sys.executable, "-m", "bench.boot", INSIDE, str(cli.state)]
        subprocess.run(cli.inside(argv), check=True, cwd=ROOT, env=cli.environment)


# ---- the simulated one


def simulated() -> None:
    took, mib = [], []
    for _ in range(TIMES):
        with tempfile.TemporaryDirectory(prefix="hanok-simulated-") as folder:
            cli = CLI(Path(folder) / "cloud")
            port = str(free_port())
            took.append(timed(lambda cli=cli, port=port: cli("up", "--simulated", "--port", port)))  # type: ignore[misc]
            mib.append(cli.json("status")["memory_kib"] / 1024)
            cli("destroy", "--yes")
    show("`up --simulated` of a new cloud: ready", f"{median(took):.1f} s", "≤ 2 s")
    show("`up --simulated`, PSS", f"{median(mib):.0f} MiB", "≤ 100")


def main() -> None:
    if INSIDE in sys.argv:
        inside(Path(sys.argv[-1]))
        return
    show("what", "figure", "wanted")
    print(f"|{'-' * 64}|{'-' * 12}|{'-' * 10}|", flush=True)
    simulated()
    if os.geteuid() == 0:
        real()
    else:
        print("The real cloud needs root.")


if __name__ == "__main__":
    main()
