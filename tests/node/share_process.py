"""A host's shares in a process of their own, which a test kills: python share_process.py FOLDER PORT ID ID ID."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec import structs
from tests.node.share_plans import BACKEND, a_server, a_share, a_snapshot, access

from hanok.commands import Command, RevertShare, ShareSource, ShareState
from hanok.node.chassis import NullChassis
from hanok.node.settings import NodeSettings
from hanok.node.share_folders import shares_of
from hanok.node.shares import Shares


def node(folder: Path, port: int) -> Shares:
    settings = NodeSettings(
        host="h", state_dir=str(folder / "state"), run_dir=str(folder / "run"), shares_port=port
    )
    return shares_of(settings, NullChassis())


def commands(server_id: str, share_id: str, snapshot_id: str, copy_id: str) -> list[Command]:
    """A share's life, but its end."""
    server = structs.replace(a_server(), server_id=server_id)
    share = a_share(server_id, share_id=share_id)
    snapshot = a_snapshot(share, snapshot_id=snapshot_id)
    source = ShareSource(kind="snapshot", id=snapshot_id, share_id=share_id)
    return [
        server,
        share,
        access(share, ("127.0.0.1", "rw")),
        snapshot,
        access(share, ("127.0.0.1", "ro"), snapshot_id=snapshot_id),
        RevertShare(
            share_id=share_id, generation=2, backend=BACKEND, snapshot_id=snapshot_id, size_gib=2
        ),
        a_share(server_id, share_id=copy_id, source=source),
        access(share, generation=3),
    ]


async def main(words: Sequence[str]) -> None:
    one = node(Path(words[0]), int(words[1]))
    await one.adopt()
    for command in commands(*words[2:6]):
        while isinstance(state := await one.do(command), ShareState) and not state.done:
            await asyncio.sleep(0.02)
    print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
