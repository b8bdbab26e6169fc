"""Access rules: oslo.policy with the upstream rule names, one enforcer a service.

An operator's rules are put over the defaults by name, without a restart (hanok.control.policies). What cannot be read
leaves the rules as they were: what is broken does not open a door.
"""

from __future__ import annotations

import ast
import logging
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

# Not `oslo_policy.policy`: with what that loads (options, logs, 300 patterns) a start costs a fifth of a second more.
from oslo_policy import _checks, _parser

from hanok.base import patterns

log = logging.getLogger(__name__)

BY_OPERATORS = "For rules that operators write."
"""What a rule is for that no other rule leads to: upstream has it, so an operator's file may name it."""

FILE_BYTES = (
    1 << 19
)  # of an operator's file: all of upstream's sample files together are half of that
DEEPEST = 50  # parts of a check in each other, of a file, and rules that lead to one another
CHECKS_MAXIMUM = (
    10_000  # that one rule comes to: a request waits for all of them, some milliseconds
)
_PARAMETER = re.compile(r"%\(([^)]+)\)s")

# What a check may ask of the caller: what a token says here, and what upstream's services know besides, which nobody
# here has (oslo.context, RequestContext.to_policy_values).
CALLER = frozenset((
    "domain_id", "global_request_id", "is_admin", "is_admin_project", "is_advsvc", "project_domain_id", "project_id",
    "request_id", "roles", "service_project_domain_id", "service_project_id", "service_roles",
    "service_user_domain_id", "service_user_id", "system", "system_scope", "tenant", "tenant_id", "token.domain.id",
    "token.project.domain.id", "token.project.id", "trust_id", "trustee_id", "trustor_id", "user_domain_id", "user_id",
))  # fmt: skip


class Rule(Struct, frozen=True):
    """A rule by its upstream name, its default check, and what it is for in one line.

    formerly: the name that it had upstream before, which an operator's file may still use.
    scopes: what a token must be for ("project", "domain", "system"; one for nothing counts as a project's), whatever
        the check says; empty: no matter what.
    """

    name: str
    check: str
    description: str = ""
    scopes: tuple[str, ...] = ()
    formerly: str = ""


def with_former_names(
    rules: Iterable[Rule], former: Mapping[str, Sequence[str]]
) -> tuple[Rule, ...]:
    """The rules, each with its former name.

    Args:
        former: the names of today by the former one.
    """
    by_name = {new: old for old, names in former.items() for new in names}
    return tuple(
        msgspec.structs.replace(rule, formerly=by_name.get(rule.name, "")) for rule in rules
    )


EVERY_SCOPE = ("system", "domain", "project")


def of_projects(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """The rules, open to tokens for a project alone, but for those that say their scopes themselves.

    Most services have nothing but what projects have: an administrator of a domain, or of the system, has no business
    there, whatever the role is called.
    """
    return tuple(
        rule if rule.scopes else msgspec.structs.replace(rule, scopes=("project",))
        for rule in rules
    )


_Allows = Callable[[Mapping[str, Any], dict[str, Any]], bool]
_InForce = tuple[Mapping[str, _Allows], Mapping[str, Set[str] | None]]
"""Rules as functions, and what each looks at of a target."""


class _Unreadable(_checks.FalseCheck):
    """A rule of an operator's file that cannot be read: an error for the services whose rules lead to it."""

    def __init__(self, why: str) -> None:
        super().__init__()
        self.why = why


class _Target(dict[str, Any]):
    """The attributes of a target that have a value. nulls: the names of those without, for `None:%(name)s`."""

    nulls: Set[str] = frozenset()


def _names_in(text: str) -> set[str]:
    """The attributes that the right side of a check is made of; one that nothing is called for a plain text."""
    return set(_PARAMETER.findall(text)) or {""}


def _compiled(check: Any, rules: Mapping[str, _Allows]) -> _Allows:
    """A check of oslo.policy as a plain function.

    Its own evaluation looks at the signature of each part each time, which costs more than the rest of a short request.
    What is not one of the well-known parts is left to it: values and roles out of the target, which need no enforcer.
    """
    if isinstance(check, _checks.TrueCheck):
        return lambda target, credentials: True
    if isinstance(check, _checks.FalseCheck):
        return lambda target, credentials: False
    if isinstance(check, _checks.AndCheck | _checks.OrCheck):
        stops = isinstance(
            check, _checks.OrCheck
        )  # any that allows is enough, or any that does not
        return _in_turn([_compiled(part, rules) for part in check.rules], stops)
    if isinstance(check, _checks.NotCheck):
        inner = _compiled(check.rule, rules)
        return lambda target, credentials: not inner(target, credentials)
    if isinstance(check, _checks.RuleCheck):
        name = check.match

        def by_rule(target: Mapping[str, Any], credentials: dict[str, Any]) -> bool:
            named = rules.get(name)
            return named is not None and named(target, credentials)

        return by_rule
    if isinstance(check, _checks.RoleCheck) and "%" not in check.match:
        role = check.match.lower()
        return lambda target, credentials: (
            role in credentials["roles"]
            or any(held.lower() == role for held in credentials["roles"])
        )
    if type(check) is _checks.GenericCheck and check.kind == "None":
        names = _names_in(check.match)
        return lambda target, credentials: isinstance(target, _Target) and names <= target.nulls
    if type(check) is _checks.GenericCheck and _is_name(check.kind):
        path, text, find = check.kind.split("."), check.match, check._find_in_dict

        def by_attribute(target: Mapping[str, Any], credentials: dict[str, Any]) -> bool:
            try:
                requested = text % target
            except KeyError:
                return False
            return bool(find(credentials, path, requested))

        return by_attribute
    return lambda target, credentials: bool(check(target, credentials, None))


def _in_turn(parts: Sequence[_Allows], stops: bool) -> _Allows:
    """One check after the other until one of them says so; loops are half of what generators cost."""

    def checked(target: Mapping[str, Any], credentials: dict[str, Any]) -> bool:
        for part in parts:
            if part(target, credentials) is stops:
                return stops
        return not stops

    return checked


@lru_cache(maxsize=256)
def _is_name(kind: str) -> bool:
    """Whether the left side of a check names an attribute of the caller, rather than being a value itself."""
    try:
        ast.literal_eval(kind)
    except ValueError:
        return True
    except SyntaxError:
        return False
    return False


@_checks.register("field")
class FieldCheck(_checks.Check):
    """`field:networks:shared=True`: an attribute of the target has this value, or begins as `~^…` says.

    Network's default rules are written with it; what stands before the first colon names the resource for readers.
    """

    def __init__(self, kind: str, match: str) -> None:
        """Raises BadPattern, a ValueError: what stands behind ~ is not a pattern."""
        super().__init__(kind, match)
        _, _, requested = match.partition(":")[2].partition("=")
        self._pattern = patterns.pattern(requested[1:]) if requested.startswith("~") else None

    def __call__(
        self,
        target: Mapping[str, Any],
        creds: object,
        enforcer: object,
        current_rule: object = None,
    ) -> bool:
        name, equals, requested = self.match.partition(":")[2].partition("=")
        value = target.get(name)
        if not equals or value is None:
            return False
        if self._pattern is not None:
            try:
                return self._pattern.match(str(value))
            except patterns.BadPattern:
                return False  # a value of this length is none that the rule means
        if isinstance(value, bool):
            return str(value).lower() == requested.lower()
        return str(value) == requested


def _scope(credentials: dict[str, Any]) -> str:
    """What a caller's token is for, as rules name it."""
    if credentials["system_scope"]:
        return "system"
    return "domain" if credentials["domain_id"] else "project"


class Enforcer:
    """The rules of one service in force."""

    def __init__(self, service: str, rules: Iterable[Rule], *, later: bool = False) -> None:
        """
        Args:
            later: whether the rules are worked out when one is asked.

        Raises:
            ValueError: one of them cannot be read; `load` raises it where they are worked out later.
        """
        self.service = service
        self.defaults = {rule.name: rule for rule in rules}
        self._scopes = {name: rule.scopes for name, rule in self.defaults.items() if rule.scopes}
        self._in_force: _InForce | None = None
        if not later:
            self.load()

    def load(self) -> _InForce:
        """Have the rules in force; the first question does so at the latest.

        Raises:
            ValueError: one of the service's own cannot be read.
        """
        if self._in_force is None:
            self._in_force = _in_force(tuple(self.defaults.values()), ())
        return self._in_force

    def knows(self, name: str) -> bool:
        return name in self.defaults

    def allows(self, rule: str, target: Mapping[str, Any], credentials: dict[str, Any]) -> bool:
        """Whether the caller may do this to the target. An unknown rule means no."""
        check = (self._in_force or self.load())[0].get(rule)
        if check is None:
            return False
        if not self._in_scope(rule, credentials):
            return False
        try:
            return check(self.target(target), credentials)
        except RecursionError:
            log.error("the rule %s of %s leads back to itself: nobody may", rule, self.service)
            return False

    def never_allows(self, rule: str, credentials: dict[str, Any]) -> bool:
        """Whether the caller may not, whatever the target is. False where it depends on the target."""
        if not self._in_scope(rule, credentials):
            return True
        return self.looks_at(rule) == frozenset() and not self.allows(rule, {}, credentials)

    def _in_scope(self, rule: str, credentials: dict[str, Any]) -> bool:
        scopes = self._scopes.get(rule)
        return scopes is None or _scope(credentials) in scopes

    @staticmethod
    def target(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
        """A target in the form that checks take; for one that several rules are asked about.

        Null never equals null: an attribute without a value matches nobody.
        """
        if isinstance(attributes, _Target):
            return attributes
        known = _Target(attributes)
        known.nulls = {name for name, value in attributes.items() if value is None}
        for name in known.nulls:
            del known[name]
        return known

    def looks_at(self, rule: str) -> Set[str] | None:
        """The attributes of a target that a rule looks at; None: they are not known.

        Its answer is the same for all targets that have the same there: of nothing, for a whole list.
        """
        return (self._in_force or self.load())[1].get(rule, frozenset())

    def override(self, overrides: Mapping[str, str]) -> None:
        """Put these rules over the defaults, as an operator's file does, in place of what was put over them before.

        Raises:
            ValueError: one of them cannot be read.
        """
        self._in_force = _in_force(tuple(self.defaults.values()), tuple(overrides.items()))
        if overrides:
            former = {rule.formerly for rule in self.defaults.values()}
            unknown = sorted(set(overrides) - set(self.defaults) - former)
            log.info(
                "rules of %s in force: %d by the operator, of which %d are not names of this service%s",
                self.service,
                len(overrides),
                len(unknown),
                f": {', '.join(unknown[:20])}" if unknown else "",
            )

    def check(self, overrides: Mapping[str, str]) -> None:
        """Whether `override` would take these.

        Raises:
            ValueError: one of them cannot be read.
        """
        _in_force(tuple(self.defaults.values()), tuple(overrides.items()))


@lru_cache(maxsize=32)  # whoever builds many clouds, one a test, works the same rules out once
def _in_force(defaults: tuple[Rule, ...], overridden: tuple[tuple[str, str], ...]) -> _InForce:
    """Rules as functions, and what each looks at of a target. See Enforcer.override, Enforcer.looks_at.

    Raises:
        ValueError: one of them cannot be read.
    """
    overrides = dict(overridden)
    with _built_in_checks():
        checks = {rule.name: _parsed(rule.name, rule.check) for rule in defaults}
        checks.update({name: _parsed_or_unreadable(name, text) for name, text in overridden})
    for rule in defaults:
        text = overrides.get(rule.formerly, "")
        if text and rule.name not in overrides and text != f"rule:{rule.name}":
            checks[rule.name] = checks[rule.formerly]
    _check_known(checks, [rule.name for rule in defaults])
    compiled: dict[str, _Allows] = {}
    try:
        for name, check in checks.items():
            compiled[name] = _compiled(check, compiled)
    except RecursionError:  # a rule that no rule of this service leads to
        raise ValueError("a rule is nested too deeply") from None
    known: dict[str, Set[str] | None] = {}
    return compiled, {name: _looked_at(name, checks, known, ()) for name in checks}


@contextmanager
def _built_in_checks() -> Iterator[None]:
    """No kinds of checks from elsewhere: looking for them takes a quarter of a second, and those there are ask another
    server by HTTP, which would hold up everybody while it does not answer.
    """
    before = _checks.extension_checks
    _checks.extension_checks = before or {}
    try:
        yield
    finally:
        _checks.extension_checks = before


SHORT = 1000  # characters of a rule that is worth keeping; an operator's may be as long as a file
_read_once = lru_cache(maxsize=1024)(
    _parser.parse_rule
)  # most rules of a service are of a few texts


def _parsed(name: str, text: str) -> Any:
    """
    Raises:
        ValueError: the text is not a rule.
    """
    try:
        check = _read_once(text) if len(text) < SHORT else _parser.parse_rule(text)
    except RecursionError:
        raise ValueError(f"{name}: the rule is nested too deeply") from None
    if isinstance(check, _checks.FalseCheck) and text.strip() != "!":
        raise ValueError(f"{name}: {text[:200]!r} is not a valid rule")
    return check


def _parsed_or_unreadable(name: str, text: str) -> Any:
    try:
        return _parsed(name, text)
    except ValueError as error:
        return _Unreadable(str(error))


def unreadable(rules: Mapping[str, str]) -> list[str]:
    """Which of an operator's rules cannot be read, each with the reason."""
    with _built_in_checks():
        found = [_parsed_or_unreadable(name, text) for name, text in rules.items()]
    return [one.why for one in found if isinstance(one, _Unreadable)]


def _check_known(checks: Mapping[str, Any], requested: Iterable[str]) -> None:
    """Look at the rules that are asked and those that they lead to: a check that nobody knows is refused now.

    One file may be for several services, so what no rule of this one leads to is not looked at, readable or not.

    Raises:
        ValueError: a check is of a kind that is not served, or names a rule that is not there; a rule leads back to
            itself, through too many others, or to too many checks.
    """
    costs: dict[str, int] = {}
    for name in requested:
        _cost(name, checks, costs, ())


def _cost(
    name: str, checks: Mapping[str, Any], costs: dict[str, int], above: tuple[str, ...]
) -> int:
    """How many single checks a rule and those that it leads to are made of, each as often as it is asked.

    Args:
        costs: what is known already. above: the rules that lead to this one.

    Raises:
        ValueError
    """
    if name in above:
        raise ValueError(f"{above[0]}: the rule {name[:100]!r} leads back to itself")
    if name in costs:
        return costs[name]
    if len(above) > DEEPEST:
        raise ValueError(f"{above[0]}: it leads through more than {DEEPEST} other rules")
    cost = 0
    for part in _parts(checks[name], name):
        if not isinstance(part, _checks.RuleCheck):
            _check_part(name, part)
            cost += 1
        elif part.match in checks:
            cost += _cost(part.match, checks, costs, (*above, name))
        else:
            raise ValueError(f"{name}: there is no rule {part.match[:100]!r}")
        if cost > CHECKS_MAXIMUM:  # rules that each name another one twice double it each time
            raise ValueError(f"{name}: it leads to more than {CHECKS_MAXIMUM} checks")
    costs[name] = cost
    return cost


def _parts(check: Any, name: str, levels: int = DEEPEST) -> Iterator[Any]:
    """The single checks that a check is made of."""
    if levels == 0:
        raise ValueError(f"{name}: the rule is nested too deeply")
    if isinstance(check, _checks.AndCheck | _checks.OrCheck):
        for part in check.rules:
            yield from _parts(part, name, levels - 1)
    elif isinstance(check, _checks.NotCheck):
        yield from _parts(check.rule, name, levels - 1)
    else:
        yield check


def _looked_at(
    name: str, checks: Mapping[str, Any], known: dict[str, Set[str] | None], above: tuple[str, ...]
) -> Set[str] | None:
    """What a rule and those that it leads to look at of a target; None: they lead back, too far, or nowhere.

    Args:
        known: of other rules. above: the rules that lead to this one.
    """
    if name in known:
        return known[name]
    if name in above or name not in checks or len(above) > DEEPEST:
        return None
    found: set[str] | None = set()
    for part in _parts(checks[name], name):
        inner: Set[str] | None = (
            _looked_at(part.match, checks, known, (*above, name))
            if isinstance(part, _checks.RuleCheck)
            else _looked_at_by(part)
        )
        found = None if inner is None or found is None else found | inner
    known[name] = found
    return found


def _looked_at_by(part: Any) -> Set[str]:
    """What a single check looks at of a target."""
    if isinstance(part, _checks.TrueCheck | _checks.FalseCheck):
        return frozenset()
    if isinstance(part, FieldCheck):
        return {part.match.partition(":")[2].partition("=")[0]}
    return set(_PARAMETER.findall(part.match))


def _check_part(name: str, part: Any) -> None:
    if isinstance(part, _Unreadable):
        raise ValueError(part.why)
    if isinstance(part, _checks.TrueCheck | _checks.FalseCheck | FieldCheck):
        return
    if "%" in _PARAMETER.sub("", part.match).replace("%%", ""):
        raise ValueError(f"{name}: {part.match[:100]!r} has a % that belongs to no %(name)s")
    if isinstance(part, _checks.RoleCheck) or part.kind in CALLER or part.kind == "None":
        return
    try:
        ast.literal_eval(part.kind)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise ValueError(f"{name}: {str(part)[:100]!r} is not a check that is known here") from None


def _without_waiting(name: str, flags: int) -> int:
    """Open a file; a pipe that nobody writes into keeps nobody waiting."""
    return os.open(name, flags | os.O_NONBLOCK)


def text_of(file: Path) -> str:
    """What an operator's file says.

    Raises:
        ValueError: it is too large, not a file, or not text. OSError: it cannot be read.
    """
    with open(file, "rb", opener=_without_waiting) as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise ValueError("it is not a regular file")
        raw = opened.read(FILE_BYTES + 1)
    if len(raw) > FILE_BYTES:
        raise ValueError(f"it is larger than {FILE_BYTES >> 10} KiB")
    return raw.decode("utf-8")


def rules_in(text: str) -> dict[str, str]:
    """The rules of an operator's file, by name.

    Raises:
        ValueError: it holds what is not a rule.
    """
    if not text:
        return {}
    import yaml  # only a cloud whose operator writes rules pays for it

    _check_yaml(text)
    try:
        read = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:  # well-formed, and of a kind that is not read
        raise ValueError(str(error)) from None
    except (
        LookupError,
        AttributeError,
        TypeError,
    ) as error:  # "!!bool perhaps": the reader trusts tags
        raise ValueError(f"a value is not of the kind that its tag says: {error}") from None
    if not isinstance(read, dict):
        raise ValueError("it is not a list of names, each with a rule")
    return {str(name): _check_text(check) for name, check in read.items()}


def _check_yaml(text: str) -> None:
    """Refuse what grows when it is read: aliases of more than texts stand for far more than the file holds.

    Raises:
        ValueError: an alias of a list or mapping, or a merge of mappings; not YAML; nested too deeply.
    """
    import yaml

    texts: set[str] = set()
    levels = 0
    try:
        for found in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(found, yaml.ScalarEvent):
                if found.value == "<<":
                    raise ValueError("mappings cannot be merged here")
                if found.anchor:
                    texts.add(found.anchor)
            elif isinstance(found, yaml.AliasEvent) and found.anchor not in texts:
                raise ValueError(f"*{found.anchor[:100]} stands for more than a text")
            elif isinstance(found, yaml.CollectionStartEvent):
                texts.discard(found.anchor)
                levels += 1
                if levels > DEEPEST:
                    raise ValueError("it is nested too deeply")
            elif isinstance(found, yaml.CollectionEndEvent):
                levels -= 1
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def _check_text(check: object) -> str:
    """A check as text, from the old form with lists, too: or of and."""
    if isinstance(check, str):
        return check
    if not isinstance(check, list):
        raise ValueError(f"a rule is a text, not {str(check)[:100]!r}")
    either = []
    for part in check:
        both = [part] if isinstance(part, str) else part
        if not isinstance(both, list) or not all(isinstance(one, str) for one in both):
            raise ValueError(
                f"a rule is a text or a list of lists of texts, not {str(part)[:100]!r}"
            )
        either.append("(" + " and ".join(both) + ")")
    return " or ".join(either) or "@"
