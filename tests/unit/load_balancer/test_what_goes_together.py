"""Which attributes of listeners, pools and health monitors go together."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hanok.base.errors import BadInput
from hanok.services.load_balancer.logic import listeners, monitors, pools

REF = "http://h/v1/containers/1"
CLIENTS = {"client_authentication": "MANDATORY"}
BALANCER: Any = SimpleNamespace(vip_address="10.0.0.5", additional_vips=[])
BOTH: Any = SimpleNamespace(vip_address="10.0.0.5", additional_vips=[{"ip_address": "2001:db8::5"}])


def tls(**more: Any) -> dict[str, Any]:
    return {"protocol": "TERMINATED_HTTPS", "default_tls_container_ref": REF, **more}


@pytest.mark.parametrize(
    ("balancer", "values"),
    [
        (BALANCER, {"protocol": "TCP"}),
        (BALANCER, {"protocol": "HTTP", "insert_headers": {"X-Forwarded-For": "true"}}),
        (BALANCER, {"protocol": "HTTP", "client_authentication": "NONE", "hsts_max_age": None}),
        (BALANCER, tls()),
        (BALANCER, tls(default_tls_container_ref=None, sni_container_refs=[REF])),
        (BALANCER, tls(insert_headers={"X-SSL-Client-CN": "true", "X-Forwarded-For": "true"})),
        (BALANCER, tls(client_ca_tls_container_ref=REF, **CLIENTS)),
        (BALANCER, tls(client_ca_tls_container_ref=REF, client_crl_container_ref=REF)),
        (BALANCER, tls(hsts_max_age=0, hsts_preload=True, hsts_include_subdomains=True)),
        (BALANCER, {"protocol": "TCP", "allowed_cidrs": ["10.1.0.0/16"]}),
        (BOTH, {"protocol": "TCP", "allowed_cidrs": ["10.1.0.0/16", "2001:db8::/32"]}),
    ],
)
def test_listeners_that_may_be(balancer: Any, values: dict[str, Any]) -> None:
    listeners.check(balancer, values)


@pytest.mark.parametrize(
    ("balancer", "values", "why"),
    [
        (BALANCER, {"protocol": "TCP", "insert_headers": {"X-Forwarded-For": "true"}}, "insert_headers"),
        (BALANCER, {"protocol": "HTTP", "insert_headers": {"X-SSL-Client-CN": "true"}}, "insert_headers"),
        (BALANCER, {"protocol": "HTTP", "insert_headers": {"Host": "true"}}, "insert_headers"),
        (BALANCER, tls(insert_headers={"Host": "true"}), "insert_headers"),
        *(
            (BALANCER, {"protocol": "HTTP", name: REF}, f"{name} is for TERMINATED_HTTPS")
            for name in ("default_tls_container_ref", "client_ca_tls_container_ref", "client_crl_container_ref")
        ),
        (BALANCER, {"protocol": "HTTP", "sni_container_refs": [REF]}, "sni_container_refs is for"),
        (BALANCER, {"protocol": "HTTPS", "hsts_max_age": 1}, "hsts_max_age is for"),
        (BALANCER, {"protocol": "HTTP", **CLIENTS}, "client_authentication is for"),
        (BALANCER, tls(default_tls_container_ref=None), "A TLS container reference is required"),
        (BALANCER, tls(default_tls_container_ref=None, sni_container_refs=[]), "A TLS container reference"),
        (BALANCER, tls(**CLIENTS), "requires a client CA"),
        (BALANCER, tls(client_crl_container_ref=REF), "required to specify a CRL"),
        (BALANCER, tls(hsts_preload=True), "need hsts_max_age"),
        (BALANCER, tls(hsts_include_subdomains=True), "need hsts_max_age"),
        (BALANCER, {"protocol": "TCP", "allowed_cidrs": ["10.1.0.0/16", "2001:db8::/32"]}, "IP version incompatible"),
    ],
)  # fmt: skip
def test_listeners_that_may_not_be(balancer: Any, values: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        listeners.check(balancer, values)


@pytest.mark.parametrize(
    ("listener", "pool", "speaks"),
    [
        ("HTTP", "HTTP", True),
        ("HTTP", "PROXY", True),
        ("HTTP", "TCP", False),
        ("TCP", "HTTP", True),
        ("TCP", "UDP", False),
        ("UDP", "UDP", True),
        ("UDP", "TCP", False),
        ("HTTPS", "HTTPS", True),
        ("HTTPS", "HTTP", False),
        ("TERMINATED_HTTPS", "HTTP", True),
        ("TERMINATED_HTTPS", "TCP", False),
    ],
)
def test_which_pools_a_listener_hands_on_to(listener: str, pool: str, speaks: bool) -> None:
    if speaks:
        listeners.speaks(listener, pool)
        return
    with pytest.raises(BadInput, match="is invalid while the listener protocol"):
        listeners.speaks(listener, pool)


def kept(type_: str, **more: Any) -> dict[str, Any]:
    usual = {"persistence_timeout": None, "persistence_granularity": None, "cookie_name": None}
    return {"type": type_, **usual, **more}


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"protocol": "HTTP"}, ""),
        ({"protocol": "HTTP", "session_persistence": kept("APP_COOKIE")}, ""),
        ({"protocol": "UDP", "session_persistence": kept("SOURCE_IP", persistence_timeout=1)}, ""),
        ({"protocol": "UDP", "tls_enabled": False}, ""),
        ({"protocol": "HTTP", "tls_enabled": True}, ""),
        ({"protocol": "HTTP", "ca_tls_container_ref": REF, "crl_container_ref": REF}, ""),
        ({"protocol": "UDP", "session_persistence": kept("HTTP_COOKIE")}, "is not for pools of protocol UDP"),
        ({"protocol": "SCTP", "session_persistence": kept("APP_COOKIE")}, "is not for pools of protocol SCTP"),
        ({"protocol": "TCP", "session_persistence": kept("SOURCE_IP", persistence_timeout=1)}, "persistence_timeout"),
        ({"protocol": "TCP", "session_persistence": kept("SOURCE_IP", persistence_granularity="255.0.0.0")},
         "persistence_granularity"),
        *(({"protocol": one, "tls_enabled": True}, "TLS to members") for one in ("UDP", "SCTP", "PROXY", "PROXYV2")),
        ({"protocol": "HTTP", "crl_container_ref": REF}, "A CA certificate reference is required"),
    ],
)  # fmt: skip
def test_what_a_pool_may_be(values: dict[str, Any], why: str) -> None:
    if not why:
        pools.check(values)
        return
    with pytest.raises(BadInput, match=why):
        pools.check(values)


@pytest.mark.parametrize(
    ("protocol", "values", "why"),
    [
        ("HTTP", {"type": "HTTP", "url_path": "/a"}, ""),
        ("HTTP", {"type": "TCP"}, ""),
        ("TCP", {"type": "HTTPS", "expected_codes": "200"}, ""),
        ("HTTP", {"type": "HTTP", "domain_name": "a.example", "http_version": 1.1}, ""),
        ("UDP", {"type": "UDP-CONNECT"}, ""),
        ("HTTP", {"type": "UDP-CONNECT"}, "The associated pool protocol is HTTP"),
        ("UDP", {"type": "PING"}, "The associated pool protocol is UDP"),
        ("HTTP", {"type": "TCP", "url_path": "/"}, "Option url_path is not for"),
        ("HTTP", {"type": "PING", "http_method": "GET"}, "Option http_method is not for"),
        ("HTTP", {"type": "TLS-HELLO", "expected_codes": "200"}, "Option expected_codes is not for"),
        ("HTTP", {"type": "HTTP", "domain_name": "a.example"}, "is required when 'domain_name'"),
        ("HTTP", {"type": "HTTP", "domain_name": "a.example", "http_version": 1.0}, "is required when"),
    ],
)  # fmt: skip
def test_what_a_health_monitor_may_be(protocol: str, values: dict[str, Any], why: str) -> None:
    pool: Any = SimpleNamespace(protocol=protocol)
    if not why:
        monitors.check(pool, values)
        return
    with pytest.raises(BadInput, match=why):
        monitors.check(pool, values)
