"""An LDAP directory, read: its people and groups, and whether a password is somebody's.

Options have the names and defaults of the group `ldap` of a domain's settings. Each call opens a connection of its
own, works in a thread of those that are for this directory, and gives up when the directory does not answer: who asks
a dead one holds up nobody but its own people.

Sources: RFC 4511 and 4515; Identity API, domain configuration.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from msgspec import Struct

from hanok.base.errors import Unavailable
from hanok.services.identity.logic.domain_options import KNOWN

CONNECT_S = 5
CONNECT_ALL_S = 15.0  # to the first of its addresses that answers
ANSWER_S = 20
READ_S = 300.0  # all of it: 100,000 entries at 350 a second
AT_ONCE, WAITING = 4, 250  # requests to one directory: a lecture hall that signs in at once
TURN_S = 10.0  # what has waited longer is given up: the directory is dead, or as good as dead
PAGE = 500
LONGEST, LONGEST_TEAM = 255, 64  # characters of a name here
MAXIMUM = 100_000  # entries that are taken from one directory

T = TypeVar("T")


class Person(Struct, frozen=True, kw_only=True):
    local_id: str
    name: str
    dn: str
    email: str = ""
    description: str = ""
    enabled: bool = True


class Team(Struct, frozen=True, kw_only=True):
    """A group. members: local ids of people, or their DNs, as the directory names them."""

    local_id: str
    name: str
    dn: str
    description: str = ""
    members: tuple[str, ...] = ()


_SCOPES = {"one": "LEVEL", "sub": "SUBTREE"}
_CHECKS = {"demand": ssl.CERT_REQUIRED, "allow": ssl.CERT_OPTIONAL, "never": ssl.CERT_NONE}


@functools.cache
def _ldap3() -> Any:
    """The library, once a domain has a directory: most clouds have none, and it is large and old."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import ldap3
        import ldap3.core.exceptions
        import ldap3.utils.conv
    return ldap3


def _truth(value: Any) -> bool:
    return str(value).strip().lower() in ("1", "true", "yes", "on")


def _first(entry: Mapping[str, list[str]], name: str) -> str:
    return next(iter(entry.get(name, ())), "")


def _escaped(text: str) -> str:
    return str(_ldap3().utils.conv.escape_filter_chars(text))


class Turns:
    """The threads that ask one directory, and how many requests may wait for them."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="directory")
        self._pending: set[Future[Any]] = set()

    def __len__(self) -> int:
        """How many ask, or wait to."""
        return len(self._pending)

    async def take(self, work: Callable[[], T]) -> T:
        """Do it in a thread.

        Raises:
            Unavailable: too many wait already, or it had to wait too long.
        """
        until = time.monotonic() + TURN_S
        busy = Unavailable("Too many wait for the directory of the domain.")

        def turn() -> T:
            if time.monotonic() > until:
                raise busy
            return work()

        if len(self) >= AT_ONCE + WAITING:
            raise busy
        future = self._threads.submit(turn)
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)  # also when who asked has gone meanwhile
        return await asyncio.wrap_future(future)


class Directory:
    """One domain's directory.

    options: what the domain has set, the password among them; the rest is as everywhere. turns: of all that ask it.
    """

    def __init__(self, options: Mapping[str, Any], turns: Turns | None = None) -> None:
        self.options = {**KNOWN["ldap"], "password": None, **options}
        self._turns = Turns() if turns is None else turns
        self._people_base = self.options["user_tree_dn"] or f"ou=Users,{self.options['suffix']}"
        self._teams_base = (
            self.options["group_tree_dn"] or f"ou=UserGroups,{self.options['suffix']}"
        )

    async def people(self) -> list[Person]:
        """Everybody in it.

        Raises:
            Unavailable: the directory does not answer as it should.
        """
        return await self._within(lambda: self._people(self._filter("user")))

    async def find(self, name: str) -> Person | None:
        """Somebody by name; None when there is nobody, or several."""
        return await self._one("user_name_attribute", name)

    async def get(self, local_id: str) -> Person | None:
        return await self._one("user_id_attribute", local_id)

    async def teams(self) -> list[Team]:
        """All groups."""
        return await self._within(self._teams)

    async def binds(self, dn: str, password: str) -> bool:
        """Whether a password is that of an entry. An empty one is nobody's: to directories it means "nobody asks"."""
        if not password:
            return False

        def work() -> bool:
            try:
                with self._connection(dn, password):
                    return True
            except _ldap3().core.exceptions.LDAPInvalidCredentialsResult:
                return False

        return await self._within(work)

    # ---- in a thread ----

    async def _within(self, work: Callable[[], T]) -> T:
        failures = (await asyncio.to_thread(_ldap3)).core.exceptions.LDAPException
        try:
            return await self._turns.take(work)
        except failures as error:
            raise Unavailable(
                "The directory of the domain does not answer.", detail=repr(error)
            ) from error
        except (
            ValueError,
            TypeError,
            OSError,
        ) as error:  # what was set makes no sense to the library
            raise Unavailable(
                "The directory of the domain cannot be used as it is set.", detail=repr(error)
            ) from error

    async def _one(self, attribute: str, value: str) -> Person | None:
        match = f"({self.options[attribute]}={_escaped(value)})"
        found = await self._within(lambda: self._people(f"(&{self._filter('user')}{match})"))
        # Directories compare as they like; names here are told apart to the letter.
        key = "name" if attribute == "user_name_attribute" else "local_id"
        exact = [one for one in found if getattr(one, key) == value]
        return exact[0] if len(exact) == 1 else None

    @contextmanager
    def _connection(self, user: str | None, password: str | None) -> Iterator[Any]:
        """A connection as somebody, to the first server that answers; closed when the block is left."""
        ldap3, options = _ldap3(), self.options
        tls = ldap3.Tls(
            validate=_CHECKS.get(str(options["tls_req_cert"]), ssl.CERT_REQUIRED),
            ca_certs_file=options["tls_cacertfile"],
            ca_certs_path=options["tls_cacertdir"],
        )
        *others, last = [url.strip() for url in str(options["url"]).split(",")]
        until = time.monotonic() + CONNECT_ALL_S
        for url in (*others, last):
            server = ldap3.Server(url, connect_timeout=CONNECT_S, tls=tls, get_info=ldap3.NONE)
            connection = ldap3.Connection(
                server,
                user=user or None,
                password=password or None,
                read_only=True,
                receive_timeout=ANSWER_S,
                auto_referrals=_truth(options["chase_referrals"]),
                check_names=False,
                raise_exceptions=True,
            )
            try:
                connection.open()
            except ldap3.core.exceptions.LDAPSocketOpenError:
                if connection.socket is not None:
                    connection.socket.close()  # the library leaves it to the collector
                if url is last or time.monotonic() > until:
                    raise
                continue
            try:
                if _truth(options["use_tls"]) and not url.startswith("ldaps:"):
                    connection.start_tls()
                connection.bind()
                yield connection
            finally:
                connection.unbind()
            return

    def _filter(self, kind: str) -> str:
        own = str(self.options[f"{kind}_filter"] or "")
        if own and not own.startswith("("):
            own = f"({own})"
        return f"(&(objectClass={self.options[f'{kind}_objectclass']}){own})"

    def _search(
        self, base: str, match: str, names: Iterable[str]
    ) -> list[tuple[str, dict[str, list[str]]]]:
        """(DN, attributes in lower case with their values) of all entries that match."""
        requested = sorted({name for name in names if name and name.lower() != "dn"})
        found, until = [], time.monotonic() + READ_S
        with self._connection(self.options["user"], self.options["password"]) as connection:
            entries = connection.extend.standard.paged_search(
                base,
                match,
                search_scope=_SCOPES.get(str(self.options["query_scope"]), "LEVEL"),
                attributes=requested,
                paged_size=int(self.options["page_size"] or 0) or PAGE,
                generator=True,
            )
            for entry in entries:
                if entry.get("type") != "searchResEntry":
                    continue
                raw = {
                    name.lower(): [
                        value.decode(errors="replace").replace("\0", "") for value in values
                    ]
                    for name, values in entry["raw_attributes"].items()
                }
                found.append((str(entry["dn"]), {**raw, "dn": [str(entry["dn"])]}))
                if len(found) > MAXIMUM:
                    raise _ldap3().core.exceptions.LDAPException(f"more than {MAXIMUM} entries")
                if time.monotonic() > until:
                    raise _ldap3().core.exceptions.LDAPException(f"not read in {READ_S:.0f} s")
        return found

    def _people(self, match: str) -> list[Person]:
        names = {key: str(self.options[f"user_{key}_attribute"] or "").lower()
                 for key in ("id", "name", "mail", "description", "enabled")}  # fmt: skip
        rows = self._search(self._people_base, match, names.values())
        emulated = self._emulated() if _truth(self.options["user_enabled_emulation"]) else None
        people = []
        for dn, entry in rows:
            local_id = _first(entry, names["id"])
            name = _first(entry, names["name"])
            if not 0 < len(local_id) <= LONGEST or not 0 < len(name) <= LONGEST:
                continue  # an entry that nobody could name
            people.append(
                Person(
                    local_id=local_id,
                    name=name,
                    dn=dn,
                    email=_first(entry, names["mail"]),
                    description=_first(entry, names["description"]),
                    enabled=self._enabled(entry.get(names["enabled"]))
                    if emulated is None
                    else dn.lower() in emulated,
                )
            )
        return people

    def _enabled(self, values: list[str] | None) -> bool:
        mask = int(self.options["user_enabled_mask"] or 0)
        value = values[0] if values else str(self.options["user_enabled_default"])
        if mask:
            try:
                return not int(value) & mask
            except ValueError:  # whatever the directory has there, it is no mask that says "off"
                return True
        return _truth(value) != _truth(self.options["user_enabled_invert"])

    def _emulated(self) -> set[str]:
        """DNs, in lower case, of the members of the group that holds everybody who is switched on."""
        dn = self.options["user_enabled_emulation_dn"] or f"cn=enabled_users,{self._people_base}"
        member = str(self.options["group_member_attribute"])
        with self._connection(self.options["user"], self.options["password"]) as connection:
            connection.search(dn, "(objectClass=*)", "BASE", attributes=[member])
            entries = [one for one in connection.response or [] if "raw_attributes" in one]
            values = entries[0]["raw_attributes"].get(member, []) if entries else []
        return {value.decode(errors="replace").lower() for value in values}

    def _teams(self) -> list[Team]:
        names = {
            "id": str(self.options["group_id_attribute"]).lower(),
            "name": str(self.options["group_name_attribute"]).lower(),
            "description": str(self.options["group_desc_attribute"] or "").lower(),
            "member": str(self.options["group_member_attribute"]).lower(),
        }
        teams = []
        for dn, entry in self._search(self._teams_base, self._filter("group"), names.values()):
            local_id = _first(entry, names["id"])
            name = _first(entry, names["name"])
            if 0 < len(local_id) <= LONGEST and 0 < len(name) <= LONGEST_TEAM:
                teams.append(
                    Team(
                        local_id=local_id,
                        name=name,
                        dn=dn,
                        description=_first(entry, names["description"]),
                        members=tuple(entry.get(names["member"], [])),
                    )
                )
        return teams
