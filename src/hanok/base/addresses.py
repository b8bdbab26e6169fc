"""Addresses that come as texts of others.

Python reads "fe80::1%anything" as an address, whose zone may be any text with line breaks and braces, and writes it out
again: who puts such an address into a configuration puts a stranger's text there.
"""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


def _without_zone(text: str) -> str:
    """Raises ValueError: it has one, or is no text (Python turns numbers into addresses)."""
    if not isinstance(text, str) or "%" in text:
        raise ValueError("an address has no zone here")
    return text


def address_of(text: str) -> Address:
    """An address. Raises ValueError: it is none, or has a zone."""
    return ipaddress.ip_address(_without_zone(text))


def interface_of(text: str) -> Interface:
    """An address with the length of its prefix; without one, its whole length. Raises ValueError: as `address_of`."""
    return ipaddress.ip_interface(_without_zone(text))


def without_length(text: str) -> str:
    """The one spelling of an address that has a prefix length. Raises ValueError: it is none, or has a zone."""
    return str(interface_of(text).ip)


def prefix_of(text: str, *, strict: bool = False) -> Network:
    """An address or a prefix. strict: without bits of a host. Raises ValueError: it is none, or has a zone."""
    return ipaddress.ip_network(_without_zone(text), strict=strict)
