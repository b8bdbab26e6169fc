"""What can go wrong with QEMU, by phase.

QEMUError
├── StartFailed     the process ended before it could be talked to
├── MonitorLost     the monitor does not answer, or its process is gone
├── CommandFailed   QEMU refused a command
└── ImageFailed     qemu-img or a file system tool failed
    └── ToolMissing it is not installed
"""

from __future__ import annotations

from hanok.base.errors import HanokError


class QEMUError(HanokError):
    """message: what was being done; detail: what QEMU said."""


class StartFailed(QEMUError):
    pass


class MonitorLost(QEMUError):
    pass


class CommandFailed(QEMUError):
    pass


class ImageFailed(QEMUError):
    pass


class ToolMissing(ImageFailed):
    pass
