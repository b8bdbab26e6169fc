"""What a supervisor does for the machines of its cloud: the engines believe those that are there, and nobody else."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from hanok.base.authority import TLSFolder
from hanok.base.errors import HanokError
from hanok.drivers.ovn import engines as ovn
from hanok.supervisor import database_server, front, membership, parts
from hanok.supervisor.settings import Cloud
from hanok.supervisor.supervise import Supervisor

log = logging.getLogger(__name__)

LOOK_S = 0.2  # a file of ours: one stat
CERTIFY_S = 3600.0  # certificates are made anew a month before they end
RENEW_S = 10.0  # between looks at what was revoked


def following(cloud: Cloud) -> Callable[[Supervisor], Awaitable[None]]:
    """On the machine where the cloud began: as `members.json` says, which control writes."""

    async def follow(supervisor: Supervisor) -> None:
        # One that died between writing and telling has left engines that were not told: they are, once they answer.
        last, told, certified = -1, False, asyncio.get_running_loop().time()
        while True:
            now = asyncio.get_running_loop().time()
            changed = _changed(cloud)
            due, tell = now - certified > CERTIFY_S, not told and _answer(supervisor)
            if changed != last or due or tell:
                try:
                    await _follow(cloud, supervisor, certify=due, tell=tell)
                    last, told = changed, told or tell
                    certified = now if due else certified
                except (OSError, ValueError, HanokError) as error:
                    log.error("hosts that joined or left are not followed: %s", error)
                    told = False  # what was written may not have been told
                    await asyncio.sleep(1.0)
            await asyncio.sleep(LOOK_S)

    return follow


def with_front(
    cloud: Cloud, others: Callable[[Supervisor], Awaitable[None]]
) -> Callable[[Supervisor], Awaitable[None]]:
    """On a controller: what is in front of control, and its certificate's addresses, follow who is there, too."""

    async def both(supervisor: Supervisor) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(_run(others, supervisor))
            group.create_task(front.keep(cloud))
            group.create_task(_follow_addresses(cloud))

    return both


async def _run(others: Callable[[Supervisor], Awaitable[None]], supervisor: Supervisor) -> None:
    await others(supervisor)


async def _follow_addresses(cloud: Cloud) -> None:
    last = -1
    while True:
        changed = _changed(cloud)
        if changed != last:
            try:
                membership.certify_control(cloud)
                last = changed
            except (OSError, ValueError) as error:
                log.error("control's certificate is not made anew: %s", error)
                await asyncio.sleep(1.0)
        await asyncio.sleep(LOOK_S)


def _answer(supervisor: Supervisor) -> bool:
    """Whether the engines that know hosts can be told."""
    return all(supervisor.parts[name].ready.is_set() for name in ("nats-server", "ovsdb-sb"))


def _changed(cloud: Cloud) -> int:
    try:
        return cloud.members_file.stat().st_mtime_ns
    except OSError:
        return 0


async def _follow(cloud: Cloud, supervisor: Supervisor, *, certify: bool, tell: bool) -> None:
    if certify:
        membership.certify(cloud)
    before = membership.trusted(cloud).read_text()
    if membership.follow(cloud) or certify or tell:
        await _tell_database(cloud, supervisor)
    if parts.write_messages(cloud) or certify or tell:
        # Whoever is not in there any longer is hung up on.
        supervisor.tell("nats-server", signal.SIGHUP)
    gone = set(_anchors(before)) - set(_anchors(membership.trusted(cloud).read_text()))
    if (gone or tell) and supervisor.parts["ovsdb-sb"].ready.is_set():
        await ovn.hang_up(parts.data_plane(cloud))


async def _tell_database(cloud: Cloud, supervisor: Supervisor) -> None:
    """The server looks anew at who may connect, and hangs up on who may not."""
    part = supervisor.parts.get("postgres")
    if part is None or part.process is None:
        return
    supervisor.tell("postgres", signal.SIGHUP)
    await asyncio.sleep(LOOK_S)  # who is hung up on comes again at once, and has to be refused then
    there = {one.address for one in membership.controllers(cloud)}
    database_server.hang_up_but(part.process.pid, there)


def _anchors(text: str) -> list[str]:
    end = "-----END CERTIFICATE-----"
    return [one.strip() for one in text.split(end) if one.strip()]


def renewing(cloud: Cloud) -> Callable[[Supervisor], Awaitable[None]]:
    """On a machine that joined: certificates are made anew in time; which ones of others are good is known."""

    async def renew(supervisor: Supervisor) -> None:
        trouble = ""
        while True:
            try:
                if cloud.has_control and TLSFolder(cloud.control_tls).is_due(datetime.now(UTC)):
                    membership.certify(cloud)
                if await asyncio.to_thread(membership.renew, cloud):
                    log.info("this host has new certificates")
                now = ""
            except (membership.Refused, OSError) as error:
                now = f"{error}"
            if now and now != trouble:
                log.error("the cloud does not answer this host: %s", now)
            trouble = now
            await asyncio.sleep(RENEW_S)

    return renew
