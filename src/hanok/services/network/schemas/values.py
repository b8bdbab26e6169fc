"""The values of this API that no other has: each a validator (`web/attributes.py`), with reasons in this API's words.

Source: Networking API v2.0 reference, "Request parameters" of each resource.
"""

from __future__ import annotations

import re
from typing import Any

from hanok.base.addresses import address_of, interface_of, prefix_of
from hanok.drivers.ovn import dhcp_options
from hanok.drivers.ovn.errors import CannotExpress
from hanok.web.attributes import Wrong, items, one_of, or_none, record, say, text, whole

_MAC = re.compile(r"[0-9a-f]{2}([:-][0-9a-f]{2}){5}")


def as_kept(value: str) -> str:
    """How an address or a prefix that is asked for is kept; what is neither, as it was sent."""
    try:
        return str(interface_of(value) if "/" in value else address_of(value))
    except ValueError:
        return value


def as_kept_with_length(value: str) -> str:
    """The same where bare addresses are kept as prefixes of full length."""
    try:
        return str(interface_of(value))
    except ValueError:
        return value


_OF_NOBODY = ("00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff")


def mac(value: Any) -> str:
    """A MAC address, in small letters with colons; as upstream, neither of none nor of all.

    One of a group is taken: suites of clients set such ones, and a guest's system takes another for itself.
    """
    plain = value.lower().replace("-", ":") if isinstance(value, str) else ""
    if not _MAC.fullmatch(plain) or plain in _OF_NOBODY:
        raise Wrong(f"'{say(value)}' is not a valid MAC address")
    return plain


def prefix(value: Any) -> str:
    """A prefix with its length; host bits are dropped."""
    try:
        found = prefix_of(value)
    except ValueError:
        raise Wrong(f"'{say(value)}' is not a valid IP subnet") from None
    if "/" not in value:
        raise Wrong(f"'{value}' isn't a recognized IP subnet cidr, '{found}' is recommended")
    return str(found)


def prefix_or_address(value: Any) -> str:
    """A prefix in its one spelling, with the host bits that were sent; a bare address is one of full length."""
    try:
        return str(interface_of(value))
    except ValueError:
        raise Wrong(f"'{say(value)}' is not a valid CIDR") from None


def address_or_prefix(value: Any) -> str:
    """A bare address, or a prefix, in its one spelling."""
    found = prefix_or_address(value)
    return found if "/" in value else str(address_of(value))


def prefix_of_any(value: Any) -> str:
    """A prefix, or a bare address as one of full length; host bits are dropped."""
    return str(interface_of(prefix_or_address(value)).network)


def ip_version(value: Any) -> int:
    return int(one_of(4, 6)(whole()(value)))


_PORTS = re.compile(r"[0-9]{1,5}(:[0-9]{1,5})?")


def port_range(value: Any) -> str:
    """Ports as "first:last", or one alone."""
    if not isinstance(value, str) or not _PORTS.fullmatch(value):
        raise Wrong(f"'{say(value)}' is not a valid port range")
    first, _, last = value.partition(":")
    if not 0 < int(first) <= int(last or first) <= 65535:
        raise Wrong(f"'{value}' is not a valid port range")
    return value


def dhcp_option(value: Any) -> dict[str, Any]:
    """An option that DHCP tells a port; null as its value takes it away.

    As upstream, one that OVN cannot send is kept and shown: clients name options that their guests' network does not
    know, and suites make names up.
    """
    names = {"opt_name": text(64, empty=False)}
    others = {
        "opt_value": or_none(text(255, empty=False)),
        "ip_version": ip_version,
        "id": text(36),
    }
    if isinstance(value, dict) and "opt_value" not in value:
        raise Wrong("Validation of dictionary's keys failed. Expected keys: ['opt_value']")
    found: dict[str, Any] = record(names, others)(value)
    found.pop("id", None)
    found["ip_version"] = found.get("ip_version") or 4
    try:
        option = (found["ip_version"], found["opt_name"], found["opt_value"])
        if option[2] is not None and not dhcp_options.of_the_other_version(*option):
            dhcp_options.translated(*option)
    except CannotExpress as error:
        raise Wrong(say(error.message)) from None
    return found


_OWNER = re.compile(r"[a-z][a-z0-9_-]*:.*")


def service_type(value: Any) -> str:
    """A device owner, as ports have it."""
    found = str(text(255)(value))
    if not _OWNER.fullmatch(found):
        raise Wrong(f"Subnet service type {say(found)} does not correspond to a valid device owner")
    return found


MAXIMUM_OF_A_TAG = 255  # characters


def tag(value: Any) -> str:
    """A tag. As upstream, what a path or a filter cannot name ('/', ',') comes in bodies: "kubernetes.io/cluster/…"."""
    if not isinstance(value, str) or not 0 < len(value) <= MAXIMUM_OF_A_TAG:
        raise Wrong(f"'{say(value)}' is not a tag of 1 to {MAXIMUM_OF_A_TAG} characters")
    return value


def tag_list(value: Any) -> list[str]:
    found = items(tag, maximum=50, unique=False)(value)
    return list(dict.fromkeys(found))
