"""Mappings: from what a provider says of somebody to a user, groups and projects of ours.

A rule has remote requirements, all of which must hold, and local parts, in which {0}, {1}, … stand for the values of
the requirements that only name an attribute or filter it. What a provider says is never taken for a part of a rule.

Source: Identity API, OS-FEDERATION, "Mapping combinations"; schema versions 1.0 to 3.0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from hanok.base import patterns
from hanok.base.errors import BadInput
from hanok.base.patterns import BadPattern
from hanok.web.pages import capped

Assertion = Mapping[str, Sequence[str]]
"""What a provider says: attributes with their values."""

VERSIONS = ("1.0", "2.0", "3.0")
MAXIMUM_RULES = 1000
_MARK = re.compile(r"\{(\d+)\}")
_ITEM = re.compile(
    r"""\s*(?:'([^']*)'|"([^"]*)"|(\d+))\s*(?:,|$)"""
)  # of a list that a rule spells out


class Domain(Struct, forbid_unknown_fields=True):
    id: str | None = None
    name: str | None = None


class MappedUser(Struct, forbid_unknown_fields=True):
    id: str | None = None
    name: str | None = None
    email: str | None = None
    domain: Domain | None = None
    type: Literal["ephemeral", "local"] | None = None


class MappedGroup(Struct, forbid_unknown_fields=True):
    id: str | None = None
    name: str | None = None
    domain: Domain | None = None


class MappedRole(Struct, forbid_unknown_fields=True):
    name: str


class MappedProject(Struct, forbid_unknown_fields=True):
    name: str
    roles: list[MappedRole]
    domain: Domain | None = None


class Local(Struct, forbid_unknown_fields=True):
    user: MappedUser | None = None
    group: MappedGroup | None = None
    groups: str | None = None
    group_ids: str | None = None
    domain: Domain | None = None
    projects: list[MappedProject] | None = None
    projects_json: str | None = None


class Remote(Struct, forbid_unknown_fields=True):
    type: str
    any_one_of: list[Any] | None = None
    not_any_of: list[Any] | None = None
    whitelist: list[Any] | None = None
    blacklist: list[Any] | None = None
    regex: bool = False


class Rule(Struct, forbid_unknown_fields=True):
    local: list[Local]
    remote: list[Remote]


class Mapped(Struct, kw_only=True):
    """What the rules made of an assertion."""

    user: MappedUser
    group_ids: list[str]
    groups: list[MappedGroup]
    projects: list[MappedProject]


LOOKS = 20_000_000  # of patterns' instructions at characters: a tenth of a second at worst
_TESTS = ("any_one_of", "not_any_of", "whitelist", "blacklist")


def rules_of(raw: Any, version: str) -> list[Rule]:
    """Rules, checked.

    Raises:
        BadInput: they are none of this version of the schema; the message says where.
    """
    if version not in VERSIONS:
        raise BadInput(
            f"Invalid input for field 'schema_version': it is one of {', '.join(VERSIONS)}."
        )
    try:
        rules = msgspec.convert(raw, list[Rule])
    except msgspec.ValidationError as error:
        raise BadInput(f"Invalid mapping rules: {error}.") from None
    if not 1 <= len(rules) <= MAXIMUM_RULES:
        raise BadInput(f"A mapping has 1 to {MAXIMUM_RULES} rules.")
    for number, rule in enumerate(rules):
        where = f"Invalid mapping rules: rule {number}"
        if not rule.remote:
            raise BadInput(f"{where} needs a remote part.")
        for remote in rule.remote:
            tests = [name for name in _TESTS if getattr(remote, name) is not None]
            if len(tests) > 1 or (remote.regex and not tests):
                raise BadInput(f"{where}: a remote part has at most one of {', '.join(_TESTS)}.")
            _check_patterns(remote, where)
        for local in rule.local:
            _check_local(local, version, where)
    return rules


def _check_patterns(remote: Remote, where: str) -> None:
    for name in _TESTS if remote.regex else ():
        for pattern in getattr(remote, name) or ():
            try:
                patterns.pattern(str(pattern))
            except BadPattern as error:
                raise BadInput(
                    f"{where}: {str(pattern)[:100]!r} is not a valid pattern: {error}."
                ) from None


def _check_local(local: Local, version: str, where: str) -> None:
    group = local.group
    if group is not None and (group.id is None) == (group.name is None or group.domain is None):
        raise BadInput(f"{where}: a group has an id, or a name and a domain.")
    if version == "1.0" and any(project.domain is not None for project in local.projects or ()):
        raise BadInput(f"{where}: projects have a domain from schema version 2.0 on.")
    if version != "3.0" and local.projects_json is not None:
        raise BadInput(f"{where}: there is projects_json from schema version 3.0 on.")


def apply(rules: Sequence[Rule], assertion: Assertion) -> Mapped:
    """What the rules make of an assertion.

    Raises:
        BadInput: no rule fits, or one uses values that it does not have.
    """
    user: MappedUser | None = None
    group_ids: dict[str, None] = {}
    groups: list[MappedGroup] = []
    projects: list[MappedProject] = []
    fits = False
    for rule in rules:
        values = _values(rule.remote, assertion)
        if values is None:
            continue
        fits = True
        for local in rule.local:
            if local.user is not None and user is None:  # the first one counts
                user = _filled(local.user, values)
            if local.group is not None:
                group = _filled(local.group, values)
                if group.id is not None:
                    group_ids[group.id] = None
                else:
                    groups.append(group)
            if local.groups is not None:
                groups.extend(_groups(local, values))
            if local.group_ids is not None:
                group_ids.update(dict.fromkeys(_listed(local.group_ids, values)))
            if local.projects is not None:
                projects = [_filled(project, values) for project in local.projects]
            if local.projects_json is not None:
                projects = _projects(_text(local.projects_json, values))
    if not fits:
        raise BadInput(
            "Could not map any federated user properties to identity values. No rule of the mapping fits."
        )
    return Mapped(
        user=user or MappedUser(), group_ids=list(group_ids), groups=groups, projects=projects
    )


def _values(remote: Sequence[Remote], assertion: Assertion) -> list[list[str]] | None:
    """The values that the local parts may use; None when the requirements do not hold."""
    found = []
    for each in remote:
        said = list(assertion.get(each.type, ()))
        if not said:
            return None
        if each.any_one_of is not None:
            if not _matching(each.any_one_of, said, each.regex):
                return None
        elif each.not_any_of is not None:
            if _matching(each.not_any_of, said, each.regex):
                return None
        elif each.blacklist is not None:
            bad = _matching(each.blacklist, said, each.regex)
            found.append([value for value in said if value not in bad])
        elif each.whitelist is not None:
            found.append(_matching(each.whitelist, said, each.regex))
        else:
            found.append(said)
    return found


def _matching(requested: Sequence[Any], said: Sequence[str], regex: bool) -> list[str]:
    if regex:
        try:
            tried = [patterns.pattern(str(one)) for one in requested]
            if sum(one.cost for one in tried) * sum(map(len, said)) > LOOKS:
                raise BadPattern("there are too many values for so many patterns")
            return [value for value in said if any(one.search(value) for one in tried)]
        except BadPattern as error:
            raise BadInput(
                f"The mapping cannot be applied to what the provider says: {error}."
            ) from None
    texts = {one for one in requested if isinstance(one, str)}
    return [value for value in said if value in texts]


def _filled(part: Any, values: list[list[str]]) -> Any:
    """A local part with its marks replaced."""
    if isinstance(part, str):
        return _text(part, values)
    if isinstance(part, list):
        return [_filled(each, values) for each in part]
    if isinstance(part, Struct):
        return type(part)(
            *(_filled(getattr(part, name), values) for name in part.__struct_fields__)
        )
    return part


def _text(template: str, values: list[list[str]]) -> str:
    def of(mark: re.Match[str]) -> str:
        found = _value(capped(mark[1]), values)
        return found[0] if len(found) == 1 else str(found)

    return _MARK.sub(of, template)


def _value(number: int, values: list[list[str]]) -> list[str]:
    if number >= len(values):
        raise BadInput(
            f"The mapping uses {{{number}}}, but its remote part gives {len(values)} values."
        )
    return values[number]


def _listed(template: str, values: list[list[str]]) -> list[str]:
    """A text that stands for a list: all values of a mark, a list that the rule itself spells out, or one item."""
    if mark := _MARK.fullmatch(template):
        return _value(capped(mark[1]), values)
    spelled = None if "{" in template else _spelled(template.strip())
    return [_text(template, values)] if spelled is None else spelled


def _spelled(text: str) -> list[str] | None:
    """The texts of a list as in `['a', "b"]`; None where it is not such a list."""
    if not (text.startswith("[") and text.endswith("]")):
        return None
    inner, found, at = text[1:-1].rstrip(), [], 0
    while at < len(inner):
        item = _ITEM.match(inner, at)
        if item is None:
            return None
        found.append(next(one for one in item.groups() if one is not None))
        at = item.end()
    return found


def _groups(local: Local, values: list[list[str]]) -> list[MappedGroup]:
    assert local.groups is not None
    names = _listed(local.groups, values)
    if local.domain is not None:
        domain = _filled(local.domain, values)
        return [MappedGroup(name=name, domain=domain) for name in names]
    found = []
    for name in names:
        try:
            group = msgspec.json.decode(name.removeprefix("JSON:"), type=MappedGroup)
        except (msgspec.DecodeError, msgspec.ValidationError):
            group = MappedGroup()
        if not name.startswith("JSON:") or group.name is None or group.domain is None:
            raise BadInput("Invalid rule: both 'groups' and 'domain' keywords must be specified.")
        found.append(group)
    return found


def _projects(text: str) -> list[MappedProject]:
    try:
        return msgspec.json.decode(text, type=list[MappedProject])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise BadInput(f"The projects that the provider gave cannot be read: {error}.") from None
