"""`hanok host`: the cloud's machines. What it does, the public APIs can: services, aggregates, moves of servers."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from hanok.base.authority import TLSFolder
from hanok.cli import api
from hanok.cli.main import as_json, state_dir
from hanok.cli.output import Failure, print_json, say, table
from hanok.cli.place import cloud_of
from hanok.supervisor import membership
from hanok.supervisor.settings import Cloud

COMPUTE = "/compute/v2.1"
MOVED_S = 900.0  # one server: a disk is copied
LOOK_S = 0.5


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action", nargs="?", choices=["list", "drain", "undrain", "remove", "zone", "renew"],
        default="list",
        help="list them; drain: no new server, and those that can be moved go to other hosts; undrain: new "
        "servers again; remove: the machine's certificates open nothing any longer; zone: its availability zone; "
        "renew: this machine's certificates now",
    )  # fmt: skip
    parser.add_argument("name", nargs="?", metavar="HOST")
    parser.add_argument("zone", nargs="?", metavar="ZONE", help="the availability zone, for zone")
    state_dir(parser)
    as_json(parser)


def run(args: argparse.Namespace) -> int:
    cloud = cloud_of(args)
    _check(args)
    if args.action == "renew":
        return _renew(cloud)
    if not cloud.has_control:
        raise Failure("machines are managed on controllers: hanok host there")
    client = api.API(cloud)
    try:
        client.sign_in()
        match args.action:
            case "list":
                _list(client, json=args.json)
            case "drain":
                return _drain(client, args.name, json=args.json)
            case "undrain":
                _enable(client, args.name, on=True)
                say(f"{args.name} takes new servers.")
            case "remove":
                _remove(client, args.name)
            case "zone":
                _zone(client, args.name, args.zone)
    except api.Refused as error:
        raise Failure(error.message) from error
    return 0


def _check(args: argparse.Namespace) -> None:
    needs = {"list": 0, "renew": 0, "zone": 2}.get(args.action, 1)
    given = sum(one is not None for one in (args.name, args.zone))
    if given != needs:
        words = ("takes no HOST", "needs a HOST", "needs a HOST and a ZONE")
        raise Failure(f"hanok host {args.action} {words[needs]}")


def _renew(cloud: Cloud) -> int:
    if not cloud.is_member:
        raise Failure("the machine where the cloud began renews its certificates by itself")
    try:
        membership.renew(cloud, now=True)
    except (membership.Refused, OSError) as error:
        raise Failure(f"there are no new certificates: {error}") from error
    say(f"Certificates are new, and good until {_until(cloud)}.")
    return 0


def _until(cloud: Cloud) -> str:
    from hanok.base import authority  # only here: what signs is not loaded for a list

    text = TLSFolder(cloud.node_tls).certificate.read_text()
    return authority.ends_at(text).date().isoformat()


def _list(client: api.API, *, json: bool) -> None:
    found = client.get("/hanok/v1/hosts")["hosts"]
    services = {one["host"]: one for one in _services(client)}
    for one in found:
        known = services.get(one["name"], {})
        one["status"], one["zone"] = known.get("status", ""), known.get("zone", "")
    if json:
        print_json({"hosts": found})
        return
    rows = [
        (one["name"], one["address"], ", ".join(one["roles"]), one["state"], one["status"], one["zone"])
        for one in found
    ]  # fmt: skip
    say(table(("Host", "Address", "Roles", "State", "New servers", "Zone"), rows))


def _services(client: api.API) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"{COMPUTE}/os-services?binary=nova-compute")[
        "services"
    ]
    return found


def service(client: api.API, host: str) -> dict[str, Any]:
    for one in _services(client):
        if one["host"] == host:
            return one
    raise Failure(f"there is no host {host!r}; hanok host shows them")


def _enable(client: api.API, host: str, *, on: bool) -> None:
    found = service(client, host)
    body = {"status": "enabled"} if on else {"status": "disabled", "disabled_reason": "drained"}
    client("PUT", f"{COMPUTE}/os-services/{found['id']}", body)


def _drain(client: api.API, host: str, *, json: bool) -> int:
    """No new server comes; those that are there go elsewhere, one after another; what stays is named."""
    _enable(client, host, on=False)
    moved, stay = [], []
    for server in _servers(client, host):
        why = _move(client, server, host)
        if why:
            stay.append((server["id"], server["name"], why))
        else:
            moved.append(server["id"])
    if json:
        left = [{"id": one[0], "name": one[1], "reason": one[2]} for one in stay]
        print_json({"moved": moved, "left": left})
    else:
        say(f"{host} takes no new servers; {len(moved)} moved, {len(stay)} stay.")
        if stay:
            say(table(("Server", "Name", "Why it stays"), stay))
    return 1 if stay else 0


def _servers(client: api.API, host: str) -> Sequence[dict[str, Any]]:
    path = f"{COMPUTE}/servers/detail?all_tenants=1&host={quote(host, safe='')}"
    found: list[dict[str, Any]] = client.get(path)["servers"]
    return found


def _move(client: api.API, server: dict[str, Any], host: str) -> str:
    """Move a server to another host, while it runs where that can be; returns why it stays, or nothing."""
    path = f"{COMPUTE}/servers/{server['id']}"
    try:
        if server["status"] in ("ACTIVE", "PAUSED") and _moved_running(client, path, host):
            return ""
        client.post(f"{path}/action", {"migrate": None})
        settled = api.wait_until(
            lambda: _settled(client.get(path)["server"]), timeout_s=MOVED_S, every_s=LOOK_S
        )
        if settled == "VERIFY_RESIZE":
            client.post(f"{path}/action", {"confirmResize": None})
            api.wait_until(
                lambda: client.get(path)["server"]["status"] != "VERIFY_RESIZE", timeout_s=MOVED_S
            )
        now = client.get(path)["server"]
    except api.Refused as refused:
        return "" if refused.status == 404 else refused.message
    if now["OS-EXT-SRV-ATTR:host"] != host:
        return ""
    fault: str = (now.get("fault") or {}).get("message", "")
    return fault or "it did not move: see openstack server migration list"


def _moved_running(client: api.API, path: str, host: str) -> bool:
    """Whether a server is on another host now, and was never off."""
    try:
        body = {"os-migrateLive": {"host": None, "block_migration": "auto"}}
        client.post(f"{path}/action", body)
    except api.Refused:
        return False
    api.wait_until(lambda: _settled(client.get(path)["server"]), timeout_s=MOVED_S, every_s=LOOK_S)
    return bool(client.get(path)["server"]["OS-EXT-SRV-ATTR:host"] != host)


def _settled(server: dict[str, Any]) -> str:
    """The status of a server that nothing works on; "" for one that is being moved."""
    return "" if server["OS-EXT-STS:task_state"] else str(server["status"])


def _remove(client: api.API, host: str) -> None:
    missing = None
    try:
        client("DELETE", f"/hanok/v1/hosts/{quote(host, safe='')}")
    except api.Refused as refused:
        if refused.status != 404:
            raise
        missing = refused  # perhaps this broke after that, and goes on
    left = [one for one in _services(client) if one["host"] == host]
    if missing is not None and (not left or left[0]["state"] == "up"):
        raise missing
    for one in left:
        client("DELETE", f"{COMPUTE}/os-services/{one['id']}")
    say(f"{host} is not a host of this cloud any longer. On that machine: hanok destroy")


def _zone(client: api.API, host: str, zone: str) -> None:
    """A zone is an aggregate with its name; a host is in one zone only."""
    service(client, host)
    path = f"{COMPUTE}/os-aggregates"
    found = client.get(path)["aggregates"]
    for one in found:
        if one["availability_zone"] not in (None, zone) and host in one["hosts"]:
            client.post(f"{path}/{one['id']}/action", {"remove_host": {"host": host}})
    same = [one for one in found if one["availability_zone"] == zone]
    if any(host in one["hosts"] for one in same):
        say(f"{host} is in the zone {zone}.")
        return
    if not same:
        body = {"aggregate": {"name": zone, "availability_zone": zone}}
        same = [client.post(path, body)["aggregate"]]
    client.post(f"{path}/{same[0]['id']}/action", {"add_host": {"host": host}})
    say(f"{host} is in the zone {zone}.")
