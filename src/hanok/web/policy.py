"""Access rules: oslo.policy with the upstream rule names, one enforcer a service.

An operator's `policy.yaml` overrides defaults by name and is read again when it changes, without a restart. A file that
cannot be read keeps the rules that were in force: what is broken does not open a door.
"""

from __future__ import annotations

import ast
import logging
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from oslo_config import cfg
from oslo_policy import _checks, _parser, policy

from hanok.base.clock import Clock

log = logging.getLogger(__name__)

LOOK_S = 1.0  # how often the file's time stamp is looked at


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


_Allows = Callable[[Mapping[str, Any], dict[str, Any]], bool]


class _Target(dict[str, Any]):
    """The attributes of a target that have a value. nulls: the names of those without, for `None:%(name)s`."""

    nulls: Set[str] = frozenset()


def _names_in(text: str) -> set[str]:
    """The attributes that the right side of a check is made of; one that nothing is called for a plain text."""
    return set(re.findall(r"%\(([^)]+)\)s", text)) or {""}


def _compiled(check: Any, rules: Mapping[str, _Allows], enforcer: Any) -> _Allows:
    """A check of oslo.policy as a plain function.

    Its own evaluation looks at the signature of each part each time, which costs more than the rest of a short request.
    What is not one of the well-known parts is left to it.
    """
    if isinstance(check, _checks.TrueCheck):
        return lambda target, credentials: True
    if isinstance(check, _checks.FalseCheck):
        return lambda target, credentials: False
    if isinstance(check, _checks.AndCheck | _checks.OrCheck):
        parts = [_compiled(part, rules, enforcer) for part in check.rules]
        if isinstance(check, _checks.AndCheck):
            return lambda target, credentials: all(part(target, credentials) for part in parts)
        return lambda target, credentials: any(part(target, credentials) for part in parts)
    if isinstance(check, _checks.NotCheck):
        inner = _compiled(check.rule, rules, enforcer)
        return lambda target, credentials: not inner(target, credentials)
    if isinstance(check, _checks.RuleCheck):
        name = check.match

        def by_rule(target: Mapping[str, Any], credentials: dict[str, Any]) -> bool:
            named = rules.get(name)
            return named is not None and named(target, credentials)

        return by_rule
    if isinstance(check, _checks.RoleCheck) and "%" not in check.match:
        role = check.match.lower()
        return lambda target, credentials: any(
            held.lower() == role for held in credentials["roles"]
        )
    if type(check) is _checks.GenericCheck and check.kind == "None":
        names = _names_in(check.match)
        return lambda target, credentials: isinstance(target, _Target) and names <= target.nulls
    if type(check) is _checks.GenericCheck and _is_name(check.kind):
        path, text, find = check.kind.split("."), check.match, check._find_in_dict

        def by_attribute(target: Mapping[str, Any], credentials: dict[str, Any]) -> bool:
            try:
                wanted = text % target
            except KeyError:
                return False
            return bool(find(credentials, path, wanted))

        return by_attribute
    return lambda target, credentials: bool(check(target, credentials, enforcer))


def _is_name(kind: str) -> bool:
    """Whether the left side of a check names an attribute of the caller, rather than being a value itself."""
    try:
        ast.literal_eval(kind)
    except ValueError:
        return True
    except SyntaxError:
        return False
    return False


@policy.register("field")
class FieldCheck(_checks.Check):
    """`field:networks:shared=True`: an attribute of the target has this value, or begins as `~^…` says.

    Network's default rules are written with it; what stands before the first colon names the resource for readers.
    """

    def __call__(
        self,
        target: Mapping[str, Any],
        creds: object,
        enforcer: object,
        current_rule: object = None,
    ) -> bool:
        name, equals, wanted = self.match.partition(":")[2].partition("=")
        value = target.get(name)
        if not equals or value is None:
            return False
        if wanted.startswith("~"):
            return re.match(wanted[1:], str(value)) is not None
        if isinstance(value, bool):
            return str(value).lower() == wanted.lower()
        return str(value) == wanted


def _scope(credentials: dict[str, Any]) -> str:
    """What a caller's token is for, as rules name it."""
    if credentials["system_scope"]:
        return "system"
    return "domain" if credentials["domain_id"] else "project"


class Enforcer:
    """The rules of one service in force."""

    def __init__(
        self, service: str, rules: Iterable[Rule], files: Sequence[Path], clock: Clock
    ) -> None:
        self.service = service
        self.defaults = {rule.name: rule for rule in rules}
        self._scopes = {name: rule.scopes for name, rule in self.defaults.items() if rule.scopes}
        self._files = tuple(files)
        self._clock = clock
        self._looked = -LOOK_S
        self._stamps: tuple[tuple[int, int] | None, ...] = (None,) * len(self._files)
        conf = cfg.ConfigOpts()
        conf(args=[], project="hanok", default_config_files=[], default_config_dirs=[])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._enforcer = policy.Enforcer(conf, use_conf=False, policy_file="hanok-no-file")
        self._allows: dict[str, _Allows] = {}
        self.override({})

    def knows(self, name: str) -> bool:
        return name in self.defaults

    def allows(self, rule: str, target: Mapping[str, Any], credentials: dict[str, Any]) -> bool:
        """Whether the caller may do this to the target. An unknown rule means no."""
        self._look_again()
        check = self._allows.get(rule)
        if check is None:
            return False
        scopes = self._scopes.get(rule)
        if scopes is not None and _scope(credentials) not in scopes:
            return False
        # Null never equals null: an attribute without a value matches nobody.
        known = _Target((name, value) for name, value in target.items() if value is not None)
        known.nulls = target.keys() - known.keys()
        try:
            return check(known, credentials)
        except RecursionError:
            log.error("the rule %s of %s leads back to itself: nobody may", rule, self.service)
            return False

    def _look_again(self) -> None:
        if not self._files:
            return
        now = self._clock.monotonic_s()
        if now - self._looked < LOOK_S:
            return
        self._looked = now
        stamps = tuple(_stamp(file) for file in self._files)
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            overrides: dict[str, str] = {}
            for file, stamp in zip(self._files, stamps, strict=True):
                if stamp is not None:
                    overrides.update(_read(file))
            self.override(overrides)
        except Exception as error:  # whatever an operator wrote: the old rules stay
            names = ", ".join(str(file) for file in self._files)
            log.error("%s: not used, the rules before stay in force: %s", names, error)

    def override(self, overrides: Mapping[str, str]) -> None:
        """Put these rules over the defaults, as an operator's file does, in place of what was put over them before.

        Raises:
            ValueError: one of them cannot be read.
        """
        former = {rule.formerly for rule in self.defaults.values()}
        unknown = sorted(set(overrides) - set(self.defaults) - former)
        with _built_in_checks():
            checks = {name: _parsed(name, rule.check) for name, rule in self.defaults.items()}
        checks.update({name: _parsed(name, text) for name, text in overrides.items()})
        for name, rule in self.defaults.items():
            text = overrides.get(rule.formerly, "")
            if text and name not in overrides and text != f"rule:{name}":
                checks[name] = checks[rule.formerly]
        compiled: dict[str, _Allows] = {}
        for name, check in checks.items():
            compiled[name] = _compiled(check, compiled, self._enforcer)
        self._allows = compiled
        self._enforcer.set_rules(policy.Rules(checks), overwrite=True, use_conf=False)
        if overrides:
            log.info(
                "rules of %s in force: %d by the operator, of which %d are not names of this service%s",
                self.service,
                len(overrides),
                len(unknown),
                f": {', '.join(unknown[:20])}" if unknown else "",
            )


@contextmanager
def _built_in_checks() -> Iterator[None]:
    """Our own rules use no kinds of checks from elsewhere; looking for such takes a quarter of a second."""
    before = _checks.extension_checks
    _checks.extension_checks = before or {}
    try:
        yield
    finally:
        _checks.extension_checks = before


def _parsed(name: str, text: str) -> Any:
    check = _parser.parse_rule(text)
    if isinstance(check, _checks.FalseCheck) and text.strip() != "!":
        raise ValueError(f"{name}: {text!r} is no rule")
    return check


def _stamp(file: Path) -> tuple[int, int] | None:
    """What tells one content of a file from another; None without the file."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_size


def _read(file: Path) -> dict[str, str]:
    read = policy.parse_file_contents(file.read_text("utf-8"))
    return {str(name): _check_text(check) for name, check in read.items()}


def _check_text(check: object) -> str:
    if isinstance(check, str):
        return check
    if isinstance(check, list):  # the old list form: or of and
        return " or ".join("(" + " and ".join(map(str, part)) + ")" for part in check) or "@"
    raise ValueError(f"a rule must be text, not {check!r}")
