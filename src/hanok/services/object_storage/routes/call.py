"""One request to object storage: what it is about, who asks, and what they may."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.services.object_storage.logic import acls
from hanok.services.object_storage.logic.names import Address, Said
from hanok.services.object_storage.room import ObjectStore
from hanok.services.object_storage.routes.faults import HTML
from hanok.web.request import Request

TRUE = ("true", "1", "yes", "on", "t", "y")


def is_true(text: str | None) -> bool:
    return (text or "").lower() in TRUE


class Call:
    """A request with its address.

    owner: whether the caller may do everything in the account. reseller: in every account.
    signed: what a signature of the address opens: it says whether a container is among it; None: there is none.
    """

    def __init__(self, request: Request, room: ObjectStore, address: Address) -> None:
        self.request = request
        self.room = room
        self.address = address
        self.method = request.method
        self.headers: Mapping[str, str] = request.headers
        self.query = request.query
        self.signed: Callable[[str, str], bool] | None = None
        self.attachment: str | None = None
        token = request.optional_token
        self.reseller = token is not None and request.may("reseller_admin_role")
        self.owner = self.owns(address.account)

    def owns(self, account: str) -> bool:
        """Whether the caller may do everything in an account."""
        token = self.request.optional_token
        if self.signed is not None or token is None:
            return False
        mine = token.project_id == account
        return self.reseller or (mine and self.request.may("operator_roles"))

    @property
    def user_id(self) -> str | None:
        token = self.request.optional_token
        return None if token is None else token.user_id

    # ---- rights ----

    def refuse(self) -> Said:
        """The answer to who may not: whoever said no name is asked for one."""
        if self.request.optional_token is not None and self.signed is None:
            return Said(403)
        account = self.address.account
        return Said(401, "", {"WWW-Authenticate": f'Swift realm="AUTH_{account}"'})

    def check_owner(self) -> None:
        if not self.owner:
            raise self.refuse()

    def _reads_own(self, account: str) -> bool:
        token = self.request.optional_token
        if token is None or self.signed is not None or token.project_id != account:
            return False
        return self.request.may("project_reader_roles")

    def check_reads_account(self) -> None:
        if not self.owner and not self._reads_own(self.address.account):
            raise self.refuse()

    def may_read(self, container: Row[Any], *, listing: bool = False) -> bool:
        """Whether the caller may read what is in a container, or see its list."""
        account = container.account
        if self.signed is not None:
            return not listing and self.signed(account, container.name)
        if self.owns(account) or self._reads_own(account):
            return True
        referrers, groups = acls.parsed(container.read_acl)
        if acls.comes_from(self.headers.get("referer", ""), referrers):
            if not listing or acls.LISTINGS in groups:
                return True
        return self._is_named(container, groups)

    def may_write(self, container: Row[Any]) -> bool:
        """Whether the caller may write objects of a container."""
        if self.signed is not None:
            return self.signed(container.account, container.name)
        if self.owns(container.account):
            return True
        return self._is_named(container, acls.parsed(container.write_acl)[1])

    def _is_named(self, container: Row[Any], groups: list[str]) -> bool:
        token = self.request.optional_token
        if token is None or token.project_id is None:
            return False
        projects, users = [token.project_id], [token.user_id]
        # Names say who is meant only where all of them are of the default domain.
        domains = {container.metadata.get("domain"), token.user_domain_id, token.project_domain_id}
        if domains == {"default"} and token.project_name and token.user_name:
            projects.append(token.project_name)
            users.append(token.user_name)
        if acls.names_user(groups, projects, users):
            return True
        account = container.account
        roles = {role.lower() for role in token.roles}
        return token.project_id == account and any(one.lower() in roles for one in groups)

    def check_reads(
        self, container: Row[Any] | None, account: str, *, listing: bool = False
    ) -> Row[Any]:
        """Go on only if the caller may read; of what is not there, only who may is told so.

        Args:
            account: whose container it is, or would be.

        Raises:
            Said
        """
        if container is None:
            if self.owns(account) or self._reads_own(account) or self.signed is not None:
                raise Said(404)
            raise self.refuse()
        if not self.may_read(container, listing=listing):
            raise self.refuse()
        return container

    def check_writes(self, container: Row[Any] | None, account: str) -> Row[Any]:
        """As `check_reads`."""
        if container is None:
            if self.owns(account) or self.signed is not None:
                raise Said(404)
            raise self.refuse()
        if not self.may_write(container):
            raise self.refuse()
        return container


def empty(status: int, headers: Mapping[str, str] | None = None) -> Response:
    """An answer without a body that says so."""
    return Response(None, status, {"Content-Type": HTML, "Content-Length": "0", **(headers or {})})
