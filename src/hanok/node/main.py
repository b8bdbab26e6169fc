"""The node process as the supervisor, systemd or `hanok node` start it."""

from __future__ import annotations

from pathlib import Path

from hanok.base.authority import TLSFolder
from hanok.bus.nats import NATSBus
from hanok.commands import wire
from hanok.node.app import run_node
from hanok.node.chassis import Chassis, NullChassis
from hanok.node.settings import NodeSettings


async def main(settings: NodeSettings) -> None:
    """Connect to the messages and the network, and be a node until cancelled."""
    password = ""
    if settings.nats_password_file and not settings.tls:
        password = Path(settings.nats_password_file).read_text().strip()
    bus = await NATSBus.connect(
        settings.nats_url,
        name=f"node {settings.host}",
        user=settings.nats_user,
        password=password,
        tls=TLSFolder(Path(settings.tls)) if settings.tls else None,
        inbox=wire.inbox(settings.host) if settings.tls else "_INBOX",
    )
    try:
        await run_node(settings, bus, chassis_of(settings))
    finally:
        await bus.close()


def chassis_of(settings: NodeSettings) -> Chassis:
    """The host's network; none when no switch is named."""
    if not settings.ovs_db_socket:
        return NullChassis()
    # Only here: a node without a network needs none of the switch's programs.
    from hanok.drivers.ovn import chassis

    return chassis.Chassis(settings.netns, settings.ovs_db_socket, settings.integration_bridge)
