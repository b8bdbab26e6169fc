"""A guest's file systems stand still while the copy of its disk begins, and never for longer.

The guest's end of the agent's channel is played: its agent says what it is told, and remembers what it was asked.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio
from tests.node.hosts import House, eventually, house, server

from hanok.base import failpoints
from hanok.base.ids import new_uuid
from hanok.commands import EnsureSnapshot, Failed, SetPower, SnapshotState

FREEZE, THAW = "guest-fsfreeze-freeze", "guest-fsfreeze-thaw"


class Agent:
    """An agent in a guest. refuses: the commands that it does not know."""

    def __init__(self) -> None:
        self.refuses: set[str] = set()
        self.commands: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                question = msgspec.json.decode(line.lstrip(b"\xff"))
                writer.write(self._answer(question))
        writer.close()

    def _answer(self, question: dict[str, object]) -> bytes:
        name = str(question["execute"])
        if name == "guest-sync-delimited":
            arguments = question["arguments"]
            assert isinstance(arguments, dict)
            return b"\xff" + msgspec.json.encode({"return": arguments["id"]}) + b"\n"
        self.commands.append(name)
        answer = {"error": {"class": "CommandNotFound"}} if name in self.refuses else {"return": 1}
        return msgspec.json.encode(answer) + b"\n"

    @contextlib.asynccontextmanager
    async def inside(self, host: House, server_id: str) -> AsyncIterator[None]:
        """It is the one in this guest."""
        path = f"{host.settings.run_dir}/{server_id}/agent"
        with contextlib.suppress(FileNotFoundError):
            (host.folder / "run" / server_id / "agent").unlink()
        async with await asyncio.start_unix_server(self.serve, path):
            yield


@pytest_asyncio.fixture
async def real() -> AsyncIterator[House]:
    async with house("real") as one:
        await one.image()
        yield one
    failpoints.disarm()


async def guest(host: House) -> str:
    return (await host.instance(server())).server_id


async def copied(host: House, server_id: str, how: str, snapshot_id: str = "") -> object:
    """What comes of a snapshot."""
    ask = EnsureSnapshot(
        server_id=server_id,
        snapshot_id=snapshot_id or new_uuid(),
        quiesce=how,  # type: ignore[arg-type]
        wait_s=30,
    )
    return await host.ask(ask)


@pytest.mark.parametrize("how", ["try", "require"])
async def test_the_copy_begins_between_freeze_and_thaw(real: House, how: str) -> None:
    agent, sid = Agent(), await guest(real)
    async with agent.inside(real, sid):
        failpoints.arm("node.snapshot.frozen", "hang", 1)
        asking = asyncio.ensure_future(copied(real, sid, how))
        while not failpoints.waiting("node.snapshot.frozen"):
            await asyncio.sleep(0)
        assert agent.commands == ["guest-ping", FREEZE]
        failpoints.release("node.snapshot.frozen")
        answer = await asking
        assert isinstance(answer, SnapshotState) and answer.done
        assert agent.commands == ["guest-ping", FREEZE, THAW]


async def test_nobody_is_asked_where_nothing_was_said_or_the_guest_stands_still(
    real: House,
) -> None:
    agent, sid = Agent(), await guest(real)
    async with agent.inside(real, sid):
        assert isinstance(await copied(real, sid, "no"), SnapshotState)
        await real.instance(SetPower(server_id=sid, generation=2, power="paused"))
        assert isinstance(await copied(real, sid, "require"), SnapshotState)
        assert agent.commands == []


async def test_a_copy_that_does_not_begin_thaws_all_the_same(real: House) -> None:
    agent, sid = Agent(), await guest(real)
    async with agent.inside(real, sid):
        failpoints.arm("node.snapshot.frozen", "raise", 1)
        with contextlib.suppress(Exception):
            await copied(real, sid, "require")
        assert agent.commands == ["guest-ping", FREEZE, THAW]


@pytest.mark.parametrize("how", ["try", "require"])
async def test_an_agent_that_refuses(real: House, how: str) -> None:
    agent, sid = Agent(), await guest(real)
    agent.refuses.add(FREEZE)
    async with agent.inside(real, sid):
        answer = await copied(real, sid, how)
        if how == "require":
            assert isinstance(answer, Failed) and "could not be quiesced" in answer.message
        else:
            assert isinstance(answer, SnapshotState) and answer.done
        assert agent.commands == ["guest-ping", FREEZE, THAW]


async def test_without_an_agent_there_is_a_copy_only_where_that_may_be(real: House) -> None:
    sid = await guest(real)
    answer = await copied(real, sid, "require")
    assert isinstance(answer, Failed) and "could not be quiesced" in answer.message
    assert (await real.inventory()).snapshots == ()
    answer = await copied(real, sid, "try")
    assert isinstance(answer, SnapshotState) and answer.done


async def test_a_guest_that_a_dead_node_froze_goes_on(real: House) -> None:
    agent, sid = Agent(), await guest(real)
    agent.refuses.add(THAW)  # as if it had not been asked
    async with agent.inside(real, sid):
        await copied(real, sid, "require")
        agent.commands.clear()
        agent.refuses.clear()
        await real.stop()
        await real.start()

        async def thawed() -> bool:
            return agent.commands == [THAW]

        await eventually(thawed)
        await real.stop()
        await real.start()
        assert agent.commands == [THAW]


async def test_an_agent_that_does_not_thaw_is_asked_again_and_the_owner_told(real: House) -> None:
    agent, sid = Agent(), await guest(real)
    agent.refuses.add(THAW)
    async with agent.inside(real, sid):
        assert isinstance(await copied(real, sid, "require"), SnapshotState)

        async def told() -> bool:
            return bool(real.events)

        await eventually(told)
        assert real.events[0].power == "running" and "stand still" in real.events[0].reason
        agent.refuses.clear()

        async def thawed() -> bool:
            return len(real.events) > 1

        await eventually(thawed)
        assert "go on again" in real.events[1].reason and agent.commands[-2:] == [THAW, THAW]
