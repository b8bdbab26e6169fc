"""A client with a certificate behind a front that speaks TLS: nothing of OpenStack, only OAuth 2.0."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import NameOID

from tests.acceptance.client import OpenStack
from tests.acceptance.clouds import simulated

# What the client and its libraries warn of is their own future.
pytestmark = pytest.mark.filterwarnings("ignore")
HEADER = "X-SSL-Client-Cert"
SETTINGS = f'[front]\nproxies = ["127.0.0.1"]\nclient_certificate_header = "{HEADER}"\n'


class Authority:
    """Signs certificates; files of them with their keys in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.file = folder / f"{name}.pem"
        own = self._signed(name, x509.Name(self._parts(name)), self.key, is_authority=True)
        self.file.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    @staticmethod
    def _parts(name: str, user_id: str = "") -> list[x509.NameAttribute[str]]:
        more = [x509.NameAttribute(NameOID.USER_ID, user_id)] if user_id else []
        return [x509.NameAttribute(NameOID.COMMON_NAME, name), *more]

    def _signed(
        self, name: str, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_authority: bool
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        identifier = x509.SubjectKeyIdentifier.from_public_key(self.key.public_key())
        signers = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(x509.Name(self._parts(self.name)))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(signers, critical=False)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
        )
        if name == "front":
            names = [x509.IPAddress(ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, name: str, user_id: str = "") -> Path:
        """A file with a new key and its certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._signed(name, x509.Name(self._parts(name, user_id)), key, is_authority=False)
        path = self.folder / f"{self.name}-{name}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + made.public_bytes(serialization.Encoding.PEM)
        )
        return path


@contextmanager
def front(cloud: str, authority: Authority) -> Iterator[str]:
    """A proxy that verifies clients' certificates, if they have any, and passes them as nginx does."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            shown = cast(ssl.SSLSocket, self.connection).getpeercert(binary_form=True)
            kept = {k: v for k, v in self.headers.items() if k.lower() != HEADER.lower()}
            pem = ssl.DER_cert_to_PEM_cert(shown) if shown else ""
            response = httpx.request(
                self.command,
                f"{cloud}{self.path}",
                content=body,
                headers={**kept, HEADER: quote(pem, safe="")},
            )
            self.send_response(response.status_code)
            self.send_header("Content-Type", response.headers.get("Content-Type", ""))
            self.send_header("Content-Length", str(len(response.content)))
            self.end_headers()
            self.wfile.write(response.content)

        do_GET = do_POST

        def log_message(self, *args: object) -> None:
            return

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.file))
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_cert_chain(authority.issue("front"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def client(url: str, authority: Authority, certificate: Path | None) -> httpx.Client:
    context = ssl.create_default_context(cafile=str(authority.file))
    if certificate is not None:
        context.load_cert_chain(certificate)
    return httpx.Client(base_url=url, verify=context)


def test_a_program_with_a_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ours")
    rules: list[dict[str, Any]] = [
        {
            "local": [{"user": {"id": "{0}"}}],
            "remote": [
                {"type": "SSL_CLIENT_SUBJECT_DN_UID"},
                {"type": "SSL_CLIENT_ISSUER_DN_CN", "any_one_of": ["ours"]},
            ],
        }
    ]
    (tmp_path / "rules.json").write_text(json.dumps(rules))
    with simulated(settings=SETTINGS) as cli:
        openstack = OpenStack(cli.openrc(), "openstack.identity.v3")
        cloud = openstack.environment["OS_AUTH_URL"].removesuffix("/").removesuffix("/v3")
        rules_file = str(tmp_path / "rules.json")
        openstack.run("mapping", "create", "--rules", rules_file, "oauth2_mapping")
        openstack.run("project", "create", "lab")
        user = openstack.json("user", "create", "--project", "lab", "robot")["id"]
        openstack.run("role", "add", "--project", "lab", "--user", "robot", "member")
        robot, thief = authority.issue("robot", user), authority.issue("thief", "somebody")
        form = {"grant_type": "client_credentials", "client_id": user}
        with front(cloud, authority) as url:
            with client(url, authority, robot) as own:
                answer = own.post("/v3/OS-OAUTH2/token", data=form)
                assert answer.status_code == 200, answer.text
                bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
                for path in ("/v3/auth/projects", "/image/v2/images", "/compute/v2.1/servers"):
                    assert own.get(path, headers=bearer).status_code == 200
            stolen = robot.read_text().split("-----BEGIN CERTIFICATE-----")[1]
            shown = {HEADER: quote(f"-----BEGIN CERTIFICATE-----{stolen}")}
            for certificate in (thief, None):
                with client(url, authority, certificate) as other:
                    # A certificate is public: to write it into the header is not to have its key.
                    for more in ({}, shown):
                        answer = other.post("/v3/OS-OAUTH2/token", data=form, headers=more)
                        assert answer.status_code == 401
                        answer = other.get("/image/v2/images", headers={**bearer, **more})
                        assert answer.status_code == 401
            stranger = Authority(tmp_path, "strangers").issue("robot", user)
            with (
                client(url, authority, stranger) as other,
                pytest.raises(httpx.TransportError),
            ):
                other.post("/v3/OS-OAUTH2/token", data=form)
