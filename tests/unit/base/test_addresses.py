"""Addresses that come as texts: a zone, which may be any text, is never part of one."""

from __future__ import annotations

import ast
from ipaddress import ip_network
from pathlib import Path

import pytest
from tests.node.balancer_plans import listener, plan, pool

import hanok
from hanok.base.addresses import address_of, interface_of, prefix_of, without_length
from hanok.base.errors import BadInput
from hanok.commands import AccessRule, Persistence
from hanok.drivers.nfs.exports import Client, Export
from hanok.drivers.nfs.ganesha import Ganesha
from hanok.node import proxy_configuration
from hanok.node.errors import NotDone
from hanok.node.share_access import clients_of
from hanok.services.load_balancer.schemas import values
from hanok.services.shared_file_system.logic import access
from hanok.web.attributes import Wrong

ZONED = "fe80::1%1; } CLIENT { Clients = *; Access_Type = RW;\nbind :1"
SOURCES = Path(hanok.__file__).parent
OUTSIDE = ("web", "services/*/schemas", "services/*/routes")
"""Where texts come in; what is behind them has an address's one spelling."""
READERS = frozenset({"ip_address", "ip_network", "ip_interface"})
ID = "11111111-2222-4333-8444-555555555555"


def test_an_address_with_a_zone_is_none() -> None:
    for reads in (address_of, prefix_of, interface_of, without_length):
        for text in (ZONED, "fe80::1%1", "", "a", 5, True, None, b"1234"):
            with pytest.raises(ValueError, match=r"zone|appear"):
                reads(text)  # type: ignore[arg-type]
    assert str(address_of("FD00:0::1")) == "fd00::1"
    assert str(prefix_of("10.0.0.5/8")) == "10.0.0.0/8"
    assert without_length("fd00:0::1/64") == "fd00::1"


def test_an_access_rule_for_one_is_refused_by_the_service_and_the_host() -> None:
    for text in (ZONED, "fe80::1%1"):
        with pytest.raises(BadInput):
            access.check("ip", text, ceph=True, ipv6=True)
        with pytest.raises(NotDone):
            clients_of([AccessRule(prefix=text, level="rw")])


def test_a_share_server_reads_nothing_of_one() -> None:
    server = Ganesha(Path("/run/s"), Path("/state/r"), ID)
    clients = (Client(ip_network(ZONED), writes=False),)
    text = server.write([Export(7, ID, Path("/elsewhere"), clients)])
    assert "Clients = fe80::1/128; Access_Type = RO;" in text and "*" not in text


def test_a_mask_of_a_load_balancer_is_none() -> None:
    for mask in (ZONED, "fe80::1%1", 5, True):
        with pytest.raises(Wrong):
            values.persistence({"type": "SOURCE_IP", "persistence_granularity": mask})
    kept = pool(persistence=Persistence(kind="SOURCE_IP", mask=ZONED))
    with pytest.raises(ValueError, match="zone"):
        proxy_configuration.write(plan(listener(80, kept), kept), "/s", "/f")


def readers(text: str) -> list[int]:
    """The lines that name one of Python's own readers of addresses."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(text))
        if (isinstance(node, ast.Attribute) and node.attr in READERS and _is_module(node.value))
        or (isinstance(node, ast.ImportFrom) and node.module == "ipaddress" and _imports(node))
    ]


def _is_module(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "ipaddress"


def _imports(node: ast.ImportFrom) -> bool:
    return any(name.name in READERS for name in node.names)


def test_texts_from_outside_are_read_in_one_place() -> None:
    found = [
        f"{file.relative_to(SOURCES)}:{line}"
        for folder in OUTSIDE
        for place in SOURCES.glob(folder)
        for file in place.rglob("*.py")
        for line in readers(file.read_text())
    ]
    assert found == []


def test_who_reads_otherwise_is_found() -> None:
    assert readers("import ipaddress\nmap(ipaddress.ip_network, x)\n") == [2]
    assert readers("from ipaddress import ip_address\n") == [1]
    assert readers("from ipaddress import IPv4Address\nIPv4Address(x)\n") == []
