"""The agent inside of a guest, spoken to over the channel that QEMU offers it.

A guest may send anything: answers are read up to a limit, within a time, and only looked at for what is wanted.

Source: QEMU Guest Agent protocol reference ("guest-sync-delimited", "guest-set-user-password",
"guest-fsfreeze-freeze").
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from hanok.node.errors import NotDone

ANSWER_BYTES = 64 * 1024
SYNC = b"\xff"


async def ping(path: Path, *, timeout_s: float) -> None:
    """The agent answers.

    Raises:
        NotDone: it does not.
    """
    await _ask(path, "guest-ping", {}, timeout_s)


async def set_password(path: Path, user: str, password: str, *, timeout_s: float) -> None:
    """A user of the guest has this password.

    Raises:
        NotDone: the agent does not answer, or refuses.
    """
    encoded = base64.b64encode(password.encode()).decode()
    arguments = {"username": user, "password": encoded, "crypted": False}
    await _ask(path, "guest-set-user-password", arguments, timeout_s)


async def freeze(path: Path, *, timeout_s: float) -> None:
    """The guest's file systems are flushed and stand still; on a time-out they may, too.

    Raises:
        NotDone: the agent does not answer, or refuses.
    """
    await _ask(path, "guest-fsfreeze-freeze", {}, timeout_s)


async def thaw(path: Path, *, timeout_s: float) -> None:
    """The guest's file systems go on; also where they did.

    Raises:
        NotDone: the agent does not answer, or refuses.
    """
    await _ask(path, "guest-fsfreeze-thaw", {}, timeout_s)


async def _ask(path: Path, command: str, arguments: Mapping[str, Any], timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_unix_connection(path, limit=ANSWER_BYTES)
            try:
                await _synchronize(reader, writer)
                _send(writer, command, arguments)
                answer = _decoded(await reader.readline())
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError) as error:
        raise NotDone("The server's guest agent does not answer.", detail=repr(error)) from error
    if "return" not in answer:
        raise NotDone("The server's guest agent refused that.", detail=str(answer)[:500])


async def _synchronize(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass over what an earlier caller did not read."""
    token = secrets.randbelow(1 << 31)
    writer.write(SYNC)
    _send(writer, "guest-sync-delimited", {"id": token})
    while True:
        await reader.readuntil(SYNC)
        if _decoded(await reader.readline()).get("return") == token:
            return


def _send(writer: asyncio.StreamWriter, command: str, arguments: Mapping[str, Any]) -> None:
    question: dict[str, Any] = {"execute": command}
    if arguments:
        question["arguments"] = arguments
    writer.write(msgspec.json.encode(question) + b"\n")


def _decoded(line: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(line)
    except msgspec.MsgspecError as error:
        raise ValueError("not an answer") from error
    return found if isinstance(found, dict) else {}
