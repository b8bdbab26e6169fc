"""What every host does with shares, real or simulated."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec import structs
from tests.node.share_plans import (
    BACKEND,
    a_server,
    a_share,
    a_snapshot,
    access,
    gone,
    place,
    resized,
)
from tests.ports import free_port

from hanok.base.ids import new_uuid
from hanok.commands import (
    AccessRule,
    Answer,
    Command,
    DescribeShareBackends,
    Done,
    EnsureShare,
    Failed,
    FoundShare,
    ListShares,
    ReadShare,
    RemoveShare,
    RemoveShareServer,
    RemoveShareSnapshot,
    RevertShare,
    ShareBackendStates,
    ShareInventory,
    ShareRefused,
    ShareServerState,
    ShareSource,
    ShareState,
    Stale,
)
from hanok.drivers.nfs import ganesha, pool
from hanok.node import share_folders
from hanok.node.chassis import NullChassis
from hanok.node.handlers import answer
from hanok.node.settings import NodeSettings, ShareBackendSettings
from hanok.node.shares import Shares
from hanok.node.simulated_shares import USUAL_SHARE_BACKENDS, SimulatedPool, shares_of

MIB = 1 << 20


class Host:
    """Commands for shares, done as a node does them; writing to a share as its clients do."""

    def __init__(self, make: Callable[[], Shares]) -> None:
        self._make = make
        self.one = make()

    async def again(self) -> None:
        """The node was killed, and is there again."""
        self.one.let_go()
        self.one = self._make()
        await self.one.adopt()

    async def write(self, share_id: str, used_bytes: int) -> None:
        backend = self.one._backends[BACKEND]
        if isinstance(backend, SimulatedPool):
            backend.hold(share_id, used_bytes)
            return
        file = os.open(await backend.open(share_id) / "f", os.O_WRONLY | os.O_CREAT)
        try:
            os.posix_fallocate(file, 0, used_bytes)
        finally:
            os.close(file)

    async def ask(self, command: Command) -> Answer:
        return await answer(self._do, command)

    async def _do(self, command: Command) -> Answer:
        found = await self.one.do(command)
        assert found is not None
        return found

    async def state(self, command: Command) -> ShareState:
        found = await self.ask(command)
        assert isinstance(found, ShareState), found
        return found

    async def done(self, command: Command) -> ShareState:
        """Asked until it is."""
        async with asyncio.timeout(60):
            while not (found := await self.state(command)).done:
                await asyncio.sleep(0.02)
        return found

    async def server(self) -> str:
        spec = a_server()
        assert isinstance(await self.ask(spec), ShareServerState)
        return spec.server_id

    async def inventory(self) -> ShareInventory:
        found = await self.ask(ListShares())
        assert isinstance(found, ShareInventory)
        return found


@pytest_asyncio.fixture(params=["simulated", pytest.param("real", marks=pytest.mark.host)])
async def host(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Host]:
    if request.param == "simulated":
        yield Host(lambda: shares_of("h", USUAL_SHARE_BACKENDS, tmp_path / "shares"))
        return
    if lacks := [*pool.missing(), *ganesha.missing()]:
        pytest.skip("; ".join(lacks))
    async with place() as folder:
        settings = NodeSettings(
            host="h",
            state_dir=str(folder / "state"),
            run_dir=str(folder / "run"),
            shares_port=free_port(),
            share_backends=(
                ShareBackendSettings(name=BACKEND),
                ShareBackendSettings(name="folder2"),
            ),
        )
        yield Host(lambda: share_folders.shares_of(settings, NullChassis()))


async def test_a_share_is_there_until_it_is_removed(host: Host) -> None:
    share = a_share(await host.server())
    state = await host.state(share)
    assert state == await host.state(share)
    assert (state.share_id, state.generation, state.size_gib) == (share.share_id, 1, 1)
    assert state.used_bytes < 8 * MIB
    assert state.exports == (f"127.0.0.1:/{share.share_id}",)
    assert [one.share_id for one in (await host.inventory()).shares] == [share.share_id]

    assert await host.ask(gone(share)) == Done() == await host.ask(gone(share))
    assert (await host.inventory()).shares == () == (await host.inventory()).others
    assert isinstance(await host.ask(resized(share, 2, 3)), Failed)
    read = ReadShare(share_id=share.share_id, backend=BACKEND)
    assert isinstance(await host.ask(read), Failed)


async def test_what_comes_late_is_refused(host: Host) -> None:
    share = a_share(await host.server())
    await host.state(share)
    await host.state(resized(share, 2))
    assert await host.ask(share) == Stale(known_generation=2)
    assert await host.ask(gone(share, 1)) == Stale(known_generation=2)
    await host.state(access(share, ("10.0.0.0/8", "rw"), generation=7))
    late = access(share, ("0.0.0.0/0", "rw"), generation=6)
    assert await host.ask(late) == Stale(known_generation=7)
    assert await host.ask(gone(share, 3)) == Done()
    assert await host.ask(resized(share, 2)) == Stale(known_generation=3)
    assert await host.ask(share) == Stale(known_generation=3)


async def test_what_is_not_there_can_be_removed(host: Host) -> None:
    share = a_share(new_uuid())
    assert await host.ask(gone(share)) == Done()
    one = RemoveShareSnapshot(
        snapshot_id=new_uuid(), share_id=share.share_id, generation=1, backend=BACKEND
    )
    assert await host.ask(one) == Done()
    assert await host.ask(RemoveShareServer(server_id=new_uuid(), generation=1)) == Done()


async def test_a_share_needs_a_server_that_is_there(host: Host) -> None:
    share = a_share(new_uuid())
    assert isinstance(await host.ask(share), Failed)
    server = await host.server()
    share = a_share(server)
    await host.state(share)
    remove = RemoveShareServer(server_id=server, generation=2)
    assert isinstance(await host.ask(remove), Failed)
    await host.ask(gone(share))
    assert await host.ask(remove) == Done() == await host.ask(remove)
    assert (await host.inventory()).servers == {}
    assert isinstance(await host.ask(a_share(server)), Failed)


async def test_a_size_changes_but_never_below_what_is_used(host: Host) -> None:
    share = a_share(await host.server(), size_gib=3)
    await host.state(share)
    assert (await host.state(resized(share, 5))).size_gib == 5
    await host.write(share.share_id, 1200 * MIB)
    refused = await host.ask(resized(share, 1, 3))
    assert isinstance(refused, ShareRefused) and refused.used_bytes >= 1200 * MIB
    read = ReadShare(share_id=share.share_id, backend=BACKEND)
    assert (await host.state(read)).size_gib == 5
    assert (await host.state(resized(share, 2, 4))).size_gib == 2
    assert isinstance(await host.ask(resized(share, 0, 5)), Failed)


async def test_snapshots_keep_what_was_there(host: Host) -> None:
    share = a_share(await host.server(), size_gib=2)
    await host.state(share)
    await host.write(share.share_id, 100 * MIB)
    snapshot = a_snapshot(share)
    state = await host.state(snapshot)
    assert state == await host.state(snapshot)
    assert state.snapshot_id == snapshot.snapshot_id and state.size_gib == 2
    assert state.exports == (f"127.0.0.1:/{snapshot.snapshot_id}",)
    await host.write(share.share_id, 300 * MIB)

    made = a_share(
        share.server_id,
        source=ShareSource(kind="snapshot", id=snapshot.snapshot_id, share_id=share.share_id),
    )
    assert 100 * MIB <= (await host.done(made)).used_bytes < 200 * MIB
    copy = a_share(share.server_id, source=ShareSource(kind="share", share_id=share.share_id))
    assert 300 * MIB <= (await host.done(copy)).used_bytes < 400 * MIB

    back = RevertShare(
        share_id=share.share_id,
        generation=2,
        backend=BACKEND,
        snapshot_id=snapshot.snapshot_id,
        size_gib=1,
    )
    state = await host.state(back)
    assert 100 * MIB <= state.used_bytes < 200 * MIB and state.size_gib == 1
    await host.write(share.share_id, 300 * MIB)
    assert (await host.state(back)).used_bytes >= 300 * MIB  # once for each generation

    assert isinstance(await host.ask(gone(share, 3)), Failed)  # it has a snapshot
    remove = RemoveShareSnapshot(
        snapshot_id=snapshot.snapshot_id,
        share_id=share.share_id,
        generation=2,
        backend=BACKEND,
    )
    assert await host.ask(remove) == Done() == await host.ask(remove)
    assert await host.ask(snapshot) == Stale(known_generation=2)
    assert await host.ask(gone(share, 3)) == Done()
    assert {one.share_id for one in (await host.inventory()).shares} == {
        made.share_id,
        copy.share_id,
    }


async def test_content_comes_from_another_back_end(host: Host) -> None:
    share = a_share(await host.server())
    await host.state(share)
    await host.write(share.share_id, 100 * MIB)
    source = ShareSource(kind="share", share_id=share.share_id, backend=BACKEND)
    copy = a_share(share.server_id, backend="folder2", source=source, wait_s=0)
    state = await host.done(copy)
    assert 100 * MIB <= state.used_bytes < 200 * MIB
    elsewhere = a_share(share.server_id, share_id=copy.share_id, generation=2)
    assert isinstance(await host.ask(elsewhere), Failed)
    away = RemoveShare(share_id=copy.share_id, generation=2, backend="folder2")
    assert await host.ask(away) == Done()


async def test_what_is_kept_can_be_taken_over(host: Host) -> None:
    share = a_share(await host.server())
    await host.state(share)
    await host.write(share.share_id, 50 * MIB)
    assert await host.ask(gone(share, keep="papers")) == Done()
    (found,) = (await host.inventory()).others
    assert found.name == "papers" and found.size_gib == 1
    large = a_share(share.server_id, size_gib=2)
    await host.state(large)
    await host.write(large.share_id, 1200 * MIB)
    assert await host.ask(gone(large, keep="books")) == Done()
    small = a_share(share.server_id, source=ShareSource(kind="manage", id="books"))
    assert isinstance(await host.ask(small), ShareRefused)
    assert await host.ask(gone(small)) == Done()
    books = a_share(share.server_id, size_gib=2, source=ShareSource(kind="manage", id="books"))
    assert (await host.state(books)).used_bytes >= 1200 * MIB
    again = a_share(share.server_id, source=ShareSource(kind="manage", id="papers"))
    assert (await host.state(again)).used_bytes >= 50 * MIB
    assert (await host.inventory()).others == ()
    missing = a_share(share.server_id, source=ShareSource(kind="manage", id="letters"))
    assert isinstance(await host.ask(missing), Failed)


async def test_only_addresses_get_access(host: Host) -> None:
    share = a_share(await host.server())
    await host.state(share)
    for bad in (
        "*",
        "10.0.0.0/33",
        "host.example",
        "fe80::1%eth0",
        '10.0.0.1;}\nEXPORT{Path="/"',
        "",
    ):
        assert isinstance(await host.ask(access(share, (bad, "rw"))), Failed)
    twice = access(share, ("10.0.0.1", "rw"), ("10.0.0.1/32", "ro"))
    assert isinstance(await host.ask(twice), Failed)
    good = access(share, ("10.0.0.1", "rw"), ("10.0.0.0/8", "ro"), ("fd00::/64", "rw"))
    assert (await host.state(good)) == (await host.state(good))


async def test_rules_that_cannot_be_read_stop_only_their_share(host: Host) -> None:
    """A record of before they were refused, say."""
    server = await host.server()
    bad, good = a_share(server), a_share(server)
    for one in (bad, good):
        await host.state(one)
    known = host.one._records.shares[bad.share_id]
    rules = (AccessRule(prefix="fe80::1%eth0", level="rw"),)
    host.one._records.save(structs.replace(known, rules=rules))
    await host.state(access(good, ("10.0.0.1", "rw")))
    exports, broken = await host.one._exports(server)
    assert [one.name for one in exports] == [good.share_id] and broken == {bad.share_id}


async def test_names_are_ids(host: Host) -> None:
    server = await host.server()
    bad: list[EnsureShare] = [
        a_share(server, share_id="../../etc"),
        a_share("x"),
        a_share(server, backend="../up"),
        a_share(server, source=ShareSource(kind="manage", id="../../etc")),
        a_share(server, source=ShareSource(kind="snapshot", id="x", share_id=new_uuid())),
    ]
    for one in bad:
        assert isinstance(await host.ask(one), Failed)
    assert isinstance(await host.ask(gone(bad[1], keep="../x")), Failed)


async def test_all_of_it_outlives_the_node(host: Host) -> None:
    share = a_share(await host.server())
    await host.state(share)
    snapshot = a_snapshot(share)
    await host.state(snapshot)
    await host.state(access(share, ("127.0.0.1", "rw")))
    before = await host.inventory()
    await host.again()
    assert await host.inventory() == before
    assert before.shares == (
        FoundShare(
            share_id=share.share_id,
            backend=BACKEND,
            size_gib=1,
            used_bytes=before.shares[0].used_bytes,
            generation=1,
            server_id=share.server_id,
            snapshots=(snapshot.snapshot_id,),
        ),
    )
    assert await host.ask(gone(share, 0)) == Stale(known_generation=1)


async def test_back_ends_say_what_they_have(host: Host) -> None:
    share = a_share(await host.server(), size_gib=3)
    await host.state(share)
    states = await host.ask(DescribeShareBackends())
    assert isinstance(states, ShareBackendStates)
    (state,) = [one for one in states.backends if one.name == BACKEND]
    assert state.provisioned_gib == 3 and state.total_gib >= state.free_gib > 0
    assert state.capabilities["snapshot_support"] == "True" and not state.reason
