"""The cloud's certificate authority: certificates that others' libraries hold against it."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from hanok.base import authority
from hanok.base.authority import Authority, BadRequest, JoinToken, TLSFolder

NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture(scope="module")
def cloud() -> Authority:
    return Authority.new("hanok 3f2a1c", NOW)


def folder_of(cloud: Authority, path: Path, name: str) -> tuple[TLSFolder, authority.Granted]:
    folder = TLSFolder(path)
    granted = cloud.for_host(authority.request(folder.ensure_key()), name, ["10.0.0.2"], NOW)
    folder.take(granted)
    folder.put(folder.revoked, cloud.revoked([], NOW))
    return folder, granted


def handshake(server: TLSFolder, client: TLSFolder, *, revoked: str = "") -> str:
    """Who the server finds the client to be; raises ssl.SSLError when either refuses the other."""
    there = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=server.authority)
    there.load_cert_chain(server.certificate, server.key)
    there.verify_mode = ssl.CERT_REQUIRED
    if revoked:
        server.put(server.revoked, revoked)
        there.load_verify_locations(server.revoked)
        there.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    here = ssl.create_default_context(cafile=client.authority)
    here.load_cert_chain(client.certificate, client.key)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = there.wrap_bio(to_server, to_client, server_side=True)
    other = here.wrap_bio(to_client, to_server, server_hostname="10.0.0.2")
    for _ in range(5):
        for side in (other, one):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
    found = one.getpeercert() or {}
    names = [tuple(map(str, one)) for one in found.get("subjectAltName", ())]
    return authority.host_of(name for kind, name in names if kind == "email")


def test_two_hosts_know_each_other(cloud: Authority, tmp_path: Path) -> None:
    one, _ = folder_of(cloud, tmp_path / "one", "h1")
    two, _ = folder_of(cloud, tmp_path / "two", "h2")
    assert handshake(one, two) == "h2"
    assert (tmp_path / "two" / "client-key.pem").read_text() == two.key.read_text()
    assert two.key.stat().st_mode & 0o777 == 0o600
    assert two.path.stat().st_mode & 0o777 == 0o700


def test_a_removed_host_and_one_of_another_cloud_are_refused(
    cloud: Authority, tmp_path: Path
) -> None:
    one, _ = folder_of(cloud, tmp_path / "one", "h1")
    two, granted = folder_of(cloud, tmp_path / "two", "h2")
    three, _ = folder_of(cloud, tmp_path / "three", "h3")
    gone = cloud.revoked([granted.serial], NOW)
    assert handshake(one, three, revoked=gone) == "h3"
    with pytest.raises(ssl.SSLError, match="revoked"):
        handshake(one, two, revoked=gone)
    stranger, _ = folder_of(Authority.new("hanok 3f2a1c", NOW), tmp_path / "stranger", "h1")
    with pytest.raises(ssl.SSLError):
        handshake(one, stranger)


def test_the_key_stays_when_certificates_are_made_anew(cloud: Authority, tmp_path: Path) -> None:
    folder, _ = folder_of(cloud, tmp_path / "one", "h1")
    before, certificate = folder.key.read_text(), folder.certificate.read_text()
    assert not folder.is_due(NOW)
    assert folder.is_due(NOW + datetime.timedelta(days=authority.DAYS - authority.RENEW_DAYS + 1))
    folder.take(cloud.for_host(authority.request(folder.ensure_key()), "h1", ["10.0.0.2"], NOW))
    assert folder.key.read_text() == before
    assert folder.certificate.read_text() != certificate


def test_what_asks_for_a_certificate_says_nothing_of_who_it_is(cloud: Authority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "h9")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    requested = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    made = cloud.for_host(requested, "h2", ["10.0.0.2"], NOW)
    for text in (made.certificate, made.southbound):
        found = x509.load_pem_x509_certificate(text.encode())
        assert found.subject.rfc4514_string() == "CN=h2"
        assert not found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert authority.fingerprint(made.anchor) != authority.fingerprint(made.authority)


def certificate_shown(side: authority.ServerSide, client: TLSFolder) -> str:
    """The number of what a server shows to a host; raises ssl.SSLError when the host does not believe it."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = side.context.wrap_bio(to_server, to_client, server_side=True)
    here = authority.client_context(client)
    other = here.wrap_bio(to_client, to_server, server_hostname="10.0.0.2")
    for _ in range(5):
        for end in (other, one):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
    return f"{int(str((other.getpeercert() or {})['serialNumber']), 16):x}"


def test_a_server_shows_the_certificate_that_is_there_now(cloud: Authority, tmp_path: Path) -> None:
    one, first = folder_of(cloud, tmp_path / "one", "h1")
    two, _ = folder_of(cloud, tmp_path / "two", "h2")
    side = authority.ServerSide(one)
    assert certificate_shown(side, two) == first.serial
    newer = cloud.for_host(authority.request(one.ensure_key()), "h1", ["10.0.0.2"], NOW)
    one.take(newer)
    side.look()
    assert certificate_shown(side, two) == newer.serial


def test_who_reads_from_a_removed_host_is_told_in_time(cloud: Authority, tmp_path: Path) -> None:
    one, gone = folder_of(cloud, tmp_path / "one", "h1")
    two, _ = folder_of(cloud, tmp_path / "two", "h2")
    two.put(two.revoked, cloud.revoked([gone.serial], NOW))
    with pytest.raises(ssl.SSLError, match="revoked"):
        certificate_shown(authority.ServerSide(one), two)


@pytest.mark.parametrize(
    "name", ["", "a@host.hanok", "control@engine.hanok", "-x", "a b", "x" * 64]
)
def test_names_that_hosts_cannot_have(cloud: Authority, name: str) -> None:
    with pytest.raises(BadRequest):
        cloud.for_host(authority.request(authority.new_key()), name, [], NOW)


def test_what_is_no_request_is_not_signed(cloud: Authority) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    of_rsa = builder.sign(other, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    good = authority.request(authority.new_key())
    for text in ("", "-----BEGIN CERTIFICATE REQUEST-----", "x" * 5000, of_rsa, good[:300]):
        with pytest.raises(BadRequest):
            cloud.for_host(text, "h2", [], NOW)


def test_a_token_is_one_line_and_says_all(cloud: Authority) -> None:
    token = JoinToken("https://10.0.0.1:5000", authority.fingerprint(cloud.certificate), "s3cret")
    assert "\n" not in str(token)
    assert JoinToken.read(f" {token}\n") == token
    for text in ("", "hanok1.", "hanok1.####", str(token)[:-9], str(token).removeprefix("hanok1.")):
        with pytest.raises(ValueError, match="not a token"):
            JoinToken.read(text)
