"""DHCP options as users name them, and as OVN takes them.

A value that is none of its option's kind is refused with CannotExpress; an option that OVN does not have is sent to
nobody. Nothing of a user's text reaches an option unless it was parsed, or is a plain text in quotes.

Source: ovn-nb(5), "DHCP_Options TABLE"; the field's list, "OVN supported DHCP options"; RFC 2132, 3442, 3646.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence

from hanok.drivers.ovn.errors import CannotExpress

DISABLED = "dhcp_disabled"
"""Stands among the options: DHCP of this version does not answer the port."""

_PARTS = re.compile(r"[,; ]+")
_PLAIN = re.compile(r'[^"\\\x00-\x1f\x7f]{1,255}')
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def _parts(text: str) -> list[str]:
    """The members of a value, with or without braces around them."""
    return [one for one in _PARTS.split(text.strip().strip("{}")) if one]


def _set(values: Sequence[str]) -> str:
    return "{" + ", ".join(values) + "}"


def _address(version: int) -> Callable[[str], str]:
    def check(text: str) -> str:
        try:
            found = ipaddress.ip_address(text)
        except ValueError:
            raise CannotExpress(f"'{text}' is not a valid IP address") from None
        if found.version != version or "%" in text:
            raise CannotExpress(f"'{text}' is not a valid IPv{version} address")
        return str(found)

    return check


def _addresses(version: int) -> Callable[[str], str]:
    one = _address(version)

    def check(text: str) -> str:
        found = [one(each) for each in _parts(text)]
        if not found:
            raise CannotExpress(f"'{text}' is not a list of IPv{version} addresses")
        return _set(found) if len(found) > 1 else found[0]

    return check


def _routes(text: str) -> str:
    """Destinations, each with its next hop behind it."""
    parts = _parts(text)
    try:
        pairs = [
            (str(ipaddress.IPv4Network(to)), str(ipaddress.IPv4Address(via)))
            for to, via in zip(parts[::2], parts[1::2], strict=True)
        ]
    except ValueError:
        pairs = []
    if not pairs:
        raise CannotExpress(f"'{text}' is not a list of destinations and next hops")
    return _set([f"{to},{via}" for to, via in pairs])


def _number(least: int, maximum: int) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not (text.isascii() and text.isdigit() and len(text) <= 10):
            raise CannotExpress(f"'{text}' is not an integer")
        if not least <= int(text) <= maximum:
            raise CannotExpress(f"'{text}' is not between {least} and {maximum}")
        return str(int(text))

    return check


def _flag(text: str) -> str:
    if text not in ("0", "1"):
        raise CannotExpress(f"'{text}' is not 0 or 1")
    return text


def _text(text: str) -> str:
    """A text in quotes, which none of it can end."""
    plain = text[1:-1] if len(text) > 2 and text[0] == text[-1] == '"' else text
    if not _PLAIN.fullmatch(plain):
        raise CannotExpress(f"'{text}' holds a character that DHCP options cannot")
    return f'"{plain}"'


def _host(text: str) -> str:
    """An IPv4 address, or a name."""
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        return _text(text)


def _mac(text: str) -> str:
    plain = text.lower()
    if not _MAC.fullmatch(plain):
        raise CannotExpress(f"'{text}' is not a valid MAC address")
    return plain


_ONE, _MANY = _address(4), _addresses(4)
_BYTE = _number(0, 255)
_KINDS: dict[int, dict[str, Callable[[str], str]]] = {
    4: {
        "arp_cache_timeout": _BYTE,
        "bootfile_name": _text,
        "classless_static_route": _routes,
        "default_ttl": _BYTE,
        "dns_server": _MANY,
        "domain_name": _text,
        "domain_search_list": _text,
        "ethernet_encap": _flag,
        "ip_forward_enable": _flag,
        "lease_time": _number(0, 2**32 - 1),
        "log_server": _MANY,
        "lpr_server": _MANY,
        "ms_classless_static_route": _routes,
        "mtu": _number(68, 65535),
        "netmask": _ONE,
        "nis_server": _MANY,
        "ntp_server": _MANY,
        "path_prefix": _text,
        "policy_filter": _MANY,
        "router": _MANY,
        "router_discovery": _flag,
        "router_solicitation": _ONE,
        "server_id": _ONE,
        "swap_server": _ONE,
        "T1": _number(68, 2**32 - 1),
        "T2": _number(68, 2**32 - 1),
        "tcp_keepalive_interval": _BYTE,
        "tcp_ttl": _BYTE,
        "tftp_server": _host,
        "tftp_server_address": _MANY,
        "wpad": _text,
    },
    6: {"dns_server": _addresses(6), "domain_search": _text, "server_id": _mac},
}

# Codes of the options, and names that are not only spelled otherwise.
_OTHERWISE: dict[int, dict[str, str]] = {
    4: {
        "1": "netmask", "3": "router", "6": "dns_server", "7": "log_server", "9": "lpr_server",
        "15": "domain_name", "16": "swap_server", "19": "ip_forward_enable", "21": "policy_filter",
        "23": "default_ttl", "26": "mtu", "31": "router_discovery", "32": "router_solicitation",
        "35": "arp_cache_timeout", "36": "ethernet_encap", "37": "tcp_ttl",
        "38": "tcp_keepalive_interval", "41": "nis_server", "42": "ntp_server", "51": "lease_time",
        "54": "server_id", "58": "T1", "59": "T2", "66": "tftp_server", "67": "bootfile_name",
        "119": "domain_search_list", "121": "classless_static_route",
        "150": "tftp_server_address", "210": "path_prefix", "249": "ms_classless_static_route",
        "252": "wpad", "arp-timeout": "arp_cache_timeout", "tcp-keepalive": "tcp_keepalive_interval",
        "server-ip-address": "tftp_server_address", "domain-search": "domain_search_list",
    },
    6: {"2": "server_id", "23": "dns_server", "24": "domain_search"},
}  # fmt: skip


def of_the_other_version(version: int, name: str, value: str) -> bool:
    """Whether a server is named by an address that DHCP of this version cannot say.

    Clients name one so on networks of IPv6 alone, where DHCP of IPv4 answers nobody.
    """
    if version != 4 or _OTHERWISE[4].get(name, name) not in (
        "tftp_server_address",
        "tftp-server-address",
    ):
        return False
    try:
        return ipaddress.ip_address(value).version == 6 and "%" not in value
    except ValueError:
        return False


def translated(version: int, name: str, value: str) -> tuple[str, str] | None:
    """An option's name and value as OVN takes them; None: it has no such option.

    Raises:
        CannotExpress: the value is none of the option's.
    """
    if name == DISABLED:
        if value.lower() not in ("true", "false"):
            raise CannotExpress(f"'{value}' is not true or false")
        return name, value.lower()
    known = _KINDS[version]
    ovn_name = _OTHERWISE[version].get(name) or name.replace("-", "_")
    if ovn_name not in known or "_" in name:
        return None
    return ovn_name, known[ovn_name](value)
