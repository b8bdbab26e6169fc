"""What identity's handlers work with, built once by control."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, field

from hanok.base import patterns
from hanok.base.clock import Clock
from hanok.base.recent import Recent
from hanok.services.identity.logic.catalog import Catalogs
from hanok.services.identity.logic.directories import Directories
from hanok.services.identity.logic.keys import Keys
from hanok.services.identity.logic.openid import OpenIDProvider, OpenIDSettings
from hanok.services.identity.logic.passwords import Passwords
from hanok.services.identity.logic.saml import SAMLProvider, SAMLSettings
from hanok.services.identity.logic.tokens import Tokens


class IdentitySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An operator's choices. Zero, and an empty text, switches a rule off.

    lock_after: wrong passwords in a row before a user is locked out for lock_for_s seconds; zero seconds: until an
        administrator enables the user again.
    remember_passwords: how many past passwords may not come back.
    rotate_keys_days: how old the keys of tokens and secrets become before they are replaced.
    directory_s: how often the rows of people and groups in directories are brought up to date.
    limit_model: how limits of projects and domains fit together.
    openid: identity providers that speak OpenID Connect, by the id they have here.
    certificate_mapping: the mapping that makes users of clients' certificates.
    saml: this cloud as an identity provider of others by SAML 2; none: it is not.
    trusted_dashboards: pages that may be handed a token after a sign-in in the browser.
    authorization_ttl_minutes: how long the groups that a provider gave stay, where it does not say so itself.
    password_regex: what a new password must match; password_regex_description says it in words.
    password_expires_days: days until a password must be changed.
    minimum_password_age_days: days before a password that its user chose may be changed by the user again.
    change_password_upon_first_use: a password that an administrator set is only good for changing it.
    disable_after_days: days without a sign-in after which a user counts as disabled.
    receipt_lifetime_s: how long a sign-in with several methods may take.
    totp_previous_windows: how many passcodes before the current one are taken, too (30 s each).
    signature_window_s: how far the time in a signed request may be from ours.
    presigned_s: how old the version 4 signature of an S3 request may be, if more than that: for clouds whose users give
        out signed addresses (604800, a week, is the longest that S3 knows).
    redelegations: how often a trust can be handed on at most.
    credentials_each: credentials that a user may have.
    request_token_s, access_token_s: how long OAuth 1 tokens live; zero: without end.
    """

    token_lifetime_s: int = 3600
    lock_after: int = 0
    lock_for_s: int = 1800
    remember_passwords: int = 0
    password_rounds: int = 12
    password_regex: str = ""
    password_regex_description: str = ""
    rotate_keys_days: int = 30
    directory_s: int = 60
    limit_model: Literal["flat", "strict_two_level"] = "flat"
    openid: dict[str, OpenIDSettings] = {}
    certificate_mapping: str = "oauth2_mapping"
    saml: SAMLSettings | None = None
    trusted_dashboards: tuple[str, ...] = ()
    authorization_ttl_minutes: int = 0
    password_expires_days: int = 0
    minimum_password_age_days: int = 0
    change_password_upon_first_use: bool = False
    disable_after_days: int = 0
    receipt_lifetime_s: int = 300
    totp_previous_windows: int = 1
    signature_window_s: int = 900
    presigned_s: int = 0
    redelegations: int = 3
    credentials_each: int = 1000
    request_token_s: int = 28_800
    access_token_s: int = 86_400

    def __post_init__(self) -> None:
        if self.password_regex:
            try:
                patterns.pattern(self.password_regex)
            except patterns.BadPattern as error:
                raise ValueError(f"password_regex is not a valid pattern: {error}") from None


KEYS_MAXIMUM = 1024  # keys of EC2 and S3 whose worth is remembered


class Identity(Struct, frozen=True, kw_only=True):
    """The room. ec2_keys: see logic/ec2.py."""

    clock: Clock
    tokens: Tokens
    passwords: Passwords
    secrets: Keys
    key_folder: Path
    settings: IdentitySettings = IdentitySettings()
    directories: Directories
    catalogs: Catalogs
    openid: dict[str, OpenIDProvider] = {}
    saml: SAMLProvider | None = None
    ec2_keys: Recent[str, Any] = field(default_factory=lambda: Recent(KEYS_MAXIMUM))

    @property
    def lock_for(self) -> timedelta:
        return timedelta(seconds=self.settings.lock_for_s)
