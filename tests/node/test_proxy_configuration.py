"""What HAProxy is told of load balancers: that it takes all of it, and that no text becomes more than itself."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from tests.issuer import Issuer
from tests.node.balancer_plans import PORT, listener, plan, pool

from hanok.base.ids import new_uuid
from hanok.commands import (
    TLS,
    BalancerFile,
    EnsureBalancer,
    MemberCheck,
    Persistence,
    RequestPolicy,
    RequestRule,
    StrictTransport,
)
from hanok.node import proxy_configuration

needs_haproxy = pytest.mark.skipif(shutil.which("haproxy") is None, reason="needs haproxy")
HTTP = MemberCheck(
    kind="HTTPS", delay_s=1, timeout_s=1, rise=1, fall=1, path="/a?b=%20'#", host="a.example"
)
HELLO = MemberCheck(kind="TLS-HELLO", delay_s=1, timeout_s=1, rise=2, fall=2)
ISSUER = Issuer("authority")
FILES = (
    BalancerFile(name="a.pem", pem=ISSUER.shows("a.example")),
    BalancerFile(name="ca.pem", pem=ISSUER.pem),
    BalancerFile(name="crl.pem", pem=ISSUER.revokes()),
)
ONE = ("10.0.0.11", 8080)


def rule(kind: str, comparison: str = "EQUAL_TO", value: str = "x", **more: Any) -> RequestRule:
    return RequestRule(id=new_uuid(), kind=kind, comparison=comparison, value=value, **more)  # type: ignore[arg-type]


def policy(action: str, *rules: RequestRule, **more: Any) -> RequestPolicy:
    return RequestPolicy(id=new_uuid(), action=action, rules=rules, **more)  # type: ignore[arg-type]


def whole() -> EnsureBalancer:
    """One with everything."""
    to_members = TLS(
        certificates=("a.pem",), authority="ca.pem", revoked="crl.pem", verify="required", alpn=("http/1.1",)
    )  # fmt: skip
    pools = [
        pool(ONE, ("fd00::11", 80), check=HTTP, persistence=Persistence(kind="HTTP_COOKIE")),
        pool(ONE, check=HELLO, proxied=2, algorithm="LEAST_CONNECTIONS"),
        pool(
            ONE, algorithm="SOURCE_IP", persistence=Persistence(kind="APP_COOKIE", cookie="a!#$%b")
        ),
        pool(
            ONE,
            algorithm="SOURCE_IP_PORT",
            persistence=Persistence(kind="SOURCE_IP", timeout_s=60, mask="255.255.255.0"),
        ),
        pool(ONE, persistence=Persistence(kind="SOURCE_IP", mask="ffff::")),
        pool(ONE, check=HTTP, tls=to_members),
    ]
    backup = structs.replace(
        pools[1].members[0], id=new_uuid(), backup=True, check_address="10.0.0.99", check_port=1
    )
    pools[1] = structs.replace(pools[1], members=(*pools[1].members, backup))
    policies = (
        policy("REDIRECT_TO_POOL", rule("PATH", "STARTS_WITH", "/a"), target=pools[1].id),
        policy(
            "REJECT",
            rule("HOST_NAME", "ENDS_WITH", "-i"),
            rule("FILE_TYPE", "EQUAL_TO", "jpg", invert=True),
        ),
        policy("REDIRECT_TO_URL", rule("HEADER", key="X-A"), target="http://b/%5b'#", code=301),
        policy("REDIRECT_PREFIX", rule("COOKIE", "REGEX", "^a|b$", key="c"), target="https://c"),
        policy("REJECT"),
    )
    web = listener(
        80,
        pools[0],
        policies=policies,
        maximum=100,
        inspect_ms=10,
        sources=("10.0.0.0/8", "fd00::/8"),
        headers=("X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto"),
    )
    shown = TLS(
        certificates=("a.pem",), authority="ca.pem", revoked="crl.pem", verify="optional",
        versions=("TLSv1.3",), ciphers="ECDHE-ECDSA-AES256-GCM-SHA384:!aNULL", alpn=("h2", "http/1.0"),
    )  # fmt: skip
    ssl_rules = (
        rule("SSL_CONN_HAS_CERT", value="True"),
        rule("SSL_VERIFY_RESULT", "EQUAL_TO", "0"),
        rule("SSL_DN_FIELD", "REGEX", "^a", key="OU"),
    )
    secure = listener(
        8443,
        pools[5],
        tls=shown,
        strict=StrictTransport(maximum_age_s=1, subdomains=True, preload=True),
        headers=tuple(proxy_configuration._HEADERS),
        policies=(policy("REJECT", *ssl_rules),),
    )
    others = [
        listener(81 + at, one, mode="tcp") for at, one in enumerate(pools) if at not in (2, 5)
    ]
    return plan(
        web,
        secure,
        listener(443, pools[2]),
        listener(9100, mode="prometheus"),
        *others,
        *pools,
        port=structs.replace(PORT, addresses=("10.0.0.5/24", "fd00::5/64")),
        files=FILES,
    )


@needs_haproxy
def test_haproxy_takes_all_that_can_be_said(tmp_path: Path) -> None:
    file = tmp_path / "cfg"
    for one in FILES:
        (tmp_path / one.name).write_text(one.pem)
    file.write_text(
        "global\n    localpeer hanok\n"
        + proxy_configuration.write(whole(), "/tmp/p", str(tmp_path))
    )
    done = subprocess.run(["haproxy", "-c", "-f", file], capture_output=True, text=True)
    assert done.returncode == 0 and "ALERT" not in done.stderr, done.stderr


@pytest.mark.parametrize("text", ["a\nglobal", "a\r", "a\0", "a\x1b"])
def test_no_text_begins_a_line(text: str) -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        proxy_configuration.word(text)


@pytest.mark.parametrize("text", ["a b", "'", "''; quit", '"${HOME}"', "\\", "#", "a\\'b"])
@needs_haproxy
def test_a_text_is_one_word(text: str, tmp_path: Path) -> None:
    """HAProxy takes it where one word may stand, and nothing behind it."""
    file = tmp_path / "cfg"
    front = f"frontend a\n    mode http\n    bind :1\n    http-request set-header A {proxy_configuration.word(text)}"
    for more, status in (("\n", 0), (" second\n", 1)):
        file.write_text(front + more)
        done = subprocess.run(["haproxy", "-c", "-f", file], capture_output=True, text=True)
        assert done.returncode == status, done.stderr
