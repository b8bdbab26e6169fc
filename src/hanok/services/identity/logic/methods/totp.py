"""Sign-in with a passcode that changes every 30 seconds; its secret is a credential of type totp.

Source: RFC 6238.
"""

from __future__ import annotations

import base64
import binascii
import hmac

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from hanok.services.identity import schemas
from hanok.services.identity.logic import credentials, proofs, standing
from hanok.services.identity.logic.proofs import Attempt, Method, Proof
from hanok.services.identity.logic.tokens import Bounds, since
from hanok.services.identity.tables import used_passcodes
from hanok.store import Transaction

DIGITS = 6
PERIOD_S = 30


def passcodes(secret: str, at_s: float, previous: int) -> dict[int, str]:
    """The passcode of this moment and of the periods before it, by period; none when the secret is not base32.

    Args:
        secret: in base32, padded or not.
    """
    padded = secret.strip() + "=" * (-len(secret.strip()) % 8)
    try:
        key = base64.b32decode(padded, casefold=True)
        # SHA-1 is what the field's generators use; nothing but its keyed form matters here.
        totp = TOTP(key, DIGITS, SHA1(), PERIOD_S, enforce_key_length=False)  # noqa: S303
    except (binascii.Error, ValueError):
        return {}
    times = [int(at_s - PERIOD_S * step) for step in range(previous + 1)]
    return {time // PERIOD_S: totp.generate(time).decode() for time in times if time >= 0}


async def _use_up(tx: Transaction, user_id: str, period: int, passcode: str, oldest: int) -> bool:
    """Take a passcode, which is good once; False: somebody has. Every process of the cloud asks here.

    Source: RFC 6238, section 5.2.
    """
    await tx.execute(
        used_passcodes.delete().where(
            used_passcodes.c.user_id == user_id, used_passcodes.c.period < oldest
        )
    )
    row = {"user_id": user_id, "period": period, "passcode": passcode}
    return await tx.insert_missing(used_passcodes, row)


async def _prove(attempt: Attempt, requested: schemas.TOTPMethod) -> Proof:
    room = attempt.room
    found = []
    async with attempt.database.read() as tx:
        user = await proofs.user(tx, room, requested.user)
        if user is not None:
            found = await credentials.of_type(tx, user.id, credentials.TOTP)
    if user is None or standing.is_locked(user, room):
        raise proofs.refused("no such user, or it is locked out")
    given = requested.user.passcode.encode()
    used, at = "", 0
    now_s, previous = room.clock.now().timestamp(), room.settings.totp_previous_windows
    for row in found:
        secret = credentials.blob_of(room.secrets, row)
        for period, made in passcodes(secret, now_s, previous).items():
            if hmac.compare_digest(made.encode(), given):
                used, at = row.id, period
    if not used:
        await standing.failed(attempt.database, room, user)
        raise proofs.refused("wrong name or passcode")
    oldest = int(now_s) // PERIOD_S - previous
    async with attempt.database.write() as tx:
        first = await _use_up(tx, user.id, at, requested.user.passcode, oldest)
    if not first:
        raise proofs.refused("the passcode was used before")
    if not await standing.succeeded(attempt.database, room, user):
        raise proofs.refused("the user was locked out meanwhile")
    return Proof(
        user_id=user.id,
        default_project_id=user.default_project_id,
        methods=("totp",),
        bounds=Bounds(credential_id=used, since_us=since(user)),
    )


METHOD = Method(name="totp", shape=schemas.TOTPMethod, prove=_prove)
