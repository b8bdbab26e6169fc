"""The inventory: does everything that exists have one live owner in the database, and the reverse?

Each room compares its own rows with hosts, engines and files; what operations owe and cannot end is compared here.
"""

from __future__ import annotations

from hanok import operations
from hanok.rooms import Difference, House


async def differences(house: House, *, mend: bool = False) -> list[Difference]:
    """Where the database and the world disagree.

    Args:
        mend: put right what is safe: what belongs to something that is deleted, counters that do not add up.
    """
    found = []
    async with house.database.read() as tx:
        for late in await operations.stuck(tx):
            found.append(Difference(what="stuck", detail=_stuck(late)))
        for due in await operations.owed(tx):
            found.append(Difference(what="debt", detail=_owed(due)))
    found += [Difference(what="events", detail=one) for one in house.events.late()]
    for room in list(house.rooms.values()):  # services are switched meanwhile
        found += await room.differences(mend=mend)
    return found


def _stuck(one: operations.Record) -> str:
    return (
        f"operation {one.id} ({one.kind} of {one.resource}): {one.stuck_why} "
        f"To try it now: hanok operations retry {one.id}; to end it as it is: "
        f"hanok operations abandon {one.id}"
    )


def _owed(due: operations.Owed) -> str:
    since = due.since.isoformat(sep=" ", timespec="seconds")
    several = due.commands > 1
    what = f"{due.commands} command{'s' if several else ''}"
    if due.error is not None:
        return f"host {due.host} has refused {what} since {since}: {due.error}"
    wait = "wait" if several else "waits"
    return f"{what} {wait} since {since} for host {due.host}, which does not answer"
