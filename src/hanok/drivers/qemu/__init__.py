"""QEMU, driven directly: start it, talk to it, find it again. Knows no node and no service.

probe.py         does KVM really run guests here?
arguments.py     a guest as data, and the argument vector that makes it
process.py       start without privileges, find again, end only what was recognised
monitor.py       QMP: listen before you ask
images.py        overlays and plain disks by qemu-img, under limits
config_drive.py  the ISO that tells a guest who it is
"""

from __future__ import annotations

from hanok.drivers.qemu.errors import QEMUError

__all__ = ["QEMUError"]
