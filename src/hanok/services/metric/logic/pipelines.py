"""What is measured how often, and where it goes: `polling.yaml`, `pipeline.yaml` and `event_pipeline.yaml`.

A source of polling names meters and an interval. A source of a pipeline names what it takes and its sinks; a sink has
publishers, which are addresses. The files are read when a control process starts, and what is not known stops it:
a line that nobody reads would be a meter that nobody has.

Source: Ceilometer's documentation, "Configuration" (polling, pipelines, publishers).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct

from hanok.services.metric.logic import definitions
from hanok.services.metric.logic.definitions import Definitions, Globs, WrongDefinition, globs

LARGEST = 1 << 20  # bytes of a file
SOURCES = 100  # of a file
EVERY_S = 5  # the shortest interval

STORE = "gnocchi"  # this cloud's own
ALARMS = "notifier"  # what alarms hear


class Polled(Struct, frozen=True):
    """A source of polling: which meters, and how many seconds apart. meters None: all."""

    name: str
    interval_s: int
    meters: Globs | None


class Publisher(Struct, frozen=True, kw_only=True):
    """Where something goes. url: as it was written; target: an address, or a file. options: those of its query."""

    url: str
    scheme: str
    target: str
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def key(self) -> str:
        """What rows call it: an address may hold a secret."""
        return sha256(self.url.encode()).hexdigest()

    def option(self, name: str, otherwise: Any) -> Any:
        return dict(self.options).get(name, otherwise)

    @property
    def leads_out(self) -> bool:
        return self.scheme not in (STORE, ALARMS)


class Pipeline(Struct, frozen=True):
    """Which names go where."""

    sources: tuple[tuple[Globs, tuple[Publisher, ...]], ...]

    def of(self, name: str) -> tuple[Publisher, ...]:
        """All publishers of a name, each once."""
        found = (one for fit, some in self.sources if fit.fit(name) for one in some)
        return tuple(dict.fromkeys(found))

    @property
    def publishers(self) -> tuple[Publisher, ...]:
        return tuple(dict.fromkeys(one for _, some in self.sources for one in some))


class Telemetry(Struct, frozen=True):
    """What an operator's files say; polling None: all meters, as often as the settings say."""

    samples: Pipeline
    events: Pipeline
    definitions: Definitions
    polling: tuple[Polled, ...] | None = None


def read(folder: str) -> Telemetry:
    """The files of a folder; where one is missing, what is usual.

    Raises:
        WrongDefinition: one of them says what is not known, or cannot be read.
    """
    texts: dict[str, Any] = {}
    if folder:
        if not Path(folder).is_dir():
            raise WrongDefinition(f"telemetry_folder: {folder} is not a folder")
        texts = {one: _file(Path(folder) / f"{one}.yaml") for one in _READERS}
    made = {name: _made(name, texts.get(name)) for name in _READERS}
    return Telemetry(
        samples=made["pipeline"],
        events=made["event_pipeline"],
        definitions=made["event_definitions"],
        polling=made["polling"],
    )


def _file(path: Path) -> Any:
    """What a file holds; None: there is none."""
    import yaml  # only a cloud whose operator has such files pays for it

    try:
        with path.open("rb") as opened:
            raw = opened.read(LARGEST + 1)
        if len(raw) > LARGEST:
            raise WrongDefinition(f"{path}: it is larger than {LARGEST >> 20} MiB")
        return yaml.safe_load(raw.decode())
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise WrongDefinition(f"{path}: {error}") from None
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:  # fmt: skip
        raise WrongDefinition(f"{path}: {str(error)[:500]}") from None


def _made(name: str, value: Any) -> Any:
    if value is None:
        return _by_default(name)
    try:
        return _READERS[name](value)
    except WrongDefinition as error:
        raise WrongDefinition(f"{name}.yaml: {error}") from None


@cache
def _by_default(name: str) -> Any:
    """What holds where there is no such file; read once, as nobody changes it."""
    return _READERS[name](_USUAL[name])


# ---- polling ----


def _polling(value: Any) -> tuple[Polled, ...] | None:
    if value is _USUAL["polling"]:
        return None
    found = []
    for one in _list(_keys(value, ("sources",), ())["sources"], "sources"):
        keys = _keys(one, ("name", "interval", "meters"), ())
        interval = keys["interval"]
        if type(interval) is not int or not EVERY_S <= interval <= 86_400:
            raise WrongDefinition(f"an interval is a number of seconds, {EVERY_S} to 86400")
        found.append(Polled(_name(keys["name"]), interval, globs(keys["meters"], "meters")))
    return tuple(found)


# ---- pipelines ----


def _pipeline(what: str, schemes: Sequence[str]) -> Callable[[Any], Pipeline]:
    def reader(value: Any) -> Pipeline:
        known = _keys(value, ("sources", "sinks"), ())
        sinks: dict[str, tuple[Publisher, ...]] = {}
        for one in _list(known["sinks"], "sinks"):
            keys = _keys(one, ("name", "publishers"), ("transformers",))
            if keys["transformers"]:
                raise WrongDefinition(
                    "transformers are not supported: use aggregates of the metric service"
                )
            name = _name(keys["name"])
            if name in sinks:
                raise WrongDefinition(f"the sink {name} is defined twice")
            sinks[name] = _publishers(keys["publishers"], schemes)
        return Pipeline(tuple(_source(one, what, sinks) for one in _list(known["sources"], "sources")))  # fmt: skip

    return reader


def _source(
    value: Any, what: str, sinks: Mapping[str, tuple[Publisher, ...]]
) -> tuple[Globs, tuple[Publisher, ...]]:
    keys = _keys(value, ("name", what, "sinks"), ())
    _name(keys["name"])
    some = _list(keys["sinks"], "sinks")
    for one in some:
        if one not in sinks:
            raise WrongDefinition(f"there is no sink {str(one)[:100]}")
    return globs(keys[what], what), tuple(publisher for one in some for publisher in sinks[one])


def _publishers(value: Any, schemes: Sequence[str]) -> tuple[Publisher, ...]:
    return tuple(_publisher(one, schemes) for one in _list(value, "publishers"))


_Option = Callable[[str], Any]


def _number(low: int, high: int) -> _Option:
    def reader(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise ValueError(f"a number from {low} to {high}")
        return int(text)

    return reader


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0", ""):
        raise ValueError("true or false")
    return text.lower() in ("true", "1", "")


_SENT = {"timeout": _number(1, 60), "max_retries": _number(0, 10)}
_OPTIONS: dict[str, dict[str, _Option]] = {
    STORE: {"archive_policy": str},
    ALARMS: {"topic": str},
    "http": {**_SENT, "batch": _truth},
    "https": {**_SENT, "batch": _truth},
    "prometheus": {**_SENT, "ssl": _truth},
    "remotewrite": {**_SENT, "ssl": _truth},
    "file": {"max_bytes": _number(1024, 1 << 40), "backup_count": _number(0, 100), "json": _truth},
}
OF_SAMPLES = (STORE, "http", "https", "prometheus", "remotewrite", "file")
OF_EVENTS = (STORE, ALARMS, "http", "https", "file")


def _publisher(value: Any, schemes: Sequence[str]) -> Publisher:
    if not isinstance(value, str) or len(value) > 2048:
        raise WrongDefinition("a publisher is an address")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise WrongDefinition(f"{value[:100]!r} is not an address") from None
    if parts.scheme not in schemes:
        raise WrongDefinition(
            f"the publisher {value[:100]!r} is not supported; these are: {', '.join(f'{one}://' for one in schemes)}"
        )
    options = _options(parts.scheme, parts.query)
    if parts.scheme == "file":
        if parts.netloc or not parts.path.startswith("/") or ".." in parts.path.split("/"):
            raise WrongDefinition(f"{value[:100]!r} is not a file: file:///folder/name")
        target = parts.path
    elif parts.scheme in (STORE, ALARMS):
        target = ""
        if parts.netloc or parts.path.strip("/"):
            raise WrongDefinition(f"{parts.scheme}:// is this cloud's own, and has no address")
        if parts.scheme == ALARMS and options.get("topic") != "alarm.all":
            raise WrongDefinition("notifier:// leads to alarms alone: notifier://?topic=alarm.all")
    else:
        if not parts.hostname or port == 0:
            raise WrongDefinition(f"{value[:100]!r} names no host")
        secure = parts.scheme == "https" or options.get("ssl", False)
        target = f"{'https' if secure else 'http'}://{parts.netloc}{parts.path or '/'}"
    return Publisher(
        url=value, scheme=parts.scheme, target=target, options=tuple(sorted(options.items()))
    )


def _options(scheme: str, query: str) -> dict[str, Any]:
    known, found = _OPTIONS[scheme], {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        bare = name == "json" and not text
        if name not in known:
            raise WrongDefinition(f"{scheme}:// has no option {name[:50]!r}: {', '.join(known)}")
        try:
            found[name] = True if bare else known[name](text)
        except ValueError as error:
            raise WrongDefinition(f"{name} of {scheme}:// is {error}") from None
    return found


# ---- forms ----


def _keys(value: Any, needed: Iterable[str], more: Iterable[str]) -> dict[str, Any]:
    """A mapping with these keys and no others."""
    if not isinstance(value, Mapping):
        raise WrongDefinition(f"{str(value)[:100]!r} is not a mapping of names")
    if odd := {str(one) for one in value} - {*needed, *more}:
        raise WrongDefinition(f"{sorted(odd)[0][:100]!r} is not known here")
    for one in needed:
        if one not in value:
            raise WrongDefinition(f"{one} is missing")
    return {**dict.fromkeys(more), **value}


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list) or len(value) > SOURCES:
        raise WrongDefinition(f"{what} is not a list of at most {SOURCES}")
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= 255:
        raise WrongDefinition(f"{str(value)[:100]!r} is not a name")
    return value


def _usual(what: str, *urls: str) -> dict[str, Any]:
    return {
        "sources": [{"name": "all", what: ["*"], "sinks": ["all"]}],
        "sinks": [{"name": "all", "publishers": list(urls)}],
    }


_USUAL: dict[str, Any] = {
    "polling": {"sources": []},
    "pipeline": _usual("meters", f"{STORE}://"),
    "event_pipeline": _usual("events", f"{STORE}://", f"{ALARMS}://?topic=alarm.all"),
    "event_definitions": definitions.USUAL,
}
_READERS: dict[str, Callable[[Any], Any]] = {
    "polling": _polling,
    "pipeline": _pipeline("meters", OF_SAMPLES),
    "event_pipeline": _pipeline("events", OF_EVENTS),
    "event_definitions": Definitions,
}
