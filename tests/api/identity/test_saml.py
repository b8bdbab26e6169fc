"""This cloud as a SAML 2 identity provider, as a real service provider sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from lxml import etree

from hanok.base.clock import Clock
from hanok.control.settings import load
from hanok.services.identity.facade import IdentitySettings
from hanok.services.identity.logic import saml_key
from hanok.services.identity.logic.saml import (
    SAMLContact,
    SAMLOrganization,
    SAMLProvider,
    SAMLSettings,
)
from hanok.services.identity.tables import sealing_keys
from tests.api.identity.doors import DOORS, an_owner, by_password, sign_in
from tests.api.identity.service_provider import SP_AUTH, SP_URL, ServiceProvider, needs_xmlsec
from tests.cloud import Cloud, running

ENTITY = "https://cloud.example.org/v3/OS-FEDERATION/saml2/idp"
METADATA = "/v3/OS-FEDERATION/saml2/metadata"
SAML = "/v3/auth/OS-FEDERATION/saml2"
ECP = f"{SAML}/ecp"
SPS = "/v3/OS-FEDERATION/service_providers"
NS = {
    "saml": "urn:oasis:names:tc:SAML:2.0:assertion",
    "samlp": "urn:oasis:names:tc:SAML:2.0:protocol",
    "md": "urn:oasis:names:tc:SAML:2.0:metadata",
}
pytestmark = needs_xmlsec


def settings(**values: Any) -> IdentitySettings:
    return IdentitySettings(password_rounds=4, saml=SAMLSettings(entity_id=ENTITY, **values))


async def a_provider(cloud: Cloud, sp_id: str = "sp", **values: Any) -> None:
    admin = await cloud.sign_in()
    body = {"sp_url": SP_URL, "auth_url": SP_AUTH, "enabled": True, **values}
    await admin("PUT", f"{SPS}/{sp_id}", {"service_provider": body}, status=201)


def assertion_body(token: str, sp_id: str = "sp") -> dict[str, Any]:
    identity = {"methods": ["token"], "token": {"id": token}}
    return {"auth": {"identity": identity, "scope": {"service_provider": {"id": sp_id}}}}


async def metadata(cloud: Cloud) -> bytes:
    return (await cloud.anonymous("GET", METADATA, status=200)).content


async def assertion(cloud: Cloud, token: str, path: str = SAML) -> bytes:
    return (await cloud.anonymous("POST", path, assertion_body(token), status=200)).content


async def test_a_service_provider_takes_what_it_is_told(tmp_path: Path, database_url: str) -> None:
    async with running(tmp_path, database=database_url, identity=settings()) as cloud:
        await a_provider(cloud)
        owner = await an_owner(cloud, "Zoë & <Co>", "member")
        admin = await cloud.sign_in()
        for name, domain in (("staff", "default"), ("guests", owner.body["user"]["domain"]["id"])):
            body = {"group": {"name": name, "domain_id": domain}}
            group = (await admin.post("/v3/groups", body))["group"]["id"]
            await admin("PUT", f"/v3/groups/{group}/users/{owner.user_id}", status=204)
        owner = await sign_in(
            cloud, by_password(owner.user_id), {"project": {"id": owner.project_id}}
        )
        answer = await cloud.anonymous("POST", SAML, assertion_body(owner.token), status=200)
        assert answer.headers["Content-Type"] == "text/xml"
        assert answer.headers["X-sp-url"] == SP_URL and answer.headers["X-auth-url"] == SP_AUTH
        told = ServiceProvider(await metadata(cloud)).posted(answer.content)
        assert told.ava == {
            "openstack_user": ["Zoë & <Co>"],
            "openstack_user_domain": ["Zoë & <Co>"],
            "openstack_roles": ["member", "reader"],
            "openstack_project": ["Zoë & <Co>"],
            "openstack_project_domain": ["Zoë & <Co>"],
            "openstack_groups": [
                'JSON:{"name": "guests", "domain": {"name": "Zo\\u00eb & <Co>"}}',
                'JSON:{"name": "staff", "domain": {"name": "Default"}}',
            ],
        }
        assert told.name_id.text == "Zoë & <Co>" and told.issuer() == ENTITY
        assert told.response.destination == SP_URL
        [context] = told.authn_info()
        assert context[0] == "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"
        assert context[1] == [ENTITY]


async def test_an_envelope_carries_the_same(tmp_path: Path, database_url: str) -> None:
    async with running(tmp_path, database=database_url, identity=settings()) as cloud:
        await a_provider(cloud, relay_state_prefix="ours:")
        admin = await cloud.sign_in()
        answer = await cloud.anonymous("POST", ECP, assertion_body(admin.token), status=200)
        assert answer.headers["Content-Type"] == "text/xml"
        assert answer.headers["X-sp-url"] == SP_URL and answer.headers["X-auth-url"] == SP_AUTH
        told, relay_state = ServiceProvider(await metadata(cloud)).enveloped(answer.content)
        assert relay_state.startswith("ours:") and len(relay_state) == len("ours:") + 32
        assert told.ava["openstack_user"] == ["admin"]
        assert "admin" in told.ava["openstack_roles"] and "openstack_groups" not in told.ava


def _renamed(text: str) -> str:
    return text.replace(">member<", ">admin<")


def _prolonged(text: str) -> str:
    year = datetime.now(UTC).year
    return text.replace(f'NotOnOrAfter="{year}', f'NotOnOrAfter="{year + 1}')


def _unsigned(text: str) -> str:
    return text[: text.index("<ds:Signature>")] + text[text.index("</ds:Signature>") + 15 :]


def _redirected(text: str) -> str:
    return text.replace(f'Recipient="{SP_URL}"', 'Recipient="https://sp.example.org/"')


@pytest.mark.parametrize("change", [_renamed, _prolonged, _unsigned, _redirected])
async def test_what_was_changed_on_the_way_is_refused(
    tmp_path: Path, change: Callable[[str], str]
) -> None:
    async with running(tmp_path, identity=settings()) as cloud:
        await a_provider(cloud)
        member = await cloud.project_with("p", "member")
        for path in (SAML, ECP):
            sp = ServiceProvider(await metadata(cloud))
            take = sp.posted if path == SAML else sp.enveloped
            good = await assertion(cloud, member.token, path)
            changed = change(good.decode())
            assert changed != good.decode()
            with pytest.raises(Exception, match=r"(?i)signature|not signed"):
                take(changed.encode())
            take(good)


async def test_one_service_provider_does_not_take_what_is_for_another(tmp_path: Path) -> None:
    async with running(tmp_path, identity=settings()) as cloud:
        await a_provider(cloud)
        admin = await cloud.sign_in()
        other = ServiceProvider(await metadata(cloud), "https://other.example.org/ECP")
        told = other.posted(await assertion(cloud, admin.token))
        assert told.assertion is None and told.ava is None


async def test_another_cloud_cannot_speak_for_this_one(tmp_path: Path) -> None:
    async with running(tmp_path / "a", identity=settings()) as ours:
        described = await metadata(ours)
    async with running(tmp_path / "b", identity=settings()) as theirs:
        await a_provider(theirs)
        admin = await theirs.sign_in()
        with pytest.raises(Exception, match=r"(?i)signature"):
            ServiceProvider(described).posted(await assertion(theirs, admin.token))


def _ends(document: bytes) -> set[str]:
    root = etree.fromstring(document)
    found = root.xpath("//@NotOnOrAfter | //@SessionNotOnOrAfter")
    assert len(found) == 3
    return set(found)


@pytest.mark.parametrize(("assertion_s", "token_s", "expected_s"), [(60, 3600, 60), (3600, 90, 90)])
async def test_an_assertion_ends_in_time_and_with_its_token(
    tmp_path: Path, assertion_s: int, token_s: int, expected_s: int
) -> None:
    requested = msgspec.structs.replace(settings(assertion_s=assertion_s), token_lifetime_s=token_s)
    async with running(tmp_path, identity=requested) as cloud:
        await a_provider(cloud)
        before = datetime.now(UTC)
        admin = await cloud.sign_in()
        [end] = _ends(await assertion(cloud, admin.token))
        lasts = datetime.fromisoformat(end) - before
        assert timedelta(seconds=expected_s - 2) < lasts < timedelta(seconds=expected_s + 30)
        assert datetime.fromisoformat(end) <= datetime.fromisoformat(admin.body["expires_at"])


async def test_ids_differ_and_are_what_xml_allows(tmp_path: Path) -> None:
    async with running(tmp_path, identity=settings()) as cloud:
        await a_provider(cloud)
        admin = await cloud.sign_in()
        ids: list[str] = []
        for _ in range(2):
            ids += etree.fromstring(await assertion(cloud, admin.token)).xpath("//@ID")
        assert len(set(ids)) == 4 and all(one.startswith("_") for one in ids)


async def test_what_is_asked_for_wrongly(tmp_path: Path, database_url: str) -> None:
    async with running(tmp_path, database=database_url, identity=settings()) as cloud:
        await a_provider(cloud)
        await a_provider(cloud, "off", enabled=False)
        admin = await cloud.sign_in()
        unscoped = await sign_in(cloud, by_password(admin.user_id), "unscoped")
        system = await sign_in(cloud, by_password(admin.user_id), {"system": {"all": True}})
        ended = await cloud.sign_in()
        await admin("DELETE", "/v3/auth/tokens", headers={"X-Subject-Token": ended.token})
        good = assertion_body(admin.token)["auth"]
        for path in (SAML, ECP):

            async def tried(status: int, body: Any, path: str = path) -> None:
                answer = await admin("POST", path, body, status=status)
                assert answer.json()["error"]["message"]

            await tried(404, assertion_body(admin.token, "nobody"))
            await tried(403, assertion_body(admin.token, "off"))
            await tried(404, assertion_body("0" * 32))
            await tried(404, assertion_body("ü"))
            await tried(404, assertion_body(ended.token))
            await tried(403, assertion_body(unscoped.token))
            await tried(403, assertion_body(system.token))
            await tried(400, {})
            await tried(400, {"auth": []})
            for part in ("identity", "scope"):
                await tried(400, {"auth": {part: good[part]}})
                await tried(400, {"auth": {**good, part: {}}})
                await tried(400, {"auth": {**good, part: {**good[part], "more": 1}}})
            await tried(400, {"auth": {**good, "more": {}}})
            await tried(400, {"auth": {**good, "identity": {"token": {"id": 1}}}})
            await tried(400, {"auth": {**good, "identity": {"token": {"id": "x", "more": 1}}}})
            await admin("GET", path, status=405)
            # The methods may be left out, as upstream's schema has it.
            short = {"auth": {**good, "identity": {"token": good["identity"]["token"]}}}
            await cloud.anonymous("POST", path, short, status=200)


@pytest.mark.parametrize("door", sorted(set(DOORS) - {"password", "token", "TOTP"}))
async def test_a_lent_token_opens_nothing_elsewhere(tmp_path: Path, door: str) -> None:
    async with running(tmp_path, identity=settings()) as cloud:
        await a_provider(cloud)
        owner = await an_owner(cloud, "owner", "admin")
        entered = await DOORS[door](cloud, owner)
        for path in (SAML, ECP):
            await cloud.anonymous("POST", path, assertion_body(entered.client.token), status=403)
            await cloud.anonymous("POST", path, assertion_body(owner.token), status=200)


@pytest.mark.parametrize("door", ["token", "TOTP"])
async def test_how_somebody_signed_in_is_not_made_up(tmp_path: Path, door: str) -> None:
    async with running(tmp_path, identity=settings()) as cloud:
        await a_provider(cloud)
        owner = await an_owner(cloud, "owner", "member")
        client = (await DOORS[door](cloud, owner)).client
        told = ServiceProvider(await metadata(cloud)).posted(await assertion(cloud, client.token))
        expected = "Password" if door == "token" else "unspecified"
        assert told.authn_info()[0][0].endswith(f":{expected}")


async def test_a_cloud_that_is_no_identity_provider(cloud: Cloud) -> None:
    await a_provider(cloud)
    admin = await cloud.sign_in()
    await cloud.anonymous("GET", METADATA, status=404)
    for path in (SAML, ECP):
        answer = await admin("POST", path, assertion_body(admin.token), status=404)
        assert "[identity.saml]" in answer.json()["error"]["message"]
    assert await _keys(cloud) == 0


async def test_a_name_that_xml_cannot_carry(tmp_path: Path) -> None:
    async with running(tmp_path, identity=settings()) as cloud:
        await a_provider(cloud)
        owner = await an_owner(cloud, "bell\x07", "member")
        for path in (SAML, ECP):
            await cloud.anonymous("POST", path, assertion_body(owner.token), status=400)


# ---- metadata and keys ----


async def test_metadata_says_who_runs_the_cloud(tmp_path: Path) -> None:
    requested = settings(
        sso_endpoint="https://cloud.example.org/sso",
        language="ko",
        organization=SAMLOrganization(name="org", display_name="Örg", url="https://example.org"),
        contact=SAMLContact(
            company="Example",
            given_name="Kim",
            surname="Lee",
            email="kim@example.org",
            telephone="+82 2 555 0100",
            type="technical",
        ),
    )
    async with running(tmp_path, identity=requested) as cloud:
        answer = await cloud.anonymous("GET", METADATA, status=200)
        assert answer.headers["Content-Type"] == "text/xml"
        head = await cloud.anonymous("HEAD", METADATA, status=200)
        assert head.content == b"" and head.headers["Content-Type"] == "text/xml"
        known = ServiceProvider(answer.content).client.metadata
        assert list(known.identity_providers()) == [ENTITY]
        [place] = known.single_sign_on_service(ENTITY, "urn:oasis:names:tc:SAML:2.0:bindings:URI")
        assert place["location"] == "https://cloud.example.org/sso"
        role = known[ENTITY]["idpsso_descriptor"][0]
        assert role["organization"]["organization_display_name"][0] == {
            "__class__": "urn:oasis:names:tc:SAML:2.0:metadata&OrganizationDisplayName",
            "lang": "ko",
            "text": "Örg",
        }
        [person] = role["contact_person"]
        assert person["contact_type"] == "technical" and person["sur_name"]["text"] == "Lee"


async def test_the_key_is_made_once_and_kept(tmp_path: Path) -> None:
    async with running(tmp_path, identity=settings()) as cloud:
        assert await _keys(cloud) == 0  # until somebody asks
        first = await metadata(cloud)
        assert await _keys(cloud) == 1
    async with running(tmp_path, identity=settings()) as cloud:
        assert await metadata(cloud) == first
        await a_provider(cloud)
        admin = await cloud.sign_in()
        ServiceProvider(first).posted(await assertion(cloud, admin.token))


async def test_processes_that_start_together_share_one_key(tmp_path: Path) -> None:
    async with running(tmp_path) as cloud:
        database, key = cloud.control.database, cloud.control.house.cloud_key
        folder = tmp_path / "saml-keys"
        load = partial(saml_key.own, database, key, folder, Clock())
        several = [SAMLProvider(SAMLSettings(entity_id=ENTITY), load, Clock()) for _ in range(4)]
        made = await asyncio.gather(*(one.metadata() for one in several))
        assert len(set(made)) == 1
        assert await _keys(cloud) == 1

        # An operator brings another one: it is taken over, and in force from the next start.
        folder.mkdir()
        (folder / "signing.pem").write_bytes(saml_key._made())
        again = SAMLProvider(SAMLSettings(entity_id=ENTITY), load, Clock())
        assert await again.metadata() != made[0]
        assert not list(folder.iterdir())
        later = SAMLProvider(SAMLSettings(entity_id=ENTITY), load, Clock())
        assert await later.metadata() == await again.metadata()


async def _keys(cloud: Cloud) -> int:
    """How many keys of this kind the cloud has."""
    count = sa.select(sa.func.count()).where(sealing_keys.c.purpose == "saml")
    async with cloud.control.database.read() as tx:
        return int(await tx.scalar(count))


def own_key(folder: Path, key: Any, other: Any = None) -> dict[str, str]:
    """Files of a key and a certificate, which may be of another key."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "cloud.example.org")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key((other or key).public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "own.key").write_bytes(pem)
    (folder / "own.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return {"key_file": str(folder / "own.key"), "certificate_file": str(folder / "own.crt")}


@pytest.mark.parametrize("kind", ["rsa", "ec"])
async def test_the_operator_may_bring_a_key(tmp_path: Path, kind: str) -> None:
    key: Any = rsa.generate_private_key(65537, 2048)
    if kind == "ec":
        key = ec.generate_private_key(ec.SECP256R1())
    async with running(tmp_path, identity=settings(**own_key(tmp_path, key))) as cloud:
        await a_provider(cloud)
        admin = await cloud.sign_in()
        sp = ServiceProvider(await metadata(cloud))
        told = sp.posted(await assertion(cloud, admin.token))
        assert told.ava["openstack_user"] == ["admin"]
        assert await _keys(cloud) == 0


async def test_a_key_that_cannot_be_used_is_told_of_and_mended(tmp_path: Path) -> None:
    key, other = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    wrong = own_key(tmp_path, key, other)
    async with running(tmp_path, identity=settings(**wrong)) as cloud:
        await a_provider(cloud)
        admin = await cloud.sign_in()
        for path in (SAML, ECP):
            answer = await cloud.anonymous("POST", path, assertion_body(admin.token), status=503)
            assert "operator" in answer.text and str(tmp_path) not in answer.text
        await cloud.anonymous("GET", METADATA, status=503)
        Path(wrong["key_file"]).unlink()
        await cloud.anonymous("GET", METADATA, status=503)
        own_key(tmp_path, key)
        await cloud.anonymous("GET", METADATA, status=200)
        await cloud.anonymous("POST", SAML, assertion_body(admin.token), status=200)


@pytest.mark.parametrize(
    "text",
    ['entity_id = ""', f'entity_id = "{ENTITY}"\nkey_file = "/k"', 'sso_endpoint = "x"'],
)
def test_settings_that_do_not_fit_are_said_at_the_start(tmp_path: Path, text: str) -> None:
    path = tmp_path / "control.toml"
    path.write_text(f'state_dir = "{tmp_path}"\n[identity.saml]\n{text}\n')
    with pytest.raises(msgspec.ValidationError, match=r"entity_id|key_file"):
        load(path)
