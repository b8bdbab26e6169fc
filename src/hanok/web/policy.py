"""Access rules: oslo.policy with the upstream rule names, one enforcer a service.

An operator's `policy.yaml` overrides defaults by name and is read again when it changes, without a restart. A file that
cannot be read keeps the rules that were in force: what is broken does not open a door.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct
from oslo_config import cfg
from oslo_policy import _checks, _parser, policy

from hanok.base.clock import Clock

log = logging.getLogger(__name__)

LOOK_S = 1.0  # how often the file's time stamp is looked at


class Rule(Struct, frozen=True):
    """A rule by its upstream name, its default check, and what it is for in one line."""

    name: str
    check: str
    description: str = ""


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


class Enforcer:
    """The rules of one service in force."""

    def __init__(
        self, service: str, rules: Iterable[Rule], file: Path | None, clock: Clock
    ) -> None:
        self.service = service
        self.defaults = {rule.name: rule for rule in rules}
        self._file = file
        self._clock = clock
        self._looked = -LOOK_S
        self._stamp: tuple[int, int] | None = None
        conf = cfg.ConfigOpts()
        conf(args=[], project="hanok", default_config_files=[], default_config_dirs=[])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._enforcer = policy.Enforcer(conf, use_conf=False, policy_file="hanok-no-file")
        self._checks: dict[str, Any] = {}
        self._load({})

    def knows(self, name: str) -> bool:
        return name in self.defaults

    def allows(self, rule: str, target: Mapping[str, Any], credentials: dict[str, Any]) -> bool:
        """Whether the caller may do this to the target. An unknown rule means no."""
        self._look_again()
        check = self._checks.get(rule)
        if check is None:
            return False
        # Null never equals null: an attribute without a value matches nobody.
        known = {name: value for name, value in target.items() if value is not None}
        return self._holds(check, known, credentials, rule)

    def _holds(
        self, check: Any, target: Mapping[str, Any], credentials: dict[str, Any], rule: str
    ) -> bool:
        """A check by the library's own leaves; the branches are walked here.

        The library looks at the signature of every check it calls, which costs fifty times the check.
        """
        kind = type(check)
        if kind is _checks.OrCheck:
            return any(self._holds(each, target, credentials, rule) for each in check.rules)
        if kind is _checks.AndCheck:
            return all(self._holds(each, target, credentials, rule) for each in check.rules)
        if kind is _checks.NotCheck:
            return not self._holds(check.rule, target, credentials, rule)
        if kind is _checks.RuleCheck:
            named = self._checks.get(check.match)
            return named is not None and self._holds(named, target, credentials, rule)
        return bool(check(target, credentials, self._enforcer, rule))

    def _look_again(self) -> None:
        if self._file is None:
            return
        now = self._clock.monotonic_s()
        if now - self._looked < LOOK_S:
            return
        self._looked = now
        try:
            status = self._file.stat()
            stamp = (status.st_mtime_ns, status.st_size)
        except FileNotFoundError:
            stamp = (0, 0)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._load(self._read() if stamp != (0, 0) else {})
        except Exception as error:  # whatever an operator wrote: the old rules stay
            log.error("%s is not used, the rules before it stay in force: %s", self._file, error)

    def _read(self) -> dict[str, str]:
        assert self._file is not None
        read = policy.parse_file_contents(self._file.read_text("utf-8"))
        return {str(name): _check_text(check) for name, check in read.items()}

    def _load(self, overrides: Mapping[str, str]) -> None:
        texts = {name: rule.check for name, rule in self.defaults.items()}
        unknown = sorted(set(overrides) - set(texts))
        texts.update(overrides)
        checks: dict[str, Any] = {}
        for name, text in texts.items():
            check = _parser.parse_rule(text)
            if isinstance(check, _checks.FalseCheck) and text.strip() != "!":
                raise ValueError(f"{name}: {text!r} is no rule")
            checks[name] = check
        self._checks = checks
        self._enforcer.set_rules(policy.Rules(checks), overwrite=True, use_conf=False)
        if unknown and self._file is not None:
            log.info("%s defines rules of its own: %s", self._file, ", ".join(unknown))


def _check_text(check: object) -> str:
    if isinstance(check, str):
        return check
    if isinstance(check, list):  # the old list form: or of and
        return " or ".join("(" + " and ".join(map(str, part)) + ")" for part in check) or "@"
    raise ValueError(f"a rule must be text, not {check!r}")
