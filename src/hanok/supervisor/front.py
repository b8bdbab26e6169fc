"""One address in front of the control processes of all controllers: HAProxy, at the address where control answered.

`hanok grow controllers` marks that a machine has it (<state>/front); control answers at doors of its own then, which it
has always had beside, and HAProxy passes connections on as they come: TLS and certificates of hosts are control's. Who
does not answer within two looks gets no connection, who refuses one is passed over at once. A machine that joins or is
removed is another configuration, which is taken up without a connection being dropped.
"""

from __future__ import annotations

import asyncio
import logging

from hanok.drivers.haproxy.errors import ProxyFailed
from hanok.drivers.haproxy.process import HAProxy
from hanok.supervisor import membership
from hanok.supervisor.settings import DEFAULT_OBJECTS_PORT, Cloud

log = logging.getLogger(__name__)

LOOK_S, PATIENCE_S = 0.5, 10.0
CONNECTIONS = 8192
DEFAULTS = """\
defaults
    mode tcp
    timeout connect 1s
    timeout client 1h
    timeout server 1h
    timeout check 1500ms
    timeout queue 5s
    retries 5
    option redispatch 1
    option clitcpka
    option srvtcpka
"""
DOOR = """\
listen {name}
    bind {address}:{port}
    balance leastconn
    option httpchk GET {path}
    default-server check check-ssl verify none inter 1s fastinter 200ms fall 2 rise 1
    default-server on-marked-down shutdown-sessions
"""


def proxy(cloud: Cloud) -> HAProxy:
    uid = cloud.messages_uid
    return HAProxy(cloud.run / "front", uid=uid, gid=uid, maximum=CONNECTIONS)


def body(cloud: Cloud) -> str:
    """HAProxy's configuration."""
    objects = cloud.settings.objects_port or DEFAULT_OBJECTS_PORT
    doors = (
        ("apis", cloud.settings.port, cloud.door_port, "/v3"),
        ("objects", objects, cloud.door_objects_port, "/info"),
    )
    text = DEFAULTS
    for name, port, door, path in doors:
        text += DOOR.format(name=name, address=cloud.settings.address, port=port, path=path)
        for number, (_, address) in enumerate(membership.controls(cloud), start=1):
            text += f"    server controller{number} {address}:{door}\n"
    return text


async def keep(cloud: Cloud) -> None:
    """What is in front runs, and knows who is there, until this is cancelled; it goes on without us."""
    trouble, since = "", 0.0
    ours = proxy(cloud)
    try:
        while True:
            try:
                if cloud.front:
                    await ours.run(body(cloud), {}, _nothing)
                elif ours.pids():
                    await ours.remove()
                now = ""
            except (ProxyFailed, OSError, ValueError) as error:
                now = f"{error} {getattr(error, 'detail', '')}".strip()
            # Control lets go of the port only after this machine was marked: that is no trouble yet.
            since = since + LOOK_S if now else 0.0
            if since > PATIENCE_S and now != trouble:
                log.error("what is in front of control: %s", now)
                trouble = now
            await asyncio.sleep(LOOK_S)
    finally:
        ours.let_go()


async def _nothing() -> None:
    pass
