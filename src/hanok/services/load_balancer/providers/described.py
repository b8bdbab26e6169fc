"""From a load balancer's rows to what its host is told."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal

from sqlalchemy import Row

from hanok.commands import (
    TLS,
    BalancerFile,
    BalancerListener,
    BalancerMember,
    BalancerPool,
    BalancerPort,
    BalancerRoute,
    EnsureBalancer,
    MemberCheck,
    Persistence,
    RequestPolicy,
    RequestRule,
    StrictTransport,
)
from hanok.services.load_balancer.providers.model import Tree
from hanok.services.load_balancer.schemas.values import canonical
from hanok.services.network.facade import Standing

_MODES: dict[str, Literal["http", "tcp", "prometheus", "udp"]] = {
    "HTTP": "http", "HTTPS": "tcp", "TCP": "tcp", "PROMETHEUS": "prometheus",
    "TERMINATED_HTTPS": "http", "UDP": "udp",
}  # fmt: skip
_VERIFY: dict[str, Literal["none", "optional", "required"]] = {
    "NONE": "none", "OPTIONAL": "optional", "MANDATORY": "required",
}  # fmt: skip
_PROXIED: dict[str, Literal[0, 1, 2]] = {"PROXY": 1, "PROXYV2": 2}


Files = Mapping[str, BalancerFile]
"""What stands behind references to the key manager."""


def terminates(tree: Tree) -> list[Row[Any]]:
    """Listeners and pools that speak TLS."""
    listeners = [one for one in tree.listeners if one.protocol == "TERMINATED_HTTPS"]
    return [*listeners, *(one for one in tree.pools if one.tls_enabled)]


def files(material: Mapping[str, str]) -> Files:
    """PEM by reference, with names."""
    return {
        one: BalancerFile(name=f"{hashlib.sha256(pem.encode()).hexdigest()[:40]}.pem", pem=pem)
        for one, pem in material.items()
    }


def command(tree: Tree, stands: Standing, known: Files) -> EnsureBalancer:
    """All that is switched on of a load balancer. known: the files of what speaks TLS."""
    balancer = tree.balancer
    up = balancer.admin_state_up
    return EnsureBalancer(
        balancer_id=tree.id,
        generation=balancer.generation,
        carrier_id=balancer.carrier_id,
        port=BalancerPort(
            port_id=balancer.vip_port_id,
            mac=stands.mac,
            mtu=stands.mtu,
            addresses=stands.addresses,
            gateways=stands.gateways,
            routes=tuple(
                BalancerRoute(destination=where, next_hop=by) for where, by in stands.routes
            ),
        ),
        listeners=tuple(
            _listener(tree, row, known) for row in tree.listeners if up and row.admin_state_up
        ),
        pools=tuple(_pool(tree, row, known) for row in tree.pools if row.admin_state_up),
        files=tuple({one.name: one for one in known.values()}.values()),
    )


def _listener(tree: Tree, row: Row[Any], known: Files) -> BalancerListener:
    policies = [one for one in tree.policies if one.listener_id == row.id and one.admin_state_up]
    return BalancerListener(
        id=row.id,
        mode=_MODES[row.protocol],
        port=row.protocol_port,
        pool_id=row.default_pool_id or "",
        maximum=max(0, row.connection_limit),
        client_ms=row.timeout_client_data,
        connect_ms=row.timeout_member_connect,
        member_ms=row.timeout_member_data,
        inspect_ms=row.timeout_tcp_inspect,
        sources=tuple(row.allowed_cidrs or ()),
        headers=tuple(
            name for name, value in row.insert_headers.items() if value.lower() == "true"
        ),
        policies=tuple(_policy(tree, one) for one in policies),
        tls=_to_clients(row, known) if row.protocol == "TERMINATED_HTTPS" else None,
        strict=_strict(row),
    )


def _strict(row: Row[Any]) -> StrictTransport | None:
    if row.protocol != "TERMINATED_HTTPS" or row.hsts_max_age is None:
        return None
    return StrictTransport(
        maximum_age_s=row.hsts_max_age,
        subdomains=bool(row.hsts_include_subdomains),
        preload=bool(row.hsts_preload),
    )


def _to_clients(row: Row[Any], known: Files) -> TLS:
    shown = [row.default_tls_container_ref, *(row.sni_container_refs or ())]
    trusts = row.client_authentication != "NONE"
    return TLS(
        certificates=tuple(dict.fromkeys(known[one].name for one in shown if one and one in known)),
        authority=_name(known, row.client_ca_tls_container_ref) if trusts else "",
        revoked=_name(known, row.client_crl_container_ref) if trusts else "",
        verify=_VERIFY[row.client_authentication],
        versions=tuple(row.tls_versions or ()),
        ciphers=row.tls_ciphers or "",
        alpn=tuple(row.alpn_protocols or ()),
    )


def _to_members(row: Row[Any], known: Files) -> TLS:
    """Members are believed who they are, unless there is an authority that says so."""
    shown = _name(known, row.tls_container_ref)
    authority = _name(known, row.ca_tls_container_ref)
    return TLS(
        certificates=(shown,) if shown else (),
        authority=authority,
        revoked=_name(known, row.crl_container_ref),
        verify="required" if authority else "none",
        versions=tuple(row.tls_versions or ()),
        ciphers=row.tls_ciphers or "",
        alpn=tuple(row.alpn_protocols or ()),
    )


def _name(known: Files, reference: str | None) -> str:
    found = known.get(reference or "")
    return "" if found is None else found.name


def _policy(tree: Tree, row: Row[Any]) -> RequestPolicy:
    rules = [one for one in tree.rules if one.l7policy_id == row.id and one.admin_state_up]
    return RequestPolicy(
        id=row.id,
        action=row.action,
        target=row.redirect_pool_id or row.redirect_url or row.redirect_prefix or "",
        code=row.redirect_http_code or 302,
        rules=tuple(
            RequestRule(
                id=one.id,
                kind=one.type,
                comparison=one.compare_type,
                key=one.key or "",
                value=one.value,
                invert=one.invert,
            )
            for one in rules
        ),
    )


def _pool(tree: Tree, row: Row[Any], known: Files) -> BalancerPool:
    monitor = tree.monitor_of(row.id)
    checked = monitor is not None and monitor.admin_state_up
    return BalancerPool(
        id=row.id,
        algorithm=row.lb_algorithm,
        members=tuple(_member(one) for one in tree.members_of(row.id) if one.admin_state_up),
        check=_check(monitor) if monitor is not None and checked else None,
        persistence=_persistence(row.session_persistence),
        proxied=_PROXIED.get(row.protocol, 0),
        tls=_to_members(row, known) if row.tls_enabled else None,
    )


def _member(row: Row[Any]) -> BalancerMember:
    return BalancerMember(
        id=row.id,
        address=canonical(row.address),
        port=row.protocol_port,
        weight=row.weight,
        backup=row.backup,
        check_address=canonical(row.monitor_address) if row.monitor_address else "",
        check_port=row.monitor_port or 0,
    )


def _check(row: Row[Any]) -> MemberCheck:
    return MemberCheck(
        kind=row.type,
        delay_s=row.delay,
        timeout_s=row.timeout,
        rise=row.max_retries,
        fall=row.max_retries_down,
        method=row.http_method or "GET",
        path=row.url_path or "/",
        codes=(row.expected_codes or "200").replace(" ", ""),
        version=f"{row.http_version or 1.0:.1f}",
        host=row.domain_name or "",
    )


def _persistence(said: dict[str, Any] | None) -> Persistence | None:
    if not said:
        return None
    return Persistence(
        kind=said["type"],
        cookie=said.get("cookie_name") or "",
        timeout_s=said.get("persistence_timeout") or 0,
        mask=said.get("persistence_granularity") or "",
    )
