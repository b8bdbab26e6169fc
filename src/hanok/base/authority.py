"""The cloud's certificate authority: who says which machine is which.

    authority = Authority.new("hanok 3f2a1c")         # made once a cloud; its key stays with control
    key, asked = request()                             # on the host: its key never leaves it
    granted = authority.for_host(asked, "h2", ["10.0.0.2"])
    TLSFolder(path).write(granted, key)                # on the host, under the names that QEMU looks for

A host has one key and two certificates for it. With the first, which the authority signs, it speaks to control, to the
messages and to other hosts. The second is for OVN's southbound database alone: ovsdb-server knows no list of revoked
certificates, so what signs this one is made for it, signs nothing else and is thrown away. The database trusts those of
the hosts that are there; one that is removed is trusted no longer, and nobody else needs another certificate for that.

Who somebody is stands in the certificate's mail address, which neither a host's name nor an address can look like:
`h2@host.hanok`, `control@engine.hanok`. The common name is the host's too: OVN holds it against the chassis.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import datetime
import hashlib
import ipaddress
import logging
import os
import re
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hanok.base.durable import put_in_place

log = logging.getLogger(__name__)

Kind = Literal["host", "engine"]

AUTHORITY_DAYS = 3650
DAYS = 90
RENEW_DAYS = 30  # left of a certificate when another one is made
CLOCK = datetime.timedelta(minutes=10)  # by which clocks of machines may differ
HOST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
REQUEST_BYTES = 4096
LOOK_S = 1.0


class BadRequest(ValueError):
    """What is to be signed is not a request of ours."""


class Granted(NamedTuple):
    """What a host is given: PEM texts.

    southbound: its certificate for OVN; anchor: what signed that, for the southbound database to trust.
    serial: of the certificate, in hexadecimal. control: of a controller, its control process's for the databases.
    """

    authority: str
    certificate: str
    southbound: str
    anchor: str
    serial: str
    control: str = ""


def identity(name: str, kind: Kind) -> str:
    """How a certificate calls its owner, and NATS its user."""
    return f"{name}@{kind}.hanok"


def controller(name: str) -> str:
    """What the control process of a machine that joined is called, as the first one is called `control`."""
    return f"control-{name}"


def nobody(now: datetime.datetime) -> str:
    """The certificate of an authority whose key nobody has: who trusts it trusts nobody."""
    return Authority.new("nobody", now).certificate


def is_nobody(certificate: str) -> bool:
    """Whether a text is what `nobody` gives."""
    try:
        found = x509.load_pem_x509_certificate(certificate.encode())
    except ValueError:
        return False
    return found.subject == x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody")])


def host_of(addresses: Iterable[str]) -> str:
    """The host that a certificate with these mail addresses is of; "" for none."""
    for one in addresses:
        name, at, kind = one.rpartition("@")
        if at and kind == "host.hanok":
            return name
    return ""


def fingerprint(certificate: str) -> str:
    """SHA-256 of a certificate, in hexadecimal."""
    found = x509.load_pem_x509_certificate(certificate.encode())
    return hashlib.sha256(found.public_bytes(serialization.Encoding.DER)).hexdigest()


def key_hash(certificate: str | bytes) -> str:
    """SHA-256 of a certificate's public key, in hexadecimal, as nats-server pins it."""
    raw = certificate.encode() if isinstance(certificate, str) else certificate
    return _hash_of(x509.load_pem_x509_certificate(raw).public_key())


def requested_key(requested: str) -> str:
    """The same of the key that is to be signed. Raises BadRequest: it is no request of ours."""
    return _hash_of(_key_of_request(requested))


def _hash_of(key: CertificatePublicKeyTypes) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(key.public_bytes(serialization.Encoding.DER, form)).hexdigest()


def ends_at(certificate: str) -> datetime.datetime:
    """Until when a certificate is good."""
    return x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc


def is_due(certificate: str, now: datetime.datetime) -> bool:
    """Whether it is time for another one."""
    return ends_at(certificate) - now < datetime.timedelta(days=RENEW_DAYS)


def new_key() -> str:
    """A private key, as PEM."""
    return _key_text(ec.generate_private_key(ec.SECP256R1()))


def request(key: str) -> str:
    """A request to sign a key, as PEM; it says nothing of who asks, which is not for the asker to say."""
    private = serialization.load_pem_private_key(key.encode(), None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise BadRequest("not a key of ours")
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return _text(builder.sign(private, hashes.SHA256()))


@dataclass(frozen=True)
class Authority:
    """One that signs. certificate, key: PEM."""

    certificate: str
    key: str

    @classmethod
    def new(cls, name: str, now: datetime.datetime) -> Authority:
        private = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        ends = now + datetime.timedelta(days=AUTHORITY_DAYS)
        builder = _builder(subject, subject, private.public_key(), now, ends)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        builder = builder.add_extension(_usage(signs=True), True)
        return cls(_text(builder.sign(private, hashes.SHA256())), _key_text(private))

    def for_host(
        self, requested: str, name: str, addresses: Sequence[str], now: datetime.datetime
    ) -> Granted:
        """Certificates for a host's key.

        Raises:
            BadRequest: what is asked is no request, or not of a key that we take.
        """
        if not HOST_NAME.fullmatch(name):
            raise BadRequest(f"not a host's name: {name!r}")
        key = _key_of_request(requested)
        made = self._signed(key, name, "host", addresses, now)
        once = Authority.new(f"southbound {name}"[:64], now)  # as long as a common name may be
        second = once._signed(key, name, "host", addresses, now)
        return Granted(
            self.certificate,
            _text(made),
            _text(second),
            once.certificate,
            f"{made.serial_number:x}",
        )

    def for_controller(
        self, requested: str, name: str, now: datetime.datetime
    ) -> tuple[str, str, str]:
        """For a control process's key: a certificate that the cloud's databases take, what signed that and nothing
        else, and the hash of the key.

        Raises:
            BadRequest: as for a host.
        """
        key = _key_of_request(requested)
        once = Authority.new(f"controller {name}"[:64], now)
        made = _text(once._signed(key, name, "engine", [], now))
        return made, once.certificate, key_hash(made)

    def for_engine(
        self, key: str, name: str, addresses: Sequence[str], now: datetime.datetime
    ) -> str:
        """A certificate for something of the cloud's own, as PEM."""
        return _text(self._signed(_key_of_request(request(key)), name, "engine", addresses, now))

    def revoked(self, serials: Iterable[str], now: datetime.datetime) -> str:
        """The list of certificates that are good no longer, as PEM, for QEMU and for TLS libraries."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(x509.load_pem_x509_certificate(self.certificate.encode()).subject)
            .last_update(now - CLOCK)
            .next_update(now + datetime.timedelta(days=AUTHORITY_DAYS))
        )
        for serial in serials:
            one = x509.RevokedCertificateBuilder().serial_number(int(serial, 16))
            builder = builder.add_revoked_certificate(one.revocation_date(now - CLOCK).build())
        return _text(builder.sign(self._private, hashes.SHA256()))

    @property
    def _private(self) -> ec.EllipticCurvePrivateKey:
        found = serialization.load_pem_private_key(self.key.encode(), None)
        assert isinstance(found, ec.EllipticCurvePrivateKey)
        return found

    def _signed(
        self,
        key: ec.EllipticCurvePublicKey,
        name: str,
        kind: Kind,
        addresses: Sequence[str],
        now: datetime.datetime,
    ) -> x509.Certificate:
        issuer = x509.load_pem_x509_certificate(self.certificate.encode())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
        ends = now + datetime.timedelta(days=DAYS)
        names: list[x509.GeneralName] = [x509.RFC822Name(identity(name, kind))]
        names += [_name(one) for one in addresses]
        builder = _builder(subject, issuer.subject, key, now, ends)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        builder = builder.add_extension(_usage(signs=False), True)
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(both), False)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._private.public_key())
        return builder.add_extension(above, False).sign(self._private, hashes.SHA256())


def _key_of_request(text: str) -> ec.EllipticCurvePublicKey:
    if len(text) > REQUEST_BYTES:
        raise BadRequest("the request is too long")
    try:
        requested = x509.load_pem_x509_csr(text.encode())
        valid = requested.is_signature_valid
        key = requested.public_key()
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise BadRequest("not a request for a certificate") from error
    if not valid or not isinstance(key, ec.EllipticCurvePublicKey):
        raise BadRequest("not a request for a certificate of the kind that is given here")
    if not isinstance(key.curve, ec.SECP256R1):
        raise BadRequest("the key is not one of the curve P-256")
    return key


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime.datetime,
    ends: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _text(
    made: x509.Certificate | x509.CertificateSigningRequest | x509.CertificateRevocationList,
) -> str:
    return made.public_bytes(serialization.Encoding.PEM).decode()


def _key_text(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


# ---- files ----


@dataclass(frozen=True)
class TLSFolder:
    """A folder with a key and what goes with it, under the names that QEMU's tls-creds-x509 looks for.

    ca-cert.pem           the cloud's authority
    ca-crl.pem            what of it is good no longer
    server-cert.pem       the certificate; client-cert.pem is the same
    server-key.pem        0600, of the folder's owner; client-key.pem is the same
    southbound-cert.pem   a host's, for OVN

    The folder has mode 0700. The key stays as it is when certificates are made anew, so that no moment sees a
    certificate beside another one's key.
    """

    path: Path
    owner: int | None = None

    @property
    def authority(self) -> Path:
        return self.path / "ca-cert.pem"

    @property
    def revoked(self) -> Path:
        return self.path / "ca-crl.pem"

    @property
    def certificate(self) -> Path:
        return self.path / "server-cert.pem"

    @property
    def key(self) -> Path:
        return self.path / "server-key.pem"

    @property
    def southbound(self) -> Path:
        return self.path / "southbound-cert.pem"

    def ensure_key(self) -> str:
        """The folder's private key, made when there is none."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
        if self.owner is not None:
            os.chown(self.path, self.owner, self.owner)
        if not self.key.exists():
            self.put(self.key, new_key(), mode=0o600)
        for name, there in (("client-key.pem", self.key), ("client-cert.pem", self.certificate)):
            if not (self.path / name).is_symlink():
                (self.path / name).symlink_to(there.name)
        return self.key.read_text()

    def take(self, granted: Granted) -> None:
        """Keep what a host was given."""
        self.put(self.authority, granted.authority)
        self.put(self.southbound, granted.southbound)
        self.put(self.certificate, granted.certificate)

    def put(self, path: Path, text: str, *, mode: int = 0o644) -> None:
        """Write a file of this folder, whole or not at all."""
        new = path.with_name(f".{path.name}.new")
        new.unlink(missing_ok=True)
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with open(handle, "w", encoding="ascii") as file:
            if self.owner is not None:
                os.fchown(handle, self.owner, self.owner)
            file.write(text)
            file.flush()
            os.fsync(handle)
        put_in_place(new, path, settled=True)

    def is_for(self, names: Sequence[str]) -> bool:
        """Whether the certificate is good at all these addresses and names."""
        try:
            found = x509.load_pem_x509_certificate(self.certificate.read_bytes())
            there = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (OSError, ValueError, x509.ExtensionNotFound):
            return False
        return set(map(_name, names)) <= set(there)

    def is_due(self, now: datetime.datetime) -> bool:
        """Whether there is no certificate that is good for a while."""
        try:
            return is_due(self.certificate.read_text(), now)
        except (OSError, ValueError):
            return True


def client_context(folder: TLSFolder) -> ssl.SSLContext:
    """Whom somebody with these files believes, and what is shown to them. What was revoked is not believed."""
    found = ssl.create_default_context(cafile=str(folder.authority))
    found.minimum_version = ssl.TLSVersion.TLSv1_3
    if folder.revoked.exists():
        found.load_verify_locations(folder.revoked)
        found.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    found.load_cert_chain(folder.certificate, folder.key)
    return found


def trust(folder: Path) -> ssl.SSLContext:
    """The same with no certificate shown: of the authority in a folder, whoever asks."""
    return ssl.create_default_context(cafile=str(TLSFolder(folder).authority))


def server_context(folder: TLSFolder) -> ssl.SSLContext:
    """The same of who waits for others of the cloud, all of whom show a certificate."""
    found = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder.authority))
    found.minimum_version = ssl.TLSVersion.TLSv1_3
    found.verify_mode = ssl.CERT_REQUIRED
    found.load_cert_chain(folder.certificate, folder.key)
    return found


class ServerSide:
    """The TLS of a server that others of the cloud reach: it shows the certificate that is in the folder now."""

    def __init__(self, folder: TLSFolder) -> None:
        self._folder = folder
        self._loaded_mtime_ns = folder.certificate.stat().st_mtime_ns
        self.context = server_context(folder)

    def look(self) -> None:
        """Take up a certificate that was made anew.

        Raises:
            OSError: it cannot be read; the one before goes on.
        """
        changed = self._folder.certificate.stat().st_mtime_ns
        if changed != self._loaded_mtime_ns:
            self.context.load_cert_chain(self._folder.certificate, self._folder.key)
            self._loaded_mtime_ns = changed

    async def follow(self) -> None:
        """Look once a second, until cancelled."""
        while True:
            try:
                self.look()
            except OSError as error:
                log.error("the certificate of this process cannot be read: %s", error)
            await asyncio.sleep(LOOK_S)


# ---- what a machine joins with ----

PREFIX = "hanok1."


class JoinToken(NamedTuple):
    """What one line says to a machine that joins: where the cloud is, whose certificates it believes, and a secret."""

    url: str
    fingerprint: str
    secret: str

    def __str__(self) -> str:
        parts = "\n".join((self.url, self.fingerprint, self.secret))
        return PREFIX + base64.urlsafe_b64encode(parts.encode()).decode().rstrip("=")

    @classmethod
    def read(cls, text: str) -> JoinToken:
        """
        Raises:
            ValueError: it is none.
        """
        bare = text.strip().removeprefix(PREFIX)
        if bare == text.strip() or len(bare) > 1000:
            raise ValueError("not a token to join with")
        try:
            raw = base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4)).decode("ascii")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            raise ValueError("not a token to join with") from None
        parts = raw.split("\n")
        if len(parts) != 3 or not re.fullmatch(r"[0-9a-f]{64}", parts[1]):
            raise ValueError("not a token to join with")
        return cls(*parts)
