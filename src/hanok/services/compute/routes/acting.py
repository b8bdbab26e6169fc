"""What the doors of actions on servers share."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import Row

from hanok.base.errors import BadInput
from hanok.bus import NobodyThere
from hanok.commands import AskAgent, Done, Failed
from hanok.commands.wire import ask
from hanok.operations import Operation, record
from hanok.services.compute.logic import quiescing, servers
from hanok.services.compute.room import Compute
from hanok.services.compute.routes.servers import check_unlocked, readable
from hanok.store import Transaction
from hanok.web.request import Request

LOOK_S = 0.05
PING_S = 3.0  # an agent that is there answers in milliseconds
ANSWER_S = 10.0
PATH = "/v2.1/servers/{server_id}/action"


async def unlocked(request: Request, tx: Transaction, action: str, rule: str = "") -> Row[Any]:
    """The server of the path, on which the caller may do this.

    Args:
        action: what its state has to allow.

    Raises:
        Conflict: it is locked, its state does not allow it, or it is on no host.
    """
    row = await readable(request, tx, rule)
    check_unlocked(request, row)
    servers.check_action(row, action)
    return row


async def start(
    request: Request, room: Compute, tx: Transaction, row: Row[Any], operation: Operation
) -> None:
    """Start an operation on a server, in the transaction that says so on its row."""
    await room.operations.start(
        tx, operation, user_id=request.token.user_id, project_id=row.project_id
    )


async def outcome(request: Request, row: Row[Any], *, timeout_s: float) -> str:
    """Wait a while for what this request has started; why it failed, and "" for all else."""
    for _ in range(round(timeout_s / LOOK_S)):
        async with request.reading() as tx:
            one = await record(tx, f"server:{row.id}", request.id)
        if one is None or one.state == "done":
            return ""
        if one.state in ("failed", "cancelled"):
            return one.error or "It was stopped on request."
        await asyncio.sleep(LOOK_S)
    return ""


async def why_no_agent(request: Request, room: Compute, row: Row[Any]) -> str:
    """Why the guest's agent cannot be asked, as the end of a sentence; "" when it answers, or may yet."""
    if not quiescing.has_agent(row):
        return "QEMU guest agent is not enabled: its image does not say hw_qemu_guest_agent=yes."
    question = AskAgent(server_id=row.id, timeout_s=PING_S, request_id=request.id)
    try:
        reply = await ask(room.bus, row.host, question, timeout_s=ANSWER_S)
    except NobodyThere:
        return "its host does not answer."
    may_yet = isinstance(reply, Failed) and reply.transient
    return "" if may_yet or isinstance(reply, Done) else "its guest agent does not answer."


async def optional(request: Request, kind: Any, key: str) -> Any:
    """The body of an action that may also come as null; None then."""
    if (await request.json())[key] is None:
        return None
    return await request.body(kind, key=key)


async def empty(request: Request, key: str) -> None:
    """Raises BadInput when an action that takes nothing is sent something."""
    sent = (await request.json())[key]
    if sent not in (None, {}, ""):
        raise BadInput(f"Invalid input for field/attribute {key}. It takes no values.")
