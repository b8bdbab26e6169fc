"""The doors of machines: for whoever lets them join and removes them, and for the machines themselves.

A machine that joins shows the secret of its token; one that has joined shows its certificate. Neither has a user.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from hanok.base.authority import Granted
from hanok.base.clock import zulu
from hanok.base.code import code
from hanok.base.errors import Conflict, NotSignedIn
from hanok.control import controllers, members
from hanok.control.members import Joining, Renewal, Wish
from hanok.services.block_storage import facade as block_storage
from hanok.services.compute import facade as compute
from hanok.store import Transaction
from hanok.web.policy import Rule
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import PUBLIC, Route

if TYPE_CHECKING:
    from hanok.control.app import Control

_HOSTS = "hanok:hosts"
RULES = (Rule(_HOSTS, "role:admin", "Let machines join the cloud, see and remove them."),)


async def show_authority(request: Request, control: Control) -> Response:
    """GET /hanok/v1/authority: the certificate that this cloud's others are held against; its hash is in each token."""
    return json_answer({"certificate": control.members.authority().certificate})


async def make_token(request: Request, control: Control) -> Response:
    """POST /hanok/v1/hosts/tokens: one machine may join within the hour, as what it is for."""
    request.allow()
    wish = await request.body(Wish)
    own = control.settings
    if members.CONTROLLER in wish.roles:
        controllers.check(own)
        controllers.check_proof(control.house.cloud_key, wish.proof)
    url = f"https://{own.address}:{own.port}"
    async with request.transaction() as tx:
        made = await members.new_token(tx, control.members, url, wish.roles, control.clock.now())
    return json_answer(made, 201)


async def join(request: Request, control: Control) -> Response:
    """POST /hanok/v1/hosts: a machine is a host; answers its certificates, and where everything is."""
    requested = await request.body(Joining)
    control.members.authority()
    async with request.reading() as tx:  # whoever has no token keeps nobody from writing
        await members.check_token(tx, requested, control.clock.now())
    async with request.transaction() as tx:
        granted = await members.join(tx, control.members, requested, control.clock.now())
        places = controllers.places(control.settings)
        if requested.is_controller:  # before the machine is a row: what is missing keeps it out
            places["controller"] = controllers.handed_over(control.settings)
        tx.after_commit(lambda: control.wakes.wake(members.TOPIC))
    return json_answer(_certificates(granted) | places, 201)


def _certificates(granted: Granted) -> dict[str, Any]:
    return {
        "authority": granted.authority,
        "certificate": granted.certificate,
        "southbound_certificate": granted.southbound,
        **({"control_certificate": granted.control} if granted.control else {}),
    }


async def list_hosts(request: Request, control: Control) -> Response:
    """GET /hanok/v1/hosts: the cloud's machines."""
    request.allow()
    now = control.clock.now()
    async with request.reading() as tx:
        up = await _up(tx, control)
        rows = await members.listed(tx)
    name, address = control.settings.first_machine
    first = _shown(name, address, "controller,compute,network", up, None, None)
    others = [
        _shown(row.name, row.address, row.roles, up, row.joined_at, row.ends_at) for row in rows
    ]
    return json_answer({"hosts": [first, *others], "at": zulu(now)})


def _shown(
    name: str,
    address: str,
    roles: str,
    up: list[str],
    joined_at: datetime | None,
    ends_at: datetime | None,
) -> dict[str, Any]:
    return {
        "name": name,
        "address": address,
        "roles": roles.split(","),
        "state": "up" if name in up else "down",
        "joined_at": zulu(joined_at),
        "certificate_ends_at": zulu(ends_at),
    }


async def _up(tx: Transaction, control: Control) -> list[str]:
    if (room := control.house.rooms.get("compute")) is None:
        return []
    return await compute.hosts_up(tx, room.facade)


async def remove_host(request: Request, control: Control) -> Response:
    """DELETE /hanok/v1/hosts/{name}: a machine is no host any longer, from this moment on."""
    request.allow()
    name = request.path["name"]
    async with request.transaction() as tx:
        await _check_empty(tx, control, name)
        await members.remove(tx, control.members, name, control.clock.now())
        tx.after_commit(lambda: control.wakes.wake(members.TOPIC))
    return no_content()


async def _check_empty(tx: Transaction, control: Control, name: str) -> None:
    """Raises Conflict where a machine has what would be lost with it."""
    if control.house.rooms.get("compute") is not None:
        if count := await compute.servers_on(tx, name):
            raise Conflict(
                f"Host {name[:64]} has {count} server{'s' if count > 1 else ''}; "
                "hanok host drain moves what can be moved."
            )
    if control.house.rooms.get("block_storage") is not None:
        if count := await block_storage.volumes_on(tx, name):
            raise Conflict(
                f"Host {name[:64]} has {count} volume{'s' if count > 1 else ''}, which could "
                "not be reached any longer."
            )


async def show_member(request: Request, control: Control) -> Response:
    """GET /hanok/v1/member: what a host, by its certificate, may know of itself and of removed ones."""
    name = _asking(request)
    async with request.reading() as tx:
        await _check_member(tx, name, request.certified_serial)
        up = await _up(tx, control)
        revoked = await members.revoked(tx, control.members, control.clock.now())
    return json_answer({"name": name, "up": name in up, "revoked": revoked, "code": code()})


async def renew(request: Request, control: Control) -> Response:
    """POST /hanok/v1/member/certificate: other certificates for a host."""
    name = _asking(request)
    requested = await request.body(Renewal)
    async with request.transaction() as tx:
        now = control.clock.now()
        serial = request.certified_serial
        granted = await members.renew(tx, control.members, name, serial, requested, now)
        tx.after_commit(lambda: control.wakes.wake(members.TOPIC))
    return json_answer(_certificates(granted), 201)


def _asking(request: Request) -> str:
    """Raises NotSignedIn where no certificate of a host is shown."""
    if not request.certified_host:
        raise NotSignedIn("A host shows its certificate here.")
    return request.certified_host


async def _check_member(tx: Transaction, name: str, serial: str) -> None:
    if not await members.is_there(tx, name, serial):
        raise NotSignedIn(f"{name} is not a host of this cloud.")


ROUTES = (
    Route("GET", "/v1/authority", show_authority, (PUBLIC,)),
    Route("GET", "/v1/hosts", list_hosts, (_HOSTS,)),
    Route("POST", "/v1/hosts", join, (PUBLIC,), body=Joining, strict=True),
    Route("POST", "/v1/hosts/tokens", make_token, (_HOSTS,), body=Wish, strict=True),
    Route("DELETE", "/v1/hosts/{name}", remove_host, (_HOSTS,)),
    Route("GET", "/v1/member", show_member, (PUBLIC,)),
    Route("POST", "/v1/member/certificate", renew, (PUBLIC,), body=Renewal, strict=True),
)
