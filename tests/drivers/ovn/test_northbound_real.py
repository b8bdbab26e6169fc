"""What only a server can show: restarts, lost data, two writers."""

from __future__ import annotations

import asyncio
import resource
import threading

import pytest
from tests.drivers.ovn.support import northbound_server

from hanok.drivers.ovn.errors import ConnectError, ExecuteError, Unanswered
from hanok.drivers.ovn.northbound import Northbound
from hanok.drivers.ovn.rows import LogicalSwitch, PortGroup, Router, Row, StaticRoute, SwitchPort

SWITCH = LogicalSwitch(name="net-1")


async def test_nobody_there() -> None:
    with pytest.raises(ConnectError):
        await Northbound(timeout_s=5).connect("unix:/nowhere/nb.sock")


async def test_the_thread_ends_with_the_connection() -> None:
    async with northbound_server() as server:
        northbound = Northbound()
        await northbound.connect(server.remote)
        assert "ovn-northbound" in {thread.name for thread in threading.enumerate()}
        await northbound.close()
        assert "ovn-northbound" not in {thread.name for thread in threading.enumerate()}
        with pytest.raises(ConnectError):
            await northbound.scopes()


async def test_a_restart_of_the_server_is_waited_for() -> None:
    async with northbound_server() as server:
        northbound = Northbound(timeout_s=20)
        await northbound.connect(server.remote)
        await northbound.apply("a", [SWITCH], 1)
        await server.stop()
        applying = asyncio.ensure_future(northbound.apply("b", [LogicalSwitch(name="b")], 1))
        await asyncio.sleep(0.1)
        await server.start()
        assert await applying
        assert await northbound.scopes() == {"a": 1, "b": 1}
        await northbound.close()


async def test_what_waits_for_a_server_that_stays_away_is_told() -> None:
    async with northbound_server() as server:
        northbound = Northbound(timeout_s=3)  # a busy machine connects slowly, too
        await northbound.connect(server.remote)
        await server.stop()
        # Which of the two depends on whether the loss was noticed before sending.
        with pytest.raises((ConnectError, Unanswered)):
            await northbound.apply("b", [SWITCH], 1)
        await northbound.close()


async def test_lost_data_is_noticed_and_rebuilt() -> None:
    async with northbound_server() as server:
        northbound = Northbound(timeout_s=20)
        await northbound.connect(server.remote)
        rows: list[Row] = [SWITCH, SwitchPort(name="p", switch="net-1")]
        await northbound.apply("a", rows, 7)
        await server.stop()
        server.create()
        await server.start()
        assert await northbound.apply("other", [], 1)
        assert await northbound.scopes() == {}
        assert await northbound.apply("a", rows, 7)
        assert await northbound.dump("a") == rows
        await northbound.close()


async def test_two_writers_agree() -> None:
    """Whoever is slower plans again from what the faster one has written."""
    async with northbound_server() as server:
        one, two = Northbound(), Northbound()
        await one.connect(server.remote)
        await two.connect(server.remote)
        for revision in range(1, 30, 2):
            late = [LogicalSwitch(name="net-1", external_ids={"by": f"one {revision}"})]
            soon = [LogicalSwitch(name="net-1", external_ids={"by": f"two {revision + 1}"})]
            await asyncio.gather(one.apply("a", late, revision), two.apply("a", soon, revision + 1))
            assert await one.apply("a", soon, revision + 1)
            assert await one.dump("a") == soon
            assert await two.apply("a", soon, revision + 1)
            assert await two.dump("a") == soon
            assert await two.scopes() == {"a": revision + 1}
        await one.close()
        await two.close()


async def test_many_at_once_keep_their_order() -> None:
    async with northbound_server() as server:
        northbound = Northbound()
        await northbound.connect(server.remote)
        done = await asyncio.gather(
            *(northbound.apply("a", [PortGroup(name=f"g{n}")], n) for n in range(50))
        )
        assert all(done)
        assert await northbound.dump("a") == [PortGroup(name="g49")]
        await northbound.close()


async def test_a_bad_value_is_an_error_and_changes_nothing() -> None:
    async with northbound_server() as server:
        northbound = Northbound()
        await northbound.connect(server.remote)
        bad = SwitchPort(name="p", switch="net-1", tag=4096)
        with pytest.raises(ExecuteError) as refused:
            await northbound.apply("a", [SWITCH, bad], 1)
        assert "4096" in refused.value.detail
        assert await northbound.scopes() == {}
        await northbound.close()


async def test_an_unchanged_scope_is_not_written_again() -> None:
    async with northbound_server() as server:
        northbound = Northbound()
        await northbound.connect(server.remote)
        routes = frozenset({StaticRoute(destination="10.0.0.0/8", next_hop="10.0.0.1")})
        rows: list[Row] = [SWITCH, Router(name="r", routes=routes), PortGroup(name="g")]
        await northbound.apply("a", rows, 1)
        size = (server.directory / "nb.db").stat().st_size
        await northbound.apply("a", rows, 1)
        assert (server.directory / "nb.db").stat().st_size == size
        await northbound.close()


async def test_idle_costs_nothing() -> None:
    async with northbound_server() as server:
        northbound = Northbound()
        await northbound.connect(server.remote)
        await northbound.apply("a", [SWITCH], 1)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
        await asyncio.sleep(0.5)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - before < 20
        await northbound.close()


async def test_ports_tell_when_they_come_up() -> None:
    told: asyncio.Queue[tuple[str, bool]] = asyncio.Queue()
    async with northbound_server() as server:
        northbound = Northbound(on_port=lambda name, up: told.put_nowait((name, up)))
        await northbound.connect(server.remote)
        await northbound.apply("a", [SWITCH, SwitchPort(name="p", switch="net-1")], 1)
        assert not await northbound.port_up("p")
        assert not await northbound.wait_port_up("p", 0.1)
        waiting = asyncio.ensure_future(northbound.wait_port_up("p", 60))
        # ovn-northd's part, by hand.
        process = await asyncio.create_subprocess_exec(
            "ovn-nbctl", f"--db={server.remote}", "set", "Logical_Switch_Port", "p", "up=true"
        )
        assert await process.wait() == 0
        assert await waiting
        async with asyncio.timeout(60):
            assert await told.get() == ("p", True)
        await northbound.apply("a", [SWITCH], 2)
        async with asyncio.timeout(60):
            assert await told.get() == ("p", False)
        await northbound.close()
