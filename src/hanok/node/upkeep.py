"""What a node does by itself so that its disk does not fill, and when it has filled.

Console logs stay short, images that no guest needs leave the cache, at once where there is little room; guests that
stood still because there was none go on. Before it comes to that, the log and the heartbeat say so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Sequence, Set
from dataclasses import dataclass, field

from hanok.base.clock import Clock
from hanok.base.errors import HanokError
from hanok.node.console import trim_log
from hanok.node.guests import Guests
from hanok.node.images import ImageCache
from hanok.node.settings import NodeSettings

log = logging.getLogger(__name__)

EACH_S = 2.0  # a guest that writes without a pause fills some MiB of its log meanwhile
WARN_MIB = 2048  # free: some guests can still write for a while
LOW_MIB = 1024  # free: images that are not needed go at once
YOUNG_S = 120.0  # somebody may have asked for an image and be about to start a guest of it
MINIMUM_FREE_MIB = 256  # free: guests that stood still go on; less would last for a moment


@dataclass
class Upkeep:
    settings: NodeSettings
    guests: Guests
    images: ImageCache
    clock: Clock
    _warned: bool = field(default=False)

    async def run(self) -> None:
        """For as long as the node is there."""
        while True:
            try:
                await self.once()
            except Exception:  # an outermost loop: the next round tries again
                log.exception("a round of upkeep failed")
            await asyncio.sleep(EACH_S)

    async def once(self) -> None:
        for guest in self.guests.all():
            path = self.guests.records.files(guest.record.server_id) / "console.log"
            with contextlib.suppress(OSError):  # a full disk: the next round cuts it
                await asyncio.to_thread(trim_log, path)
        await self._evict()
        free_mib = self.free_mib()
        self._warn(free_mib)
        if free_mib >= MINIMUM_FREE_MIB:
            await self._go_on()

    def free_mib(self) -> int:
        return shutil.disk_usage(self.settings.state_dir).free >> 20

    def warnings(self) -> tuple[str, ...]:
        """What the operator should know before guests stand still."""
        free_mib = self.free_mib()
        if free_mib >= WARN_MIB:
            return ()
        return (
            f"its disk has {free_mib} MiB free: guests that write more than that are paused until there is room",
        )

    def _warn(self, free_mib: int) -> None:
        if free_mib < WARN_MIB and not self._warned:
            log.warning("host %s: %s", self.settings.host, "; ".join(self.warnings()))
        self._warned = free_mib < WARN_MIB

    async def _evict(self) -> None:
        ages = await asyncio.to_thread(self.images.by_age)
        needed = {image_id for image_id, _ in ages if self.guests.uses_image(image_id)}
        now, unused_s = self.clock.now().timestamp(), self.settings.image_cache_unused_s
        while (image_id := unneeded(ages, needed, now, unused_s, self.free_mib())) is not None:
            log.info("image %s leaves the cache", image_id)
            await self.images.forget(image_id)
            ages = [one for one in ages if one[0] != image_id]

    async def _go_on(self) -> None:
        for guest in self.guests.all():
            if guest.record.actual == "paused" and guest.record.requested == "running":
                with contextlib.suppress(HanokError, OSError, TimeoutError):
                    await self.guests.go_on(guest)


def unneeded(
    ages: Sequence[tuple[str, float]],
    needed: Set[str],
    now: float,
    unused_s: float,
    free_mib: int,
) -> str | None:
    """The image that should leave the cache first; None if all may stay.

    Args:
        ages: images with the time at which each was asked for last, the oldest first. needed: those that guests need.
        unused_s: after so long one goes in any case; where there is little room, at once.
    """
    age_limit_s = YOUNG_S if free_mib < LOW_MIB else max(unused_s, YOUNG_S)
    return next((one for one, at in ages if one not in needed and now - at >= age_limit_s), None)
