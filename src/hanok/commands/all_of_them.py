"""Every command, and every answer."""

from __future__ import annotations

from hanok.commands.balancers import BALANCER_COMMANDS, BalancerAnswer
from hanok.commands.machines import MACHINE_COMMANDS, MachineAnswer
from hanok.commands.messages import HOST_COMMANDS, HostAnswer
from hanok.commands.moving import MOVING_COMMANDS, MovingAnswer
from hanok.commands.shares import SHARE_COMMANDS, ShareAnswer
from hanok.commands.volumes import VOLUME_COMMANDS, VolumeAnswer

COMMAND_TYPES = (
    HOST_COMMANDS
    | MOVING_COMMANDS
    | VOLUME_COMMANDS
    | BALANCER_COMMANDS
    | MACHINE_COMMANDS
    | SHARE_COMMANDS
)
Answer = HostAnswer | MovingAnswer | VolumeAnswer | BalancerAnswer | MachineAnswer | ShareAnswer
