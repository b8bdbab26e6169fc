"""`hanok upgrade`: what runs on this machine becomes this version, one part after the other; guests go on.

It is called of the new version (its checkout, package or wheel). The machine where the cloud began comes first, then
the others, in any order: versions next to each other work side by side. It stops at the first step that fails and says
how to go back; called again it goes on.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hanok.base.code import VARIABLE, code
from hanok.base.errors import HanokError
from hanok.cli import api, archive, creation, inspection, packages
from hanok.cli.commands import down, logs, up
from hanok.cli.main import as_json, state_dir
from hanok.cli.output import Failure, Steps, print_json, say, typed
from hanok.cli.place import cloud_of, needs_root
from hanok.control.settings import load
from hanok.store import Database, dump, migrate
from hanok.supervisor import door, membership, parts, processes, simulated
from hanok.supervisor.processes import Process
from hanok.supervisor.settings import Cloud, write_whole
from hanok.supervisor.supervise import holder

LEAVE_S, RENEW_S = 30.0, 120.0
LOOK_S = 0.1
NOTE = ".upgrading"  # in the state directory: the program of the version that ran before


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--check", action="store_true", help="say what would be done, try the database's way on a copy, change nothing"
    )  # fmt: skip
    state_dir(parser)
    as_json(parser)


def run(args: argparse.Namespace) -> int:
    cloud = cloud_of(args)
    needs_root(cloud, "hanok upgrade")
    if holder(cloud) is None:
        raise Failure("this cloud does not run; hanok up starts it with this version")
    with creation.one_at_a_time(cloud.state):
        before = _program(cloud)
        steps = Steps(_count(cloud, check=args.check), to_stderr=args.json)
        with steps.step("This version may work beside those that run"):
            _fits(cloud)
        if not cloud.is_member:
            with steps.step("The database, tried on a copy"):
                told = _rehearse(cloud)
        else:
            told = ""
        if not args.check:
            write_whole(cloud.state / NOTE, before + "\n")
            with _way_back(cloud, before):
                (_simulated if cloud.settings.simulated else _real)(cloud, steps)
            (cloud.state / NOTE).unlink()
    late = [] if args.check or cloud.is_member else _late(cloud)
    if args.json:
        print_json({"code": code(), "before": before, "late": late, "changed": not args.check})
        return 0
    if told:
        say(told)
    if args.check:
        say("Nothing was changed.")
        return 0
    say(
        f"What runs here is {code()}. To go back: {before} upgrade --state-dir {typed(cloud.state)}"
    )
    if late:
        say(f"Of another version still: {', '.join(late)}. There, one after another: hanok upgrade")
    return 0


def _count(cloud: Cloud, *, check: bool) -> int:
    first = 1 if cloud.is_member else 2
    return first if check else first + (1 if cloud.settings.simulated else 4 + cloud.has_control)


def _program(cloud: Cloud) -> str:
    """The program of the version that runs, or that ran before an upgrade that broke."""
    note = cloud.state / NOTE
    if note.exists():
        return note.read_text().strip()
    pid = holder(cloud) or 0
    if processes.variable(pid, "HANOK_PACKAGED"):
        return "install the package of the version before, then hanok"
    checkout = processes.variable(pid, "HANOK_CHECKOUT")
    if checkout:
        return f"{checkout}/hanok"
    words = processes.arguments(pid)
    return str(Path(words[0]).with_name("hanok")) if words else "hanok"


def _fits(cloud: Cloud) -> None:
    """A machine that joined follows the machine where the cloud began.

    Raises:
        Failure: that one is of another version.
    """
    if not cloud.is_member:
        return
    from hanok.base.authority import TLSFolder

    context = membership.context(TLSFolder(cloud.node_tls))
    try:
        answer, _ = membership.ask(cloud.settings.cloud, context, "GET", "/hanok/v1/member")
    except (membership.Refused, OSError) as error:
        raise Failure(f"the cloud cannot be asked for its version: {error}") from error
    theirs = str(answer.get("code", "")) or "one before this could be asked"
    if theirs != code():
        raise Failure(
            f"the machine where the cloud began is of version {theirs}, and this program is {code()}: "
            "hanok upgrade there first, with the same program. Nothing was changed"
        )


def _rehearse(cloud: Cloud) -> str:
    """Bring a copy of the database to this version, and say what that is.

    Raises:
        Failure: it cannot be brought there.
    """
    settings = load(cloud.control_settings)
    archive.know_tables(settings)
    url = settings.database_url
    if not url.startswith("sqlite:///"):
        return "The database is PostgreSQL: its migrations are one transaction, which is all there or not."
    copy = cloud.state / ".rehearsal.db"
    copy.unlink(missing_ok=True)
    try:
        return asyncio.run(_tried(url, copy))
    except Exception as error:  # whatever a migration ran into
        why = (
            f"{error.message} {error.detail}".strip()
            if isinstance(error, HanokError)
            else repr(error)
        )
        raise Failure(
            f"the database cannot be brought to this version, and nothing was changed: {why}"
        ) from error
    finally:
        for one in cloud.state.glob(".rehearsal.db*"):
            one.unlink()


async def _tried(url: str, copy: Path) -> str:
    await dump.copied(url, copy)
    before = await dump.run(f"sqlite:///{copy}", dump.version_of)
    database = Database(f"sqlite:///{copy}", durable=False)
    await database.open()
    try:
        await migrate.ensure(database)
    finally:
        await database.close()
    after = await dump.run(f"sqlite:///{copy}", dump.version_of)
    if before == after:
        return f"The database stays as it is ({after})."
    return f"The database goes from {before} to {after}; tried on a copy."


@contextmanager
def _way_back(cloud: Cloud, before: str) -> Iterator[None]:
    """Whatever fails says how to go back."""
    try:
        yield
    except Failure as failure:
        raise Failure(
            f"{failure.message}\nGuests go on. To try again: the same command. To go back: {before} upgrade "
            f"--state-dir {typed(cloud.state)}",
            status=failure.status,
        ) from failure


def _simulated(cloud: Cloud, steps: Steps) -> None:
    with steps.step("The cloud, simulated"):
        down.stop(cloud, with_guests=False)
        parts.write_simulated_files(cloud)
        process = up.start(cloud, simulated.argv(cloud.state), "control")
        up.wait_for_apis(cloud, process)


def _real(cloud: Cloud, steps: Steps) -> None:
    with steps.step("Debian packages"):
        packages.ensure(steps)
        parts.write_files(cloud)
        up.compile_all()
    with steps.step("Supervisor; engines are taken up as they run"):
        _leave(cloud)
        up.supervise(cloud, steps)
    if cloud.has_control:
        with steps.step("Control"):
            _renew(cloud, "control", steps)
            up.wait_for_apis(cloud)
    with steps.step("Node; guests go on"):
        _renew(cloud, "node", steps)
        if not cloud.is_member:
            up.wait_for_host(cloud)
    with steps.step("All of it is there"):
        _look(cloud)


def _leave(cloud: Cloud) -> None:
    """The old supervisor has gone, and its parts run. One that does not know how to leave is killed: parts outlive it.

    Raises:
        Failure: it does not go.
    """
    pid = holder(cloud)
    process = Process.open(pid) if pid else None
    if process is None:
        return
    try:
        known = "leaving" in door.ask(cloud.socket, {"do": "leave"})
    except door.Silence:
        known = False
    if not known:
        process.send(signal.SIGKILL)
    until = time.monotonic() + LEAVE_S
    while process.alive and time.monotonic() < until:
        time.sleep(LOOK_S)
    gone = not process.alive
    process.close()
    if not gone:
        raise Failure(f"the supervisor (process {pid}) does not end")


def _renew(cloud: Cloud, name: str, steps: Steps) -> None:
    """A part of ours runs this code: one that does already stays.

    Raises:
        Failure: it does not come up.
    """
    if _code_of(cloud, name) == code():
        return
    answer = _ask_supervisor(cloud, {"do": "renew", "part": name})
    if "error" in answer:
        raise Failure(f"{name} cannot be replaced: {answer['error']}")
    until = time.monotonic() + RENEW_S
    while time.monotonic() < until:
        part = _part(cloud, name)
        if part.get("state") == "running" and _code_of(cloud, name) == code():
            return
        if part.get("state") == "failed":
            raise Failure(f"{name} does not start: {up.why_not(cloud, name)}")
        steps.busy(name)
        time.sleep(LOOK_S)
    raise Failure(f"{name} did not start within {RENEW_S:.0f} s; see hanok logs {name}")


def _ask_supervisor(cloud: Cloud, question: dict[str, Any]) -> dict[str, Any]:
    try:
        return door.ask(cloud.socket, question, timeout_s=RENEW_S)
    except door.Silence as silence:
        raise Failure(f"the supervisor does not answer: {silence}") from silence


def _part(cloud: Cloud, name: str) -> dict[str, Any]:
    found = _ask_supervisor(cloud, {"do": "status"})["parts"]
    return next((one for one in found if one["name"] == name), {})


def _code_of(cloud: Cloud, name: str) -> str:
    pid = _part(cloud, name).get("pid")
    return processes.variable(pid, VARIABLE) if pid else ""


def _look(cloud: Cloud) -> None:
    """Raises Failure where something does not run, or runs other code."""
    rows = inspection.parts_of(cloud)
    wrong = [row["name"] for row in rows if row["state"] != "running"]
    if wrong:
        raise Failure(f"{', '.join(wrong)} does not run; see hanok status and hanok logs")
    if cloud.has_control and not api.answers(cloud):
        raise Failure("the APIs do not answer; see hanok logs control")


def _late(cloud: Cloud) -> list[str]:
    """Machines of another version, as far as they say."""
    if cloud.settings.simulated:
        return []
    client = api.API(cloud)
    try:
        client.sign_in()
        found = logs.machines(client)
    except (api.Refused, Failure):
        return []  # the administrator's password was changed: that is no fault of what was done
    return [one["name"] for one in found if one["code"] != code()]
