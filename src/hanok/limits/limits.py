"""The limits of one service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import bindparam

from hanok.base.errors import BadInput, HanokError
from hanok.limits.tables import own_limits
from hanok.store import Transaction

DEFAULTS = "class:default"  # the owner of the limits of projects that have none of their own
NONE = -1  # no limit

LONGEST_OWNER = 255  # characters

Registered = Callable[[Transaction, str], Awaitable[Mapping[str, int]]]
"""The unified limits of a project for this service, by registered name; those that are not registered are missing."""

_of = sa.select(own_limits.c.owner, own_limits.c.resource, own_limits.c.maximum).where(
    own_limits.c.service == bindparam("service"),
    own_limits.c.owner.in_((bindparam("owner"), DEFAULTS)),
)
_all = (
    sa.select(own_limits)
    .where(own_limits.c.service == bindparam("service"), own_limits.c.owner != DEFAULTS)
    .order_by(own_limits.c.owner)
)


class Resource(Struct, frozen=True, kw_only=True):
    """Something of which a project may have so many.

    name: as in the service's quota sets. default: the limit where nothing else is said; -1: none.
    count: a statement with the parameter "owner" that gives what is there, in the limit's unit times `unit`; None for
        what is not counted (a limit on one request, say). unit: how many of the counted make one of the limit (bytes
        in a MiB). registered: its name among unified limits, if it has one.
    """

    name: str
    default: int = NONE
    count: sa.Select[Any] | None = None
    unit: int = 1
    registered: str = ""

    def of(self, default: int) -> Resource:
        """The same with another default."""
        return msgspec.structs.replace(self, default=default)


class Over(Struct, frozen=True, kw_only=True):
    """A limit that would be passed: all in the limit's unit."""

    resource: str
    maximum: int
    used: int
    requested: int


class OverLimit(HanokError):
    """Limits would be passed; each service says it in its own words."""

    def __init__(self, over: Sequence[Over]) -> None:
        super().__init__(f"Quota exceeded for resources: {[one.resource for one in over]}.")
        self.over = tuple(over)


def project_of(text: str) -> str:
    """A project as it is named in an address of limits; it need not be known yet, nor any more.

    Operators set limits before a project is made in a directory of their own, and clients name projects that are gone:
    volumes, networks and balancers ask nobody whether it is there.

    Raises:
        BadInput: the text is longer than an id can be, or names something else that has limits.
    """
    if len(text) > LONGEST_OWNER or ":" in text:
        raise BadInput(f"'{text[:64]}' is not a valid project ID.")
    return text


class Limits:
    """What the projects of a service may have."""

    def __init__(
        self, service: str, resources: Sequence[Resource], registered: Registered | None = None
    ) -> None:
        self._service = service
        self._resources = {one.name: one for one in resources}
        self._registered = registered

    def defaults_of_code(self) -> dict[str, int]:
        """The limits where neither an operator nor identity says anything."""
        return {name: one.default for name, one in self._resources.items()}

    async def defaults(self, tx: Transaction) -> dict[str, int]:
        """The limits of a project that has none of its own."""
        return await self._merged(tx, DEFAULTS)

    async def maximums(self, tx: Transaction, owner: str) -> dict[str, int]:
        """A project's limits by resource; -1 is no limit."""
        found = await self._merged(tx, owner)
        if self._registered is not None and owner:
            unified = await self._registered(tx, owner)
            for name, one in self._resources.items():
                if one.registered in unified:
                    found[name] = unified[one.registered]
        return found

    async def _merged(self, tx: Transaction, owner: str) -> dict[str, int]:
        rows = await tx.all(_of, {"service": self._service, "owner": owner})
        found = self.defaults_of_code()
        for level in (DEFAULTS, owner):
            found |= {
                row.resource: row.maximum
                for row in rows
                if row.owner == level and row.resource in found
            }
        return found

    async def own(self, tx: Transaction, owner: str) -> dict[str, int]:
        """The limits that an operator has set for just this owner."""
        rows = await tx.all(_of, {"service": self._service, "owner": owner})
        return {row.resource: row.maximum for row in rows if row.owner == owner}

    async def with_own(self, tx: Transaction) -> dict[str, dict[str, int]]:
        """The limits of the projects that have some of their own."""
        owners = dict.fromkeys(row.owner for row in await tx.all(_all, {"service": self._service}))
        return {owner: await self.maximums(tx, owner) for owner in owners}

    async def set(self, tx: Transaction, owner: str, requested: Mapping[str, int]) -> None:
        """Limit a project, or all that have no limits of their own (DEFAULTS)."""
        for resource, maximum in requested.items():
            here = (
                own_limits.c.service == self._service,
                own_limits.c.owner == owner,
                own_limits.c.resource == resource,
            )
            if not await tx.count(own_limits.update().where(*here).values(maximum=maximum)):
                row = {"service": self._service, "owner": owner, "resource": resource}
                await tx.insert(own_limits, {**row, "maximum": maximum})

    async def reset(self, tx: Transaction, owner: str, *, within: str = "") -> None:
        """Take an owner's own limits away.

        Args:
            within: and those of all owners whose names begin so (of the users in a project).
        """
        its = own_limits.c.owner == owner
        if within:
            its = sa.or_(its, own_limits.c.owner.startswith(within, autoescape=True))
        await tx.execute(own_limits.delete().where(own_limits.c.service == self._service, its))

    async def forget(self, tx: Transaction, ending: str) -> None:
        """Take the limits of all owners away whose names end so (of what is gone, in whichever project)."""
        its = own_limits.c.owner.endswith(ending, autoescape=True)
        await tx.execute(own_limits.delete().where(own_limits.c.service == self._service, its))

    async def used(
        self, tx: Transaction, owner: str, resources: Sequence[str] | None = None
    ) -> dict[str, int]:
        """What a project has, in the limits' units, rounded down; of all resources that are counted, or of these."""
        found = {}
        for name in resources or self._resources:
            one = self._resources[name]
            if one.count is not None:
                counted = int(await tx.scalar(one.count, {"owner": owner}) or 0)
                found[name] = counted // one.unit
        return found

    async def check(
        self,
        tx: Transaction,
        owner: str,
        more: Mapping[str, int],
        *,
        of: str = "",
        maximum: int | None = None,
    ) -> None:
        """Go on only if a project may have this much more. Nobody else adds to it until the transaction ends.

        Args:
            more: by resource, in what the resource's statement counts; 0 checks what is there already.
            of: whose are counted, where the limit is a project's and the counted a user's.
            maximum: a limit that takes the place of the owner's.

        Raises:
            OverLimit
        """
        maximums = (
            await self.maximums(tx, owner) if maximum is None else dict.fromkeys(more, maximum)
        )
        limited = {name: amount for name, amount in more.items() if maximums[name] >= 0}
        if not limited:
            return
        await tx.serialize("limits", self._service, of or owner)
        over = []
        for name, amount in limited.items():
            one = self._resources[name]
            assert one.count is not None, f"{name} is not counted"
            counted = int(await tx.scalar(one.count, {"owner": of or owner}) or 0)
            if counted + amount > maximums[name] * one.unit:
                over.append(
                    Over(
                        resource=name,
                        maximum=maximums[name],
                        used=counted // one.unit,
                        requested=-(-amount // one.unit),
                    )
                )
        if over:
            raise OverLimit(over)

    async def check_one_request(
        self, tx: Transaction, owner: str, amounts: Mapping[str, int]
    ) -> None:
        """Hold what one request or one resource has against limits of such.

        Raises:
            OverLimit
        """
        maximums = await self.maximums(tx, owner)
        over = [
            Over(resource=name, maximum=maximums[name], used=0, requested=amount)
            for name, amount in amounts.items()
            if 0 <= maximums[name] < amount
        ]
        if over:
            raise OverLimit(over)
