"""Load balancers that this host carries: for each a namespace with its addresses, and a proxy without rights in it.

Listeners of UDP are rules of that namespace's kernel (`datagrams`). The proxy looks at most members, the node at the
others (`member_checks`).

What was told last is a record, written before its effects, so that whatever stopped the node, the next one makes it so
again (`adopt`); a removal leaves the generation it was told with. A proxy that ends by itself is started anew.

    <state>/balancers/<id>/record.json      what is to be, or that it is to go
    <state>/balancers/removed/<id>          the generation it was removed at, as text
    <run>/lb/<short id>/                    configuration; s/: the process's own: socket, pid file
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from weakref import WeakValueDictionary

import msgspec
from msgspec import Struct, structs

from hanok.base.clock import Clock
from hanok.base.errors import HanokError
from hanok.base.ids import is_uuid
from hanok.commands import (
    BalancerPool,
    BalancerState,
    CarriedBalancers,
    Command,
    Done,
    EnsureBalancer,
    ListBalancers,
    ListenerCounters,
    ReadBalancer,
    RemoveBalancer,
)
from hanok.commands.limits import Limits
from hanok.drivers.haproxy.errors import NotAccepted, ProxyFailed
from hanok.drivers.haproxy.process import HAProxy
from hanok.drivers.netfilter.errors import FilterFailed
from hanok.drivers.ovn import host
from hanok.drivers.ovn.errors import ExecuteError
from hanok.drivers.qemu import process as processes
from hanok.node import datagram_rules, proxy_configuration
from hanok.node.cgroups import Groups
from hanok.node.chassis import Chassis
from hanok.node.datagrams import Datagrams
from hanok.node.errors import NotDone
from hanok.node.member_checks import OWN, TICK_S, MemberChecks, Target
from hanok.node.proxy_configuration import listeners_of
from hanok.node.records import check_generation, write_whole

log = logging.getLogger(__name__)

WATCH_S = 2.0  # between looks whether proxies are there
AT_ONCE = 4  # that are made at the same time
MEMORY_MIB = 1024  # of one balancer's processes: some 8000 connections with TLS, and workers that are about to end


class Carried(Struct, kw_only=True):
    """A balancer as the node knows it.

    counted: what earlier workers have carried, by listener. numbers: of listeners of UDP and their members, in the
    kernel's rules. uid: whom its proxy runs as; None: as ourselves.
    """

    spec: EnsureBalancer
    counted: dict[str, ListenerCounters] = {}
    numbers: dict[str, int] = {}
    uid: int | None = None
    goes: bool = False


_decode = msgspec.json.Decoder(Carried).decode


class Balancers:
    """
    Args:
        state: survives a reboot. run: for sockets; short. uids: whom proxies run as, one user each; none: as ourselves.
        groups: what holds each to its memory. made: told of the driver of each.
    """

    def __init__(
        self,
        state: Path,
        run: Path,
        chassis: Chassis,
        *,
        uids: Sequence[int] = (),
        groups: Groups | None = None,
        clock: Clock | None = None,
        made: Callable[[HAProxy], None] = lambda _: None,
    ) -> None:
        self._state, self._run, self._chassis = state, run, chassis
        self._uids, self._groups = uids, groups or Groups("")
        self._clock, self._was_made = clock or Clock(), made
        self._removed = state / "removed"
        self._removed.mkdir(parents=True, exist_ok=True)
        self._known: dict[str, Carried] = {}
        self._proxies: dict[str, HAProxy] = {}
        self._datagrams: dict[str, Datagrams] = {}
        self._checks: dict[str, MemberChecks] = {}
        self._in_force: dict[str, dict[str, bool]] = {}  # of what checks found, by balancer
        # Each as long as somebody has it or waits for it.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._slots = asyncio.Semaphore(AT_ONCE)

    # ---- commands

    async def do(self, command: Command) -> BalancerState | CarriedBalancers | Done | None:
        """Raises Late, NotDone. None: it is no command of a balancer."""
        match command:
            case EnsureBalancer():
                return await self.ensure(command)
            case RemoveBalancer():
                return await self.remove(command)
            case ReadBalancer():
                return await self.read(command.balancer_id)
            case ListBalancers():
                return self.carried()
        return None

    async def ensure(self, command: EnsureBalancer) -> BalancerState:
        """Raises Late; NotDone: the proxy does not take it, or is not on this host."""
        async with self._alone(command.balancer_id):
            known = self._known.get(command.balancer_id)
            check_generation(command.generation, self._newest_generation(command.balancer_id))
            if known is not None and known.spec.carrier_id != command.carrier_id:
                await self._count(known)
                await self._proxy_of(command.balancer_id, None).end()
            counted = {} if known is None else known.counted
            listeners = {one.id for one in command.listeners}
            kept = {one: each for one, each in counted.items() if one in listeners}
            numbers = datagram_rules.numbered(command, {} if known is None else known.numbers)
            uid = known.uid if known is not None else self._free_uid()
            self._save(Carried(spec=command, counted=kept, numbers=numbers, uid=uid))
            (self._removed / command.balancer_id).unlink(missing_ok=True)
            await self._make(self._known[command.balancer_id])
            return await self._read(command.balancer_id)

    async def remove(self, command: RemoveBalancer) -> Done:
        """Raises Late."""
        async with self._alone(command.balancer_id):
            check_generation(command.generation, self._newest_generation(command.balancer_id))
            if (known := self._known.get(command.balancer_id)) is not None:
                self._save(structs.replace(known, goes=True))
            write_whole(self._removed / command.balancer_id, b"%d" % command.generation)
            await self._take_away(command.balancer_id)
        return Done()

    async def read(self, balancer_id: str) -> BalancerState:
        """Raises NotDone: it is not here."""
        if balancer_id not in self._known:
            raise NotDone("This host does not carry that load balancer.")
        return await self._read(balancer_id)

    def carried(self) -> CarriedBalancers:
        return CarriedBalancers(
            generations={one: each.spec.generation for one, each in self._known.items()}
        )

    # ---- by itself

    async def adopt(self) -> None:
        """What the records say is made so again."""
        for folder in sorted(self._state.iterdir()):
            if not is_uuid(folder.name):
                continue
            try:
                self._known[folder.name] = _decode((folder / "record.json").read_bytes())
            except (
                OSError,
                msgspec.MsgspecError,
            ):  # its first record was not written: nothing was done
                shutil.rmtree(folder, ignore_errors=True)
        await asyncio.gather(*(self._again(one) for one in list(self._known)))

    async def watch(self) -> None:
        """Proxies that have ended are started anew, and members looked at, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look(tasks), name="member checks")
            while True:
                await asyncio.sleep(WATCH_S)
                for one in list(self._known):
                    if not await asyncio.to_thread(self._is_well, one):
                        await self._again(one)
                    await self._level(one)

    async def _look(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            for one in list(self._checks.values()):
                one.begin(tasks)
            await asyncio.sleep(TICK_S)

    async def _level(self, balancer_id: str) -> None:
        """Members get new flows of UDP by how many they have, where their pool says so."""
        known, kernel = self._known.get(balancer_id), self._datagrams.get(balancer_id)
        if known is None or kernel is None or known.goes:
            return
        try:
            async with self._alone(balancer_id):
                if self._known.get(balancer_id) is known:
                    await kernel.level(known.spec, known.numbers, self._down(balancer_id))
        except (HanokError, OSError) as error:
            log.warning("balancer %s: flows are not counted: %r", balancer_id, error)

    def _is_well(self, balancer_id: str) -> bool:
        known = self._known.get(balancer_id)
        if known is None or known.goes or not listeners_of(known.spec):
            return known is None or not known.goes
        found = self._proxies.get(balancer_id)
        return found is not None and found.alive()

    async def _again(self, balancer_id: str) -> None:
        try:
            async with self._alone(balancer_id):
                known = self._known.get(balancer_id)
                if known is not None and known.goes:
                    await self._take_away(balancer_id)
                elif known is not None:
                    if known.uid is None and self._uids:  # of a time when all had the same
                        self._save(structs.replace(known, uid=self._free_uid()))
                    await self._make(self._known[balancer_id])
        except HanokError as error:
            log.warning("balancer %s: %s (%s)", balancer_id, error.message, error.detail)
        except OSError as error:
            log.warning("balancer %s: %r", balancer_id, error)

    def let_go(self) -> None:
        """Proxies go on without us."""
        for one in self._proxies.values():
            one.let_go()

    # ---- how

    @contextlib.asynccontextmanager
    async def _alone(self, balancer_id: str) -> AsyncIterator[None]:
        lock = self._locks.setdefault(balancer_id, asyncio.Lock())
        async with lock, self._slots:
            yield

    def _newest_generation(self, balancer_id: str) -> int:
        """The newest generation that was told; -1 for none."""
        known = self._known.get(balancer_id)
        try:
            removed = int((self._removed / balancer_id).read_text())
        except (FileNotFoundError, ValueError):
            removed = -1
        return max(removed, -1 if known is None else known.spec.generation)

    def _save(self, one: Carried) -> None:
        folder = self._state / one.spec.balancer_id
        folder.mkdir(exist_ok=True, mode=0o700)
        write_whole(folder / "record.json", msgspec.json.encode(one))
        self._known[one.spec.balancer_id] = one

    def _free_uid(self) -> int | None:
        """Nobody's, and of no process: a balancer that had it may have left some. Raises NotDone: there is none."""
        if not self._uids:
            return None
        used = {one.uid for one in self._known.values()} | processes.users()
        for uid in self._uids:
            if uid not in used:
                return uid
        raise NotDone(
            "The host has no room for another load balancer.",
            detail="no free user id",
            transient=True,
        )

    def _proxy_of(self, balancer_id: str, namespace: str | None) -> HAProxy:
        found = self._proxies.get(balancer_id)
        if found is None or namespace is not None:
            short = balancer_id.replace("-", "")[:16]
            if found is None:
                uid = self._known[balancer_id].uid if balancer_id in self._known else None
                folder = self._run / "lb" / short
                found = HAProxy(folder, uid=uid, gid=uid, namespace=namespace)
                self._was_made(found)
                self._proxies[balancer_id] = found
            else:
                found.namespace = namespace
        return found

    async def _make(self, known: Carried) -> None:
        namespace = await self._plugged(known.spec)
        self._in_force.pop(known.spec.balancer_id, None)
        await self._serve(known, namespace)
        self._look_at(known.spec, namespace)
        found = self._found(known.spec.balancer_id)
        await self._carry_datagrams(known, namespace)
        try:
            await self._show(known, found)
        except ProxyFailed as error:
            raise NotDone(
                "It could not be found out which members of the load balancer work.",
                detail=f"{error.message}: {error.detail}",
                transient=True,
            ) from error
        self._in_force[known.spec.balancer_id] = found

    async def _serve(self, known: Carried, namespace: str | None) -> None:
        """The proxy, where there is something for it."""
        spec = known.spec
        proxy = self._proxy_of(spec.balancer_id, namespace)
        try:
            body = proxy_configuration.write(spec, str(proxy.peer), str(proxy.files))
        except ValueError as error:
            raise NotDone("The load balancer cannot be carried so.", detail=str(error)) from error
        if not listeners_of(spec):
            await self._count(known)
            await proxy.end()
            return
        try:
            files = {one.name: one.pem for one in spec.files}
            await proxy.run(body, files, before=partial(self._count, known))
            await asyncio.to_thread(self._hold, spec.balancer_id, proxy)
        except NotAccepted as error:
            raise NotDone("The proxy does not accept that.", detail=error.detail) from error
        except ProxyFailed as error:
            raise NotDone(
                "The load balancer's proxy did not start.",
                detail=f"{error.message}: {error.detail}",
                transient=proxy.installed,
            ) from error

    def _hold(self, balancer_id: str, proxy: HAProxy) -> None:
        """Its processes are in a group of their own, and so are those that they will start."""
        for pid in proxy.pids():
            try:
                self._groups.admit(balancer_id, pid, Limits(), vcpus=1, maximum_mib=MEMORY_MIB)
            except OSError as error:  # it has just ended; or the kernel does not take it
                log.warning("balancer %s is in no control group: %r", balancer_id, error)

    async def _carry_datagrams(self, known: Carried, namespace: str | None) -> None:
        """Rules for listeners of UDP; none where there are no listeners."""
        spec = known.spec
        kernel = self._datagrams.get(spec.balancer_id)
        if not datagram_rules.listeners_of(spec) and not known.numbers:
            return
        if namespace is None:
            raise NotDone("Listeners of UDP need a network on this host.")
        if kernel is None:
            kernel = self._datagrams[spec.balancer_id] = Datagrams(namespace)
        try:
            await kernel.put(spec, known.numbers, self._down(spec.balancer_id))
        except ValueError as error:
            raise NotDone("The load balancer cannot be carried so.", detail=str(error)) from error
        except (FilterFailed, ExecuteError) as error:
            raise NotDone(
                "The kernel does not take the load balancer's rules.",
                detail=f"{error.message}: {error.detail}",
                transient=True,
            ) from error
        there = set(datagram_rules.named(spec))
        if left := {one: each for one, each in known.numbers.items() if one in there}:
            if left != known.numbers:
                known.numbers = left
                self._save(known)
            return
        await kernel.remove()
        known.numbers = {}
        self._save(known)
        del self._datagrams[spec.balancer_id]

    # ---- members that the node looks at

    def _look_at(self, spec: EnsureBalancer, namespace: str | None) -> None:
        targets = {
            member.id: Target(member, pool.check)
            for pool in _looked_at(spec)
            if pool.check is not None
            for member in pool.members
        }
        checks = self._checks.get(spec.balancer_id)
        if checks is None and targets:
            changed = partial(self._changed, spec.balancer_id)
            checks = MemberChecks(partial(host.inside, namespace), self._clock, changed)
            self._checks[spec.balancer_id] = checks
        if checks is not None:
            checks.set(targets)

    def _found(self, balancer_id: str) -> dict[str, bool]:
        """Whether a member is well, of those that the node has looked at."""
        checks = self._checks.get(balancer_id)
        return {} if checks is None else checks.known()

    def _down(self, balancer_id: str) -> frozenset[str]:
        return frozenset(one for one, well in self._found(balancer_id).items() if not well)

    async def _changed(self, balancer_id: str) -> None:
        """Members were found otherwise; who waited meanwhile finds that it is in force. Raises HanokError."""
        async with self._alone(balancer_id):
            known, found = self._known.get(balancer_id), self._found(balancer_id)
            if known is None or known.goes or self._in_force.get(balancer_id) == found:
                return
            if kernel := self._datagrams.get(balancer_id):
                await kernel.put(known.spec, known.numbers, self._down(balancer_id))
            await self._show(known, found)
            self._in_force[balancer_id] = found

    async def _show(self, known: Carried, found: Mapping[str, bool]) -> None:
        """The proxy leaves out members that the node has found not to work, and no others of those that it does not
        look at itself. A new worker takes all for well.
        """
        spec, proxy = known.spec, self._proxies.get(known.spec.balancer_id)
        if proxy is None or not listeners_of(spec):
            return
        backs, looked_at = proxy_configuration.backs_of(spec), {one.id for one in _looked_at(spec)}
        for pool in spec.pools:
            if pool.check is not None and pool.id not in looked_at:
                continue
            for back in backs.get(pool.id, ()):
                now = await proxy.serving(back)
                well = {one: found.get(one, now[one] if pool.check else True) for one in now}
                other = {one: each for one, each in well.items() if each != now[one]}
                await proxy.set_serving(back, other)

    # ---- around it

    async def _plugged(self, spec: EnsureBalancer) -> str | None:
        port = spec.port
        ways = [("::/0" if ":" in one else "0.0.0.0/0", one) for one in port.gateways]
        ways += [(one.destination, one.next_hop) for one in port.routes]
        return await self._chassis.ensure_balancer(
            spec.balancer_id, port.port_id, port.mac, port.mtu, port.addresses, tuple(ways)
        )

    async def _take_away(self, balancer_id: str) -> None:
        await self._proxy_of(balancer_id, None).remove()
        await asyncio.to_thread(self._groups.kill, balancer_id)
        await self._chassis.remove_balancer(balancer_id)
        self._proxies.pop(balancer_id).let_go()
        await asyncio.to_thread(self._groups.forget, balancer_id)
        self._datagrams.pop(balancer_id, None)
        self._checks.pop(balancer_id, None)
        self._in_force.pop(balancer_id, None)
        self._known.pop(balancer_id, None)
        folder = self._state / balancer_id
        if folder.exists():
            await asyncio.to_thread(shutil.rmtree, folder)

    async def _count(self, known: Carried) -> None:
        """A worker is about to be another: what this one has carried is kept."""
        rows = await self._rows(known.spec.balancer_id)
        known.counted = _added(known.counted, _counters(known.spec, rows))
        self._save(known)

    async def _rows(self, balancer_id: str) -> list[dict[str, str]]:
        proxy = self._proxies.get(balancer_id)
        if proxy is None:
            return []
        with contextlib.suppress(ProxyFailed):
            return await proxy.counters()
        return []

    async def _read(self, balancer_id: str) -> BalancerState:
        known = self._known[balancer_id]
        rows = await self._rows(balancer_id)
        checks = self._checks.get(balancer_id)
        return BalancerState(
            balancer_id=balancer_id,
            generation=known.spec.generation,
            members=_members(rows) | ({} if checks is None else checks.known()),
            listeners=_added(known.counted, _counters(known.spec, rows))
            | await self._datagrams_counted(known),
        )

    async def _datagrams_counted(self, known: Carried) -> dict[str, ListenerCounters]:
        kernel = self._datagrams.get(known.spec.balancer_id)
        if kernel is not None:
            with contextlib.suppress(FilterFailed, ExecuteError):
                return await kernel.counted(known.spec, known.numbers)
        return {}


def _looked_at(spec: EnsureBalancer) -> list[BalancerPool]:
    """The pools in use whose members no proxy looks at."""
    carried = {one.id for one in datagram_rules.pools_of(spec)}
    proxied = proxy_configuration.backs_of(spec)
    return [
        one
        for one in spec.pools
        if one.check is not None
        and (one.id in carried or (one.id in proxied and one.check.kind in OWN))
    ]


def _members(rows: list[dict[str, str]]) -> dict[str, bool]:
    """By member: whether it is well, of those that are checked."""
    found: dict[str, bool] = {}
    for row in rows:
        if (
            row["type"] == "2"
            and is_uuid(row["svname"])
            and row["status"][:2] in ("UP", "DO", "DR")
        ):
            found[row["svname"]] = not row["status"].startswith("DOWN")
    return found


def _counters(spec: EnsureBalancer, rows: list[dict[str, str]]) -> dict[str, ListenerCounters]:
    fronts = {row["pxname"]: row for row in rows if row["type"] == "0"}
    return {
        one.id: ListenerCounters(
            active=int(row["scur"] or 0),
            total=int(row["stot"] or 0),
            bytes_in=int(row["bin"] or 0),
            bytes_out=int(row["bout"] or 0),
            errors=int(row["ereq"] or 0),
        )
        for one in spec.listeners
        if (row := fronts.get(one.id)) is not None
    }


def _added(
    before: dict[str, ListenerCounters], now: dict[str, ListenerCounters]
) -> dict[str, ListenerCounters]:
    """Both together; what is open is open now."""
    found = dict(before)
    for name, one in now.items():
        was = before.get(name, ListenerCounters())
        found[name] = ListenerCounters(
            active=one.active,
            total=was.total + one.total,
            bytes_in=was.bytes_in + one.bytes_in,
            bytes_out=was.bytes_out + one.bytes_out,
            errors=was.errors + one.errors,
        )
    return found
