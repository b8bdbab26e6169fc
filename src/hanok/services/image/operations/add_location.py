"""A location that a user named: looked at, hashed, and then the image's."""

from __future__ import annotations

import hashlib
from typing import Any

from msgspec import Struct

from hanok.base.errors import StepFailed
from hanok.drivers.image_format import Inspector
from hanok.drivers.image_stores import StoreBroken, web
from hanok.operations import Operation, Run, Step
from hanok.services.image.logic import data, images, news, tasks
from hanok.services.image.operations.import_image import TRANSFER_S, imported, watched
from hanok.services.image.room import Images
from hanok.store import Transaction

ALGORITHM = "sha512"


class CheckLocation(Step["AddLocation", Images, int], name="check_location"):
    """There are bytes at the location. Without hashes to compare with, the image is active from here on."""

    result_type = int

    async def do(self, run: Run[AddLocation, Images]) -> int:
        room, args = run.tools, run.args
        async with run.transaction() as tx:
            await tasks.begun(tx, room, args.task_id)
        await imported(run)
        try:
            if args.store == room.web_store:
                size = await web.size(room.settings.web, args.address)
            else:
                size = await data.store_of(room, args.store).size(args.address)
        except (web.NotAllowed, web.WebBroken, StoreBroken) as error:
            raise StepFailed(f"There is no data at the location: {error}.") from error
        if size is None:
            raise StepFailed("There is no data at the location.")
        if size > room.settings.maximum_bytes:
            raise StepFailed(f"Image exceeds the limit of {room.settings.maximum_bytes} bytes.")
        return size

    async def save(self, run: Run[AddLocation, Images], tx: Transaction, result: int) -> None:
        args = run.args
        values: dict[str, Any] = {"size": result}
        if not (args.os_hash_value and run.tools.settings.secure_hash):
            values["status"] = "active"
        if args.os_hash_value:
            values |= {"os_hash_algo": args.os_hash_algo, "os_hash_value": args.os_hash_value}
        elif run.tools.settings.secure_hash:
            values["os_hash_algo"] = ALGORITHM
        if not await images.change_import(tx, args.image_id, args.task_id, values, run.clock.now()):
            raise StepFailed("The image was deleted.")
        await images.add_location(tx, args.image_id, args.store, args.address)
        if "status" in values:
            await news.happened(tx, run.tools, args.image_id, "image.activate")

    async def unsave(self, run: Run[AddLocation, Images], tx: Transaction) -> None:
        args = run.args
        if args.store == run.tools.web_store:
            return  # nothing there is ours to free; the image shows where it was said to be, as upstream's does
        for row in (await images.locations(tx, [args.image_id]))[args.image_id]:
            if (row.store, row.address) == (args.store, args.address):
                await images.remove_location(tx, row, run.clock.now())


class Hashed(Struct, frozen=True, kw_only=True):
    size: int
    virtual_size: int | None
    md5: str
    value: str


class HashLocation(Step["AddLocation", Images, Hashed | None], name="hash_location"):
    """The bytes are what was said of them. Data that cannot be read now leaves an image without hash."""

    deadline_s = TRANSFER_S

    result_type = Hashed | None

    async def do(self, run: Run[AddLocation, Images]) -> Hashed | None:
        room, args = run.tools, run.args
        if not room.settings.secure_hash:
            return None
        row = await imported(run)
        size = run.result(CheckLocation) or 0
        location = next(
            one
            for one in (await run.read(images.locations, [row.id]))[row.id]
            if one.address == args.address
        )
        md5 = hashlib.md5(usedforsecurity=False)
        requested = hashlib.new(args.os_hash_algo or ALGORITHM)
        inspector, got = Inspector(), 0
        try:
            async for piece in watched(run, data.read(room, location, 0, size)):
                got += len(piece)
                await data.in_threads(piece, [requested.update], [md5.update, inspector.feed])
        except (web.NotAllowed, web.WebBroken, StoreBroken) as error:
            if args.os_hash_value:
                raise StepFailed(f"The location cannot be read: {error}.") from error
            return None
        if args.os_hash_value and requested.hexdigest() != args.os_hash_value.lower():
            raise StepFailed("The data at the location has another hash than was said.")
        virtual = data.inspected(room, inspector, got, row.disk_format, row.container_format)
        return Hashed(
            size=got, virtual_size=virtual, md5=md5.hexdigest(), value=requested.hexdigest()
        )

    async def save(
        self, run: Run[AddLocation, Images], tx: Transaction, result: Hashed | None
    ) -> None:
        args = run.args
        row = await images.get_any(tx, args.image_id)
        values: dict[str, Any] = {"status": "active", "import_task": None}
        if result is not None:
            values |= {
                "size": result.size,
                "virtual_size": result.virtual_size,
                "checksum": result.md5,
                "os_hash_algo": args.os_hash_algo or ALGORITHM,
                "os_hash_value": result.value,
            }
        elif not args.os_hash_value:
            values["os_hash_algo"] = None
        if not await images.change_import(tx, args.image_id, args.task_id, values, run.clock.now()):
            raise StepFailed("The image was deleted.")
        if row is not None and row.status != "active":
            await news.happened(tx, run.tools, args.image_id, "image.activate")
        await tasks.ended(tx, run.tools, args.task_id, result={"image_id": args.image_id})


class AddLocation(Operation, frozen=True, kw_only=True, tag="image.add_location"):
    """From an importing image to one whose data is at a location.

    store, address: as in the table of locations. os_hash_algo, os_hash_value: what the caller says of the bytes, or "".
    """

    with_files = True
    steps = (CheckLocation, HashLocation)
    pool = "transfer"
    deadline_s = 3 * TRANSFER_S

    image_id: str
    task_id: str
    store: str
    address: str
    os_hash_algo: str = ""
    os_hash_value: str = ""

    @property
    def resource(self) -> str:
        return f"image:{self.image_id}"

    async def stuck(self, run: Run[Any, Images], tx: Transaction, why: str) -> None:
        await tasks.told(tx, self.task_id, why, run.clock.now())

    async def failed(self, run: Run[Any, Images], tx: Transaction, why: str) -> None:
        empty = dict.fromkeys(
            ("import_task", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value")
        )
        await images.change_import(
            tx, self.image_id, self.task_id, {"status": "queued", **empty}, run.clock.now()
        )
        await tasks.ended(tx, run.tools, self.task_id, message=why)

    async def cancelled(self, run: Run[Any, Images], tx: Transaction) -> None:
        await self.failed(run, tx, "The image was deleted.")
