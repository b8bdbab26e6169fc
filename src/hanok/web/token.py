"""Who is calling: what identity says of a valid token, as every other room sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from msgspec import Struct

from hanok.base.errors import BadInput

Delegation = Literal["", "application_credential", "trust", "oauth1", "ec2"]


class Token(Struct, frozen=True, kw_only=True, dict=True):
    """A valid token with the rights it carries at this moment.

    Exactly one of project_id, domain_id and system is set, or none (unscoped).
    delegation: what the token came from when that holds a part of somebody's rights; such a token may not make or widen
        authority. In a token of a trust with impersonation, user_id is the trustor's.
    roles: names; role_ids in the same order.
    thumbprint: of the certificate that the token is bound to; empty: to none.
    """

    user_id: str
    user_name: str = ""
    user_domain_id: str = ""
    user_domain_name: str = ""
    project_id: str | None = None
    project_name: str | None = None
    project_domain_id: str | None = None
    project_domain_name: str | None = None
    domain_id: str | None = None
    domain_name: str | None = None
    system: bool = False
    roles: tuple[str, ...] = ()
    role_ids: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    audit_ids: tuple[str, ...] = ()
    password_expires_at: datetime | None = None
    issued_at: datetime
    expires_at: datetime
    application_credential_id: str | None = None
    application_credential_restricted: bool = True
    access_rules: tuple[tuple[str, str, str], ...] | None = None
    trust_id: str | None = None
    trustor_user_id: str | None = None
    trustee_user_id: str | None = None
    impersonation: bool = False
    access_token_id: str | None = None
    consumer_id: str | None = None
    delegation: Delegation = ""
    identity_provider_id: str | None = None
    protocol_id: str | None = None
    thumbprint: str = ""

    @property
    def delegated(self) -> bool:
        return self.delegation != ""

    @cached_property
    def credentials(self) -> dict[str, Any]:
        """The caller as oslo.policy's checks name it."""
        return {
            "user_id": self.user_id,
            "user_domain_id": self.user_domain_id,
            "project_id": self.project_id,
            "project_domain_id": self.project_domain_id,
            "tenant": self.project_id,
            "tenant_id": self.project_id,
            "domain_id": self.domain_id,
            "system_scope": "all" if self.system else None,
            "system": "all" if self.system else None,
            "trust_id": self.trust_id,
            "trustor_id": self.trustor_user_id,
            "trustee_id": self.trustee_user_id,
            "roles": list(self.roles),
            "is_admin": "admin" in self.roles,
            "is_admin_project": True,
            "service_roles": [],
            "token": {
                "domain": {"id": self.domain_id},
                "project": {"id": self.project_id, "domain": {"id": self.project_domain_id}},
            },
        }


class Caller(Struct, frozen=True, kw_only=True):
    """Who asks, as decisions need to know it: made from a token and the rules in force, so no decision looks at a role.

    everywhere: whether the rules of the service let the caller reach what is other projects'.
    """

    user_id: str
    project_id: str | None
    everywhere: bool = False

    @property
    def own_project(self) -> str:
        """The project that what this caller makes belongs to.

        Raises:
            BadInput: the token is for none, as one for a domain or the system.
        """
        if not self.project_id:
            raise BadInput(
                "The token is not scoped to a project, and what is made needs a project to belong to."
            )
        return self.project_id


Authenticate = Callable[[str], Awaitable[Token | None]]
"""Takes the text of a token; None when it is not valid. Identity's, handed in when the house is built."""
