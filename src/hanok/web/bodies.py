"""Bodies that are read attribute by attribute, by the table of a resource's attributes (`web/attributes.py`).

What an API says of a body that does not fit is its own: `Bodies` holds its texts, and reads in its words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from hanok.base.errors import BadInput
from hanok.web.attributes import REQUIRED, Attribute, Validator, Wrong, say
from hanok.web.microversions import Version

Attributes = Mapping[str, Attribute]
UNVERSIONED: Version = (0, 0)


class Made(Struct, frozen=True):
    """A resource that is to be made.

    values: what was sent with every default filled in. explicit: what was sent and is not the default anyway.
    """

    values: dict[str, Any]
    explicit: frozenset[str]


class Bodies(Struct, frozen=True, kw_only=True):
    """How an API reads bodies, and what it says of those that do not fit.

    invalid: of a value; it takes an attribute's name and the reason. The others are texts with what they are about in
        braces.
    also: older names of attributes. maximum: resources of one request at most.
    """

    invalid: Callable[[str, str], BadInput] = lambda name, reason: BadInput(
        f"Invalid input for {name}: {reason}"
    )
    no_object: str = "Invalid input: a JSON object is required"
    no_member: str = "Invalid input: '{name}' is a required property"
    unknown: str = "Invalid input: Additional properties are not allowed ('{names}' was unexpected)"
    missing: str = "Invalid input: '{name}' is a required property"
    not_in_post: str = "Invalid input: '{name}' cannot be set"
    not_in_put: str = "Invalid input: '{name}' cannot be changed"
    no_items: str = "Invalid input: a list of resources is required"
    odd_item: str = "Invalid input: a resource in the list is not an object"
    too_many: str = "At most {maximum} resources in one request"
    beside: str = "Invalid input: Additional properties are not allowed beside the list"
    differ: str = "'{name}' and '{older}' do not match"
    also: Mapping[str, str] = {}
    maximum: int = 500

    def checked(self, name: str, check: Validator, value: Any) -> Any:
        """A value through its validator.

        Raises:
            BadInput
        """
        try:
            return check(value)
        except Wrong as wrong:
            raise self.invalid(name, str(wrong)) from None

    def made(
        self, body: Any, name: str, attributes: Attributes, version: Version = UNVERSIONED
    ) -> Made:
        """The resource of a POST.

        Args:
            body: as decoded; the resource stands in it under `name`.

        Raises:
            BadInput
        """
        return self._made(self._member(body, name), _known(attributes, version))

    def made_many(
        self, body: Any, name: str, plural: str, attributes: Attributes, version: Version
    ) -> list[Made]:
        """The resources of a POST with a list of them.

        Raises:
            BadInput
        """
        known = _known(attributes, version)
        return [self._made(one, known) for one in self._items(body, name, plural)]

    def changed(
        self, body: Any, name: str, attributes: Attributes, version: Version = UNVERSIONED
    ) -> dict[str, Any]:
        """The attributes of a PUT that were sent.

        Raises:
            BadInput
        """
        known = _known(attributes, version)
        values = self._named(self._member(body, name), known)
        for key in values:
            if not known[key].put:
                raise BadInput(self.not_in_put.format(name=key))
        return {key: self.checked(key, known[key].check, value) for key, value in values.items()}

    def _made(self, sent: Any, known: Attributes) -> Made:
        if not isinstance(sent, dict):
            raise BadInput(self.odd_item)
        sent = self._named(sent, known)
        values: dict[str, Any] = {}
        for name, attribute in known.items():
            if name in sent:
                if not attribute.post:
                    raise BadInput(self.not_in_post.format(name=name))
                values[name] = self.checked(name, attribute.check, sent[name])
            elif attribute.default is REQUIRED:
                raise BadInput(self.missing.format(name=name))
            elif attribute.post:
                default = attribute.default
                values[name] = list(default) if isinstance(default, list) else default
        # Sending what is the default anyway asks for nothing.
        return Made(values, frozenset(k for k in sent if values[k] != known[k].default))

    def _member(self, body: Any, name: str) -> dict[str, Any]:
        if not isinstance(body, dict):
            raise BadInput(self.no_object)
        found = body.get(name)
        if not isinstance(found, dict):
            raise BadInput(self.no_member.format(name=name))
        self._hold(body, (name,))
        return found

    def _items(self, body: dict[str, Any], name: str, plural: str) -> list[Any]:
        each = body[plural]
        if not isinstance(each, list) or not each:
            raise BadInput(self.no_items)
        if len(each) > self.maximum:
            raise BadInput(self.too_many.format(maximum=self.maximum))
        if len(body) > 1:
            raise BadInput(self.beside)
        # An item may stand in an object of its own, as older clients send it.
        return [one[name] if isinstance(one, dict) and list(one) == [name] else one for one in each]

    def _named(self, values: dict[str, Any], known: Attributes) -> dict[str, Any]:
        """What was sent under the names that the attributes have; an older name is the same attribute."""
        for older, name in self.also.items():
            if older in values:
                if name in values and values[name] != values[older]:
                    raise BadInput(self.differ.format(name=name, older=older))
                values = {name if key == older else key: one for key, one in values.items()}
        self._hold(values, known)
        return values

    def _hold(self, sent: Mapping[str, Any], known: Sequence[str] | Attributes) -> None:
        if odd := [name for name in sent if name not in known]:
            raise BadInput(self.unknown.format(names=say(", ".join(odd))))


def is_bulk(body: Any, name: str, plural: str) -> bool:
    """Whether a body holds a list of resources, rather than one."""
    return isinstance(body, dict) and plural in body and name not in body


def _known(attributes: Attributes, version: Version) -> Attributes:
    return {name: one for name, one in attributes.items() if one.holds(version)}
