"""Machines join a cloud with a token, are shown, get other certificates, and are removed for good."""

from __future__ import annotations

import asyncio
import datetime
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from hanok import __version__
from hanok.base import authority
from hanok.base.authority import Authority, JoinToken, TLSFolder
from hanok.base.errors import Conflict, Forbidden
from hanok.control import controllers, members
from hanok.control.members import Renewal
from tests.cloud import Client, Cloud, running

HOSTS = "/hanok/v1/hosts"
NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[Cloud]:
    """A cloud with an authority, as `hanok up --address` makes it, that is asked in this process."""
    now = datetime.datetime.now(datetime.UTC)
    signs = Authority.new("hanok 3f2a1c", now)
    folder = TLSFolder(tmp_path / "control" / "authority")
    folder.path.mkdir(parents=True)
    folder.put(folder.path / "ca-cert.pem", signs.certificate)
    folder.put(folder.path / "ca-key.pem", signs.key, mode=0o600)
    own = TLSFolder(tmp_path / "control" / "tls")
    key = own.ensure_key()
    own.put(own.authority, signs.certificate)
    own.put(own.certificate, signs.for_engine(key, "control", ["10.0.0.1"], now))
    values: dict[str, Any] = {"tls": str(own.path), "address": "10.0.0.1", "messages_port": 14222}
    async with running(tmp_path, database=database_url, **values, southbound_port=15222) as cloud:
        yield cloud


async def a_token(admin: Client) -> JoinToken:
    made = (await admin.post(f"{HOSTS}/tokens", {}, 201))["token"]
    return JoinToken.read(made)


def asking(token: JoinToken, name: str = "h2", **more: Any) -> dict[str, Any]:
    body = {"secret": token.secret, "name": name, "address": "10.0.0.2", "version": __version__}
    return body | {"request": authority.request(authority.new_key())} | more


async def join(admin: Client, body: dict[str, Any], status: int = 201) -> Any:
    """As a machine: without a token of a user."""
    answer = await admin("POST", HOSTS, body, headers={"X-Auth-Token": ""}, status=status)
    return answer.json()


def told(site: Cloud) -> dict[str, Any]:
    """What the supervisor is told."""
    found: dict[str, Any] = json.loads((site.control.members.folder / "members.json").read_text())
    return found


def serial(answer: Any) -> str:
    """The number of the certificate in an answer, as the server sees it."""
    return f"{x509.load_pem_x509_certificate(answer['certificate'].encode()).serial_number:x}"


async def test_one_token_lets_one_machine_in(site: Cloud) -> None:
    admin = await site.sign_in()
    token = await a_token(admin)
    assert token.url == "https://10.0.0.1:5000"
    shown = (await admin.get("/hanok/v1/authority"))["certificate"]
    assert authority.fingerprint(shown) == token.fingerprint
    body = asking(token)
    answer = await join(admin, body)
    assert (answer["messages"], answer["southbound"]) == (
        "tls://10.0.0.1:14222",
        "ssl:10.0.0.1:15222",
    )
    mine = x509.load_pem_x509_certificate(answer["certificate"].encode())
    assert mine.subject.rfc4514_string() == "CN=h2"
    again = await join(admin, body)  # it broke after that, and goes on
    assert again["certificate"] != answer["certificate"]
    refused = await join(admin, asking(token, "h3", address="10.0.0.3"), 403)
    assert "was used, or is older than an hour" in str(refused)
    listed = (await admin.get(HOSTS))["hosts"]
    assert [(one["name"], one["address"], one["roles"]) for one in listed[1:]] == [
        ("h2", "10.0.0.2", ["compute"])
    ]
    async with site.control.database.read() as tx:
        await members.write(tx, site.control.members, site.control.clock.now())
    (one,) = told(site)["hosts"]
    assert (one["name"], one["address"]) == ("h2", "10.0.0.2")
    revoked = x509.load_pem_x509_crl(told(site)["revoked"].encode())
    # What the first try was given is good no longer.
    assert [found.serial_number for found in revoked] == [mine.serial_number]


async def test_a_used_token_is_no_use_to_who_saw_it(site: Cloud) -> None:
    """It is in the list of processes of the machine that joins: with that name, and another key, it gives nothing."""
    admin = await site.sign_in()
    body = asking(await a_token(admin))
    given = await join(admin, body)
    theirs = body | {"request": authority.request(authority.new_key())}
    assert "with another key" in str(await join(admin, theirs, 403))
    assert await site.control._is_host("h2", serial(given))
    await join(admin, body)


# Of a curve that libraries of today do not know (secp112r1): openssl req -new -newkey ec …
OF_ANOTHER_CURVE = """-----BEGIN CERTIFICATE REQUEST-----
MHowRwIBADAMMQowCAYDVQQDDAF4MDIwEAYHKoZIzj0CAQYFK4EEAAYDHgAERZIT
WfeSJ/ZPmFinovC6/3Mq40PHx2YdejI5hqAAMAoGCCqGSM49BAMCAyMAMCACDicc
u4i3s4c8gU4YTvxCAg4rOgWmidNNPtGkZZRBwQ==
-----END CERTIFICATE REQUEST-----
"""

MISFITS: tuple[tuple[dict[str, Any], int, str], ...] = (
    ({"version": "0.0.1"}, 409, "both have to be the same"),
    ({"name": "a/b"}, 400, "not a valid name of a host"),
    ({"name": "hanok"}, 409, "where the cloud began"),
    ({"address": "10.0.0.1"}, 409, "the cloud's own"),
    ({"address": "127.0.0.1"}, 400, "other machines reach it"),
    ({"address": "h2"}, 400, "not a valid IPv4 address"),
    ({"roles": ["network"]}, 400, "not a valid role"),
    ({"roles": []}, 400, "not a valid role"),
    ({"roles": ["compute"] * 20}, 400, "named more than once"),
    ({"address": "0.0.0.7"}, 400, "other machines reach it"),
    ({"address": "255.255.255.255"}, 400, "other machines reach it"),
    ({"name": "h2\n"}, 400, "not a valid name of a host"),
    ({"request": "\u2603"}, 400, "The certificate cannot be made"),
    ({"request": OF_ANOTHER_CURVE}, 400, "The certificate cannot be made"),
    ({"request": "-----BEGIN"}, 400, "The certificate cannot be made"),
    ({"secret": "another"}, 403, "The token is not valid"),
    ({"more": 1}, 400, "more"),
)


async def test_a_machine_that_does_not_fit_uses_nothing_up(site: Cloud) -> None:
    admin = await site.sign_in()
    token = await a_token(admin)
    for more, status, why in MISFITS:
        assert why in str(await join(admin, asking(token) | more, status)), more
    await join(admin, asking(token))


async def test_who_has_no_token_waits_for_no_turn(site: Cloud) -> None:
    """Anybody may ask: what they ask for does not queue up with what the cloud writes."""
    admin = await site.sign_in()
    token = await a_token(admin)
    async with site.control.database.write() as tx:
        await tx.serialize(members.TOPIC)
        async with asyncio.timeout(60):
            told = await join(admin, asking(token, secret="another"), 403)
    assert "The token is not valid" in str(told)
    await join(admin, asking(token))


async def test_a_token_for_a_host_makes_no_controller(site: Cloud) -> None:
    admin = await site.sign_in()
    wish = {"roles": ["controller", "compute"]}
    told_why = str(await admin.post(f"{HOSTS}/tokens", wish, 409))
    assert "further controller" in told_why or "another controller" in told_why
    controller = wish | {"control_request": authority.request(authority.new_key())}
    refused = await join(admin, asking(await a_token(admin)) | controller, 403)
    assert "not one for a controller" in str(refused)


@pytest.fixture
async def grown(site: Cloud) -> Cloud:
    """The same, as its settings are once its rows are on a server of the cloud's own."""
    folder = site.control.settings.state
    (folder / "control" / "admin-password").write_text("secret")
    (folder / "control.toml").write_text(
        'region = "RegionOne"\nport = 5000\ndatabase = "postgresql:///x?host=/run/x"\n'
        'database_for_others = "postgresql://hanok@10.0.0.1:5432/hanok"\n'
        "[image]\nstores = []\n"
    )
    return site


async def test_a_controller_is_given_the_clouds_keys_by_who_has_them(grown: Cloud) -> None:
    admin = await grown.sign_in()
    wish = {"roles": ["controller", "compute"]}
    # An administrator of the APIs is not root on a controller.
    for proof in ("", "gAAAA", grown.control.house.cloud_key.seal(b"something else")):
        assert "made by root" in str(
            await admin.post(f"{HOSTS}/tokens", wish | {"proof": proof}, 403)
        )
    proof = controllers.proof(grown.control.house.cloud_key)
    token = JoinToken.read(
        (await admin.post(f"{HOSTS}/tokens", wish | {"proof": proof}, 201))["token"]
    )
    body = asking(token) | wish
    assert "cannot be made" in str(await join(admin, body, 400))
    key = authority.new_key()
    password = grown.control.settings.state / "control" / "admin-password"
    password.rename(password.with_name("away"))
    missing = await join(admin, body | {"control_request": authority.request(key)}, 409)
    assert "no admin-password to give" in str(missing)
    assert len((await admin.get(HOSTS))["hosts"]) == 1  # it is not there, with nothing
    password.with_name("away").rename(password)
    answer = await join(admin, body | {"control_request": authority.request(key)})
    theirs = {"control_request": authority.request(authority.new_key())}
    assert "with another key" in str(await join(admin, body | theirs, 403))
    given = answer["controller"]
    assert authority.Authority(answer["authority"], given["authority_key"]).revoked([], NOW)
    assert given["settings"]["database"] == "postgresql://hanok@10.0.0.1:5432/hanok"
    assert given["settings"]["image"] == {"stores": []}
    assert given["settings"]["began_at"] == "10.0.0.1"
    async with grown.control.database.read() as tx:
        await members.write(tx, grown.control.members, grown.control.clock.now())
    (one,) = told(grown)["hosts"]
    control = x509.load_pem_x509_certificate(answer["control_certificate"].encode())
    control.verify_directly_issued_by(
        x509.load_pem_x509_certificate(one["control_anchor"].encode())
    )
    assert control.subject.rfc4514_string() == "CN=h2"
    assert one["control_key"] == authority.key_hash(answer["control_certificate"])


async def test_names_and_addresses_are_had_once(site: Cloud) -> None:
    admin = await site.sign_in()
    await join(admin, asking(await a_token(admin), "h.2"))
    token = await a_token(admin)
    # Subjects of messages would be the same.
    same = await join(admin, asking(token, "h_2", address="10.0.0.3"), 409)
    assert "name is taken by the host h.2" in str(same)
    assert "address is taken" in str(await join(admin, asking(token, "h3"), 409))


async def test_a_removed_host_is_none(site: Cloud) -> None:
    admin = await site.sign_in()
    answer = await join(admin, asking(await a_token(admin)))
    room, now = site.control.members, site.control.clock.now()
    async with site.control.database.write() as tx:
        request = authority.request(authority.new_key())
        newer = await members.renew(tx, room, "h2", serial(answer), Renewal(request), now)
        (row,) = await members.listed(tx)
        # The one before is trusted beside it: who asks may not have these yet.
        assert row.anchor.startswith(newer.anchor) and row.anchor.count("BEGIN") == 2
    await admin("DELETE", f"{HOSTS}/h2", status=204)
    await admin("DELETE", f"{HOSTS}/h2", status=404)
    assert len((await admin.get(HOSTS))["hosts"]) == 1
    async with site.control.database.write() as tx:
        revoked = x509.load_pem_x509_crl((await members.revoked(tx, room, now)).encode())
        both = {
            x509.load_pem_x509_certificate(text.encode()).serial_number
            for text in (answer["certificate"], newer.certificate)
        }
        assert {one.serial_number for one in revoked} == both
        with pytest.raises(Forbidden):
            await members.renew(tx, room, "h2", serial(answer), Renewal(request), now)
    assert not await site.control._is_host("h2", serial(answer))
    first = site.control.settings.node_name
    assert "hanok destroy" in (await admin("DELETE", f"{HOSTS}/{first}", status=409)).text


async def test_a_host_has_so_many_certificates(
    site: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each new key is in the file that all engines follow: one host's administrator could fill that, for all."""
    monkeypatch.setattr(members, "HELD", 3)
    admin = await site.sign_in()
    number = serial(await join(admin, asking(await a_token(admin))))
    room, now = site.control.members, site.control.clock.now()

    async def renewed(at: datetime.datetime, **more: str) -> None:
        requested = Renewal(authority.request(authority.new_key()), **more)
        async with site.control.database.write() as tx:
            await members.renew(tx, room, "h2", number, requested, at)

    await renewed(now)
    await renewed(now)
    with pytest.raises(Conflict, match="3 certificates"):
        await renewed(now)
    later = now + datetime.timedelta(days=authority.DAYS + 1)
    await renewed(later)
    with pytest.raises(Forbidden, match="not a controller"):
        await renewed(later, control_request=authority.request(authority.new_key()))


async def test_who_had_a_name_before_is_not_who_has_it_now(site: Cloud) -> None:
    """The files of a machine that was removed open nothing when another one has its name."""
    admin = await site.sign_in()
    stolen = await join(admin, asking(await a_token(admin)))
    await admin("DELETE", f"{HOSTS}/h2", status=204)
    other = await join(admin, asking(await a_token(admin)))
    room, now = site.control.members, site.control.clock.now()
    assert await site.control._is_host("h2", serial(other))
    assert not await site.control._is_host("h2", serial(stolen))
    async with site.control.database.write() as tx:
        request = authority.request(authority.new_key())
        with pytest.raises(Forbidden):
            await members.renew(tx, room, "h2", serial(stolen), Renewal(request), now)
        await members.write(tx, room, now)
    # The messages know no list of revoked certificates: keys are what they know.
    (one,) = told(site)["hosts"]
    assert one["keys"] == [authority.key_hash(other["certificate"])]


async def test_a_token_that_two_use_at_once_lets_one_in(site: Cloud) -> None:
    admin = await site.sign_in()
    token = await a_token(admin)
    bodies = [asking(token, f"h{n}", address=f"10.0.0.{n}") for n in range(2, 8)]
    answers = await asyncio.gather(
        *(admin("POST", HOSTS, one, headers={"X-Auth-Token": ""}, status=None) for one in bodies)
    )
    assert sorted(one.status_code for one in answers) == [201, *[403] * 5]
    assert len((await admin.get(HOSTS))["hosts"]) == 2


async def test_a_token_ends(site: Cloud) -> None:
    admin = await site.sign_in()
    token = await a_token(admin)
    async with site.control.database.write() as tx:
        late = site.control.clock.now() + datetime.timedelta(seconds=members.TOKEN_S)
        requested = members.Joining(**asking(token))
        with pytest.raises(Forbidden, match="older than an hour"):
            await members.join(tx, site.control.members, requested, late)


async def test_odd_names_are_names_or_refused(site: Cloud) -> None:
    admin = await site.sign_in()
    for name in ("a..b", "h2.", "a.-b", "0", "a" * 63, "control", "H2"):
        answer = await join(admin, asking(await a_token(admin), name))
        made = x509.load_pem_x509_certificate(answer["certificate"].encode())
        assert made.subject.rfc4514_string() == f"CN={name}"
        await admin("DELETE", f"{HOSTS}/{name}", status=204)
    for name in ("%00", "h%002", "%2e%2e", "%F0%9F%98%80", "x" * 300):
        answer = await admin("DELETE", f"{HOSTS}/{name}", status=None)
        assert answer.status_code in (400, 404), name


async def test_a_host_with_volumes_stays(site: Cloud) -> None:
    admin = await site.sign_in()
    made = (await admin.post("/volume/v3/volumes", {"volume": {"size": 1}}, 202))["volume"]
    async with asyncio.timeout(60):
        while made["status"] != "available":
            await asyncio.sleep(0.05)
            made = (await admin.get(f"/volume/v3/volumes/{made['id']}"))["volume"]
    host = made["os-vol-host-attr:host"].partition("@")[0]
    refused = await admin("DELETE", f"{HOSTS}/{host}", status=409)
    assert "has 1 volume" in refused.text


async def test_who_may(site: Cloud) -> None:
    user = await site.project_with("p", "member")
    await user("POST", f"{HOSTS}/tokens", {}, status=403)
    await user("GET", HOSTS, status=403)
    await user("DELETE", f"{HOSTS}/h2", status=403)
    for method, path in (("GET", "/hanok/v1/member"), ("POST", "/hanok/v1/member/certificate")):
        body = {"request": "x"} if method == "POST" else None
        await user(method, path, body, status=401)  # a certificate is wanted, not a token


async def test_a_cloud_without_an_address_lets_nobody_in(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    refused = await admin("POST", f"{HOSTS}/tokens", {}, status=409)
    assert "hanok up --address" in refused.text
    await admin("GET", "/hanok/v1/authority", status=409)
