"""What a node remembers of volumes: a file for each volume, each layer, and each volume that was removed.

Written before the effects that they announce. What a record says a volume shows is right at every moment: the daemon
can be lost between any two lines, and is filled again from here.

    <state>/volumes/records/<volume_id>.json
    <state>/volumes/layers/<layer_id>.json
    <state>/volumes/removed/<volume_id>         the generation, as text
    <state>/volumes/work/                       copies that are being made
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec
from msgspec import Struct

from hanok.commands import VolumeLimits
from hanok.drivers.volumes.layer import Layer
from hanok.node.errors import Late
from hanok.node.records import write_whole

log = logging.getLogger(__name__)
T = TypeVar("T")
CLOSED_REMEMBERED = 64  # attachments of a volume; a command is late by seconds


class Frozen(Struct, frozen=True, kw_only=True):
    """What a volume was at a moment: a layer that is not written to any more, and its size."""

    layer: str
    size_bytes: int


class VolumeRecord(Struct, frozen=True, kw_only=True):
    """A volume.

    top: the layer that it is written to. ready: whether it holds what it is to. lock: a hash of its key; "" for none.
    set_back, replaced: the generations in which that was done last.
    snapshots: by id. kept: those that nobody manages, by name. remembered: what copies were made of, by their id.
    exports: by attachment, whether it only reads. hosts: of those that other hosts have, which.
    openings: the newest generation that was seen of an attachment, also of those that were closed last.
    busy: what is about to be done in the daemon: "freeze:…" with the snapshot's id, "move:…" with the new layer, or
    "change".
    """

    volume_id: str
    generation: int
    backend: str
    size_bytes: int
    top: str = ""
    ready: bool = False
    limits: VolumeLimits = VolumeLimits()
    lock: str = ""
    set_back: int = -1
    replaced: int = -1
    snapshots: dict[str, Frozen] = {}
    kept: dict[str, Frozen] = {}
    remembered: dict[str, Frozen] = {}
    exports: dict[str, bool] = {}
    openings: dict[str, int] = {}
    hosts: dict[str, tuple[str, ...]] = {}
    busy: str = ""

    def frozen(self) -> tuple[Frozen, ...]:
        return (*self.snapshots.values(), *self.kept.values(), *self.remembered.values())


class Attached(Protocol):
    """What has attachments: a volume, whoever keeps it."""

    @property
    def exports(self) -> dict[str, bool]: ...

    @property
    def openings(self) -> dict[str, int]: ...


def check_opening(volume: Attached, name: str, generation: int) -> None:
    """Raises Late: that opening was closed, or there was a newer one."""
    latest = volume.openings.get(name, 0)
    if generation and (
        generation < latest or (generation == latest and name not in volume.exports)
    ):
        raise Late(latest)


def is_of_older(volume: Attached, name: str, generation: int) -> bool:
    """Whether a command to close speaks of an opening that is not the newest."""
    return 0 < generation < volume.openings.get(name, 0)


def noted(volume: Attached, name: str, generation: int) -> dict[str, int]:
    """The openings, with this one as the newest."""
    others = {one: latest for one, latest in volume.openings.items() if one != name}
    if not generation:
        return volume.openings
    closed = [one for one in others if one not in volume.exports]
    for one in closed[: -CLOSED_REMEMBERED + 1]:
        del others[one]
    return {**others, name: generation}


_encode = msgspec.json.Encoder().encode
_volume = msgspec.json.Decoder(VolumeRecord).decode
_layer = msgspec.json.Decoder(Layer).decode


class VolumeRecords:
    """unread: names of what cannot be read, or names a layer that cannot: as long as there are any, nobody knows which
    layers are needed, and none is removed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for part in ("records", "layers", "removed"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        self.volumes: dict[str, VolumeRecord] = {}
        self.layers: dict[str, Layer] = {}
        self.unread: list[str] = []
        for path in sorted((folder / "records").glob("*.json")):
            self._read(path, _volume, self.volumes)
        for path in sorted((folder / "layers").glob("*.json")):
            self._read(path, _layer, self.layers)
        for volume_id in [one for one in self.volumes if not self._is_whole(one)]:
            self.unread.append(volume_id)
            del self.volumes[volume_id]
        if self.unread:
            log.error("records of volumes cannot be read: %s", ", ".join(self.unread))

    def _read(self, path: Path, decode: Callable[[bytes], T], into: dict[str, T]) -> None:
        try:
            into[path.stem] = decode(path.read_bytes())
        except (OSError, msgspec.MsgspecError):
            self.unread.append(path.stem)

    def _is_whole(self, volume_id: str) -> bool:
        """Whether every layer that it shows is known."""
        record = self.volumes[volume_id]
        try:
            for layer_id in {record.top, *(one.layer for one in record.frozen())}:
                self.chain(layer_id)
        except KeyError:
            return False
        return True

    def save(self, record: VolumeRecord) -> VolumeRecord:
        write_whole(self._folder / "records" / f"{record.volume_id}.json", _encode(record))
        self.volumes[record.volume_id] = record
        return record

    def delete(self, volume_id: str) -> None:
        (self._folder / "records" / f"{volume_id}.json").unlink(missing_ok=True)
        self.volumes.pop(volume_id, None)

    def save_layer(self, layer: Layer) -> Layer:
        write_whole(self._folder / "layers" / f"{layer.id}.json", _encode(layer))
        self.layers[layer.id] = layer
        return layer

    def delete_layer(self, layer_id: str) -> None:
        (self._folder / "layers" / f"{layer_id}.json").unlink(missing_ok=True)
        self.layers.pop(layer_id, None)

    def removed_at(self, volume_id: str) -> int:
        try:
            return int((self._folder / "removed" / volume_id).read_text())
        except (FileNotFoundError, ValueError):
            return -1

    def bury(self, volume_id: str, generation: int) -> None:
        if generation > self.removed_at(volume_id):
            write_whole(self._folder / "removed" / volume_id, b"%d" % generation)

    # ---- chains

    def chain(self, layer_id: str) -> tuple[Layer, ...]:
        """A layer and what it stands on, the lowest first."""
        found = []
        while layer_id:
            layer = self.layers[layer_id]
            found.append(layer)
            layer_id = layer.backing
        return tuple(reversed(found))

    def children(self, layer_id: str) -> list[Layer]:
        return [layer for layer in self.layers.values() if layer.backing == layer_id]

    def referred(self, but: str = "") -> set[str]:
        """Layers that something is named to show. but: a volume that does not count."""
        records = [one for one in self.volumes.values() if one.volume_id != but]
        found = {record.top for record in records}
        for record in records:
            found |= {one.layer for one in record.frozen()}
        return found - {""}

    def unneeded(self, pinned: set[str]) -> list[Layer]:
        """Layers that nothing shows, and nothing that is shown or pinned stands on."""
        needed: set[str] = set()
        for layer_id in self.referred() | pinned:
            while layer_id in self.layers and layer_id not in needed:
                needed.add(layer_id)
                layer_id = self.layers[layer_id].backing
        return [layer for name, layer in list(self.layers.items()) if name not in needed]
