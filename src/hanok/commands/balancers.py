"""What control asks of the host that carries a load balancer: a proxy in a network namespace of its own.

A balancer is told as a whole, as it shall be. Its description is plain: the host writes the proxy's configuration of
it, and no text of it is configuration.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from hanok.commands.messages import Command

Mode = Literal["http", "tcp", "prometheus", "udp"]
Algorithm = Literal["ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP", "SOURCE_IP_PORT"]


class BalancerRoute(Struct, frozen=True, kw_only=True):
    """A way to where the subnet's gateway does not lead: a prefix, and an address on the subnet."""

    destination: str
    next_hop: str


class BalancerPort(Struct, frozen=True, kw_only=True):
    """The port of a balancer's addresses. addresses: with prefix length. gateways: of its subnets."""

    port_id: str
    mac: str
    mtu: int = 1442
    addresses: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    routes: tuple[BalancerRoute, ...] = ()


class MemberCheck(Struct, frozen=True, kw_only=True):
    """How members of a pool are looked at; times in seconds.

    rise, fall: after how many answers, or failures, in a row a member counts as well, or not.
    method, path, codes ("200", "200,202", "200-204"), version ("1.0"), host: of HTTP and HTTPS; host may be empty.
    """

    kind: Literal["TCP", "HTTP", "HTTPS", "TLS-HELLO", "PING", "UDP-CONNECT"]
    delay_s: int
    timeout_s: int
    rise: int
    fall: int
    method: str = "GET"
    path: str = "/"
    codes: str = "200"
    version: str = "1.0"
    host: str = ""


class BalancerMember(Struct, frozen=True, kw_only=True):
    """check_address, check_port: where it is looked at, if elsewhere than where it serves; "" and 0: there."""

    id: str
    address: str
    port: int
    weight: int = 1
    backup: bool = False
    check_address: str = ""
    check_port: int = 0


class Persistence(Struct, frozen=True, kw_only=True):
    """How a client comes back to the same member. mask: of IPv4 or IPv6 addresses that count as one client."""

    kind: Literal["SOURCE_IP", "HTTP_COOKIE", "APP_COOKIE"]
    cookie: str = ""
    timeout_s: int = 0
    mask: str = ""


class TLS(Struct, frozen=True, kw_only=True):
    """How TLS is spoken. Certificates, authorities and revocations are names of the balancer's files; "" for none.

    certificates: with their keys and chains; to clients the first where they name no host that another is for, to
    members the only one. verify: whether the other side shows a certificate of that authority.
    versions: as "TLSv1.2"; none: all that the host knows. ciphers: as OpenSSL lists them, of TLS before 1.3.
    """

    certificates: tuple[str, ...] = ()
    authority: str = ""
    revoked: str = ""
    verify: Literal["none", "optional", "required"] = "none"
    versions: tuple[str, ...] = ()
    ciphers: str = ""
    alpn: tuple[str, ...] = ()


class StrictTransport(Struct, frozen=True, kw_only=True):
    """What browsers are told of coming without TLS: for so many seconds not at all."""

    maximum_age_s: int
    subdomains: bool = False
    preload: bool = False


class BalancerPool(Struct, frozen=True, kw_only=True):
    """proxied: the version of the PROXY protocol in which members are told of clients; 0: they are not.

    tls: to members; None: there is none.
    """

    id: str
    algorithm: Algorithm
    members: tuple[BalancerMember, ...] = ()
    check: MemberCheck | None = None
    persistence: Persistence | None = None
    proxied: Literal[0, 1, 2] = 0
    tls: TLS | None = None


class RequestRule(Struct, frozen=True, kw_only=True):
    """What is looked at in a request. key: the name of a header, a cookie, or a field of a distinguished name."""

    id: str
    kind: Literal[
        "COOKIE", "FILE_TYPE", "HEADER", "HOST_NAME", "PATH",
        "SSL_CONN_HAS_CERT", "SSL_DN_FIELD", "SSL_VERIFY_RESULT",
    ]  # fmt: skip
    comparison: Literal["CONTAINS", "ENDS_WITH", "EQUAL_TO", "REGEX", "STARTS_WITH"]
    value: str
    key: str = ""
    invert: bool = False


class RequestPolicy(Struct, frozen=True, kw_only=True):
    """What is done with a request that fits all rules; those of a listener are tried in their order.

    target: the pool's id, the URL or the prefix. code: of a redirect.
    """

    id: str
    action: Literal["REJECT", "REDIRECT_TO_URL", "REDIRECT_PREFIX", "REDIRECT_TO_POOL"]
    rules: tuple[RequestRule, ...]
    target: str = ""
    code: int = 302


class BalancerListener(Struct, frozen=True, kw_only=True):
    """A port that clients come to; times in milliseconds, 0 for none.

    maximum: of connections at once; 0: as many as the whole balancer may have. Of UDP, client_ms is how long a flow is
    kept that a member has answered, without a datagram, member_ms one that none has.
    sources: prefixes from which clients may come; none: all. headers: those that are added to requests. tls: to
    clients; None: there is none.
    """

    id: str
    mode: Mode
    port: int
    pool_id: str = ""
    maximum: int = 0
    client_ms: int = 50_000
    connect_ms: int = 5_000
    member_ms: int = 50_000
    inspect_ms: int = 0
    sources: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    policies: tuple[RequestPolicy, ...] = ()
    tls: TLS | None = None
    strict: StrictTransport | None = None


class BalancerFile(Struct, frozen=True, kw_only=True):
    """PEM that a proxy reads, keys among it. name: another text has another name."""

    name: str
    pem: str

    def __repr__(self) -> str:
        return f"BalancerFile(name={self.name!r})"


class EnsureBalancer(Command, frozen=True, kw_only=True, tag="ensure_balancer"):
    """The host carries the balancer, and all that is told here is in force. Answer: BalancerState.

    carrier_id: of the process; with another one than before, a new process takes its place.
    """

    balancer_id: str
    generation: int
    carrier_id: str
    port: BalancerPort
    listeners: tuple[BalancerListener, ...] = ()
    pools: tuple[BalancerPool, ...] = ()
    files: tuple[BalancerFile, ...] = ()


class RemoveBalancer(Command, frozen=True, kw_only=True, tag="remove_balancer"):
    """Nothing of it is on the host. Answer: Done."""

    balancer_id: str
    generation: int


class ReadBalancer(Command, frozen=True, kw_only=True, tag="read_balancer"):
    """How its members are and what it has carried. Answer: BalancerState."""

    balancer_id: str


class ListBalancers(Command, frozen=True, kw_only=True, tag="list_balancers"):
    """Those that the host carries, or still has something of. Answer: CarriedBalancers."""


BALANCER_COMMANDS = EnsureBalancer | RemoveBalancer | ReadBalancer | ListBalancers


# ---- answers


class ListenerCounters(Struct, frozen=True, kw_only=True):
    """What a listener has carried since it was made on this host. active: connections that are open."""

    active: int = 0
    total: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    errors: int = 0


class BalancerState(Struct, frozen=True, kw_only=True, tag_field="answer", tag="balancer"):
    """members: whether one is well, of those that are checked and were looked at."""

    balancer_id: str
    generation: int
    members: dict[str, bool] = field(default_factory=dict)
    listeners: dict[str, ListenerCounters] = field(default_factory=dict)


class CarriedBalancers(Struct, frozen=True, kw_only=True, tag_field="answer", tag="balancers"):
    """The generation that was told last, by balancer."""

    generations: dict[str, int] = field(default_factory=dict)


BalancerAnswer = BalancerState | CarriedBalancers
