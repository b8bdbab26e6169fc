"""Whatever ends in the middle of a guest's move, the guest goes on on one host, and on one only."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from tests.node.hosts import House, eventually, house, server
from tests.node.test_moves_real import writes

from hanok.base import failpoints
from hanok.base.authority import Authority, TLSFolder, client_context, request
from hanok.commands import (
    AdmitInstance,
    Answer,
    ByteChannel,
    EnsureInstance,
    ExpectedInstance,
    ExpectInstance,
    Failed,
    InstanceState,
    KeepInstance,
    KeptInstance,
    OfferDisks,
    OfferedDisks,
    OwnGuests,
    RefusedInstance,
    RefuseInstance,
    SendInstance,
    SentInstance,
    SetPower,
    Stale,
    TakeDisks,
    TakenDisks,
    wire,
)
from hanok.drivers.qemu import process
from hanok.node import moves
from hanok.node.errors import NotDone

BEGINS, DISKS, SWITCH, SENT = (
    f"node.send_instance.{place}"
    for place in ("begins", "after_disks", "before_switch", "after_sent")
)


@dataclass
class Two:
    """Two hosts in this process; a guest runs on `old`."""

    old: House
    new: House
    guest: EnsureInstance
    command: SendInstance
    authority: Authority

    async def again(self) -> None:
        """It goes to the same host after all."""
        self.command = await expected(self.old, self.new, self.guest, self.command.generation + 2)
        assert isinstance(answer := await self.send(), SentInstance) and answer.sent
        await self.runs_on(self.new)

    def line(self, host: House) -> Path:
        return Path(host.settings.run_dir) / self.guest.server_id / "serial"

    async def send(self) -> Answer:
        """Until it is sent, or is not."""
        while True:
            answer = await self.old.ask(self.command)
            if not isinstance(answer, SentInstance) or answer.sent:
                return answer

    async def runs_on(self, host: House) -> None:
        """There, and nowhere else; and it writes to its disk."""
        (other,) = [one for one in (self.old, self.new) if one is not host]
        states = [one for one in (await host.inventory()).instances if one.power == "running"]
        assert [one.server_id for one in states] == [self.guest.server_id]
        assert all(one.power != "running" for one in (await other.inventory()).instances)
        assert await writes(self.guest.server_id, self.line(host))

    async def keep(self, *, even_sent: bool = False) -> Answer:
        server_id, generation = self.guest.server_id, self.command.generation + 1
        command = KeepInstance(server_id=server_id, generation=generation, even_sent=even_sent)
        return await self.old.ask(command)

    async def refuse(self) -> Answer:
        generation = self.command.generation + 1
        return await self.new.ask(
            RefuseInstance(server_id=self.guest.server_id, generation=generation)
        )

    async def admit(self) -> Answer:
        server_id, generation = self.guest.server_id, self.command.generation
        return await self.new.ask(AdmitInstance(server_id=server_id, generation=generation))


def tls(authority: Authority, folder: Path, name: str, address: str) -> str:
    made, now = TLSFolder(folder), datetime.datetime.now(datetime.UTC)
    made.take(authority.for_host(request(made.ensure_key()), name, [address], now))
    return str(folder)


async def expected(
    old: House, new: House, one: EnsureInstance, generation: int = 2
) -> SendInstance:
    offer = OfferDisks(server_id=one.server_id, generation=generation, to_host=new.name, live=True)
    offered = await old.ask(offer)
    assert isinstance(offered, OfferedDisks), offered
    take = TakeDisks(
        server_id=one.server_id, generation=generation, source=offered.source, disks=offered.disks,
        facts=offered.facts,
    )  # fmt: skip
    assert isinstance(await new.ask(take), TakenDisks)
    awaited = await new.ask(
        ExpectInstance(
            server_id=one.server_id, generation=generation, instance=one, from_host=old.name,
            sizes=offered.sizes,
        )
    )  # fmt: skip
    assert isinstance(awaited, ExpectedInstance), awaited
    return SendInstance(
        server_id=one.server_id, generation=generation, target=awaited.target,
        disks=tuple(offered.sizes),
        wait_s=0.1,
    )  # fmt: skip


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    authority = Authority.new("cloud", datetime.datetime.now(datetime.UTC))
    places = {"old.example": "127.0.0.1", "new.example": "127.0.0.2"}
    async with contextlib.AsyncExitStack() as stack:
        old, new = [
            await stack.enter_async_context(
                house("real", host=name, address=at, tls=tls(authority, tmp_path / name, name, at))
            )
            for name, at in places.items()
        ]
        one = server()
        for host in (old, new):
            await host.image()
        await old.instance(one)

        async def is_up() -> bool:
            return "login: " in await old.console(one.server_id)

        await eventually(is_up)
        try:
            yield Two(old, new, one, await expected(old, new, one), authority)
        finally:
            failpoints.disarm()


@asynccontextmanager
async def stopped_at(two: Two, place: str) -> AsyncIterator[asyncio.Future[Answer]]:
    """The guest is being sent, and stands at a place while the block runs."""
    failpoints.arm(place, "hang")
    sending = asyncio.ensure_future(two.send())
    async with asyncio.timeout(30):
        while not failpoints.waiting(place):
            assert not sending.done(), sending.result()
            await asyncio.sleep(0.02)
    try:
        yield sending
    finally:
        failpoints.disarm()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def kill(host: House, server_id: str) -> None:
    """A guest's process ends."""
    folder = host.settings.run_dir
    found = process.find(process.scan(folder)[server_id], server_id=server_id, folder=folder)
    assert found is not None
    await found.kill()
    found.close()


async def test_only_the_host_that_has_it_may_send_it(two: Two, tmp_path: Path) -> None:
    own = client_context(TLSFolder(Path(two.old.settings.tls)))
    taken = tls(two.authority, tmp_path / "taken", "taken.example", "127.0.0.3")
    for context, ticket in ((client_context(TLSFolder(Path(taken))), ""), (own, "guessed")):
        target = two.command.target
        if ticket:
            target = ByteChannel(url=target.url, ticket=ticket)
        for stream in ("memory", "disks", "land"):
            with pytest.raises(NotDone, match="takes the server no more") as refused:
                await moves.call(target, context, stream)
            assert "401" in refused.value.detail
    with pytest.raises(NotDone, match="takes the server no more"):
        await moves.call(two.command.target, own, "record.json")
    _, writer = await moves.call(two.command.target, own, "disks")
    writer.close()
    assert isinstance(answer := await two.send(), SentInstance) and answer.sent


async def test_a_guest_writes_nothing_until_its_disks_are_mirrored(two: Two) -> None:
    """QEMU does not hear of a write before it has looked what there is to copy."""
    async with stopped_at(two, BEGINS) as sending:
        writing = asyncio.ensure_future(writes(two.guest.server_id, two.line(two.old)))
        await asyncio.wait([writing], timeout=1)
        assert not writing.done()
        failpoints.release(BEGINS)
        failpoints.disarm()
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        assert isinstance(answer := await sending, SentInstance) and answer.sent
    await two.runs_on(two.new)


@pytest.mark.parametrize("place", [BEGINS, DISKS, SWITCH])
async def test_the_old_hosts_node_ends(two: Two, place: str) -> None:
    async with stopped_at(two, place):
        await two.old.stop()
    await two.old.start()
    await two.runs_on(two.old)
    assert await two.keep() == KeptInstance(sent=False)
    assert await two.refuse() == RefusedInstance(has_come=False)
    await two.runs_on(two.old)


async def test_the_old_hosts_node_ends_when_all_is_sent(two: Two) -> None:
    async with stopped_at(two, SENT):
        await two.old.stop()
    await two.old.start()
    assert isinstance(answer := await two.send(), SentInstance) and answer.sent
    assert await two.keep() == KeptInstance(sent=True)
    admitted = await two.admit()
    assert isinstance(admitted, InstanceState) and admitted.power == "running", admitted
    await two.runs_on(two.new)
    assert await two.refuse() == RefusedInstance(has_come=True)


@pytest.mark.parametrize("place", [DISKS, SWITCH])
async def test_the_new_host_ends(two: Two, place: str) -> None:
    failpoints.arm(place, "hang")
    sending = asyncio.ensure_future(two.send())
    async with asyncio.timeout(30):
        while not failpoints.waiting(place):
            await asyncio.sleep(0.02)
    await kill(two.new, two.guest.server_id)
    await two.new.stop()
    failpoints.release(place)
    failpoints.disarm()
    answer = await asyncio.wait_for(sending, 60)
    assert isinstance(answer, Failed), answer
    await two.new.start()
    assert await two.refuse() == RefusedInstance(has_come=False)
    await two.runs_on(two.old)
    assert await two.keep() == KeptInstance(sent=False)
    await two.again()


async def test_what_has_come_ends_before_it_is_let_go(two: Two) -> None:
    """All of it was there, and is lost: nobody has run it since, so it goes on where it was."""
    async with stopped_at(two, SENT) as sending:
        await kill(two.new, two.guest.server_id)
        failpoints.release(SENT)
        answer = await asyncio.wait_for(asyncio.shield(sending), 60)
        assert isinstance(answer, Failed) and "did not arrive" in answer.message, answer
    await two.runs_on(two.old)


async def test_the_new_hosts_node_ends_when_all_is_sent(two: Two) -> None:
    """Its guest is whole and waits; nobody told it, so control does."""
    async with stopped_at(two, SENT) as sending:
        await two.new.stop()
        await two.new.start()
        failpoints.release(SENT)
        answer = await asyncio.wait_for(asyncio.shield(sending), 60)
        assert isinstance(answer, SentInstance) and answer.sent, answer
    admitted = await two.admit()
    assert isinstance(admitted, InstanceState) and admitted.power == "running", admitted
    await two.runs_on(two.new)


async def test_it_ends_by_itself_on_its_way(two: Two) -> None:
    async with stopped_at(two, DISKS) as sending:
        await kill(two.old, two.guest.server_id)
        failpoints.release(DISKS)
        assert isinstance(await asyncio.wait_for(asyncio.shield(sending), 60), Failed)
    assert await two.keep() == KeptInstance(sent=False)
    assert await two.refuse() == RefusedInstance(has_come=False)
    server_id = two.guest.server_id
    (one,) = (await two.old.inventory()).instances
    assert (one.server_id, one.power) == (server_id, "crashed")
    await two.old.instance(SetPower(server_id=server_id, generation=4, power="running"))

    async def is_up() -> bool:
        return (await two.old.console(server_id)).count("login: ") == 2

    await eventually(is_up)
    await two.runs_on(two.old)


async def test_what_is_left_of_a_move_is_not_started(two: Two) -> None:
    """A server that comes back, switched off, to a host that still has it as it was when it left."""
    assert isinstance(answer := await two.send(), SentInstance) and answer.sent
    again = msgspec.structs.replace(two.guest, generation=5, power="stopped")
    assert (await two.old.instance(again)).power == "stopped"
    assert two.guest.server_id not in (await two.old.inventory()).processes
    await two.runs_on(two.new)


async def test_it_is_called_off(two: Two) -> None:
    async with stopped_at(two, DISKS) as sending:
        keeping = asyncio.ensure_future(two.keep())
        await asyncio.sleep(0.1)
        failpoints.release(DISKS)
        assert await keeping == KeptInstance(sent=False)
        assert isinstance(await sending, Failed | Stale)
    await two.runs_on(two.old)
    stop = SetPower(server_id=two.guest.server_id, generation=4, power="stopped", soft=False)
    assert (await two.old.instance(stop)).power == "stopped"


@pytest.mark.parametrize("ours", [True, False])
async def test_it_is_taken_back_when_nobody_else_has_it(two: Two, ours: bool) -> None:
    """Unless it was made anew elsewhere since: what a host owes may come late."""

    async def own(_subject: str, payload: bytes) -> bytes:
        requested = wire.decode_guests_question(payload).server_ids
        return wire.encode(OwnGuests(server_ids=frozenset(requested if ours else ())))

    async with stopped_at(two, SENT):
        await two.old.stop()
    await two.old.start()
    await two.old.bus.listen(f"{wire.GUESTS}.*", own)
    assert await two.refuse() == RefusedInstance(has_come=False)
    assert await two.keep(even_sent=True) == KeptInstance(sent=not ours)
    if ours:
        await two.runs_on(two.old)
    else:
        assert all(one.power != "running" for one in (await two.old.inventory()).instances)
