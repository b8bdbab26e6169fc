"""Sign-ins, keys, trusts and tokens, each refused by the one thing that does not hold."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from hanok.base.clock import MovableClock
from hanok.base.errors import BadInput, NotFound, NotSignedIn
from hanok.services.identity.facade import IdentitySettings
from hanok.services.identity.logic import ec2, proofs, signin, standing, trusts
from hanok.services.identity.logic.methods.totp import passcodes
from hanok.services.identity.logic.proofs import Attempt, Proof
from hanok.services.identity.logic.tokens import Bounds, Payload, since
from hanok.services.identity.tables import revocation_events, users
from hanok.services.identity.tables import trusts as trust_table
from tests.api.identity.doors import (
    TOTP_SECRET,
    a_consumer,
    a_request_token,
    a_totp_secret,
    a_trust,
    an_access_token,
    an_application_credential,
    an_ec2_key,
    an_owner,
    by_application_credential,
    by_ec2,
    by_oauth1,
    by_password,
    by_totp,
    by_trust,
    lives,
    oauth_headers,
    passcode,
    roles_of,
    sign_in,
    signed_ec2,
)
from tests.cloud import PASSWORD, Client, Cloud, running

REQUEST = "/v3/OS-OAUTH1/request_token"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    """A cloud where two wrong guesses lock a user out, and credentials and OAuth tokens have no end."""
    settings = IdentitySettings(
        password_rounds=4, lock_after=2, credentials_each=0, access_token_s=0, request_token_s=0
    )
    async with running(tmp_path, identity=settings) as made:
        yield made


def named(user: dict[str, Any]) -> dict[str, Any]:
    return {"methods": ["password"], "password": {"user": {"password": PASSWORD, **user}}}


async def test_who_and_what_a_sign_in_names(cloud: Cloud) -> None:
    one, admin = await an_owner(cloud, "one", "member"), await cloud.sign_in()
    home = one.body["user"]["domain"]["id"]
    for status, user in (
        (201, {"name": "one", "domain": {"id": home}}),
        (201, {"name": "ONE", "domain": {"name": "one"}}),
        (401, {"name": "one", "domain": {"id": "default"}}),
        (401, {"name": "one", "domain": {"id": one.project_id}}),  # that is no domain
        (401, {"name": "one", "domain": {"name": "nowhere"}}),
        (401, {"name": "nobody", "domain": {"id": home}}),
        (400, {"name": "one", "domain": {}}),
        (400, {"name": "one"}),
        (400, {}),
    ):
        await sign_in(cloud, named(user), status=status)
    own = by_password(one.user_id)
    for status, scope in (
        (201, {"project": {"name": "one", "domain": {"id": home}}}),
        (401, {"project": {"name": "one", "domain": {"name": "nowhere"}}}),
        (401, {"project": {"name": "nothing", "domain": {"id": home}}}),
        (401, {"project": {"id": "0" * 32}}),
        (400, {"project": {}}),
        (400, {"project": {"name": "one"}}),
        (401, {"domain": {"id": one.project_id}}),
        (401, {"system": {"all": False}}),
        (401, {"system": {"all": True}}),  # no role there
        (400, {"system": {"all": True}, "domain": {"id": home}}),
        (400, "everything"),
    ):
        await sign_in(cloud, own, scope, status=status)
    # A domain is a project, too, by its own name or id; roles on it are those of the domain.
    role = (await roles_of(cloud))["member"]
    grant = f"/v3/domains/{home}/users/{one.user_id}/roles/{role}"
    await sign_in(cloud, own, {"project": {"id": home}}, status=401)
    await admin("PUT", grant, status=204)
    there = await sign_in(cloud, own, {"project": {"id": home}})
    assert there.project_id == home and there.body["project"]["domain"]["id"] == home
    assert {each["name"] for each in there.body["roles"]} == {"member", "reader"}
    assert (await sign_in(cloud, own, {"domain": {"id": home}})).body["domain"]["id"] == home
    await admin("PATCH", f"/v3/domains/{home}", {"domain": {"enabled": False}}, status=200)
    await sign_in(cloud, own, status=401)
    await sign_in(cloud, named({"name": "one", "domain": {"id": home}}), status=401)
    assert not await lives(cloud, one)


async def test_a_domain_is_named_as_a_project_in_itself(cloud: Cloud) -> None:
    one, admin = await an_owner(cloud, "one", "member"), await cloud.sign_in()
    home = one.body["user"]["domain"]["id"]
    await admin("DELETE", f"/v3/projects/{one.project_id}", status=204)
    role = (await roles_of(cloud))["reader"]
    await admin("PUT", f"/v3/domains/{home}/users/{one.user_id}/roles/{role}", status=204)
    scope = {"project": {"name": "One", "domain": {"id": home}}}
    assert (await sign_in(cloud, by_password(one.user_id), scope)).project_id == home


async def test_methods_that_go_together(cloud: Cloud) -> None:
    owner = await an_owner(cloud, "owner", "admin", "member")
    credential = await an_application_credential(owner, roles=[{"name": "member"}])
    consumer = await a_consumer(cloud)
    token = await an_access_token(cloud, consumer, owner)
    two = {**by_password(owner.user_id), **by_application_credential(credential)}
    two["methods"] = ["password", "application_credential"]
    both = await sign_in(cloud, two)
    assert both.project_id == owner.project_id
    assert set(both.body["methods"]) == {"password", "application_credential"}
    assert "admin" not in {role["name"] for role in both.body["roles"]}
    await sign_in(
        cloud, {**two, "password": by_password(owner.user_id, "x")["password"]}, status=401
    )
    headers = oauth_headers("/v3/auth/tokens", consumer, token)
    delegated = {**by_application_credential(credential), "oauth1": {}}
    delegated["methods"] = ["application_credential", "oauth1"]
    await sign_in(cloud, delegated, status=401, headers=headers)
    other = await an_owner(cloud, "other", "member")
    await sign_in(
        cloud, {**two, **{"password": by_password(other.user_id)["password"]}}, status=401
    )
    # Older clients name the way to an identity provider, and mean a token that came from one.
    for method in ("mapped", "openid", "saml2"):
        identity = {"methods": [method], method: {"id": owner.token}}
        await sign_in(cloud, identity, status=401)
    for method in ("password", "telepathy"):
        await sign_in(cloud, {"methods": [method]}, status=400 if method == "password" else 401)
    # A token of nothing is exchanged for one of nothing where there is no default project.
    unscoped = await sign_in(cloud, by_password(owner.user_id), "unscoped")
    identity = {"methods": ["token"], "token": {"id": unscoped.token}}
    assert "project" not in (await sign_in(cloud, identity)).body
    admin = await cloud.sign_in()
    default = {"user": {"default_project_id": owner.project_id}}
    await admin("PATCH", f"/v3/users/{owner.user_id}", default, status=200)
    assert (await sign_in(cloud, identity)).project_id == owner.project_id


def _proof(**values: Any) -> Proof:
    given = {"user_id": "u", "default_project_id": None, "methods": ("a",), "bounds": Bounds()}
    return Proof(**{**given, **values})


def test_proofs_that_contradict_each_other() -> None:
    early, late = _proof(bounds=Bounds(since_us=1)), _proof(bounds=Bounds(since_us=2))
    with pytest.raises(NotSignedIn):
        signin._together([early, late])
    with pytest.raises(NotSignedIn):
        signin._together([_proof(bound_project_id="p"), _proof(bound_project_id="p")])
    with pytest.raises(NotSignedIn):
        signin._together([_proof(), _proof(user_id="v")])
    joined = signin._together(
        [_proof(bound_project_id="p"), _proof(methods=("b",), bounds=Bounds(credential_id="c"))]
    )
    assert (joined.bound_project_id, joined.methods, joined.bounds.credential_id) == (
        "p", ("a", "b"), "c",
    )  # fmt: skip


def test_before_1970_there_are_no_passcodes() -> None:
    assert set(passcodes(TOTP_SECRET, 10, 1)) == {0} and len(passcodes(TOTP_SECRET, 30, 1)) == 2


async def _rules(cloud: Cloud, one: Client, *rules: list[str]) -> None:
    admin = await cloud.sign_in()
    options = {"user": {"options": {"multi_factor_auth_rules": list(rules)}}}
    await admin("PATCH", f"/v3/users/{one.user_id}", options, status=200)


async def _receipt(cloud: Cloud, identity: dict[str, Any]) -> dict[str, str]:
    auth = {"auth": {"identity": identity}}
    answer = await cloud.anonymous("POST", "/v3/auth/tokens", auth, status=401)
    return {"Openstack-Auth-Receipt": answer.headers["Openstack-Auth-Receipt"]}


async def test_what_a_receipt_stands_for_ends_the_token(cloud: Cloud) -> None:
    """The passcode comes first: each time it is another one, so it is the receipt that is refused."""
    one, other = await cloud.project_with("p", "member"), await cloud.project_with("q", "member")
    kept = {one: await a_totp_secret(one), other: await a_totp_secret(other)}
    for each in (one, other):
        await _rules(cloud, each, ["password", "totp"])
    right = await _receipt(cloud, by_totp(one.user_id, passcode()))
    theirs = await _receipt(cloud, by_totp(other.user_id, passcode()))
    own = by_password(one.user_id)
    wrong = (theirs, *({"Openstack-Auth-Receipt": text} for text in (one.token, "x", "x" * 4000)))
    for header in wrong:
        await sign_in(cloud, own, status=401, headers=header)
    client = await sign_in(cloud, own, {"project": {"id": one.project_id}}, headers=right)
    assert set(client.body["methods"]) == {"password", "totp"} and await lives(cloud, client)
    admin = await cloud.sign_in()
    await admin("DELETE", f"/v3/credentials/{kept[one]}", status=204)
    assert not await lives(cloud, client)  # it hangs on the passcode's secret, too
    assert cloud.identity.tokens.open_receipt("Ä" * 20) is None
    for enabled in (False, True):
        change = {"user": {"enabled": enabled}}
        await admin("PATCH", f"/v3/users/{other.user_id}", change, status=200)
    # What was proved has been ended, though its secret is there.
    await sign_in(cloud, by_password(other.user_id), status=401, headers=theirs)


async def _row(cloud: Cloud, user_id: str) -> Any:
    async with cloud.control.database.read() as tx:
        row = await proofs.user_by_id(tx, user_id)
    assert row is not None
    return row


async def test_what_changes_while_somebody_signs_in(cloud: Cloud) -> None:
    one = await cloud.project_with("p", "member")
    room, database = cloud.identity, cloud.control.database
    attempt = Attempt(database=database, room=room, http_method="", urls=(), query=(), headers={})
    before = await _row(cloud, one.user_id)
    proof = _proof(user_id=one.user_id, bounds=Bounds(since_us=since(before)))
    assert (await signin.enough(attempt, proof, ""))[1] is None
    assert await standing.succeeded(database, room, before)
    for _ in range(2):
        await standing.failed(database, room, before)
    assert standing.is_locked(await _row(cloud, one.user_id), room)
    assert not await standing.succeeded(database, room, before)  # others have guessed meanwhile
    admin = await cloud.sign_in()
    for enabled in (False, True):
        change = {"user": {"enabled": enabled}}
        await admin("PATCH", f"/v3/users/{one.user_id}", change, status=200)
        with pytest.raises(NotSignedIn):
            await signin.enough(attempt, proof, "")
    await admin("DELETE", f"/v3/users/{one.user_id}", status=204)
    with pytest.raises(NotSignedIn):
        await signin.enough(attempt, proof, "")
    assert not await standing.succeeded(database, room, before)
    await standing.failed(database, room, None)
    nobody = named({"name": "nobody", "domain": {"id": "default"}})
    for _ in range(3):
        await sign_in(cloud, nobody, status=401)


async def test_a_wrong_guess_after_a_lock_out_is_the_first_again(tmp_path: Path) -> None:
    settings = IdentitySettings(
        password_rounds=4, lock_after=2, lock_for_s=60, access_token_s=90, token_lifetime_s=3600
    )
    clock = MovableClock(datetime.now(UTC))  # clients sign by the time of the machine
    async with running(tmp_path, clock=clock, identity=settings) as cloud:
        owner = await an_owner(cloud, "owner", "admin", "member")
        own, wrong = by_password(owner.user_id), by_password(owner.user_id, "x")
        for _ in range(2):
            await sign_in(cloud, wrong, status=401)
        await sign_in(cloud, own, status=401)
        clock.move(61)
        await sign_in(cloud, wrong, status=401)  # the first of the next two
        await sign_in(cloud, own)
        for _ in range(2):
            await sign_in(cloud, wrong, status=401)
        clock.move(61)
        for _ in range(2):
            await sign_in(cloud, wrong, status=401)
        await sign_in(cloud, own, status=401)
        clock.move(61)
        await _ends(cloud, clock, owner)


async def _ends(cloud: Cloud, clock: MovableClock, owner: Client) -> None:
    """What has an end is worth nothing from then on, also to who holds something got with it."""
    consumer = await a_consumer(cloud)
    token = await an_access_token(cloud, consumer, owner)
    soon = (clock.now() + timedelta(seconds=90)).isoformat()
    credential = await an_application_credential(owner, expires_at=soon, unrestricted=True)
    trustee = await an_owner(cloud, "trustee", "reader")
    trust = await a_trust(owner, trustee, expires_at=soon)
    lent = await by_trust(cloud, trustee, trust["id"])
    program = await sign_in(cloud, by_application_credential(credential))
    third = await by_oauth1(cloud, consumer, token)
    room, row = cloud.identity, await _row(cloud, owner.user_id)
    # A token that says itself that it lasts for an hour, and one that was asked for before.
    longer, payload = room.tokens.issue(
        user_id=owner.user_id,
        methods=("application_credential",),
        scope="p",
        scope_id=owner.project_id,
        bounds=Bounds(application_credential_id=credential["id"], since_us=since(row)),
    )
    now = await room.tokens.validate(longer)
    assert now is not None and now.expires_at == clock.now() + timedelta(seconds=90)
    clock.move(91)
    for client in (lent, program, third):
        assert not await lives(cloud, client)
    assert await room.tokens.validate(longer) is None  # as it is remembered
    async with cloud.control.database.read() as tx:
        assert await room.tokens.worth(tx, payload) is None  # and as it is read
        assert await trusts.alive(tx, trust["id"], clock.now()) is None
    assert await room.tokens.standing(longer) is None
    await sign_in(cloud, by_application_credential(credential), status=401)
    await by_trust(cloud, trustee, trust["id"], 401)
    await by_oauth1(cloud, consumer, token, 401)


async def test_a_token_is_worth_what_each_of_its_bounds_is(cloud: Cloud) -> None:
    owner, other = await an_owner(cloud, "owner", "admin"), await an_owner(cloud, "other", "member")
    room, row = cloud.identity, await _row(cloud, owner.user_id)
    consumer = await a_consumer(cloud)
    access, _ = await an_access_token(cloud, consumer, owner)
    credential = (await an_application_credential(owner))["id"]
    trust = (await a_trust(other, owner))["id"]
    their_since = since(await _row(cloud, other.user_id))
    own: dict[str, Any] = {"scope": "p", "scope_id": owner.project_id, "methods": ("x",)}

    async def worth(user: Client = owner, since_us: int | None = None, **values: Any) -> bool:
        bounds = {name: values.pop(name) for name in Bounds.__struct_fields__ if name in values}
        at = since(await _row(cloud, user.user_id)) if since_us is None else since_us
        given = {**own, "user_id": user.user_id, **values}
        text, _ = room.tokens.issue(**given, bounds=Bounds(since_us=at, **bounds))
        return await room.tokens.validate(text) is not None

    theirs: dict[str, Any] = {"user": other, "scope_id": other.project_id}
    assert await worth() and await worth(**theirs)
    assert not await worth(since_us=since(row) + 1)
    assert not await worth(scope_id=other.project_id)  # no role there
    assert not await worth(scope="d") and not await worth(scope_id="nowhere")
    assert not await worth(credential_id="gone")
    assert not await worth(idp_id="gone", protocol_id="gone")
    for name, there in (("application_credential_id", credential), ("access_token_id", access)):
        kept: dict[str, Any] = {name: there}
        missing: dict[str, Any] = {name: "gone"}
        assert await worth(**kept) and not await worth(**missing)
        assert not await worth(**theirs, **kept)  # another user's
        admin = await cloud.sign_in()
        grant = f"/v3/projects/{other.project_id}/users/{owner.user_id}/roles"
        role = (await roles_of(cloud))["admin"]
        await admin("PUT", f"{grant}/{role}", status=204)
        assert await worth(scope_id=other.project_id)
        assert not await worth(scope_id=other.project_id, **kept)  # for another project
        theirs_here = f"/v3/projects/{owner.project_id}/users/{other.user_id}/roles/{role}"
        await admin("PUT", theirs_here, status=204)
        assert await worth(other, scope_id=owner.project_id)
        assert not await worth(other, scope_id=owner.project_id, **kept)  # another user's, too
        await admin("DELETE", f"{grant}/{role}", status=204)
    lent: dict[str, Any] = {"trust_id": trust, "trustor_since_us": their_since}
    assert await worth(scope_id=other.project_id, **lent)
    assert not await worth(scope_id=owner.project_id, **lent)
    assert not await worth(**theirs, **lent)  # the trustor is not the trustee
    assert not await worth(scope_id=other.project_id, trust_id=trust, trustor_since_us=1)
    assert not await worth(scope_id=other.project_id, trust_id="gone")
    # A trust of no project gives nothing but its name.
    async with cloud.control.database.write() as tx:
        changed = trust_table.update().where(trust_table.c.id == trust)
        await tx.execute(changed.values(project_id=None))
    assert await worth(scope="", scope_id="", **lent)
    assert not await worth(scope_id=other.project_id, **lent)


async def test_texts_that_are_no_tokens(cloud: Cloud) -> None:
    tokens = cloud.identity.tokens
    for text in ("", "nonsense", "x" * 3000, "Ä" * 20):
        assert tokens.open(text) is None and tokens.lent(text) is None
        assert await tokens.validate(text) is None
        assert await tokens.standing(text.encode("ascii", "replace").decode()) is None
    receipt, _ = tokens.issue_receipt("u", ("password",), Bounds(), timedelta(seconds=60))
    assert tokens.open_receipt(receipt) is not None and tokens.open(receipt) is None
    assert await tokens.standing(receipt) is None
    other, _ = tokens.issue_receipt("u", ("password",), Bounds(), timedelta(seconds=-1))
    assert tokens.open_receipt(other) is None
    one = await cloud.project_with("p", "member")
    raw = tokens.lent(one.token)
    assert raw is not None
    again = Client(cloud.http, tokens.borrowed(raw))
    assert await lives(cloud, again)
    assert tokens.open(one.token) != tokens.open(again.token)


async def test_a_token_is_revoked_once(cloud: Cloud) -> None:
    one = await cloud.project_with("p", "member")
    tokens = cloud.identity.tokens
    payload = tokens.open(one.token)
    assert payload is not None
    noted = sa.select(sa.func.count()).select_from(revocation_events)
    async with cloud.control.database.write() as tx:
        before = await tx.scalar(noted)
        for _ in range(2):
            await tokens.revoke(tx, payload)
        assert await tx.scalar(noted) == before + 1
    assert not await lives(cloud, one)


async def test_a_lent_token_ends_with_the_trustors_domain(cloud: Cloud) -> None:
    trustor, trustee = await an_owner(cloud, "a", "member"), await an_owner(cloud, "b", "reader")
    trust = await a_trust(trustor, trustee, impersonation=False)
    lent = await by_trust(cloud, trustee, trust["id"])
    admin = await cloud.sign_in()
    home = trustor.body["user"]["domain"]["id"]
    await admin("PATCH", f"/v3/domains/{home}", {"domain": {"enabled": False}}, status=200)
    assert not await lives(cloud, lent)
    await by_trust(cloud, trustee, trust["id"], 403)
    await admin("PATCH", f"/v3/domains/{home}", {"domain": {"enabled": True}}, status=200)
    assert not await lives(cloud, lent)  # what was given before stays ended
    assert await lives(cloud, await by_trust(cloud, trustee, trust["id"]))
    payload = cloud.identity.tokens.open(lent.token)
    assert payload is not None and isinstance(payload, Payload)
    async with cloud.control.database.write() as tx:
        # Neither of its project, nor of its trustee, but of the trustor's domain.
        elsewhere = users.update().where(users.c.id == trustor.user_id)
        await tx.execute(elsewhere.values(tokens_valid_from=None))
        row = await trusts.find(tx, trust["id"])
        assert row is not None
        fresh = msgspec.structs.replace(payload, trustor_since_us=0)
        assert await cloud.identity.tokens.worth(tx, fresh) is None


async def test_trusts_and_their_uses(cloud: Cloud) -> None:
    trustor, trustee = await an_owner(cloud, "a", "member"), await an_owner(cloud, "b", "reader")
    third = await an_owner(cloud, "c", "reader")
    plain = await a_trust(
        trustor, trustee, allow_redelegation=True, redelegation_count=0, remaining_uses=2
    )
    assert plain["redelegation_count"] == 0 and plain["remaining_uses"] == 2
    endless = await a_trust(trustor, trustee, allow_redelegation=True)
    lent = await by_trust(cloud, trustee, endless["id"])
    body = {
        "trustor_user_id": trustor.user_id,
        "trustee_user_id": third.user_id,
        "project_id": trustor.project_id,
        "impersonation": True,
        "roles": [{"name": "member"}],
    }
    at = "2999-01-01T00:00:00.000000Z"
    handed = {"trust": {**body, "expires_at": at}}
    made = (await lent.post("/v3/OS-TRUST/trusts", handed))["trust"]
    assert made["expires_at"] == at  # the one before it has no end
    bounded = await a_trust(trustor, trustee, allow_redelegation=True, expires_at=at)
    within = await by_trust(cloud, trustee, bounded["id"])
    earlier = {"trust": {**body, "expires_at": "2998-01-01T00:00:00.000000Z"}}
    made = (await within.post("/v3/OS-TRUST/trusts", earlier))["trust"]
    assert made["expires_at"].startswith("2998")
    late = {"trust": {**body, "expires_at": "2999-01-01T00:00:01.000000Z"}}
    await within.post("/v3/OS-TRUST/trusts", late, 403)
    now = cloud.control.clock.now()
    async with cloud.control.database.write() as tx:
        row = await trusts.find(tx, plain["id"])
        assert row is not None
        assert [await trusts.use(tx, row) for _ in range(3)] == [True, True, False]
        forever = await trusts.find(tx, endless["id"])
        assert forever is not None and await trusts.use(tx, forever)
        requested = trusts.NewTrust(
            trustor_user_id=trustor.user_id,
            trustee_user_id=third.user_id,
            impersonation=False,
            project_id=None,
            role_ids=[],
            remaining_uses=None,
            expires_at=None,
            allow_redelegation=False,
            redelegation_count=None,
        )
        for gone in ("nothing", plain["id"]):  # there is none, or it has no uses left
            with pytest.raises(NotFound, match=gone):
                await trusts.create(tx, requested, parent_id=gone, maximum=3, now=now)
        assert (
            await trusts.create(tx, requested, parent_id=None, maximum=3, now=now)
        ).project_id is None


async def test_keys_are_worth_what_their_owner_is(cloud: Cloud) -> None:
    owner, admin = await an_owner(cloud, "owner", "member"), await cloud.sign_in()
    key = await an_ec2_key(owner)
    blob = {"access": "no-secret"}
    body = {"type": "ec2", "user_id": owner.user_id, "project_id": owner.project_id}
    bad: list[dict[str, Any]] = [{"access": ""}, {"access": 7}, {"access": "a", "secret": 7}]
    for each in bad:
        credential = {"credential": {**body, "blob": json.dumps(each)}}
        await owner.post("/v3/credentials", credential, 400)
    await owner.post("/v3/credentials", {"credential": {**body, "blob": json.dumps(blob)}})
    room = cloud.identity
    async with cloud.control.database.read() as tx:
        assert await ec2.key(tx, room, "no-secret") is None  # it signs nothing
        assert await ec2.key(tx, room, "nobody's") is None
        for _ in range(2):  # read, and remembered
            found = await ec2.key(tx, room, key["access"])
            assert found is not None and found.secret == key["secret"]
    await admin("PATCH", f"/v3/users/{owner.user_id}", {"user": {"enabled": False}}, status=200)
    signed = {"credentials": signed_ec2(key["access"], key["secret"])}
    await admin("POST", "/v3/ec2tokens", signed, status=401)
    async with cloud.control.database.read() as tx:
        assert await ec2.key(tx, room, key["access"]) is None


async def test_a_key_ends_with_what_it_was_made_with(cloud: Cloud) -> None:
    owner, trustee = await an_owner(cloud, "o", "admin"), await an_owner(cloud, "t", "reader")
    consumer = await a_consumer(cloud)
    token = await an_access_token(cloud, consumer, owner)
    third = await by_oauth1(cloud, consumer, token)
    key = await an_ec2_key(third)
    got = await by_ec2(cloud, key)
    assert got.project_id == owner.project_id and await lives(cloud, got)
    trust = await a_trust(owner, trustee)
    lent = await by_trust(cloud, trustee, trust["id"])
    mine, theirs = await an_ec2_key(owner), await an_ec2_key(lent)
    path = f"/v3/users/{owner.user_id}/credentials/OS-EC2"
    listed = {one["access"] for one in (await owner.get(path))["credentials"]}
    assert listed == {key["access"], mine["access"], theirs["access"]}
    elsewhere = await an_owner(cloud, "elsewhere", "member")
    admin = await cloud.sign_in()
    role = (await roles_of(cloud))["member"]
    grant = f"/v3/projects/{elsewhere.project_id}/users/{owner.user_id}/roles/{role}"
    await admin("PUT", grant, status=204)
    there = {"project": {"id": elsewhere.project_id}}
    far = await an_ec2_key(await sign_in(cloud, by_password(owner.user_id), there))
    assert far["access"] in {one["access"] for one in (await owner.get(path))["credentials"]}
    seen = {one["access"] for one in (await lent.get(path))["credentials"]}
    assert far["access"] not in seen and theirs["access"] in seen
    await owner("DELETE", f"/v3/OS-TRUST/trusts/{trust['id']}", status=204)
    access = f"/v3/users/{owner.user_id}/OS-OAUTH1/access_tokens/{token[0]}"
    await owner("DELETE", access, status=204)
    assert not await lives(cloud, got)
    left = {one["access"] for one in (await owner.get(path))["credentials"]}
    assert left == {mine["access"], far["access"]}


async def test_requests_signed_by_oauth_in_other_forms(cloud: Cloud) -> None:
    owner, consumer = await an_owner(cloud, "o", "admin"), await a_consumer(cloud)
    path = f"/v3/OS-OAUTH1/consumers/{consumer['id']}"
    admin = await cloud.sign_in()
    noted = await admin("PATCH", path, {"consumer": {"note": "ours"}}, status=200)
    assert noted.json()["consumer"]["note"] == "ours"
    project = {"Requested-Project-Id": owner.project_id}
    good = oauth_headers(REQUEST, consumer)["Authorization"]

    async def tried(status: int, text: str) -> str:
        headers = {**project, "Authorization": text}
        return (await cloud.anonymous("POST", REQUEST, headers=headers, status=status)).text

    plain = oauth_headers(REQUEST, consumer, signature_method="PLAINTEXT")["Authorization"]
    await tried(401, plain.replace("PLAINTEXT", "ROT13"))
    await tried(401, plain.replace('oauth_version="1.0"', 'oauth_version="2.0"'))
    token = await tried(201, plain)
    assert "oauth_expires_at" not in token  # it has none
    assert "names a parameter twice" in await tried(400, good + ', oauth_nonce="other"')
    assert "oauth_consumer_key" in await tried(400, good.replace(consumer["id"], ""))
    assert "oauth_consumer_key" in await tried(400, good.replace(consumer["id"], "x" * 256))
    await tried(401, good.replace(consumer["id"], "x" * 255))
    request_token = await a_request_token(cloud, consumer, owner.project_id)
    authorize = f"/v3/OS-OAUTH1/authorize/{request_token[0]}"
    roles = {"roles": [{"name": "member"}]}
    await owner("PUT", authorize, roles, status=200)
    await owner("PUT", authorize, roles, status=200)  # once more by the same user
    other = await an_owner(cloud, "other", "admin")
    member = (await roles_of(cloud))["member"]
    grant = f"/v3/projects/{owner.project_id}/users/{other.user_id}/roles/{member}"
    await admin("PUT", grant, status=204)
    await other("PUT", authorize, roles, status=401)
    access = await an_access_token(cloud, consumer, owner)
    client = await by_oauth1(cloud, consumer, access)
    assert client.project_id == owner.project_id
    lasts = cloud.identity.tokens.lifetime
    payload = cloud.identity.tokens.open(client.token)
    assert payload is not None
    # An access token without end does not shorten what is got with it.
    assert payload.expires_us - payload.issued_us > (lasts.total_seconds() - 2) * 1_000_000
    await admin("PATCH", f"/v3/users/{owner.user_id}", {"user": {"enabled": False}}, status=200)
    await by_oauth1(cloud, consumer, access, 401)


async def test_credentials_that_make_others(cloud: Cloud) -> None:
    owner = await an_owner(cloud, "owner", "member")
    path = f"/v3/users/{owner.user_id}/application_credentials"
    at = "2999-01-01T00:00:00.000000"
    bounded = await an_application_credential(owner, unrestricted=True, expires_at=at)
    endless = await an_application_credential(owner, name="endless", unrestricted=True)
    rule = {"service": "identity", "method": "POST", "path": path}
    ruled = await an_application_credential(
        owner, name="ruled", unrestricted=True, access_rules=[rule]
    )

    async def made(by: dict[str, Any], status: int, **values: Any) -> Any:
        program = await sign_in(cloud, by_application_credential(by))
        name = f"{by['name']}-{len(values)}-{values.get('expires_at')}"
        body = {"application_credential": {"name": name, **values}}
        answer = await program("POST", path, body, status=status)
        return answer.json().get("application_credential", answer.text)

    assert (await made(bounded, 201))["expires_at"] == at
    earlier, later = "2998-01-01T00:00:00.000000", "2999-01-01T00:00:01.000000"
    assert (await made(bounded, 201, expires_at=earlier))["expires_at"] == earlier
    assert "lasts longer than itself" in await made(bounded, 403, expires_at=later)
    assert (await made(endless, 201, expires_at=later))["expires_at"] == later
    assert (await made(endless, 201))["expires_at"] is None
    assert "access rules cannot make another" in await made(ruled, 403)
    gone = await sign_in(cloud, by_application_credential(bounded))
    token = await cloud.identity.tokens.validate(gone.token)
    assert token is not None and token.application_credential_id == bounded["id"]
    rules = f"/v3/users/{owner.user_id}/access_rules"
    (kept,) = (await owner.get(rules))["access_rules"]
    await owner("DELETE", f"{rules}/{kept['id']}", status=403)
    await owner("DELETE", f"{path}/{ruled['id']}", status=204)
    await owner("DELETE", f"{rules}/{kept['id']}", status=204)  # the others have no rules
    assert (await owner.get(rules))["access_rules"] == []
    with pytest.raises(BadInput):
        async with cloud.control.database.read() as tx:
            await proofs.domain(tx, None)
