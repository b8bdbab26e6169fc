"""What OVN's own flows do with a packet: `ovn-trace`, which reads the southbound database and sends nothing."""

from __future__ import annotations

import ipaddress
import re

from msgspec import Struct

from hanok.drivers.ovn.host import run
from hanok.drivers.ovn.seal import Seal
from hanok.drivers.ovn.seal import words as sealed

LIMIT_S = 5.0  # it takes some tens of milliseconds
# Each look into the table of connections finds a new one; without these it would be one that is established.
_LOOKS = ("--ct", "new") * 8
_OUT = re.compile(r'/\* output to "([^"]*)", type "([^"]*)"')
_BETWEEN = ("patch", "l3gateway", "chassisredirect")  # ports of routers and switches on the way
_NAMED = {6: "tcp", 17: "udp", 132: "sctp"}


class Packet(Struct, frozen=True):
    """The first packet of a connection.

    switch, inport: names of the logical switch and of its port where it comes in. protocol: its number.
    port: where it is to go, None where the protocol has none (ICMP is a ping).
    """

    switch: str
    inport: str
    source_mac: str
    destination_mac: str
    source: str
    destination: str
    protocol: int
    port: int | None = None

    @property
    def expression(self) -> str:
        version = ipaddress.ip_address(self.destination).version
        terms = [
            f'inport == "{self.inport}"',
            f"eth.src == {self.source_mac}",
            f"eth.dst == {self.destination_mac}",
            f"ip{version}.src == {self.source}",
            f"ip{version}.dst == {self.destination}",
            "ip.ttl == 64",
        ]
        if self.protocol in (1, 58):
            terms.append("icmp4.type == 8" if version == 4 else "icmp6.type == 128")
        elif name := _NAMED.get(self.protocol):
            terms.append(f"{name}.src == 49152 && {name}.dst == {self.port}")
        else:
            terms.append(f"ip.proto == {self.protocol}")
        return " && ".join(terms)


async def ends_at(southbound: str, packet: Packet, seal: Seal | None = None) -> list[str]:
    """The names of the logical ports at which a packet comes out; none where it is dropped.

    Raises:
        ExecuteError, Unanswered: OVN cannot be asked.
    """
    words = ("ovn-trace", f"--db={southbound}", *sealed(southbound, seal), "--summary")
    words += ("--no-friendly-names", *_LOOKS)
    told = await run(*words, packet.switch, packet.expression, timeout_s=LIMIT_S)
    return [name for name, kind in _OUT.findall(told) if kind not in _BETWEEN]
