"""What the house, and later rooms, may ask of block storage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct
from sqlalchemy import Row

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.base.log import request_id
from hanok.commands import CloseVolume, VolumeAddress
from hanok.rooms import Difference
from hanok.services.block_storage.logic import (
    attachments,
    backends,
    backup_stores,
    creating,
    group_types,
    inventory,
    messages,
    opening,
    snapshots,
    types,
    volumes,
)
from hanok.services.block_storage.logic.meters import of_volumes
from hanok.services.block_storage.logic.on_hosts import what_hosts_have
from hanok.services.block_storage.operations import OPERATIONS, begin
from hanok.services.block_storage.room import (
    BlockStorageSettings,
    Servers,
    Volumes,
)
from hanok.store import Transaction
from hanok.web.token import Caller

__all__ = [
    "OPERATIONS",
    "AttachmentInfo",
    "BlockStorage",
    "BlockStorageSettings",
    "Opened",
    "SnapshotInfo",
    "VolumeInfo",
    "backup_store",
    "bootstrap",
    "of_volumes",
    "on_hosts",
    "volumes_on",
]

on_hosts = what_hosts_have
backup_store = backup_stores.opener


class AttachmentInfo(Struct, frozen=True, kw_only=True):
    """An attachment. status: reserved, attaching, attached. mode: rw, ro. device: as who attached it said."""

    id: str
    volume_id: str
    server_id: str | None
    status: str
    mode: str
    device: str | None
    attached_at: datetime | None


class VolumeInfo(Struct, frozen=True, kw_only=True):
    """A volume as compute wants to know it.

    host, backend: where it is; None: nowhere yet. attach_mode: rw, ro; None: it is not attached.
    read_only: whether nobody may write to it. image_metadata: what it says of its image; empty: it has none.
    """

    id: str
    name: str | None
    project_id: str
    status: str
    size_gib: int
    bootable: bool
    multiattach: bool
    encrypted: bool
    read_only: bool
    zone: str
    type_id: str
    host: str | None
    backend: str | None
    attach_mode: str | None
    snapshot_id: str | None
    image_metadata: dict[str, str]
    attachments: tuple[AttachmentInfo, ...]


class SnapshotInfo(Struct, frozen=True, kw_only=True):
    """A snapshot as compute wants to know it. image_metadata, bootable, zone: of its volume."""

    id: str
    name: str | None
    project_id: str
    volume_id: str
    status: str
    size_gib: int
    bootable: bool
    zone: str
    image_metadata: dict[str, str]


class Opened(Struct, frozen=True, kw_only=True):
    """A volume that an attachment can reach. Limits are in force on the side of the volume."""

    volume_id: str
    attachment_id: str
    address: VolumeAddress
    size_gib: int
    read_only: bool


async def volumes_on(tx: Transaction, host: str) -> int:
    """How many volumes are on a host."""
    return await inventory.count_on_host(tx, host)


async def bootstrap(tx: Transaction, room: Volumes) -> None:
    """First rows: the type of volumes whose request names none, and that of consistency groups."""
    await types.ensure_default(tx, room.clock.now())
    await group_types.ensure_default(tx, room.clock.now())


def _attachment(row: Row[Any]) -> AttachmentInfo:
    return AttachmentInfo(
        id=row.id,
        volume_id=row.volume_id,
        server_id=row.server_id,
        status=row.status,
        mode=row.mode or "rw",
        device=row.mountpoint,
        attached_at=row.attached_at,
    )


class BlockStorage:
    """Block storage as rooms above see it. What takes `tx` joins the caller's transaction."""

    def __init__(self, room: Volumes) -> None:
        self.room = room

    def know_servers(self, servers: Servers) -> None:
        """Take what compute tells of servers."""
        self.room.servers = servers

    # ---- looking ----

    async def visible(self, tx: Transaction, caller: Caller, volume_id: str) -> VolumeInfo:
        """A volume with the caller's eyes. Raises NotFound."""
        return await self._info(tx, await volumes.get(tx, caller, volume_id))

    async def get(self, tx: Transaction, volume_id: str) -> VolumeInfo | None:
        """A volume, whoever asks; for operations."""
        row = await volumes.get_any(tx, volume_id)
        return None if row is None else await self._info(tx, row)

    async def _info(self, tx: Transaction, row: Row[Any]) -> VolumeInfo:
        attached = await volumes.attachments(tx, row.id)
        return VolumeInfo(
            id=row.id,
            name=row.name,
            project_id=row.project_id,
            status=row.status,
            size_gib=row.size_gib,
            bootable=row.bootable,
            multiattach=row.multiattach,
            encrypted=row.encrypted,
            read_only=bool(row.read_only),
            zone=row.zone,
            type_id=row.type_id,
            host=row.host,
            backend=row.backend,
            attach_mode=volumes.attached_mode(attached),
            snapshot_id=row.snapshot_id,
            image_metadata=row.image_metadata or {},
            attachments=tuple(map(_attachment, attached)),
        )

    async def snapshot_visible(
        self, tx: Transaction, caller: Caller, snapshot_id: str
    ) -> SnapshotInfo:
        """A snapshot with the caller's eyes. Raises NotFound."""
        row = await snapshots.get(tx, caller, snapshot_id)
        volume = await volumes.get_any(tx, row.volume_id)
        if volume is None:
            raise snapshots.not_found(snapshot_id)
        return SnapshotInfo(
            id=row.id,
            name=row.name,
            project_id=row.project_id,
            volume_id=row.volume_id,
            status=row.status,
            size_gib=row.size_gib,
            bootable=volume.bootable,
            zone=volume.zone,
            image_metadata=volume.image_metadata or {},
        )

    async def attachments_of_server(
        self, tx: Transaction, server_id: str
    ) -> tuple[AttachmentInfo, ...]:
        """What a server has, or is about to have."""
        return tuple(map(_attachment, await attachments.of_server(tx, server_id)))

    async def attachments_of_servers(self, tx: Transaction) -> tuple[AttachmentInfo, ...]:
        """All that are a server's."""
        return tuple(map(_attachment, await attachments.of_servers(tx)))

    # ---- making and deleting ----

    async def create(
        self,
        tx: Transaction,
        caller: Caller,
        *,
        size_gib: int | None,
        name: str | None = None,
        source: tuple[Literal["blank", "image", "snapshot", "volume"], str] = ("blank", ""),
        type: str | None = None,
        zone: str | None = None,
        server_id: str = "",
        image_caller: Caller | None = None,
        metadata: dict[str, str] | None = None,
        description: str | None = None,
    ) -> str:
        """A new volume; `volume.state` is told when it is there. Returns its id.

        Args:
            size_gib: None: that of its source. source: its kind and id. server_id: the server that it is to be near.
            image_caller: the caller as the image service's rules see them.

        Raises:
            BadInput, NotFound, TooLarge: as the API.
        """
        kind, source_id = source
        if kind in ("snapshot", "volume"):
            await tx.take_turn(source_id)
        requested = creating.Requested(
            size_gib=size_gib,
            name=name,
            description=description,
            type=type,
            zone=zone,
            snapshot_id=source_id if kind == "snapshot" else None,
            source_volume_id=source_id if kind == "volume" else None,
            image_id=source_id if kind == "image" else None,
            metadata=metadata or {},
        )
        row = await begin.create(tx, self.room, caller, requested, image_caller=image_caller)
        return str(row.id)

    async def delete(self, tx: Transaction, volume_id: str, *, force: bool = False) -> None:
        """The volume goes with the server that had it; one that is gone is fine.

        Args:
            force: also one that is not there yet: what makes it is stopped.

        Raises:
            Conflict: it may not go.
        """
        await tx.take_turn(volume_id)
        row = await volumes.get_any(tx, volume_id)
        if row is None:
            return
        try:
            await begin.delete(tx, self.room, None, row, force=force)
        except BadInput as error:
            raise Conflict(error.message) from None

    async def reimage(self, tx: Transaction, volume_id: str, image_id: str) -> None:
        """An image is written onto a volume that nobody has open; `volume.state` is told when that is done.

        Raises:
            NotFound.
        """
        row = await volumes.get_any(tx, volume_id)
        if row is None:
            raise volumes.not_found(volume_id)
        await begin.reimage(tx, self.room, row, image_id)

    async def check_type(self, tx: Transaction, caller: Caller, named: str) -> None:
        """Raises NotFound or BadInput where a caller has no such type of volumes, by id or name."""
        await types.requested(tx, caller, named)

    async def snapshot(
        self, tx: Transaction, caller: Caller, volume_id: str, *, name: str, description: str
    ) -> str:
        """A new snapshot of a volume, also of one in use; `of_snapshot` says when it is there. Returns its id.

        Raises:
            NotFound. Conflict: its state does not allow that. TooLarge: over a quota.
        """
        row = await volumes.to_change(tx, caller, volume_id)
        try:
            made = await snapshots.create(
                tx,
                self.room,
                caller,
                row,
                name=name,
                description=description,
                metadata={},
                force=True,
            )
        except BadInput as error:
            raise Conflict(error.message) from None
        await begin.create_snapshot(tx, self.room, caller, made)
        return str(made.id)

    async def assist(
        self, tx: Transaction, caller: Caller, volume_id: str, snapshot_id: str
    ) -> None:
        """A snapshot of this id is taken of a volume in use, whoever sees it; one that is there is fine.

        Raises:
            NotFound: the volume is gone, or the snapshot another's. Conflict: its state does not allow that.
            TooLarge: over a quota.
        """
        await tx.take_turn(volume_id, snapshot_id)
        volume = await volumes.get_any(tx, volume_id)
        there = await snapshots.get_any(tx, snapshot_id)
        if volume is None:
            raise volumes.not_found(volume_id)
        if there is not None:
            return self._check_of(there, snapshot_id, volume_id)
        try:
            made = await snapshots.create(
                tx,
                self.room,
                caller,
                volume,
                name=None,
                description=None,
                metadata={},
                force=True,
                id=snapshot_id,
            )
        except BadInput as error:
            raise Conflict(error.message) from None
        await begin.create_snapshot(tx, self.room, caller, made)

    async def end_assistance(self, tx: Transaction, volume_id: str, snapshot_id: str) -> None:
        """A volume's snapshot goes, whatever is under way for it. Raises NotFound: the volume has none of this id."""
        await tx.take_turn(snapshot_id)
        self._check_of(await snapshots.get_any(tx, snapshot_id), snapshot_id, volume_id)
        await self.delete_snapshot(tx, snapshot_id)

    @staticmethod
    def _check_of(row: Row[Any] | None, snapshot_id: str, volume_id: str) -> None:
        if row is None or row.volume_id != volume_id:
            raise snapshots.not_found(snapshot_id)

    async def status_of_snapshot(self, tx: Transaction, snapshot_id: str) -> str | None:
        """A snapshot's status, whoever asks; None: it is gone."""
        row = await snapshots.get_any(tx, snapshot_id)
        return None if row is None else str(row.status)

    async def delete_snapshot(self, tx: Transaction, snapshot_id: str) -> None:
        """The snapshot goes, whatever is under way for it; one that is gone is fine."""
        row = await snapshots.get_any(tx, snapshot_id)
        if row is not None and row.status != "deleting":
            await begin.delete_snapshot(tx, self.room, None, row, force=True)

    # ---- attaching ----

    async def reserve(
        self,
        tx: Transaction,
        caller: Caller,
        volume_id: str,
        server_id: str,
        *,
        mode: str | None = None,
    ) -> str:
        """Keep a volume for a server. Returns the attachment's id.

        Raises:
            NotFound: there is no such volume, or the caller may not see it. Conflict: its state does not allow that.
        """
        row = await volumes.to_change(tx, caller, volume_id)
        try:
            made = await attachments.reserve(tx, self.room, row, server_id, mode=mode)
        except BadInput as error:
            raise Conflict(error.message) from None
        return str(made.id)

    async def open(self, attachment_id: str, host: str, *, beside: bool = False) -> Opened:
        """The volume can be reached from a host. Called from a step, may run twice.

        Args:
            beside: whoever reaches it by this attachment keeps it, and nothing is written down of it: the server is on
                its way.

        Raises:
            NotFound: the attachment is gone. Conflict: it cannot be opened. Unavailable: its host does not answer.
        """
        async with self.room.database.write() as tx:
            row, volume = await self._both(tx, attachment_id)
            connector = row.connector or {} if beside else {"host": host}
            generation = await attachments.connecting(tx, attachment_id, connector)
        read_only = row.mode == "ro"
        address = await opening.open_volume(
            self.room, volume, attachment_id,
            host=host, read_only=read_only, generation=generation, beside=beside,
        )  # fmt: skip
        if not beside:
            await self._note_opened(row, volume, host, address, generation)
        return Opened(
            volume_id=volume.id,
            attachment_id=attachment_id,
            address=address,
            size_gib=volume.size_gib,
            read_only=read_only,
        )

    async def _note_opened(
        self, row: Row[Any], volume: Row[Any], host: str, address: VolumeAddress, generation: int
    ) -> None:
        """Raises NotFound when the attachment is gone meanwhile; nobody reaches the volume by it then."""
        attachment_id = row.id
        shown = attachments.connection(volume, attachment_id, address, row.mode or "rw")
        try:
            async with self.room.database.write() as tx:
                await attachments.opened(tx, self.room, attachment_id, {"host": host}, shown)
        except NotFound:
            await opening.close_volume(self.room, volume, attachment_id, generation)
            raise

    async def _both(self, tx: Transaction, attachment_id: str) -> tuple[Row[Any], Row[Any]]:
        row = await attachments.get_any(tx, attachment_id)
        volume = None if row is None else await volumes.get_any(tx, row.volume_id)
        if row is None or volume is None:
            raise attachments.not_found(attachment_id)
        return row, volume

    async def complete(self, tx: Transaction, attachment_id: str, device: str | None) -> None:
        """The server has it. Raises NotFound when it is gone."""
        row = await attachments.get_any(tx, attachment_id)
        if row is None:
            raise attachments.not_found(attachment_id)
        await attachments.complete(tx, self.room, row, device)

    async def detaching(self, tx: Transaction, attachment_id: str, *, back: bool = False) -> None:
        """Say that a server is about to let go of it; back: that it has it still."""
        row = await attachments.get_any(tx, attachment_id)
        if row is not None:
            await tx.take_turn(row.volume_id)
        volume = None if row is None else await volumes.get_any(tx, row.volume_id)
        if volume is not None and volume.status == ("detaching" if back else "in-use"):
            status = "in-use" if back else "detaching"
            await volumes.change(tx, volume.id, {"status": status}, self.room.clock.now())

    async def close(self, attachment_id: str) -> None:
        """The attachment reaches the volume no more; nothing is fine, too.

        Raises:
            Unavailable: its host does not answer.
        """
        async with self.room.database.read() as tx:
            try:
                row, volume = await self._both(tx, attachment_id)
            except NotFound:
                return
        await opening.close_volume(self.room, volume, attachment_id, row.generation)

    async def closing(self, tx: Transaction, attachment_id: str) -> tuple[str, CloseVolume] | None:
        """The host to ask, and what, that `close` asks, for who can owe it. None: there is nothing to close."""
        try:
            row, volume = await self._both(tx, attachment_id)
        except NotFound:
            return None
        if volume.host is None:
            return None
        return volume.host, CloseVolume(
            volume_id=volume.id,
            attachment_id=attachment_id,
            backend=volume.backend,
            generation=row.generation,
            request_id=request_id.get(),
        )

    async def tell(self, tx: Transaction, volume_id: str, action: str, text: str) -> None:
        """Leave a message for a volume's users. action: "attach", "detach"."""
        row = await volumes.get_any(tx, volume_id)
        if row is not None:
            await messages.tell(
                tx,
                self.room,
                project_id=row.project_id,
                resource_type="VOLUME",
                resource_id=row.id,
                action=action,
                text=text,
            )

    async def last_message(self, tx: Transaction, volume_id: str) -> str | None:
        """What its users were told last of a volume that failed; None: nothing."""
        return await messages.newest(tx, volume_id)

    async def release(self, tx: Transaction, attachment_id: str) -> None:
        """The attachment is gone; its volume is free, or with whom else has it."""
        row = await attachments.get_any(tx, attachment_id)
        if row is not None:
            await attachments.release(tx, self.room, row)

    # ---- the house ----

    async def differences(self, *, mend: bool) -> list[Difference]:
        return await inventory.differences(self.room, mend=mend)

    async def unheard(self, tx: Transaction, hosts: Sequence[str], before: datetime) -> None:
        """Hosts do not answer that were not heard of since a moment: their back ends are down."""
        await backends.unheard(tx, hosts, before, self.room.clock.now())

    async def zones(self, tx: Transaction) -> dict[str, bool]:
        """The zones of back ends, each with whether it can be used."""
        return await backends.zones(tx)
