"""Certificates for tests: an authority, and what it signs."""

from __future__ import annotations

import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM
NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


class Issuer:
    """An authority. pem: its certificate."""

    def __init__(self, name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = _named(name)
        self.certificate = self._signed(self.name, self.key, authority=True)
        self.pem = self.certificate.public_bytes(PEM).decode()

    def shows(self, name: str) -> str:
        """A certificate for this name with its key, as PEM."""
        return self.signs(name)[1]

    def signs(self, name: str) -> tuple[x509.Certificate, str]:
        """The same, and the certificate itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        signed = self._signed(_named(name), key, authority=False, host=name)
        secret = key.private_bytes(
            PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return signed, (signed.public_bytes(PEM) + secret).decode()

    def revokes(self, *gone: x509.Certificate) -> str:
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.name)
        builder = builder.last_update(NOW - DAY).next_update(NOW + DAY)
        for one in gone:
            revoked = x509.RevokedCertificateBuilder().serial_number(one.serial_number)
            builder = builder.add_revoked_certificate(revoked.revocation_date(NOW - DAY).build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(PEM).decode()

    def _signed(
        self, subject: x509.Name, key: Any, *, authority: bool, host: str = ""
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(self.name)
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(NOW - 9 * DAY).not_valid_after(NOW + DAY)
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
        )  # fmt: skip
        if host:
            names = x509.SubjectAlternativeName([x509.DNSName(host)])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self.key, hashes.SHA256())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
