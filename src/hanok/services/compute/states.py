"""The states of a server, and which request is possible in which.

Source: Compute API guide, "Server concepts"; the state names are the field's.
"""

from __future__ import annotations

NO_STATE, RUNNING, PAUSED, SHUTDOWN, CRASHED, SUSPENDED = 0, 1, 3, 4, 6, 7
POWER = {
    "running": RUNNING,
    "paused": PAUSED,
    "stopped": SHUTDOWN,
    "crashed": CRASHED,
    "suspended": SUSPENDED,
}

_STATUS: dict[str, dict[str | None, str]] = {
    "active": {
        None: "ACTIVE",
        "rebooting": "REBOOT",
        "reboot_pending": "REBOOT",
        "reboot_started": "REBOOT",
        "rebooting_hard": "HARD_REBOOT",
        "reboot_pending_hard": "HARD_REBOOT",
        "reboot_started_hard": "HARD_REBOOT",
    },
    "building": {None: "BUILD"},
    "stopped": {
        None: "SHUTOFF",
        "rebooting_hard": "HARD_REBOOT",
    },
    "paused": {None: "PAUSED", "rebooting_hard": "HARD_REBOOT"},
    "suspended": {None: "SUSPENDED", "rebooting_hard": "HARD_REBOOT"},
    "error": {None: "ERROR", "rebooting_hard": "HARD_REBOOT"},
    "deleted": {None: "DELETED"},
    "soft-delete": {None: "SOFT_DELETED"},
}


PROGRESS = {"ACTIVE": 100, "BUILD": 0}
"""In percent, of the statuses that show any."""


def status(vm_state: str, task_state: str | None) -> str:
    """The status that users see."""
    by_task = _STATUS.get(vm_state)
    if by_task is None:
        return "UNKNOWN"
    return by_task.get(task_state, by_task[None])


def states_of(wanted: str) -> tuple[list[str], list[str]] | None:
    """(vm states, task states) that show as this status; None when there is no such status.

    Task states are given only where the status needs one.
    """
    vm_states: list[str] = []
    task_states: list[str] = []
    for vm_state, by_task in _STATUS.items():
        for task_state, name in by_task.items():
            if name == wanted.upper():
                if vm_state not in vm_states:
                    vm_states.append(vm_state)
                if task_state is not None:
                    task_states.append(task_state)
    return (vm_states, task_states) if vm_states else None


_SETTLED = frozenset({"active", "stopped", "paused", "suspended"})
# What a request wants a server to be in: vm states; and the task state that it then shows.
ACTIONS: dict[str, tuple[frozenset[str], str]] = {
    "start": (frozenset({"stopped"}), "powering-on"),
    "stop": (frozenset({"active", "error"}), "powering-off"),
    "reboot": (frozenset({"active"}), "rebooting"),
    "reboot_hard": (
        frozenset({"active", "stopped", "paused", "suspended", "error"}),
        "rebooting_hard",
    ),
    "pause": (frozenset({"active"}), "pausing"),
    "unpause": (frozenset({"paused"}), "unpausing"),
    "suspend": (frozenset({"active"}), "suspending"),
    "resume": (frozenset({"suspended"}), "resuming"),
    "createImage": (_SETTLED, "image_snapshot_pending"),
    "createBackup": (_SETTLED, "image_backup"),
}
