"""What all resources of this API have in common: its texts, its pages, and whose rows a caller reaches.

Source: Load Balancer API v2 reference, "Filtering and column selection", "Response codes".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from hanok.base.errors import BadInput, Forbidden, HanokError
from hanok.services.load_balancer.logic.errors import not_found
from hanok.services.load_balancer.room import Reach
from hanok.web.bodies import Bodies
from hanok.web.listing import Links, PageStyle
from hanok.web.request import Request
from hanok.web.resources import Api

BODIES = Bodies(
    invalid=lambda name, reason: BadInput(f"Invalid input for field/attribute {name}. {reason}"),
    no_object="Invalid input for field/attribute body. A JSON object is required",
    no_member="Invalid input for field/attribute {name}. Mandatory field missing.",
    unknown="Unknown attribute for argument: {names}",
    missing="Invalid input for field/attribute {name}. Mandatory field missing.",
    not_in_post="Invalid input for field/attribute {name}. It cannot be set",
    not_in_put="Invalid input for field/attribute {name}. It cannot be changed",
    also={"tenant_id": "project_id"},
)


def _links(answer: dict[str, Any], name: str, links: Links) -> None:
    both = (("next", links.next), ("previous", links.previous))
    answer[f"{name}_links"] = [{"rel": rel, "href": link} for rel, link in both if link is not None]


def _odd_filters(names: Sequence[str]) -> HanokError:
    return BadInput(f"{[one[:100] for one in sorted(names)]} is invalid attribute for filtering")


PAGES = PageStyle(
    put=_links,
    missing=lambda marker: BadInput(f"Invalid marker: {marker[:100]}"),
    maximum=1000,
    blank=True,
    no_marker=True,
    reverse="page_reverse",
    together="sort",
    last="asc",
    odd_key=lambda name, known: BadInput(f"Attribute {name} is not valid for sorting"),
    odd_direction=lambda direction: BadInput(f"{direction} is not a valid option for sort_dir"),
    odd_filters=_odd_filters,
    others=("fields",),
)

_VERBS = {
    "list": "get_all",
    "get": "get_one",
    "create": "post",
    "update": "put",
    "delete": "delete",
}
_NAMES = {
    "pool_member": "member",
    "l7policy_rule": "l7rule",
    "flavorprofile": "flavor-profile",
    "availability_zone": "availability-zone",
    "availability_zone_profile": "availability-zone-profile",
}
WIDE = ("loadbalancer", "listener", "pool", "healthmonitor", "l7policy")


def rule(verb: str, name: str) -> str:
    return f"os_load-balancer_api:{_NAMES.get(name, name)}:{_VERBS[verb]}"


def disallowed(rules: Sequence[str]) -> Forbidden:
    return Forbidden("Policy does not allow this request to be performed.", detail=rules[-1])


def reach_of(request: Request) -> Reach:
    """How far the caller sees: whose objects a list tells of is said by a rule of that list."""
    assert request.route is not None
    wide = [one for one in request.route.rules if one.endswith("-global")]
    token = request.token
    return Reach(
        token.project_id,
        token.user_id,
        everything=any(map(request.may, wide)),
        network=request.reaching("network"),
        may_read=partial(request.may_at, "key-manager"),
    )


API = Api[Reach](
    base="/v2.0/lbaas",
    service="load_balancer",
    reach=reach_of,
    style=PAGES,
    bodies=BODIES,
    not_found=not_found,
    disallowed=disallowed,
    rule=rule,
    fields="fields",
    hides=False,
    wide=lambda name: f"{rule('list', name)}-global" if name in WIDE else "",
)
