"""`hanok doctor`: does everything that exists belong to something on record, and the reverse?

Two looks. Control compares its rows with what hosts, network and files say (`/hanok/v1/inventory`); this command looks
at the machine itself: processes, plugs, leftovers, who may read secrets.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from hanok.base.authority import TLSFolder
from hanok.base.clock import Clock
from hanok.cli import api, creation, inspection, settings_of_rows, ways
from hanok.cli.main import as_json, state_dir
from hanok.cli.output import Failure, print_json, say
from hanok.cli.place import cloud_of, needs_root
from hanok.drivers.nfs import leftovers as shares
from hanok.drivers.ovn import host, outside
from hanok.drivers.ovn.chassis import Chassis, tap_name
from hanok.drivers.ovn.errors import OVNError
from hanok.node.records import Records
from hanok.store import moved, moving
from hanok.supervisor import claims, parts
from hanok.supervisor.holding import holder
from hanok.supervisor.settings import RUN, Cloud


@dataclass
class Difference:
    """what: a stable word; detail: in plain English; mendable: by --fix, without harm; mended: now."""

    what: str
    detail: str
    mendable: bool = False
    mended: bool = False


def arguments(parser: argparse.ArgumentParser) -> None:
    state_dir(parser)
    parser.add_argument("--fix", action="store_true", help="mend what is safe to mend")
    as_json(parser)


def run(args: argparse.Namespace) -> int:
    cloud = cloud_of(args)
    needs_root(cloud, "hanok doctor")
    found = list(of_files(cloud, fix=args.fix))
    if not cloud.settings.simulated:
        found += of_processes(cloud)
        found += of_leftovers(cloud, fix=args.fix)
        found += asyncio.run(of_plugs(cloud, fix=args.fix))
        found += asyncio.run(of_ways(cloud, fix=args.fix))
    of_control, off, left_out = ask_control(cloud, fix=args.fix)
    found += of_control
    if args.json:
        differences = [asdict(one) for one in found]
        print_json({"differences": differences, "services_off": off, "left_out": left_out})
    else:
        for name, why in off.items():
            say(f"{name} is switched off {why}: what it holds was not compared.")
        _show(found, left_out)
    return 0 if all(one.mended for one in found) and not left_out else 1


def _show(found: list[Difference], left_out: list[str]) -> None:
    for one in found:
        state = "mended" if one.mended else "hanok doctor --fix mends it" if one.mendable else ""
        say(f"{one.what}: {one.detail}" + (f" ({state})" if state else ""))
    for line in left_out:
        say(f"not looked at: {line}")
    open_ones = sum(not one.mended for one in found)
    if not found and not left_out:
        say("Everything is as it should be.")
    elif not open_ones and not left_out:
        say("Everything was mended.")


def ask_control(cloud: Cloud, *, fix: bool) -> tuple[list[Difference], dict[str, str], list[str]]:
    """Control's own comparison; the services that are switched off, and by whom; and what could not be looked at."""
    if not cloud.has_control:
        return [], {}, []  # those are compared where control is
    subject = "the records of servers, images, allocations and networks"
    if not api.answers(cloud):
        return [], {}, [f"{subject}: the cloud does not serve (hanok up starts it)"]
    try:
        client = api.API(cloud)
        client.sign_in()
        method, path = ("POST", "/mend") if fix else ("GET", "")
        answer = client(method, f"/hanok/v1/inventory{path}")
        off = api.services_off(client)
    except (api.Refused, Failure) as error:
        return [], {}, [f"{subject}: {error}"]
    return [Difference(**one) for one in answer["differences"]], off, []


def of_files(cloud: Cloud, *, fix: bool) -> Iterator[Difference]:
    """Secrets are there and closed."""
    if cloud.is_member:
        yield from _of_certificates(cloud, fix=fix)
        return
    layout = [path] if (path := cloud.state / "layout-password").exists() else []
    for path in (cloud.password_file, cloud.openrc, cloud.clouds_yaml, *layout):
        if not path.exists():
            yield Difference("file", f"{path} is missing; hanok up writes it again")
        elif path.stat().st_mode & 0o077:
            if fix:
                path.chmod(0o600)
            yield Difference("file", f"{path} can be read by others", mendable=True, mended=fix)
    yield from _of_rows(cloud, fix=fix)
    key = cloud.state / "control" / "cloud-key"
    if key.exists() and key.stat().st_mode & 0o077:
        if fix:
            key.chmod(0o600)
        yield Difference("file", f"{key} can be read by others", mendable=True, mended=fix)


def _of_rows(cloud: Cloud, *, fix: bool) -> Iterator[Difference]:
    """No move of the rows was left half done."""
    path = cloud.state / "control" / "hanok.db"
    if not path.exists():
        return
    if moved.place(f"sqlite:///{path}") == f"sqlite:///{path}":
        if moved.is_begun(path):
            if fix:
                with creation.one_at_a_time(cloud.state):  # nobody is about to finish it
                    moving.undo(path)
            what = f"a move of the rows of {path} to PostgreSQL is under way, or was broken off"
            yield Difference("rows", what, mendable=True, mended=fix)
    elif not settings_of_rows.given(cloud.state):
        detail = "the rows are in PostgreSQL, and control-extra.toml does not say so; hanok grow database writes it"
        yield Difference("rows", detail)


def _of_certificates(cloud: Cloud, *, fix: bool) -> Iterator[Difference]:
    """A machine that joined can show who it is, and nobody else can."""
    folder = TLSFolder(cloud.node_tls)
    for path in (folder.key, folder.certificate, folder.southbound, folder.authority):
        if not path.exists():
            yield Difference("file", f"{path} is missing; remove this host and let it join again")
    if folder.key.exists() and folder.key.stat().st_mode & 0o077:
        if fix:
            folder.key.chmod(0o600)
        yield Difference("file", f"{folder.key} can be read by others", mendable=True, mended=fix)


def of_processes(cloud: Cloud) -> list[Difference]:
    """Every part runs, under a supervisor, or none does."""
    found = []
    rows = inspection.parts_of(cloud)
    running = [row for row in rows if row["pid"]]
    if not holder(cloud):
        guests = inspection.guests_of(cloud)
        for row in running:
            if not (guests and (row["name"].startswith("ov") or row["name"] == "volumes")):
                detail = f"{row['name']} (process {row['pid']}) runs without a supervisor; "
                found.append(Difference("process", detail + "hanok up takes it up"))
        return found
    for row in rows:
        if not row["pid"]:
            why = f": {row['trouble']}" if row.get("trouble") else ""
            found.append(Difference("process", f"{row['name']} does not run{why}"))
    return found


def of_leftovers(cloud: Cloud, *, fix: bool) -> list[Difference]:
    """Nothing of clouds that are no more."""
    found = []
    known = {*claims.taken(), cloud.settings.id}
    for path in sorted(RUN.iterdir()) if RUN.is_dir() else []:
        if path.name not in known:
            if fix:
                asyncio.run(shares.end(path))  # what is in shares is not to be removed with it
                shutil.rmtree(path, ignore_errors=True)
            found.append(
                Difference("leftover", f"{path} belongs to no cloud", mendable=True,
                           mended=not path.exists())
            )  # fmt: skip
    if not holder(cloud) and not inspection.guests_of(cloud):
        for line in inspection.traces(cloud):
            if not line.startswith("process "):
                found.append(
                    Difference(
                        "leftover",
                        f"the cloud is down, but there is: {line} (hanok down removes it)",
                    )
                )
    return found


async def of_plugs(cloud: Cloud, *, fix: bool) -> list[Difference]:
    """Each plug of the switch belongs to a guest's record, and each running guest has its plugs."""
    plane = parts.data_plane(cloud)
    if not Path(plane.conf_socket).exists():
        return []
    namespace = inspection.network_namespace(cloud)
    chassis = Chassis(namespace, plane.conf_socket)
    requested: dict[str, str] = {}
    for record in Records(cloud.state / "node", Clock()).load():
        if record.actual in ("running", "paused"):
            requested |= {nic.port_id: record.server_id for nic in record.spec.nics}
        else:
            requested |= {nic.port_id: "" for nic in record.spec.nics}
    found = []
    try:
        there = set(await chassis.ports())
        for port in sorted(there - set(requested)):
            if fix:
                await chassis.unplug(port)
            detail = f"the tap of port {port} belongs to no guest"
            found.append(Difference("tap", detail, mendable=True, mended=fix))
        for port, server in sorted(requested.items()):
            if server and port not in there:
                detail = f"port {port} of the running server {server} has no tap; reboot the server"
                found.append(Difference("tap", detail))
        known = {tap_name(port) for port in requested}
        for device in sorted(await _taps(namespace) - known):
            if fix:
                await host.ip(namespace, "link", "del", device)
            detail = f"the tap {device} is in no guest's record"
            found.append(Difference("tap", detail, mendable=True, mended=fix))
    except OVNError as error:
        found.append(Difference("network", f"the switch does not answer: {error.message}"))
    return found


async def of_ways(cloud: Cloud, *, fix: bool) -> list[Difference]:
    """The ways to the outside are as asked for, and lead to the servers they were made for."""
    if not holder(cloud) and not inspection.guests_of(cloud):
        return []
    found = [Difference("forward", line) for line in ways.differences(cloud)]
    requested = parts.outside(cloud)
    try:
        wrong = await outside.differences(requested)
        if wrong and fix:
            await outside.ensure(requested)
        now = await outside.differences(requested) if wrong and fix else wrong
    except OVNError as error:
        return [*found, Difference("outside", f"{error.message} ({error.detail})")]
    return found + [
        Difference("outside", line, mendable=True, mended=fix and line not in now) for line in wrong
    ]


async def _taps(netns: str) -> set[str]:
    listed = json.loads(await host.ip(netns, "-j", "link", "show"))
    return {link["ifname"] for link in listed if link["ifname"].startswith("tap")}
