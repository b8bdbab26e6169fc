"""What the dashboard works with."""

from __future__ import annotations

from msgspec import Struct
from starlette.types import ASGIApp

from hanok.base.clock import Clock
from hanok.base.cloud_key import CloudKey
from hanok.rooms import House
from hanok.services.dashboard.policy import HEARS_EVERYTHING
from hanok.services.dashboard.sessions import Sessions
from hanok.services.dashboard.streams import Streams
from hanok.web.policy import Enforcer
from hanok.web.token import Token


class DashboardSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the dashboard.

    streams: live pages at once; streams_each_user: of one user. A page beyond these looks every few seconds itself.
    """

    streams: int = 500
    streams_each_user: int = 16


class Dashboard(Struct, kw_only=True):
    """Built once by control. door: the front door of the cloud, through which all requests go."""

    house: House
    clock: Clock
    door: ASGIApp
    sessions: Sessions
    streams: Streams

    @property
    def key(self) -> CloudKey:
        return self.house.cloud_key

    def hears_everything(self, token: Token) -> bool:
        """Whether the access rules let a caller's live pages hear of all projects."""
        rules = self.house.enforcer("dashboard")
        return rules.allows(HEARS_EVERYTHING, {}, token.credentials)

    def rules_of(self, kind: str) -> Enforcer | None:
        """The rules in force of a service; None where there is none that is on."""
        try:
            return self.house.enforcer(kind)
        except KeyError:
            return None
