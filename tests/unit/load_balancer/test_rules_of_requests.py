"""What a rule of an L7 policy may say, and what does not go together."""

from __future__ import annotations

from typing import Any

import pytest

from hanok.base.errors import BadInput
from hanok.services.load_balancer.logic import l7

KEYED = ("COOKIE", "HEADER", "SSL_DN_FIELD")
PLAIN = ("HOST_NAME", "PATH", "FILE_TYPE")


def rule(type_: str, compare_type: str = "EQUAL_TO", **more: Any) -> dict[str, Any]:
    return {"type": type_, "compare_type": compare_type, "value": "a", "key": None, **more}


@pytest.mark.parametrize(
    "fitting",
    [
        *(rule(kind, key="k") for kind in KEYED),
        *(rule(kind) for kind in PLAIN),
        rule("HOST_NAME", key=""),
        rule("PATH", "STARTS_WITH"),
        rule("FILE_TYPE", "REGEX", value="(jpg|png)"),
        rule("SSL_CONN_HAS_CERT", value="True"),
        rule("SSL_VERIFY_RESULT", value="0"),
        rule("SSL_VERIFY_RESULT", value="18"),
    ],
)
def test_what_a_rule_may_say(fitting: dict[str, Any]) -> None:
    l7.check_rule(fitting)


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        *((rule(kind), "needs a key") for kind in KEYED),
        *((rule(kind, key=""), "needs a key") for kind in KEYED),
        *((rule(kind, key="k"), "has no key") for kind in (*PLAIN, "SSL_CONN_HAS_CERT", "SSL_VERIFY_RESULT")),
        *((rule("FILE_TYPE", how), "FILE_TYPE") for how in ("STARTS_WITH", "ENDS_WITH", "CONTAINS")),
        (rule("SSL_CONN_HAS_CERT", value="False"), "EQUAL_TO True"),
        (rule("SSL_CONN_HAS_CERT", "CONTAINS", value="True"), "EQUAL_TO True"),
        (rule("SSL_VERIFY_RESULT", value="a"), "a number"),
        (rule("SSL_VERIFY_RESULT", value="-1"), "a number"),
        (rule("SSL_VERIFY_RESULT", value="\u00b2"), "a number"),
        (rule("SSL_VERIFY_RESULT", value="\u0663"), "a number"),
        (rule("SSL_VERIFY_RESULT", "STARTS_WITH", value="1"), "a number"),
        (rule("PATH", "REGEX", value="((("), "regular expression"),
        (rule("PATH", value="a\nb"), "a"),
    ],
)  # fmt: skip
def test_what_does_not_go_together(odd: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        l7.check_rule(odd)
