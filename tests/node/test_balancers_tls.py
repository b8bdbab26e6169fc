"""TLS of load balancers that a host carries: to clients and to members, on loopback."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import ssl
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec import structs
from tests.issuer import Issuer
from tests.node.balancer_plans import Web, listener, next_one, plan, pool
from tests.ports import free_port

from hanok.base.ids import new_uuid
from hanok.commands import (
    TLS,
    BalancerFile,
    BalancerListener,
    BalancerState,
    RequestPolicy,
    RequestRule,
    StrictTransport,
)
from hanok.drivers.haproxy.process import HAProxy
from hanok.node.balancers import Balancers
from hanok.node.chassis import NullChassis

pytestmark = pytest.mark.skipif(shutil.which("haproxy") is None, reason="needs haproxy")
MINE, OTHERS = Issuer("authority"), Issuer("others")
ALICE, ALICE_PEM = MINE.signs("alice")
GONE, GONE_PEM = MINE.signs("gone")
FILES = {
    "a.pem": MINE.shows("a.example"),
    "b.pem": MINE.shows("b.example"),
    "ca.pem": MINE.pem,
    "crl.pem": MINE.revokes(GONE),
    "other.pem": OTHERS.pem,
}


def files(*names: str) -> tuple[BalancerFile, ...]:
    return tuple(BalancerFile(name=one, pem=FILES[one]) for one in names)


class Host:
    """A host with a web server behind its load balancers."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.web = folder, Web("web")
        self.proxies: list[HAProxy] = []
        made = self.proxies.append
        self.node = Balancers(folder / "state", folder / "run", NullChassis(), made=made)

    async def get(self, to: BalancerListener, name: str, shows: str = "") -> tuple[str, str]:
        """The name of the certificate that is shown to who asks for `name`, and the answer; "": it is refused.

        shows: PEM of the client's own.
        """
        context = ssl.create_default_context(cadata=MINE.pem)
        if shows:
            own = self.folder / "client.pem"
            own.write_text(shows)
            context.load_cert_chain(own)
        try:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", to.port, ssl=context, server_hostname=name
            )
        except ssl.SSLCertVerificationError as error:
            return "", error.verify_message
        try:
            shown = writer.get_extra_info("peercert")["subject"][0][0][1]
            writer.write(f"GET /x HTTP/1.0\r\nHost: {name}\r\n\r\n".encode())
            return str(shown), (await reader.read(65536)).decode()
        except (ssl.SSLError, OSError):
            return "", "refused"
        finally:
            writer.close()


@pytest_asyncio.fixture
async def host() -> AsyncIterator[Host]:
    with tempfile.TemporaryDirectory(prefix="hk") as directory:
        found = Host(Path(directory))
        try:
            yield found
        finally:
            found.web.end()
            for one in found.proxies:
                await one.end()


async def test_each_name_has_its_certificate_and_a_change_drops_the_old_key(host: Host) -> None:
    back = pool(("127.0.0.1", await host.web.serve(host="127.0.0.1", port=0)))
    front = listener(
        free_port(),
        back,
        tls=TLS(
            certificates=("a.pem", "b.pem"),
            alpn=("h2", "http/1.1"),
            versions=("TLSv1.2", "TLSv1.3"),
        ),
        strict=StrictTransport(maximum_age_s=60, subdomains=True),
        headers=("X-Forwarded-Proto", "X-SSL-Client-Has-Cert"),
    )
    one = plan(front, back, files=files("a.pem", "b.pem"))
    assert isinstance(await host.node.ensure(one), BalancerState)
    shown, answer = await host.get(front, "a.example")
    assert shown == "a.example" and answer.endswith("web")
    assert "strict-transport-security: max-age=60; includesubdomains" in answer.lower()
    assert (await host.get(front, "b.example"))[0] == "b.example"
    head = host.web.heads[-1].lower()
    assert "x-forwarded-proto: https" in head and "x-ssl-client-has-cert: 0" in head
    only = structs.replace(front, tls=TLS(certificates=("b.pem",)))
    await host.node.ensure(next_one(one, listeners=(only,), files=files("b.pem")))
    assert (await host.get(front, "a.example"))[0] == ""
    assert (await host.get(front, "b.example"))[0] == "b.example"
    (kept,) = host.proxies[0].files.iterdir()
    assert kept.name == "b.pem" and kept.stat().st_mode & 0o077 == 0


async def test_clients_show_a_certificate_that_was_not_taken_back(host: Host) -> None:
    back = pool(("127.0.0.1", await host.web.serve(host="127.0.0.1", port=0)))
    rule = RequestRule(
        id=new_uuid(), kind="SSL_DN_FIELD", comparison="STARTS_WITH", key="CN", value="al"
    )
    used = RequestRule(id=new_uuid(), kind="SSL_CONN_HAS_CERT", comparison="EQUAL_TO", value="True")
    policy = RequestPolicy(
        id=new_uuid(), action="REDIRECT_TO_URL", rules=(rule, used), target="https://b.example/"
    )
    must = TLS(certificates=("a.pem",), authority="ca.pem", revoked="crl.pem", verify="required")
    may = TLS(certificates=("a.pem",), authority="ca.pem", verify="optional")
    strict = listener(free_port(), back, tls=must, headers=("X-SSL-Client-CN",))
    loose = listener(free_port(), back, tls=may, policies=(policy,))
    one = plan(strict, loose, back, files=files("a.pem", "ca.pem", "crl.pem"))
    await host.node.ensure(one)
    assert (await host.get(strict, "a.example", ALICE_PEM))[1].endswith("web")
    assert "alice" in host.web.heads[-1]
    for shows in ("", GONE_PEM, OTHERS.shows("alice")):
        assert not (await host.get(strict, "a.example", shows))[1].endswith("web")
    assert (await host.get(loose, "a.example"))[1].endswith("web")
    assert "302" in (await host.get(loose, "a.example", ALICE_PEM))[1].splitlines()[0]


async def test_a_proxy_that_is_killed_as_it_is_told_is_another_one(host: Host) -> None:
    back = pool(("127.0.0.1", await host.web.serve(host="127.0.0.1", port=0)))
    front = listener(free_port(), back, tls=TLS(certificates=("a.pem",)))
    one = plan(front, back, files=files("a.pem"))
    await host.node.ensure(one)
    other = structs.replace(front, tls=TLS(certificates=("b.pem",)))
    for pid in host.proxies[0].pids():
        os.kill(pid, signal.SIGKILL)
    await host.node.ensure(next_one(one, listeners=(other,), files=files("b.pem")))
    assert (await host.get(front, "b.example"))[1].endswith("web")


@pytest.mark.parametrize(
    ("authority", "reached"), [("", True), ("ca.pem", True), ("other.pem", False)]
)
async def test_members_are_spoken_to_by_tls(host: Host, authority: str, reached: bool) -> None:
    """With an authority only those are reached that show a certificate of it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own = host.folder / "member.pem"
    own.write_text(FILES["a.pem"])
    context.load_cert_chain(own)
    port = await host.web.serve(host="127.0.0.1", port=0, ssl=context)
    to = TLS(authority=authority, verify="required" if authority else "none")
    back = pool(("127.0.0.1", port), tls=to)
    front = listener(free_port(), back)
    await host.node.ensure(plan(front, back, files=files(*filter(None, (authority,)))))
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    writer.write(b"GET /x HTTP/1.0\r\n\r\n")
    answer = (await reader.read(65536)).decode()
    writer.close()
    assert answer.endswith("web") is reached
