"""What OVN's hosts have found of the targets of load balancers: `ovn-sbctl`, which reads the southbound database."""

from __future__ import annotations

from typing import Any

import msgspec

from hanok.drivers.ovn.errors import ExecuteError
from hanok.drivers.ovn.host import run
from hanok.drivers.ovn.seal import Seal
from hanok.drivers.ovn.seal import words as sealed

LIMIT_S = 5.0  # it takes some hundredths of a second
_COLUMNS = "ip,port,protocol,status"


async def statuses(southbound: str, seal: Seal | None = None) -> dict[tuple[str, int, str], str]:
    """Of each target that is checked (address, port, protocol): "online", "offline" or "error"; "" not known yet.

    Raises:
        ExecuteError, Unanswered: OVN cannot be asked.
    """
    told = await run(
        "ovn-sbctl",
        f"--db={southbound}",
        *sealed(southbound, seal),
        "--no-leader-only",
        "--format=json",
        f"--columns={_COLUMNS}",
        "list",
        "Service_Monitor",
        timeout_s=LIMIT_S,
    )
    try:
        rows: list[list[Any]] = msgspec.json.decode(told)["data"]
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise ExecuteError("ovn-sbctl answers otherwise than expected", detail=str(error)) from None
    return {(row[0], row[1], _plain(row[2])): _plain(row[3]) for row in rows}


def _plain(value: Any) -> str:
    """An optional value as OVSDB's JSON has it: itself, or a set of none."""
    return value if isinstance(value, str) else ""
