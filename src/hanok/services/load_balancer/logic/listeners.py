"""Listeners: a protocol and a port of a load balancer's addresses.

Source: Load Balancer API v2 reference, "Listeners".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict
from hanok.services.load_balancer.logic import certificates, trees
from hanok.services.load_balancer.logic.common import (
    change,
    grouped,
    ids_of,
    shown,
    tags_of,
    write,
)
from hanok.services.load_balancer.logic.errors import failed, odd
from hanok.services.load_balancer.room import LoadBalancing, Reach
from hanok.services.load_balancer.schemas.values import (
    HEADERS,
    POOLS_OF,
    TLS_HEADERS,
    transport,
)
from hanok.services.load_balancer.tables import (
    l7policies,
    l7rules,
    listeners,
    load_balancers,
    pools,
)
from hanok.store import Duplicate, Transaction

_SHOWN = (
    "protocol", "protocol_port", "connection_limit", "default_tls_container_ref",
    "sni_container_refs", "default_pool_id", "insert_headers", "timeout_client_data",
    "timeout_member_connect", "timeout_member_data", "timeout_tcp_inspect", "allowed_cidrs",
    "client_ca_tls_container_ref", "client_authentication", "client_crl_container_ref",
    "tls_ciphers", "tls_versions", "alpn_protocols", "hsts_max_age", "hsts_include_subdomains",
    "hsts_preload",
)  # fmt: skip
_policies = (
    sa.select(l7policies.c.id, l7policies.c.listener_id)
    .where(l7policies.c.listener_id.in_(bindparam("ids", expanding=True)))
    .order_by(l7policies.c.position)
)
_TLS_ONLY = (
    "default_tls_container_ref", "sni_container_refs", "client_ca_tls_container_ref",
    "client_crl_container_ref", "hsts_max_age",
)  # fmt: skip
"""How TLS would be spoken ("tls_versions", …) is kept with other protocols, too: clients send it with each listener."""
USUAL_VERSIONS = ["TLSv1.2", "TLSv1.3"]
USUAL_ALPN = ["h2", "http/1.1", "http/1.0"]
USUAL_CIPHERS = (
    "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:"
    "DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-SHA256:DHE-RSA-AES128-SHA256:"
    "ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256"
)


async def show(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    ids = [row.id for row in rows]
    tagged = await tags_of(tx, ids)
    policies = grouped(await tx.all(_policies, {"ids": ids}), "listener_id", ids)
    return [
        {
            **shown(row, ("name", "description"), _SHOWN),
            "l7policies": ids_of(policies[row.id]),
            "loadbalancers": [{"id": row.load_balancer_id}],
            "tags": tagged[row.id],
        }
        for row in rows
    ]


async def target(
    tx: Transaction, room: LoadBalancing, reach: Reach, values: dict[str, Any]
) -> dict[str, Any]:
    """Whose a new listener is."""
    return {"project_id": await owner(tx, values["loadbalancer_id"])}


async def owner(tx: Transaction, balancer_id: str) -> str:
    """The project of a load balancer. Raises NotFound."""
    row = await trees.row_of(tx, load_balancers, "loadbalancer", balancer_id)
    return str(row.project_id)


async def create(tx: Transaction, room: LoadBalancing, reach: Reach, values: dict[str, Any]) -> str:
    """Raises BadInput, Conflict, NotFound, NotSupported, OverLimits."""
    balancer = await trees.hold(tx, values["loadbalancer_id"])
    made = await put(tx, room, reach, balancer, values)
    touched = [(pools, [values["default_pool_id"]])] if values.get("default_pool_id") else []
    await trees.begin(tx, room, balancer, touched, user_id=reach.user_id)
    return made


async def put(
    tx: Transaction,
    room: LoadBalancing,
    reach: Reach,
    balancer: Row[Any],
    values: Mapping[str, Any],
) -> str:
    """A new listener of a load balancer that is held."""
    settings = room.settings
    await trees.count(tx, room, balancer.project_id, listener=1)
    await trees.fits(tx, listeners.c.load_balancer_id, balancer.id, settings.listeners_each)
    values = _with_usual(values)
    check(balancer, values)
    await certificates.check_listener(tx, room, reach, values)
    await _pool_fits(tx, balancer.id, values["protocol"], values.get("default_pool_id"))
    over = transport(values["protocol"])
    try:
        made = await write(
            tx,
            room,
            listeners,
            balancer.project_id,
            values,
            load_balancer_id=balancer.id,
            transport=over,
        )
    except Duplicate:
        raise Conflict(
            f"Another Listener on this Load Balancer {balancer.id} is already using protocol "
            f"{values['protocol']} and protocol_port {values['protocol_port']}"
        ) from None
    row = {**values, "id": made, "project_id": balancer.project_id}
    await certificates.note(tx, room, "listener", row, certificates.LISTENER)
    return made


def _with_usual(values: Mapping[str, Any]) -> dict[str, Any]:
    """What TLS is spoken with where nothing is said of it."""
    found = dict(values)
    if found["protocol"] == "TERMINATED_HTTPS":
        for name, usual in (
            ("tls_ciphers", USUAL_CIPHERS),
            ("tls_versions", USUAL_VERSIONS),
            ("alpn_protocols", USUAL_ALPN),
        ):
            if found.get(name) is None:
                found[name] = usual
    return found


def check(balancer: Row[Any], values: Mapping[str, Any]) -> None:
    """Whether a listener's attributes go together. Raises BadInput."""
    protocol = values["protocol"]
    _headers_fit(protocol, values.get("insert_headers") or {})
    _tls_fits(protocol, values)
    for one in values.get("allowed_cidrs") or ():
        _same_family(balancer, one)


def _headers_fit(protocol: str, headers: Mapping[str, str]) -> None:
    known = {"HTTP": HEADERS, "TERMINATED_HTTPS": (*HEADERS, *TLS_HEADERS)}.get(protocol, ())
    if unfit := [name for name in headers if name not in known]:
        raise odd(f"insert_headers of a {protocol} listener", unfit[0])


def _tls_fits(protocol: str, values: Mapping[str, Any]) -> None:
    if protocol != "TERMINATED_HTTPS":
        said = [name for name in _TLS_ONLY if values.get(name)]
        if said or values.get("client_authentication", "NONE") != "NONE":
            name = said[0] if said else "client_authentication"
            raise failed(f"{name} is for TERMINATED_HTTPS listeners only")
        return
    if not values.get("default_tls_container_ref") and not values.get("sni_container_refs"):
        raise failed(
            "A TLS container reference is required when creating a TERMINATED_HTTPS listener"
        )
    if values.get("client_authentication", "NONE") != "NONE":
        if not values.get("client_ca_tls_container_ref"):
            raise failed(
                "Client authentication setting requires a client CA TLS container reference."
            )
    if values.get("client_crl_container_ref") and not values.get("client_ca_tls_container_ref"):
        raise failed("A client authentication CA reference is required to specify a CRL.")
    if (values.get("hsts_include_subdomains") or values.get("hsts_preload")) and (
        values.get("hsts_max_age") is None
    ):
        raise failed(
            "HSTS configuration options hsts_include_subdomains and hsts_preload need hsts_max_age"
        )


def _same_family(balancer: Row[Any], one: str) -> None:
    version = ipaddress.ip_network(one).version
    addresses = (balancer.vip_address, *(vip["ip_address"] for vip in balancer.additional_vips))
    if version not in {ipaddress.ip_address(each).version for each in addresses}:
        raise failed(
            f"CIDR {one} IP version incompatible with all VIPs {list(addresses)} IP version."
        )


async def _pool_fits(tx: Transaction, balancer_id: str, protocol: str, pool_id: str | None) -> None:
    """Whether a listener can hand on to a pool. Raises BadInput, NotFound."""
    if pool_id is None:
        return
    pool = await trees.row_of(tx, pools, "pool", pool_id)
    if pool.load_balancer_id != balancer_id:
        raise BadInput(f"Pool {pool_id} is not on the same Load Balancer.")
    speaks(protocol, pool.protocol)


def speaks(listener: str, pool: str) -> None:
    """Raises BadInput: a listener's protocol does not go with a pool's."""
    if pool not in POOLS_OF[listener]:
        raise failed(
            f"The pool protocol '{pool}' is invalid while the listener protocol is '{listener}'."
        )


async def update(
    tx: Transaction, room: LoadBalancing, reach: Reach, row: Row[Any], values: dict[str, Any]
) -> None:
    """Raises BadInput, Conflict, NotFound, NotSupported."""
    balancer = await trees.hold(tx, row.load_balancer_id)
    row = await trees.again(tx, listeners, row.id)
    whole = {**row._mapping, **values}
    check(balancer, whole)
    await certificates.check_listener(tx, room, reach, _newly_referred(values, whole))
    if "default_pool_id" in values:
        await _pool_fits(tx, balancer.id, row.protocol, values["default_pool_id"])
    await change(tx, room, listeners, row, values)
    await certificates.note(tx, room, "listener", whole, certificates.LISTENER)
    touched = [(pools, [values["default_pool_id"]])] if values.get("default_pool_id") else []
    await trees.begin(tx, room, balancer, touched, user_id=reach.user_id)


def _newly_referred(values: Mapping[str, Any], whole: Mapping[str, Any]) -> dict[str, Any]:
    """The references that a change sets; an authority and its list of revocations belong together."""
    default, sni, *pair = certificates.LISTENER
    names = [one for one in (default, sni) if one in values]
    return {one: whole[one] for one in (*names, *(pair if set(pair) & set(values) else ()))}


async def delete(tx: Transaction, room: LoadBalancing, reach: Reach, row: Row[Any]) -> None:
    """With its policies. Raises Conflict."""
    balancer = await trees.hold(tx, row.load_balancer_id)
    now = room.clock.now()
    theirs = sa.select(l7policies.c.id).where(l7policies.c.listener_id == row.id)
    policies = list(await tx.scalars(theirs))
    rules = list(
        await tx.scalars(sa.select(l7rules.c.id).where(l7rules.c.l7policy_id.in_(policies)))
    )
    for table, ids in ((l7rules, rules), (l7policies, policies), (listeners, [row.id])):
        await trees.mark(tx, "PENDING_DELETE", table, ids, now)
    await trees.begin(tx, room, balancer, [], user_id=reach.user_id)
