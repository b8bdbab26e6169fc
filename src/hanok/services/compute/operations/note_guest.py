"""What a guest did by itself, or what happened to it, in the record of what was done to its server."""

from __future__ import annotations

from typing import Any

from hanok.base.errors import StepFailed
from hanok.operations import Operation, Run, Step
from hanok.services.compute.room import Compute
from hanok.store import Transaction


class GuestTold(Step["NoteGuest", Compute, None], name="guest_told"):
    """Fails with what there is to say: that is where readers of the record look for a reason."""

    async def do(self, run: Run[NoteGuest, Compute]) -> None:
        raise StepFailed(run.args.why)


class NoteGuest(Operation, frozen=True, kw_only=True, tag="compute.note_guest"):
    """Say what happened to a guest without a request. Nothing is done.

    action: what the field calls what happened ("stop"). why: in the user's terms.
    """

    server_id: str
    action: str
    why: str
    steps = (GuestTold,)

    @property
    def resource(self) -> str:
        return f"server:{self.server_id}"

    async def failed(self, run: Run[Any, Compute], tx: Transaction, why: str) -> None:
        """The server is as it is."""
