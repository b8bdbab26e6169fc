"""Images are brought to the hosts of an aggregate before a server needs them."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import NAMESPACE_DNS, uuid5

from hanok.base.errors import NotFound, StepFailed, Unavailable
from hanok.operations import Operation, Run, Step
from hanok.services.compute.logic import aggregates, hosts, notices
from hanok.services.compute.operations.create_server import COPY_S, image_at
from hanok.services.compute.room import Compute
from hanok.store import Transaction


class FindHosts(Step["CacheImages", Compute, list[str]], name="find_hosts"):
    """The aggregate's hosts that are up and not disabled, as upstream chooses them."""

    result_type: ClassVar[Any] = list[str]

    async def do(self, run: Run[CacheImages, Compute]) -> list[str]:
        try:
            one = await run.read(aggregates.get, run.args.aggregate_id)
        except NotFound as error:
            raise StepFailed(error.message) from error
        return [
            row.host
            for row in await run.read(hosts.nodes)
            if row.host in one.hosts and not row.disabled and hosts.is_up(row, run.tools)
        ]


class FetchThere(Step["CacheImages", Compute, None], name="fetch_there"):
    """Each host fetches each image; a host that fails holds up no other."""

    deadline_s = 4 * 3600.0

    async def do(self, run: Run[CacheImages, Compute]) -> None:
        parts = [
            CacheImage(image_id=image_id, host=host)
            for host in run.result(FindHosts) or []
            for image_id in run.args.image_ids
        ]
        if parts:
            await run.children(*parts)


class CacheImages(Operation, frozen=True, kw_only=True, tag="compute.cache_images"):
    """Have images in the caches of an aggregate's hosts."""

    aggregate_id: int
    image_ids: tuple[str, ...]
    pool = "transfer"
    deadline_s = 8 * 3600.0
    steps = (FindHosts, FetchThere)

    @property
    def resource(self) -> str:
        return f"aggregate:{self.aggregate_id}"

    @property
    def event(self) -> str:
        return "compute.aggregate.cache_images"

    async def news(self, run: Run[Any, Compute], tx: Transaction) -> dict[str, Any]:
        try:
            return notices.aggregate(await aggregates.get(tx, self.aggregate_id))
        except NotFound:
            return {}  # it is gone meanwhile


class FetchOne(Step["CacheImage", Compute, str], name="fetch_one"):
    """The host has the image. Returns why not, or nothing: an image that a host does not get is fetched when needed."""

    result_type: ClassVar[Any] = str
    deadline_s = 3 * COPY_S

    async def do(self, run: Run[CacheImage, Compute]) -> str:
        try:
            await image_at(run, run.args.image_id, run.args.host)
        except (StepFailed, Unavailable) as error:
            return error.message
        return ""


class CacheImage(Operation, frozen=True, kw_only=True, tag="compute.cache_image"):
    """Have an image in the cache of a host."""

    image_id: str
    host: str
    pool = "transfer"
    steps = (FetchOne,)

    @property
    def resource(self) -> str:
        return f"image_cache:{uuid5(NAMESPACE_DNS, self.host)}"  # one after another on each host

    @property
    def queue(self) -> str:
        return f"host:{self.host}"
