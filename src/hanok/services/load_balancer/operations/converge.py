"""A load balancer's provider makes it what its rows say.

One operation for every change, from the first to the last: the rows say which it is. Nobody else changes them while it
is under way (`logic/trees.py`), so whoever takes it up after a crash reads the same.
"""

from __future__ import annotations

from typing import Any

from hanok.operations import Operation, Run, Step
from hanok.services.load_balancer.logic import trees
from hanok.services.load_balancer.room import LoadBalancing
from hanok.services.network import facade as networks
from hanok.store import Transaction


class Tell(Step["ConvergeBalancer", LoadBalancing, dict[str, str]], name="tell_provider"):
    """The provider has made it so; gives the health of members that are checked."""

    result_type = dict[str, str]
    deadline_s = 300.0

    async def do(self, run: Run[ConvergeBalancer, LoadBalancing]) -> dict[str, str]:
        room, balancer_id = run.tools, run.args.load_balancer_id
        tree = await run.read(trees.load, balancer_id)
        if tree is None:
            return {}
        provider = trees.provider_of(room, tree.balancer)
        if tree.balancer.provisioning_status == "PENDING_DELETE":
            await provider.remove(balancer_id)
            return {}
        await provider.apply(tree.alive())
        return dict(await provider.health(tree.alive()))

    async def save(
        self,
        run: Run[ConvergeBalancer, LoadBalancing],
        tx: Transaction,
        result: dict[str, str],
    ) -> None:
        room, balancer_id = run.tools, run.args.load_balancer_id
        tree = await trees.load(tx, balancer_id)
        if tree is None:
            return
        if tree.balancer.provisioning_status == "PENDING_DELETE":
            row = tree.balancer
            await networks.release_vip(tx, room.network, row.vip_port_id, made=row.vip_made)
            await trees.forget_all(tx, balancer_id)
            return
        await trees.settle(tx, room, balancer_id, result)


class ConvergeBalancer(Operation, frozen=True, kw_only=True, tag="load_balancer.converge"):
    """Bring a load balancer to what its rows say."""

    load_balancer_id: str
    steps = (Tell,)

    @property
    def resource(self) -> str:
        return f"loadbalancer:{self.load_balancer_id}"

    async def failed(self, run: Run[Any, LoadBalancing], tx: Transaction, why: str) -> None:
        await trees.fail(tx, run.tools, self.load_balancer_id, why)

    async def stuck(self, run: Run[Any, LoadBalancing], tx: Transaction, why: str) -> None:
        await trees.fail(tx, run.tools, self.load_balancer_id, why)
