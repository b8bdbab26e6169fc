"""Certificates of hosts for tests: an authority, and what it signs."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


def _key_text(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs, key_cert_sign=signs, crl_sign=signs,
        content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


@dataclass
class Authority:
    """One that signs for hosts."""

    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def __post_init__(self) -> None:
        name = _name("cloud")
        builder = self._builder(name, name, self.key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        builder = builder.add_extension(_usage(signs=True), True)
        self.certificate = builder.sign(self.key, hashes.SHA256())
        self.serials: dict[str, int] = {}

    @staticmethod
    def _builder(
        subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
        )  # fmt: skip

    def folder(self, path: Path, host: str) -> Path:
        """A host's folder, with what it is given."""
        path.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        made = (
            self._builder(_name(host), _name("cloud"), key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
            .add_extension(_usage(signs=False), True)
            .add_extension(
                x509.SubjectAlternativeName([x509.RFC822Name(f"{host}@host.hanok")]), False
            )
            .add_extension(above, False)
            .sign(self.key, hashes.SHA256())
        )
        self.serials[host] = made.serial_number
        pem = serialization.Encoding.PEM
        (path / "ca-cert.pem").write_bytes(self.certificate.public_bytes(pem))
        for kind in ("server", "client"):
            (path / f"{kind}-cert.pem").write_bytes(made.public_bytes(pem))
            (path / f"{kind}-key.pem").write_bytes(_key_text(key))
        return path

    def revoke(self, host: str, *folders: Path) -> None:
        """These folders know that a host's certificate is good no longer."""
        one = x509.RevokedCertificateBuilder().serial_number(self.serials[host])
        made = (
            x509.CertificateRevocationListBuilder().issuer_name(_name("cloud"))
            .last_update(NOW - DAY).next_update(NOW + DAY)
            .add_revoked_certificate(one.revocation_date(NOW - DAY).build())
            .sign(self.key, hashes.SHA256())
        )  # fmt: skip
        for folder in folders:
            (folder / "ca-crl.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
