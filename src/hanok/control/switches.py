"""Switching services on and off while the cloud runs.

What an operator switches stands in the database; each control process follows it. A service that is off has no doors,
no loops, no operations under way are taken up, and the catalog does not name it; its rows stay as they are. Its code
stays in memory until the process starts anew, and is not loaded then.
"""

from __future__ import annotations

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import bindparam

from hanok.base.errors import Conflict, NotFound
from hanok.control.settings import ControlSettings
from hanok.control.tables import switches
from hanok.rooms import House
from hanok.store import Transaction

TOPIC = "services"  # of wake-ups

_all = sa.select(switches)
_set = (
    switches.update()
    .where(switches.c.service == bindparam("name"))
    .values(on=bindparam("now_on"), changed_at=bindparam("at"))
)


class Switch(Struct, frozen=True, kw_only=True):
    """A service, and whether it is on. why: who switched it off: "settings", "operator", or ""."""

    name: str
    on: bool
    why: str
    needs: tuple[str, ...]


async def look(tx: Transaction, settings: ControlSettings) -> list[Switch]:
    """Every service of this house, those that others need first."""
    switched = {row.service: row.on for row in await tx.all(_all)}
    found = []
    for name in settings.rooms:
        why = "settings" if name in settings.services_off else ""
        why = why or ("" if switched.get(name, True) else "operator")
        needs = settings.room_class(name).needs if not why else ()
        found.append(Switch(name=name, on=not why, why=why, needs=needs))
    return found


async def switch(
    tx: Transaction, house: House, settings: ControlSettings, name: str, *, on: bool
) -> None:
    """Switch a service on or off, for all processes of the cloud.

    Raises:
        NotFound: there is no such service. Conflict: others need it, it needs others, or the settings say otherwise.
    """
    if name not in settings.rooms:
        raise NotFound(f"There is no service {name[:64]}. There are: {', '.join(settings.rooms)}.")
    await tx.serialize("services")
    known = {one.name: one for one in await look(tx, settings)}
    if known[name].why == "settings":
        raise Conflict(f"The settings switch {name} off (services_off).")
    needed_by = [one.name for one in known.values() if one.on and name in one.needs]
    missing = [other for other in settings.room_class(name).needs if not known[other].on]
    if not on and needed_by:
        raise Conflict(f"{name} is needed by: {', '.join(needed_by)}. Disable these first.")
    if on and missing:
        raise Conflict(f"{name} needs: {', '.join(missing)}. Enable these first.")
    if not on and name == settings.rooms[0]:
        raise Conflict(f"{name} cannot be disabled: nobody could sign in to enable it again.")
    at = house.clock.now()
    if not await tx.count(_set, {"name": name, "now_on": on, "at": at}):
        await tx.insert(switches, {"service": name, "on": on, "changed_at": at})
    for entry in settings.room_class(name).shown():
        for room in list(house.rooms.values()):
            await room.switched(tx, entry, on=on)
    tx.after_commit(lambda: house.wakes.wake(TOPIC))
