"""Volumes of a type get the limits that its QoS specs say now, also those that servers use."""

from __future__ import annotations

from typing import Any, ClassVar

from hanok.base.errors import StepFailed, Unavailable
from hanok.commands.volumes import EnsureVolume, VolumeState
from hanok.operations import Operation, Run, Step
from hanok.services.block_storage.logic import keys, types, volumes
from hanok.services.block_storage.logic.qos_limits import limits_of
from hanok.services.block_storage.operations.on_volume import ASK_S, WORK_S
from hanok.services.block_storage.room import Volumes
from hanok.store import Transaction

QUIET = ("available", "in-use", "reserved", "attaching", "detaching", "awaiting-transfer")
"""The states in which nothing else tells a volume's host of its limits."""


class TellHosts(Step["SetLimits", Volumes, None], name="tell_hosts"):
    """The hosts of all volumes of the type keep the limits; one that does not answer is told with the next command."""

    deadline_s = WORK_S

    async def do(self, run: Run[SetLimits, Volumes]) -> None:
        silent: set[str] = set()
        rows = await run.read(types.volumes_of, run.args.type_id)
        for number, row in enumerate(rows):
            if row.host not in silent:
                try:
                    await self._tell(run, row.id)
                except Unavailable:
                    silent.add(row.host)
                except StepFailed:
                    continue  # it went meanwhile, or a newer command told its limits
            await run.progress(100.0 * (number + 1) / len(rows))

    @staticmethod
    async def _tell(run: Run[SetLimits, Volumes], volume_id: str) -> None:
        async with run.reading() as tx:
            row = await volumes.get_any(tx, volume_id)
            if row is None or row.host is None or row.status not in QUIET:
                return
            limits = await limits_of(tx, row)
        request = EnsureVolume(
            volume_id=row.id,
            generation=row.generation,
            backend=row.backend,
            size_gib=row.size_gib,
            key=keys.of(run.tools, row),
            limits=limits,
            request_id=run.request_id,
        )
        await run.ask(row.host, request, VolumeState, timeout_s=ASK_S)


class SetLimits(Operation, frozen=True, kw_only=True, tag="block_storage.set_limits"):
    """Tell the hosts of a type's volumes what these may do in a second."""

    type_id: str
    steps: ClassVar[tuple[type[Step[Any, Any, Any]], ...]] = (TellHosts,)
    deadline_s = 2 * WORK_S

    @property
    def resource(self) -> str:
        return f"volume_type:{self.type_id}"


async def begin(tx: Transaction, room: Volumes, user_id: str, type_id: str) -> None:
    await room.operations.start(tx, SetLimits(type_id=type_id), user_id=user_id, project_id="")
