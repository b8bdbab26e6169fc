"""`hanok down`: stop the cloud, and, when asked, its guests."""

from __future__ import annotations

import argparse
import asyncio
import signal
import time

from hanok.cli import api, creation, inspection
from hanok.cli.main import as_json, state_dir
from hanok.cli.output import Failure, fail, print_json, say, warn
from hanok.cli.place import cloud_of, needs_root
from hanok.drivers.nfs import leftovers as shares
from hanok.drivers.ovn import engines as ovn
from hanok.drivers.ovn import outside
from hanok.node import cgroups
from hanok.supervisor import door, front, parts, processes, simulated
from hanok.supervisor.holding import holder
from hanok.supervisor.processes import Process
from hanok.supervisor.settings import Cloud
from hanok.supervisor.supervise import leftover_processes

STOP_S = 90.0
GUEST_S = 90.0  # a guest that switches itself off takes seconds; one that does not is ended
GRACE_S = 10.0  # in which the kernel takes a killed process apart
LOOK_S = 0.05


def arguments(parser: argparse.ArgumentParser) -> None:
    state_dir(parser)
    parser.add_argument("--guests", action="store_true", help="switch the guests off too")
    as_json(parser)


def run(args: argparse.Namespace) -> int:
    cloud = cloud_of(args)
    needs_root(cloud, "hanok down")
    with creation.one_at_a_time(cloud.state):
        if args.guests and inspection.guests_of(cloud):
            guests_off(cloud)
        stop(cloud, with_guests=args.guests)
    left = inspection.guests_of(cloud)
    if args.json:
        print_json({"stopped": True, "guests_running": sorted(left)})
    elif left:
        say(f"The cloud is down. {len(left)} guest{'s' if len(left) > 1 else ''} and the network they use go on; "
            "hanok up finds them again.")  # fmt: skip
    else:
        say("The cloud is down.")
    return 0


def guests_off(cloud: Cloud) -> None:
    """Switch guests off through the APIs, so that the records are right; those that stay are ended."""
    if api.answers(cloud):
        try:
            client = api.API(cloud)
            client.sign_in()
            for server in inspection.guests_of(cloud):
                try:
                    client.post(f"/compute/v2.1/servers/{server}/action", {"os-stop": None})
                except api.Refused as refused:
                    warn(f"server {server}: {refused.message}")
            api.wait_until(lambda: not inspection.guests_of(cloud), timeout_s=GUEST_S)
        except (api.Refused, Failure) as error:
            warn(f"guests cannot be asked to switch themselves off: {error}")


def stop(cloud: Cloud, *, with_guests: bool) -> None:
    """Nothing of the cloud runs; without with_guests, but guests and what they need.

    Raises:
        Failure: something does not end.
    """
    if cloud.settings.simulated:
        _stop_simulated(cloud)
        return
    pid = holder(cloud)
    process = Process.open(pid) if pid else None
    if process is not None:
        _ask(cloud, process, with_guests=with_guests)
        _end(process, STOP_S)
    asyncio.run(front.proxy(cloud).end())
    if with_guests:
        asyncio.run(_end_guests(cloud))
    keep = bool(inspection.guests_of(cloud))
    # What a killed supervisor left behind.
    asyncio.run(_end_parts(cloud, keep_data_plane=keep))
    if not keep:
        asyncio.run(_end_storage(cloud))
        asyncio.run(outside.remove(parts.outside(cloud)))
        asyncio.run(ovn.teardown(parts.data_plane(cloud)))
        asyncio.run(shares.end(cloud.run / "node"))
        cgroups.clear(cgroups.name_of(str(cloud.run / "node")))


def _stop_simulated(cloud: Cloud) -> None:
    """The parent first, which ends the cloud; then the cloud itself, where that has no parent."""
    for parent in processes.find(simulated.tail(cloud.state), None):
        parent.send(signal.SIGTERM)
        _end(parent, simulated.STOP_S + GRACE_S)
    pid = holder(cloud)
    process = Process.open(pid) if pid else None
    if process is not None:
        process.send(signal.SIGTERM)
        _end(process, simulated.STOP_S)


def _end(process: Process, timeout_s: float) -> None:
    """Wait until a process that was told to end has ended; one that does not heed that is killed.

    Raises:
        Failure: not even that ends it.
    """
    for patience_s in (timeout_s, GRACE_S):
        until = time.monotonic() + patience_s
        while process.alive and time.monotonic() < until:
            time.sleep(LOOK_S)
        if process.alive and patience_s != GRACE_S:
            warn(f"process {process.pid} did not end on SIGTERM and is killed")
            process.send(signal.SIGKILL)
    alive = process.alive
    process.close()
    if alive:
        fail(f"process {process.pid} does not end; see hanok logs")


def _ask(cloud: Cloud, process: Process, *, with_guests: bool) -> None:
    try:
        door.ask(cloud.socket, {"do": "stop", "guests": with_guests})
    except door.Silence:
        process.send(signal.SIGTERM)


async def _end_guests(cloud: Cloud) -> None:
    for pid in inspection.guests_of(cloud).values():
        if (process := Process.open(pid)) is not None:
            await process.stop(timeout_s=10)
            process.close()


async def _end_storage(cloud: Cloud) -> None:
    """Volumes are served as long as guests may use them."""
    daemon = inspection.storage_daemon(cloud)
    for pid in (*([daemon] if daemon else ()), *inspection.relays_of(cloud)):
        if (process := Process.open(pid)) is not None:
            await process.stop(timeout_s=10)
            process.close()


async def _end_parts(cloud: Cloud, *, keep_data_plane: bool) -> None:
    for part in reversed(parts.parts(cloud)):
        if part.data_plane and keep_data_plane:
            continue
        for pid, _ in leftover_processes(cloud, [part]):
            if (process := Process.open(pid)) is not None:
                await process.stop(part.stop_signal, timeout_s=part.stop_s)
                process.close()
