"""From a balancer's description to HAProxy's configuration.

Nothing of a description is configuration by itself: addresses are parsed and written in their one spelling, ids are
UUIDs, everything else stands in quotes in which HAProxy reads no character but as itself. What is a format string to
HAProxy has its per cent signs doubled.

Source: HAProxy 2.6 configuration manual, "Quoting and escaping", "Using ACLs and fetching samples".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hanok.base.addresses import address_of, prefix_of, without_length
from hanok.commands import (
    TLS,
    BalancerListener,
    BalancerMember,
    BalancerPool,
    EnsureBalancer,
    MemberCheck,
    Persistence,
    RequestPolicy,
    RequestRule,
    StrictTransport,
)

TABLE_SIZE = "20k"  # clients that a pool remembers, some 2 MiB
COOKIE_LENGTH = 128  # of an application's cookie, as far as it is looked at
LONGEST_MS = 2**31 - 1  # that the proxy's clock knows
_BALANCE = {
    "ROUND_ROBIN": "roundrobin",
    "LEAST_CONNECTIONS": "leastconn",
    "SOURCE_IP": "source",
}
_MATCH = {
    "CONTAINS": "sub", "ENDS_WITH": "end", "EQUAL_TO": "str", "REGEX": "reg", "STARTS_WITH": "beg",
}  # fmt: skip
_TURN = {"REJECT": 0, "REDIRECT_TO_URL": 1, "REDIRECT_PREFIX": 1, "REDIRECT_TO_POOL": 2}
"""What comes before what, whatever the positions of policies are."""
_HEADERS = {
    "X-Forwarded-For": "option forwardfor",
    "X-Forwarded-Port": "http-request set-header X-Forwarded-Port %[dst_port]",
    "X-Forwarded-Proto": "http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]",
    "X-SSL-Client-Verify": "http-request set-header X-SSL-Client-Verify %[ssl_c_verify]",
    "X-SSL-Client-Has-Cert": "http-request set-header X-SSL-Client-Has-Cert %[ssl_c_used]",
    "X-SSL-Client-DN": "http-request set-header X-SSL-Client-DN %{+Q}[ssl_c_s_dn]",
    "X-SSL-Client-CN": "http-request set-header X-SSL-Client-CN %{+Q}[ssl_c_s_dn(cn)]",
    "X-SSL-Issuer": "http-request set-header X-SSL-Issuer %{+Q}[ssl_c_i_dn]",
    "X-SSL-Client-SHA1": "http-request set-header X-SSL-Client-SHA1 %{+Q}[ssl_c_sha1,hex]",
    "X-SSL-Client-Not-Before": "http-request set-header X-SSL-Client-Not-Before %{+Q}[ssl_c_notbefore]",
    "X-SSL-Client-Not-After": "http-request set-header X-SSL-Client-Not-After %{+Q}[ssl_c_notafter]",
}
_VERSIONS = {
    "SSLv3": "sslv3", "TLSv1": "tlsv10", "TLSv1.1": "tlsv11", "TLSv1.2": "tlsv12", "TLSv1.3": "tlsv13",
}  # fmt: skip
_ALPN = ("h2", "http/1.0", "http/1.1")


def write(balancer: EnsureBalancer, socket: str, folder: str) -> str:
    """All sections but `global`.

    socket: a path at which the old process hands over what it remembers of clients. folder: where its files are.

    Raises:
        ValueError: it says something that cannot be written.
    """
    for file in balancer.files:
        _file(folder, file.name)
    addresses = [without_length(one) for one in balancer.port.addresses]
    pools = {one.id: one for one in balancer.pools}
    first: dict[str, str] = {}
    lines = ["peers mine", f"    peer hanok unix@{socket}", ""]
    for listener in listeners_of(balancer):
        lines += [*_front(listener, addresses, pools, folder), ""]
        for pool_id in _pools_of(listener, pools):
            name = back_name(pool_id, listener.id)
            tracked = first.setdefault(pool_id, name)
            tracked = "" if tracked == name else tracked
            lines += [*_back(name, pools[pool_id], listener, tracked, folder), ""]
    return "\n".join(lines)


def listeners_of(balancer: EnsureBalancer) -> list[BalancerListener]:
    """Those that a proxy carries."""
    return [one for one in balancer.listeners if one.mode != "udp"]


def backs_of(balancer: EnsureBalancer) -> dict[str, list[str]]:
    """The names of each pool's backs, by pool; the pools that are used."""
    pools = {one.id: one for one in balancer.pools}
    found: dict[str, list[str]] = {}
    for listener in listeners_of(balancer):
        for pool_id in _pools_of(listener, pools):
            found.setdefault(pool_id, []).append(back_name(pool_id, listener.id))
    return found


def back_name(pool_id: str, listener_id: str) -> str:
    return f"{pool_id}:{listener_id}"


def word(text: str) -> str:
    """A text as one word, each character of it itself."""
    if not text.isprintable():
        raise ValueError("a text with characters that cannot be written")
    return "'" + text.replace("'", "'\\''") + "'"


def _name(text: str) -> str:
    """A header's or cookie's name between brackets, where no quotes can be written."""
    if not set("'\"(),\\ ").isdisjoint(text) or not text.isprintable():
        raise ValueError("a header or cookie with quotes or brackets in its name")
    return text


def _form(text: str) -> str:
    """A text where a format string stands."""
    return word(text.replace("%", "%%"))


def _ms(value: int) -> str:
    if not 0 <= value <= LONGEST_MS:
        raise ValueError("a time that is too long")
    return f"{value}ms"


# ---- fronts


def _pools_of(listener: BalancerListener, pools: dict[str, BalancerPool]) -> list[str]:
    """The pools that a listener may hand on to, each once."""
    named = [listener.pool_id]
    named += [one.target for one in listener.policies if one.action == "REDIRECT_TO_POOL"]
    return [one for one in dict.fromkeys(named) if one in pools]


def _front(
    listener: BalancerListener,
    addresses: Sequence[str],
    pools: dict[str, BalancerPool],
    folder: str,
) -> Iterator[str]:
    yield f"frontend {listener.id}"
    yield f"    mode {'tcp' if listener.mode == 'tcp' else 'http'}"
    for address in addresses:
        shown = f"[{address}]" if ":" in address else address
        yield f"    bind {shown}:{int(listener.port)}{_terminated(listener.tls, folder)}"
    if listener.maximum:
        yield f"    maxconn {int(listener.maximum)}"
    yield f"    timeout client {_ms(listener.client_ms)}"
    if listener.sources:
        for one in listener.sources:
            yield f"    acl allowed src {prefix_of(one, strict=True)}"
        yield "    tcp-request connection reject if !allowed"
    if listener.inspect_ms:
        yield f"    tcp-request inspect-delay {_ms(listener.inspect_ms)}"
        yield "    tcp-request content accept if { req.len gt 0 }"
    if listener.mode == "prometheus":
        yield "    http-request use-service prometheus-exporter if { path /metrics }"
        yield "    http-request return status 404"
        return
    if listener.mode == "http":
        yield "    option http-keep-alive"
        for header in listener.headers:
            yield f"    {_HEADERS[header]}"
    if listener.strict is not None:
        yield f"    http-response set-header Strict-Transport-Security {word(_strict(listener.strict))}"
    if any(pools[one].algorithm == "SOURCE_IP_PORT" for one in _pools_of(listener, pools)):
        yield "    tcp-request session set-var(sess.port) src_port"
    yield from _policies(listener, pools)
    if listener.pool_id in pools:
        yield f"    default_backend {back_name(listener.pool_id, listener.id)}"


def _terminated(tls: TLS | None, folder: str) -> str:
    """What a `bind` says of TLS."""
    if tls is None:
        return ""
    if not tls.certificates:
        raise ValueError("TLS to clients without a certificate")
    words = [f"crt {_file(folder, one)}" for one in tls.certificates]
    if tls.verify != "none":
        words.append(f"verify {tls.verify}")
    return " ".join([" ssl", *words, *_spoken(tls, folder)])


def _spoken(tls: TLS, folder: str) -> Iterator[str]:
    """What `bind` and `server` say of TLS in the same words."""
    if tls.authority:
        yield f"ca-file {_file(folder, tls.authority)}"
    if tls.revoked:
        yield f"crl-file {_file(folder, tls.revoked)}"
    if tls.ciphers:
        yield f"ciphers {word(tls.ciphers)}"
    if tls.alpn:
        if not set(tls.alpn) <= set(_ALPN):
            raise ValueError("a protocol that is not negotiated by ALPN")
        yield f"alpn {','.join(tls.alpn)}"
    if tls.versions:
        yield from (f"no-{each}" for one, each in _VERSIONS.items() if one not in tls.versions)


def _file(folder: str, name: str) -> str:
    """Raises ValueError: it is not a name of a file of ours."""
    if not name.endswith(".pem") or not name.removesuffix(".pem").isalnum():
        raise ValueError("a name that no file has")
    return word(f"{folder}/{name}")


def _strict(one: StrictTransport) -> str:
    also = "; includeSubDomains" if one.subdomains else ""
    return f"max-age={int(one.maximum_age_s)}{also}{'; preload' if one.preload else ''}"


def _policies(listener: BalancerListener, pools: dict[str, BalancerPool]) -> Iterator[str]:
    """What policies do. One without rules fits nothing."""
    in_turn = sorted(listener.policies, key=lambda one: _TURN[one.action])
    for policy in (one for one in in_turn if one.rules):
        for rule in policy.rules:
            yield f"    acl {rule.id} {_looked_at(rule)} {_pattern(rule)}"
        when = " ".join(f"{'!' if one.invert else ''}{one.id}" for one in policy.rules)
        if policy.action != "REDIRECT_TO_POOL":
            yield f"    http-request {_deed(policy)} if {when}"
        elif policy.target in pools:
            yield f"    use_backend {back_name(policy.target, listener.id)} if {when}"


def _deed(policy: RequestPolicy) -> str:
    if policy.action == "REJECT":
        return "deny"
    what = "location" if policy.action == "REDIRECT_TO_URL" else "prefix"
    return f"redirect code {int(policy.code)} {what} {_form(policy.target)}"


def _looked_at(rule: RequestRule) -> str:
    key = _name(rule.key)
    kinds = {
        "COOKIE": f"req.cook({key})",
        "FILE_TYPE": "path,word(-1,.)",
        "HEADER": f"req.hdr({key})",
        "HOST_NAME": "req.hdr(host),host_only",
        "PATH": "path",
        "SSL_CONN_HAS_CERT": "ssl_c_used,iif(True,False)",
        "SSL_DN_FIELD": f"ssl_c_s_dn({key})",
        "SSL_VERIFY_RESULT": "ssl_c_verify",
    }
    return word(kinds[rule.kind])


def _pattern(rule: RequestRule) -> str:
    case = "-i " if rule.kind == "HOST_NAME" else ""
    return f"{case}-m {_MATCH[rule.comparison]} -- {word(rule.value)}"


# ---- backs


def _back(
    name: str, pool: BalancerPool, listener: BalancerListener, tracked: str, folder: str
) -> Iterator[str]:
    """A pool as a listener hands on to it. tracked: the back that looks at its members, if another does."""
    yield f"backend {name}"
    yield f"    mode {listener.mode}"
    if pool.algorithm == "SOURCE_IP_PORT":
        yield "    balance hash src,concat(:,sess.port)"
    else:
        yield f"    balance {_BALANCE[pool.algorithm]}"
    yield f"    timeout connect {_ms(listener.connect_ms)}"
    yield f"    timeout server {_ms(listener.member_ms)}"
    if any(one.backup for one in pool.members):
        yield "    option allbackups"
    if pool.persistence is not None:
        yield from _persistence(pool.persistence)
    if pool.check is not None and pool.check.kind != "PING" and not tracked:
        yield from _check(pool.check)
    for member in pool.members:
        yield _server(member, pool, tracked) + _encrypted(pool.tls, listener, folder)


def _persistence(one: Persistence) -> Iterator[str]:
    kept = f" expire {one.timeout_s}s" if one.timeout_s else ""
    if one.kind == "HTTP_COOKIE":
        yield "    cookie SRV insert indirect nocache"
        return
    if one.kind == "APP_COOKIE":
        yield f"    stick-table type string len {COOKIE_LENGTH} size {TABLE_SIZE}{kept} peers mine"
        yield f"    stick store-response {word(f'res.cook({_name(one.cookie)})')}"
        yield f"    stick match {word(f'req.cook({_name(one.cookie)})')}"
        return
    yield f"    stick-table type ipv6 size {TABLE_SIZE}{kept} peers mine"
    yield f"    stick on src{_masked(one.mask)}"


def _masked(mask: str) -> str:
    if not mask:
        return ""
    found = address_of(mask)
    return f",ipmask({found})" if found.version == 4 else f",ipmask(32,{found})"


def _check(one: MemberCheck) -> Iterator[str]:
    yield f"    timeout check {one.timeout_s}s"
    if one.kind not in ("HTTP", "HTTPS"):
        return
    host = f" hdr Host {_form(one.host)}" if one.host else ""
    yield "    option httpchk"
    yield (
        f"    http-check send meth {word(one.method)} uri {word(one.path)}"
        f" ver {word(f'HTTP/{one.version}')}{host}"
    )
    yield f"    http-check expect status {word(one.codes)}"


def _server(member: BalancerMember, pool: BalancerPool, tracked: str) -> str:
    words = [f"    server {member.id} {_at(member.address)}:{int(member.port)}"]
    words.append(f"weight {int(member.weight)}")
    if member.backup:
        words.append("backup")
    if pool.proxied:
        words.append("send-proxy" if pool.proxied == 1 else "send-proxy-v2")
    if pool.persistence is not None and pool.persistence.kind == "HTTP_COOKIE":
        words.append(f"cookie {member.id}")
    if pool.check is not None and pool.check.kind != "PING":  # that the node looks at
        words.append(
            f"track {tracked}/{member.id}" if tracked else _looks(member, pool, pool.check)
        )
    return " ".join(words)


def _encrypted(tls: TLS | None, listener: BalancerListener, folder: str) -> str:
    """What a `server` says of TLS."""
    if tls is None:
        return ""
    words = [f"crt {_file(folder, one)}" for one in tls.certificates]
    words.append(f"verify {'required' if tls.verify == 'required' else 'none'}")
    if listener.tls is not None:
        words.append("sni ssl_fc_sni")
    return " ".join([" ssl", *words, *_spoken(tls, folder)])


def _at(address: str) -> str:
    found = address_of(address)
    return f"[{found}]" if found.version == 6 else str(found)


def _looks(member: BalancerMember, pool: BalancerPool, one: MemberCheck) -> str:
    words = [f"check inter {max(1, one.delay_s)}s fall {one.fall} rise {one.rise}"]
    if member.check_address:
        words.append(f"addr {address_of(member.check_address)}")
    if member.check_port:
        words.append(f"port {int(member.check_port)}")
    if one.kind in ("HTTPS", "TLS-HELLO"):
        words.append("check-ssl verify none")
        if one.host:
            words.append(f"check-sni {word(one.host)}")
    if pool.proxied and not (member.check_address or member.check_port):
        words.append("check-send-proxy")
    return " ".join(words)
