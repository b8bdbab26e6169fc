"""Identity's tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

from hanok.store import JSON, UTCDateTime, metadata

# One row. Raised in the transaction of each change to a fact that the rights of a token hang on.
state = sa.Table(
    "identity_state",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
)


class Folded(TypeDecorator[str]):
    """A text of which only the letters count, not their case: what is compared with it is folded as it was."""

    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else value.casefold()


def _its_name(context: Any) -> str:
    return str(context.get_current_parameters()["name"])


def _name_key() -> sa.Column[str]:
    """The name by which a row is found and which is unique; whoever changes the name changes this with it."""
    return sa.Column("name_key", Folded(1024), nullable=False, server_default="", default=_its_name)


projects = sa.Table(
    "projects",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(64), nullable=False),
    # Within what the name is unique: the domain's id; "*" for domains themselves.
    sa.Column("name_scope", sa.String(64), nullable=False),
    sa.Column("domain_id", sa.String(64)),
    sa.Column("parent_id", sa.String(64), index=True),
    sa.Column("is_domain", sa.Boolean, nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("options", JSON, nullable=False),
    sa.Column("extra", JSON, nullable=False),
    # Tokens for it, or of its users where it is a domain, that are older are dead: it was switched off since.
    sa.Column("tokens_valid_from", UTCDateTime),
    sa.UniqueConstraint("name_scope", "name"),
    _name_key(),
    sa.Index("ux_projects_name_key", "name_key", "name_scope", unique=True),
    sa.Index("ix_projects_name", "name"),
    sa.Index("ix_projects_domain_id_name", "domain_id", "name"),
)

project_tags = sa.Table(
    "project_tags",
    metadata,
    sa.Column("project_id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(255), primary_key=True),
)

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("domain_id", sa.String(64), nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("default_project_id", sa.String(64)),
    sa.Column("password_hash", sa.String(128)),
    sa.Column("password_changed_at", UTCDateTime),
    sa.Column("password_expires_at", UTCDateTime),
    sa.Column("past_hashes", JSON, nullable=False),
    # Tokens whose sign-in saw another value are dead: a password change, a disabling.
    sa.Column("tokens_valid_from", UTCDateTime),
    sa.Column("failed_sign_ins", sa.Integer, nullable=False, default=0),
    sa.Column("failed_at", UTCDateTime),
    sa.Column("options", JSON, nullable=False),
    sa.Column("extra", JSON, nullable=False),
    sa.Column("created_at", UTCDateTime),
    # Whether the user chose the password, rather than an administrator.
    sa.Column("password_own", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("last_active_at", UTCDateTime),
    sa.UniqueConstraint("domain_id", "name"),
    _name_key(),
    sa.Index("ux_users_name_key", "name_key", "domain_id", unique=True),
    sa.Index("ix_users_name", "name"),
)

groups = sa.Table(
    "groups",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("domain_id", sa.String(64), nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("extra", JSON, nullable=False),
    sa.UniqueConstraint("domain_id", "name"),
    _name_key(),
    sa.Index("ux_groups_name_key", "name_key", "domain_id", unique=True),
    sa.Index("ix_groups_name", "name"),
)

group_members = sa.Table(
    "group_members",
    metadata,
    sa.Column("group_id", sa.String(64), primary_key=True),
    sa.Column("user_id", sa.String(64), primary_key=True, index=True),
)

roles = sa.Table(
    "roles",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False),
    # "*" for roles of no domain, so that the uniqueness holds for them too.
    sa.Column("domain_id", sa.String(64), nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("options", JSON, nullable=False),
    sa.Column("extra", JSON, nullable=False),
    sa.UniqueConstraint("domain_id", "name"),
    _name_key(),
    sa.Index("ux_roles_name_key", "name_key", "domain_id", unique=True),
    sa.Index("ix_roles_name", "name"),
)

implied_roles = sa.Table(
    "implied_roles",
    metadata,
    sa.Column("prior_id", sa.String(64), primary_key=True),
    sa.Column("implied_id", sa.String(64), primary_key=True),
)

assignments = sa.Table(
    "assignments",
    metadata,
    sa.Column("actor_kind", sa.String(5), primary_key=True),  # user, group
    sa.Column("actor_id", sa.String(64), primary_key=True),
    sa.Column("target_kind", sa.String(7), primary_key=True),  # project, domain, system
    sa.Column("target_id", sa.String(64), primary_key=True),
    sa.Column("role_id", sa.String(64), primary_key=True),
    sa.Column("inherited", sa.Boolean, primary_key=True),
    sa.Index("ix_assignments_target", "target_kind", "target_id"),
)

regions = sa.Table(
    "regions",
    metadata,
    sa.Column("id", sa.String(255), primary_key=True),
    sa.Column("parent_region_id", sa.String(255)),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("extra", JSON, nullable=False),
)

services = sa.Table(
    "services",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("type", sa.String(255), nullable=False),
    sa.Column("name", sa.String(255)),
    sa.Column("description", sa.Text),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("extra", JSON, nullable=False),
)

endpoints = sa.Table(
    "endpoints",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("service_id", sa.String(64), nullable=False, index=True),
    sa.Column("interface", sa.String(8), nullable=False),
    sa.Column("region_id", sa.String(255)),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("extra", JSON, nullable=False),
)

application_credentials = sa.Table(
    "application_credentials",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("project_id", sa.String(64), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("secret_hash", sa.String(128), nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("expires_at", UTCDateTime),
    sa.Column("unrestricted", sa.Boolean, nullable=False),
    sa.Column("role_ids", JSON, nullable=False),
    sa.Column("access_rule_ids", JSON),  # null: no rules, everything; []: nothing
    # The credential whose token made it: it ends with that one.
    sa.Column("parent_id", sa.String(64), index=True),
    sa.UniqueConstraint("user_id", "name"),
    _name_key(),
    sa.Index("ux_application_credentials_name_key", "name_key", "user_id", unique=True),
    sa.Index("ix_application_credentials_name", "name"),
)

access_rules = sa.Table(
    "access_rules",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("user_id", sa.String(64), nullable=False, index=True),
    sa.Column("service", sa.String(64), nullable=False),
    sa.Column("path", sa.String(128), nullable=False),
    sa.Column("method", sa.String(16), nullable=False),
    sa.UniqueConstraint("user_id", "service", "path", "method"),
)

revoked_tokens = sa.Table(
    "revoked_tokens",
    metadata,
    sa.Column("audit_id", sa.String(32), primary_key=True),
    sa.Column("expires_at", UTCDateTime, nullable=False, index=True),
)

# Told to others; what ends a token here is not in it.
revocation_events = sa.Table(
    "revocation_events",
    metadata,
    sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("subject", sa.String(64), nullable=False),
    sa.Column("issued_before", UTCDateTime, nullable=False),
    sa.Column("revoked_at", UTCDateTime, nullable=False, index=True),
)

# ---- credentials and delegation ----

credentials = sa.Table(
    "credentials",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("user_id", sa.String(64), nullable=False, index=True),
    sa.Column("project_id", sa.String(64), index=True),
    sa.Column("type", sa.String(255), nullable=False),
    sa.Column("sealed", sa.Text, nullable=False),
    sa.Column("sealed_with", sa.String(16), nullable=False, index=True),
    # What it was made with and is bounded by; never taken from the blob.
    sa.Column("trust_id", sa.String(64), index=True),
    sa.Column("application_credential_id", sa.String(64), index=True),
    sa.Column("access_token_id", sa.String(64), index=True),
    sa.Column("extra", JSON, nullable=False),
)

# Passcodes that somebody has signed in with, for as long as they are good.
used_passcodes = sa.Table(
    "used_passcodes",
    metadata,
    sa.Column("user_id", sa.String(64), primary_key=True),
    sa.Column("period", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("passcode", sa.String(16), primary_key=True),
)

trusts = sa.Table(
    "trusts",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("trustor_user_id", sa.String(64), nullable=False, index=True),
    sa.Column("trustee_user_id", sa.String(64), nullable=False, index=True),
    sa.Column("project_id", sa.String(64), index=True),
    sa.Column("impersonation", sa.Boolean, nullable=False),
    sa.Column("expires_at", UTCDateTime),
    sa.Column("remaining_uses", sa.Integer),
    sa.Column("redelegated_trust_id", sa.String(64), index=True),
    sa.Column("redelegation_count", sa.Integer, nullable=False),
    # A deleted trust stays for a while: its parties are told that it is gone, strangers learn nothing.
    sa.Column("deleted_at", UTCDateTime),
    sa.Column("extra", JSON, nullable=False),
    sa.CheckConstraint("remaining_uses >= 0", name="remaining_uses"),
)

trust_roles = sa.Table(
    "trust_roles",
    metadata,
    sa.Column("trust_id", sa.String(64), primary_key=True),
    sa.Column("role_id", sa.String(64), primary_key=True, index=True),
)

oauth_consumers = sa.Table(
    "oauth_consumers",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("description", sa.Text),
    sa.Column("sealed", sa.Text, nullable=False),
    sa.Column("sealed_with", sa.String(16), nullable=False, index=True),
    sa.Column("extra", JSON, nullable=False),
)

oauth_request_tokens = sa.Table(
    "oauth_request_tokens",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("consumer_id", sa.String(64), nullable=False, index=True),
    sa.Column("project_id", sa.String(64), nullable=False, index=True),
    sa.Column("sealed", sa.Text, nullable=False),
    sa.Column("sealed_with", sa.String(16), nullable=False, index=True),
    sa.Column("verifier", sa.String(64)),
    sa.Column("user_id", sa.String(64), index=True),
    sa.Column("role_ids", JSON),
    sa.Column("expires_at", UTCDateTime, index=True),
)

oauth_access_tokens = sa.Table(
    "oauth_access_tokens",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("consumer_id", sa.String(64), nullable=False, index=True),
    sa.Column("user_id", sa.String(64), nullable=False, index=True),
    sa.Column("project_id", sa.String(64), nullable=False, index=True),
    sa.Column("sealed", sa.Text, nullable=False),
    sa.Column("sealed_with", sa.String(16), nullable=False, index=True),
    sa.Column("role_ids", JSON, nullable=False),
    sa.Column("expires_at", UTCDateTime),
)

# Signed requests that were answered; the same one is not answered twice.
oauth_nonces = sa.Table(
    "oauth_nonces",
    metadata,
    sa.Column("consumer_id", sa.String(64), primary_key=True),
    sa.Column("nonce", sa.String(64), primary_key=True),
    sa.Column("forget_at", UTCDateTime, nullable=False, index=True),
)

# ---- policies, and the endpoints that they are for ----

policies = sa.Table(
    "policies",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("type", sa.String(255), nullable=False),
    sa.Column("blob", sa.Text, nullable=False),
    sa.Column("extra", JSON, nullable=False),
)

# An endpoint, a service, or a service in a region has one policy; "" stands for what is not named.
policy_associations = sa.Table(
    "policy_associations",
    metadata,
    sa.Column("endpoint_id", sa.String(64), primary_key=True),
    sa.Column("service_id", sa.String(64), primary_key=True),
    sa.Column("region_id", sa.String(255), primary_key=True),
    sa.Column("policy_id", sa.String(64), nullable=False, index=True),
)

# ---- which endpoints a project's catalog shows; all of them where nothing is named ----

project_endpoints = sa.Table(
    "project_endpoints",
    metadata,
    sa.Column("project_id", sa.String(64), primary_key=True),
    sa.Column("endpoint_id", sa.String(64), primary_key=True, index=True),
)

endpoint_groups = sa.Table(
    "endpoint_groups",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("filters", JSON, nullable=False),
)

project_endpoint_groups = sa.Table(
    "project_endpoint_groups",
    metadata,
    sa.Column("project_id", sa.String(64), primary_key=True),
    sa.Column("endpoint_group_id", sa.String(64), primary_key=True, index=True),
)

# ---- settings of domains ----

domain_options = sa.Table(
    "domain_options",
    metadata,
    sa.Column("domain_id", sa.String(64), primary_key=True),
    sa.Column("group", sa.String(255), primary_key=True),
    sa.Column("option", sa.String(255), primary_key=True),
    sa.Column("value", JSON),
    # A secret is sealed instead; see `logic.sealed`.
    sa.Column("sealed", sa.Text, nullable=False, server_default=""),
    sa.Column("sealed_with", sa.String(16), nullable=False, server_default=""),
)

# ---- limits that services hold their projects to ----

# region_id "" stands for every region.
registered_limits = sa.Table(
    "registered_limits",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("service_id", sa.String(64), nullable=False),
    sa.Column("region_id", sa.String(255), nullable=False),
    sa.Column("resource_name", sa.String(255), nullable=False),
    sa.Column("default_limit", sa.Integer, nullable=False),
    sa.Column("description", sa.Text),
    sa.UniqueConstraint("service_id", "region_id", "resource_name"),
)

# One of project_id and domain_id is "".
limits = sa.Table(
    "limits",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("registered_limit_id", sa.ForeignKey("registered_limits.id"), nullable=False),
    sa.Column("project_id", sa.String(64), nullable=False, index=True),
    sa.Column("domain_id", sa.String(64), nullable=False),
    sa.Column("resource_limit", sa.Integer, nullable=False),
    sa.Column("description", sa.Text),
    sa.UniqueConstraint("registered_limit_id", "project_id", "domain_id"),
)

# ---- federation: who else may say who somebody is ----

identity_providers = sa.Table(
    "identity_providers",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("domain_id", sa.String(64), nullable=False, index=True),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("authorization_ttl", sa.Integer),
)

idp_remote_ids = sa.Table(
    "idp_remote_ids",
    metadata,
    sa.Column("remote_id", sa.String(255), primary_key=True),
    sa.Column("idp_id", sa.String(64), nullable=False, index=True),
    sa.Column("ordinal", sa.Integer, nullable=False),
)

federation_protocols = sa.Table(
    "federation_protocols",
    metadata,
    sa.Column("idp_id", sa.String(64), primary_key=True),
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("mapping_id", sa.String(64), nullable=False, index=True),
    sa.Column("remote_id_attribute", sa.String(64)),
)

mappings = sa.Table(
    "mappings",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("rules", JSON, nullable=False),
    sa.Column("schema_version", sa.String(5), nullable=False),
)

service_providers = sa.Table(
    "service_providers",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("auth_url", sa.String(256), nullable=False),
    sa.Column("sp_url", sa.String(256), nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("relay_state_prefix", sa.String(256), nullable=False),
)

# A user of ours for each user of a provider.
federated_users = sa.Table(
    "federated_users",
    metadata,
    sa.Column("idp_id", sa.String(64), primary_key=True),
    sa.Column("unique_id", sa.String(255), primary_key=True),
    sa.Column("user_id", sa.String(64), nullable=False, unique=True),
    sa.Column("protocol_id", sa.String(64), nullable=False),
)

# The groups that a provider put a user into, each time the user signs in; they end by themselves.
federated_memberships = sa.Table(
    "federated_memberships",
    metadata,
    sa.Column("user_id", sa.String(64), primary_key=True),
    sa.Column("group_id", sa.String(64), primary_key=True, index=True),
    sa.Column("idp_id", sa.String(64), nullable=False, index=True),
    sa.Column("expires_at", UTCDateTime, nullable=False),
)

# ---- keys ----

# What tokens, secrets and assertions are sealed and signed with, itself sealed with the cloud's own key.
sealing_keys = sa.Table(
    "sealing_keys",
    metadata,
    sa.Column("purpose", sa.String(16), primary_key=True),  # token, secret, saml
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("sealed", sa.Text, nullable=False),
    sa.Column("made_at", UTCDateTime, nullable=False),
)

# ---- accounts that are in a directory ----

directory_entries = sa.Table(
    "directory_entries",
    metadata,
    sa.Column("public_id", sa.String(64), primary_key=True),
    sa.Column("domain_id", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(5), nullable=False),  # user, group
    sa.Column("local_id", sa.String(255), nullable=False),
    sa.UniqueConstraint("domain_id", "kind", "local_id"),
)
