"""The unmodified client goes with an account of one cloud to another, by SAML 2."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.acceptance.client import OpenStack
from tests.acceptance.clouds import CLI, simulated
from tests.api.identity.service_provider import ServiceProvider, needs_xmlsec

# What the client and its libraries warn of is their own future.
pytestmark = [pytest.mark.filterwarnings("ignore"), needs_xmlsec]
ECP = "/Shibboleth.sso/SAML2/ECP"
SIGN_IN = "/v3/OS-FEDERATION/identity_providers/us/protocols/saml2/auth"
SETTINGS = '[identity.saml]\nentity_id = "https://cloud.example.org/v3/OS-FEDERATION/saml2/idp"\n'


class OtherCloud:
    """A cloud behind a service provider: who brings a good envelope is signed in as its own user `visitor`.

    told: what the envelopes said.
    """

    def __init__(self, cloud: str) -> None:
        self.cloud = cloud
        self.provider: ServiceProvider | None = None
        self.told: list[dict[str, Any]] = []
        self.port = 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def answer(self, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
        if path == ECP:
            assert self.provider is not None
            told, _ = self.provider.enveloped(body)
            self.told.append(told.ava)
            return httpx.Response(302, headers={"Location": self.url(SIGN_IN)})
        if path == SIGN_IN:
            if not self.told:
                return httpx.Response(401)
            user = {"name": "visitor", "domain": {"id": "default"}, "password": "visiting"}
            identity = {"methods": ["password"], "password": {"user": user}}
            auth = {"auth": {"identity": identity, "scope": "unscoped"}}
            return httpx.post(f"{self.cloud}/v3/auth/tokens", json=auth)
        method = "POST" if body else "GET"
        passed = {k: v for k, v in headers.items() if k.lower() in ("x-auth-token", "content-type")}
        return httpx.request(method, f"{self.cloud}{path}", content=body, headers=passed)


@contextmanager
def served(other: OtherCloud) -> Iterator[OtherCloud]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            response = other.answer(self.path, body, dict(self.headers))
            self.send_response(response.status_code)
            for name in ("Location", "Content-Type", "X-Subject-Token"):
                if name in response.headers:
                    self.send_header(name, response.headers[name])
            self.send_header("Content-Length", str(len(response.content)))
            self.end_headers()
            self.wfile.write(response.content)

        do_GET = do_POST

        def log_message(self, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    other.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield other
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def cli() -> Iterator[CLI]:
    with simulated(settings=SETTINGS) as cli:
        yield cli


def test_an_account_of_this_cloud_opens_another(cli: CLI) -> None:
    openstack = OpenStack(cli.openrc(), "openstack.identity.v3")
    here = openstack.environment["OS_AUTH_URL"].removesuffix("/").removesuffix("/v3")
    # One cloud plays both: what counts is that the way leads through the service provider.
    openstack.run("project", "create", "abroad")
    openstack.run("user", "create", "--password", "visiting", "visitor")
    openstack.run("role", "add", "--project", "abroad", "--user", "visitor", "member")
    with served(OtherCloud(here)) as other:
        urls = ("--auth-url", other.url(SIGN_IN), "--service-provider-url", other.url(ECP))
        openstack.run("service", "provider", "create", *urls, "--enable", "theirs")
        described = httpx.get(f"{here}/v3/OS-FEDERATION/saml2/metadata")
        other.provider = ServiceProvider(described.content, other.url(ECP))
        project = ("--os-remote-project-name", "abroad")
        home = ("--os-remote-project-domain-name", "Default")
        abroad = ("--os-service-provider", "theirs", *project, *home)
        issued = json.loads(openstack.run(*abroad, "token", "issue", "-f", "json"))
        visitor = openstack.json("user", "show", "visitor")
        assert issued["user_id"] == visitor["id"]
        assert issued["project_id"] == openstack.json("project", "show", "abroad")["id"]
        assert [told["openstack_user"] for told in other.told] == [["admin"]]
        openstack.run("service", "provider", "set", "--disable", "theirs")
        openstack.run(*abroad, "token", "issue", status=1)
        assert len(other.told) == 1
