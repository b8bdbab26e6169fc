"""Shares as tests tell hosts of them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hanok.base.ids import new_uuid
from hanok.commands import (
    AccessRule,
    EnsureShare,
    EnsureShareAccess,
    EnsureShareServer,
    RemoveShare,
    ResizeShare,
    SharePort,
    SnapshotShare,
)
from hanok.drivers.nfs import leftovers

BACKEND = "folder"


@asynccontextmanager
async def place() -> AsyncIterator[Path]:
    """A folder for shares; whatever is mounted in it, or serves from it, ends with it."""
    folder = Path(tempfile.mkdtemp(prefix="hk-", dir="/tmp"))
    try:
        yield folder
    finally:
        await leftovers.end(folder)
        shutil.rmtree(folder)


def a_server(*addresses: str, generation: int = 1) -> EnsureShareServer:
    """A server at these addresses, with prefix length."""
    mac = "fa:16:3e:06:00:02"
    port = SharePort(port_id=new_uuid(), mac=mac, addresses=addresses or ("127.0.0.1/8",))
    return EnsureShareServer(server_id=new_uuid(), generation=generation, port=port)


def a_share(server_id: str, **more: Any) -> EnsureShare:
    values: dict[str, Any] = {
        "share_id": new_uuid(),
        "generation": 1,
        "backend": BACKEND,
        "size_gib": 1,
        "server_id": server_id,
        **more,
    }
    return EnsureShare(**values)


def access(share: EnsureShare, *rules: tuple[str, Any], **more: Any) -> EnsureShareAccess:
    """Rules for a share, as prefix and level."""
    values: dict[str, Any] = {"generation": 1, **more}
    made = tuple(AccessRule(prefix=one, level=level) for one, level in rules)
    return EnsureShareAccess(share_id=share.share_id, backend=BACKEND, rules=made, **values)


def gone(share: EnsureShare, generation: int = 2, **more: Any) -> RemoveShare:
    return RemoveShare(share_id=share.share_id, generation=generation, backend=BACKEND, **more)


def resized(share: EnsureShare, size_gib: int, generation: int = 2) -> ResizeShare:
    name = share.share_id
    return ResizeShare(share_id=name, generation=generation, backend=BACKEND, size_gib=size_gib)


def a_snapshot(share: EnsureShare, generation: int = 1, **more: Any) -> SnapshotShare:
    values: dict[str, Any] = {"snapshot_id": new_uuid(), **more}
    return SnapshotShare(share_id=share.share_id, generation=generation, backend=BACKEND, **values)
