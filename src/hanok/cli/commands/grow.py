"""`hanok grow database [URL]`: the cloud's rows go from SQLite to PostgreSQL while it runs; `--undo`: and back.

Without an address a server of the cloud's own is set up on this machine, of Debian's package.
`hanok grow controllers`: HAProxy at this controller's address, in front of the control processes of all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from hanok.base.errors import HanokError
from hanok.base.failpoints import arm_from_environment
from hanok.cli import api, creation, packages, settings_of_rows
from hanok.cli.archive import know_tables
from hanok.cli.main import as_json, state_dir
from hanok.cli.output import Failure, Steps, fail, print_json, say
from hanok.cli.place import cloud_of, needs_root
from hanok.control.settings import ControlSettings, load
from hanok.store import moved, moving, server
from hanok.store.moving import Broken, Moved
from hanok.supervisor import database_server, door, front, membership, parts, processes
from hanok.supervisor.settings import Cloud
from hanok.supervisor.supervise import holder, open_log

READY_S, REACH_S, LOOK_S = 60.0, 120.0, 0.1
PACKAGE = "postgresql"
FILE = "sqlite:///"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        choices=["database", "controllers"],
        help="database: the rows go to PostgreSQL; controllers: one address in front of all machines that run control",
    )
    parser.add_argument(
        "url", nargs="?", default="", metavar="URL",
        help="an empty database, postgresql://user:password@host/name, or - to read that from the input; "
        "without: a server of the cloud's own, here",
    )  # fmt: skip
    parser.add_argument(
        "--undo",
        action="store_true",
        help="forget a move that was broken off; of one that was done, bring the rows back (hanok down first)",
    )
    state_dir(parser)
    as_json(parser)


def run(args: argparse.Namespace) -> int:
    arm_from_environment()
    cloud = cloud_of(args)
    needs_root(cloud, "hanok grow")
    if args.what == "controllers":
        if args.url:
            raise Failure("hanok grow controllers takes no address")
        with creation.one_at_a_time(cloud.state):
            return (_front_gone if args.undo else _front)(cloud, json=args.json)
    if cloud.is_member:
        raise Failure("this machine joined a cloud, which grows where it began")
    if args.undo and membership.controllers(cloud):
        raise Failure("other controllers use this database: hanok host remove them first")
    if args.url == "-":  # arguments can be seen by everybody on this machine
        args.url = sys.stdin.readline().strip() or fail(
            "the first line of the input is not an address"
        )
    if args.url:
        _attempt(lambda: server.arguments(args.url))
    with creation.one_at_a_time(cloud.state):
        if args.undo:
            return _undo(cloud, json=args.json)
        return _grow(cloud, args.url, json=args.json)


def _settings(cloud: Cloud) -> ControlSettings:
    """
    Raises:
        Failure: they cannot be read.
    """
    try:
        settings = load(cloud.control_settings)
    except (OSError, msgspec.MsgspecError, ValueError) as error:
        raise Failure(f"{cloud.control_settings} cannot be read: {error}") from None
    know_tables(settings)
    return settings


def _path(cloud: Cloud) -> Path:
    """The SQLite file that has the rows now, or had them.

    Raises:
        Failure: the settings name a server.
    """
    url = _settings(cloud).database_url
    if not url.startswith(FILE):
        raise Failure(f"the rows are there already: {server.shown(url)}")
    return Path(url.removeprefix(FILE))


# ---- one address in front of all controllers


def _front(cloud: Cloud, *, json: bool) -> int:
    if not cloud.tls:
        raise Failure(
            "other machines cannot reach this cloud: hanok down, then hanok up --address with an "
            "address of this machine"
        )
    _check_controller(cloud)
    steps = Steps(2, to_stderr=json)
    with steps.step("Control answers behind it"):
        cloud.front_mark.touch()
        _renew_control(cloud)
    with steps.step("It answers in front"):
        _wait(lambda: bool(front.proxy(cloud).pids()) and api.answers(cloud), "nobody answers")
    return _say_front(cloud, json=json)


def _front_gone(cloud: Cloud, *, json: bool) -> int:
    _check_controller(cloud)
    steps = Steps(2, to_stderr=json)
    with steps.step("Nothing is in front"):
        cloud.front_mark.unlink(missing_ok=True)
        _wait(lambda: not front.proxy(cloud).pids(), "what is in front does not end")
    with steps.step("Control answers by itself"):
        _renew_control(cloud)
        _wait(lambda: api.answers(cloud), "control does not answer")
    return _say_front(cloud, json=json)


def _say_front(cloud: Cloud, *, json: bool) -> int:
    behind = membership.controls(cloud) if cloud.front else []
    if json:
        print_json({"front": cloud.front, "url": cloud.url, "behind": [one for one, _ in behind]})
    elif cloud.front:
        say(f"At {cloud.url} answers one of: {', '.join(one for one, _ in behind)}.")
        say("It follows controllers that join or are removed.")
    else:
        say(f"At {cloud.url} answers the control process of this machine.")
    return 0


def _check_controller(cloud: Cloud) -> None:
    if not cloud.has_control:
        raise Failure(
            "this machine runs no control process: hanok join … --roles controller,compute"
        )
    if holder(cloud) is None:
        raise Failure("the cloud does not run; hanok up first")


def _renew_control(cloud: Cloud) -> None:
    """Control is started anew, with the settings that there are now."""
    parts.write_own_control(cloud)
    try:
        answer = door.ask(cloud.socket, {"do": "renew", "part": "control"}, timeout_s=READY_S)
    except door.Silence as silence:
        raise Failure(f"the supervisor does not answer: {silence}") from None
    if "error" in answer:
        raise Failure(f"control cannot be replaced: {answer['error']}")

    def runs() -> bool:
        told = door.ask(cloud.socket, {"do": "status"})["parts"]
        return any(one["name"] == "control" and one["state"] == "running" for one in told)

    _wait(runs, "control does not start; see hanok logs control")


def _wait(look: Callable[[], bool], why: str) -> None:
    if not api.wait_until(look, timeout_s=READY_S):
        raise Failure(why)


# ---- there


def _grow(cloud: Cloud, url: str, *, json: bool) -> int:
    path = _path(cloud)
    steps = Steps(3 if url else 4, to_stderr=json)
    there = moved.place(f"{FILE}{path}")
    if there.startswith(FILE):
        if not url:
            with steps.step("A PostgreSQL server of the cloud's own"):
                url = _own_server(cloud, steps)
        with steps.step("Rows go to PostgreSQL"):
            check_reached(cloud, url)
            done = _move(path, url, steps)
    else:  # an earlier one ended after the rows had moved
        url, done = there, Moved(rows=0, changed=0, paused_s=0.0)
    with steps.step("Settings"):
        settings_of_rows.put(cloud.state, url)
        parts.write_control(cloud)
    with steps.step("The stamp of the move is taken away"):
        _attempt(lambda: asyncio.run(moving.finish(url)))
    if json:
        print_json({"database": server.shown(url)} | msgspec.to_builtins(done))
    else:
        say(
            f"The rows are in {server.shown(url)}; {done.rows} rows, each compared; "
            f"writes waited for {done.paused_s:.2f} s."
        )
        say(f"{path} is no longer used; it is as it was at that moment.")
    return 0


REACH = """
import asyncio, sys
from hanok.base.errors import HanokError
from hanok.store import server
try:
    asyncio.run(server.reach(sys.stdin.read()))
except HanokError as error:
    sys.exit(f"{error.message} {error.detail}")
"""


def check_reached(cloud: Cloud, url: str) -> None:
    """Control, which is another user, reaches the server, and reads the certificates that the address names.

    Raises:
        Failure
    """
    uid = None if cloud.settings.simulated else cloud.control_uid
    done = subprocess.run(
        [sys.executable, "-P", "-c", REACH],
        input=url,
        capture_output=True,
        text=True,
        user=uid,
        group=uid,
        extra_groups=None if uid is None else [],
        cwd="/",
        env=processes.environment(HOME=str(cloud.state)),
        timeout=REACH_S,
    )
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason was given"])[-1]
        raise Failure(f"the control process does not reach this database: {why}")


def _move(path: Path, url: str, steps: Steps) -> Moved:
    found: list[Moved] = []
    _attempt(lambda: found.append(asyncio.run(moving.move(path, url, steps.tell))))
    return found[0]


def _attempt(work: Callable[[], object]) -> None:
    """Raises Failure, in words, where it could not be done."""
    try:
        work()
    except Broken as broken:
        raise Failure(f"nothing has moved: {broken}") from None
    except HanokError as error:
        why = f"{error.message} {error.detail}".strip()
        raise Failure(f"{why} (the cloud goes on as before)") from None


def _own_server(cloud: Cloud, steps: Steps) -> str:
    """The address of a server that runs here with the cloud."""
    if cloud.settings.simulated:
        raise Failure(
            "a simulated cloud has no server of its own; name one: hanok grow database URL"
        )
    if holder(cloud) is None:
        raise Failure("the cloud does not run; hanok up first")
    if database_server.programs() is None:
        steps.tell(f"installing {PACKAGE}")
        packages.install([PACKAGE])
    try:
        database_server.make(cloud)
        membership.certify(cloud)
    except database_server.NotMade as error:
        raise Failure(str(error)) from None
    try:
        door.ask(cloud.socket, {"do": "parts"})
        _wait_for_server(cloud)
    except door.Silence as silence:
        raise Failure(f"the supervisor does not answer: {silence}") from None
    return database_server.url(cloud)


def _wait_for_server(cloud: Cloud) -> None:
    until = time.monotonic() + READY_S
    while True:
        told = door.ask(cloud.socket, {"do": "status"})["parts"]
        one = next((part for part in told if part["name"] == "postgres"), None)
        if one is not None and one["state"] == "running":
            return
        if time.monotonic() > until:
            why = (one or {}).get("trouble") or "it was not started"
            raise Failure(f"PostgreSQL does not start: {why}; see hanok logs postgres")
        time.sleep(LOOK_S)


# ---- and back


def _undo(cloud: Cloud, *, json: bool) -> int:
    path, url = _places(cloud)
    if url:
        return _back(cloud, path, url, json=json)
    found = moving.undo(path)
    if database_server.is_made(cloud):
        _forget_server(cloud)
        found = True
    if json:
        print_json({"undone": found, "rows": 0})
    else:
        say(
            "The move is forgotten; the rows are where they were."
            if found
            else "No move was begun."
        )
    return 0


def _places(cloud: Cloud) -> tuple[Path, str]:
    """The SQLite file, and the address of the server that has the rows; "" where the file has them."""
    settings = _settings(cloud)
    path = ControlSettings(state_dir=str(cloud.state)).database_url
    there = moved.place(settings.database_url)
    return Path(path.removeprefix(FILE)), "" if there.startswith(FILE) else there


def _back(cloud: Cloud, path: Path, url: str, *, json: bool) -> int:
    """The rows come back into a file, while nobody uses them."""
    if holder(cloud) is not None:
        raise Failure("the way back is for a cloud that does not run: hanok down first")
    steps = Steps(2, to_stderr=json)
    rows: list[int] = []
    with steps.step("Rows come back to SQLite"), _server_for_a_while(cloud):
        _attempt(lambda: rows.append(asyncio.run(moving.back(path, url))))
    with steps.step("Settings"):
        settings_of_rows.put(cloud.state, "")
        parts.write_control(cloud)
        ours = database_server.is_made(cloud) and url == database_server.url(cloud)
        if ours:
            _forget_server(cloud)
    if json:
        print_json({"undone": True, "rows": rows[0]})
    else:
        say(f"The rows are in {path}: {rows[0]}, each compared. hanok up starts the cloud.")
        if not ours:
            say(f"The tables in {server.shown(url)} are left as they were; nothing uses them.")
    return 0


async def _is_ready(part: parts.Part) -> bool:
    return await part.ready()


@contextmanager
def _server_for_a_while(cloud: Cloud) -> Iterator[None]:
    """The cloud's own database server runs while the block does, if there is one."""
    if not database_server.is_made(cloud):
        yield
        return
    database_server.write_files(cloud)
    (part,) = [one for one in parts.parts(cloud) if one.name == "postgres"]
    with open_log(cloud, part.name) as file:
        process = processes.start(
            part.argv, env=part.env, uid=part.uid, gid=part.gid, log=file.fileno()
        )
    try:
        until = time.monotonic() + READY_S
        while not asyncio.run(_is_ready(part)):
            if time.monotonic() > until or not process.alive:
                raise Failure("PostgreSQL does not start; see hanok logs postgres")
            time.sleep(LOOK_S)
        yield
    finally:
        asyncio.run(process.stop(part.stop_signal, timeout_s=part.stop_s))
        process.close()


def _forget_server(cloud: Cloud) -> None:
    """The server that was made for the rows, and has none, is gone."""
    (data := database_server.folder(cloud) / "data").rename(data.with_name("gone"))
    if holder(cloud) is not None:
        door.ask(cloud.socket, {"do": "parts"}, timeout_s=READY_S)
    database_server.forget(cloud)
