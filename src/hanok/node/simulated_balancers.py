"""Load balancers of a simulated host: remembered, refused and forgotten as on a real one; no traffic flows."""

from __future__ import annotations

from hanok.commands import (
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
from hanok.node import datagram_rules, proxy_configuration
from hanok.node.datagram_rules import Around
from hanok.node.errors import NotDone
from hanok.node.records import check_generation


class SimulatedBalancers:
    """Every member that is checked is well, and nothing is counted."""

    def __init__(self) -> None:
        self._known: dict[str, EnsureBalancer] = {}
        self._removed: dict[str, int] = {}

    async def do(self, command: Command) -> BalancerState | CarriedBalancers | Done | None:
        """Raises Late, NotDone. None: it is no command of a balancer."""
        match command:
            case EnsureBalancer():
                return self._ensure(command)
            case RemoveBalancer():
                check_generation(command.generation, self._newest_generation(command.balancer_id))
                self._known.pop(command.balancer_id, None)
                self._removed[command.balancer_id] = command.generation
                return Done()
            case ReadBalancer():
                if command.balancer_id not in self._known:
                    raise NotDone("This host does not carry that load balancer.")
                return self._state(self._known[command.balancer_id])
            case ListBalancers():
                return CarriedBalancers(
                    generations={one: each.generation for one, each in self._known.items()}
                )
        return None

    def _ensure(self, command: EnsureBalancer) -> BalancerState:
        check_generation(command.generation, self._newest_generation(command.balancer_id))
        try:
            proxy_configuration.write(command, "/nowhere", "/nowhere")
            numbers = datagram_rules.numbered(command, {})
            datagram_rules.write(command, Around(numbers=numbers))
        except ValueError as error:
            raise NotDone("The load balancer cannot be carried so.", detail=str(error)) from error
        self._known[command.balancer_id] = command
        self._removed.pop(command.balancer_id, None)
        return self._state(command)

    def _newest_generation(self, balancer_id: str) -> int:
        known = self._known.get(balancer_id)
        removed = self._removed.get(balancer_id, -1)
        return max(removed, -1 if known is None else known.generation)

    def _state(self, one: EnsureBalancer) -> BalancerState:
        used = {listener.pool_id for listener in one.listeners}
        used |= {policy.target for listener in one.listeners for policy in listener.policies}
        return BalancerState(
            balancer_id=one.balancer_id,
            generation=one.generation,
            members={
                member.id: True
                for pool in one.pools
                if pool.check is not None and pool.id in used
                for member in pool.members
            },
            listeners={listener.id: ListenerCounters() for listener in one.listeners},
        )
