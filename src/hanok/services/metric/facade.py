"""What the house, and rooms above, may ask of metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any

from hanok.base.errors import BadInput, NotFound
from hanok.base.pieces import Pieces
from hanok.services.metric.logic import (
    aggregates,
    collecting,
    exposing,
    lists,
    measures,
    metrics,
    operations,
    pipelines,
    policies,
    publishing,
    queries,
    resources,
    times,
    types,
)
from hanok.services.metric.logic.aggregates import Wish
from hanok.services.metric.logic.collecting import Round
from hanok.services.metric.logic.definitions import Happened, Trait, WrongDefinition, plain
from hanok.services.metric.logic.operations import OVER
from hanok.services.metric.logic.pipelines import ALARMS, STORE, Polled, Telemetry
from hanok.services.metric.logic.series import METHODS
from hanok.services.metric.room import Metric, MetricSettings
from hanok.store import Transaction
from hanok.web.token import Caller

__all__ = [
    "METHODS",
    "OVER",
    "Happened",
    "Metric",
    "MetricSettings",
    "Metrics",
    "Polled",
    "Telemetry",
    "Trait",
    "WrongDefinition",
    "check_search",
    "first_rows",
    "plain",
    "telemetry",
]

telemetry = pipelines.read
_ENDS = (
    "compute.instance.delete.end", "volume.delete.end", "image.delete", "shared_file_system.share.delete.end"
)  # fmt: skip


async def first_rows(tx: Transaction) -> None:
    """Policies and types that are there from the start."""
    await policies.first_rows(tx)
    await types.first_rows(tx)


class _AnyKind(dict[str, str]):
    """Attributes of a type that is not known yet."""

    def get(self, key: str, default: Any = None) -> Any:
        return "string"


def check_search(tree: Any) -> None:
    """
    Raises:
        BadInput: it is no query.
    """
    if tree:
        queries.Reader(_AnyKind()).tree(tree)


class Metrics:
    """The room, for the house."""

    def __init__(self, room: Metric, files: Telemetry | None = None) -> None:
        """files: what an operator's say; None: what is usual."""
        self._room = room
        self._files = files or telemetry("")
        self._shows = bool(room.settings.scrape_token_file)
        publishers = self._files.events.publishers
        self._outward = tuple(one for one in publishers if one.leads_out)

    async def fold(self) -> None:
        """Make aggregates of what has waited, and take away what deleted metrics left."""
        while await measures.fold_due(self._room) >= 500:
            pass
        pieces = Pieces()
        while await metrics.purge(self._room):
            await pieces.rest()

    @property
    def polling(self) -> tuple[Polled, ...]:
        """What is measured how often."""
        usual = Polled("all", self._room.settings.polling_interval_s, None)
        return (usual,) if self._files.polling is None else self._files.polling

    async def collect(
        self,
        source: collecting.Source,
        kinds: Sequence[str],
        polled: Polled | None = None,
        service: str = "",
    ) -> None:
        """Bring in what a service says of its things, which are of these types; those it does not name have ended.

        Args:
            polled: what of it; None: all.
        """
        room, polled = self._room, polled or self.polling[0]
        page = exposing.Page(room, polled.name, service, polled.interval_s)
        async with AsyncExitStack() as stack:
            out = await stack.enter_async_context(publishing.Poll(self._files.samples))
            to = (*((out.take,) if out.some else ()), *((page.take,) if self._shows else ()))
            of = Round(polled.meters, self._files.samples, to)
            seen = await collecting.collect(room, source, of)
        await collecting.end_others(room, kinds, seen)
        if self._shows:
            await page.write()

    async def page(self) -> str:
        """What Prometheus reads."""
        return await exposing.page(self._room)

    async def forget_pages(self) -> None:
        """Take away what Prometheus would read of sources of polling that are no more."""
        known = [one.name for one in self.polling] if self._shows else []
        await exposing.forget(self._room, known)

    # ---- events ----

    def event(self, told: Mapping[str, Any]) -> Happened:
        """A notification as an event with traits."""
        return self._files.definitions.event(told)

    def alarms_hear(self, event_type: str) -> bool:
        return any(one.scheme == ALARMS for one in self._files.events.of(event_type))

    @property
    def listens(self) -> bool:
        """Whether events lead anywhere but to alarms."""
        return bool(self._outward) or any(
            one.scheme == STORE for one in self._files.events.publishers
        )

    async def happened(self, notifications: Sequence[Mapping[str, Any]]) -> None:
        """Something was told: a thing that is gone has ended, and publishers get the event."""
        for told in notifications:
            event_type = str(told["event_type"])
            to = self._files.events.of(event_type)
            if event_type in _ENDS and any(one.scheme == STORE for one in to):
                gone = self.event(told).named.get("resource_id")
                if gone is not None:
                    await collecting.end(self._room, str(gone))
            outward = [one for one in to if one.leads_out]
            if outward:
                event = self.event(told)
                async with self._room.database.write() as tx:
                    for one in outward:
                        await publishing.enqueue(tx, event, one)

    def concerns(self, kind: str) -> bool:
        """Whether an event of the outbox may lead anywhere but to alarms."""
        return bool(self._outward) or (self.listens and ".delete" in kind)

    async def publish(self) -> None:
        """Send events to publishers, until cancelled."""
        await publishing.publish(self._room, self._outward)

    async def part(self, tx: Transaction) -> None:
        await publishing.part(tx)

    # ---- what alarms look at; each with somebody's eyes, the newest value last ----

    async def of_resource(
        self,
        caller: Caller,
        kind: str,
        resource: str,
        metric: str,
        method: str,
        granularity_s: int,
        start: datetime,
    ) -> list[float]:
        """The aggregates of one metric of a resource.

        Raises:
            NotFound, BadInput
        """
        async with self._room.database.read() as tx:
            creator = f"{caller.user_id}:{caller.project_id}"
            row = await resources.find(tx, resource, creator, kind)
            owners = (row.creator_project, row.project_id)
            if not caller.everywhere and caller.project_id not in owners:
                raise resources.not_found(resource)
            found = await metrics.named(tx, row.id, metric)
        checked = operations.checked(["metric", found.id, method])
        return await self._last(checked, {found.id: found}, granularity_s, start)

    async def across(
        self, caller: Caller, ids: Sequence[str], method: str, granularity_s: int, start: datetime
    ) -> list[float]:
        """Several metrics made into one.

        Raises:
            NotFound, BadInput
        """
        async with self._room.database.read() as tx:
            rows = await lists.reached(tx, caller, ids)
        for one in ids:
            if metrics.uuid_of(one) not in rows:
                raise metrics.missing(one)
        pairs = [[one, method] for one in rows]
        checked = operations.checked(["aggregate", _over(method), ["metric", *pairs]])
        return await self._last(checked, rows, granularity_s, start)

    async def across_resources(
        self,
        caller: Caller,
        kind: str,
        search: Any,
        metric: str,
        method: str,
        granularity_s: int,
        start: datetime,
    ) -> list[float]:
        """A metric of all resources that a query means, made into one.

        Raises:
            NotFound, BadInput
        """
        async with self._room.database.read() as tx:
            of = await types.find(tx, kind)
            kinds = await types.every(tx)
            reader = queries.Reader({name: one["type"] for name, one in of.attributes.items()})
            test = reader.tree(search) if search else _anything
            ids = [
                row.id
                async for row in resources.each(tx, caller, kind)
                if test(resources.view(row, kinds[row.type]))
            ]
            theirs = await metrics.of_resources(tx, ids)
        rows = {row.id: row for some in theirs.values() for row in some if row.name == metric}
        if not rows:
            raise metrics.missing(metric)
        pairs = [[one, method] for one in rows]
        if len(pairs) > aggregates.MAXIMUM:
            raise BadInput(
                f"At most {aggregates.MAXIMUM} metrics can be aggregated in one request."
            )
        node = ("aggregate", _over(method), ("metric", *((one, method) for one in rows)))
        checked = operations.Checked(node, [(one, method) for one in rows])
        return await self._last(checked, rows, granularity_s, start)

    async def _last(
        self, checked: operations.Checked, rows: dict[str, Any], granularity_s: int, start: datetime
    ) -> list[float]:
        wish = Wish(
            start=times.of_datetime(start), granularity=granularity_s * times.NS, fill="dropna"
        )
        columns = aggregates.of_ids(checked, rows)
        async with self._room.database.read() as tx:
            laid = await aggregates.grids(tx, columns, wish)
        made = await aggregates.computed(checked, columns, laid, wish)
        lines = made.get("aggregated")
        if lines is None:
            lines = next(iter(next(iter(made.values()), {}).values()), [])
        return [one[2] for one in lines]


def _anything(one: Any) -> bool:
    return True


def _over(method: str) -> str:
    """By what several metrics are made into one, which each are kept by a method.

    Raises:
        NotFound: there is no such way.
    """
    plain = method.removeprefix("rate:")
    if plain not in OVER:
        raise NotFound(f"aggregation {method} does not exist for several metrics")
    return plain
