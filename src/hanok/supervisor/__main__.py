"""`python -m hanok.supervisor STATE`: be the supervisor of the cloud in this state directory."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from pathlib import Path

from hanok.base import log as logs
from hanok.base.errors import HanokError
from hanok.drivers.ovn import engines as ovn
from hanok.drivers.ovn import outside
from hanok.supervisor import parts
from hanok.supervisor.holding import AlreadyRunning
from hanok.supervisor.others import following, renewing, with_front
from hanok.supervisor.settings import BrokenState, load
from hanok.supervisor.supervise import Supervisor

log = logging.getLogger("hanok.supervisor")


async def main(state: Path) -> None:
    """Run until SIGTERM or SIGINT."""
    cloud = load(state)
    if cloud is None:
        raise BrokenState(f"there is no cloud in {state}")

    async def prepare() -> None:
        parts.write_files(cloud)
        await ovn.prepare(parts.data_plane(cloud))

    async def ways() -> None:
        # As they stand now: `up` changes them while the cloud runs.
        await outside.ensure(parts.outside(load(state) or cloud))

    # Its own folder for sockets has to be there before the door opens.
    cloud.run.mkdir(parents=True, exist_ok=True)
    others = None
    if cloud.tls:
        others = renewing(cloud) if cloud.is_member else following(cloud)
        if cloud.has_control:
            others = with_front(cloud, others)
    supervisor = Supervisor(cloud, lambda: parts.parts(cloud), prepare, ways, others)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a closed terminal
    gc.collect()
    gc.freeze()
    await supervisor.run()


if __name__ == "__main__":
    logs.configure("supervisor")
    try:
        asyncio.run(main(Path(sys.argv[1])))
    except AlreadyRunning:
        sys.exit(0)
    except (BrokenState, HanokError, OSError, ValueError) as error:
        detail = getattr(error, "detail", "")
        log.error("%s%s", error, f" ({detail})" if detail else "")
        sys.exit(1)
