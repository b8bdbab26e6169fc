"""What is refused, in the service's words.

Source: Load Balancer API v2 reference, "Errors".
"""

from __future__ import annotations

from hanok.base.errors import BadInput, Conflict, Forbidden, NotFound

NAMES = {
    "loadbalancer": "Load Balancer",
    "listener": "Listener",
    "pool": "Pool",
    "member": "Member",
    "healthmonitor": "Health Monitor",
    "l7policy": "L7Policy",
    "l7rule": "L7Rule",
    "flavor": "Flavor",
    "flavorprofile": "Flavorprofile",
    "availability_zone": "Availability Zone",
    "availability_zone_profile": "Availability Zone Profile",
    "amphora": "Amphora",
}


class OverLimits(Forbidden):
    """A quota: the service says 403."""


def not_found(name: str, requested: str) -> NotFound:
    return NotFound(f"{NAMES.get(name, name)} {requested[:255]} not found.")


def immutable(name: str, requested: str) -> Conflict:
    return Conflict(f"{NAMES[name]} {requested} is immutable and cannot be updated.")


def odd(option: str, value: object, why: str = "") -> BadInput:
    text = f"{str(value)[:200]} is not a valid option for {option}"
    return BadInput(f"{text}: {why}" if why else text)


def failed(why: str) -> BadInput:
    return BadInput(f"Validation failure: {why}")
