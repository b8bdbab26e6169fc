"""The node process as the supervisor, systemd or `hanok node` start it."""

from __future__ import annotations

from pathlib import Path

from hanok.bus.nats import NATSBus
from hanok.node.app import run_node
from hanok.node.chassis import Chassis, NullChassis
from hanok.node.settings import NodeSettings


async def main(settings: NodeSettings) -> None:
    """Connect to the messages and the network, and be a node until cancelled."""
    password = ""
    if settings.nats_password_file:
        password = Path(settings.nats_password_file).read_text().strip()
    bus = await NATSBus.connect(
        settings.nats_url,
        name=f"node {settings.host}",
        user=settings.nats_user,
        password=password,
    )
    try:
        await run_node(settings, bus, await chassis_of(settings))
    finally:
        await bus.close()


async def chassis_of(settings: NodeSettings) -> Chassis:
    """The host's network; none when no OVS is named."""
    if not settings.ovs_run_dir:
        return NullChassis()
    # Only here: a node without a network needs none of OVS's libraries.
    from hanok.drivers.ovn.chassis import OVSChassis

    return await OVSChassis.connect(run_dir=settings.ovs_run_dir, netns=settings.netns)
