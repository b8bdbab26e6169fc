"""Names of ports and floating IPs.

A port with a name is found by it on its network, alone and under the cloud's domain. What a domain of a network, of a
port or of a floating IP says is *published*: upstream gives such names to a DNS service outside, here the network
itself answers them. Published are, as upstream has it, floating addresses, and fixed ones of networks of a provider
and of subnets that say so.

On another project's network a name is one label: it cannot stand for a host that its guests mean otherwise.

Source: Networking API v2.0 reference, "DNS integration"; Networking guide, "DNS integration for instances".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput
from hanok.services.identity import facade as identity
from hanok.services.network.logic.errors import bad
from hanok.services.network.logic.reach import Reach
from hanok.services.network.logic.scopes import port_scope
from hanok.services.network.room import Network
from hanok.services.network.tables import floating_ips, ports
from hanok.store import Transaction

LONGEST = 253  # of a name without the dot at the end (RFC 1035)
_ODD = re.compile(r"[^a-z0-9-]+")
_PROVIDERS = ("flat", "vlan")

_named_on = sa.select(ports.c.id).where(
    ports.c.network_id == bindparam("network"), ports.c.dns_name != ""
)
_makers_on = (
    sa.select(ports.c.project_id, ports.c.user_id)
    .where(ports.c.network_id == bindparam("network"), ports.c.role == "guest")
    .distinct()
)
_domain_of = (
    ports.update()
    .where(
        ports.c.network_id == bindparam("network"),
        ports.c.project_id == bindparam("project"),
        ports.c.user_id == bindparam("user"),
    )
    .values(network_domain=bindparam("domain"))
)
_floating_of = (
    sa.select(floating_ips.c.port_id, floating_ips.c.floating_ip_address)
    .where(
        floating_ips.c.port_id.in_(bindparam("ids", expanding=True)), floating_ips.c.dns_name == ""
    )
    .order_by(floating_ips.c.floating_ip_address)
)


def assign(domain: str, views: Sequence[dict[str, Any]]) -> None:
    """Say of ports under which name each of their addresses is found. domain: the cloud's."""
    end = f".{domain.rstrip('.')}." if domain else "."
    for view in views:
        name = view["dns_name"]
        view["dns_assignment"] = [
            _assigned(name, end, one["ip_address"]) for one in view["fixed_ips"]
        ]


def _assigned(name: str, end: str, address: str) -> dict[str, str]:
    if not name:
        name = f"host-{address.replace('.', '-').replace(':', '-')}"
    if name.endswith("."):
        return {"ip_address": address, "hostname": name.removesuffix(end), "fqdn": name}
    return {"ip_address": address, "hostname": name, "fqdn": name + end}


def check_port(
    room: Network, reach: Reach, network: Row[Any], project_id: str, values: Mapping[str, Any]
) -> None:
    """Whether a port may have a name and a domain.

    Raises:
        BadInput
    """
    name, domain = values.get("dns_name", ""), values.get("dns_domain", "")
    ours = room.settings.dns_domain.rstrip(".") + "."
    single = name
    if name.endswith("."):
        single = name.removesuffix(f".{ours}")
        if single == name:
            raise BadInput(
                f"Invalid input for dns_name. Reason: '{name}' is a FQDN. Its higher level labels must be "
                f"equal to the dns_domain of the cloud, that has been set to '{ours}'. It must also "
                f"include one or more valid DNS labels to the left of '{ours}'."
            )
    elif name and len(name) + 1 + len(ours) > LONGEST + 1:
        raise BadInput(
            f"Invalid input for dns_name. Reason: '{name}' is a PQDN and its size is '{len(name)}'. With the "
            f"dns_domain of the cloud, '{ours}', it exceeds the maximum size of '{LONGEST + 1}'."
        )
    if network.project_id in (project_id, reach.project_id) or reach.everything:
        return
    if "." in single or domain:
        raise bad(
            "port", "On a network of another project a dns_name is one label, without a domain"
        )


async def resolved(tx: Transaction, domain: str, project_id: str, user_id: str) -> str:
    """A network's domain, with its keywords replaced by whose a port is and who made it."""
    if "<" not in domain:
        return domain
    project, user = await identity.names_of(tx, project_id, user_id)
    for keyword, value in (
        ("<project_id>", project_id),
        ("<project_name>", project),
        ("<user_id>", user_id),
        ("<user_name>", user),
    ):
        domain = domain.replace(keyword, _ODD.sub("-", value.lower()).strip("-")[:63] or "none")
    return domain if len(domain) <= LONGEST + 1 else ""


async def domain_changed(tx: Transaction, network_id: str, domain: str) -> list[str]:
    """A network has another domain: its ports follow. Gives the scopes of those with names."""
    for row in await tx.all(_makers_on, {"network": network_id}):
        values = {
            "network": network_id,
            "project": row.project_id,
            "user": row.user_id,
            "domain": await resolved(tx, domain, row.project_id, row.user_id),
        }
        await tx.execute(_domain_of, values)
    return [port_scope(one) for one in await tx.scalars(_named_on, {"network": network_id})]


def alone(room: Network, row: Row[Any]) -> tuple[str, ...]:
    """The names under which a port's network finds all of its addresses."""
    if not row.dns_name:
        return ()
    domain = room.settings.dns_domain.rstrip(".")
    label = row.dns_name.removesuffix(f".{domain}.")
    return (label, f"{label}.{domain}") if domain else (label,)


def published(
    room: Network,
    row: Row[Any],
    network: Row[Any],
    held: Sequence[Row[Any]],
    publishing: Mapping[str, bool],
    floating: Sequence[str],
) -> tuple[str, tuple[str, ...]]:
    """A port's name under the domain of its own or of its network, and the addresses that are told of it.

    publishing: whether a subnet's fixed addresses are. floating: those that lead to the port and have no name.
    """
    domain = (row.dns_domain or row.network_domain).rstrip(".")
    if not row.dns_name or not domain:
        return "", ()
    name = f"{alone(room, row)[0]}.{domain}"
    fixed = [
        one.address
        for one in held
        if network.network_type in _PROVIDERS or publishing.get(one.subnet_id)
    ]
    return (name, (*fixed, *floating)) if len(name) <= LONGEST else ("", ())


async def floating_of(tx: Transaction, ids: Sequence[str]) -> dict[str, list[str]]:
    """The floating addresses without a name that lead to ports."""
    found: dict[str, list[str]] = {}
    for row in await tx.all(_floating_of, {"ids": list(ids)}) if ids else ():
        found.setdefault(row.port_id, []).append(row.floating_ip_address)
    return found


def check_floating(values: Mapping[str, Any]) -> None:
    """A floating IP has a name and a domain, or neither.

    Raises:
        BadInput
    """
    name, domain = values.get("dns_name", ""), values.get("dns_domain", "")
    if domain and not name:
        raise bad("floatingip", "dns_domain cannot be specified without a dns_name")
    if name and not domain:
        raise bad("floatingip", "dns_name cannot be specified without a dns_domain")
    if len(name) + len(domain) > LONGEST:
        raise bad("floatingip", f"dns_name and dns_domain exceed {LONGEST} characters together")
    if name.endswith("."):
        raise bad(
            "floatingip", "dns_domain cannot be specified with a dns_name that ends with a dot"
        )
