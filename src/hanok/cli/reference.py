"""Pages of docs/reference that are made from the code: settings, access rules, the OpenAPI document.

`./hanok test --reference` writes them; a test compares them with the code, so that a diff shows what a change changes.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, get_args, get_type_hints

import msgspec
from msgspec import Struct

from hanok.cli.commands.routes import openapi_document
from hanok.control import doors
from hanok.control.server_settings import ServerSettings
from hanok.control.settings import ROOMS, ControlSettings
from hanok.node.settings import NodeSettings
from hanok.rooms import NoSettings
from hanok.store import metadata, written_tables
from hanok.store.new_migration import import_all_tables
from hanok.supervisor.settings import CloudSettings
from hanok.web.policy import Rule
from hanok.web.proxy import FrontSettings

WRITTEN = "Made from the code by `./hanok test --reference`; changes here are lost."
_NESTED = ("server", "front", "sections")  # shown as sections of their own


def pages() -> dict[str, str]:
    """The pages, by file name."""
    document = json.dumps(openapi_document(), indent=1, sort_keys=True, ensure_ascii=False)
    return {
        "settings.md": "\n".join(_settings()) + "\n",
        "policy.yaml": "\n".join(_rules()) + "\n",
        "openapi.json": document + "\n",
    }


def tables() -> str:
    """The tables of this version as SQLite takes them. See store.written_tables."""
    import_all_tables()
    return written_tables.text(metadata)


# ---- settings ----


def kinds() -> set[type[Struct]]:
    """All kinds of settings, those inside of others too."""
    made = ControlSettings(state_dir="/")
    found: set[type[Struct]] = set()
    waiting: list[type[Struct]] = [CloudSettings, ControlSettings, NodeSettings]
    waiting += [made.room_class(name).settings for name in ROOMS]
    while waiting:
        kind = waiting.pop()
        if kind not in found:
            found.add(kind)
            for hint in get_type_hints(kind).values():
                waiting += _structs_in(hint)
    return found


def _settings() -> Iterator[str]:
    yield f"# Settings\n\n{WRITTEN}\n"
    yield (
        "Those of a cloud on one machine are in `hanok.toml` of its state directory. What control and node are told is "
        "written anew by each `hanok up`; what an operator wants otherwise stands in `control-extra.toml` and "
        "`node-extra.toml` beside it. A setting that is not known is refused at start.\n"
    )
    yield from _section("hanok.toml", CloudSettings)
    yield from _section("control-extra.toml", ControlSettings, leave_out=_NESTED)
    yield from _section("control-extra.toml, [server]", ServerSettings)
    yield from _section("control-extra.toml, [front]", FrontSettings)
    made = ControlSettings(state_dir="/")
    for name in ROOMS:
        kind = made.room_class(name).settings
        if kind is not NoSettings:
            yield from _section(f"control-extra.toml, [{name}]", kind)
    yield from _section("node-extra.toml", NodeSettings)


def _section(title: str, kind: type[Struct], leave_out: Sequence[str] = ()) -> Iterator[str]:
    yield f"## {title}\n"
    told = _told(kind)
    hints = get_type_hints(kind)
    yield "| setting | type | default | |\n|---|---|---|---|"
    below: list[tuple[str, type[Struct]]] = []
    for field in msgspec.structs.fields(kind):
        if field.name in leave_out:
            continue
        inner = [one for one in _structs_in(hints[field.name]) if one is not kind]
        below += [(field.name, one) for one in inner]
        words = told.get(field.name, "").replace("|", "\\|")
        yield f"| `{field.name}` | {_type(hints[field.name])} | {_default(field)} | {words} |"
    yield ""
    for name, inner_kind in below:
        yield from _section(f"{title}: `{name}`", inner_kind)


def _told(kind: type[Struct]) -> dict[str, str]:
    """What a Struct's docstring says of each field: "name, other: words." in any order."""
    names = {field.name for field in msgspec.structs.fields(kind)}
    text = " ".join((inspect.getdoc(kind) or "").split())
    marks = []
    for match in re.finditer(r"(?<![\w.])([a-z_0-9]+(?:, [a-z_0-9]+)*): ", text):
        found = match[1].split(", ")
        if set(found) <= names:
            marks.append((match.start(), match.end(), found))
    told: dict[str, str] = {}
    for place, (_, end, found) in enumerate(marks):
        stop = marks[place + 1][0] if place + 1 < len(marks) else len(text)
        words = text[end:stop].strip()
        for name in found:
            told[name] = words if "://" in words[:20] else words[:1].upper() + words[1:]
    return told


def _structs_in(hint: Any) -> Iterator[type[Struct]]:
    if isinstance(hint, type) and not get_args(hint) and issubclass(hint, Struct):
        yield hint
    for inner in get_args(hint):
        yield from _structs_in(inner)


def _type(hint: Any) -> str:
    name = hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint)
    name = re.sub(r"\b[a-z_]+(?:\.\w+)*\.(\w+)", r"\1", name).replace("typing.", "")
    return f"`{name}`".replace("|", "\\|")


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.default is not msgspec.NODEFAULT:
        value = field.default
    elif field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    else:
        return "(needed)"
    if isinstance(value, Struct) or (
        isinstance(value, tuple) and value and isinstance(value[0], Struct)
    ):
        return "see below"
    return f"`{json.dumps(msgspec.to_builtins(value))}`".replace("|", "\\|")


# ---- access rules ----


def _rules() -> Iterator[str]:
    yield f"# Access rules with their defaults. {WRITTEN}"
    yield "# An operator's own are in policy/<service>.yaml of the state directory, or policy/policy.yaml for all."
    made = ControlSettings(state_dir="/")
    for name in ROOMS:
        module = inspect.getmodule(made.room_class(name))
        yield from _service(name, module.RULES)  # type: ignore[union-attr]
    yield from _service("hanok", doors.RULES)


def _service(name: str, rules: Sequence[Rule]) -> Iterator[str]:
    yield f"\n# ---- {name} ----\n"
    for rule in sorted(rules, key=lambda one: one.name):
        if rule.description:
            yield f"# {rule.description}"
        if rule.formerly:
            yield f"# Formerly: {rule.formerly}"
        if rule.scopes:
            yield f"# For tokens of: {', '.join(rule.scopes)}"
        yield f"#{json.dumps(rule.name)}: {json.dumps(rule.check)}"
