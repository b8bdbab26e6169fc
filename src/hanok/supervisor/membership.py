"""Certificates of a machine's own, and what control says of the cloud's hosts: who may speak, and as whom.

On the machine where a cloud began the supervisor keeps the authority's files, gives certificates to the engines that
others reach, and follows `members.json`, which control writes: the messages let each host that is there speak for
itself, the network's southbound database trusts it, and no longer when it is removed. A machine that joined asks for
another certificate while the one it has is good for a month yet.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from hanok.base.authority import (
    HOST_NAME,
    Authority,
    Granted,
    TLSFolder,
    controller,
    identity,
    is_nobody,
    key_hash,
    nobody,
    request,
)
from hanok.commands.wire import TOPICS, host_token, inbox
from hanok.supervisor import database_server
from hanok.supervisor.settings import Cloud, write_whole

ASK_S = 20.0
MEMBERS_BYTES = 16 << 20  # some ten thousand hosts


class Member(Struct, frozen=True, kw_only=True):
    """A host that is there.

    anchor: what signed its certificate for the southbound database. keys: SHA-256 of the public keys of its
    certificates; none where they are from before this was kept. control_anchor, control_key: the same of a
    controller's control process.
    """

    name: str
    address: str
    anchor: str
    keys: tuple[str, ...] = ()
    control_anchor: str = ""
    control_key: str = ""


class Members(Struct, frozen=True, kw_only=True):
    """What control writes. revoked: the authority's list."""

    hosts: tuple[Member, ...] = ()
    revoked: str = ""


def members(cloud: Cloud) -> Members:
    """The hosts that joined; of names that are none there are none."""
    try:
        raw = cloud.members_file.read_bytes()
        found = msgspec.json.decode(raw, type=Members) if len(raw) < MEMBERS_BYTES else Members()
    except (OSError, msgspec.MsgspecError):
        return Members()
    known = tuple(one for one in found.hosts if HOST_NAME.fullmatch(one.name))
    return Members(hosts=known, revoked=found.revoked)


# ---- the machine where the cloud began ----


def authority_of(cloud: Cloud) -> Authority:
    """The cloud's authority, made when there is none. Control signs with it: it is control's."""
    folder = TLSFolder(cloud.state / "control" / "authority", cloud.control_uid)
    certificate, key = folder.path / "ca-cert.pem", folder.path / "ca-key.pem"
    if not certificate.exists():
        folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chown(folder.path, cloud.control_uid, cloud.control_uid)
        made = Authority.new(f"hanok {cloud.settings.id}", datetime.now(UTC))
        folder.put(key, made.key, mode=0o600)
        folder.put(certificate, made.certificate)
    return Authority(certificate.read_text(), key.read_text())


def messages_tls(cloud: Cloud) -> TLSFolder:
    return TLSFolder(cloud.run / "messages" / "tls", cloud.messages_uid)


def network_tls(cloud: Cloud) -> TLSFolder:
    """Of the southbound database."""
    return TLSFolder(cloud.run / "southbound-tls", cloud.control_uid)


def trusted(cloud: Cloud) -> Path:
    """What the southbound database believes."""
    return network_tls(cloud).path / "hosts.pem"


def control_trusted(cloud: Cloud) -> Path:
    """What the northbound database believes: control processes of other machines."""
    return network_tls(cloud).path / "controllers.pem"


def _certified(cloud: Cloud, folder: TLSFolder, name: str, own: Sequence[str] = ()) -> None:
    """Something of the cloud's own has a certificate, good at these addresses."""
    authority, now = authority_of(cloud), datetime.now(UTC)
    names = [*(own or [cloud.settings.address]), "127.0.0.1", "localhost"]
    key = folder.ensure_key()
    folder.put(folder.authority, authority.certificate)
    if folder.is_due(now) or not folder.is_for(names):
        folder.put(folder.certificate, authority.for_engine(key, name, names, now))


def certify_control(cloud: Cloud) -> None:
    """Control's certificate is good at the addresses of all controllers: any may be in front of it."""
    name = controller(cloud.host_name) if cloud.is_member else "control"
    _certified(
        cloud, TLSFolder(cloud.control_tls, cloud.control_uid), name, control_addresses(cloud)
    )


def certify(cloud: Cloud) -> None:
    """Everything of ours that others reach has a certificate that is good for a while."""
    if not cloud.tls or not cloud.has_control:
        return
    certify_control(cloud)
    if cloud.is_member:
        write_whole(cloud.state / "ca.pem", authority_of(cloud).certificate)
        return
    _certified(cloud, messages_tls(cloud), "messages")
    _certified(cloud, network_tls(cloud), "southbound")
    if database_server.is_made(cloud):
        _certified(cloud, database_server.tls(cloud), "database")
    authority, now = authority_of(cloud), datetime.now(UTC)
    own = TLSFolder(cloud.node_tls)
    key = own.ensure_key()
    if own.is_due(now):
        addresses = [cloud.settings.address]
        own.take(authority.for_host(request(key), cloud.host_name, addresses, now))
    # Whoever uses this machine may hold its cloud against it: the certificate is no secret.
    write_whole(cloud.state / "ca.pem", authority.certificate)
    follow(cloud)


def follow(cloud: Cloud) -> bool:
    """What control says of hosts is in force in the files; the daemons are told by whoever calls.

    Returns:
        Whether the database server is to be told of others.
    """
    found = members(cloud)
    folder, changed = network_tls(cloud), False
    control = "".join(one.control_anchor for one in found.hosts)
    # Control processes look into it, with the same rights as a host of their name.
    _trust(folder, trusted(cloud), "".join(one.anchor for one in found.hosts) + control)
    _trust(folder, control_trusted(cloud), control)
    if database_server.is_made(cloud):
        place = database_server.trusted(cloud)
        changed = _trust(database_server.tls(cloud), place, control)
        admitted = {one.name: one.address for one in controllers(cloud)}
        changed = database_server.admit(cloud, admitted) or changed
    if found.revoked:
        TLSFolder(cloud.node_tls).put(TLSFolder(cloud.node_tls).revoked, found.revoked)
    return changed


def controllers(cloud: Cloud) -> list[Member]:
    """The other machines that run control."""
    return [one for one in members(cloud).hosts if one.control_anchor]


def controls(cloud: Cloud) -> list[tuple[str, str]]:
    """The names and addresses of the machines that run control, this one first."""
    others = {one.name: one.address for one in controllers(cloud)}
    if cloud.is_member:
        others |= dict([began(cloud)])
    others.pop(cloud.host_name, None)
    return [(cloud.host_name, cloud.settings.address), *sorted(others.items())]


def began(cloud: Cloud) -> tuple[str, str]:
    """The name and the address of the machine where a cloud began, as a further controller was told."""
    told = json.loads(cloud.handed_over.read_text())
    return str(told["began_on"]), str(told["began_at"])


def control_addresses(cloud: Cloud) -> list[str]:
    """All at which control's certificate has to be good: whichever machine is asked, any may answer."""
    found = [address for _, address in controls(cloud)]
    known = urlsplit(cloud.settings.cloud).hostname if cloud.is_member else None
    return list(dict.fromkeys([*found, *([known] if known else [])]))


def _trust(folder: TLSFolder, path: Path, anchors: str) -> bool:
    """A file of whom somebody believes; returns whether it was another one.

    An empty one is none for the daemons: where nobody is to be believed, what is in it has signed nothing.
    """
    there = path.read_text() if path.exists() else ""
    if there and (there == anchors or (not anchors and is_nobody(there))):
        return False
    folder.put(path, anchors or nobody(datetime.now(UTC)))
    return True


def messages_conf(cloud: Cloud) -> str:
    """The settings of nats-server where other machines reach it: who somebody is, their certificate says."""
    tls = messages_tls(cloud)
    users = [json.dumps({"user": identity("control", "engine")})]
    hosts = members(cloud).hosts
    users += [
        json.dumps({"user": identity(controller(one.name), "engine")}) for one in controllers(cloud)
    ]
    names = dict.fromkeys([cloud.host_name, *(one.name for one in hosts)])
    users += [_host_user(name) for name in names]
    listed = ",\n    ".join(users)
    return f"""\
listen: "{cloud.settings.address}:{cloud.settings.nats_port}"
max_payload: 8388608
ping_interval: "5s"
ping_max: 2
lame_duck_grace_period: "0s"
logtime: true
tls {{
  cert_file: {json.dumps(str(tls.certificate))}
  key_file: {json.dumps(str(tls.key))}
  ca_file: {json.dumps(str(tls.authority))}
  verify_and_map: true
  timeout: 10{_pinned(cloud, hosts)}
}}
authorization {{
  users: [
    {listed}
  ]
}}
"""


def _pinned(cloud: Cloud, hosts: tuple[Member, ...]) -> str:
    """Only those keys may speak: nats-server knows no list of revoked certificates, and a name can be had again.

    While one of the hosts has only certificates from before keys were kept, names alone decide; it has others soon.
    """
    if not all(one.keys for one in hosts):
        return ""
    own = [TLSFolder(cloud.control_tls), TLSFolder(cloud.node_tls)]
    keys = [key_hash(one.certificate.read_bytes()) for one in own]
    keys += [key for one in hosts for key in (*one.keys, one.control_key) if key]
    return f"\n  pinned_certs: {json.dumps(sorted(set(keys)))}"


def _host_user(name: str) -> str:
    """A host speaks under its own name, hears commands to itself and answers to its own questions, and no others'."""
    token = host_token(name)
    speaks = [f"{topic}.{token}" for topic in TOPICS]
    may = {
        "publish": speaks,
        "subscribe": [f"node.{token}.command", f"{inbox(name)}.>"],
        "allow_responses": {"max": 1, "expires": "30m"},
    }
    return json.dumps({"user": identity(name, "host"), "permissions": may})


# ---- a machine that joined ----


class Refused(Exception):
    """The cloud says no; the text says why. status: of HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def context(folder: TLSFolder, *, ours: bool = True) -> ssl.SSLContext:
    """What a machine holds the cloud against. ours: it shows its own certificate too."""
    found = ssl.create_default_context(cafile=str(folder.authority))
    if ours:
        found.load_cert_chain(folder.certificate, folder.key)
    return found


def ask(
    url: str, tls: ssl.SSLContext, method: str, path: str, body: object = None
) -> tuple[dict[str, object], str]:
    """Ask the cloud; returns the answer and the time of its clock.

    Raises:
        Refused: it says no. OSError: nobody answers, or somebody else.
    """
    parts = urlsplit(url)
    line = http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=ASK_S, context=tls)
    try:
        data = None if body is None else json.dumps(body).encode()
        line.request(method, path, body=data, headers={"Content-Type": "application/json"})
        answer = line.getresponse()
        raw = answer.read(1 << 20)
        found = json.loads(raw) if raw else {}
    except (http.client.HTTPException, ValueError) as error:
        raise OSError(f"{url} gave no answer that can be read: {error}") from error
    finally:
        line.close()
    if answer.status >= 400:
        words = found.get("error", found)
        raise Refused(answer.status, str(words.get("message", "no reason was given")))
    return found, answer.headers.get("Date", "")


def granted(answer: dict[str, object]) -> Granted:
    """The certificates in an answer."""
    return Granted(
        str(answer["authority"]),
        str(answer["certificate"]),
        str(answer["southbound_certificate"]),
        "",
        "",
        str(answer.get("control_certificate", "")),
    )


def renew(cloud: Cloud, *, now: bool = False) -> bool:
    """Ask for other certificates when it is time, or now; returns whether there are new ones. Blocks.

    Raises:
        Refused, OSError: there are none; those that are there go on.
    """
    folder = TLSFolder(cloud.node_tls)
    revoked, _ = ask(cloud.settings.cloud, context(folder), "GET", "/hanok/v1/member")
    text = str(revoked.get("revoked", ""))
    if text and (not folder.revoked.exists() or folder.revoked.read_text() != text):
        folder.put(folder.revoked, text)
    if not now and not folder.is_due(datetime.now(UTC)):
        return False
    body = {"request": request(folder.ensure_key())}
    control = TLSFolder(cloud.control_tls, cloud.control_uid)
    if cloud.has_control:
        body["control_request"] = request(control.ensure_key())
    path = "/hanok/v1/member/certificate"
    answer, _ = ask(cloud.settings.cloud, context(folder), "POST", path, body)
    given = granted(answer)
    if given.control:
        control.put(control.southbound, given.control)
    folder.take(given)
    return True
