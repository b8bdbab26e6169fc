"""What is done when an alarm changes its state: an address is called, or a line is logged.

An address of this cloud itself (a stack's signal) is called from within and leaves no socket; others by the rules of
images' imports: no addresses that are not public, no token, bounded. Each notice is a row that is written with the
change of state, so it is sent at least once; its id goes along, so who gets it twice can tell.

Source: Aodh's documentation, "Alarm actions"; decision 0072.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from hanok.base.errors import BadInput, NotSignedIn
from hanok.drivers.image_stores.web import NotAllowed, WebRules, check_url
from hanok.services.alarming.room import Alarming

WITHIN = ("/heat-api/", "/heat-api-cfn/", "/orchestration/")
KINDS = ("ok_actions", "alarm_actions", "insufficient_data_actions")
LONGEST = 2048  # characters of an address
HEAL = "trust+heat://"  # mends the stack that an alarm on a pool's members names


def rules_for(room: Alarming, url: str) -> WebRules:
    """Where an action may lead: to any port, of public addresses."""
    try:
        port = urlsplit(url).port
    except ValueError:
        raise BadInput(f"Unable to parse action {url[:200]}") from None
    ports = (80, 443) if port is None else (port,)
    return WebRules(ports=ports, networks=room.settings.action_networks)


def of_cloud(url: str, origin: str) -> bool:
    """Whether it is an address of this cloud that takes signals. origin: as the caller knows the cloud."""
    parts, own = urlsplit(url.removeprefix("trust+")), urlsplit(origin)
    inside = parts.path.startswith(WITHIN) and ".." not in parts.path
    return inside and parts.netloc == own.netloc


def checked(
    room: Alarming, sent: Sequence[str], kind: str, *, origin: str, operator: bool
) -> list[str]:
    """Actions as they are kept, each once.

    Args:
        origin: as the caller knows the cloud. operator: whether the caller may write into the log.

    Raises:
        BadInput; NotSignedIn: the caller may not have such an action.
    """
    if len(sent) > room.settings.alarm_max_actions:
        raise BadInput(f"{kind} count exceeds maximum value {room.settings.alarm_max_actions}")
    return list(dict.fromkeys(_checked(room, one, origin, operator=operator) for one in sent))


def _checked(room: Alarming, action: str, origin: str, *, operator: bool) -> str:
    if len(action) > LONGEST:
        raise BadInput(f"An action has at most {LONGEST} characters.")
    try:
        parts = urlsplit(action)
    except ValueError:
        raise BadInput(f"Unable to parse action {action[:200]}") from None
    if parts.scheme in ("log", "test"):
        if not operator:
            raise NotSignedIn(f"You are not authorized to create action: {action[:200]}")
        return parts.geturl()
    if parts.scheme == "trust+heat":
        if action.rstrip("/") != HEAL.rstrip("/"):
            raise BadInput(f"{HEAL} has no address: the rule of the alarm names the stack.")
        return HEAL
    if parts.scheme in ("trust+http", "trust+https"):
        return _trusted(action, origin)
    if parts.scheme not in ("http", "https"):
        raise BadInput(f"Unsupported action {action[:200]}")
    if not of_cloud(action, origin):
        try:
            check_url(rules_for(room, action), action)
        except NotAllowed as error:
            raise BadInput(f"Unsupported action {action[:200]}: {error}") from None
    return parts.geturl()


def _trusted(action: str, origin: str) -> str:
    if "@" in urlsplit(action).netloc:
        raise BadInput("trust URL cannot contain a trust ID.")
    if not of_cloud(action, origin):
        raise BadInput(
            f"Unsupported action {action[:200]}: with trust+, actions are taken by this cloud's own "
            "orchestration."
        )
    return action


def needs_lending(actions: Mapping[str, Sequence[str]]) -> bool:
    """Whether one of the actions is done in somebody's name."""
    return any(one.startswith("trust+") for kind in KINDS for one in actions[kind])


def payload(row: Any, state: str, reason: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """What is told. row: the alarm as it was."""
    return {
        "alarm_name": row.name,
        "alarm_id": row.alarm_id,
        "severity": row.severity,
        "previous": row.state,
        "current": state,
        "reason": reason,
        "reason_data": dict(data),
    }


def encoded(content: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(content)
