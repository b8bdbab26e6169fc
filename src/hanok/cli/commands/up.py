"""`hanok up`: make what is missing, start what does not run, say what to do next."""

from __future__ import annotations

import argparse
import compileall
import json
import os
import platform
import shutil
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hanok.base.code import VARIABLE, code
from hanok.cli import api, creation, credentials, first_things, inspection, layouts, packages, ways
from hanok.cli.commands import down
from hanok.cli.main import as_json, state_dir
from hanok.cli.output import Failure, Steps, ago, fail, print_json, say, typed
from hanok.cli.place import state_of
from hanok.supervisor import door, parts, processes, simulated
from hanok.supervisor.processes import Process
from hanok.supervisor.settings import Cloud, forward_of, load
from hanok.supervisor.supervise import holder, open_log

START_S = 120.0  # a loaded machine; a few seconds when it is quiet
HOST_S = 60.0
LOOK_S = 0.05
TICK_S = 1.0  # the kernel tells when it was booted in whole seconds


def arguments(parser: argparse.ArgumentParser) -> None:
    state_dir(parser)
    parser.add_argument(
        "--simulated", action="store_true", help="one process, no root, no engines, no packages"
    )
    parser.add_argument("--port", type=int, metavar="N", help="where the APIs answer (5000)")
    parser.add_argument(
        "--objects-port", type=int, metavar="N", help="where object storage answers (8080)"
    )
    parser.add_argument("--listen", metavar="ADDRESS", help="address of the APIs (127.0.0.1)")
    parser.add_argument(
        "--address", metavar="ADDRESS",
        help="the address of this machine, or a name that has it, for other machines: TLS is on, and they can join",
    )  # fmt: skip
    parser.add_argument("--region", metavar="NAME", help="the region's name (RegionOne)")
    parser.add_argument(
        "--hosts", type=int, metavar="N", help="how many hosts a simulated cloud has (1)"
    )
    parser.add_argument(
        "--snat", action=argparse.BooleanOptionalAction,
        help="whether guests reach the outside, as this host (they do)",
    )  # fmt: skip
    lan = parser.add_mutually_exclusive_group()
    lan.add_argument(
        "--expose-lan",
        metavar="IFACE",
        help="floating IPs answer the LAN of this network device, through this host",
    )
    lan.add_argument(
        "--no-expose-lan",
        dest="expose_lan",
        action="store_const",
        const="",
        help="floating IPs no longer answer the LAN",
    )
    ports = parser.add_mutually_exclusive_group()
    ports.add_argument(
        "--forward", metavar="PORT:SERVER:PORT", action="append",
        help="a TCP port of this host leads to one of a server with a floating IP; once for each, and these are all",
    )  # fmt: skip
    ports.add_argument(
        "--no-forward",
        dest="forward",
        action="store_const",
        const=[],
        help="no port of this host leads to a server any longer",
    )
    parser.add_argument(
        "--layout", choices=sorted(layouts.LAYOUTS), metavar="NAME",
        help="also make what suites look for: devstack",
    )  # fmt: skip
    parser.add_argument(
        "--foreground", action="store_true", help="stay until Ctrl-C, then stop the cloud"
    )
    as_json(parser)


def run(args: argparse.Namespace) -> int:
    started = time.monotonic()
    _check(args)
    state = state_of(args, simulated=args.simulated)
    creation.directory(state, simulated=args.simulated)
    forwards = None if args.forward is None else ways.wishes(args.forward)
    wishes = creation.Wishes(
        args.simulated,
        args.port,
        args.region,
        args.listen,
        args.hosts,
        args.snat,
        args.expose_lan,
        forwards,
        args.objects_port,
        args.address,
        ipv6=args.layout is not None and layouts.LAYOUTS[args.layout].ipv6,
    )
    if args.foreground:
        signal.signal(signal.SIGTERM, _interrupt)
    try:
        with creation.one_at_a_time(state):
            made = load(state)
            if made is not None and made.is_member:
                cloud, process = made, _member(made, args.json)
            else:
                cloud, process = _up(args, state, wishes)
        took_s = time.monotonic() - started
        if cloud.is_member:
            pass  # it was said which cloud this is a machine of
        elif args.json:
            print_json(_facts(cloud, took_s))
        else:
            _goodbye(cloud, took_s)
        return _stay(cloud, process) if args.foreground else 0
    except KeyboardInterrupt:
        if not args.foreground:
            raise
        made = load(state)
        if made is not None:
            down.stop(made, with_guests=False)
        return 0


def _up(
    args: argparse.Namespace, state: Path, wishes: creation.Wishes
) -> tuple[Cloud, Process | None]:
    many = (4 if args.simulated else 9) + bool(args.layout)
    steps = Steps(many, to_stderr=args.json)
    if args.simulated:
        cloud, process = _simulated(state, wishes, steps)
    else:
        cloud, process = _real(state, wishes, steps, layout=bool(args.layout))
    if args.layout:
        with steps.step(f"The layout {args.layout}"):
            layouts.make(cloud, args.layout, _image_of(cloud), steps)
    return cloud, process


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _check(args: argparse.Namespace) -> None:
    if args.port is not None and not 1 <= args.port <= 65535:
        fail(f"--port must be a number from 1 to 65535, not {args.port}")
    if args.objects_port is not None and not 1 <= args.objects_port <= 65535:
        fail(f"--objects-port must be a number from 1 to 65535, not {args.objects_port}")
    if args.hosts is not None and not args.simulated:
        fail("--hosts goes with --simulated; a real cloud has this machine")
    if args.hosts is not None and not 1 <= args.hosts <= 10_000:
        fail(f"--hosts must be a number from 1 to 10000, not {args.hosts}")
    if args.region is not None and not (args.region.strip() and len(args.region) <= 255):
        fail("--region must be a name")
    if not creation.can_bind("127.0.0.1", 0):
        fail("this machine has no address 127.0.0.1, at which the processes of a cloud reach each other: "
             "ip address add 127.0.0.1/8 dev lo")  # fmt: skip
    if args.address is not None and args.listen is not None:
        fail("--address says where the cloud listens; leave --listen out")
    if args.simulated:
        if args.address is not None:
            fail("--address is for a real cloud; a simulated one has its hosts by --hosts")
        if args.snat is not None or args.expose_lan is not None or args.forward is not None:
            fail(
                "--snat, --expose-lan and --forward are for a real cloud: nothing answers in a simulated one"
            )
        return
    if platform.system() != "Linux":
        fail("the real cloud needs Linux; `hanok up --simulated` runs everywhere")
    if os.geteuid() != 0:
        fail("the real cloud needs root: sudo ./hanok up   (or without: ./hanok up --simulated)")
    if platform.machine() != "x86_64":
        fail(f"the real cloud runs on x86_64 so far, not on {platform.machine()}; "
             "`hanok up --simulated` runs here")  # fmt: skip
    if args.expose_lan:
        ways.check_lan(args.expose_lan)
    if not os.path.exists("/dev/net/tun"):
        fail("/dev/net/tun is missing: in a container, start it with --device /dev/net/tun and "
             "--cap-add NET_ADMIN,SYS_ADMIN; or use `hanok up --simulated`")  # fmt: skip


def _member(cloud: Cloud, json: bool) -> Process | None:
    """A machine that joined: what runs on it runs again."""
    steps = Steps(3, to_stderr=json)
    with steps.step("Debian packages"):
        packages.ensure(steps)
    with steps.step("Folders"):
        parts.write_files(cloud)
        if cloud.has_control:
            credentials.write(cloud)
        compile_all()
    with steps.step("Engines and node"):
        process = supervise(cloud, steps)
        if cloud.has_control:
            wait_for_apis(cloud)
    if json:
        print_json({"cloud": cloud.url, "host": cloud.host_name})
    else:
        say(f"This machine is the host {cloud.host_name} of the cloud at {cloud.url}.")
    return process


def _real(
    state: Path, wishes: creation.Wishes, steps: Steps, *, layout: bool
) -> tuple[Cloud, Process | None]:
    with steps.step("Settings"):
        cloud = creation.make(state, wishes)
    with steps.step("Debian packages"):
        packages.ensure(steps)
    with steps.step("Guest image"):
        image = first_things.guest_for(cloud, steps, layout=layout)
    with steps.step("Secrets and folders"):
        parts.write_files(cloud)
        credentials.write(cloud)
        compile_all()
    with steps.step("Engines, control and node"):
        process = supervise(cloud, steps)
    with steps.step("APIs"):
        wait_for_apis(cloud)
    with steps.step("Flavors and the image cirros"):
        first_things.register(cloud, image, steps)
    with steps.step("This machine as a host"):
        wait_for_host(cloud)
    with steps.step("The way to the outside"):
        cloud = ways.lead(cloud, wishes.forwards) if wishes.forwards else ways.again(cloud)
        ways.make(cloud)
    return cloud, process


def _simulated(state: Path, wishes: creation.Wishes, steps: Steps) -> tuple[Cloud, Process | None]:
    with steps.step("Settings"):
        cloud = creation.make(state, wishes)
    with steps.step("Secrets and folders"):
        parts.write_simulated_files(cloud)
        credentials.write(cloud)
    with steps.step("The cloud, simulated"):
        process = None
        if holder(cloud) is None:
            process = start(cloud, simulated.argv(cloud.state), "control")
        wait_for_apis(cloud, process)
    with steps.step("Flavors and the image cirros"):
        path = cloud.state / "cirros.qcow2"
        if not path.exists():
            first_things.write_tiny_image(path)
        first_things.register(cloud, path, steps)
    return cloud, process


def _image_of(cloud: Cloud) -> Path:
    """The file of the image `cirros`."""
    if cloud.settings.simulated:
        return cloud.state / "cirros.qcow2"
    return first_things.guest_image()


def compile_all() -> None:
    """Compile our modules now: control may not write beside them, and would do it at each start."""
    compileall.compile_dir(Path(__file__).parents[2], quiet=2, workers=1)


def start(cloud: Cloud, argv: tuple[str, ...], part: str) -> Process:
    with open_log(cloud, part) as file:
        return processes.start(
            argv,
            env=processes.environment(**{"MALLOC_ARENA_MAX": "2", VARIABLE: code()}),
            uid=None,
            gid=None,
            log=file.fileno(),
        )


def supervise(cloud: Cloud, steps: Steps) -> Process | None:
    """Start the supervisor unless it runs, and wait until all its parts do."""
    process = None
    if holder(cloud) is None:
        argv = (sys.executable, "-P", "-m", "hanok.supervisor", str(cloud.state))
        process = start(cloud, argv, "supervisor")
    until = time.monotonic() + START_S
    status: dict[str, Any] = {}
    while time.monotonic() < until:
        if process is not None and not process.alive:
            fail(f"the supervisor ended: {why_not(cloud, 'supervisor')}")
        try:
            status = door.ask(cloud.socket, {"do": "status"})
        except door.Silence:
            time.sleep(LOOK_S)
            continue
        if status["phase"] == "stopping":
            fail(
                "the cloud is being stopped by another command; run hanok up again when it is down"
            )
        waiting = [part["name"] for part in status["parts"] if part["state"] != "running"]
        if not waiting:
            return process
        broken = [part for part in status["parts"] if part["restarts"] >= 3]
        if broken:
            name = broken[0]["name"]
            known = last_error(cloud, name)
            fail(
                f"{name} does not start: {why_not(cloud, name) if known else broken[0]['trouble']}"
            )
        steps.busy(", ".join(waiting))
        time.sleep(LOOK_S)
    late = [part["name"] for part in status.get("parts", []) if part["state"] != "running"]
    fail(f"not everything started within {START_S:.0f} s: {', '.join(late) or 'the supervisor'}; "
         "see hanok status and hanok logs; a second hanok up goes on waiting")  # fmt: skip


def wait_for_apis(cloud: Cloud, process: Process | None = None) -> None:
    """Raises Failure when they do not answer within START_S."""
    until = time.monotonic() + START_S
    while other := _not_yet(cloud):
        if process is not None and not process.alive:
            fail(f"the cloud ended: {why_not(cloud, 'control')}")
        if time.monotonic() > until:
            fail(other)
        time.sleep(LOOK_S)


def _not_yet(cloud: Cloud) -> str:
    """Why the cloud is not up; "" when it is. Whoever took its port first may answer as it would."""
    if not api.answers(cloud):
        return f"the APIs do not answer at {cloud.url}; see hanok logs control"
    other = creation.taken_by_another(cloud) if not cloud.is_member else ""
    return other and f"port {cloud.settings.port} is in use by {other}; see hanok logs control"


def wait_for_host(cloud: Cloud) -> None:
    """Until servers can be created: the node that runs now has told control what it has."""
    client = api.API(cloud)
    pids = [
        row["pid"] for row in inspection.parts_of(cloud) if row["name"] == "node" and row["pid"]
    ]
    since = processes.started_at(pids[0]) if pids else None
    try:
        client.sign_in()
        path = "/compute/v2.1/os-services?binary=nova-compute"

        def ready() -> bool:
            # One that ran before may have been heard of a moment ago.
            return any(
                one["host"] == cloud.host_name
                and one["state"] == "up"
                and _at(one["updated_at"]) >= (since or 0.0) - TICK_S
                for one in client.get(path)["services"]
            )

        if not api.wait_until(ready, timeout_s=HOST_S, every_s=LOOK_S):
            fail("the node did not report within a minute; see hanok logs node")
    except api.Refused as refused:
        if refused.status != 401:  # the administrator's password was changed: that is no fault
            raise Failure(f"compute does not answer: {refused}") from None


def _at(text: str) -> float:
    """A time of the API, which is UTC, in seconds since 1970."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def last_error(cloud: Cloud, part: str) -> str:
    """The last error a part wrote, in its own words; nothing when it wrote none."""
    try:
        with open(cloud.logs / f"{part}.log", "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 20_000))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    for line in reversed(lines):
        try:
            entry = json.loads(line)
        except ValueError:
            if line.strip():
                return line.strip()[:300]
            continue
        if entry.get("level") in ("error", "critical"):
            return str(entry["message"])
    return ""


def why_not(cloud: Cloud, part: str) -> str:
    """Why a part did not start, and what to do."""
    why = last_error(cloud, part).rstrip(".") or "it left no reason"
    if "database" in why:
        why += (
            f"; the database is {cloud.state}/control/hanok.db: put back a copy of it, or move it away to start "
            "with an empty one"
        )
    return f"{why} (more: {command_name()} logs {part}{_named(cloud)})"


def _facts(cloud: Cloud, took_s: float) -> dict[str, Any]:
    return {
        "url": cloud.url,
        "dashboard": f"{cloud.url}/dashboard",
        "region": cloud.settings.region,
        "simulated": cloud.settings.simulated,
        "state_dir": str(cloud.state),
        "snat": cloud.settings.snat and not cloud.settings.simulated,
        "expose_lan": cloud.settings.expose_lan,
        "forwards": list(cloud.settings.forwards),
        "openrc": str(cloud.openrc),
        "clouds_yaml": str(cloud.clouds_yaml),
        "seconds": round(took_s, 2),
    }


def _goodbye(cloud: Cloud, took_s: float) -> None:
    me = command_name()
    kind = "The simulated cloud" if cloud.settings.simulated else "The cloud"
    named = _named(cloud)
    say()
    say(f"{kind} is up at {cloud.url} (region {cloud.settings.region}), after {ago(took_s)}.")
    say(f"  in the browser             {cloud.url}/dashboard")
    say(f"  for the openstack client   {cloud.openrc}")
    say(f"  for SDKs and tools         {cloud.clouds_yaml}")
    if cloud.settings.expose_lan:
        say(
            f"  machines of the LAN at {cloud.settings.expose_lan} reach floating IPs by a route through this host:"
        )
        say(f"    ip route add {cloud.settings.external_cidr} via <this host's address there>")
    for one in map(forward_of, cloud.settings.forwards):
        say(f"  port {one.port} of this host leads to port {one.to} of {one.address}")
    say("Next:")
    say(f"  . {typed(cloud.openrc)} && openstack server list")
    say(f"  {me} launch{named}")
    say(f"  {me} status{named}")
    if shutil.which("openstack") is None:
        say("(The openstack client is not installed here: pip install python-openstackclient)")


def _named(cloud: Cloud) -> str:
    """What a command that is typed next needs to find this cloud."""
    return "" if _is_default(cloud) else f" --state-dir {typed(cloud.state)}"


def _is_default(cloud: Cloud) -> bool:
    return cloud.state == state_of(argparse.Namespace(state_dir=None))


def command_name() -> str:
    """How this program is called by whoever reads the next line."""
    checkout = os.environ.get("HANOK_CHECKOUT")
    if not checkout or os.environ.get("HANOK_PACKAGED"):
        return "hanok"
    return "./hanok" if os.path.realpath(checkout) == os.getcwd() else typed(f"{checkout}/hanok")


def _stay(cloud: Cloud, process: Process | None) -> int:
    """Wait for Ctrl-C or SIGTERM, then stop the cloud."""
    if process is None:
        pid = holder(cloud)
        process = Process.open(pid) if pid else None
    if process is None:
        return 1

    while process.alive:
        time.sleep(LOOK_S)
    fail(f"the cloud ended: {why_not(cloud, 'control')}")
