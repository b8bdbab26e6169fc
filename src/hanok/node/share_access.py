"""Access rules become networks before they reach an export: what is no address is refused."""

from __future__ import annotations

from collections.abc import Sequence

from hanok.base.addresses import prefix_of
from hanok.commands import AccessRule
from hanok.drivers.nfs.exports import Client
from hanok.node.errors import NotDone

MAX_RULES = 1000  # of a share


def clients_of(rules: Sequence[AccessRule], *, read_only: bool = False) -> tuple[Client, ...]:
    """Whom rules let in, the narrowest network first.

    Raises:
        NotDone: something is no network, is there twice, or there are too many.
    """
    if len(rules) > MAX_RULES:
        raise NotDone(f"A share has at most {MAX_RULES} access rules.")
    found = [_client(one, read_only) for one in rules]
    if len({one.network for one in found}) < len(found):
        raise NotDone("Two access rules are for the same clients.")
    found.sort(key=lambda one: (one.network.version, -one.network.prefixlen, one.network))
    return tuple(found)


def _client(rule: AccessRule, read_only: bool) -> Client:
    try:
        network = prefix_of(rule.prefix)
    except ValueError:
        raise NotDone("An access rule is for no address.", detail=repr(rule.prefix)) from None
    return Client(network=network, writes=rule.level == "rw" and not read_only)
