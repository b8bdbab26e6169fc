"""What is asked of agents inside of guests: passwords; file systems that stand still for a copy, and go on."""

from __future__ import annotations

import asyncio
import logging

from hanok.commands import AskAgent
from hanok.node import agent
from hanok.node.errors import NotDone
from hanok.node.guests import Guest, Guests

log = logging.getLogger(__name__)

PING_S = 3.0  # an agent that is there answers in milliseconds
FREEZE_S = 30.0  # what is not written yet is written first
AGAIN_S = (5.0, 10.0, 20.0, 40.0, 60.0)  # then each minute
STILL = (
    "Its file systems were told to stand still for a copy of its disk, and its guest agent does not answer that they "
    "go on. It is asked again; a hard reboot helps in any case."
)


async def ask_agent(guests: Guests, requested: AskAgent) -> None:
    """The guest's agent answers, and has set the password if there is one.

    Raises:
        NotDone: it does not; transient while the guest may still be starting.
    """
    path, timeout_s = guests.socket(requested.server_id, "agent"), requested.timeout_s
    async with guests.holding(requested.server_id) as guest:
        if guest.record.actual != "running":
            raise NotDone("The server is not running.")
        try:
            await agent.ping(path, timeout_s=timeout_s)
        except NotDone as error:
            if not guests.starts(guest):
                raise
            words = "The server's guest agent does not answer yet."
            raise NotDone(words, detail=error.detail, transient=True) from error
        if requested.password:
            user, password = requested.user, requested.password
            await agent.set_password(path, user, password, timeout_s=timeout_s)


async def freeze(guests: Guests, guest: Guest) -> None:
    """Its file systems stand still, until `thaw`. The caller holds the server's lock.

    Raises:
        NotDone: its agent does not do it; they go on.
    """
    path = guests.socket(guest.record.server_id, "agent")
    await agent.ping(path, timeout_s=PING_S)
    await guests.remember(guest, frozen=True)
    try:
        await agent.freeze(path, timeout_s=FREEZE_S)
    except BaseException:
        await thaw(guests, guest)
        raise


async def thaw(guests: Guests, guest: Guest) -> None:
    """Its file systems go on. An agent that does not answer is asked again and again; its owner is told."""
    if not await _thawed(guests, guest):
        await guests.tell_of(guest, STILL)
        guests.tasks.create_task(_thaw_later(guests, guest), name=f"thaw {guest.record.server_id}")


async def _thawed(guests: Guests, guest: Guest) -> bool:
    server_id = guest.record.server_id
    try:
        await agent.thaw(guests.socket(server_id, "agent"), timeout_s=FREEZE_S)
    except NotDone as error:
        log.error("server %s: its file systems may stand still: %s", server_id, error.detail)
        return False
    await guests.remember(guest, frozen=False)
    return True


async def _thaw_later(guests: Guests, guest: Guest) -> None:
    """Ask until the agent answers, or the process that was told to stand still is gone."""
    process, tries = guest.process, 0
    while True:
        await asyncio.sleep(AGAIN_S[min(tries, len(AGAIN_S) - 1)])
        tries += 1
        try:
            async with guests.holding(guest.record.server_id) as now:
                if now is not guest or guest.process is not process or not guest.record.frozen:
                    return
                if await _thawed(guests, guest):
                    await guests.tell_of(guest, "Its file systems go on again.")
                    return
        except NotDone:
            return  # it was deleted, or this node is ending: the next one asks
