"""What control asks of a host that has shares: folders of a fixed size that guests mount over NFSv4.1.

A share is in a back end of the host and is given out by a share server: a process in a network namespace that has an
address on a tenant's network, or, with server_id "", the host's own, at the addresses that the back end is set to.

`generation` is a counter of the row that the command comes from; one older than the newest that was seen is Stale, also
after a removal. Lists of access rules have a counter of their own. What takes long answers after at most wait_s with
`done=False`; ask again until it is done.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from hanok.commands.balancers import BalancerRoute
from hanok.commands.messages import Command

ShareSourceKind = Literal["blank", "snapshot", "share", "manage"]
Level = Literal["rw", "ro"]
Refusal = Literal["smaller_than_used"]


class ShareSource(Struct, frozen=True, kw_only=True):
    """What is in a share at first.

    snapshot: id is the snapshot's, share_id whose it is. share: what share_id holds at this moment. manage: id is the
    name under which it was found (ListShares).
    backend: where the source is; "" for the same one.
    """

    kind: ShareSourceKind = "blank"
    id: str = ""
    share_id: str = ""
    backend: str = ""


class EnsureShare(Command, frozen=True, kw_only=True, tag="ensure_share"):
    """The share is in the back end with at least this size, and its server gives it out. Answer: ShareState.

    share_id: of the share's instance. An existing one is never replaced; a smaller one is extended. Nobody has access
    until EnsureShareAccess. server_id: of a server that is there (EnsureShareServer comes first); "": the host's own.
    """

    share_id: str
    generation: int
    backend: str
    size_gib: int
    server_id: str = ""
    source: ShareSource = ShareSource()
    wait_s: float = 5.0


class RemoveShare(Command, frozen=True, kw_only=True, tag="remove_share"):
    """Nothing of the share is on the host, and whoever has it mounted is cut off. Answer: Done.

    It succeeds when there never was anything. Failed while it has snapshots.
    keep: its files stay, under a name that it is found by again (unmanage).
    """

    share_id: str
    generation: int
    backend: str
    keep: str = ""


class ResizeShare(Command, frozen=True, kw_only=True, tag="resize_share"):
    """The share has exactly this size, at once. Answer: ShareState; ShareRefused: it holds more than that."""

    share_id: str
    generation: int
    backend: str
    size_gib: int


class AccessRule(Struct, frozen=True, kw_only=True):
    """Who reaches it: an address or a prefix of IPv4 or IPv6. The narrowest that fits a client counts."""

    prefix: str
    level: Level = "rw"


class EnsureShareAccess(Command, frozen=True, kw_only=True, tag="ensure_share_access"):
    """These clients have access, and no others, from this moment on. Answer: ShareState.

    generation: of the list. snapshot_id: of one of its snapshots, which clients mount; its rules are "ro".
    """

    share_id: str
    generation: int
    backend: str
    rules: tuple[AccessRule, ...] = ()
    snapshot_id: str = ""


class SnapshotShare(Command, frozen=True, kw_only=True, tag="snapshot_share"):
    """The share as it was at one moment is kept, also while clients write. Answer: ShareState.

    It is given out as well (exports of the answer), to whom EnsureShareAccess names. manage: the name of one that was
    found.
    """

    snapshot_id: str
    share_id: str
    generation: int
    backend: str
    manage: str = ""


class RemoveShareSnapshot(Command, frozen=True, kw_only=True, tag="remove_share_snapshot"):
    """The snapshot is gone; the share, and shares made of it, keep their content. Answer: Done.

    keep: as of RemoveShare.
    """

    snapshot_id: str
    share_id: str
    generation: int
    backend: str
    keep: str = ""


class RevertShare(Command, frozen=True, kw_only=True, tag="revert_share"):
    """The share holds what the snapshot does, once for each generation, and has its size. Answer: ShareState.

    Whoever has it mounted is told that its handles are stale, and mounts it again.
    """

    share_id: str
    generation: int
    backend: str
    snapshot_id: str
    size_gib: int


class SharePort(Struct, frozen=True, kw_only=True):
    """The port of a server's addresses. addresses: with prefix length. gateways: of its subnets."""

    port_id: str
    mac: str
    mtu: int = 1442
    addresses: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    routes: tuple[BalancerRoute, ...] = ()


class EnsureShareServer(Command, frozen=True, kw_only=True, tag="ensure_share_server"):
    """The server has this port's addresses and gives out its shares there. Answer: ShareServerState."""

    server_id: str
    generation: int
    port: SharePort


class RemoveShareServer(Command, frozen=True, kw_only=True, tag="remove_share_server"):
    """Nothing of the server is on the host. Answer: Done. Failed while it has shares."""

    server_id: str
    generation: int


class ReadShare(Command, frozen=True, kw_only=True, tag="read_share"):
    """How it is, and where it is mounted from. Answer: ShareState; Failed: it is not here."""

    share_id: str
    backend: str
    snapshot_id: str = ""


class DescribeShareBackends(Command, frozen=True, kw_only=True, tag="describe_share_backends"):
    """What the host's back ends of shares have and can. Answer: ShareBackendStates."""


class ListShares(Command, frozen=True, kw_only=True, tag="list_shares"):
    """Everything of shares on the host, for comparison with the database. Answer: ShareInventory."""


SHARE_COMMANDS = (
    EnsureShare
    | RemoveShare
    | ResizeShare
    | EnsureShareAccess
    | SnapshotShare
    | RemoveShareSnapshot
    | RevertShare
    | EnsureShareServer
    | RemoveShareServer
    | ReadShare
    | DescribeShareBackends
    | ListShares
)


# ---- answers


class ShareState(Struct, frozen=True, kw_only=True, tag_field="answer", tag="share"):
    """A share, or the snapshot that was asked of.

    used_bytes: that count against its size. exports: what clients mount ("10.0.0.5:/<id>", "[fd00::5]:/<id>"), the
    preferred one first. done, progress (0 to 100): of what takes long.
    """

    share_id: str
    generation: int
    size_gib: int
    used_bytes: int = 0
    server_id: str = ""
    exports: tuple[str, ...] = ()
    snapshot_id: str = ""
    done: bool = True
    progress: int = 100


class ShareRefused(Struct, frozen=True, kw_only=True, tag_field="answer", tag="share_refused"):
    """It was not done, and all is as it was. message: for the user. used_bytes: what the share holds."""

    reason: Refusal
    message: str
    used_bytes: int = 0


class ShareServerState(Struct, frozen=True, kw_only=True, tag_field="answer", tag="share_server"):
    """addresses: without prefix length. shares: their ids."""

    server_id: str
    generation: int
    addresses: tuple[str, ...] = ()
    shares: tuple[str, ...] = ()


class ShareBackendState(Struct, frozen=True, kw_only=True):
    """A back end. In GiB: total, free, and provisioned (what all its shares may grow to).

    capabilities: as extra specs of types ask for them ("snapshot_support": "True").
    own_server: the addresses at which the host itself gives out shares (server_id ""); none: only share servers do.
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
    own_server: tuple[str, ...] = ()
    reason: str = ""


class ShareBackendStates(
    Struct, frozen=True, kw_only=True, tag_field="answer", tag="share_backends"
):
    """All back ends of shares of a host."""

    host: str
    backends: tuple[ShareBackendState, ...] = ()


class FoundShare(Struct, frozen=True, kw_only=True):
    """A share that is in a back end. snapshots: ids. name: of one that is not ours (also what `manage` takes over)."""

    share_id: str
    backend: str
    size_gib: int
    used_bytes: int = 0
    generation: int = 0
    server_id: str = ""
    snapshots: tuple[str, ...] = ()
    name: str = ""


class ShareInventory(Struct, frozen=True, kw_only=True, tag_field="answer", tag="shares"):
    """Shares, servers by id with the generation that was told last, and what nobody knows."""

    host: str
    shares: tuple[FoundShare, ...] = ()
    servers: dict[str, int] = {}
    others: tuple[FoundShare, ...] = ()


ShareAnswer = ShareState | ShareRefused | ShareServerState | ShareBackendStates | ShareInventory
