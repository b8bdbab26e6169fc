"""Bodies and answers of Identity v3.

Many of identity's resources take further attributes of any name; those are kept as they are (`extra`).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from hanok.base.clock import zulu_micro
from hanok.base.errors import BadInput
from hanok.web.request import Request, convert

Name64 = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"\S")]
Name255 = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"\S")]
Id = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9-]+$")]
Text = Annotated[str, Meta(max_length=65_535)]
Tag = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^,/]+$")]
MAXIMUM_RULES = (
    200  # of an application credential: each request with its tokens is held against them
)
EXTRA_BYTES = 65_535
URL = Annotated[str, Meta(min_length=1, max_length=225, pattern=r"^[a-zA-Z0-9+.-]+:.+")]

T = TypeVar("T", bound=Struct)


class Options(Struct, forbid_unknown_fields=True):
    immutable: bool | UnsetType | None = UNSET


Rule = Annotated[list[Annotated[str, Meta(min_length=1, max_length=64)]], Meta(min_length=1)]


class UserOptions(Struct, forbid_unknown_fields=True):
    ignore_change_password_upon_first_use: bool | UnsetType | None = UNSET
    ignore_password_expiry: bool | UnsetType | None = UNSET
    ignore_lockout_failure_attempts: bool | UnsetType | None = UNSET
    ignore_user_inactivity: bool | UnsetType | None = UNSET
    lock_password: bool | UnsetType | None = UNSET
    multi_factor_auth_enabled: bool | UnsetType | None = UNSET
    multi_factor_auth_rules: Annotated[list[Rule], Meta(max_length=64)] | UnsetType | None = UNSET

    def __post_init__(self) -> None:
        rules = self.multi_factor_auth_rules or []
        sets = [tuple(sorted(rule)) for rule in rules]
        if len(set(sets)) != len(sets) or any(len(set(rule)) != len(rule) for rule in rules):
            raise ValueError("multi_factor_auth_rules name something twice")


class ProjectBody(Struct, kw_only=True):
    name: Name64 | UnsetType = UNSET
    domain_id: Id | UnsetType | None = UNSET
    parent_id: Id | UnsetType | None = UNSET
    is_domain: bool | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    tags: Annotated[list[Tag], Meta(max_length=80)] | UnsetType = UNSET
    options: Options | UnsetType = UNSET


class DomainBody(Struct, kw_only=True):
    name: Name64 | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    explicit_domain_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$")] | UnsetType = UNSET
    tags: Annotated[list[Tag], Meta(max_length=80)] | UnsetType = UNSET
    options: Options | UnsetType = UNSET


class UserBody(Struct, kw_only=True):
    name: Name255 | UnsetType = UNSET
    domain_id: Id | UnsetType | None = UNSET
    default_project_id: Id | UnsetType | None = UNSET
    password: str | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    options: UserOptions | UnsetType = UNSET


def no_federated(extra: dict[str, Any]) -> None:
    """Identities at identity providers are made by signing in there; none is taken from a body.

    Raises:
        BadInput: one is given.
    """
    if extra.pop("federated", None) not in (None, []):
        raise BadInput(
            "Invalid input for field 'federated': users are linked to an identity provider by signing in there."
        )


class PasswordBody(Struct, kw_only=True):
    original_password: str
    password: str


class GroupBody(Struct, kw_only=True):
    name: Name64 | UnsetType = UNSET
    domain_id: Id | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET


class RoleBody(Struct, kw_only=True):
    name: Name255 | UnsetType = UNSET
    domain_id: Id | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET
    options: Options | UnsetType = UNSET


class RegionBody(Struct, kw_only=True):
    id: Annotated[str, Meta(max_length=255)] | UnsetType | None = UNSET
    parent_region_id: Annotated[str, Meta(max_length=255)] | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET


class ServiceBody(Struct, kw_only=True):
    type: Name255 | UnsetType = UNSET
    name: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET


class EndpointBody(Struct, kw_only=True):
    service_id: Id | UnsetType = UNSET
    interface: str | UnsetType = UNSET
    region: Annotated[str, Meta(max_length=255)] | UnsetType | None = UNSET
    region_id: Annotated[str, Meta(max_length=255)] | UnsetType | None = UNSET
    url: URL | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    name: Text | UnsetType = UNSET
    description: Text | UnsetType = UNSET


class AccessRuleBody(Struct, kw_only=True, forbid_unknown_fields=True):
    id: Id | UnsetType = UNSET
    path: Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^/")] | UnsetType = UNSET
    method: (
        Annotated[str, Meta(pattern=r"^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|TRACE|CONNECT)$")]
        | UnsetType
    ) = UNSET
    service: Annotated[str, Meta(min_length=1, max_length=64)] | UnsetType = UNSET


class RoleRef(Struct, kw_only=True):
    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    domain: Any = None


class ApplicationCredentialBody(Struct, kw_only=True, forbid_unknown_fields=True):
    name: Name255
    description: Text | None = None
    secret: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    expires_at: str | None = None
    unrestricted: bool | None = None
    roles: list[RoleRef] | None = None
    access_rules: Annotated[list[AccessRuleBody], Meta(max_length=MAXIMUM_RULES)] | None = None


class IdentityProviderBody(Struct, kw_only=True, forbid_unknown_fields=True):
    domain_id: Id | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    remote_ids: (
        Annotated[list[Annotated[str, Meta(min_length=1, max_length=255)]], Meta(max_length=100)]
        | UnsetType
        | None
    ) = UNSET
    authorization_ttl: Annotated[int, Meta(ge=0, le=0x7FFFFFFF)] | UnsetType | None = UNSET


class ProtocolBody(Struct, kw_only=True, forbid_unknown_fields=True):
    mapping_id: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET
    remote_id_attribute: Annotated[str, Meta(max_length=64)] | UnsetType | None = UNSET


class MappingBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """id: the one of the path once more, which the client of the command line sends along."""

    id: str | UnsetType = UNSET
    rules: list[Any]
    schema_version: str | None = None


class ServiceProviderBody(Struct, kw_only=True, forbid_unknown_fields=True):
    auth_url: URL | UnsetType = UNSET
    sp_url: URL | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    relay_state_prefix: Annotated[str, Meta(max_length=256)] | UnsetType | None = UNSET


class PolicyBody(Struct, kw_only=True):
    blob: Text | UnsetType = UNSET
    type: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET


class EndpointGroupBody(Struct, kw_only=True):
    name: Name255 | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    filters: dict[str, Any] | UnsetType | None = UNSET


Limit = Annotated[int, Meta(ge=-1, le=0x7FFFFFFF)]
RegionId = Annotated[str, Meta(max_length=255)]


class RegisteredLimitBody(Struct, kw_only=True, forbid_unknown_fields=True):
    service_id: Id
    resource_name: Name255
    default_limit: Limit
    region_id: RegionId | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET


class RegisteredLimitsBody(Struct, forbid_unknown_fields=True):
    registered_limits: Annotated[list[RegisteredLimitBody], Meta(min_length=1, max_length=1000)]


class RegisteredLimitChanges(Struct, kw_only=True, forbid_unknown_fields=True):
    service_id: Id | UnsetType = UNSET
    resource_name: Name255 | UnsetType = UNSET
    default_limit: Limit | UnsetType = UNSET
    region_id: RegionId | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET


class RegisteredLimitChangesBody(Struct, forbid_unknown_fields=True):
    registered_limit: RegisteredLimitChanges


class LimitBody(Struct, kw_only=True, forbid_unknown_fields=True):
    service_id: Id
    resource_name: Name255
    resource_limit: Limit
    region_id: RegionId | UnsetType | None = UNSET
    project_id: Id | UnsetType | None = UNSET
    domain_id: Id | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET


class LimitsBody(Struct, forbid_unknown_fields=True):
    limits: Annotated[list[LimitBody], Meta(min_length=1, max_length=1000)]


class LimitChanges(Struct, kw_only=True, forbid_unknown_fields=True):
    resource_limit: Limit | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET


class LimitChangesBody(Struct, forbid_unknown_fields=True):
    limit: LimitChanges


def check_limit(body: LimitBody) -> None:
    """
    Raises:
        BadInput: it is for nobody, or for a project and a domain.
    """
    if bool(body.project_id or None) == bool(body.domain_id or None):
        raise BadInput("A limit is for one project_id or one domain_id.")


# ---- sign-in ----


class DomainRef(Struct, kw_only=True):
    id: str | None = None
    name: str | None = None


class ProjectRef(Struct, kw_only=True):
    id: str | None = None
    name: str | None = None
    domain: DomainRef | None = None


class UserRef(Struct, kw_only=True):
    id: str | None = None
    name: str | None = None
    domain: DomainRef | None = None


class PasswordUser(UserRef, kw_only=True):
    password: str = ""


class PasswordMethod(Struct, kw_only=True):
    user: PasswordUser


class PasscodeUser(UserRef, kw_only=True):
    passcode: Annotated[str, Meta(max_length=64)] = ""


class TOTPMethod(Struct, kw_only=True):
    user: PasscodeUser


class TokenMethod(Struct, kw_only=True):
    id: str


class ApplicationCredentialMethod(Struct, kw_only=True):
    secret: str
    id: str | None = None
    name: str | None = None
    user: UserRef | None = None


class OAuth1Method(Struct, kw_only=True):
    """Empty: what proves it is in the Authorization header."""


class IdentityPart(Struct, kw_only=True):
    """The names of the methods; each method's own part stands beside them under its name."""

    methods: Annotated[list[str], Meta(min_length=1, max_length=8)]


class SystemScope(Struct, kw_only=True):
    all: bool


class TrustScope(Struct, kw_only=True):
    id: Annotated[str, Meta(min_length=1, max_length=64)]


class ScopePart(Struct, kw_only=True):
    project: ProjectRef | None = None
    domain: DomainRef | None = None
    system: SystemScope | None = None
    unscoped: dict[str, Any] | None = None
    trust: TrustScope | None = field(default=None, name="OS-TRUST:trust")


class Auth(Struct, kw_only=True):
    identity: dict[str, Any]
    scope: ScopePart | str | None = None


class OnlyId(Struct, forbid_unknown_fields=True):
    id: str


class AssertionIdentity(Struct, kw_only=True, forbid_unknown_fields=True):
    token: OnlyId
    methods: list[Any] = []


class AssertionScope(Struct, forbid_unknown_fields=True):
    service_provider: OnlyId


class AssertionBody(Struct, forbid_unknown_fields=True):
    """Who asks, by a token, and which service provider is to be told."""

    identity: AssertionIdentity
    scope: AssertionScope


# ---- credentials and delegation ----


class CredentialBody(Struct, kw_only=True):
    blob: Text | UnsetType = UNSET
    type: Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType = UNSET
    user_id: Id | UnsetType = UNSET
    project_id: Id | UnsetType | None = UNSET


class EC2Body(Struct, kw_only=True, forbid_unknown_fields=True):
    tenant_id: Id


class TrustBody(Struct, kw_only=True):
    trustor_user_id: Id
    trustee_user_id: Id
    impersonation: bool
    project_id: Id | None = None
    roles: Annotated[list[RoleRef], Meta(max_length=200)] | None = None
    remaining_uses: Annotated[int, Meta(ge=1, le=2_147_483_647)] | None = None
    expires_at: str | None = None
    allow_redelegation: bool | None = None
    redelegation_count: Annotated[int, Meta(ge=0, le=1000)] | None = None


class ConsumerBody(Struct, kw_only=True):
    description: Text | UnsetType | None = UNSET


class AuthorizeBody(Struct, kw_only=True, forbid_unknown_fields=True):
    roles: Annotated[list[RoleRef], Meta(max_length=200)]


# ---- reading bodies ----


async def read(request: Request, key: str, kind: type[T]) -> tuple[T, dict[str, Any]]:
    """The member of the body, and the attributes that are not ours.

    Raises:
        BadInput: the member is missing, or an attribute of ours does not fit.
    """
    value = await request.json()
    if not isinstance(value, dict) or not isinstance(value.get(key), dict):
        raise BadInput(f"Expecting to find {key} in request body.")
    inner: dict[str, Any] = value[key]
    known = {field.encode_name for field in msgspec.structs.fields(kind)}
    extra = {name: item for name, item in inner.items() if name not in known | _NEVER}
    if extra and len(msgspec.json.encode(extra)) > EXTRA_BYTES:
        raise BadInput("The further attributes are longer than can be kept.")
    return convert(inner, kind), extra


_NEVER = {"id", "links"}


def given(body: Struct) -> dict[str, Any]:
    """The attributes that were sent."""
    return {
        name: getattr(body, name)
        for name in body.__struct_fields__
        if getattr(body, name) is not UNSET
    }


def options(value: Struct | UnsetType, before: dict[str, Any] | None = None) -> dict[str, Any]:
    """Options to keep: those sent over those before; null takes one away."""
    kept = dict(before or {})
    if value is UNSET:
        return kept
    for name, item in given(value).items():
        if item is None:
            kept.pop(name, None)
        else:
            kept[name] = item
    return kept


# ---- answers ----


def link(request: Request, *path: str) -> dict[str, str]:
    """The address of a thing. path: of plain words, and ids that somebody may have chosen."""
    return {"self": "/".join((f"{request.base_url}/v3", *map(quote, path)))}


def collection(request: Request, key: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    query = request.http.url.query
    own = request.full_url + (f"?{query}" if query else "")
    return {key: items, "links": {"next": None, "self": own, "previous": None}}


# The columns that answers show. Lists select these and take each row apart at once: asking a row for a column by
# its name costs more than all else that becomes of it.
PROJECT = (
    "id", "name", "domain_id", "description", "enabled", "parent_id", "is_domain", "options", "extra",
)  # fmt: skip
USER = (
    "id", "name", "domain_id", "enabled", "password_expires_at", "last_active_at", "default_project_id", "options",
    "extra",
)  # fmt: skip


def project(request: Request, row: Any, tags: list[str]) -> dict[str, Any]:
    return projects(request, [[getattr(row, name) for name in PROJECT]], {row.id: tags})[0]


def projects(
    request: Request, rows: Iterable[Sequence[Any]], tags: Mapping[str, list[str]]
) -> list[dict[str, Any]]:
    """Projects whose rows have the columns PROJECT."""
    here = link(request, "projects", "")["self"]
    return [
        {
            **extra,
            "id": project_id,
            "name": name,
            "domain_id": domain_id,
            "description": description,
            "enabled": enabled,
            "parent_id": parent_id,
            "is_domain": is_domain,
            "tags": tags[project_id],
            "options": options,
            "links": {"self": here + project_id},
        }
        for (
            project_id, name, domain_id, description, enabled, parent_id, is_domain, options, extra,
        ) in rows
    ]  # fmt: skip


def domain(request: Request, row: Any, tags: list[str]) -> dict[str, Any]:
    return {
        **row.extra,
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "enabled": row.enabled,
        "tags": tags,
        "options": row.options,
        "links": link(request, "domains", row.id),
    }


def user(request: Request, row: Any, *, idle: bool = False) -> dict[str, Any]:
    """A user. idle: for too long."""
    values = [getattr(row, name) for name in USER]
    return users(request, [values], {row.id} if idle else ())[0]


def users(
    request: Request, rows: Iterable[Sequence[Any]], idle: Container[str]
) -> list[dict[str, Any]]:
    """Users whose rows have the columns USER. idle: ids of those who count as disabled because they were."""
    here = link(request, "users", "")["self"]
    found = []
    for (
        user_id,
        name,
        domain_id,
        enabled,
        expires_at,
        _,
        default_project_id,
        options,
        extra,
    ) in rows:
        one = {
            **extra,
            "id": user_id,
            "name": name,
            "domain_id": domain_id,
            "enabled": enabled and user_id not in idle,
            "password_expires_at": zulu_micro(expires_at),
            "options": options,
            "links": {"self": here + user_id},
        }
        if default_project_id is not None:
            one["default_project_id"] = default_project_id
        found.append(one)
    return found


def group(request: Request, row: Any) -> dict[str, Any]:
    return {
        **row.extra,
        "id": row.id,
        "name": row.name,
        "domain_id": row.domain_id,
        "description": row.description or "",
        "links": link(request, "groups", row.id),
    }


def role(request: Request, row: Any) -> dict[str, Any]:
    return {
        **row.extra,
        "id": row.id,
        "name": row.name,
        "domain_id": None if row.domain_id == "*" else row.domain_id,
        "description": row.description,
        "options": row.options,
        "links": link(request, "roles", row.id),
    }


def region(request: Request, row: Any) -> dict[str, Any]:
    return {
        **row.extra,
        "id": row.id,
        "parent_region_id": row.parent_region_id,
        "description": row.description,
        "links": link(request, "regions", row.id),
    }


def service(request: Request, row: Any) -> dict[str, Any]:
    answer = {
        **row.extra,
        "id": row.id,
        "type": row.type,
        "enabled": row.enabled,
        "links": link(request, "services", row.id),
    }
    if row.name is not None:
        answer["name"] = row.name
    if row.description is not None:
        answer["description"] = row.description
    return answer


def endpoint(request: Request, row: Any) -> dict[str, Any]:
    return {
        **row.extra,
        "id": row.id,
        "service_id": row.service_id,
        "interface": row.interface,
        "region": row.region_id,
        "region_id": row.region_id,
        "url": row.url,
        "enabled": row.enabled,
        "links": link(request, "endpoints", row.id),
    }


def policy(request: Request, row: Any) -> dict[str, Any]:
    return {
        **row.extra,
        "id": row.id,
        "type": row.type,
        "blob": row.blob,
        "links": link(request, "policies", row.id),
    }


def endpoint_group(request: Request, row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "filters": row.filters,
        "links": link(request, "OS-EP-FILTER", "endpoint_groups", row.id),
    }


def registered_limit(request: Request, row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "service_id": row.service_id,
        "region_id": row.region_id or None,
        "resource_name": row.resource_name,
        "default_limit": row.default_limit,
        "description": row.description,
        "links": link(request, "registered_limits", row.id),
    }


def limit(request: Request, row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "service_id": row.service_id,
        "region_id": row.region_id or None,
        "resource_name": row.resource_name,
        "resource_limit": row.resource_limit,
        "project_id": row.project_id or None,
        "domain_id": row.domain_id or None,
        "description": row.description,
        "links": link(request, "limits", row.id),
    }


def identity_provider(request: Request, row: Any, remote_ids: list[str]) -> dict[str, Any]:
    own = link(request, "OS-FEDERATION", "identity_providers", row.id)
    return {
        "id": row.id,
        "enabled": row.enabled,
        "description": row.description,
        "domain_id": row.domain_id,
        "remote_ids": remote_ids,
        "authorization_ttl": row.authorization_ttl,
        "links": {**own, "protocols": f"{own['self']}/protocols"},
    }


def protocol(request: Request, row: Any) -> dict[str, Any]:
    provider = link(request, "OS-FEDERATION", "identity_providers", row.idp_id)["self"]
    return {
        "id": row.id,
        "mapping_id": row.mapping_id,
        "remote_id_attribute": row.remote_id_attribute,
        "links": {
            **link(request, "OS-FEDERATION", "identity_providers", row.idp_id, "protocols", row.id),
            "identity_provider": provider,
        },
    }


def mapping(request: Request, row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "rules": row.rules,
        "schema_version": row.schema_version,
        "links": link(request, "OS-FEDERATION", "mappings", row.id),
    }


def service_provider(request: Request, row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "auth_url": row.auth_url,
        "sp_url": row.sp_url,
        "description": row.description,
        "enabled": row.enabled,
        "relay_state_prefix": row.relay_state_prefix,
        "links": link(request, "OS-FEDERATION", "service_providers", row.id),
    }
