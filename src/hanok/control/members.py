"""The machines of a cloud: what lets one join, which ones are there, and what ends when one is removed.

Rows are the truth. Each control process writes what they say into `members.json`, from which the supervisor beside it
makes the settings of what hosts speak to; the authority's files lie beside, and only control signs with them.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok import __version__
from hanok.base.authority import (
    DAYS,
    HOST_NAME,
    Authority,
    BadRequest,
    Granted,
    JoinToken,
    fingerprint,
    key_hash,
    requested_key,
)
from hanok.base.clock import zulu
from hanok.base.durable import put_in_place
from hanok.base.errors import BadInput, Conflict, Forbidden, NotFound
from hanok.commands.wire import host_token
from hanok.control import controllers
from hanok.control.settings import ControlSettings
from hanok.control.tables import cloud_hosts, host_certificates, join_tokens
from hanok.store import Transaction

TOKEN_S = 3600.0
TOKENS = 1000  # that wait to be used at once
COMPUTE, CONTROLLER = "compute", "controller"
ROLES = (COMPUTE, CONTROLLER)
HELD = (
    50  # certificates of a host that are good at once: it asks for one in two months, or is told to
)
TOPIC = "members"  # of wake-ups

_all = sa.select(cloud_hosts).order_by(cloud_hosts.c.name)
_one = sa.select(cloud_hosts).where(cloud_hosts.c.name == bindparam("name"))
_like = sa.select(cloud_hosts).where(
    (cloud_hosts.c.token == bindparam("token")) | (cloud_hosts.c.address == bindparam("address"))
)
_token = sa.select(join_tokens).where(join_tokens.c.hash == bindparam("hash"))
_tokens = sa.select(sa.func.count()).select_from(join_tokens)
_old_tokens = join_tokens.delete().where(join_tokens.c.ends_at < bindparam("now"))
_use = (
    join_tokens.update()
    .where(join_tokens.c.hash == bindparam("token_hash"))
    .values(used_by=bindparam("name"))
)
_remove = cloud_hosts.delete().where(cloud_hosts.c.name == bindparam("host"))
_renewed = (
    cloud_hosts.update()
    .where(cloud_hosts.c.name == bindparam("host"))
    .values(
        ends_at=bindparam("until"),
        anchor=bindparam("trusted"),
    )
)
_renewed_control = (
    cloud_hosts.update()
    .where(cloud_hosts.c.name == bindparam("host"))
    .values(control_anchor=bindparam("trusted"), control_key=bindparam("hash"))
)
_revoked = (
    sa.select(host_certificates.c.serial)
    .where(host_certificates.c.revoked.is_(sa.true()))
    .order_by(host_certificates.c.serial)
)
_revoke = (
    host_certificates.update()
    .where(host_certificates.c.host == bindparam("of"))
    .values(revoked=True)
)
_is_revoked = sa.select(host_certificates.c.serial).where(
    host_certificates.c.serial == bindparam("serial"), host_certificates.c.revoked.is_(sa.true())
)
_held = sa.select(host_certificates.c.key_hash).where(
    host_certificates.c.host == bindparam("of"), host_certificates.c.revoked.is_(sa.false())
)
_held_count = (
    sa.select(sa.func.count())
    .select_from(host_certificates)
    .where(host_certificates.c.host == bindparam("of"))
    .where(host_certificates.c.revoked.is_(sa.false()))
)
_keys = (
    sa.select(host_certificates.c.host, host_certificates.c.key_hash)
    .where(host_certificates.c.revoked.is_(sa.false()), host_certificates.c.key_hash.is_not(None))
    .where(host_certificates.c.host.in_(sa.select(cloud_hosts.c.name)))
    .order_by(host_certificates.c.host, host_certificates.c.key_hash)
    .distinct()
)
_past = host_certificates.delete().where(host_certificates.c.ends_at < bindparam("now"))


class Joining(Struct, frozen=True, forbid_unknown_fields=True):
    """A machine that wants to be a host.

    secret: of the token. name, address: what it is called, and where others reach it. version: of its program.
    request: for its certificates, PEM. roles: what it is to do. control_request: of a controller, for the key of its
        control process.
    """

    secret: str
    name: str
    address: str
    version: str
    request: str
    roles: tuple[str, ...] = (COMPUTE,)
    control_request: str = ""

    @property
    def is_controller(self) -> bool:
        return CONTROLLER in self.roles


class Renewal(Struct, frozen=True, forbid_unknown_fields=True):
    """A host asks for other certificates; a controller for its control process, too."""

    request: str
    control_request: str = ""


class Wish(Struct, frozen=True, forbid_unknown_fields=True):
    """What a machine may be that joins with the token that is asked for.

    proof: of a controller's, that who asks is root on a controller (controllers.proof): an administrator of the APIs
        alone is not given the cloud's keys.
    """

    roles: tuple[str, ...] = (COMPUTE,)
    proof: str = ""


@dataclass(frozen=True)
class Places:
    """Where a cloud that other machines may join has what concerns them."""

    settings: ControlSettings

    @property
    def folder(self) -> Path:
        return self.settings.state / "control"

    @property
    def can_grow(self) -> bool:
        return bool(self.settings.tls and self.settings.address)

    def authority(self) -> Authority:
        """
        Raises:
            Conflict: this cloud has none.
        """
        if not self.can_grow:
            raise Conflict(
                "Other machines cannot reach this cloud: hanok down, then hanok up --address "
                "with an address of this machine."
            )
        folder = self.folder / "authority"
        return Authority((folder / "ca-cert.pem").read_text(), (folder / "ca-key.pem").read_text())


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def new_token(
    tx: Transaction, places: Places, url: str, roles: tuple[str, ...], now: datetime
) -> dict[str, Any]:
    """Something that lets one machine join within the hour.

    roles: what it may be at most.

    Raises:
        BadInput: there is no such role. Conflict: no machine can join this cloud, or too many tokens wait.
    """
    _check_roles(roles)
    authority = places.authority()
    await tx.execute(_old_tokens, {"now": now})
    if (await tx.scalar(_tokens) or 0) >= TOKENS:
        raise Conflict(f"{TOKENS} tokens wait to be used; the oldest ends within the hour.")
    secret, until = secrets.token_urlsafe(24), now + timedelta(seconds=TOKEN_S)
    values = {"hash": _hash(secret), "ends_at": until, "used_by": None, "roles": ",".join(roles)}
    await tx.insert(join_tokens, values)
    line = JoinToken(url, fingerprint(authority.certificate), secret)
    return {"token": str(line), "expires_at": zulu(until)}


async def join(tx: Transaction, places: Places, requested: Joining, now: datetime) -> Granted:
    """A machine is a host of this cloud. Repeated with the same token, name and key it is told the same again.

    Raises:
        Forbidden: the token is not good, or no longer. BadInput, Conflict: the machine does not fit.
    """
    authority = places.authority()
    hashed = _hash(requested.secret)
    await tx.serialize(TOPIC)
    token = await check_token(tx, requested, now)
    _check(places, requested)
    if beyond := set(requested.roles) - set((token.roles or COMPUTE).split(",")):
        role = min(beyond)
        raise Forbidden(f"The token is not one for a {role}: hanok token --roles {role}")
    if requested.is_controller:
        controllers.check(places.settings)
    there = await tx.all(_like, {"token": host_token(requested.name), "address": requested.address})
    again = len(there) == 1 and (there[0].name, there[0].joined_by) == (requested.name, hashed)
    if there and not again:
        what = "name" if there[0].token == host_token(requested.name) else "address"
        raise Conflict(f"The {what} is taken by the host {there[0].name}.")
    if again:
        await _check_same(tx, there[0], requested)
        await tx.execute(_revoke, {"of": requested.name})
        await tx.execute(_remove, {"host": requested.name})
    granted = await _grant(tx, authority, requested.request, requested.name, requested.address, now)
    control, anchor, hashed_key = "", None, None
    if requested.is_controller:
        control, anchor, hashed_key = _control(
            authority, requested.control_request, requested.name, now
        )
    await tx.insert(
        cloud_hosts,
        {
            "name": requested.name,
            "token": host_token(requested.name),
            "address": requested.address,
            "roles": ",".join(requested.roles),
            "ends_at": now + timedelta(days=DAYS),
            "anchor": granted.anchor,
            "control_anchor": anchor,
            "control_key": hashed_key,
            "joined_by": hashed,
            "joined_at": now,
        },
    )
    await tx.execute(_use, {"token_hash": hashed, "name": requested.name})
    return granted._replace(control=control)


async def check_token(tx: Transaction, requested: Joining, now: datetime) -> Row[Any]:
    """The token that a machine shows.

    Raises:
        Forbidden: it is not good, or no longer.
    """
    token = await tx.first(_token, {"hash": _hash(requested.secret)})
    if token is None or token.ends_at <= now or token.used_by not in (None, requested.name):
        raise Forbidden("The token is not valid: it was used, or is older than an hour.")
    return token


async def _check_same(tx: Transaction, row: Row[Any], requested: Joining) -> None:
    """Who repeats a join has the keys with which it was begun: others saw the token in a list of processes.

    Raises:
        Forbidden: it is somebody else.
    """
    try:
        same = requested_key(requested.request) in await tx.scalars(_held, {"of": row.name})
        if same and requested.is_controller and row.control_key:
            same = requested_key(requested.control_request) == row.control_key
    except BadRequest as error:
        raise BadInput(f"The certificate cannot be made: {error}.") from error
    if not same:
        raise Forbidden(
            f"The token is not valid: {row.name} joined with it, and with another key. If that is not "
            f"this machine: hanok host remove {row.name}, and another token."
        )


def _check(places: Places, requested: Joining) -> None:
    """Raises BadInput or Conflict when a machine does not fit."""
    own = places.settings
    if requested.version != __version__:
        raise Conflict(
            f"The machine runs version {requested.version[:40]} and the cloud {__version__}; "
            "both have to be the same."
        )
    if not HOST_NAME.fullmatch(requested.name):
        raise BadInput(f"{requested.name[:70]} is not a valid name of a host.")
    name, at = own.first_machine
    if host_token(requested.name) == host_token(name):
        raise Conflict(f"The name {requested.name} is taken by the machine where the cloud began.")
    try:
        address = ipaddress.IPv4Address(requested.address)
        zero = address in ipaddress.IPv4Network("0.0.0.0/8")
    except ValueError:
        raise BadInput(f"{requested.address[:50]} is not a valid IPv4 address.") from None
    if zero or address.is_loopback or address.is_multicast or address.is_reserved:
        raise BadInput(f"{requested.address} is not an address at which other machines reach it.")
    if requested.address in (own.address, at):
        raise Conflict(f"The address {requested.address} is the cloud's own.")
    _check_roles(requested.roles)


def _check_roles(roles: tuple[str, ...]) -> None:
    if len(set(roles)) < len(roles):
        raise BadInput("A role is named more than once.")
    if not roles or (unknown := set(roles) - set(ROLES)):
        named = sorted(unknown)[0] if roles else ""
        raise BadInput(f"{named[:40]!r} is not a valid role; there are: {', '.join(ROLES)}.")


def _control(
    authority: Authority, requested: str, name: str, now: datetime
) -> tuple[str, str | None, str | None]:
    """See Authority.for_controller. Raises BadInput."""
    try:
        return authority.for_controller(requested, name, now)
    except BadRequest as error:
        raise BadInput(f"The controller's certificate cannot be made: {error}.") from error


async def _grant(
    tx: Transaction, authority: Authority, requested: str, name: str, address: str, now: datetime
) -> Granted:
    try:
        granted = authority.for_host(requested, name, [address], now)
    except BadRequest as error:
        raise BadInput(f"The certificate cannot be made: {error}.") from error
    values = {"serial": granted.serial, "host": name, "revoked": False}
    values["key_hash"] = key_hash(granted.certificate)
    await tx.insert(host_certificates, {**values, "ends_at": now + timedelta(days=DAYS)})
    return granted


async def renew(
    tx: Transaction, places: Places, host: str, serial: str, requested: Renewal, now: datetime
) -> Granted:
    """Other certificates for a host. What it had goes on until it ends: who asks may not have these yet.

    serial: of the certificate that it shows.

    Raises:
        Forbidden: there is no such host, it is another one that has its name now, or no controller.
        Conflict: it has many already.
    """
    await tx.serialize(TOPIC)
    row = await tx.first(_one, {"name": host})
    if row is None or await is_revoked(tx, serial):
        raise Forbidden("This machine is not a host of this cloud.")
    if requested.control_request and CONTROLLER not in row.roles.split(","):
        raise Forbidden(f"{host} is not a controller of this cloud.")
    await _check_certificates(tx, host, now)
    authority = places.authority()
    granted = await _grant(tx, authority, requested.request, host, row.address, now)
    if requested.control_request:
        control, anchor, hashed = _control(authority, requested.control_request, host, now)
        both = (anchor or "") + _last(row.control_anchor or "")
        await tx.execute(_renewed_control, {"host": host, "trusted": both, "hash": hashed})
        granted = granted._replace(control=control)
    values = {
        "host": host,
        "until": now + timedelta(days=DAYS),
        # The one before is trusted beside it until the next renewal: nobody is cut off in between.
        "trusted": granted.anchor + _last(row.anchor),
    }
    await tx.execute(_renewed, values)
    return granted


async def _check_certificates(tx: Transaction, host: str, now: datetime) -> None:
    """Raises Conflict where a host has many certificates: each is in what all engines of the cloud are told."""
    await tx.execute(_past, {"now": now})
    if (await tx.scalar(_held_count, {"of": host}) or 0) >= HELD:
        raise Conflict(f"{host} has {HELD} certificates that are good yet; the oldest ends first.")


def _last(anchors: str) -> str:
    end = "-----END CERTIFICATE-----\n"
    return anchors.partition(end)[0] + end


async def remove(tx: Transaction, places: Places, host: str, now: datetime) -> None:
    """A machine is no host of this cloud any longer, and what it has opens nothing.

    Raises:
        NotFound: there is no such host. Conflict: it is the one where the cloud began.
    """
    await tx.serialize(TOPIC)
    row = await tx.first(_one, {"name": host})
    if row is None:
        if host == places.settings.first_machine[0]:
            raise Conflict(f"{host} is the machine where the cloud began; hanok destroy ends that.")
        raise NotFound(f"There is no host {host[:64]} that joined.")
    await tx.execute(_revoke, {"of": host})
    await tx.execute(_past, {"now": now})
    await tx.execute(_remove, {"host": host})


async def listed(tx: Transaction) -> list[Row[Any]]:
    return list(await tx.all(_all))


async def is_there(tx: Transaction, host: str, serial: str) -> bool:
    """Whether who shows the certificate with this number is that host, and not one that had its name before."""
    return await tx.first(_one, {"name": host}) is not None and not await is_revoked(tx, serial)


async def is_revoked(tx: Transaction, serial: str) -> bool:
    return await tx.first(_is_revoked, {"serial": serial}) is not None


async def revoked(tx: Transaction, places: Places, now: datetime) -> str:
    """The list of certificates that are good no longer, as PEM."""
    return places.authority().revoked(await tx.scalars(_revoked), now)


async def write(tx: Transaction, places: Places, now: datetime) -> None:
    """What the rows say is in the file that the supervisor follows."""
    keys: dict[str, list[str]] = {}
    for row in await tx.all(_keys):
        keys.setdefault(row.host, []).append(row.key_hash)
    hosts = [
        {"name": row.name, "address": row.address, "anchor": row.anchor}
        | {"keys": keys.get(row.name, [])}
        | {"control_anchor": row.control_anchor or "", "control_key": row.control_key or ""}
        for row in await tx.all(_all)
    ]
    text = msgspec.json.encode({"hosts": hosts, "revoked": await revoked(tx, places, now)})
    _write(places.folder / "members.json", text)


def _write(path: Path, text: bytes) -> None:
    """A short file, whole or not at all, also when the power goes: what it says was acknowledged."""
    new = path.with_suffix(".new")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(handle, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(handle)
    put_in_place(new, path, settled=True)
