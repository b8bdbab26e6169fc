"""What other rooms may ask of the key manager."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from hanok.base.errors import HanokError, Refused
from hanok.services.key_manager.logic import common, consumers, containers, payloads, secrets
from hanok.services.key_manager.logic.consumers import Consumer
from hanok.services.key_manager.room import KeyManager, KeyManagerSettings
from hanok.store import Transaction

__all__ = ["Eyes", "KeyManager", "KeyManagerSettings", "Keys", "release"]

ALONE = ""  # the name of a secret that is referred to by itself


class Eyes(Struct, frozen=True):
    """A caller of another service. may: whether the key manager's rules (a name, a target) let them."""

    user_id: str
    may: Callable[[str, Mapping[str, Any]], bool]


class Unreadable(HanokError):
    """There is nothing behind a reference, or nothing that this caller may read."""


class Keys:
    """The room, for other rooms."""

    def __init__(self, room: KeyManager) -> None:
        self.room = room

    async def forget_expired(self) -> None:
        await secrets.forget_expired(self.room)

    async def read(
        self, tx: Transaction, reference: str, eyes: Eyes | None = None
    ) -> dict[str, bytes] | None:
        """The payloads behind a reference: of a container by name, of a secret under ALONE.

        Args:
            eyes: who may read it; None: the cloud itself, to do what somebody with the right to has asked for.

        Returns:
            None: there is no such thing, it has no payload, or these eyes may not read it.
        """
        try:
            if secret_id := common.id_of(reference):
                return {ALONE: await self._payload(tx, secret_id, eyes)}
            if container_id := common.id_of(reference, "containers"):
                return await self._container(tx, container_id, eyes)
        except (Refused, Unreadable):
            return None
        return None

    async def _container(
        self, tx: Transaction, container_id: str, eyes: Eyes | None
    ) -> dict[str, bytes]:
        await tx.keep(container_id)
        row = await containers.find(tx, container_id)
        await _see(tx, "container:get", "container", row, eyes)
        held = await containers.held(tx, container_id)
        return {name: await self._payload(tx, one, eyes) for name, one in held.items()}

    async def _payload(self, tx: Transaction, secret_id: str, eyes: Eyes | None) -> bytes:
        await tx.keep(secret_id)
        row = await secrets.find(tx, self.room, secret_id)
        await _see(tx, "secret:decrypt", "secret", row, eyes)
        return payloads.opened(self.room, row)

    async def use(
        self,
        tx: Transaction,
        references: Sequence[str],
        service: str,
        resource_type: str,
        resource_id: str,
        project_id: str,
    ) -> None:
        """Something uses exactly these from now on; what it used before and does not now, it uses no more."""
        await consumers.release(tx, [resource_id])
        for one in references:
            owner = common.id_of(one)
            if owner:
                consumer = Consumer(service, resource_type, resource_id)
            else:
                owner = common.id_of(one, "containers")
                consumer = Consumer(service, "", f"{resource_type}/{resource_id}")
            if owner:
                await consumers.add(tx, self.room, owner, consumer, project_id, holder=resource_id)


async def release(tx: Transaction, holders: Sequence[str]) -> None:
    """These things of other services use nothing any more."""
    await consumers.release(tx, holders)


async def _see(tx: Transaction, rule: str, kind: str, row: Any, eyes: Eyes | None) -> None:
    if eyes is None:
        return
    if not eyes.may(rule, await common.target(tx, kind, row, eyes.user_id)):
        raise Unreadable("It may not be read.")
