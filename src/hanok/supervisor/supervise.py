"""Keeps a cloud's parts running.

Each part has a task: find the process that runs already or start it, wait until it is ready, watch it, and start it
again when it ends, later each time. Parts outlive a supervisor that is killed; the next one finds them by what they run
and takes them up, so nothing is started twice and no connection is cut.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hanok.base.code import code
from hanok.base.errors import HanokError
from hanok.drivers.qemu import process as guests
from hanok.supervisor import door, processes
from hanok.supervisor.answering import PROBE_EVERY_S, TERM_S
from hanok.supervisor.holding import locked
from hanok.supervisor.parts import LOOK_S, Part, parts
from hanok.supervisor.processes import Process
from hanok.supervisor.settings import BrokenState, Cloud

log = logging.getLogger(__name__)

READY_S = 60.0  # a loaded machine; seconds when it is quiet
POLL_S = 0.02
FIRST_DELAY_S, LONGEST_DELAY_S = 0.2, 30.0
STEADY_S = 60.0  # who ran for so long starts again at once
ROTATE_EVERY_S = 20.0
LOG_BYTES = 10 << 20
ENGINE_LOG_BYTES = 1 << 20  # those lie in /run, in memory

State = Literal["waiting", "starting", "running", "failed", "stopping", "stopped"]


@dataclass
class Running:
    """A part and what has become of it. renewed: it was ended to be started anew."""

    part: Part
    state: State = "waiting"
    process: Process | None = None
    adopted: bool = False
    since_s: float = 0.0
    restarts: int = 0
    trouble: str = ""
    renewed: bool = False
    ready: asyncio.Event = field(default_factory=asyncio.Event)


class Supervisor:
    """One cloud's."""

    def __init__(
        self,
        cloud: Cloud,
        requested: Callable[[], Sequence[Part]],
        prepare: Callable[[], Awaitable[None]],
        ways: Callable[[], Awaitable[None]] | None = None,
        others: Callable[[Supervisor], Awaitable[None]] | None = None,
    ) -> None:
        """
        Args:
            requested: gives the parts, in the order to start them. prepare: makes what they stand on; once.
            ways: makes the ways to the outside; again and again, as others change the host's firewall.
            others: keeps in step with other machines, until cancelled.
        """
        self.cloud = cloud
        self._requested = requested
        self.parts = {part.name: Running(part) for part in requested()}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._prepare = prepare
        self._ways = ways
        self._others = others
        self._ways_lock = asyncio.Lock()
        self._ways_trouble = ""
        self.phase = "preparing"
        self._stop = asyncio.Event()
        self._with_guests = False
        self._leaving = False

    async def run(self) -> None:
        """Until somebody says stop.

        Raises:
            AlreadyRunning: there is another one.
            HanokError, OSError: what the engines stand on could not be made.
        """
        with locked(self.cloud):
            async with door.opened(self.cloud.socket, self._answer):
                await self._prepare()
                await self._make_ways()
                self.phase = "running"
                async with asyncio.TaskGroup() as group:
                    self._group = group
                    self._keep_all(group)
                    beside = [group.create_task(self._upkeep())]
                    if self._others is not None:
                        beside.append(group.create_task(self._until_stopped(self._others)))
                    await self._stop.wait()
                    self.phase = "stopping"
                    for task in beside:
                        task.cancel()
                    if self._leaving:
                        for keeper in self._keepers.values():
                            keeper.cancel()
                    else:
                        await self._stop_all()

    def _keep_all(self, group: asyncio.TaskGroup) -> None:
        for name, running in self.parts.items():
            if name not in self._keepers:
                self._keepers[name] = group.create_task(self._keep(running), name=name)

    async def follow_parts(self) -> dict[str, list[str]]:
        """Keep the parts that the cloud has got since this began, and no longer those that it has lost."""
        found = {part.name: part for part in self._requested()}
        gone = {name: one for name, one in self.parts.items() if name not in found}
        new = [name for name in found if name not in self.parts]
        # In their own order, which is that of stopping, too.
        self.parts = {
            name: self.parts.get(name) or Running(part) for name, part in found.items()
        } | gone
        for name, running in gone.items():
            await self._stop_one(running)
            del self.parts[name]
        if self._group is not None and not self._stop.is_set():
            self._keep_all(self._group)
        return {"new": new, "gone": list(gone)}

    async def _stop_one(self, running: Running) -> None:
        running.state = "stopping"
        keeper = self._keepers.pop(running.part.name)
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper
        await self._end(running)
        self._forget(running)
        running.state = "stopped"

    async def _until_stopped(self, others: Callable[[Supervisor], Awaitable[None]]) -> None:
        await others(self)

    def tell(self, name: str, number: int) -> None:
        """Send a signal to a part that runs."""
        running = self.parts[name]
        if running.process is not None and running.process.alive:
            running.process.send(number)

    def stop(self, *, with_guests: bool = False) -> None:
        """End; with_guests: the data plane too, whoever uses it."""
        self._with_guests = self._with_guests or with_guests
        self._stop.set()

    def leave(self) -> None:
        """End, and let all parts go on: another supervisor takes them up."""
        self._leaving = True
        self._stop.set()

    async def _answer(self, question: dict[str, Any]) -> dict[str, Any]:
        match question.get("do"):
            case "status":
                return self.status()
            case "ways":
                return {"trouble": await self._make_ways()}
            case "parts":
                return dict(await self.follow_parts())
            case "stop":
                log.info("told to stop")
                self.stop(with_guests=bool(question.get("guests")))
                return {"stopping": True}
            case "leave":
                log.info("told to leave the parts to another supervisor")
                self.leave()
                return {"leaving": True}
            case "renew":
                return await self._renew(str(question.get("part")))
        return {"error": "unknown question"}

    async def _renew(self, name: str) -> dict[str, Any]:
        """End a part's process, so that it is started with the code that there is now."""
        running = self.parts.get(name)
        if running is None or running.process is None:
            return {"error": f"{name} does not run"}
        process = Process.open(running.process.pid)
        if process is None:
            return {"error": f"{name} does not run"}
        log.info("%s (process %d) is replaced", name, process.pid)
        running.renewed = True
        await process.stop(running.part.stop_signal, timeout_s=running.part.stop_s)
        process.close()
        return {"ended": True}

    def status(self) -> dict[str, Any]:
        """For `hanok status`."""
        now_s = time.monotonic()
        return {
            "pid": os.getpid(),
            "code": code(),
            "phase": self.phase,
            "parts": [
                {
                    "name": running.part.name,
                    "state": running.state,
                    "pid": running.process.pid if running.process else None,
                    "for_s": round(now_s - running.since_s, 1) if running.since_s else 0.0,
                    "restarts": running.restarts,
                    "adopted": running.adopted,
                    "trouble": running.trouble,
                }
                for running in self.parts.values()
            ],
        }

    # ---- one part

    async def _keep(self, running: Running) -> None:
        for name in running.part.after:
            await self.parts[name].ready.wait()
        delay_s = FIRST_DELAY_S
        try:
            while True:
                running.state, running.since_s = "starting", time.monotonic()
                try:
                    await self._begin(running)
                    running.state, running.trouble = "running", ""
                    running.ready.set()
                    assert running.process is not None
                    how = await self._end_of(running, running.process)
                except (OSError, TimeoutError, HanokError) as error:
                    how = f"did not start: {error or type(error).__name__}"
                    await self._end(running)
                self._forget(running)
                if running.renewed:
                    running.renewed, delay_s = False, FIRST_DELAY_S
                    continue
                if time.monotonic() - running.since_s >= STEADY_S:
                    delay_s = FIRST_DELAY_S
                running.state, running.trouble = "failed", how
                running.restarts += 1
                log.error("%s %s; it is started again in %.1f s", running.part.name, how, delay_s)
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, LONGEST_DELAY_S)
        finally:
            running.ready.set()  # nobody waits for a part that is being stopped

    async def _end_of(self, running: Running, process: Process) -> str:
        """Wait until a part's process is gone, or answers nobody and is ended for that; returns how it went."""
        silence = ""
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(self._until_silent(running))
            ended = group.create_task(process.ended())
            await asyncio.wait((watch, ended), return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                silence = f"did not answer for {running.part.silent_s:.0f} s and was ended"
                running.state, running.trouble = "failed", silence
                log.error(
                    "%s (process %d) does not answer and is ended", running.part.name, process.pid
                )
                await process.stop(running.part.stop_signal, timeout_s=TERM_S)
            watch.cancel()
        status = process.status()
        return silence or ("ended" if status is None else f"ended with status {status}")

    async def _until_silent(self, running: Running) -> None:
        """Return when a part has left requests unanswered for as long as it may."""
        part = running.part
        if part.answers is None or not part.silent_s:
            await asyncio.Event().wait()
            return
        heard = time.monotonic()
        while time.monotonic() - heard < part.silent_s:
            await asyncio.sleep(min(PROBE_EVERY_S, part.silent_s / 3))
            requested = time.monotonic()
            if await part.answers():
                heard, running.trouble = time.monotonic(), ""
            else:
                running.trouble = f"has not answered for {time.monotonic() - heard:.0f} s"
                await asyncio.sleep(max(0.0, requested + part.silent_s / 6 - time.monotonic()))

    async def _begin(self, running: Running) -> None:
        part = running.part
        running.process = await self._adopt(part)
        running.adopted = running.process is not None
        if running.process is None:
            with open_log(self.cloud, part.name) as file:
                running.process = processes.start(
                    part.argv, env=part.env, uid=part.uid, gid=part.gid, log=file.fileno()
                )
        process = running.process
        async with asyncio.timeout(READY_S):
            while not await self._is_ready(part):
                if not process.alive:
                    status = process.status()
                    raise OSError(
                        f"it ended at once with status {status}, see hanok logs {part.name}"
                    )
                await asyncio.sleep(POLL_S)
        if not process.alive:  # somebody else answered in its place
            raise OSError(f"it ended at once, see hanok logs {part.name}")
        if part.then is not None:
            await part.then()

    @staticmethod
    async def _is_ready(part: Part) -> bool:
        try:
            async with asyncio.timeout(LOOK_S):
                return await part.ready()
        except (OSError, TimeoutError):
            return False

    async def _adopt(self, part: Part) -> Process | None:
        """The process of an earlier supervisor; what is not exactly the same is replaced."""
        found = await asyncio.to_thread(processes.find, part.tail, part.uid)
        kept = None
        for process in found:
            same = tuple(processes.arguments(process.pid)) in (part.argv, part.tail)
            if kept is None and same:
                kept = process
                log.info("%s runs already (process %d) and is taken up", part.name, process.pid)
                continue
            await process.stop(part.stop_signal, timeout_s=part.stop_s)
            process.close()
        return kept

    async def _end(self, running: Running) -> None:
        if running.process is not None:
            await running.process.stop(running.part.stop_signal, timeout_s=running.part.stop_s)

    @staticmethod
    def _forget(running: Running) -> None:
        if running.process is not None:
            running.process.close()
            running.process = None

    # ---- all of them

    async def _stop_all(self) -> None:
        """In the reverse order of starting; the data plane stays while a guest needs it."""
        for running in reversed(list(self.parts.values())):
            if running.part.data_plane and not self._with_guests and self._guests_run():
                log.info("guests run: %s goes on", running.part.name)
                self._keepers[running.part.name].cancel()
                continue
            await self._stop_one(running)

    def _guests_run(self) -> bool:
        return bool(guests.scan(str(self.cloud.run / "node")))

    async def _make_ways(self) -> str:
        """The ways to the outside are there; else why not. Without them the cloud still runs."""
        if self._ways is None:
            return ""
        async with self._ways_lock:
            try:
                await self._ways()
                trouble = ""
            except (HanokError, OSError, ValueError, BrokenState) as error:
                detail = getattr(error, "detail", "")
                trouble = f"{error}{f' ({detail})' if detail else ''}"
            if trouble and trouble != self._ways_trouble:
                log.error("guests and the outside: %s", trouble)
            self._ways_trouble = trouble
        return trouble

    async def _upkeep(self) -> None:
        """Keep logs short and the ways to the outside there.

        Logs' writers append, so a file may be cut under their hands.
        """
        while True:
            await asyncio.sleep(ROTATE_EVERY_S)
            await self._make_ways()
            for path in self.cloud.logs.glob("*.log"):
                rotate(path, LOG_BYTES, keep=True)
            for folder in ("ovs", "ovn"):
                for path in (self.cloud.run / folder).glob("*.log"):
                    rotate(path, ENGINE_LOG_BYTES, keep=False)


def rotate(path: Path, limit: int, *, keep: bool) -> None:
    """Empty a log that is longer than limit bytes; keep: what it held becomes <name>.1."""
    try:
        if path.stat().st_size <= limit:
            return
        if keep:
            older = path.with_name(f"{path.name}.1")
            with open(path, "rb") as source, open(older, "wb") as target:
                while chunk := source.read(1 << 20):
                    target.write(chunk)
        os.truncate(path, 0)
    except OSError as error:
        log.warning("%s could not be shortened: %s", path.name, error)


class open_log:
    """A part's log, for appending."""

    def __init__(self, cloud: Cloud, part: str) -> None:
        self._path = cloud.logs / f"{part}.log"

    def __enter__(self) -> Any:
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(handle, "ab", buffering=0)
        return self._file

    def __exit__(self, *_: object) -> None:
        self._file.close()


def leftover_processes(cloud: Cloud, of: Sequence[Part] | None = None) -> list[tuple[int, str]]:
    """Processes of a cloud's parts that run, by id and name."""
    found = []
    for part in of if of is not None else parts(cloud):
        for process in processes.find(part.tail, part.uid):
            found.append((process.pid, part.name))
            process.close()
    return found
