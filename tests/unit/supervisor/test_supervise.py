"""The supervisor with parts that only sleep."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from hanok.supervisor import answering, processes, supervise
from hanok.supervisor.holding import AlreadyRunning, holder
from hanok.supervisor.parts import Part
from hanok.supervisor.settings import Cloud, CloudSettings
from hanok.supervisor.supervise import Running, Supervisor, rotate

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pidfds are Linux's")


class Here(Cloud):
    """A cloud whose sockets are in its state directory too."""

    @property
    def run(self) -> Path:
        return self.state / "run"


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    made = Here(tmp_path, CloudSettings(id="abcdef", simulated=False))
    made.run.mkdir()
    made.logs.mkdir()
    return made


def part(
    cloud: Cloud, name: str, script: str = "import time; time.sleep(600)", **more: object
) -> Part:
    async def ready() -> bool:
        return True

    argv = (sys.executable, "-S", "-c", script, name, str(cloud.state))
    values = {"ready": ready, "stop_s": 2.0, **more}
    return Part(name=name, argv=argv, tail=argv[3:], env=dict(os.environ), uid=None, gid=None,
                **values)  # type: ignore[arg-type]  # fmt: skip


@asynccontextmanager
async def running(cloud: Cloud, *parts: Part) -> AsyncIterator[Supervisor]:
    async def nothing() -> None:
        pass

    supervisor = Supervisor(cloud, lambda: parts, nothing)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(supervisor.run())
        try:
            yield supervisor
        finally:
            supervisor.stop(with_guests=True)
            with suppress(AlreadyRunning):
                await task


async def until(true: Callable[[], bool], timeout_s: float = 60) -> None:
    async with asyncio.timeout(timeout_s):
        while not true():
            await asyncio.sleep(0.01)


def runs(one: Running) -> Callable[[], bool]:
    return lambda: one.state == "running"


def pid(one: Running) -> int:
    assert one.process is not None
    return one.process.pid


async def test_parts_start_and_stop(cloud: Cloud) -> None:
    async with running(cloud, part(cloud, "a"), part(cloud, "b", after=("a",))) as supervisor:
        await until(runs(supervisor.parts["b"]))
        ids = [pid(one) for one in supervisor.parts.values()]
        assert holder(cloud) == os.getpid()
    assert holder(cloud) is None
    assert all(processes.started_ticks(one) is None for one in ids)


async def test_a_part_that_ends_is_started_again(cloud: Cloud) -> None:
    async with running(cloud, part(cloud, "a")) as supervisor:
        one = supervisor.parts["a"]
        await until(runs(one))
        first = pid(one)
        os.kill(first, signal.SIGKILL)
        await until(lambda: one.restarts >= 1 and one.state == "running")
        assert pid(one) != first


async def test_a_part_that_cannot_start_says_so_and_waits_longer_each_time(cloud: Cloud) -> None:
    async with running(cloud, part(cloud, "a", "raise SystemExit(3)")) as supervisor:
        one = supervisor.parts["a"]
        await until(lambda: one.restarts >= 2 and "status 3" in one.trouble)
    log = (cloud.logs / "a.log").read_text()
    assert log == ""


async def test_the_next_supervisor_takes_up_what_runs(cloud: Cloud) -> None:
    async with running(cloud, part(cloud, "a")) as supervisor:
        await until(runs(supervisor.parts["a"]))
        first = pid(supervisor.parts["a"])
        # A kernel that is still beginning a program shows no arguments of it for a moment.
        await until(lambda: processes.arguments(first) != [])
        # As if killed: it lets go of everything without stopping it.
        for task in asyncio.all_tasks():
            if task.get_name() == "a":
                task.cancel()
        supervisor.parts.clear()
    async with running(cloud, part(cloud, "a")) as supervisor:
        await until(runs(supervisor.parts["a"]))
        assert pid(supervisor.parts["a"]) == first
        assert supervisor.parts["a"].adopted


async def test_what_runs_otherwise_than_now_requested_is_replaced(cloud: Cloud) -> None:
    old = part(cloud, "a")
    with supervise.open_log(cloud, "a") as file:
        before = processes.start(
            (sys.executable, "-S", "-E", *old.argv[2:]),
            env=old.env, uid=None, gid=None, log=file.fileno(),
        )  # fmt: skip
    await until(lambda: tuple(processes.arguments(before.pid))[-3:] == old.tail)
    async with running(cloud, old) as supervisor:
        await until(runs(supervisor.parts["a"]))
        assert pid(supervisor.parts["a"]) != before.pid
        assert not before.alive
    before.close()


async def test_the_data_plane_stays_while_guests_run(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Supervisor, "_guests_run", lambda self: True)
    requested = [part(cloud, "switch", data_plane=True), part(cloud, "control")]
    supervisor = Supervisor(cloud, lambda: requested, lambda: asyncio.sleep(0))
    async with asyncio.TaskGroup() as group:
        group.create_task(supervisor.run())
        await until(lambda: all(one.state == "running" for one in supervisor.parts.values()))
        switch, control = (pid(one) for one in supervisor.parts.values())
        supervisor.stop()
    assert processes.started_ticks(switch) is not None
    assert processes.started_ticks(control) is None
    process = processes.Process.open(switch)
    assert process is not None
    await process.stop()
    process.close()


async def test_there_is_one_supervisor(cloud: Cloud) -> None:
    async with running(cloud, part(cloud, "a")) as supervisor:
        await until(runs(supervisor.parts["a"]))
        with pytest.raises(AlreadyRunning):
            await Supervisor(cloud, list, lambda: asyncio.sleep(0)).run()


def test_a_long_log_is_cut_and_its_past_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"x" * 100)
    rotate(path, 50, keep=True)
    assert path.read_bytes() == b""
    assert (tmp_path / "a.log.1").read_bytes() == b"x" * 100
    rotate(tmp_path / "none.log", 50, keep=True)


_ANSWERING = """
import signal, socket, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with socket.create_server(("127.0.0.1", 0)) as server:
    open(sys.argv[2] + "/port", "w").write(str(server.getsockname()[1]))
    while True:
        line, _ = server.accept()
        line.recv(1000)
        line.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
        line.close()
"""


@pytest.mark.parametrize("how", ["stopped", "busy"])
async def test_a_part_that_does_not_answer_is_ended_and_started_again(
    cloud: Cloud, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alive and answering nobody, and it heeds no SIGTERM."""
    monkeypatch.setattr(supervise, "TERM_S", 0.2)
    port = cloud.state / "port"

    async def answers() -> bool:
        try:
            number = int(port.read_text())
            return await asyncio.to_thread(answering.answers, "127.0.0.1", number, timeout_s=1.0)
        except (OSError, ValueError):
            return False

    script = _ANSWERING
    if how == "busy":  # it answers once, and then never
        script = script.replace("line.close()", "line.close()\n        while True: pass")
    one = part(cloud, "one", script, answers=answers, ready=answers, silent_s=2.5)
    async with running(cloud, one) as supervisor:
        await until(lambda: supervisor.parts["one"].state == "running")
        kept = supervisor.parts["one"]
        assert kept.process is not None
        first = kept.process.pid
        if how == "stopped":
            os.kill(first, signal.SIGSTOP)
        await until(lambda: kept.restarts == 1)
        assert "did not answer" in kept.trouble
        await until(
            lambda: (
                kept.state == "running" and kept.process is not None and kept.process.pid != first
            )
        )
        assert processes.started_ticks(first) is None
