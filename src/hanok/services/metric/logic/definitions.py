"""What is taken out of a notification as an event's traits: `event_definitions.yaml`, as operators know it.

A definition names event types (with "*", and "!" before what it leaves out) and traits; of a trait, where in the
notification it stands ("payload.instance_id"), of which type it is, and what is made of it. Where several definitions
fit, the last one counts. All that is not known is refused when the file is read.

Source: Ceilometer's documentation, "Events" (definitions, types, plug-ins).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from msgspec import Struct

from hanok.services.metric.logic import times

LONGEST = 4096  # characters of a text that is a trait
TRAITS = 200  # of an event
_WORDS = 1000  # values that a path finds

KINDS = {"text": 1, "string": 1, "int": 2, "float": 3, "datetime": 4}
"""Types, and the numbers that events carry for them."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # moments that count from now on are none here
Value = str | int | float | datetime
_Step = str | int | None  # a name, a place, all places
_Path = tuple[_Step, ...]


class WrongDefinition(Exception):
    """An operator's file says what is not known here."""


class Trait(Struct, frozen=True):
    name: str
    kind: int
    value: Value


class Happened(Struct, frozen=True, kw_only=True):
    """An event as telemetry has it."""

    message_id: str
    event_type: str
    generated: str
    project_id: str | None
    traits: tuple[Trait, ...]

    @property
    def named(self) -> dict[str, Value]:
        return {one.name: one.value for one in self.traits}

    @property
    def plain(self) -> dict[str, Any]:
        """As it is published."""
        return {
            "message_id": self.message_id,
            "event_type": self.event_type,
            "generated": self.generated,
            "traits": [[one.name, one.kind, plain(one.value)] for one in self.traits],
            "raw": {},
        }


def plain(value: Value) -> Any:
    """A trait's value in JSON."""
    return value.replace(tzinfo=None).isoformat() if isinstance(value, datetime) else value


# ---- where something stands ----

_NAME = r"[A-Za-z_][\w:@-]*"
_STEP = re.compile(
    rf"""\.?(?:(?P<name>{_NAME}) | (?P<quoted>'[^']+'|"[^"]+")
    | \[(?P<place>\d{{1,4}}|\*|'[^']+'|"[^"]+")\])""",
    re.VERBOSE,
)


def path_of(text: Any) -> _Path:
    """
    Raises:
        WrongDefinition: it is not a path, or one of the sorts that are not read (conditions, slices, all descendants).
    """
    if not isinstance(text, str) or len(text) > 1000:
        raise WrongDefinition(f"{str(text)[:100]!r} is not a path")
    rest = text.strip().removeprefix("$.")
    steps: list[_Step] = []
    at = 0
    while at < len(rest):
        found = _STEP.match(rest, at)
        if found is None or (rest[at] == "." and not steps):
            raise WrongDefinition(f"the path {text[:100]!r} is not supported")
        steps.append(_step(found))
        at = found.end()
    if not steps or steps[0] is None:
        raise WrongDefinition(f"{text[:100]!r} is not a path")
    return tuple(steps)


def _step(found: re.Match[str]) -> _Step:
    place = found["place"]
    if place is None:
        return found["name"] or found["quoted"][1:-1]
    if place == "*":
        return None
    return int(place) if place.isdecimal() else place[1:-1]


def at_path(value: Any, path: _Path) -> Iterator[Any]:
    """All that stands there."""
    if not path:
        yield value
        return
    step, rest = path[0], path[1:]
    if step is None:
        inner = value.values() if isinstance(value, Mapping) else value
        for one in list(inner)[:_WORDS] if isinstance(value, Mapping | list | tuple) else ():
            yield from at_path(one, rest)
    elif isinstance(value, Mapping) and step in value:
        yield from at_path(value[step], rest)
    elif isinstance(step, int) and isinstance(value, list | tuple) and step < len(value):
        yield from at_path(value[step], rest)


# ---- what is made of it ----

_Plugin = Callable[[list[Any]], list[Any]]


def _split(parameters: Mapping[str, Any]) -> _Plugin:
    known = {"segment": 0, "separator": ".", "max_split": None}
    given = _given("split", parameters, known)
    segment, maximum = given["segment"], given["max_split"]
    separator = given["separator"]
    if type(segment) is not int or type(maximum) not in (int, type(None)):
        raise WrongDefinition("segment and max_split of split are numbers")
    if not isinstance(separator, str) or not separator:
        raise WrongDefinition("separator of split is a text")

    def made(values: list[Any]) -> list[Any]:
        found = []
        for one in values:
            parts = str(one).split(separator, -1 if maximum is None else maximum)
            found.append(parts[segment] if -len(parts) <= segment < len(parts) else None)
        return found

    return made


def _bitfield(parameters: Mapping[str, Any]) -> _Plugin:
    given = _given("bitfield", parameters, {"initial_bitfield": 0, "flags": []})
    start, flags = given["initial_bitfield"], given["flags"]
    if type(start) is not int or not isinstance(flags, list):
        raise WrongDefinition("bitfield has a number and a list of flags")
    pairs = []
    for one in flags:
        known = isinstance(one, Mapping) and not set(one) - {"path", "bit", "value"}
        if not known or type(one.get("bit")) is not int:
            raise WrongDefinition("a flag of bitfield has a path and a bit")
        pairs.append((path_of(one.get("path")), one["bit"], one.get("value")))

    def made(values: list[Any]) -> list[Any]:
        bits = start
        for one in values[:1]:
            for path, bit, wish in pairs:
                there = next(at_path(one, path), None)
                if there is not None and (wish is None or there == wish):
                    bits |= bit
        return [bits] if values else []

    return made


def _timedelta(parameters: Mapping[str, Any]) -> _Plugin:
    _given("timedelta", parameters, {})

    def made(values: list[Any]) -> list[Any]:
        moments = [_moment(one) for one in values]
        if len(moments) != 2 or None in moments:
            return []
        start, stop = moments
        assert start is not None and stop is not None
        return [abs((stop - start).total_seconds())]

    return made


def _map(parameters: Mapping[str, Any]) -> _Plugin:
    known: dict[str, Any] = {"values": {}, "default": None, "case_sensitive": True}
    given = _given("map", parameters, known)
    if not isinstance(given["values"], Mapping):
        raise WrongDefinition("values of map are pairs")
    exact = given["case_sensitive"] is True

    def key(one: Any) -> Any:
        return one.casefold() if isinstance(one, str) and not exact else one

    pairs = {key(one): value for one, value in given["values"].items()}

    def made(values: list[Any]) -> list[Any]:
        return [
            pairs.get(key(one), given["default"]) if isinstance(one, str | int | float) else None
            for one in values
        ]

    return made


def _given(of: str, sent: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    if odd := set(sent) - set(known):
        raise WrongDefinition(f"the plug-in {of} has no parameter {sorted(map(str, odd))[0]!r}")
    return {**known, **sent}


_PLUGINS = {"split": _split, "bitfield": _bitfield, "timedelta": _timedelta, "map": _map}


def _plugin_of(value: Any) -> _Plugin | None:
    if value is None:
        return None
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, Mapping) or value.get("name") not in _PLUGINS:
        raise WrongDefinition(f"plug-ins are {', '.join(sorted(_PLUGINS))}")
    parameters = value.get("parameters") or {}
    if set(value) - {"name", "parameters"} or not isinstance(parameters, Mapping):
        raise WrongDefinition("a plug-in has a name and parameters")
    return _PLUGINS[value["name"]](parameters)


# ---- definitions ----


class _TraitOf(Struct, frozen=True):
    name: str
    kind: int
    paths: tuple[_Path, ...]
    plugin: _Plugin | None

    def of(self, told: Mapping[str, Any]) -> Trait | None:
        """The first value that is there, as its type."""
        found = [one for path in self.paths for one in at_path(told, path)]
        if self.plugin is not None:
            found = self.plugin(found)
        for one in found:
            value = _value(self.kind, one)
            if value is not None:
                return Trait(self.name, self.kind, value)
        return None


def _value(kind: int, value: Any) -> Value | None:
    """None: it is none of that type."""
    if value is None or value == "" or isinstance(value, list | tuple | dict):
        return None
    try:
        if kind == KINDS["int"]:
            return int(value)
        if kind == KINDS["float"]:
            return float(value)
    except (ValueError, OverflowError, TypeError):
        return None
    return _moment(value) if kind == KINDS["datetime"] else str(value)[:LONGEST]


def _moment(value: Any) -> datetime | None:
    try:
        return times.to_datetime(times.moment(value, _EPOCH)) if isinstance(value, str) else None  # fmt: skip
    except (ValueError, OverflowError):
        return None


class Globs(Struct, frozen=True):
    """Names that are meant: those that fit one of some patterns, and none of others."""

    those: tuple[str, ...]
    others: tuple[str, ...]

    def fit(self, name: str) -> bool:
        if any(fnmatchcase(name, one) for one in self.others):
            return False
        return not self.those or any(fnmatchcase(name, one) for one in self.those)


def globs(value: Any, what: str) -> Globs:
    """
    Raises:
        WrongDefinition
    """
    some = [value] if isinstance(value, str) else value
    if not isinstance(some, list) or not 1 <= len(some) <= 1000:
        raise WrongDefinition(f"{what} is a list of names")
    for one in some:
        if not isinstance(one, str) or not 1 <= len(one.removeprefix("!")) <= 255 or one.count("*") > 8:  # fmt: skip
            raise WrongDefinition(f"{str(one)[:100]!r} of {what} is not a name")
    those = tuple(one for one in some if not one.startswith("!"))
    return Globs(those, tuple(one[1:] for one in some if one.startswith("!")))


class _Definition(Struct, frozen=True):
    types: Globs
    traits: tuple[_TraitOf, ...]


def _definition(value: Any) -> _Definition:
    if not isinstance(value, Mapping) or set(value) != {"event_type", "traits"}:
        raise WrongDefinition("a definition has event_type and traits")
    traits = value["traits"] or {}
    if not isinstance(traits, Mapping) or len(traits) > TRAITS:
        raise WrongDefinition(f"traits are at most {TRAITS} names, each with what it is")
    types = globs(value["event_type"], "event_type")
    return _Definition(types, tuple(_trait(name, one) for name, one in traits.items()))


def _trait(name: Any, value: Any) -> _TraitOf:
    if not isinstance(name, str) or not 1 <= len(name) <= 255:
        raise WrongDefinition(f"{str(name)[:100]!r} is not a name of a trait")
    if not isinstance(value, Mapping) or set(value) - {"fields", "type", "plugin"}:
        raise WrongDefinition(f"the trait {name} has fields, and type and plugin")
    kind = value.get("type", "text")
    if kind not in KINDS:
        raise WrongDefinition(f"the type of the trait {name} is one of {', '.join(KINDS)}")
    fields = value.get("fields")
    some = fields if isinstance(fields, list) else [fields]
    if not some:
        raise WrongDefinition(f"the trait {name} has no fields")
    paths = tuple(path_of(one) for one in some)
    return _TraitOf(name, KINDS[kind], paths, _plugin_of(value.get("plugin")))


class Definitions:
    """How notifications become events."""

    def __init__(self, read: Any) -> None:
        """
        Args:
            read: a list of definitions, as YAML has it.

        Raises:
            WrongDefinition
        """
        if not isinstance(read, list):
            raise WrongDefinition("it is not a list of definitions")
        self._all: Sequence[_Definition] = [_definition(one) for one in reversed(read)]

    def event(self, told: Mapping[str, Any]) -> Happened:
        """A notification as an event; one that no definition fits has the traits that all have."""
        event_type = str(told["event_type"])
        known = {**told, "ctxt": _context(told)}
        fitting = next((one for one in self._all if one.types.fit(event_type)), None)
        of = (*_ALWAYS, *(fitting.traits if fitting is not None else ()))
        found = {one.name: made for one in of if (made := one.of(known)) is not None}
        return Happened(
            message_id=str(told["message_id"]),
            event_type=event_type,
            generated=str(told["timestamp"] or "").replace(" ", "T"),
            project_id=told.get("_context_project_id"),
            traits=tuple(found.values()),
        )


def _context(told: Mapping[str, Any]) -> dict[str, Any]:
    names = ("request_id", "project_id", "user_id")
    found = {name: told.get(f"_context_{name}") for name in names}
    return {**found, "tenant": found["project_id"], "user": found["user_id"]}


def _fields(texts: Mapping[str, str]) -> dict[str, Any]:
    """Traits by name, with the paths of each; the type stands behind a colon of the name."""
    made = {}
    for name, fields in texts.items():
        called, _, kind = name.partition(":")
        made[called] = {"fields": fields.split(), "type": kind or "text"}
    return made


_ALWAYS = tuple(
    _trait(name, one)
    for name, one in _fields({
        "service": "publisher_id",
        "request_id": "_context_request_id",
        "project_id": "_context_project_id",
        "tenant_id": "_context_project_id",
        "user_id": "_context_user_id",
    }).items()
)  # fmt: skip
_OWNED = {
    "project_id": "payload.tenant_id payload.project_id _context_project_id",
    "tenant_id": "payload.tenant_id payload.project_id _context_project_id",
    "user_id": "payload.user_id _context_user_id",
}
_NOUNS = (
    "network", "subnet", "subnetpool", "port", "router", "floatingip", "security_group", "security_group_rule",
    "address_group", "address_scope", "trunk", "policy",
)  # fmt: skip


def _of_network(noun: str) -> dict[str, Any]:
    known = {
        "resource_id": f"payload.{noun}.id payload.{noun}_id payload.id",
        "name": f"payload.{noun}.name",
        "status": f"payload.{noun}.status",
        "project_id": f"payload.{noun}.tenant_id _context_project_id",
        "tenant_id": f"payload.{noun}.tenant_id _context_project_id",
    }
    if noun == "port":
        known |= {"device_id": "payload.port.device_id", "network_id": "payload.port.network_id"}
    return {"event_type": f"{noun}.*", "traits": _fields(known)}


USUAL: list[dict[str, Any]] = [
    {
        "event_type": "*",
        "traits": _fields({**_OWNED, "resource_id": "payload.id", "name": "payload.name"}),
    },
    {
        "event_type": "compute.instance.*",
        "traits": _fields({
            **_OWNED,
            "instance_id": "payload.instance_id",
            "resource_id": "payload.instance_id",
            "display_name": "payload.display_name",
            "host": "payload.host",
            "state": "payload.state",
            "old_state": "payload.old_state",
            "memory_mb:int": "payload.memory_mb",
            "disk_gb:int": "payload.disk_gb",
            "root_gb:int": "payload.root_gb",
            "ephemeral_gb:int": "payload.ephemeral_gb",
            "vcpus:int": "payload.vcpus",
            "instance_type": "payload.instance_type",
            "instance_flavor_id": "payload.instance_flavor_id",
            "availability_zone": "payload.availability_zone",
            "os_architecture": "payload.architecture",
            "created_at:datetime": "payload.created_at",
            "launched_at:datetime": "payload.launched_at",
            "deleted_at:datetime": "payload.deleted_at",
        }),
    },
    {
        "event_type": "instance.*",
        "traits": _fields({
            name: fields.replace("payload", "payload.'nova_object.data'")
            for name, fields in {
                **_OWNED,
                "instance_id": "payload.uuid",
                "resource_id": "payload.uuid",
                "display_name": "payload.display_name",
                "host": "payload.host",
                "state": "payload.state",
            }.items()
        }),
    },
    {
        "event_type": ["volume.*", "snapshot.*", "backup.*"],
        "traits": _fields({
            **_OWNED,
            "resource_id": "payload.backup_id payload.snapshot_id payload.volume_id",
            "volume_id": "payload.volume_id",
            "display_name": "payload.display_name",
            "status": "payload.status",
            "host": "payload.host",
            "type": "payload.volume_type",
            "size:int": "payload.size payload.volume_size",
            "availability_zone": "payload.availability_zone",
            "replication_status": "payload.replication_status",
            "created_at:datetime": "payload.created_at",
        }),
    },
    {
        "event_type": "image.*",
        "traits": _fields({
            "project_id": "payload.owner _context_project_id",
            "tenant_id": "payload.owner _context_project_id",
            "user_id": "_context_user_id",
            "resource_id": "payload.id",
            "name": "payload.name",
            "status": "payload.status",
            "size:int": "payload.size",
            "created_at:datetime": "payload.created_at",
            "deleted_at:datetime": "payload.deleted_at",
        }),
    },
    *(_of_network(noun) for noun in _NOUNS),
    {
        "event_type": "identity.*",
        "traits": _fields({
            "project_id": "payload.project _context_project_id",
            "user_id": "payload.user _context_user_id",
            "resource_id": "payload.resource_info",
            "role_id": "payload.role",
        }),
    },
]  # fmt: skip
"""What is taken where an operator has no file."""
