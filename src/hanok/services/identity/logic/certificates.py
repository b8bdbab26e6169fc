"""Who a client with a certificate is: the user whose id it gives, if a mapping makes that user of the certificate.

Source: RFC 8705, section 2.1; upstream's "OAuth 2.0 Mutual-TLS Client Authentication", whose names for the parts of a
certificate's names these are.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row

from hanok.base.errors import BadInput
from hanok.services.identity import schemas
from hanok.services.identity.logic import mapping, proofs
from hanok.services.identity.logic.mapping import Assertion, MappedUser
from hanok.services.identity.logic.proofs import Attempt, Proof, refused
from hanok.services.identity.logic.tokens import Bounds, since
from hanok.services.identity.tables import mappings
from hanok.web.proxy import thumbprint

METHOD = "oauth2_credential"


def said_by(der: bytes) -> Assertion:
    """The parts of the names of a certificate's subject and issuer: SSL_CLIENT_SUBJECT_DN_CN and so on.

    Raises:
        ValueError: it is no certificate.
    """
    from cryptography import x509

    found: dict[str, list[str]] = {}
    whole = x509.load_der_x509_certificate(der)
    for whose, name in (("SUBJECT", whole.subject), ("ISSUER", whole.issuer)):
        for part in name:
            is_email = part.oid == x509.NameOID.EMAIL_ADDRESS
            key = "EMAILADDRESS" if is_email else part.rfc4514_attribute_name.upper()
            value = part.value if isinstance(part.value, str) else part.value.hex()
            found.setdefault(f"SSL_CLIENT_{whose}_DN_{key}", []).append(value)
    return found


async def prove(attempt: Attempt, user_id: str, der: bytes) -> Proof:
    """The user with this id, signed in for the default project, in a token that is bound to the certificate.

    Raises:
        NotSignedIn: the certificate is not this user's.
    """
    room = attempt.room
    try:
        said = said_by(der)
    except ValueError as error:
        raise refused(f"no certificate: {error}") from error
    async with attempt.database.read() as tx:
        user = await proofs.user(tx, room, schemas.UserRef(id=user_id))
        if user is None or user.default_project_id is None:
            raise refused("no such user, switched off, or without a default project")
        requested = room.settings.certificate_mapping
        row = await tx.first(sa.select(mappings).where(mappings.c.id == requested))
        if row is None:
            raise refused(f"there is no mapping {requested}")
        home = await proofs.project_by_id(tx, user.domain_id)
    try:
        mapped = mapping.apply(mapping.rules_of(row.rules, row.schema_version), said).user
    except BadInput as error:
        raise refused(error.message) from error
    if home is None or not _is(mapped, user, home):
        raise refused("the mapping gives another user than the certificate")
    return Proof(
        user_id=user.id,
        default_project_id=user.default_project_id,
        methods=(METHOD,),
        bounds=Bounds(since_us=since(user), thumbprint=thumbprint(der)),
        bound_project_id=user.default_project_id,
    )


def _is(mapped: MappedUser, user: Row[Any], home: Row[Any]) -> bool:
    """Whether what a mapping says is this user, and says enough: an id, or a name and its domain."""
    domain = mapped.domain or mapping.Domain()
    if not mapped.id and not (mapped.name and (domain.id or domain.name)):
        return False
    pairs = (
        (mapped.id, user.id),
        (mapped.name, user.name),
        (mapped.email, user.extra.get("email")),
        (domain.id, home.id),
        (domain.name, home.name),
    )
    return all(not said or said == own for said, own in pairs)
