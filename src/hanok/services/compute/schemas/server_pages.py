"""Pages of servers in detail, written by patterns: what servers have in common is encoded once a page.

Most servers of a page differ in a few values only: name, addresses, times. A pattern is such a server's JSON with gaps
for them. It is made of the very object that shows one server (`answers.ShownServer`), so there is one place that says
what a server looks like; who shares nothing with others is written from that object directly (decision 0068).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from hanok.base.clock import naive_micro, zulu
from hanok.base.recent import Recent
from hanok.services.compute.schemas.answers import (
    ServerAnswers,
    ShownServer,
    addresses,
    group_names,
    host_id_of,
)
from hanok.services.network.facade import PortView
from hanok.store.schema import moment

OWN = (
    "sequence", "id", "name", "hostname", "metadata", "created_at", "updated_at", "launched_at", "host", "project_id",
    "reservation_id", "launch_index",
)  # fmt: skip
"""The columns with which a row of a page begins: what servers do not share with each other."""
_SHARED = len(OWN)

_GAP = "\0"  # no JSON has it: in a text it is written as an escape
_raw: Any = msgspec.Raw
_RAW_GAP = _raw(_GAP.encode())
_TEXT_GAP = _raw(f'"{_GAP}"'.encode())  # for what needs no escaping

_encode = msgspec.json.encode

REMEMBERED = 256  # patterns: servers of a project look alike, and lists of them are polled
LONGEST = 8192  # characters of a server that is remembered; user data may be longer
# Empty: seen once. A pattern that nobody shares would cost more than it saves.
_patterns: Recent[tuple[Any, ...], list[str]] = Recent(REMEMBERED)

Ports = Mapping[str, Sequence[PortView]]


@lru_cache(maxsize=4096)
def _text(value: str | None) -> str:
    """As JSON has it."""
    return _encode(value).decode()


@lru_cache(maxsize=4096)
def _zulu(microseconds: int | None) -> str:
    return _encode(zulu(moment(microseconds))).decode()


@lru_cache(maxsize=4096)
def _naive(microseconds: int | None) -> str:
    return _encode(naive_micro(moment(microseconds))).decode()


def _addresses(ports: Sequence[PortView]) -> str:
    """The addresses of a server as JSON has them; most have one."""
    if len(ports) == 1 and len(ports[0].fixed_ips) == 1:
        port = ports[0]
        version, address, floating = port.fixed_ips[0]
        if floating is None:
            return (
                f'{{{_text(port.network_name)}:[{{"version":{version},"addr":"{address}",'
                f'"OS-EXT-IPS:type":"fixed","OS-EXT-IPS-MAC:mac_addr":"{port.mac}"}}]}}'
            )
    return _encode(addresses(ports)).decode()


class ServerPage:
    """How the servers of one page are written, in the newest version's form."""

    def __init__(
        self,
        told: ServerAnswers,
        whole: Callable[[Any], Any],
        host_status: Mapping[str, str],
        *,
        extended: bool,
    ) -> None:
        """
        Args:
            whole: makes of a row one with named, converted values, as `told` wants it.
            host_status: as of `ServerAnswers.many`.
            extended: whether the caller may see where a server runs.
        """
        self._told = told
        self._whole = whole
        self._status = host_status
        self._extended = extended
        self._known: dict[tuple[Any, ...], list[str]] = {}
        self._form = (told.base_url, extended, told.with_specs)
        self._hosts: dict[tuple[str, str | None], tuple[str, str]] = {}

    def written(
        self,
        rows: Sequence[Any],
        ports: Ports,
        tags: Mapping[str, Sequence[str]],
        volumes: Mapping[str, Sequence[dict[str, Any]]],
    ) -> list[str]:
        """Each of these servers as JSON. rows: as they are in the database, those columns first that are in `OWN`."""
        return [
            self._one(row, ports.get(row[1], ()), tags.get(row[1], ()), volumes.get(row[1], ()))
            for row in rows
        ]

    def _one(
        self,
        row: Any,
        ports: Sequence[PortView],
        tags: Sequence[str],
        volumes: Sequence[dict[str, Any]],
    ) -> str:
        (
            sequence, server_id, name, hostname, metadata, created, updated, launched, host, project_id, reservation_id,
            launch_index,
        ) = row[:_SHARED]  # fmt: skip
        # With the groups of its ports; of one without ports, they are said by what is shared.
        groups = tuple(group_names(row, ports)) if ports else ()
        status = self._status.get(host or "")
        key = (row[_SHARED:], project_id, groups, not ports, status, self._form)
        pattern = self._known.get(key)
        if pattern is None:
            pattern = self._known[key] = _patterns.get(key) or []
        if not pattern:
            shown = self._told.server(self._whole(row), ports, tags, self._status, volumes)
            text = _encode(shown).decode()
            self._learn(key, shown, len(text))
            return text
        told_host, shown_host = self._host(project_id, host)
        pieces = pattern.copy()
        values = [
            server_id,
            _text(name),
            metadata,
            told_host,
            _zulu(created),
            _zulu(updated),
            _addresses(ports) if ports else "{}",
            server_id,
            server_id,
            _text(hostname),
            _naive(launched),
            _encode(volumes).decode() if volumes else "[]",
            _encode(tags).decode() if tags else "[]",
        ]
        if self._extended:
            values += (
                shown_host,
                shown_host,
                f"{sequence:08x}",
                reservation_id,
                str(launch_index),
            )
        pieces[1::2] = values
        return "".join(pieces)

    def _learn(self, key: tuple[Any, ...], shown: ShownServer, length: int) -> None:
        """Remember that there is such a server; of the second one, its pattern."""
        if length > LONGEST:
            return
        if _patterns.get(key) is None:
            _patterns.put(key, [])
        else:
            self._known[key] = pattern = self._pattern(shown)
            _patterns.put(key, pattern)

    def _host(self, project_id: str, host: str | None) -> tuple[str, str]:
        """What a project is told of a host, and its name."""
        found = self._hosts.get((project_id, host))
        if found is None:
            found = self._hosts[project_id, host] = host_id_of(project_id, host), _text(host)
        return found

    def _pattern(self, shown: ShownServer) -> list[str]:
        """The JSON of a server in pieces, between which its own values go. The server is used up."""
        server_id, links = shown.id, shown.links
        shown.id = shown.host_id = _TEXT_GAP
        shown.name = shown.metadata = shown.addresses = shown.hostname = _RAW_GAP
        shown.created = shown.updated = shown.launched_at = _RAW_GAP
        shown.volumes_attached = shown.tags = _RAW_GAP
        for link in links:
            before = _encode(link.href.removesuffix(server_id))[:-1]
            link.href = _raw(before + f'{_GAP}"'.encode())
        if self._extended:
            shown.host = shown.hypervisor_hostname = shown.launch_index = _RAW_GAP
            shown.reservation_id = _TEXT_GAP
            shown.instance_name = _raw(f'"instance-{_GAP}"'.encode())
        pieces: list[str] = []
        for part in _encode(shown).decode().split(_GAP):
            pieces += (part, "")
        return pieces[:-1]
