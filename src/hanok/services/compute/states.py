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

_RESIZING: dict[str | None, str] = {
    f"resize_{stage}": "RESIZE" for stage in ("prep", "migrating", "migrated", "finish")
}
_REBUILDING: dict[str | None, str] = {
    name: "REBUILD" for name in ("rebuilding", "rebuild_block_device_mapping", "rebuild_spawning")
}
_MOVING: dict[str | None, str] = {"migrating": "MIGRATING"}
_STATUS: dict[str, dict[str | None, str]] = {
    "active": {
        None: "ACTIVE",
        "updating_password": "PASSWORD",
        **_MOVING,
        **_RESIZING,
        **_REBUILDING,
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
        **_RESIZING,
        **_REBUILDING,
        "rebooting_hard": "HARD_REBOOT",
    },
    "paused": {None: "PAUSED", **_MOVING, "rebooting_hard": "HARD_REBOOT"},
    "suspended": {None: "SUSPENDED", "rebooting_hard": "HARD_REBOOT"},
    "error": {None: "ERROR", "rebooting_hard": "HARD_REBOOT", **_REBUILDING},
    "rescued": {None: "RESCUE"},
    "resized": {None: "VERIFY_RESIZE", "resize_reverting": "REVERT_RESIZE"},
    "shelved": {None: "SHELVED"},
    "shelved_offloaded": {None: "SHELVED_OFFLOADED"},
    "deleted": {None: "DELETED"},
    "soft-delete": {None: "SOFT_DELETED"},
}


PROGRESS = {"ACTIVE": 100, "BUILD": 0, "REBUILD": 0, "RESIZE": 0, "VERIFY_RESIZE": 100}
"""In percent, of the statuses that show any."""


def status(vm_state: str, task_state: str | None) -> str:
    """The status that users see."""
    by_task = _STATUS.get(vm_state)
    if by_task is None:
        return "UNKNOWN"
    return by_task.get(task_state, by_task[None])


def states_of(requested: str) -> tuple[list[str], list[str]] | None:
    """(vm states, task states) that show as this status; None when there is no such status.

    Task states are given only where the status needs one.
    """
    vm_states: list[str] = []
    task_states: list[str] = []
    for vm_state, by_task in _STATUS.items():
        for task_state, name in by_task.items():
            if name == requested.upper():
                if vm_state not in vm_states:
                    vm_states.append(vm_state)
                if task_state is not None:
                    task_states.append(task_state)
    return (vm_states, task_states) if vm_states else None


_SETTLED = frozenset({"active", "stopped", "paused", "suspended"})
_WITH_VOLUMES = frozenset(
    {"active", "paused", "stopped", "resized", "soft-delete", "shelved", "shelved_offloaded"}
)
# What a request wants a server to be in: vm states; and the task state that it then shows.
ACTIONS: dict[str, tuple[frozenset[str], str | None]] = {
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
    "rebuild": (frozenset({"active", "stopped", "error"}), "rebuilding"),
    "rescue": (frozenset({"active", "stopped", "error"}), "rescuing"),
    "unrescue": (frozenset({"rescued"}), "unrescuing"),
    "shelve": (_SETTLED, "shelving"),
    "shelveOffload": (frozenset({"shelved"}), "shelving_offloading"),
    "unshelve": (frozenset({"shelved", "shelved_offloaded"}), "unshelving"),
    "resize": (frozenset({"active", "stopped"}), "resize_prep"),
    "migrate": (frozenset({"active", "stopped"}), "resize_prep"),
    "os-migrateLive": (frozenset({"active", "paused"}), "migrating"),
    "evacuate": (frozenset({"active", "stopped", "error"}), "rebuilding"),
    # While it is confirmed no task shows; the migration's status keeps others off.
    "confirmResize": (frozenset({"resized"}), None),
    "revertResize": (frozenset({"resized"}), "resize_reverting"),
    "softDelete": (
        frozenset({"active", "stopped", "paused", "suspended", "error", "rescued"}),
        "soft-deleting",
    ),
    "restore": (frozenset({"soft-delete"}), "restoring"),
    "changePassword": (frozenset({"active"}), "updating_password"),
    # Interfaces come and go without a task that shows.
    "attach_interface": (frozenset({"active", "paused", "stopped"}), None),
    "detach_interface": (frozenset({"active", "paused", "stopped"}), None),
    "attach_volume": (_WITH_VOLUMES, None),
    "detach_volume": (_WITH_VOLUMES, None),
    "createImage": (_SETTLED, "image_snapshot_pending"),
    "createBackup": (_SETTLED, "image_backup"),
}
