"""An operator's rules: checks that nobody knows and files that grow when they are read are refused as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from hanok.base.clock import MovableClock
from hanok.web.policy import Enforcer, Rule
from hanok.web.token import Token

_GROWS = 'a0: &a0 [["role:x"]]\n' + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
_MERGES = "a0: &a0 {x: y}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 10)
)


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
        '"os_compute_api:servers:index": "' + "(" * 2000 + "@" + ")" * 2000 + '"',
        _GROWS + '"os_compute_api:servers:index": *a9',
        _MERGES + '"os_compute_api:servers:index": "!"',
        '"os_compute_api:servers:index": ' + "[" * 1000 + "]" * 1000,
        '"os_compute_api:servers:index": "!"\n#' + "x" * (1 << 20),
        "- a list",
        '"os_compute_api:servers:index": !!python/name:os.system',
    ],
)
def test_a_file_that_is_not_understood_keeps_the_rules_before(tmp_path: Path, text: str) -> None:
    clock = MovableClock()
    file = tmp_path / "compute.yaml"
    index = Rule("os_compute_api:servers:index", "role:member")
    enforcer = Enforcer("compute", [index], [file], clock)
    member = Token(user_id="u", roles=("member",), issued_at=clock.now(), expires_at=clock.now())

    def may() -> bool:
        clock.move(2)
        return enforcer.allows(index.name, {"project_id": "p"}, member.credentials)

    assert may()
    file.write_text(text + "\n")
    assert may()
    file.write_text(f'"{index.name}": &no "!"\nother: *no\n')
    assert not may()
