"""The other services, with the eyes of a request or of a stack's owner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hanok.services.orchestration.logic import stacks
from hanok.services.orchestration.logic.work import Cloud
from hanok.services.orchestration.room import Orchestration


async def of_stack(room: Orchestration, stack: Any) -> Cloud:
    """As whoever asked for the change that is under way, while the trust of the stack at the top stands.

    An action that changes nothing is done as whoever asked for it, and for nothing behind it.

    Raises:
        NotSignedIn: what they may do is gone.
    """
    lent = room.key.open(stack.lent)
    if "now" in lent and stack.status == "IN_PROGRESS" and stack.action in stacks.SWEEPS:
        token = await room.borrow(str(lent["now"]["payload"]), "")
    else:
        token = await room.borrow(str(lent.get("payload", "")), await _trust(room, stack))
    return of_token(room, token, stack.project_id)


async def _trust(room: Orchestration, stack: Any) -> str:
    """What a stack within has of its own may be older: it was written when that one was changed last."""
    top = stack
    if stack.root_id != stack.id:
        async with room.database.read() as tx:
            top = await stacks.find(tx, stack.root_id)
    return "" if top is None else str(room.key.open(top.lent).get("trust", ""))


def of_token(room: Orchestration, token: str, project_id: str) -> Cloud:
    """As the owner of a token."""

    async def ask(
        method: str, path: str, body: bytes, headers: Mapping[str, str], request_id: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        return await room.ask_as(token, method, path, body, headers, request_id)

    return Cloud(ask, project_id)


async def lent(room: Orchestration, token: str, origin: str) -> str:
    """What a token is worth, sealed, for a stack to go on with. origin: where the caller reached us."""
    return room.key.seal({"payload": await room.lend(token), "origin": origin})
