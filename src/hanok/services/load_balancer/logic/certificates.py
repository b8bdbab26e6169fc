"""TLS material, which clients hand over as references to the key manager.

What is referred to is read with the caller's eyes when a listener or a pool gets it, and must be what it is there for
then. Who uses it is noted with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from hanok.base.errors import BadInput
from hanok.services.key_manager.facade import ALONE, Eyes, Keys
from hanok.services.key_manager.facade import release as _release
from hanok.services.load_balancer.logic import material
from hanok.services.load_balancer.logic.errors import failed
from hanok.services.load_balancer.room import LoadBalancing, Reach
from hanok.store import Transaction

SERVICE = "Octavia"
LISTENER = (
    "default_tls_container_ref",
    "sni_container_refs",
    "client_ca_tls_container_ref",
    "client_crl_container_ref",
)
POOL = ("tls_container_ref", "ca_tls_container_ref", "crl_container_ref")


async def check_listener(
    tx: Transaction, room: LoadBalancing, reach: Reach, values: Mapping[str, Any]
) -> None:
    """Go on only if what a listener refers to can be read, and is what it shall be.

    Args:
        values: those of a new listener, or those that are changed, with both of client_ca and client_crl.

    Raises:
        BadInput
    """
    shown = _named(values, "default_tls_container_ref", "sni_container_refs")
    await _check(tx, room, reach, shown, *(values.get(name) for name in LISTENER[2:]))


async def check_pool(
    tx: Transaction, room: LoadBalancing, reach: Reach, values: Mapping[str, Any]
) -> None:
    """The same of a pool. Raises BadInput."""
    shown = _named(values, "tls_container_ref")
    await _check(tx, room, reach, shown, *(values.get(name) for name in POOL[1:]))


async def _check(
    tx: Transaction,
    room: LoadBalancing,
    reach: Reach,
    shown: Sequence[str],
    authority: str | None,
    revoked: str | None,
) -> None:
    others = [one for one in (authority, revoked) if one]
    read = await _read(tx, room, [*shown, *others], Eyes(reach.user_id, reach.may_read))
    for one in _certificates(room, {one: read[one] for one in shown}).values():
        material.check(one, room.clock.now())
    if authority:
        issuer = material.authority(_alone(read[authority], authority))
        if revoked:
            material.check_revocations(_alone(read[revoked], revoked), issuer)


async def _read(
    tx: Transaction, room: LoadBalancing, references: Sequence[str], eyes: Eyes | None
) -> dict[str, dict[str, bytes]]:
    """What is behind references. Raises BadInput: nothing, or nothing that may be read."""
    keys = room.keys()
    found = {one: await _parts(tx, keys, one, eyes) for one in dict.fromkeys(references)}
    if missing := [one[:200] for one, parts in found.items() if parts is None]:
        raise BadInput(f"Could not retrieve certificate: {missing}")
    return {one: parts for one, parts in found.items() if parts is not None}


async def _parts(
    tx: Transaction, keys: Keys | None, reference: str, eyes: Eyes | None
) -> dict[str, bytes] | None:
    return None if keys is None else await keys.read(tx, reference, eyes)


def _certificates(
    room: LoadBalancing, read: Mapping[str, Mapping[str, bytes]]
) -> dict[str, material.Certificate]:
    """Those of PKCS#12, where one secret is referred to, and of containers. Raises BadInput, Unread."""
    sealed = {one: parts[ALONE] for one, parts in read.items() if ALONE in parts}
    found = room.bundles.certificates(sealed)
    for one, parts in read.items():
        if one not in found:
            found[one] = material.of_parts(parts)
    return found


def _alone(parts: Mapping[str, bytes], reference: str) -> bytes:
    """What is one secret. Raises BadInput: it is a container."""
    if ALONE not in parts:
        raise failed(f"{reference[:200]} is not a secret")
    return parts[ALONE]


def _named(values: Mapping[str, Any], *names: str) -> list[str]:
    """The references under these names, each once."""
    found: list[str] = []
    for name in names:
        value = values.get(name)
        found += [value] if isinstance(value, str) else value or ()
    return list(dict.fromkeys(one for one in found if one))


async def behind(
    room: LoadBalancing, project_id: str, rows: Sequence[Row[Any]]
) -> Mapping[str, str]:
    """PEM by reference of what listeners and pools show and trust, for a provider: who had the right to asked for them.

    Raises:
        BadInput: one is there no more. Unavailable: not yet.
    """

    async def read() -> Mapping[str, str]:
        async with room.database.read() as tx:
            return await _behind(tx, room, rows)

    return await room.bundles.reading(project_id, read)


async def _behind(tx: Transaction, room: LoadBalancing, rows: Iterable[Row[Any]]) -> dict[str, str]:
    shown, plain = set[str](), set[str]()
    for row in rows:
        values = dict(row._mapping)
        names = LISTENER if "sni_container_refs" in values else POOL
        shown.update(_named(values, *names[:-2]))
        plain.update(_named(values, *names[-2:]))
    read = await _read(tx, room, sorted(shown | plain), None)
    certificates = _certificates(room, {one: read[one] for one in shown})
    found = {one: material.pem(each) for one, each in certificates.items()}
    return {**{one: _alone(read[one], one).decode() for one in plain}, **found}


async def note(
    tx: Transaction, room: LoadBalancing, kind: str, row: Mapping[str, Any], names: Sequence[str]
) -> None:
    """Note what a listener or a pool uses now. row: with its id and its project_id."""
    keys = room.keys()
    if keys is not None:
        used = _named(row, *names)
        await keys.use(tx, used, SERVICE, kind, row["id"], row["project_id"])


async def release(tx: Transaction, ids: Sequence[str]) -> None:
    """What is gone uses nothing any more."""
    await _release(tx, ids)
