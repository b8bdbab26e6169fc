"""What a cloud has on this machine now: processes, memory, traces. Asked of the machine, not of records."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from hanok.base.code import VARIABLE
from hanok.drivers.nfs import leftovers as shares
from hanok.drivers.ovn import engines as ovn
from hanok.drivers.ovn import host, outside
from hanok.drivers.ovn.errors import OVNError
from hanok.drivers.qemu import process as guests
from hanok.drivers.volumes.relay_process import relays
from hanok.supervisor import door, front, parts, processes, simulated
from hanok.supervisor.holding import holder
from hanok.supervisor.settings import Cloud
from hanok.supervisor.supervise import leftover_processes


def supervisor(cloud: Cloud) -> dict[str, Any] | None:
    """What the supervisor says; None when it does not run or does not answer."""
    if cloud.settings.simulated:
        return None
    try:
        return door.ask(cloud.socket, {"do": "status"})
    except door.Silence:
        return None


def parts_of(cloud: Cloud) -> list[dict[str, Any]]:
    """Every process of the cloud but guests: name, state, pid, memory in KiB."""
    pid = holder(cloud)
    if cloud.settings.simulated:
        return [_row("cloud", "running" if pid else "stopped", pid), *_parents(cloud)]
    told = supervisor(cloud)
    rows = [_row("supervisor", "running" if pid else "stopped", pid)]
    if told is not None:
        for part in told["parts"]:
            rows.append(_row(part["name"], part["state"], part["pid"]) | part)
        return rows + _storage(cloud)
    running = {name: process for process, name in leftover_processes(cloud)}
    for part in parts.parts(cloud):
        found = running.get(part.name)
        rows.append(_row(part.name, "without supervisor" if found else "stopped", found))
    return rows + _storage(cloud)


def fronts(cloud: Cloud) -> list[int]:
    """The processes of what is in front of control."""
    return [] if cloud.settings.simulated else front.proxy(cloud).pids()


def storage_daemon(cloud: Cloud) -> int:
    """The process that serves volumes; 0 where there is none."""
    if cloud.settings.simulated:
        return 0
    found = guests.find_daemon(cloud.run / "node" / "volumes" / "pid")
    if found is None:
        return 0
    found.close()
    return found.identity.pid


def relays_of(cloud: Cloud) -> list[int]:
    """The processes by which volumes go from host to host; one at most, where nothing went wrong."""
    return [] if cloud.settings.simulated else relays(cloud.run / "node" / "far")


def _storage(cloud: Cloud) -> list[dict[str, Any]]:
    found = [_row("volumes", "running", pid)] if (pid := storage_daemon(cloud)) else []
    if cloud.front:
        pids = fronts(cloud)
        found.append(_row("front", "running" if pids else "stopped", pids[0] if pids else None))
    return found


def _parents(cloud: Cloud) -> list[dict[str, Any]]:
    """What looks after a simulated cloud."""
    found = []
    for process in processes.find(simulated.tail(cloud.state), None):
        found.append(_row("parent", "running", process.pid))
        process.close()
    return found


def _row(name: str, state: str, pid: int | None) -> dict[str, Any]:
    # The database's server has a process for each connection; others' children are parts of their own, or guests.
    family = [pid, *(processes.children(pid) if name == "postgres" else ())] if pid else []
    memory = sum(processes.pss_kib(one) or 0 for one in family) or None
    code = processes.variable(pid, VARIABLE) if pid else ""
    return {"name": name, "state": state, "pid": pid or None, "pss_kib": memory, "code": code}


def guests_of(cloud: Cloud) -> dict[str, int]:
    """QEMU processes of this cloud, by server."""
    if cloud.settings.simulated:
        return {}
    return {server: found.pid for server, found in guests.scan(str(cloud.run / "node")).items()}


def network_namespace(cloud: Cloud) -> str:
    """The data plane's namespace, by a process that lives in it where there is one.

    Its name under /run/netns is a mount, which is not seen from every mount namespace.
    """
    rows = {row["name"]: row["pid"] for row in parts_of(cloud)}
    for engine in ovn.engines(parts.data_plane(cloud)):
        if engine.netns and (pid := rows.get(engine.name)):
            return host.namespace_of(pid)
    return cloud.netns


def traces(cloud: Cloud) -> list[str]:
    """Everything outside of files that the cloud has on the machine, in words. Empty: nothing is left."""
    found = []
    pid = holder(cloud)
    if pid:
        found.append(f"process {pid} ({'cloud' if cloud.settings.simulated else 'supervisor'})")
    if cloud.settings.simulated:
        found += [f"process {row['pid']} ({row['name']})" for row in _parents(cloud)]
        return found
    seen = set()
    for process, name in leftover_processes(cloud):
        seen.add(process)
        found.append(f"process {process} ({name})")
    for server, process in guests_of(cloud).items():
        seen.add(process)
        found.append(f"process {process} (guest {server})")
    if daemon := storage_daemon(cloud):
        seen.add(daemon)
        found.append(f"process {daemon} (volumes)")
    for process in fronts(cloud):
        seen.add(process)
        found.append(f"process {process} (front)")
    for process in relays_of(cloud):
        seen.add(process)
        found.append(f"process {process} (volumes of other hosts)")
    for process in shares.servers(cloud.run / "node"):
        seen.add(process)
        found.append(f"process {process} (share server)")
    try:
        for line in asyncio.run(ovn.leftovers(parts.data_plane(cloud))):
            if not (line.startswith("process ") and int(line.split()[1]) in seen):
                found.append(line)
        found += asyncio.run(outside.leftovers(parts.outside(cloud)))
    except OVNError as error:
        found.append(f"the network could not be looked at: {error.message}")
    found += mounts(cloud)
    if cloud.run.exists() and any(cloud.run.rglob("*.sock")):
        found.append(f"sockets in {cloud.run}")
    return found


def mounts(cloud: Cloud) -> list[str]:
    """Mounts under the cloud's directories, and its namespaces' handles."""
    ours = (str(cloud.state), str(cloud.run))
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = line.split()[4]
        if any(point == one or point.startswith(f"{one}/") for one in ours):
            found.append(f"mount {point}")
    return found
