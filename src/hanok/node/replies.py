"""What a host answers to a command: the one place where what went wrong becomes an answer."""

from __future__ import annotations

import errno
import logging
from collections.abc import Awaitable, Callable

import msgspec

from hanok.base.errors import HanokError
from hanok.base.failpoints import Broken, failpoint
from hanok.base.log import request_id
from hanok.commands import Answer, Command, Failed, Stale, wire
from hanok.drivers.qemu.errors import MonitorLost, QEMUError
from hanok.drivers.volumes.backend import BackendFailed
from hanok.node.command_ids import check_ids
from hanok.node.errors import Late, NotDone

log = logging.getLogger(__name__)

Do = Callable[[Command], Awaitable[Answer]]


async def handle(do: Do, payload: bytes) -> bytes | None:
    """From a command's bytes to the answer's. None: the answer got lost (a failpoint did it)."""
    try:
        command = wire.decode_command(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        log.warning("a command cannot be read: %s", error)
        said = "The host's version does not know this command."
        return wire.encode(Failed(message=said, detail=str(error)))
    request_id.set(command.request_id)
    name = f"node.{command.__struct_config__.tag}"
    if await failpoint(f"{name}.before") == "twice":
        await answer(do, command)
    result = await answer(do, command)
    if await failpoint(f"{name}.after") == "lose":
        return None
    return wire.encode(result)


async def answer(do: Do, command: Command) -> Answer:
    """Do a command; whatever happens is an answer."""
    try:
        check_ids(command)
        return await do(command)
    except Late as late:
        return Stale(known_generation=late.known_generation)
    except NotDone as error:
        failed = Failed(message=error.message, detail=error.detail, transient=error.transient)
    except QEMUError as error:
        lost = isinstance(error, MonitorLost)
        failed = Failed(message=_sentence(error.message), detail=error.detail, transient=lost)
    except BackendFailed as error:
        failed = Failed(message=error.message, detail=error.detail, transient=error.transient)
    except HanokError as error:  # the network's
        failed = Failed(message=_sentence(error.message), detail=error.detail, transient=True)
    except TimeoutError as error:
        failed = Failed(message="The host took too long.", detail=repr(error), transient=True)
    except OSError as error:
        failed = _from_os(error)
    except Broken:  # a failpoint: the node is to break here, not to say so
        raise
    except Exception as error:  # an outermost loop: a fault of ours must not be silence
        log.exception("%s broke", type(command).__name__)
        failed = Failed(message="The host ran into an unexpected error.", detail=repr(error))
    log.warning("%s failed: %s (%s)", type(command).__name__, failed.message, failed.detail)
    return failed


def _from_os(error: OSError) -> Failed:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Failed(message="The host's disk is full.", detail=str(error), transient=True)
    if error.errno == errno.ENOMEM:
        return Failed(message="The host has no free memory.", detail=str(error), transient=True)
    return Failed(message="The host could not do this.", detail=repr(error), transient=True)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."
