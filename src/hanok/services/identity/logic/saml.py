"""SAML 2, this cloud as the identity provider: who somebody is, said to another cloud and signed.

XML is written here, never read. What writes and signs it is loaded when the first assertion or the metadata is asked
for.

Sources: SAML 2.0 Core, sections 2 and 3.2; Profiles, sections 4.1.4.2 and 4.2; Metadata, section 2.4.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import bindparam

from hanok.base.clock import Clock
from hanok.base.errors import BadInput, Unavailable
from hanok.services.identity.logic.rights import groups_of
from hanok.services.identity.tables import groups, projects
from hanok.store import Transaction
from hanok.web.token import Token

if TYPE_CHECKING:  # loaded where it is used: most clouds are no identity provider of others
    from hanok.services.identity.logic.saml_key import Signer

_group_names = (
    sa.select(groups.c.name, projects.c.name.label("domain_name"))
    .join(projects, projects.c.id == groups.c.domain_id)
    .where(groups.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(groups.c.name, projects.c.name)
)


class SAMLOrganization(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who runs this cloud. url: a page for people."""

    name: str
    display_name: str
    url: str


class SAMLContact(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to ask about this identity provider."""

    company: str
    given_name: str
    surname: str
    email: str
    telephone: str
    type: Literal["technical", "support", "administrative", "billing", "other"] = "other"


class SAMLSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """This cloud as an identity provider of others.

    entity_id: the address that names it; it need not answer.
    sso_endpoint: what the metadata gives as the place to sign in; empty: entity_id. Nobody is sent there: clients ask
        for assertions themselves.
    key_file, certificate_file: PEM files of the operator's own; both or none.
    assertion_s: how long an assertion is good, unless the token it was got with ends before.
    language: of the organization's names.
    """

    entity_id: str
    sso_endpoint: str = ""
    key_file: str = ""
    certificate_file: str = ""
    assertion_s: int = 3600
    language: str = "en"
    organization: SAMLOrganization | None = None
    contact: SAMLContact | None = None

    def __post_init__(self) -> None:
        if not 0 < len(self.entity_id) <= 1024:
            raise ValueError("entity_id is an address of 1 to 1024 characters")
        if bool(self.key_file) != bool(self.certificate_file):
            raise ValueError("key_file and certificate_file go together")


class Said(Struct, frozen=True, kw_only=True):
    """What an assertion says. groups: texts as upstream writes them: JSON:{"name": …, "domain": {"name": …}}.

    recipient: where the service provider takes it. ends_at: when it is good no more.
    """

    user: str
    user_domain: str
    roles: tuple[str, ...]
    project: str
    project_domain: str
    groups: tuple[str, ...]
    by_password: bool
    recipient: str
    at: datetime
    ends_at: datetime


Write = Callable[[SAMLSettings, "Signer"], bytes]


class SAMLProvider:
    """Says who somebody is."""

    def __init__(
        self, settings: SAMLSettings, load: Callable[[], Awaitable[bytes]], clock: Clock
    ) -> None:
        """
        Args:
            load: gives the cloud's own key and certificate in PEM, for where the settings name none.
        """
        self.settings = settings
        self._load = load
        self._own = b""
        self._clock = clock
        self._signer: Signer | None = None
        self._lock = threading.Lock()

    async def metadata(self) -> bytes:
        """What a service provider is configured with.

        Raises:
            Unavailable: the key cannot be used.
        """
        return await self._written(lambda documents: documents.metadata)

    async def assertion(self, said: Said) -> bytes:
        """A response with a signed assertion.

        Raises:
            BadInput: a name has characters that XML cannot carry. Unavailable: the key cannot be used.
        """
        return await self._written(lambda documents: partial(documents.response, said))

    async def enveloped(self, said: Said, relay_state: str) -> bytes:
        """The same in an envelope of the profile ECP.

        Raises:
            BadInput: a name has characters that XML cannot carry. Unavailable: the key cannot be used.
        """
        return await self._written(lambda documents: partial(documents.envelope, said, relay_state))

    async def said(self, tx: Transaction, token: Token, recipient: str) -> Said:
        """What can be said of whoever holds a token for a project."""
        rows = await tx.all(_group_names, {"ids": await groups_of(tx, token.user_id)})
        now = self._clock.now()
        ends_at = now + timedelta(seconds=self.settings.assertion_s)
        return Said(
            user=token.user_name,
            user_domain=token.user_domain_name,
            roles=token.roles,
            project=token.project_name or "",
            project_domain=token.project_domain_name or "",
            groups=tuple(_group(row.name, row.domain_name) for row in rows),
            by_password="password" in token.methods,
            recipient=recipient,
            at=now,
            ends_at=min(ends_at, token.expires_at),
        )

    async def _written(self, writer: Callable[[Any], Write]) -> bytes:
        if self._signer is None and not self.settings.key_file:
            self._own = await self._load()
        # In a thread: libraries have to be loaded.
        return await asyncio.to_thread(self._write, writer)

    def _write(self, writer: Callable[[Any], Write]) -> bytes:
        from hanok.services.identity.logic import saml_documents

        signer = self._ready()
        try:
            return writer(saml_documents)(self.settings, signer)
        except ValueError as error:
            raise BadInput(
                "A name has characters that SAML cannot carry.", detail=str(error)
            ) from error

    def _ready(self) -> Signer:
        from hanok.services.identity.logic import saml_key

        with self._lock:
            if self._signer is None:
                try:
                    self._signer = saml_key.signer(self.settings, self._own)
                except (OSError, ValueError, TypeError) as error:
                    raise Unavailable(
                        "The key that this cloud signs assertions with cannot be used; its operator has to look.",
                        detail=f"{type(error).__name__}: {error}",
                    ) from error
            return self._signer


def _group(name: str, domain: str) -> str:
    # As Python's json writes it, spaces and escapes included: mappings elsewhere were written for that.
    return "JSON:" + json.dumps({"name": name, "domain": {"name": domain}})
