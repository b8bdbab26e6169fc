"""Requests made from an OpenAPI document: fitting ones, slightly wrong ones and wildly wrong ones.

Everything comes from one `random.Random`, so a seed gives the same requests to the same cloud. What is sent is bytes, as
it goes over the wire: no client library stands between, which would refuse half of it.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlencode

from msgspec import Struct

from bench.valid import Requested

NOWHERE = "00000000-0000-4000-8000-000000000000"
MAXIMUM_KNOWN = 12  # ids that are remembered of a kind

STRINGS = (
    "", " ", "a", "x" * 255, "x" * 256, "x" * 70_000, "\0", "a\0b", "\ud800", "a\udfffb", "\uffff", "\u202e", "é" * 128,
    "😀" * 100, "\r\n", "a\r\nSet-Cookie: b=c", "/", "..", "../../etc/passwd", "%", "%00", "%s", "{}", "{0}", "%(a)s", "'", '"',
    "';--", "\\", "null", "None", "true", "false", "0", "-1", "1", "1.5", "1e5", "1_000", "+5", "0x10", "NaN", "inf", "٣", "²",
    "1" * 400, "9" * 5000, str(2**63), str(2**64), "-" + str(2**63 + 1), NOWHERE, NOWHERE.upper(), NOWHERE.replace("-", ""),
    "{" + NOWHERE + "}", "urn:uuid:" + NOWHERE, "default", "admin", "all", "2026-01-01T00:00:00Z", "2026-13-45T99:99:99Z",
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59", "9999-12-31T23:59:59Z", "0000-00-00", "2026-01-01",
    "2026-01-01T00:00:00.123456789Z", "in:a,b", "in:", 'in:"a', "gt:1", "gte:2026-01-01", "gt:", "neq:x", "(a+)+$", "[", "(?P<",
    "*" * 50, "_%_", "a,b", ",", ":", "::", "=", "&", "fe80::1%eth0", "::1/129", "10.0.0.0/33", "10.0.0.0/0", "0.0.0.0", "::/0",
    "255.255.255.255/32", "::ffff:1.2.3.4", "http://", "http://[", "http://[::1]:99999/", "http://127.0.0.1:1/", "file:///etc/passwd",
    "http://a" + "b" * 300 + ".invalid/", "VCPU:1", "VCPU:", "CUSTOM_A", "name:asc", "name:sideways", "a@b", "ff:ff:ff:ff:ff:ff",
    "\N{LATIN SMALL LETTER DOTLESS I}", "ß", "\u0130", "\N{NO-BREAK SPACE}", "\x7f", "\x1b[0m",
)  # fmt: skip
NUMBERS = (
    0, 1, -1, 2, 10, 255, 256, 65_535, 65_536, 2**31 - 1, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 2**64, -(2**63), -(2**63) - 1,
    10**30, -(10**400), 0.5, -0.0, 1e308, 1e-308, 1.0,
)  # fmt: skip
RAW = (
    b"", b"{", b"[", b"null", b"NaN", b'{"a": NaN}', b"Infinity", b'{"a": 1e999}', b'"\xff"', b'"\xed\xa0\x80"', b"\x00",
    b'{"a": "\x00"}', b"\xef\xbb\xbf{}", "{}".encode("utf-16"), b"[" * 100_000, b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    b"grant_type=client_credentials&client_id=%00&client_secret=%00", b"token=%00&SAMLResponse=%ff", b"a=%ed%a0%80&grant_type=%ff",
    b"{}{}", b"{'a': 1}", b'{"a": 1,}', b'"\\ud800"', b'"\\u0000"', b"\x1f\x8b\x08\x00", b"a=b&c=d", b"1" * 10_000, b"-",
    b'{"\\u0000": 1}', b'{"\xff": 1}', b" " * 2_000, b'{"a": "' + b"x" * 1_100_000 + b'"}',
)  # fmt: skip
SEGMENTS = (
    "%00", "a%00b", "%", "%zz", "%2", "%2F", "a%2Fb", "..", "%2e%2e", "%2e%2e%2f", ".", "%ff%fe", "%ed%a0%80", "%ef%bf%bf", "%20",
    "%0d%0a", "%25", "%C3%A9", "a;b=c", "a:b", "*", "'", "%22", "%5C", "x" * 300, "x" * 10_000, "%F0%9F%98%80" * 100, "0", "-1",
    "1" * 25, "9" * 5000, "%D9%A3", "%C2%B2", "default", "null", "None", "detail", "self", NOWHERE, NOWHERE.upper(),
    NOWHERE.replace("-", ""), "", "{id}", "%7Bid%7D", "_member_", "é", "a#b", "CUSTOM_A", "VCPU",
)  # fmt: skip
TYPES = (
    "application/json", "application/json; charset=utf-8", "application/json;charset=utf-16", "text/plain", "application/xml",
    "application/octet-stream", "application/x-www-form-urlencoded", "multipart/form-data", "", ";", "application/", "/",
    "application/openstack-images-v2.1-json-patch", "application/openstack-images-v2.0-json-patch", "\xff",
)  # fmt: skip
NAMES = (
    "limit", "marker", "sort_key", "sort_dir", "sort", "name", "id", "enabled", "domain_id", "project_id", "user_id", "type",
    "fields", "page_reverse", "changes-since", "changes-before", "all_tenants", "status", "visibility", "member_status", "owner",
    "size_min", "size_max", "created_at", "updated_at", "tag", "tags", "not-tags", "tags-any", "not-tags-any", "os_hidden",
    "protected", "min_ram", "minRam", "minDisk", "is_public", "host", "ip", "ip6", "flavor", "image", "deleted", "locked", "reservation_id",
    "resources", "required", "member_of", "in_tree", "group_policy", "resources1", "required1", "root_required", "same_subtree",
    "uuid", "associated", "parent_id", "is_domain", "parents_as_list", "subtree_as_ids", "include_names", "effective",
    "role.id", "user.id", "group.id", "scope.project.id", "scope.domain.id", "scope.system", "name__contains", "name__iregex",
    "password_expires_at", "service_id", "region_id", "resource_name", "include_limits", "allow_expired", "nocatalog",
    "binary", "with_servers", "hypervisor_hostname_pattern", "reserved", "usage", "visible", "resource_types", "store", "idp_id",
    "unique_id", "protocol_id", "trustor_user_id", "trustee_user_id", "blob", "oauth_token", "revision_number", "device_id", "fixed_ips",
    "shared", "router:external", "mac_address", "cidr", "ip_version", "description", "since", "length", "bogus",
)  # fmt: skip
HEADERS = (
    "X-Subject-Token", "OpenStack-API-Version", "X-OpenStack-Nova-API-Version", "Accept", "Range", "Content-Range", "If-Match",
    "If-None-Match", "Expect", "X-Image-Meta-Store", "X-OpenStack-Image-Size", "X-Openstack-Append", "Authorization",
    "OpenStack-Auth-Receipt", "Openstack-Identity-Access-Rules", "X-Forwarded-For", "X-Forwarded-Proto", "X-Front-Certificate", "Cookie", "Origin",
    "X-Service-Token", "X-Project-Id", "X-Roles", "Accept-Language", "Content-Encoding", "X-HTTP-Method-Override", "Upgrade",
)  # fmt: skip
HEADER_VALUES = (
    b"", b" ", b"a", b"\xff\xfe", "é".encode(), b"x" * 5_000, b"compute 2.1", b"compute latest", b"compute 2.999", b"compute 2",
    b"compute", b"placement 1.39", b"placement latest", b"compute 2.1, placement 1.10", b"latest", b"2.1", b"2.\xb2", b"-1.5",
    b"9" * 5_000, b"bytes=0-1", b"bytes=5-2", b"bytes=-", b"bytes=a-b", b"bytes=-99999999999999999999", b"bytes=0-0,2-3",
    b"bytes 0-1/2", b"bytes 0-1/*", b"revision_number=1", b"revision_number=\xb2", b"100-continue", b"true", b"gAAAAA",
    b"Basic ", b"Basic %%%", b"Basic YTpi", b"Basic Og==", b"Basic AGE6AGI=", b"Basic //46YQ==", b'OAuth oauth_consumer_key="%00",oauth_nonce="a",oauth_timestamp="1",oauth_signature_method="HMAC-SHA1",oauth_signature="a"',
    b'OAuth oauth_consumer_key="a",oauth_token="%ff",oauth_nonce="%00",oauth_timestamp="\xb2",oauth_signature_method="HMAC-SHA1",oauth_signature="%"',
    b"Bearer %00", b"Bearer x", b"OAuth oauth_token=\"a\"", b"AWS a:b", b"application/json;q=x",
    b"AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=, Signature=", b"websocket", b"\x01",
)  # fmt: skip


GENERIC = ("name", "key", "tag", "uuid", "id", "tenant_id")
WORDS = {
    "url": "http://service.test/v1", "interface": "public", "password": "Secret-1", "original_password": "secret", "cidr": "10.9.0.0/24",
    "interface_id": "public", "email": "a@b.test", "auth_url": "http://idp.test/v3", "sp_url": "http://idp.test/sp",
    "expires_at": "2099-01-01T00:00:00.000000Z", "blob": "{}", "region": "RegionOne", "region_id": "RegionOne", "ip_version": 4,
    "binary": "nova-compute", "host": "host-1", "generation": 0, "resource_provider_generation": 0, "consumer_generation": None,
    "consumer_type": "INSTANCE", "status": "enabled", "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJjZ2JyHkZg8Wl0Yv1o0pF3n0c6hU2Jb3b8y0p9tQm1h a",
    "domain_id": "default", "type": "novnc", "protocol": "vnc", "networks": "none",
}  # fmt: skip


SPELLED = {
    "imageRef": "image_id", "flavorRef": "flavor_id", "uuid": "network_id", "port": "port_id", "member": "project_id",
    "tenant": "project_id", "id": "role_id", "external_network": "network_id", "consumer_uuid": "consumer_uuid", "key_name": "keypair_name",
    "root_provider_uuid": "resource_providers/uuid", "parent_provider_uuid": "resource_providers/uuid", "project": "project_id",
}  # fmt: skip


QUERIES = (
    b"limit=2", b"limit=1&sort_key=id&sort_dir=desc", b"resources=VCPU:1", b"resources1=VCPU:1&resources2=MEMORY_MB:64&group_policy=none",
    b"project_id=a", b"name=admin", b"enabled=true", b"all_tenants=1", b"fields=id&fields=name", b"sort=name:asc,id:desc",
    b"changes-since=2026-01-01T00:00:00Z", b"effective&include_names", b"is_domain=true", b"parents_as_list&subtree_as_list",
    b"name=in:a,b", b"created_at=gt:2026-01-01T00:00:00Z", b"member_of=in:" + NOWHERE.encode(), b"required=CUSTOM_A,!CUSTOM_B",
    b"resources=VCPU:1,DISK_GB:1&required=in:CUSTOM_A,CUSTOM_B&limit=3", b"in_tree=" + NOWHERE.encode(), b"tags=a,b&not-tags=c",
)  # fmt: skip


# Values of parameters that mean what they say; those of others are ids and names of what exists.
FITTING = {
    "limit": ("1", "2", "100"), "sort_key": ("created_at", "name", "id", "status"), "sort_dir": ("asc", "desc"),
    "sort": ("name:asc", "id:desc,name", "created_at"), "enabled": ("true", "false"), "is_domain": ("true", "false"),
    "is_public": ("none", "true", "false"), "minRam": ("1",), "minDisk": ("1",), "resources": ("VCPU:1", "VCPU:1,DISK_GB:1"),
    "required": ("CUSTOM_A", "!CUSTOM_A", "in:CUSTOM_A,HW_CPU_X86_AVX"), "root_required": ("CUSTOM_A", "!CUSTOM_A"),
    "member_of": (NOWHERE, "in:" + NOWHERE, "!" + NOWHERE), "in_tree": (NOWHERE,), "group_policy": ("none", "isolate"),
    "same_subtree": ("1,2",), "all_tenants": ("1", "0"), "changes-since": ("2026-01-01T00:00:00Z",), "deleted": ("false", "true"),
    "changes-before": ("2099-01-01T00:00:00Z",), "status": ("ACTIVE", "active", "success"), "ip": ("10.",), "ip6": ("fe80",),
    "tags": ("a", "a,b"), "tags-any": ("a,b",), "not-tags": ("a",), "not-tags-any": ("b",), "visibility": ("public", "shared", "all"),
    "member_status": ("accepted", "all"), "os_hidden": ("false", "true"), "protected": ("false",), "size_min": ("1",),
    "size_max": ("9999999",), "created_at": ("gt:2026-01-01T00:00:00Z",), "updated_at": ("lte:2099-01-01T00:00:00Z",),
    "password_expires_at": ("lt:2099-01-01T00:00:00Z",), "since": ("2026-01-01T00:00:00Z",), "type": ("import", "image", "cert"),
    "with_servers": ("true",), "interface": ("public",), "binary": ("nova-compute",), "host": ("host-1",), "page_reverse": ("true",),
    "fields": ("id", "name"), "associated": ("true", "1"), "consumer_type": ("all", "INSTANCE"), "effective": ("",),
    "include_names": ("",), "include_subtree": ("0",), "scope.system": ("all",), "nocatalog": ("",), "parents_as_list": ("",),
    "subtree_as_ids": ("",), "resource_types": ("OS::Nova::Server",), "locked": ("true",), "power_state": ("1",),
}  # fmt: skip


class Sent(Struct):
    """A request, ready for the wire. whole: whether its framing is sound, so that the connection can go on."""

    operation: str
    method: str
    target: bytes
    data: bytes
    kind: str
    body: bytes
    whole: bool = True


class Known:
    """Ids and names of things that exist, by service and name of the parameter."""

    def __init__(self) -> None:
        self.things: dict[tuple[str, str], list[str]] = {}
        self.untouched: set[str] = set()  # what a cloud cannot do without
        self.bodies: dict[str, list[bytes]] = {}  # that were taken, by operation
        self.paths: dict[
            str, list[str]
        ] = {}  # whole ones that led somewhere, by their form in the document

    def add(self, service: str, name: str, value: str) -> None:
        if value in self.untouched:
            return
        found = self.things.setdefault((service, name), [])
        if value not in found:
            found.append(value)
            del found[:-MAXIMUM_KNOWN]

    def taken(self, operation: str, body: bytes) -> None:
        """Keep a body that an operation took: what is made from it gets further."""
        found = self.bodies.setdefault(operation, [])
        deep = body.count(b"[") + body.count(b"{")  # a body that nobody reads may be anything
        if 0 < len(body) < 20_000 and deep < 200 and body not in found:
            found.append(body)
            del found[1:-MAXIMUM_KNOWN]  # the first one was made by hand

    def went(self, form: str, path: str) -> None:
        """Keep a path: things that are only there together (a role of a user on a project) are found again by it."""
        found = self.paths.setdefault(form, [])
        if "{" in form and path not in found:
            found.append(path)
            del found[:-MAXIMUM_KNOWN]

    def gone(self, form: str, path: str) -> None:
        if path in self.paths.get(form, ()):
            self.paths[form].remove(path)

    @staticmethod
    def slot(path: str, at: int) -> str:
        """What the parameter at this piece of a path is known by: its name, or with the collection before it."""
        pieces = path.split("/")
        name = pieces[at][1:-1]
        if name == "resource_id":
            return f"{pieces[at - 1].removesuffix('s').replace('-', '_')}_id"
        return f"{pieces[at - 1]}/{name}" if name in GENERIC else name

    def some(self, dice: random.Random, service: str, name: str) -> str:
        """One that fits the name, or any other."""
        fitting = self.things.get((service, name))
        if not fitting:
            fitting = [
                each[-1] for (_, other), each in sorted(self.things.items()) if other == name
            ]
        if not fitting:
            fitting = dice.choice(sorted(self.things.values())) if self.things else [NOWHERE]
        return dice.choice(fitting)


class Caller(Struct):
    name: str
    token: str
    weight: int = 4


class Generator:
    """Requests for the operations of a document."""

    def __init__(self, document: dict[str, Any], dice: random.Random, known: Known) -> None:
        self.dice = dice
        self.known = known
        self.callers: list[Caller] = [Caller("anonymous", "")]
        self._sincere = False  # whether this request means well: nothing odd in it
        self._components = document["components"]["schemas"]
        self._operations = [
            (path, method.upper(), operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ]
        self._left: list[tuple[str, str, dict[str, Any]]] = []  # of the round that is under way

    def chance(self, share: float) -> bool:
        return self.dice.random() < share

    def odd(self, share: float) -> bool:
        """Whether something odd is done here."""
        return not self._sincere and self.chance(share)

    def _dealt(self) -> tuple[str, str, dict[str, Any]]:
        """The operations in turn, in another order each round: chance alone leaves some of them out for long."""
        if not self._left:
            self._left = self.dice.sample(self._operations, len(self._operations))
        return self._left.pop()

    def next(self) -> Sent:
        dice = self.dice
        path, method, operation = self._dealt()
        if method == "DELETE" and self.chance(0.6):  # or nothing would be left to look at
            path, method, operation = self._dealt()
        self._sincere = self.chance(0.4)
        service = operation["tags"][0]
        label = f"{method} {path}"
        if self.odd(0.02):
            method = dice.choice(
                ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE")
            )
        target = self._path(service, path).encode("utf-8", "surrogatepass")
        if query := self._query(service, operation):
            target += b"?" + query
        caller = dice.choices(self.callers, weights=[each.weight for each in self.callers])[0]
        headers = [(b"Host", b"cloud:5000")]
        if caller.token:
            as_oauth2 = self.chance(0.1)
            name, word = (b"Authorization", b"Bearer ") if as_oauth2 else (b"X-Auth-Token", b"")
            headers.append((name, word + caller.token.encode()))
        kind, body = self._body(service, label, operation)
        if kind or body:
            headers.append((b"Content-Type", kind.encode("latin-1", "replace")))
        headers += self._headers(service, path, method)
        return self._sent(f"{caller.name}: {label}", method, target, headers, kind, body)

    def _sent(
        self,
        operation: str,
        method: str,
        target: bytes,
        headers: list[tuple[bytes, bytes]],
        kind: str,
        body: bytes,
    ) -> Sent:
        whole, framed = self._framed(headers, body, method)
        head = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        line = method.encode() + b" " + target + b" HTTP/1.1\r\n"
        return Sent(operation, method, target, line + head + framed, kind, body, whole)

    def bent(self, requested: Requested, share: float) -> Sent:
        """A request that is right to the letter; this share of them with one thing in it bent."""
        dice = self.dice
        self._sincere = not self.chance(share)
        headers = {"Host": "cloud:5000", **requested.headers}
        if requested.token:
            headers["X-Auth-Token"] = requested.token
        path, body = requested.path, requested.body
        if body is not None:
            headers["Content-Type"] = requested.kind
        way = "" if self._sincere else dice.choice(("header", "path", "body", "body"))
        if way == "body" and not isinstance(body, bytes | None):
            body = self.spoiled(body)
        elif way == "header" and (named := sorted(requested.headers)):
            name = dice.choice(named)
            cut = dice.randrange(len(headers[name]) + 1)
            headers[name] = headers[name][:cut] + dice.choice(("", "x", '"', ",", "%00", "="))
        elif way == "path":
            pieces = path.split("/")
            pieces[dice.randrange(1, len(pieces))] = dice.choice(SEGMENTS)
            path = "/".join(pieces)
        if body is None:
            content = b""
        elif isinstance(body, bytes):
            content = body
        else:
            try:
                content = json.dumps(body).encode("utf-8", "surrogatepass")
            except RecursionError:
                content = b"{"
        pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        method = requested.operation.partition(" ")[0]
        return self._sent(
            f"to the letter: {requested.operation}",
            method,
            path.encode("utf-8", "surrogatepass"),
            pairs,
            requested.kind,
            content,
        )

    # ---- address ----

    def _path(self, service: str, path: str) -> str:
        if (whole := self.known.paths.get(path)) and self.chance(0.6 if self._sincere else 0.3):
            return self.dice.choice(whole)
        odd = self.odd(0.2)
        pieces = [
            self._segment(service, self.known.slot(path, at), odd)
            if piece.startswith("{")
            else piece
            for at, piece in enumerate(path.split("/"))
        ]
        if self.odd(0.02):
            pieces.insert(self.dice.randrange(len(pieces) + 1), self.dice.choice(SEGMENTS))
        found = "/".join(pieces)
        return found if found.startswith("/") else f"/{found}"

    def _segment(self, service: str, name: str, odd: bool) -> str:
        if odd and self.chance(0.6):
            return self.dice.choice(SEGMENTS)
        if self.odd(0.05):
            return quote(self.dice.choice(STRINGS).encode("utf-8", "surrogatepass"), safe="")
        return quote(self.known.some(self.dice, service, name), safe="")

    def _query(self, service: str, operation: dict[str, Any]) -> bytes:
        dice = self.dice
        documented = [each["name"] for each in operation["parameters"] if each["in"] == "query"]
        if self._sincere and documented and self.chance(0.6):
            named = dice.sample(documented, min(len(documented), dice.choice((1, 1, 2, 3))))
            return urlencode([(name, self._fitting(service, name)) for name in named]).encode()
        if self._sincere and self.chance(0.2):
            return dice.choice(QUERIES)
        if not self.odd(0.4):
            return b""
        if self.chance(0.03):
            odd = (
                b"%",
                b"%00=%00",
                b"&&&",
                b"=",
                b"a=%ff",
                b"a=%ed%a0%80",
                b"\xff=\xff",
                b"a=b&" * 300,
                b"limit=%D9%A3",
                b"?" * 50,
            )
            return dice.choice(odd)
        pairs = []
        for _ in range(dice.choice((1, 1, 1, 2, 2, 3, 5))):
            name = dice.choice(documented if documented and self.chance(0.7) else NAMES)
            pairs.append((name.encode(), self._query_value(service, name)))
        return urlencode(pairs).encode()

    def _fitting(self, service: str, name: str) -> str:
        """A value that the parameter may well have."""
        if name in FITTING:
            return self.dice.choice(FITTING[name])
        id_of = name.rpartition(".")[0]  # scope.project.id
        return self.known.some(
            self.dice, service, f"{id_of.rpartition('.')[2]}_id" if id_of else name
        )

    def _query_value(self, service: str, name: str) -> bytes:
        if self.chance(0.35):
            text = self.known.some(self.dice, service, name)
        elif self.chance(0.3):
            text = str(self.dice.choice(NUMBERS))
        else:
            text = self.dice.choice(STRINGS)[:6_000]
        return text.encode("utf-8", "surrogatepass")

    # ---- headers and framing ----

    def _headers(self, service: str, path: str, method: str) -> list[tuple[bytes, bytes]]:
        dice = self.dice
        found: list[tuple[bytes, bytes]] = []
        if service in ("compute", "placement") and self.chance(0.8):
            major, newest = (2, 104) if service == "compute" else (1, 39)
            minor = newest if self.chance(0.6) else dice.randint(0, newest)
            found.append((b"OpenStack-API-Version", f"{service} {major}.{minor}".encode()))
        if service == "identity" and self.chance(0.9 if "auth/tokens" in path else 0.05):
            # Tokens may be revoked here, and those of the callers must last.
            token = dice.choice(self.callers).token + ("x" if method == "DELETE" else "")
            found.append((b"X-Subject-Token", token.encode()))
        while self.odd(0.1):
            value = (
                dice.choice(HEADER_VALUES)
                if self.chance(0.8)
                else dice.choice(STRINGS).encode("utf-8", "replace")
            )
            value = value.replace(b"\r", b"").replace(b"\n", b"")
            found.append((dice.choice(HEADERS).encode(), value[:8_000]))
        return found

    def _framed(
        self, headers: list[tuple[bytes, bytes]], body: bytes, method: str
    ) -> tuple[bool, bytes]:
        """The body with what announces it; whether the announcement is true."""
        dice = self.dice
        if not body and not self.odd(0.1):
            if method in ("POST", "PUT", "PATCH"):
                headers.append((b"Content-Length", b"0"))
            return True, b"\r\n"
        if self.odd(0.02):
            odd = (b"-1", b"a", b"", b"+1", b"1_0", b"\xb2", b"9" * 30, b"0x1", b"1, 1")
            headers.append((b"Content-Length", dice.choice(odd)))
            return False, b"\r\n" + body
        if self.chance(0.05):
            headers.append((b"Transfer-Encoding", b"chunked"))
            half = len(body) // 2
            parts = [part for part in (body[:half], body[half:]) if part]
            return True, b"\r\n" + b"".join(
                b"%x\r\n%s\r\n" % (len(part), part) for part in parts
            ) + b"0\r\n\r\n"
        headers.append((b"Content-Length", str(len(body)).encode()))
        return True, b"\r\n" + body

    # ---- body ----

    def _body(self, service: str, label: str, operation: dict[str, Any]) -> tuple[str, bytes]:
        dice = self.dice
        content = operation.get("requestBody", {}).get("content", {})
        if not content and label in self.known.bodies:
            content = {"application/json": {"schema": {}}}
        if not content and not self.odd(0.12):
            return "", b""
        if not content or self.odd(0.07):
            kind = dice.choice(list(content) or ["application/json"])
            raw = dice.choice(RAW)
            return kind, raw if len(raw) < 10_000 or self.chance(0.2) else raw[:50]
        kind, form = dice.choice(list(content.items()))
        sent_kind = dice.choice(TYPES) if self.odd(0.05) else kind
        if kind == "application/octet-stream":
            return sent_kind, dice.choice(
                (b"", b"x", b"\x00" * 70_000, b"QFI\xfb" + b"\xff" * 600, dice.randbytes(512))
            )
        taken = self.known.bodies.get(label)
        if taken and self.chance(0.5):
            value = self._renewed(service, json.loads(dice.choice(taken)), "")
        else:
            value = self.value(service, form["schema"], "", 0)
        if self.odd(0.8):
            for _ in range(dice.choice((1, 1, 1, 2, 4))):
                value = self.spoiled(value)
        try:
            text = json.dumps(value)
        except RecursionError:  # too deep for our own encoder
            text = '{"a":' * 3_000 + "1" + "}" * 3_000
        if self.odd(0.07):
            text = self._spelled_oddly(text)
        return sent_kind, text.encode("utf-8", "surrogatepass")

    def _renewed(self, service: str, value: Any, name: str) -> Any:
        """A body that was taken before, with other names and ids."""
        if isinstance(value, dict):
            return {key: self._renewed(service, item, key) for key, item in value.items()}
        if isinstance(value, list):
            return [self._renewed(service, item, name.removesuffix("s")) for item in value]
        if name in ("name", "namespace", "nonce") and isinstance(value, str) and self.chance(0.7):
            return self._word()
        if name.endswith("_id") and isinstance(value, str) and self.chance(0.3):
            return self.known.some(self.dice, service, name)
        return value

    def _spelled_oddly(self, text: str) -> str:
        """The text with a key twice, a literal JSON does not know, or a piece missing."""
        dice = self.dice
        keys = re.findall(r'"[^"\\]*": ', text)
        way = dice.randrange(5)
        if way == 0 and keys:
            key = dice.choice(keys)
            return text.replace(key, f"{key}1, {key}", 1)
        if way == 1 and keys:
            key = dice.choice(keys)
            odd = (
                "NaN",
                "Infinity",
                "-Infinity",
                "1e999",
                "01",
                "undefined",
                '"\\ud800"',
                '"\\u0000"',
                '"\\x00"',
                "[" * 2_000,
            )
            return text.replace(key, f"{key}{dice.choice(odd)}, {key}", 1)
        if way == 2:
            return text[: dice.randrange(len(text) + 1)]
        if way == 3:
            with suppress(RecursionError):
                return json.dumps(json.loads(text), ensure_ascii=False)
        return text + dice.choice(("x", " ", "\n", "{}", ",", "\0"))

    def value(self, service: str, schema: Any, name: str, depth: int) -> Any:
        """A value that fits the schema, more or less."""
        dice = self.dice
        if not isinstance(schema, dict):
            return {}
        if "$ref" in schema:
            schema = self._components[schema["$ref"].rpartition("/")[2]]
        for several in ("anyOf", "oneOf", "allOf"):
            if schema.get(several):
                return self.value(service, dice.choice(schema[several]), name, depth)
        if "enum" in schema:
            return dice.choice(schema["enum"])
        if "const" in schema:
            return schema["const"]
        if schema.get("examples"):
            found = dice.choice(schema["examples"])
            refers = isinstance(found, str) and (name.endswith("_id") or found == NOWHERE)
            return self.known.some(dice, service, name) if refers else found
        if name in WORDS and self.chance(0.8 if self._sincere else 0.3):
            return WORDS[name]
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = dice.choice(kind)
        make: dict[Any, Callable[[], Any]] = {
            "object": lambda: self._object(service, schema, depth),
            "array": lambda: self._array(service, schema, name, depth),
            "string": lambda: self._text(service, schema, name),
            "integer": lambda: self._integer(schema),
            "number": lambda: self._integer(schema) * dice.choice((1, 0.5)),
            "boolean": lambda: dice.choice((True, False)),
            "null": lambda: None,
        }
        if kind not in make:
            return self.anything(2)
        return make[kind]()

    def _object(self, service: str, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        required = schema.get("required", ())
        share = self.dice.choice((0.1, 0.4, 0.8, 1.0)) if depth < 5 else 0
        found = {
            name: self.value(service, inner, name, depth + 1)
            for name, inner in schema.get("properties", {}).items()
            if name in required or (self.chance(share) and not inner.get("readOnly"))
        }
        more = schema.get("additionalProperties")
        if isinstance(more, dict) and depth < 6:
            for _ in range(self.dice.randrange(3)):
                name = self.known.some(self.dice, service, "") if self.chance(0.3) else self._word()
                found[name] = self.value(service, more, name, depth + 1)
        return found

    def _array(self, service: str, schema: dict[str, Any], name: str, depth: int) -> list[Any]:
        least = int(schema.get("minItems", 0))
        inner = schema.get("items", {})
        if depth > 6:
            return []
        count = min(least + self.dice.choice((0, 1, 1, 2)), int(schema.get("maxItems", 9)))
        return [self.value(service, inner, name.removesuffix("s"), depth + 1) for _ in range(count)]

    def _text(self, service: str, schema: dict[str, Any], name: str) -> str:
        refers = name in SPELLED or name.endswith(("_id", "_uuid"))
        if (refers and self.chance(0.85)) or ("pattern" in schema and self.chance(0.7)):
            return self.known.some(self.dice, service, SPELLED.get(name, name))
        text = self._word() if not self.odd(0.3) else self.dice.choice(STRINGS)
        least, maximum = int(schema.get("minLength", 0)), int(schema.get("maxLength", 300))
        return text[:maximum].ljust(least, "a")

    def _integer(self, schema: dict[str, Any]) -> int:
        least = int(schema.get("minimum", schema.get("exclusiveMinimum", -1)))
        maximum = int(schema.get("maximum", schema.get("exclusiveMaximum", least + 1000)))
        return self.dice.choice(
            (
                least,
                maximum,
                min(maximum, max(least, 1)),
                self.dice.randint(least, max(least, maximum)),
            )
        )

    def _word(self) -> str:
        return "".join(
            self.dice.choices("abcdefghijklmnopqrstuvwxyz0123456789-_", k=self.dice.randint(1, 12))
        )

    def anything(self, depth: int) -> Any:
        """Any JSON value."""
        dice = self.dice
        way = dice.randrange(9 if depth else 6)
        if way < 2:
            return dice.choice(STRINGS)
        if way < 4:
            return dice.choice(NUMBERS)
        if way == 4:
            return None
        if way == 5:
            return dice.choice((True, False, [], {}))
        if way == 6:
            return [self.anything(depth - 1) for _ in range(dice.choice((1, 2, 300)))]
        if way == 7:
            deep: Any = 1
            for _ in range(dice.choice((5, 60, 90, 400, 960, 980, 3_000))):
                deep = [deep] if dice.random() < 0.5 else {"a": deep}
            return deep
        return {dice.choice(STRINGS): self.anything(depth - 1) for _ in range(dice.randint(1, 3))}

    def spoiled(self, value: Any) -> Any:
        """The value with one place in it replaced, taken away or added."""
        dice = self.dice
        if isinstance(value, dict) and value and self.chance(0.85):
            key = dice.choice(list(value))
            way = dice.randrange(12)
            if way == 0:
                return {k: v for k, v in value.items() if k != key}
            if way == 1:
                return {
                    **value,
                    dice.choice(
                        (*STRINGS, "id", "links", "project_id", "domain_id")
                    ): self.anything(1),
                }
            return {**value, key: self.spoiled(value[key])}
        if isinstance(value, list) and value and self.chance(0.85):
            at = dice.randrange(len(value))
            if self.chance(0.1):
                return value + [value[at]] * dice.choice((1, 3, 250))
            return [*value[:at], self.spoiled(value[at]), *value[at + 1 :]]
        if isinstance(value, str) and self.chance(0.4):
            return dice.choice(STRINGS)
        if isinstance(value, int) and self.chance(0.5):
            return dice.choice(NUMBERS)
        return self.anything(2)
