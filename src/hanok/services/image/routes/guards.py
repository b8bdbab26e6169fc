"""Property protections against one caller."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hanok.base.errors import Forbidden, Unavailable
from hanok.services.image.logic import protections
from hanok.services.image.logic.protections import Act, BadProtections, Protections
from hanok.services.image.room import Images
from hanok.web.request import Request


class Guard:
    """What the caller may do with further properties; everything, where the operator protects none."""

    def __init__(self, request: Request, rules: Protections | None, by: str) -> None:
        self._request, self._rules, self._by = request, rules, by

    def _may(self, name: str, act: Act) -> bool:
        return self._rules is None or self._rules.allows(name, act, self._holds)

    def _holds(self, word: str) -> bool:
        token = self._request.token
        if self._by == "roles":
            return word.lower() in (role.lower() for role in token.roles)
        return self._request.may(word, {"project_id": token.project_id})

    def readable(self, properties: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in properties.items() if self._may(name, "read")}

    def check_change(self, before: Mapping[str, str], after: Mapping[str, str]) -> None:
        """Raises Forbidden when something between the two is not for this caller to do."""
        for name in sorted({*before, *after}):
            act: Act
            if name not in before:
                act = "create"
            elif name not in after:
                act = "delete"
            elif before[name] != after[name]:
                act = "update"
            else:
                continue
            if not self._may(name, act):
                raise Forbidden(f"Property '{name}' is protected")


def of(request: Request, room: Images) -> Guard:
    """Raises Unavailable when the operator's file cannot be used: then nothing is open."""
    file = room.settings.property_protections
    if not file:
        return Guard(request, None, "")
    try:
        rules = protections.load(Path(file), room.settings.protections_by)
    except BadProtections as error:
        raise Unavailable("The rules of properties cannot be read.", detail=str(error)) from error
    return Guard(request, rules, room.settings.protections_by)
