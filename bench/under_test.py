"""A simulated cloud with the settings that conformance suites expect: `python -m bench.under_test PORT STATE_DIR [FILE]`.

One host, an external network, the user `admin` with the password `secret` in the project `admin`, region `RegionOne`.
Users are locked for 5 seconds after two wrong passwords, and the last two passwords are remembered. FILE is TOML with the
operator's settings of images, as under [image] in control's settings.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec
import uvloop

from bench.serve import server
from hanok.bus import MemoryBus
from hanok.control.app import Control
from hanok.control.settings import ControlSettings
from hanok.node.simulated import run_simulated
from hanok.services.identity.facade import IdentitySettings
from hanok.services.image.facade import ImageSettings


async def main() -> None:
    image = ImageSettings()
    if len(sys.argv) > 3:
        image = msgspec.toml.decode(Path(sys.argv[3]).read_bytes(), type=ImageSettings)
    settings = ControlSettings(
        image=image,
        state_dir=sys.argv[2],
        durable=False,
        public_cidr="172.24.4.0/24",
        public_gateway="172.24.4.1",
        identity=IdentitySettings(
            password_rounds=4, lock_after=2, lock_for_s=5, remember_passwords=2
        ),
    )
    bus = MemoryBus()
    async with (
        Control.running(settings, admin_password="secret", bus=bus) as control,
        asyncio.TaskGroup() as group,
    ):
        ready = asyncio.Event()
        stores = settings.image_stores
        host = group.create_task(run_simulated(["host-1"], bus, image_stores=stores, ready=ready))
        await ready.wait()
        await server(control.app, int(sys.argv[1])).serve()
        host.cancel()


if __name__ == "__main__":
    uvloop.run(main())
