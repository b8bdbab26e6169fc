"""What control asks of a host that has volumes, and of one whose guests use them.

A host has back ends by name ("files"); each keeps volumes and their snapshots. The process that serves volumes to
guests (one a host) may die and return: what was exported is exported again before anything else is done.

Like all commands these say a state, so that doing one twice does no harm. `generation` is the counter of the volume's
row. What takes long answers after at most wait_s with `done=False` and how far it is; ask again until it is done.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from hanok.commands.guest_volumes import GuestVolume, VolumeAddress
from hanok.commands.messages import ByteChannel, Command

CHANGES_NOT_KNOWN = "The host does not know what has changed since that backup."


def copy_name(copy_id: str) -> str:
    """What a copy is called in the host's snapshot folder, where copies of servers' disks are, too."""
    return f"volume-{copy_id}"


Source = Literal["blank", "image", "snapshot", "volume", "backup", "manage"]


class VolumeLimits(Struct, frozen=True, kw_only=True):
    """What a volume may do in a second, all its users together; 0: no limit. *_max: for as long as a burst lasts."""

    total_bytes: int = 0
    read_bytes: int = 0
    write_bytes: int = 0
    total_operations: int = 0
    read_operations: int = 0
    write_operations: int = 0
    total_bytes_max: int = 0
    read_bytes_max: int = 0
    write_bytes_max: int = 0
    total_operations_max: int = 0
    read_operations_max: int = 0
    write_operations_max: int = 0
    operation_size: int = 0


class VolumeKey(Struct, frozen=True, kw_only=True):
    """The key of an encrypted volume. key: 32 random bytes; never written to a disk or an argument, never logged.

    Sealed with the host's key once hosts have one; until then the bus of one machine carries it.
    """

    key: bytes
    cipher: str = "aes-xts-plain64"
    bits: int = 256

    def __repr__(self) -> str:
        return "VolumeKey(…)"


class VolumeCopyPart(Struct, frozen=True, kw_only=True):
    """A copy (EnsureVolumeCopy) that control has left as `copy_name(copy_id)` in the host's snapshot folder, or offers.

    disk_format: raw or qcow2; an incremental copy is qcow2. size_bytes, channel: where it is fetched from, where no
    folder is shared.
    """

    copy_id: str
    disk_format: str = "raw"
    size_bytes: int = 0
    channel: ByteChannel | None = None


class VolumeSource(Struct, frozen=True, kw_only=True):
    """What is on a volume at first.

    id: of the image (in the host's cache: EnsureImage comes first), snapshot or volume (of the same back end; one of
    another comes by a copy), or the name under which it was found (manage). volume_id: whose snapshot it is.
    key: of an encrypted source.
    copies: of a backup, or a source elsewhere: the full copy, and the incremental ones that were made since, in order.
    """

    kind: Source = "blank"
    id: str = ""
    volume_id: str = ""
    key: VolumeKey | None = None
    copies: tuple[VolumeCopyPart, ...] = ()


class EnsureVolume(Command, frozen=True, kw_only=True, tag="ensure_volume"):
    """The volume is in the back end with at least this size, its limits are in force. Answer: VolumeState.

    An existing one is never replaced; a smaller one is extended, also while guests use it (they see it once compute has
    told them). source: only of a volume that is not there yet.
    content: the id of one of its snapshots, to whose content it is set back once for each generation; "" for none.
    replace: an existing volume that nobody has open gets the content of the source, once for each generation (a backup
    that is restored into it, a server that is rebuilt).
    """

    volume_id: str
    generation: int
    backend: str
    size_gib: int
    source: VolumeSource = VolumeSource()
    key: VolumeKey | None = None
    limits: VolumeLimits = VolumeLimits()
    content: str = ""
    replace: bool = False
    wait_s: float = 5.0


class RemoveVolume(Command, frozen=True, kw_only=True, tag="remove_volume"):
    """Nothing of the volume is in the back end, its blocks are free and read by nobody. Answer: Done.

    It succeeds when there never was anything. What clones need of it stays until they do not. It is refused while the
    volume has snapshots, or attachments that are open (CloseVolume comes first).
    keep: its bytes stay, under a name that it is found by again (unmanage).
    """

    volume_id: str
    generation: int
    backend: str
    keep: str = ""


class EnsureVolumeSnapshot(Command, frozen=True, kw_only=True, tag="ensure_volume_snapshot"):
    """The volume as it was at one moment is kept, also while guests use it. Answer: Done. key: of an encrypted one.

    manage: the name of the file or snapshot that is taken over as it; "" for a new one.
    """

    snapshot_id: str
    volume_id: str
    backend: str
    key: VolumeKey | None = None
    manage: str = ""


class EnsureVolumeSnapshots(Command, frozen=True, kw_only=True, tag="ensure_volume_snapshots"):
    """Several volumes of one back end as they were at one and the same moment (a group's). Answer: Done."""

    snapshots: tuple[EnsureVolumeSnapshot, ...]


class RemoveVolumeSnapshot(Command, frozen=True, kw_only=True, tag="remove_volume_snapshot"):
    """The snapshot is gone; the volume, other snapshots and clones keep their content. Answer: VolumeState.

    keep: as of RemoveVolume.
    """

    snapshot_id: str
    volume_id: str
    backend: str
    key: VolumeKey | None = None
    keep: str = ""
    wait_s: float = 5.0


class OpenVolume(Command, frozen=True, kw_only=True, tag="open_volume"):
    """The volume can be reached by one user (an attachment). Answer: VolumeAddress.

    host: whose guest it is for; "" for this host. It is reached from there alone, unless `beside`: those that reach it
    by this attachment keep it (a server that moves while it runs).
    generation: of the attachment, one more each time that it is opened; 0: in no order. One that was closed, or opened
    anew, meanwhile is not opened by a command that comes late (Stale).
    """

    volume_id: str
    attachment_id: str
    backend: str
    generation: int = 0
    read_only: bool = False
    key: VolumeKey | None = None
    host: str = ""
    beside: bool = False


class CloseVolume(Command, frozen=True, kw_only=True, tag="close_volume"):
    """The attachment reaches the volume no more, also if its guest has not let go. Answer: Done.

    generation: which opening is closed; one that came later stays. 0: whatever there is.
    """

    volume_id: str
    attachment_id: str
    backend: str
    generation: int = 0


class MoveVolume(Command, frozen=True, kw_only=True, tag="move_volume"):
    """The volume is in another back end of this host, also while guests use it. Answer: VolumeState.

    Until it is done everything stays where it was. abort: it stays there for good, and nothing of the copy is left.
    """

    volume_id: str
    generation: int
    backend: str
    to: str
    key: VolumeKey | None = None
    new_key: VolumeKey | None = None
    limits: VolumeLimits = VolumeLimits()
    abort: bool = False
    wait_s: float = 5.0


class EnsureVolumeCopy(Command, frozen=True, kw_only=True, tag="ensure_volume_copy"):
    """A volume or a snapshot, as it is at one moment, is a file in the host's snapshot folder. Answer: VolumeState.

    The file is called `copy_name(copy_id)`. For images (uploaded) and backups. Guests go on meanwhile. It is decrypted,
    unless `encrypted`.
    snapshot_id: of it, instead of the volume. disk_format: raw, qcow2, vmdk, vhd (vpc), vhdx or vdi.
    since: of an incremental backup: the copy (qcow2) only has what has changed since the volume's copy of that id,
    which was made with `remember`. Where the host does not know that any more it fails with CHANGES_NOT_KNOWN.
    remember: changes are noted from this moment on, for a later `since`.
    known: of a raw copy: a file with hashes of the blocks of an earlier one, which control has for this host. The copy
    is then what is changed beside that (`drivers/block_difference.py`), so that nothing else is sent.
    """

    copy_id: str
    volume_id: str
    backend: str
    snapshot_id: str = ""
    disk_format: str = "raw"
    key: VolumeKey | None = None
    encrypted: bool = False
    since: str = ""
    remember: bool = False
    known: VolumeCopyPart | None = None
    wait_s: float = 5.0


class HandOverVolumeCopy(Command, frozen=True, kw_only=True, tag="hand_over_volume_copy"):
    """Control has the finished copy, which it does not find in a folder of its machine. Answer: VolumeState."""

    copy_id: str
    target: ByteChannel
    wait_s: float = 5.0


class ForgetVolumeCopy(Command, frozen=True, kw_only=True, tag="forget_volume_copy"):
    """Nothing of the copy is on the host, and nothing makes it any more. Answer: Done."""

    copy_id: str


class DescribeBackends(Command, frozen=True, kw_only=True, tag="describe_backends"):
    """What the host's back ends have and can. Answer: BackendStates."""


class ListVolumes(Command, frozen=True, kw_only=True, tag="list_volumes"):
    """Everything of volumes on the host, for comparison with the database. Answer: VolumeInventory."""


class SetVolumes(Command, frozen=True, kw_only=True, tag="set_volumes"):
    """An existing guest has these volumes and no others, in their sizes, also while it runs. Answer: InstanceState.

    timeout_s: how long a guest may take to let go of one. required: whether one that does not is an error; if not, the
    volume is cut off.
    """

    server_id: str
    generation: int
    volumes: tuple[GuestVolume, ...] = ()
    timeout_s: float = 20.0
    required: bool = True


VOLUME_COMMANDS = (
    EnsureVolume
    | RemoveVolume
    | EnsureVolumeSnapshot
    | EnsureVolumeSnapshots
    | RemoveVolumeSnapshot
    | OpenVolume
    | CloseVolume
    | MoveVolume
    | EnsureVolumeCopy
    | HandOverVolumeCopy
    | ForgetVolumeCopy
    | DescribeBackends
    | ListVolumes
    | SetVolumes
)


# ---- answers ----------------------------------------------------------------------------------------------------


class VolumeState(Struct, frozen=True, kw_only=True, tag_field="answer", tag="volume"):
    """How far it is. progress: 0 to 100. size_bytes: of the volume, or of the finished copy.

    sha256: of the finished copy, in hexadecimal; "" where it was not asked for.
    """

    volume_id: str
    done: bool = True
    progress: int = 100
    size_bytes: int = 0
    sha256: str = ""


class BackendState(Struct, frozen=True, kw_only=True):
    """A back end. In GiB: total, free, and provisioned (what all its volumes may grow to).

    capabilities: as extra specs of types ask for them ("thin_provisioning_support": "True", "multiattach": "True").
    reason: why it does not work, in the operator's terms; "" where it does.
    """

    name: str
    driver: str
    total_gib: float
    free_gib: float
    provisioned_gib: float = 0.0
    over_subscription: float = 20.0
    reserved_percentage: int = 0
    capabilities: dict[str, str] = {}
    reason: str = ""


class BackendStates(Struct, frozen=True, kw_only=True, tag_field="answer", tag="backends"):
    """All back ends of a host."""

    host: str
    backends: tuple[BackendState, ...] = ()


class FoundVolume(Struct, frozen=True, kw_only=True):
    """A volume that is in a back end. snapshots: ids. exports: ids of attachments. name: of a file that is not ours."""

    volume_id: str
    backend: str
    size_bytes: int
    generation: int = 0
    snapshots: tuple[str, ...] = ()
    exports: tuple[str, ...] = ()
    name: str = ""


class VolumeInventory(Struct, frozen=True, kw_only=True, tag_field="answer", tag="volumes"):
    """Volumes, copies (ids), and files that nobody knows (also what `manage` may take over)."""

    host: str
    volumes: tuple[FoundVolume, ...] = ()
    copies: tuple[str, ...] = ()
    others: tuple[FoundVolume, ...] = ()


VolumeAnswer = VolumeState | VolumeAddress | BackendStates | VolumeInventory
