"""Reading from addresses on the web that a user gave.

What a user writes may lead inside: to this machine, to the data plane, to the operator's network. Names are resolved
here, every address is held against the rules, and the connection goes to the address that was checked: a name that says
something else a moment later leads nowhere. Redirects begin all of it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from msgspec import Struct

from hanok.drivers.image_stores.lookups import lookups

if TYPE_CHECKING:
    import httpx

PIECE = 1 << 20
CONNECT_S = 20.0
READ_S = 60.0  # without a byte
ANSWER_S = 120.0  # until the headers of an answer are whole, however they trickle
SLOW_S = 60.0  # of waiting, over which the least rate has to hold
GATHER_S = 1.0
MAXIMUM_REDIRECTS = 5

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NotAllowed(Exception):
    """The address, or where it leads, is not to be asked."""


class WebBroken(Exception):
    """Nobody answers there, or not with what was asked for."""


class WebRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where users' addresses may lead.

    schemes, ports: those allowed. hosts: when given, only these names; not_hosts: never these.
    networks: addresses that are allowed although they are not of the public Internet ("10.20.0.0/16").
    maximum_s: how long a download may take as a whole (six hours: 1 TiB at 400 Mbit/s); zero: without end.
    least_rate: bytes a second that come while we wait (16 KiB: a tenth of a bad mobile line); zero: any.
    """

    schemes: tuple[str, ...] = ("http", "https")
    ports: tuple[int, ...] = (80, 443)
    hosts: tuple[str, ...] = ()
    not_hosts: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    maximum_s: float = 21_600.0
    least_rate: int = 16 << 10


def check_url(rules: WebRules, url: str) -> None:
    """Look at an address without asking anybody.

    Raises:
        NotAllowed: scheme, host or port are not allowed, or it names an address that is not.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise NotAllowed("it is not an address") from None
    if parts.scheme not in rules.schemes or parts.scheme not in ("http", "https"):
        raise NotAllowed(f"the scheme {parts.scheme[:20]!r} is not allowed")
    if parts.username is not None or parts.password is not None:
        raise NotAllowed("it carries a user's name")
    if not host or any(ord(letter) < 33 for letter in url):
        raise NotAllowed("it names no host")
    if (rules.hosts and host not in rules.hosts) or host in rules.not_hosts:
        raise NotAllowed("the host is not allowed")
    if ({"http": 80, "https": 443}[parts.scheme] if port is None else port) not in rules.ports:
        raise NotAllowed("the port is not allowed")
    try:
        literal = _plain(ipaddress.ip_address(host))
    except ValueError:
        return
    if not _allowed(rules, literal):
        raise NotAllowed("it leads to an address that is not public")


def _plain(address: _Address) -> _Address:
    """An IPv4 address that is written as IPv6, as what it is."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address.teredo is not None:
            inner = address.teredo[1]
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return inner
    return address


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# All that was ever given out of IPv6's global addresses [RFC 4291, section 2.4; IANA]. What lies outside are old forms
# that lead into a site, or to IPv4: fec0::/10, ::127.0.0.1, ::ffff:0:127.0.0.1.
_UNICAST = ipaddress.IPv6Network("2000::/3")


def _allowed(rules: WebRules, address: _Address) -> bool:
    networks: Iterable[_Network] = (ipaddress.ip_network(text) for text in rules.networks)
    if any(address.version == one.version and address in one for one in networks):
        return True
    if address.version == 6 and address not in _UNICAST:
        return False
    return address.is_global and not address.is_multicast


async def resolve(rules: WebRules, host: str, port: int) -> list[str]:
    """The addresses of a host, all of them allowed.

    Raises:
        NotAllowed: one of them is not. WebBroken: there is none.
    """
    try:
        async with asyncio.timeout(CONNECT_S):
            made = await lookups.addresses(host, port)
    except (OSError, UnicodeError, TimeoutError) as error:
        raise WebBroken(f"the host {host[:255]} has no address: {error}") from error
    for text in made:
        if not _allowed(rules, _plain(ipaddress.ip_address(text.partition("%")[0]))):
            raise NotAllowed("it leads to an address that is not public")
    return made


def _transport(rules: WebRules | None) -> httpx.AsyncHTTPTransport:
    """A transport whose connections end only at addresses that were checked; at any, without rules."""
    import httpcore
    import httpx
    from httpcore._backends.auto import AutoBackend

    class Checked(httpcore.AsyncNetworkBackend):
        def __init__(self, rules: WebRules) -> None:
            self.rules = rules
            self.plain = AutoBackend()

        async def connect_tcp(
            self, host: str, port: int, *args: Any, **more: Any
        ) -> httpcore.AsyncNetworkStream:
            trouble: Exception | None = None
            for address in await resolve(self.rules, host, port):
                try:
                    return await self.plain.connect_tcp(address, port, *args, **more)
                except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                    trouble = error
            raise trouble or httpcore.ConnectError("no address")

        async def connect_unix_socket(self, *args: Any, **more: Any) -> httpcore.AsyncNetworkStream:
            raise NotAllowed("addresses of this machine are not allowed")

        async def sleep(self, seconds: float) -> None:
            await self.plain.sleep(seconds)

    made = httpx.AsyncHTTPTransport(trust_env=False)
    if rules is not None:
        made._pool._network_backend = Checked(rules)
    return made


@asynccontextmanager
async def opened(
    rules: WebRules | None,
    url: str,
    *,
    start: int = 0,
    length: int | None = None,
    method: str = "GET",
    token: str = "",
) -> AsyncIterator[httpx.Response]:
    """The answer to a request for an address, redirects followed and checked.

    Args:
        rules: None for an address that no user gave.
        token: for the server there; no redirect is followed then, as it would come along.

    Raises:
        NotAllowed: it, or one of its redirects, leads where it may not. WebBroken: no good answer.
    """
    import httpx

    headers = {"Accept-Encoding": "identity", "User-Agent": "hanok"}
    if token:
        headers["X-Auth-Token"] = token
    if length is not None:
        headers["Range"] = f"bytes={start}-{start + length - 1}"
    timeout = httpx.Timeout(READ_S, connect=CONNECT_S)
    try:
        async with httpx.AsyncClient(
            transport=_transport(rules), timeout=timeout, trust_env=False
        ) as client:
            for _ in range(MAXIMUM_REDIRECTS + 1):
                if rules is not None:
                    check_url(rules, url)
                async with asyncio.timeout(ANSWER_S):
                    answer = await _answered(client, method, url, headers=headers)
                async with contextlib.aclosing(answer):
                    if answer.is_redirect and token:
                        raise WebBroken("it leads to another place, where a token does not go")
                    if answer.is_redirect:
                        url = _led(url, answer.headers["location"])
                        continue
                    if answer.status_code not in (200, 206):
                        raise WebBroken(f"the server answers {answer.status_code}")
                    yield answer
                    return
            raise WebBroken(f"it redirects more than {MAXIMUM_REDIRECTS} times")
    except TimeoutError:
        raise WebBroken(f"there is no whole answer after {ANSWER_S:.0f} s") from None
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise WebBroken(f"{type(error).__name__}: {error}") from error


def _led(url: str, location: str) -> str:
    """Where a redirect leads, which a far server may have written as it likes. Raises WebBroken: nowhere."""
    try:
        found = urljoin(url, location)
        urlsplit(found)
    except ValueError:
        raise WebBroken("it leads to an invalid address") from None
    return found


async def _answered(
    client: httpx.AsyncClient, method: str, url: str, **more: Any
) -> httpx.Response:
    """The head of an answer.

    Raises:
        WebBroken: the address, or the one that it leads to, is none. httpx.TransportError, httpx.InvalidURL
    """
    try:
        return await client.send(client.build_request(method, url, **more), stream=True)
    except ValueError:  # a name that the alphabet of names does not know
        raise WebBroken("it is not an address, or leads to one that is not") from None


POST_S = 15.0  # until the headers of an answer to what is told are whole, redirects and all
_AGAIN = (307, 308)  # redirects by which what was told is told elsewhere


async def post(
    rules: WebRules | None,
    url: str,
    content: bytes,
    headers: Mapping[str, str],
    *,
    within_s: float = POST_S,
) -> None:
    """Tell an address something; its answer is not read.

    Args:
        rules: None for an address that no user gave; its redirects stay on its host.
        within_s: until the headers of its answer are whole.

    Raises:
        NotAllowed: it, or one of its redirects, leads where it may not. WebBroken: it is not taken.
    """
    import httpx

    sent = {"User-Agent": "hanok", **headers}
    timeout = httpx.Timeout(within_s)
    try:
        async with (
            asyncio.timeout(within_s),
            httpx.AsyncClient(
                transport=_transport(rules), timeout=timeout, trust_env=False
            ) as client,
        ):
            for _ in range(MAXIMUM_REDIRECTS + 1):
                if rules is not None:
                    check_url(rules, url)
                answer = await _answered(client, "POST", url, content=content, headers=sent)
                async with contextlib.aclosing(answer):
                    if answer.status_code in _AGAIN and "location" in answer.headers:
                        url, before = _led(url, answer.headers["location"]), url
                        if rules is None and urlsplit(url).netloc != urlsplit(before).netloc:
                            raise WebBroken("it leads to another host, which is not allowed")
                        continue
                    if not answer.is_success:
                        raise WebBroken(f"the server answers {answer.status_code}")
                    return
            raise WebBroken(f"it redirects more than {MAXIMUM_REDIRECTS} times")
    except TimeoutError:
        raise WebBroken(f"there is no answer after {within_s:.0f} s") from None
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise WebBroken(f"{type(error).__name__}: {error}") from error


async def _in_time(rules: WebRules, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces of a stream, gathered to some size, while they come in time.

    Only the time that we wait counts for the rate: a store of ours that is slow is not the far server's fault.

    Raises:
        WebBroken: it takes too long as a whole, or comes too slowly.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    waited, came = 0.0, 0
    gathered = bytearray()
    last = began
    while True:
        before = clock()
        try:
            part = await anext(stream)
        except StopAsyncIteration:
            break
        now = clock()
        waited += now - before
        came += len(part)
        if rules.maximum_s and now - began > rules.maximum_s:
            raise WebBroken(f"it takes longer than {rules.maximum_s:.0f} s")
        if waited >= SLOW_S:
            if came < rules.least_rate * waited:
                raise WebBroken(f"it comes too slowly: {came} bytes in {waited:.0f} s")
            waited, came = 0.0, 0
        gathered += part
        # Some at a time, but not so that who watches the pieces is told nothing for long.
        if len(gathered) >= PIECE or now - last > GATHER_S:
            last = now
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)


async def read(
    rules: WebRules | None,
    url: str,
    *,
    start: int = 0,
    length: int | None = None,
    maximum: int,
    token: str = "",
) -> AsyncIterator[bytes]:
    """The bytes at an address, piece by piece.

    Args:
        maximum: bytes after which it is given up. rules, token: as for `opened`.

    Raises:
        NotAllowed, WebBroken: as for `opened`, or there is more than `maximum`, or less than was announced.
    """
    async with opened(rules, url, start=start, length=length, token=token) as answer:
        announced = answer.headers.get("content-length")
        if announced is not None and announced.isdecimal() and int(announced) > maximum:
            raise WebBroken(f"there are {announced} bytes, more than the {maximum} that are taken")
        skip = start if answer.status_code == 200 else 0
        got = 0
        async for piece in _in_time(rules or WebRules(), answer.aiter_raw()):
            got += len(piece)
            if got > maximum + skip:
                raise WebBroken(f"there are more than the {maximum} bytes that are taken")
            if skip:
                cut, skip = piece[skip:], max(0, skip - len(piece))
                piece = cut
            if piece:
                yield piece
        if announced is not None and announced.isdecimal() and got != int(announced):
            raise WebBroken(f"it ended after {got} of {announced} bytes")


async def size(rules: WebRules, url: str) -> int | None:
    """Bytes at an address as its server announces them."""
    async with opened(rules, url, method="HEAD") as answer:
        announced = answer.headers.get("content-length", "")
        return int(announced) if announced.isdecimal() else None
