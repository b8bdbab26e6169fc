"""Credentials, keys of EC2 and S3, and the exchange of signed requests."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import sqlalchemy as sa
from keystoneclient.contrib.ec2.utils import Ec2Signer  # type: ignore[import-untyped]

from hanok.services.identity import facade
from hanok.services.identity.tables import credentials
from tests.api.identity.doors import (
    a_trust,
    an_application_credential,
    an_ec2_key,
    an_owner,
    by_application_credential,
    by_trust,
    sign_in,
    signed_ec2,
)
from tests.cloud import Client, Cloud


def a_key(owner: Client, **values: Any) -> dict[str, Any]:
    blob = {"access": "an-access-key", "secret": "a-secret"}
    body = {
        "type": "ec2",
        "user_id": owner.user_id,
        "project_id": owner.project_id,
        "blob": json.dumps(blob),
        **values,
    }
    return {"credential": body}


async def test_a_credential_from_making_to_removal(cloud: Cloud) -> None:
    owner = await cloud.project_with("owner", "member")
    body = {"type": "cert", "user_id": owner.user_id, "blob": "ein Schlüssel", "note": "mine"}
    made = (await owner.post("/v3/credentials", {"credential": body}))["credential"]
    assert made["blob"] == "ein Schlüssel" and made["note"] == "mine"
    assert made["project_id"] is None
    path = f"/v3/credentials/{made['id']}"
    assert made["links"]["self"] == f"http://cloud:5000{path}"
    assert (await owner.get(path))["credential"] == made
    listed = await owner.get("/v3/credentials?type=cert")
    assert listed["credentials"] == [made]
    assert (await owner.get("/v3/credentials?type=totp"))["credentials"] == []
    changed = await owner("PATCH", path, {"credential": {"blob": "new"}}, status=200)
    assert changed.json()["credential"] == {**made, "blob": "new"}
    await owner("DELETE", path, status=204)
    assert (await owner.get("/v3/credentials"))["credentials"] == []


async def test_a_credential_that_is_no_key_changes_hands_by_who_may_give_it(cloud: Cloud) -> None:
    owner = await cloud.project_with("owner", "member")
    other = await cloud.project_with("other", "member")
    body = {"type": "cert", "user_id": owner.user_id, "blob": "first"}
    made = (await owner.post("/v3/credentials", {"credential": body}))["credential"]
    path = f"/v3/credentials/{made['id']}"
    given = {"credential": {"user_id": other.user_id, "project_id": other.project_id}}
    await owner("PATCH", path, given, status=403)
    admin = await cloud.sign_in()
    for missing in ({"user_id": "0" * 32}, {"project_id": "0" * 32}):
        await admin("PATCH", path, {"credential": missing}, status=404)
    await admin("PATCH", path, {"credential": {"type": "ec2"}}, status=400)
    await admin("PATCH", path, {"credential": {**given["credential"], "type": "note"}}, status=200)
    assert (await owner.get("/v3/credentials"))["credentials"] == []
    now = (await other.get(path))["credential"]
    assert (now["user_id"], now["project_id"]) == (other.user_id, other.project_id)
    assert (now["type"], now["blob"]) == ("note", "first")


async def test_a_delegated_token_reaches_nothing_that_its_owner_signs_in_with(cloud: Cloud) -> None:
    owner = await cloud.project_with("owner", "member")
    credential = await an_application_credential(owner, unrestricted=True)
    lent = await sign_in(cloud, by_application_credential(credential))
    body = {"user_id": owner.user_id, "project_id": owner.project_id, "blob": "GEZDGNBV"}

    async def made(kind: str) -> str:
        answer = await owner.post("/v3/credentials", {"credential": {**body, "type": kind}})
        return f"/v3/credentials/{answer['credential']['id']}"

    note, secret = await made("note"), await made("totp")
    for kind in ("totp", "TOTP"):
        await lent.post("/v3/credentials", {"credential": {**body, "type": kind}}, 403)
        await lent("PATCH", note, {"credential": {"type": kind}}, status=403)
    for change in ({"blob": "MFRGGZDF"}, {"type": "note"}):
        await lent("PATCH", secret, {"credential": change}, status=403)
    await lent("GET", secret, status=403)
    await lent("DELETE", secret, status=403)
    listed = (await lent.get("/v3/credentials"))["credentials"]
    assert [one["type"] for one in listed] == ["note"]
    await lent("PATCH", note, {"credential": {"blob": "new", "type": "other"}}, status=200)
    await owner("PATCH", note, {"credential": {"type": "totp"}}, status=200)


async def test_the_database_holds_no_secret(cloud: Cloud) -> None:
    owner = await cloud.project_with("owner", "member")
    key = await an_ec2_key(owner)
    async with cloud.control.database.read() as tx:
        rows = await tx.all(sa.select(credentials))
    assert len(rows) == 1
    assert key["secret"] not in str(rows) and key["access"] not in str(rows)


async def test_an_ec2_credential_is_named_by_its_access_key(cloud: Cloud) -> None:
    owner = await cloud.project_with("owner", "member")
    made = (await owner.post("/v3/credentials", a_key(owner)))["credential"]
    assert made["id"] == hashlib.sha256(b"an-access-key").hexdigest()
    await owner.post("/v3/credentials", a_key(owner), 409)
    for bad in ({"blob": "no json"}, {"blob": "{}"}, {"blob": '{"secret": "s"}'}):
        await owner.post("/v3/credentials", a_key(owner, **bad), 400)
    await owner.post("/v3/credentials", a_key(owner, project_id=None), 400)
    by_path = f"/v3/users/{owner.user_id}/credentials/OS-EC2/an-access-key"
    key = (await owner.get(by_path))["credential"]
    assert key["secret"] == "a-secret" and key["tenant_id"] == owner.project_id


async def test_what_a_credential_is_for_cannot_be_moved(cloud: Cloud) -> None:
    owner = await cloud.project_with("owner", "member")
    other = await cloud.project_with("other", "member")
    made = (await owner.post("/v3/credentials", a_key(owner)))["credential"]
    admin = await cloud.sign_in()
    path = f"/v3/credentials/{made['id']}"
    for change in (
        {"user_id": other.user_id},
        {"project_id": other.project_id},
        {"project_id": None},
        {"type": "cert"},
        {"blob": json.dumps({"access": "a", "secret": "s", "trust_id": "t"})},
        {"blob": json.dumps({"access": "a", "secret": "s", "app_cred_id": "t"})},
    ):
        for who in (owner, admin):
            await who("PATCH", path, {"credential": change}, status=400)
    same = {"user_id": owner.user_id, "type": "ec2", "project_id": owner.project_id}
    await owner("PATCH", path, {"credential": same}, status=200)
    forged = {"access": "x", "secret": "s", "trust_id": "0" * 32}
    await owner.post("/v3/credentials", a_key(owner, blob=json.dumps(forged)), 400)
    for kind in ("ec2", "EC2"):  # a key of no project is good for nothing
        await owner.post("/v3/credentials", a_key(owner, type=kind, project_id=None), 400)


async def test_somebody_elses_credential_answers_as_one_that_never_existed(cloud: Cloud) -> None:
    owner = await cloud.project_with("owner", "member")
    other = await cloud.project_with("other", "member")
    made = (await owner.post("/v3/credentials", a_key(owner)))["credential"]
    for method, body in (
        ("GET", None),
        ("PATCH", {"credential": {"blob": "x"}}),
        ("DELETE", None),
    ):
        there = await other(method, f"/v3/credentials/{made['id']}", body)
        nowhere = await other(method, f"/v3/credentials/{'0' * 32}", body)
        assert there.status_code == nowhere.status_code == 403
        assert there.json() == nowhere.json()
    assert (await other.get("/v3/credentials"))["credentials"] == []
    await other.post("/v3/credentials", a_key(owner), 403)
    await other.post(
        f"/v3/users/{owner.user_id}/credentials/OS-EC2", {"tenant_id": other.project_id}, 403
    )
    reader = await cloud.sign_in(scope={"system": {"all": True}})
    assert [c["id"] for c in (await reader.get("/v3/credentials"))["credentials"]] == [made["id"]]
    assert (await reader.get(f"/v3/credentials?user_id={other.user_id}"))["credentials"] == []


async def test_a_delegated_token_reaches_its_own_project_only(cloud: Cloud) -> None:
    owner = await an_owner(cloud, "owner", "member")
    trustee = await an_owner(cloud, "trustee", "member")
    totp = {"type": "totp", "user_id": owner.user_id, "blob": "MZXW6YTB"}
    hidden = (await owner.post("/v3/credentials", {"credential": totp}))["credential"]
    trust = await a_trust(owner, trustee)
    lent = await by_trust(cloud, trustee, trust["id"])
    key = await an_ec2_key(lent)
    assert key["trust_id"] == trust["id"] and key["user_id"] == owner.user_id
    assert len((await lent.get("/v3/credentials"))["credentials"]) == 1
    shown = (await lent.get("/v3/credentials"))["credentials"][0]
    assert json.loads(shown["blob"])["trust_id"] == trust["id"]
    for method in ("GET", "DELETE"):
        await lent(method, f"/v3/credentials/{hidden['id']}", status=403)
    changed = {"credential": {"blob": json.dumps({"access": key["access"], "secret": "s"})}}
    await owner("PATCH", f"/v3/credentials/{shown['id']}", changed, status=400)
    credential = await an_application_credential(owner)
    restricted = await sign_in(cloud, by_application_credential(credential))
    path = f"/v3/users/{owner.user_id}/credentials/OS-EC2"
    await restricted.post(path, {"tenant_id": owner.project_id}, 403)


async def test_credentials_are_sealed_anew_when_keys_change(cloud: Cloud) -> None:
    owner = await cloud.project_with("owner", "member")
    key = await an_ec2_key(owner)
    room, database = cloud.identity, cloud.control.database

    async def sealed() -> tuple[str, str]:
        async with database.read() as tx:
            row = await tx.first(sa.select(credentials.c.sealed, credentials.c.sealed_with))
        assert row is not None
        return row.sealed, row.sealed_with

    before = await sealed()
    for _ in range(3):
        assert await facade.rotate_keys(database, room) == 1
    assert (await sealed())[0] != before[0] and (await sealed())[1] > before[1]
    path = f"/v3/users/{owner.user_id}/credentials/OS-EC2/{key['access']}"
    assert (await owner.get(path))["credential"]["secret"] == key["secret"]


async def test_as_many_credentials_as_one_may_have(cloud: Cloud) -> None:
    owner = await cloud.project_with("owner", "member")
    maximum = cloud.identity.settings.credentials_each
    row = {
        "user_id": owner.user_id,
        "type": "cert",
        "sealed": "",
        "sealed_with": "",
        "extra": {},
    }
    async with cloud.control.database.write() as tx:
        await tx.insert(credentials, [{**row, "id": f"{n}"} for n in range(maximum)])
    path = f"/v3/users/{owner.user_id}/credentials/OS-EC2"
    await owner.post(path, {"tenant_id": owner.project_id}, 403)


# ---- signed requests ----


async def test_only_services_and_administrators_exchange_signed_requests(cloud: Cloud) -> None:
    owner = await cloud.project_with("owner", "member")
    service = await cloud.project_with("service", "service")
    key = await an_ec2_key(owner)
    body = {"ec2Credentials": signed_ec2(key["access"], key["secret"])}
    for path in ("/v3/ec2tokens", "/v3/s3tokens"):
        await cloud.anonymous("POST", path, body, status=401)
        await owner("POST", path, body, status=403)
    answer = await service("POST", "/v3/ec2tokens", body, status=200)
    token = answer.json()["token"]
    assert token["methods"] == ["ec2credential"] and token["user"]["id"] == owner.user_id
    assert token["project"]["id"] == owner.project_id and token["catalog"]
    got = Client(cloud.http, answer.headers["X-Subject-Token"])
    await got("GET", "/v3/auth/projects", status=403)
    await got("GET", "/network/v2.0/networks", status=200)


async def test_a_signature_that_does_not_fit_is_refused(cloud: Cloud) -> None:
    owner = await cloud.project_with("owner", "member")
    admin = await cloud.sign_in()
    key = await an_ec2_key(owner)
    good = signed_ec2(key["access"], key["secret"])

    async def tried(status: int, **changes: Any) -> None:
        await admin("POST", "/v3/ec2tokens", {"credentials": {**good, **changes}}, status=status)

    await tried(200)
    await tried(401, verb="DELETE")
    await tried(401, params={"Action": "TerminateInstances"})
    await tried(401, signature="0" * 64)
    await tried(401, signature="")
    await tried(401, access="")
    await tried(404, access="nobody")
    await tried(401, params={**good["params"], "SignatureVersion": "0"}, headers={})
    await tried(400, params="text")
    for minutes in (-16, 16):
        at = datetime.now(UTC) + timedelta(minutes=minutes)
        late = signed_ec2(key["access"], key["secret"], at)
        await admin("POST", "/v3/ec2tokens", {"credentials": late}, status=401)
    nonsense: list[Any] = [{}, [], {"credentials": {}}, {"credentials": []}]
    for body in nonsense:
        answer = await admin("POST", "/v3/ec2tokens", body)
        assert answer.status_code in (400, 401)


async def test_version_2_is_a_signature_too(cloud: Cloud) -> None:
    owner = await cloud.project_with("owner", "member")
    admin = await cloud.sign_in()
    key = await an_ec2_key(owner)

    async def tried(status: int, **params: str) -> None:
        request: dict[str, Any] = {
            "access": key["access"],
            "host": "ec2.example.org",
            "verb": "GET",
            "path": "/services/Cloud",
            "params": {
                "SignatureVersion": "2",
                "SignatureMethod": "HmacSHA256",
                "AWSAccessKeyId": key["access"],
                "Action": "DescribeImages",
                **params,
            },
        }
        request["signature"] = Ec2Signer(key["secret"]).generate(json.loads(json.dumps(request)))
        request["host"] += ":8773"  # some clients do not sign the port
        await admin("POST", "/v3/ec2tokens", {"credentials": request}, status=status)

    now = datetime.now(UTC)
    await tried(200, Timestamp=now.strftime("%Y-%m-%dT%H:%M:%SZ"))
    await tried(200, Expires=(now + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ"))
    await tried(401, Timestamp=(now - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ"))
    await tried(401, Expires=(now - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ"))
    await tried(401)


def s3_request(key: dict[str, Any], text: str, signature: str) -> dict[str, Any]:
    token = base64.urlsafe_b64encode(text.encode()).decode()
    part = {"access": key["access"], "token": token, "signature": signature}
    return {"credentials": part}


async def test_s3_signatures_of_both_kinds(cloud: Cloud) -> None:
    owner = await cloud.project_with("owner", "member")
    admin = await cloud.sign_in()
    key = await an_ec2_key(owner)
    now = datetime.now(UTC)

    async def older(date: str, status: int, amz: str = "") -> None:
        text = f"GET\n\n\n{date}\n{amz}/bucket/object"
        made = hmac.digest(key["secret"].encode(), text.encode(), "sha1")
        body = s3_request(key, text, base64.b64encode(made).decode())
        answer = await admin("POST", "/v3/s3tokens", body, status=status)
        assert "X-Subject-Token" not in answer.headers
        if status == 200:
            assert answer.json()["token"]["project"]["id"] == owner.project_id

    await older(format_datetime(now), 200)
    await older("", 200, f"x-amz-date:{format_datetime(now)}\n")
    await older(str(int(now.timestamp()) + 60), 200)
    await older(str(int(now.timestamp()) - 60), 401)
    await older(format_datetime(now - timedelta(hours=1)), 401)
    await older("", 401)

    async def newer(at: datetime, status: int, service: str = "s3") -> None:
        stamp, date = at.strftime("%Y%m%dT%H%M%SZ"), at.strftime("%Y%m%d")
        scope = f"{date}/eu/{service}/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{'0' * 64}"
        signing = f"AWS4{key['secret']}".encode()
        for part in (date, "eu", service, "aws4_request"):
            signing = hmac.digest(signing, part.encode(), "sha256")
        made = hmac.digest(signing, text.encode(), "sha256").hex()
        await admin("POST", "/v3/s3tokens", s3_request(key, text, made), status=status)
        await admin("POST", "/v3/s3tokens", s3_request(key, text, made[:-1] + "x"), status=401)

    await newer(now, 200)
    await newer(now - timedelta(minutes=10), 200)
    await newer(now - timedelta(days=2), 401)  # a signed address; see presigned_s
    await newer(now - timedelta(days=8), 401)
    await newer(now + timedelta(hours=1), 401)
    await newer(now, 401, service="ec2")


async def test_credentials_go_with_their_user_and_project(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    for kind in ("users", "projects"):
        owner = await cloud.project_with(kind, "member")
        key = await an_ec2_key(owner)
        thing = owner.user_id if kind == "users" else owner.project_id
        await admin("DELETE", f"/v3/{kind}/{thing}", status=204)
        body = {"credentials": signed_ec2(key["access"], key["secret"])}
        await admin("POST", "/v3/ec2tokens", body, status=404)
    assert (await admin.get("/v3/credentials"))["credentials"] == []
