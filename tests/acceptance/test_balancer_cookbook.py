"""Octavia's "Basic Load Balancing Cookbook": its sections on TLS, command by command, by the unmodified client.

The commands are the guide's; a user waits until the load balancer is ACTIVE between them. What TLS does to traffic is
tried where it can be seen:
`tests/node/test_balancers_tls.py`.
"""

from __future__ import annotations

import base64
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.client import OpenStack
from tests.acceptance.clouds import CLI
from tests.issuer import Issuer
from tests.ports import free_port

pytest.importorskip("octaviaclient")
pytest.importorskip("barbicanclient")
# What the client and its libraries warn of is their own future.
pytestmark = pytest.mark.filterwarnings("ignore")

P12 = "openssl pkcs12 -export -inkey {0}.key -in {0}.crt {1}-passout pass: -out {0}.p12"
SERVER = P12.format("server", "-certfile ca-chain.crt ")
SERVER2 = P12.format("server2", "-certfile ca-chain2.crt ")
MEMBER = P12.format("member", "")
STORE = "openstack secret store --name='{}' -t 'application/octet-stream' -e 'base64' --payload=\"$(base64 < {})\""
CREATE = ["openstack loadbalancer create --name lb1 --vip-subnet-id public-subnet"]
LISTEN = "openstack loadbalancer listener create --protocol-port 443 --protocol TERMINATED_HTTPS --name listener1 "
REF = "$(openstack secret list | awk '/ {} / {{print $2}}')"
DEFAULT = f"--default-tls-container={REF.format('tls_secret1')}"
PLAIN = (
    "openstack loadbalancer listener create --name listener1 --protocol HTTP --protocol-port 80 lb1"
)
POOL = "openstack loadbalancer pool create --name pool1 --lb-algorithm ROUND_ROBIN --listener listener1 --protocol HTTP"
MEMBERS = [
    f"openstack loadbalancer member create --subnet-id private-subnet --address 192.0.2.{one} --protocol-port 80 pool1"
    for one in (10, 11)
]
ENCRYPTED = [one.replace("--protocol-port 80", "--protocol-port 443") for one in MEMBERS]
TO_MEMBERS = (
    f"{POOL} --enable-tls --ca-tls-container-ref {REF.format('member_ca_cert')}"
    f" --crl-container-ref {REF.format('member_ca_crl')}"
)
OF_MEMBERS = [
    STORE.format("member_ca_cert", "member_ca.pem"),
    STORE.format("member_ca_crl", "member_ca.crl"),
]
SECTIONS: dict[str, list[str]] = {
    "TLS-terminated": [
        SERVER, STORE.format("tls_secret1", "server.p12"), *CREATE,
        f"{LISTEN}{DEFAULT} lb1", POOL, *MEMBERS,
    ],
    "with SNI": [
        SERVER, SERVER2, STORE.format("tls_secret1", "server.p12"), STORE.format("tls_secret2", "server2.p12"), *CREATE,
        f"{LISTEN}{DEFAULT} --sni-container-refs {REF.format('tls_secret1')} {REF.format('tls_secret2')} -- lb1",
        POOL, *MEMBERS,
    ],
    "with client authentication": [
        SERVER, STORE.format("tls_secret1", "server.p12"), STORE.format("client_ca_cert", "client_ca.pem"),
        STORE.format("client_ca_crl", "client_ca.crl"), *CREATE,
        f"{LISTEN}{DEFAULT} --client-authentication=MANDATORY "
        f"--client-ca-tls-container-ref={REF.format('client_ca_cert')} "
        f"--client-crl-container={REF.format('client_ca_crl')} lb1",
        POOL, *MEMBERS,
    ],
    "HTTP and TLS on the same address": [
        SERVER, STORE.format("tls_secret1", "server.p12"), *CREATE, f"{LISTEN}{DEFAULT} lb1", POOL, *MEMBERS,
        "openstack loadbalancer listener create --protocol-port 80 --protocol HTTP --name listener2"
        " --default-pool pool1 lb1",
    ],
    "re-encryption": [*OF_MEMBERS, *CREATE, PLAIN, TO_MEMBERS, *ENCRYPTED],
    "re-encryption with client authentication": [
        MEMBER, STORE.format("member_secret1", "member.p12"), *OF_MEMBERS, *CREATE, PLAIN,
        f"{TO_MEMBERS} --tls-container-ref {REF.format('member_secret1')}", *ENCRYPTED,
    ],
}  # fmt: skip
SHOWS: dict[str, dict[str, dict[str, Any]]] = {
    "TLS-terminated": {"listener1": {"client_authentication": "NONE"}},
    "with SNI": {"listener1": {"sni_container_refs": 2}},
    "with client authentication": {
        "listener1": {
            "client_authentication": "MANDATORY",
            "client_ca_tls_container_ref": 1,
            "client_crl_container_ref": 1,
        }
    },
    "HTTP and TLS on the same address": {"listener2": {"protocol": "HTTP", "default_pool_id": 1}},
    "re-encryption": {"pool1": {"tls_enabled": True, "ca_tls_container_ref": 1}},
    "re-encryption with client authentication": {"pool1": {"tls_container_ref": 1}},
}
"""What is seen afterwards; a number: so many references."""


class User:
    """Who types the commands, in a folder of files that an authority has given."""

    def __init__(self, openstack: OpenStack, folder: Path) -> None:
        self.openstack, self.folder = openstack, folder
        authority = Issuer("authority")
        for name, host in (
            ("server", "www.example.com"),
            ("server2", "www2.example.com"),
            ("member", "lb1"),
        ):
            _, pem = authority.signs(host)
            at = pem.index("-----BEGIN PRIVATE KEY")
            (folder / f"{name}.crt").write_text(pem[:at])
            (folder / f"{name}.key").write_text(pem[at:])
        for name in ("ca-chain.crt", "ca-chain2.crt", "client_ca.pem", "member_ca.pem"):
            (folder / name).write_text(authority.pem)
        gone, _ = authority.signs("gone")
        for name in ("client_ca.crl", "member_ca.crl"):
            (folder / name).write_text(authority.revokes(gone))

    def types(self, line: str) -> None:
        """As a shell would do it; the client runs in this process."""
        if line.startswith("openssl"):
            subprocess.run(shlex.split(line), cwd=self.folder, check=True, timeout=20)
            return
        while (at := line.find("$(")) >= 0:
            end = line.index(")", at)
            line = line[:at] + self._substituted(line[at + 2 : end]) + line[end + 1 :]
        self.openstack.run(*shlex.split(line)[1:])
        self.openstack.wait(self._is_active)

    def _substituted(self, command: str) -> str:
        if command.startswith("base64"):
            raw = (self.folder / command.split()[-1]).read_bytes()
            return base64.b64encode(raw).decode()
        name = command.split("/")[1].strip()
        lines = self.openstack.run("secret", "list").splitlines()
        (found,) = [one.split()[1] for one in lines if f" {name} " in one]
        return found

    def _is_active(self) -> bool:
        found = self.openstack.json("loadbalancer", "list")
        return all(one["provisioning_status"] == "ACTIVE" for one in found)

    def leaves(self) -> None:
        self.openstack.run("loadbalancer", "delete", "--cascade", "lb1")
        self.openstack.wait(lambda: not self.openstack.json("loadbalancer", "list"))
        for one in self.openstack.json("secret", "list"):
            self.openstack.run("secret", "delete", one["Secret href"])


@pytest.fixture(scope="module")
def user() -> Iterator[User]:
    folder = Path(tempfile.mkdtemp(prefix="hanok-simulated-"))
    cli = CLI(folder / "cloud")
    try:
        cli("up", "--simulated", "--port", str(free_port()))
        openstack = OpenStack(cli.openrc(), "openstack.load_balancer.v2")
        openstack.run("network", "create", "inside")  # `public-subnet` is there
        words = ("--network", "inside", "--subnet-range", "192.0.2.0/24", "private-subnet")
        openstack.run("subnet", "create", *words)
        yield User(openstack, folder)
    finally:
        cli("destroy", "--yes", status=None)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section(user: User, section: str) -> None:
    for line in SECTIONS[section]:
        user.types(line)
    for name, values in SHOWS[section].items():
        kind = "listener" if name.startswith("listener") else "pool"
        found = user.openstack.json("loadbalancer", kind, "show", name)
        for field, value in values.items():
            seen = found[field]
            if type(value) is int:
                seen = len(seen.split() if isinstance(seen, str) else seen)
            assert seen == value, f"{field}: {found[field]}"
    # What is shown by TLS is not deleted by mistake: whoever looks sees who has it.
    for one in user.openstack.json("secret", "list"):
        users = user.openstack.run("secret", "consumer", "list", one["Secret href"])
        assert "Octavia" in users, users
    members = user.openstack.json("loadbalancer", "member", "list", "pool1")
    assert sorted(one["address"] for one in members) == ["192.0.2.10", "192.0.2.11"]
    user.leaves()
