"""How busy simulated guests are, and what guests so busy would have done.

A load is set by `hanok load SERVER 80%`: a line in a file beside the guests' records, which hosts read when it changes.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

LOADS = "loads.json"
IDLE = 0.02  # of a processor: what a guest does that has nothing to do
_decode = msgspec.json.Decoder(dict[str, float]).decode
# For each second that a processor works.
_BYTES, _PACKETS = 250_000, 300
_DISK_BYTES, _DISK_REQUESTS = 400_000, 25


class Loads:
    """Of the servers of a cloud: a share of their processors between 0 and 1."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._changed = 0
        self.set: dict[str, float] = {}

    def of(self, server_id: str) -> float:
        self._read()
        return min(1.0, max(0.0, self.set.get(server_id, IDLE)))

    def _read(self) -> None:
        if self._file is None:
            return
        try:
            changed = self._file.stat().st_mtime_ns
            if changed != self._changed:
                self.set = _decode(self._file.read_bytes())
                self._changed = changed
        except (OSError, msgspec.DecodeError):
            pass  # none was ever set, or it is being written


def write(file: Path, loads: dict[str, float]) -> None:
    """Set the loads of all servers."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    new.write_bytes(msgspec.json.encode(loads))
    new.replace(file)


def read(file: Path) -> dict[str, float]:
    try:
        return _decode(file.read_bytes())
    except FileNotFoundError:
        return {}


class Work(Struct):
    """What a guest has done since it was switched on.

    busy_s: of each processor. counted_s: when that was counted. boots: how often it was switched on by then.
    """

    busy_s: float = 0.0
    counted_s: float = 0.0
    boots: int = 0

    def until(self, now_s: float, boots: list[float], load: float) -> Work:
        """Go on to this moment: what was done since it was looked at last was done with this load."""
        if len(boots) != self.boots:
            self.busy_s, self.boots = 0.0, len(boots)
            self.counted_s = boots[-1] if boots else now_s
        self.busy_s += max(0.0, now_s - self.counted_s) * load
        self.counted_s = max(now_s, self.counted_s)
        return self

    def network(self, what: str) -> float:
        return self.busy_s * {"octets": _BYTES, "packets": _PACKETS}.get(what, 0)

    def disk(self) -> dict[str, int]:
        size, requests = int(self.busy_s * _DISK_BYTES), int(self.busy_s * _DISK_REQUESTS)
        return {
            "read_bytes": size,
            "read_requests": requests,
            "write_bytes": size // 2,
            "write_requests": requests // 2,
        }
