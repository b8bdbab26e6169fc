"""`hanok status`: what runs, and how it is."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from typing import Any

from hanok import __version__
from hanok.cli import api, inspection, room
from hanok.cli.commands import logs
from hanok.cli.main import as_json, state_dir
from hanok.cli.output import Failure, ago, mib, print_json, say, table
from hanok.cli.place import cloud_of, needs_root
from hanok.control.settings import load
from hanok.node.host import OVERHEAD_MIB
from hanok.store import moved, server
from hanok.supervisor import processes
from hanok.supervisor.settings import Cloud

ENGINES = (("QEMU", "qemu-system-x86_64", "--version"), ("Open vSwitch", "ovs-vsctl", "--version"),
           ("OVN", "ovn-controller", "--version"), ("NATS", "nats-server", "--version"))  # fmt: skip


def arguments(parser: argparse.ArgumentParser) -> None:
    state_dir(parser)
    as_json(parser)


def run(args: argparse.Namespace) -> int:
    cloud = cloud_of(args)
    needs_root(cloud, "hanok status")
    facts = collect(cloud)
    if args.json:
        print_json(facts)
    else:
        _show(cloud, facts)
    return 0 if facts["serving"] else 3  # as `systemctl status` does for what does not run


def collect(cloud: Cloud) -> dict[str, Any]:
    """Everything that `hanok status` shows."""
    rows = inspection.parts_of(cloud)
    guests = {
        server: {"pid": pid, "pss_kib": processes.pss_kib(pid)}
        for server, pid in inspection.guests_of(cloud).items()
    }
    serving = api.answers(cloud)
    if cloud.settings.simulated and not serving and rows[0]["pid"]:
        rows[0]["trouble"] = "does not answer; its parent starts it again if it goes on"
    facts: dict[str, Any] = {
        "state_dir": str(cloud.state),
        "url": cloud.url,
        "region": cloud.settings.region,
        "simulated": cloud.settings.simulated,
        "is_member": cloud.is_member,
        "serving": serving,
        "rows": rows_at(cloud),
        "processes": rows,
        "memory_kib": sum(row["pss_kib"] or 0 for row in rows),
        "guests": guests,
        "versions": versions(cloud),
        "services": [],
        "services_off": {},
        "hosts": [],
        "machines": [],
    }
    if serving:
        try:
            facts |= _from_services(cloud)
        except (api.Refused, Failure) as error:
            facts["trouble"] = f"the services could not be asked: {error}"
    return facts


def rows_at(cloud: Cloud) -> str:
    """Where the cloud's rows are, without who signs in there."""
    try:
        url = load(cloud.control_settings).database_url
    except (OSError, ValueError):  # of a machine that joined; or the file says itself what is wrong
        return ""
    return server.shown(moved.place(url))


def _from_services(cloud: Cloud) -> dict[str, Any]:
    client = api.API(cloud)
    client.sign_in()
    off = api.services_off(client)
    found: dict[str, Any] = {"services": [], "services_off": off}
    if "compute" not in off:
        found |= _hosts(cloud, client)
        if not cloud.settings.simulated:
            found["machines"] = logs.machines(client)
    try:
        if "network" not in off:
            found["services"] += _agents(client)
    except api.Refused:
        found["trouble"] = "the network's agents could not be asked"
    return found


def _hosts(cloud: Cloud, client: api.API) -> dict[str, Any]:
    services = [
        {"name": row["binary"], "host": row["host"], "state": row["state"], "status": row["status"]}
        for row in client.get("/compute/v2.1/os-services")["services"]
    ]
    hosts = [
        {
            "name": row["hypervisor_hostname"],
            "state": row["state"],
            "accelerator": accelerator(row),
        }
        for row in client.get("/compute/v2.1/os-hypervisors/detail")["hypervisors"]
    ]
    found: dict[str, Any] = {"services": services, "hosts": hosts}
    if not cloud.settings.simulated:
        kinds = [one["accelerator"].partition(":")[0] for one in hosts]
        found["room"] = room.of(client, max([OVERHEAD_MIB.get(kind, 0) for kind in kinds] or [0]))
    return found


def _agents(client: api.API) -> list[dict[str, str]]:
    return [
        {
            "name": row["binary"],
            "host": row["host"],
            "state": "up" if row["alive"] else "down",
            "status": "enabled" if row["admin_state_up"] else "disabled",
        }
        for row in client.get("/network/v2.0/agents")["agents"]
    ]


def accelerator(row: dict[str, Any]) -> str:
    """How a host runs guests, and why, from the hypervisor's details."""
    info = row.get("cpu_info")
    if isinstance(info, dict):
        kind = info.get("accelerator") or info.get("features_accelerator") or ""
        reason = info.get("accelerator_reason") or ""
        if kind:
            return f"{kind}: {reason}" if reason else str(kind)
    return str(row.get("hypervisor_type") or "unknown")


def versions(cloud: Cloud) -> dict[str, str]:
    """Ours, Python's, and the engines'."""
    found = {"Hanok": __version__, "Python": sys.version.split()[0]}
    for name, program, option in () if cloud.settings.simulated else ENGINES:
        if shutil.which(program):
            done = subprocess.run([program, option], capture_output=True, text=True, timeout=10)
            words = (done.stdout or done.stderr).splitlines()[:1]
            numbers = [
                w.strip(":v,") for w in " ".join(words).split() if w.strip(":v")[:1].isdigit()
            ]
            found[name] = numbers[0] if numbers else "?"
        else:
            found[name] = "not installed"
    return found


def _machine(one: dict[str, Any]) -> list[str]:
    """A row of the table of machines."""
    broken = [
        f"{part['name']} ({part['trouble'] or part['state']})"
        for part in one["processes"]
        if part["state"] != "running"
    ]
    return [
        one["name"],
        one["state"],
        one["code"] or "-",
        ", ".join(broken) or one["trouble"] or "-",
    ]


def _show(cloud: Cloud, facts: dict[str, Any]) -> None:
    kind = "simulated cloud" if cloud.settings.simulated else "cloud"
    state = "serves" if facts["serving"] else "does not serve"
    say(f"The {kind} in {cloud.state} {state} at {cloud.url} (region {cloud.settings.region}).")
    say()
    rows = [
        [
            row["name"],
            row["state"] + (f" ({row['trouble']})" if row.get("trouble") else ""),
            row["pid"] or "-",
            ago(row["for_s"]) if row.get("for_s") else "-",
            mib(row["pss_kib"]),
        ]
        for row in facts["processes"]
    ]
    rows += [
        [f"guest {server}", "running", guest["pid"], "-", mib(guest["pss_kib"])]
        for server, guest in facts["guests"].items()
    ]
    say(table(["Process", "State", "PID", "For", "Memory"], rows))
    say(f"Memory without guests: {mib(facts['memory_kib'])}")
    if facts["rows"]:
        say(f"Rows: {facts['rows']}")
    if facts["services"]:
        say()
        rows = [[s["name"], s["host"], s["state"], s["status"]] for s in facts["services"]]
        say(table(["Service", "Host", "State", "Status"], rows))
    for name, why in facts["services_off"].items():
        say(f"{name} is switched off {why}.")
    if facts.get("room"):
        say(facts["room"])
    if facts["hosts"]:
        say()
        shown = facts["hosts"][:20]
        say(table(["Host", "State", "Guests run on"],
                  [[h["name"], h["state"], h["accelerator"]] for h in shown]))  # fmt: skip
        if len(facts["hosts"]) > len(shown):
            say(f"and {len(facts['hosts']) - len(shown)} more hosts")
    if len(facts["machines"]) > 1 or facts["is_member"]:
        say()
        rows = [_machine(one) for one in facts["machines"]]
        say(table(["Machine", "State", "Code", "Not running"], rows))
    say()
    say("Versions: " + ", ".join(f"{name} {number}" for name, number in facts["versions"].items()))
    if trouble := facts.get("trouble"):
        say(f"Note: {trouble}")
