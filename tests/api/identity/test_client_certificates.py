"""OAuth 2.0 with mutual TLS: clients with certificates, and tokens that are good only together with them."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import NameOID

from hanok.control.settings import load
from hanok.services.identity.facade import IdentitySettings
from hanok.services.identity.logic.saml import SAMLSettings
from hanok.web.proxy import FrontSettings
from tests.api.identity.doors import an_application_credential, an_owner, lives
from tests.cloud import Client, Cloud, running

OAUTH2 = "/v3/OS-OAUTH2/token"
HEADER = "X-Front-Certificate"
FRONT = FrontSettings(proxies=("127.0.0.0/8",), client_certificate_header=HEADER)
EVERYWHERE = (
    "/v3/auth/projects",
    "/image/v2/images",
    "/compute/v2.1/servers",
    "/compute/v2.1/images",  # which asks the image service
    "/network/v2.0/networks",
    "/placement/resource_providers",  # which a member may not see
)
# Upstream's example: the first authority has to name five things, the other one two.
RULES: list[dict[str, Any]] = [
    {
        "local": [
            {
                "user": {
                    "name": "{0}",
                    "id": "{1}",
                    "email": "{2}",
                    "domain": {"name": "{3}", "id": "{4}"},
                }
            }
        ],
        "remote": [
            {"type": "SSL_CLIENT_SUBJECT_DN_CN"},
            {"type": "SSL_CLIENT_SUBJECT_DN_UID"},
            {"type": "SSL_CLIENT_SUBJECT_DN_EMAILADDRESS"},
            {"type": "SSL_CLIENT_SUBJECT_DN_O"},
            {"type": "SSL_CLIENT_SUBJECT_DN_DC"},
            {"type": "SSL_CLIENT_ISSUER_DN_CN", "any_one_of": ["root_a.example.org"]},
        ],
    },
    {
        "local": [{"user": {"id": "{0}", "domain": {"id": "{1}"}}}],
        "remote": [
            {"type": "SSL_CLIENT_SUBJECT_DN_UID"},
            {"type": "SSL_CLIENT_SUBJECT_DN_DC"},
            {"type": "SSL_CLIENT_ISSUER_DN_CN", "any_one_of": ["root_b.example.org"]},
        ],
    },
]
_PARTS = {
    "CN": NameOID.COMMON_NAME,
    "UID": NameOID.USER_ID,
    "MAIL": NameOID.EMAIL_ADDRESS,
    "O": NameOID.ORGANIZATION_NAME,
    "DC": NameOID.DOMAIN_COMPONENT,
}


def a_certificate(issuer: str = "root_a.example.org", **parts: str | list[str]) -> bytes:
    """A certificate (PEM) with these parts of the subject's name."""
    key = ec.generate_private_key(ec.SECP256R1())
    pairs = [
        (name, one)
        for name, given in parts.items()
        for one in ([given] if isinstance(given, str) else given)
    ]
    subject = x509.Name([x509.NameAttribute(_PARTS[name], one) for name, one in pairs])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def passed(pem: bytes) -> dict[str, str]:
    """As nginx passes it."""
    return {HEADER: quote(pem.decode(), safe="")}


def whole(owner: Client, **changes: str | list[str]) -> dict[str, Any]:
    """All that the first authority has to name."""
    user = owner.body["user"]
    named = {
        "CN": user["name"],
        "UID": user["id"],
        "MAIL": "owner@example.org",
        "O": user["domain"]["name"],
        "DC": user["domain"]["id"],
    }
    return {**named, **changes}


async def prepared(cloud: Cloud, name: str = "owner") -> Client:
    """A user with a default project, a mail address and, for all, the mapping."""
    admin = await cloud.sign_in()
    await admin("PUT", "/v3/OS-FEDERATION/mappings/oauth2_mapping", {"mapping": {"rules": RULES}})
    owner = await an_owner(cloud, name, "member")
    body = {"user": {"email": "owner@example.org", "default_project_id": owner.project_id}}
    await admin("PATCH", f"/v3/users/{owner.user_id}", body, status=200)
    return owner


async def token_request(
    http: httpx.AsyncClient, pem: bytes | None, status: int, headers: Any = None, **form: str
) -> Any:
    body = urlencode({"grant_type": "client_credentials", **form})
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    sent = {**kind, **(passed(pem) if pem else {}), **(headers or {})}
    answer = await http.post(OAUTH2, content=body.encode(), headers=sent)
    assert answer.status_code == status, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.json()


async def test_a_token_is_good_with_its_certificate_only(tmp_path: Path, database_url: str) -> None:
    async with running(tmp_path, database=database_url, front=FRONT) as cloud:
        owner = await prepared(cloud)
        own, other = [a_certificate(**whole(owner)) for _ in range(2)]
        got = await token_request(cloud.http, own, 200, client_id=owner.user_id)
        assert got["token_type"] == "Bearer" and 3500 < got["expires_in"] <= 3600
        token = got["access_token"]
        admin = await cloud.sign_in()
        shown = await admin.get("/v3/auth/tokens", headers={"X-Subject-Token": token})
        assert shown["token"]["methods"] == ["oauth2_credential"]
        assert shown["token"]["project"]["id"] == owner.project_id
        assert {role["name"] for role in shown["token"]["roles"]} == {"member", "reader"}
        # As upstream's middleware computes it, from the certificate in PEM.
        expected = base64.urlsafe_b64encode(hashlib.sha256(own).digest()).decode()
        assert shown["token"]["oauth2_credential"] == {"x5t#S256": expected}
        for how in ({"Authorization": f"Bearer {token}"}, {"X-Auth-Token": token}):
            for path in EVERYWHERE:
                good = 403 if path.startswith("/placement") else 200
                for certificate, status in ((own, good), (other, 401), (None, 401)):
                    headers = {**how, **(passed(certificate) if certificate else {})}
                    answer = await cloud.http.get(path, headers=headers)
                    assert answer.status_code == status, (path, answer.text)
        assert "oauth2_credential" not in owner.body
        await owner.get("/v3/auth/projects", headers=passed(other))


async def test_what_is_got_with_a_bound_token_is_bound(tmp_path: Path) -> None:
    saml = IdentitySettings(password_rounds=4, saml=SAMLSettings(entity_id="https://c.example"))
    async with running(tmp_path, front=FRONT, identity=saml) as cloud:
        owner = await prepared(cloud)
        own = a_certificate(**whole(owner))
        token = (await token_request(cloud.http, own, 200, client_id=owner.user_id))["access_token"]
        identity = {"methods": ["token"], "token": {"id": token}}
        for scope in ({"project": {"id": owner.project_id}}, "unscoped"):
            auth = {"auth": {"identity": identity, "scope": scope}}
            made = await cloud.anonymous("POST", "/v3/auth/tokens", auth, status=201)
            second = Client(cloud.http, made.headers["X-Subject-Token"])
            await second("GET", "/v3/auth/projects", status=401)
            await second("GET", "/v3/auth/projects", headers=passed(own), status=200)
        # No way around it by a document for others.
        admin = await cloud.sign_in()
        sp = {"sp_url": "https://sp.example", "auth_url": "https://sp.example", "enabled": True}
        path = "/v3/OS-FEDERATION/service_providers/sp"
        await admin("PUT", path, {"service_provider": sp}, status=201)
        requested = {"auth": {"identity": identity, "scope": {"service_provider": {"id": "sp"}}}}
        saml_path = "/v3/auth/OS-FEDERATION/saml2"
        await cloud.anonymous("POST", saml_path, requested, status=404)
        await cloud.anonymous("POST", saml_path, requested, headers=passed(own), status=200)


async def test_who_is_nobody_the_mapping_means(tmp_path: Path, database_url: str) -> None:
    async with running(tmp_path, database=database_url, front=FRONT) as cloud:
        owner, other = await prepared(cloud), await prepared(cloud, "other")
        own = a_certificate(**whole(owner))
        domain = owner.body["user"]["domain"]["id"]

        async def tried(pem: bytes, user_id: str = owner.user_id, status: int = 401) -> None:
            answer = await token_request(cloud.http, pem, status, client_id=user_id)
            assert status == 200 or answer["error"] == "invalid_client"

        await tried(own, status=200)
        await tried(own, other.user_id)
        await tried(own, "nobody")
        await tried(own, "")
        for change in (
            {"CN": "another"},
            {"UID": other.user_id},
            {"MAIL": "another@example.org"},
            {"O": "another"},
            {"DC": "default"},
            {"UID": [owner.user_id, other.user_id]},
            {"CN": [owner.body["user"]["name"], "another"]},
        ):
            await tried(a_certificate(**whole(owner, **change)))
        for missing in _PARTS:
            rest = {name: value for name, value in whole(owner).items() if name != missing}
            await tried(a_certificate(**rest))
        short = {"UID": owner.user_id, "DC": domain}
        await tried(a_certificate("root_b.example.org", **short), status=200)
        await tried(a_certificate("root_b.example.org", **{**short, "DC": "default"}))
        await tried(a_certificate("root_c.example.org", **whole(owner)))
        admin = await cloud.sign_in()
        path = f"/v3/users/{owner.user_id}"
        for off, on in (
            ({"enabled": False}, {"enabled": True}),
            ({"default_project_id": None}, {"default_project_id": owner.project_id}),
            (
                {"options": {"multi_factor_auth_rules": [["password", "totp"]]}},
                {"options": {"multi_factor_auth_rules": None}},
            ),
        ):
            await admin("PATCH", path, {"user": off}, status=200)
            await tried(own)
            await admin("PATCH", path, {"user": on}, status=200)
            await tried(own, status=200)
        role = (await admin.get("/v3/roles?name=member"))["roles"][0]["id"]
        grant = f"/v3/projects/{owner.project_id}/users/{owner.user_id}/roles/{role}"
        await admin("DELETE", grant, status=204)
        await tried(own)
        await admin("PUT", grant, status=204)
        await tried(own, status=200)
        await admin("DELETE", "/v3/OS-FEDERATION/mappings/oauth2_mapping", status=204)
        await tried(own)


@pytest.mark.parametrize(
    "user",
    [
        {"name": "{0}"},  # the same name may be in another domain
        {"email": "{1}"},
        {"domain": {"id": "{2}"}},
        {},
    ],
)
async def test_a_mapping_has_to_say_who(tmp_path: Path, user: dict[str, Any]) -> None:
    async with running(tmp_path, front=FRONT) as cloud:
        owner = await prepared(cloud)
        remote = [
            {"type": f"SSL_CLIENT_SUBJECT_DN_{name}"} for name in ("CN", "EMAILADDRESS", "DC")
        ]
        rules = [{"local": [{"user": user}], "remote": remote}]
        admin = await cloud.sign_in()
        path = "/v3/OS-FEDERATION/mappings/oauth2_mapping"
        await admin("PATCH", path, {"mapping": {"rules": rules}}, status=200)
        own = a_certificate(**whole(owner))
        await token_request(cloud.http, own, 401, client_id=owner.user_id)


async def test_only_the_front_is_believed(tmp_path: Path) -> None:
    async with running(tmp_path, front=FRONT) as cloud:
        owner = await prepared(cloud)
        own = a_certificate(**whole(owner))
        token = (await token_request(cloud.http, own, 200, client_id=owner.user_id))["access_token"]
        for peer, status in (("203.0.113.9", 401), ("::1", 401), ("::ffff:127.0.0.1", 200)):
            transport = httpx.ASGITransport(app=cloud.control.app, client=(peer, 4000))
            async with httpx.AsyncClient(transport=transport, base_url="http://cloud") as http:
                await token_request(http, own, status, client_id=owner.user_id)
                headers = {"X-Auth-Token": token, **passed(own)}
                answer = await http.get("/v3/auth/projects", headers=headers)
                assert answer.status_code == status


async def test_nobody_is_believed_unless_the_operator_says_so(cloud: Cloud) -> None:
    owner = await prepared(cloud)
    own = a_certificate(**whole(owner))
    await token_request(cloud.http, own, 401, client_id=owner.user_id)


async def test_secrets_go_on_where_no_certificate_is_shown(tmp_path: Path) -> None:
    async with running(tmp_path, front=FRONT) as cloud:
        owner = await prepared(cloud)
        credential = await an_application_credential(owner)
        form = {"client_id": credential["id"], "client_secret": credential["secret"]}
        for nothing in ({}, {HEADER: ""}, {HEADER: "(null)"}):
            got = await token_request(cloud.http, None, 200, nothing, **form)
            assert await lives(cloud, Client(cloud.http, got["access_token"]))


async def test_fronts_write_certificates_in_many_ways(tmp_path: Path) -> None:
    async with running(tmp_path, front=FRONT) as cloud:
        owner = await prepared(cloud)
        own = a_certificate(**whole(owner))
        token = (await token_request(cloud.http, own, 200, client_id=owner.user_id))["access_token"]
        der = base64.b64encode(x509.load_pem_x509_certificate(own).public_bytes(_DER)).decode()
        for text in (
            quote(own.decode()),
            own.decode().replace("\n", " "),
            own.decode().strip().replace("\n", " "),
            der,
            f":{der}:",
        ):
            headers = {"X-Auth-Token": token, HEADER: text}
            answer = await cloud.http.get("/v3/auth/projects", headers=headers)
            assert answer.status_code == 200, text
        other = base64.b64encode(b"no certificate").decode()
        two = own.decode().replace("\n", " ") * 2
        for odd, at_token, at_service in (
            (other, 401, 401),
            ("x", 400, 400),
            ("%00", 400, 400),
            (two, 400, 400),
            ("é".encode(), 400, 400),
        ):
            sent: Any = [("X-Auth-Token", token), (HEADER, odd)]
            answer = await cloud.http.get("/v3/auth/projects", headers=sent)
            assert answer.status_code == at_service, odd
            await token_request(cloud.http, None, at_token, {HEADER: odd}, client_id=owner.user_id)
        twice: Any = [("X-Auth-Token", token), (HEADER, der), (HEADER, der)]
        assert (await cloud.http.get("/v3/auth/projects", headers=twice)).status_code == 400


_DER = serialization.Encoding.DER


@pytest.mark.parametrize(
    "text",
    [
        'proxies = []\nclient_certificate_header = "X"',
        'proxies = ["127.0.0.1"]\nclient_certificate_header = ""',
        'proxies = ["front.example.org"]\nclient_certificate_header = "X"',
        'proxies = ["127.0.0.1/8"]\nclient_certificate_header = "X"',
        'proxies = ["127.0.0.1"]',
    ],
)
def test_settings_that_do_not_fit_are_said_at_the_start(tmp_path: Path, text: str) -> None:
    path = tmp_path / "control.toml"
    path.write_text(f'state_dir = "{tmp_path}"\n[front]\n{text}\n')
    with pytest.raises(msgspec.ValidationError, match="front"):
        load(path)
