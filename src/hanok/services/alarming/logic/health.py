"""Alarms on the members of a load balancer's pool, and what mends the group of a stack whose members they are.

While a member does not answer, the alarm is in "alarm". The action `trust+heat://` marks what stands behind it as
unhealthy in the group, and has the stack brought up to date, in the name of whoever made the alarm.

Source: Aodh's documentation, "Load balancer member health"; Orchestration API reference, "Mark resource unhealthy".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
from sqlalchemy import Row

from hanok.base.errors import Refused
from hanok.drivers.image_stores.web import NotAllowed, WebBroken
from hanok.services.alarming.logic.alarms import ALARM, OK, UNKNOWN
from hanok.services.alarming.room import Alarming
from hanok.services.load_balancer import facade as balancing

GRACE_S = 120  # for which a new member may be without an answer
AT_ONCE = 50  # members that one notice tells of
DEEPEST = 3  # stacks within each other in which a member is looked for

State = tuple[str, str, dict[str, Any]]


async def state(room: Alarming, row: Row[Any]) -> State:
    """The state that an alarm belongs in, why, and whom it is about."""
    rule = row.rule
    data = {
        "type": row.type,
        "stack_id": rule["stack_id"],
        "asg_id": rule["autoscaling_group_id"],
        "unhealthy_members": [],
    }
    if not room.balances():
        return UNKNOWN, "Load balancing is switched off.", data
    async with room.database.read() as tx:
        members = await balancing.members_of(tx, rule["pool_id"], row.project_id)
    if members is None:
        return UNKNOWN, f"Pool {rule['pool_id']} could not be found.", data
    before = room.clock.now() - timedelta(seconds=GRACE_S)
    ill = [one for one in members if one.operating_status == "ERROR" and one.created_at < before]
    data["unhealthy_members"] = [
        {name: getattr(one, name) for name in ("id", "name", "address", "protocol_port")}
        for one in ill[:AT_ONCE]
    ]
    if ill:
        return ALARM, f"{len(ill)} of {len(members)} members of the pool do not answer.", data
    return OK, f"No member of the pool is in ERROR, of {len(members)}.", data


class Healing:
    """One notice, told to orchestration by its own door."""

    def __init__(self, room: Alarming, row: Row[Any], token: str) -> None:
        self._room, self._row, self._token = room, row, token
        self._stacks = f"/heat-api/v1/{quote(row.project_id, safe='')}/stacks"

    async def _ask(self, method: str, path: str, body: Any = None) -> tuple[int, Mapping[str, str], Any]:  # fmt: skip
        content = b"" if body is None else msgspec.json.encode(body)
        sent = {"Content-Type": "application/json"} if content else {}
        status, headers, raw = await self._room.ask_as(
            self._token, method, path, content, sent, f"req-{self._row.id}"
        )
        if status in (403, 404):
            raise NotAllowed(f"{method} {path}: orchestration answers {status}")
        if status >= 400:
            raise WebBroken(f"{method} {path}: orchestration answers {status}")
        return status, headers, msgspec.json.decode(raw) if raw and status == 200 else None

    async def _stack(self, stack_id: str) -> str:
        """The path of a stack."""
        path = f"{self._stacks}/{quote(stack_id, safe='')}"
        status, headers, shown = await self._ask("GET", path)
        if status == 302:
            return urlsplit(headers["location"]).path
        return f"{self._stacks}/{quote(shown['stack']['stack_name'])}/{shown['stack']['id']}"

    async def run(self) -> None:
        """
        Raises:
            NotAllowed: the stack is not there, or may not be changed. WebBroken: it is busy.
        """
        data = self._row.payload["reason_data"]
        stack, group = await self._stack(data["stack_id"]), await self._stack(data["asg_id"])
        found = [await self._where(stack, one["id"]) for one in data["unhealthy_members"]]
        some = [one for one in found if one is not None]
        for one in some:
            await self._ill(stack, group, one)
        if some:
            await self._ask("PATCH", stack, {})

    async def _ill(self, stack: str, group: str, member: Mapping[str, Any]) -> None:
        """Mark a member of the group: itself, or all that stands beside it in a stack of its own."""
        inner = _stack_of(member)
        names = [member["resource_name"]]
        if _id(inner) != _id(group):
            _, _, beside = await self._ask("GET", f"{inner}/resources")
            names = [one["resource_name"] for one in beside["resources"]]
        for name in names:
            await self._mark(inner, name)
        await self._above(stack, inner)

    async def _above(self, stack: str, inner: str) -> None:
        """Mark what is between a stack and one within it: an update looks into nothing else, and mends it in place."""
        for _ in range(DEEPEST):
            found = await self._where(stack, _id(inner)) if _id(inner) != _id(stack) else None
            if found is None:
                return
            inner = _stack_of(found)
            await self._mark(inner, found["resource_name"])

    async def _where(self, stack: str, physical_id: str) -> dict[str, Any] | None:
        """A resource in a stack, or in those within it, by what it stands for."""
        wish = f"nested_depth={DEEPEST}&physical_resource_id={quote(physical_id, safe='')}"
        _, _, found = await self._ask("GET", f"{stack}/resources?{wish}")
        return dict(found["resources"][0]) if found["resources"] else None

    async def _mark(self, stack: str, name: str) -> None:
        why = "unhealthy load balancer member"
        body = {"mark_unhealthy": True, "resource_status_reason": why}
        await self._ask("PATCH", f"{stack}/resources/{quote(name, safe='')}", body)


def _id(path: str) -> str:
    return path.rpartition("/")[2]


def _stack_of(resource: Mapping[str, Any]) -> str:
    """The path of the stack that a resource is in."""
    links = {one["rel"]: one["href"] for one in resource["links"]}
    return urlsplit(str(links["stack"])).path


async def heal(room: Alarming, row: Row[Any]) -> None:
    """
    Raises:
        NotAllowed, WebBroken, HanokError
    """
    try:
        await Healing(room, row, await room.borrow(row.lent)).run()
    except Refused as error:
        raise NotAllowed(error.message) from None
