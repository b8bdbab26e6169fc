"""What has an end is good until that moment, and not in it: the clock stands still until it is moved."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hanok.base.clock import MovableClock
from hanok.services.identity.facade import IdentitySettings
from tests.api.identity.doors import (
    a_trust,
    an_application_credential,
    an_owner,
    by_application_credential,
    by_password,
    by_trust,
    lives,
    sign_in,
)
from tests.cloud import Cloud, running

TOKEN_S, CREDENTIAL_S, LOCK_S = 300, 100, 60


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
async def cloud(tmp_path: Path, clock: MovableClock) -> AsyncIterator[Cloud]:
    settings = IdentitySettings(
        password_rounds=4, token_lifetime_s=TOKEN_S, lock_after=1, lock_for_s=LOCK_S
    )
    async with running(tmp_path, hosts=0, clock=clock, identity=settings) as made:
        yield made


async def test_tokens_credentials_and_trusts(cloud: Cloud, clock: MovableClock) -> None:
    owner, trustee = await an_owner(cloud, "owner", "member"), await an_owner(cloud, "t", "member")

    def after(seconds: int) -> str:
        return f"{clock.now() + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S.000000Z}"

    end = after(CREDENTIAL_S)
    credential = await an_application_credential(owner, expires_at=end)
    trust = await a_trust(owner, trustee, expires_at=end)
    path = f"/v3/users/{owner.user_id}/application_credentials"
    now = {"application_credential": {"name": "now", "expires_at": after(0)}}
    await owner("POST", path, now, status=400)
    bounded = [
        await sign_in(cloud, by_application_credential(credential)),
        await by_trust(cloud, trustee, trust["id"]),
    ]
    for passed_s, good in ((CREDENTIAL_S - 1, True), (1, False)):
        clock.move(passed_s)
        assert [await lives(cloud, one) for one in bounded] == [good, good]
        proof = by_application_credential(credential)
        await sign_in(cloud, proof, status=201 if good else 401)
        await by_trust(cloud, trustee, trust["id"], status=201 if good else 401)
    for passed_s, good in ((TOKEN_S - CREDENTIAL_S - 1, True), (1, False)):
        clock.move(passed_s)
        assert await lives(cloud, owner) == good
        await owner("GET", "/v3/auth/projects", status=200 if good else 401)


async def test_who_is_locked_out(cloud: Cloud, clock: MovableClock) -> None:
    one = await an_owner(cloud, "one", "member")
    await sign_in(cloud, by_password(one.user_id, "wrong"), status=401)
    for passed_s, status in ((0, 401), (LOCK_S - 1, 401), (1, 201)):
        clock.move(passed_s)
        await sign_in(cloud, by_password(one.user_id), status=status)
