"""Whether the file systems of a guest stand still while its disk is copied.

Source: the image service's "Useful image properties" (hw_qemu_guest_agent, os_require_quiesce).
"""

from __future__ import annotations

from typing import Literal

from sqlalchemy import Row

_YES = ("yes", "true", "1", "on")


def has_agent(row: Row[object]) -> bool:
    """Whether a server's image says that an agent is in it."""
    return str(row.image_properties.get("hw_qemu_guest_agent", "")).lower() in _YES


def required(row: Row[object]) -> bool:
    """Whether a server that runs is not to be copied without; one that does not run has nothing to flush."""
    requested = str(row.image_properties.get("os_require_quiesce", "")).lower() in _YES
    return requested and row.vm_state == "active"


def how(row: Row[object]) -> Literal["no", "try", "require"]:
    """What a host is told. One with an agent is asked in any case."""
    if required(row):
        return "require"
    return "try" if has_agent(row) and row.vm_state == "active" else "no"
