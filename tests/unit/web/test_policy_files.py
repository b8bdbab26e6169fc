"""An operator's rules: checks that nobody knows and files that grow when they are read are refused as a whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hanok.base.clock import Clock
from hanok.web.policy import Enforcer, Rule, rules_in, text_of
from hanok.web.token import Token

_GROWS = 'a0: &a0 [["role:x"]]\n' + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
_MERGES = "a0: &a0 {x: y}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 10)
)


def _doubles(levels: int) -> str:
    """Rules that each ask another one twice."""
    requested = "".join(f'a{n}: "rule:a{n - 1} and rule:a{n - 1}"\n' for n in range(1, levels + 1))
    return f'a0: "@"\n{requested}'


def _chain(length: int) -> str:
    """Rules that each lead to the next one."""
    return "".join(f'a{n}: "rule:a{n + 1}"\n' for n in range(length)) + f'a{length}: "@"\n'


@pytest.mark.parametrize(
    "text",
    [
        '"os_compute_api:servers:index": "http://127.0.0.1:1/check"',
        '"os_compute_api:servers:index": "nosuch:thing"',
        '"os_compute_api:servers:index": "project_id.x:%(project_id)s"',
        '"os_compute_api:servers:index": "rule:nosuch"',
        '"os_compute_api:servers:index": "project_id:%(project_id)999999999s"',
        '"os_compute_api:servers:index": "field:servers:name=~(a"',
        '"os_compute_api:servers:index": [[["@"]]]',
        '"os_compute_api:servers:index": "' + "not (" * 2000 + "@" + ")" * 2000 + '"',
        'other: "' + "not (" * 2000 + "@" + ")" * 2000 + '"',
        _GROWS + '"os_compute_api:servers:index": *a9',
        _MERGES + '"os_compute_api:servers:index": "!"',
        '"os_compute_api:servers:index": ' + "[" * 1000 + "]" * 1000,
        '"os_compute_api:servers:index": "rule:os_compute_api:servers:index"',
        '"os_compute_api:servers:index": "rule:a"\na: "@ or rule:b"\nb: "not rule:a"',
        'former: "rule:os_compute_api:servers:index or role:x"',
        _doubles(40) + '"os_compute_api:servers:index": "rule:a40"',
        _chain(3000) + '"os_compute_api:servers:index": "rule:a0"',
        "- a list",
        '"os_compute_api:servers:index": !!python/name:os.system',
    ],
)
def test_a_file_that_is_not_understood_keeps_the_rules_before(text: str) -> None:
    now = Clock().now()
    index = Rule("os_compute_api:servers:index", "role:member", formerly="former")
    enforcer = Enforcer("compute", [index])
    member = Token(user_id="u", roles=("member",), issued_at=now, expires_at=now)

    def may() -> bool:
        return enforcer.allows(index.name, {"project_id": "p"}, member.credentials)

    assert may()
    for use in (enforcer.check, enforcer.override):
        with pytest.raises(ValueError):
            use(rules_in(text + "\n"))
    assert may()
    fits = f'"{index.name}": &no "!"\nother: *no\n'
    enforcer.check(rules_in(fits))
    assert may()
    enforcer.override(rules_in(fits))
    assert not may()


def test_a_file_that_is_too_large_or_no_text_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "compute.yaml"
    for content in (b'"a": "!"\n#' + b"x" * (1 << 20), b"\xff\xfe"):
        file.write_bytes(content)
        with pytest.raises(ValueError):
            text_of(file)
    os.mkfifo(pipe := tmp_path / "pipe.yaml")
    with pytest.raises(ValueError):
        text_of(pipe)  # which nobody writes into


@pytest.mark.parametrize("of_others", [_doubles(40), _chain(3000), 'a: "rule:a"\n'])
def test_rules_that_no_rule_of_a_service_leads_to_hold_up_nobody(of_others: str) -> None:
    index = Rule("os_compute_api:servers:index", "role:member")
    enforcer = Enforcer("compute", [index])
    enforcer.override(rules_in(of_others + f'"{index.name}": "project_id:%(project_id)s"\n'))
    assert enforcer.looks_at(index.name) == {"project_id"}
