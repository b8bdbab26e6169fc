"""What the house, and later rooms, may ask of shared file systems."""

from __future__ import annotations

from hanok.rooms import Difference
from hanok.services.shared_file_system.logic import backups, inventory, share_groups, types
from hanok.services.shared_file_system.logic.locks import Locking
from hanok.services.shared_file_system.logic.meters import of_shares
from hanok.services.shared_file_system.operations import OPERATIONS
from hanok.services.shared_file_system.operations.share_servers import ShareNetworks
from hanok.services.shared_file_system.room import Shares
from hanok.store import Transaction

__all__ = ["OPERATIONS", "SharedFileSystems", "bootstrap", "of_shares"]


class SharedFileSystems:
    """Shares, as other rooms see them."""

    def __init__(self, room: Shares) -> None:
        self._room = room
        room.networks = ShareNetworks(room)
        room.locks = Locking(room)
        room.groups = share_groups.Grouping()
        room.holds = [share_groups.holds, backups.holds]

    async def differences(self, *, mend: bool) -> list[Difference]:
        """Where rows and hosts disagree. mend: put right what is safe."""
        return await inventory.differences(self._room, mend=mend)


async def bootstrap(tx: Transaction, room: Shares) -> None:
    """What a new cloud has: the type of shares whose request names none."""
    await types.ensure_default(tx, room.settings.default_share_type, room.clock.now())
