"""Import: from staged data, an address on the web, or the image itself into one or more stores.

The bytes stand in the staging folder until they are in the stores, so a store that fails is tried without fetching them
again. Objects are named by the image's id, and each step finds what it made before: all may run twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from hanok.base.errors import HanokError, StepFailed
from hanok.drivers.image_stores import StoreBroken, web
from hanok.drivers.image_stores.convert import ConversionFailed, convert
from hanok.drivers.image_stores.files import FileStore
from hanok.operations import Operation, Run, Step
from hanok.services.image.logic import (
    data,
    images,
    news,
    protections,
    quotas,
    remote,
    signatures,
    tasks,
)
from hanok.services.image.logic.protections import BadProtections
from hanok.services.image.logic.signatures import Certificate, SignatureProblem, Verifier
from hanok.services.image.room import Images
from hanok.store import Transaction

log = logging.getLogger(__name__)

TRANSFER_S = 6 * 3600.0  # 1 TiB at 50 MiB/s


async def imported(run: Run[Any, Images]) -> Any:
    """The image's row, if this task still imports into it.

    Raises:
        StepFailed: it was deleted.
    """
    row = await run.read(images.get_any, run.args.image_id)
    if row is None or row.import_task != run.args.task_id:
        raise StepFailed("The image was deleted while its data was being imported.")
    return row


async def watched(run: Run[Any, Images], stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The stream, ended when the image is deleted meanwhile, also while nothing comes."""
    every_s = run.tools.settings.look_s
    clock = asyncio.get_running_loop().time
    looked = clock()
    async with contextlib.aclosing(_as_generator(stream)) as pieces:
        while True:
            coming = asyncio.ensure_future(anext(pieces))
            try:
                while not coming.done():
                    await asyncio.wait((coming,), timeout=max(0.0, looked + every_s - clock()))
                    if clock() - looked >= every_s:
                        await imported(run)
                        looked = clock()
                piece = coming.result()
            except StopAsyncIteration:
                return
            finally:
                if not coming.done():
                    coming.cancel()
                    await asyncio.wait((coming,))
            yield piece


async def _as_generator(stream: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    async for piece in stream:
        yield piece


async def verifier_of(run: Run[ImportImage, Images]) -> Verifier | None:
    """What checks the signature that the image now says it has; None where it says nothing.

    Raises:
        SignatureProblem: it cannot be checked.
    """
    image_id = run.args.image_id
    properties, _ = await run.read(images.extras, [image_id])
    return signatures.verifier(properties[image_id], run.args.certificate, run.clock.now())


async def verified(verifier: Verifier, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The stream, which ends in SignatureProblem when the signature is not of it."""
    async for piece in stream:
        await data.in_threads(piece, [verifier.update])
        yield piece
    verifier.check()


class Looked(Struct, frozen=True, kw_only=True):
    """What is to be stored: a key of the staging folder, and what is known of its bytes."""

    key: str
    size: int
    virtual_size: int | None
    md5: str
    sha512: str
    disk_format: str
    signed_as: str | None = None


class Before(Struct, frozen=True, kw_only=True):
    """What the image said of itself, and what it says by the word of another cloud."""

    disk_format: str
    container_format: str
    properties: dict[str, str]
    now: remote.Described


class DescribeData(Step["ImportImage", Images, Before | None], name="describe_data"):
    """The import is under way; the image is described as another cloud describes what is to come from there."""

    result_type = Before | None

    async def do(self, run: Run[ImportImage, Images]) -> Before | None:
        room, args = run.tools, run.args
        async with run.transaction() as tx:
            await tasks.begun(tx, room, args.task_id)
        row = await imported(run)
        if args.source is None:
            return None
        found = await remote.describe(room, args.source, room.settings.glance_download_properties)
        properties, _ = await run.read(images.extras, [args.image_id])
        return Before(
            disk_format=row.disk_format,
            container_format=row.container_format,
            properties=properties[args.image_id],
            now=msgspec.structs.replace(found, properties=_permitted(room, args, found.properties)),
        )

    async def save(
        self, run: Run[ImportImage, Images], tx: Transaction, result: Before | None
    ) -> None:
        if result is not None:
            now = result.now
            await self._describe(
                run, tx, now.disk_format, now.container_format, result.properties | now.properties
            )

    async def unsave(self, run: Run[ImportImage, Images], tx: Transaction) -> None:
        before = run.result(DescribeData)
        if before is not None:
            await self._describe(
                run, tx, before.disk_format, before.container_format, before.properties
            )

    async def _describe(
        self,
        run: Run[ImportImage, Images],
        tx: Transaction,
        disk_format: str,
        container_format: str,
        properties: dict[str, str],
    ) -> None:
        args = run.args
        values = {"disk_format": disk_format, "container_format": container_format}
        if await images.change_import(tx, args.image_id, args.task_id, values, run.clock.now()):
            await images.set_properties(tx, args.image_id, properties)


def _permitted(room: Images, args: ImportImage, properties: dict[str, str]) -> dict[str, str]:
    """Those that who asked may set. Where policies protect them, which want a request, none."""
    settings = room.settings
    if not settings.property_protections:
        return properties
    try:
        rules = protections.load(Path(settings.property_protections), settings.protections_by)
    except BadProtections as error:
        raise StepFailed("The rules of properties cannot be read.", detail=str(error)) from error

    def holds(word: str) -> bool:
        return settings.protections_by == "roles" and word.lower() in args.roles

    return {
        name: value
        for name, value in properties.items()
        if rules.allows(name, "create", holds) and rules.allows(name, "update", holds)
    }


class FetchData(Step["ImportImage", Images, None], name="fetch_data"):
    """The bytes are in the staging folder."""

    deadline_s = TRANSFER_S

    async def do(self, run: Run[ImportImage, Images]) -> None:
        room, args = run.tools, run.args
        await imported(run)
        staging = FileStore(room.staging)
        if args.method == "glance-direct" and await staging.size(args.image_id) is None:
            raise StepFailed("The staged data is not there.")
        if args.method in ("web-download", "glance-download"):
            if args.source is None:
                stream = web.read(room.settings.web, args.uri, maximum=room.settings.maximum_bytes)
            else:
                stream = remote.data(room, args.source)
            try:
                got = await staging.put(
                    args.image_id, watched(run, stream), attempt=run.operation_id
                )
            except (web.NotAllowed, web.WebBroken) as error:
                raise StepFailed(f"The data could not be downloaded: {error}.") from error
            except StoreBroken as error:
                raise StepFailed("The data could not be staged.", detail=str(error)) from error
            said = run.result(DescribeData)
            if said is not None and got != said.now.size:
                raise StepFailed(f"{got} bytes came, not the {said.now.size} that the image has.")

    async def undo(self, run: Run[ImportImage, Images]) -> None:
        await forget_staged(run)


async def forget_staged(run: Run[ImportImage, Images]) -> None:
    if run.args.method == "copy-image":
        return
    staging = FileStore(run.tools.staging)
    for key in (run.args.image_id, f"{run.args.image_id}.converted"):
        await staging.abandon(key, attempt=run.operation_id)
        await staging.delete(key)


class LookAtData(Step["ImportImage", Images, Looked | None], name="look_at_data"):
    """The bytes are hashed and found to be what the image says; converted, where the operator wants that."""

    deadline_s = TRANSFER_S

    result_type = Looked | None

    async def do(self, run: Run[ImportImage, Images]) -> Looked | None:
        room, args = run.tools, run.args
        row = await imported(run)
        if args.method == "copy-image":
            return None
        key, disk_format = args.image_id, row.disk_format
        # What is signed is what the image will hold: who downloads it can check that, and not what it once was.
        verifier = await verifier_of(run)
        requested = room.settings.conversion
        if (
            requested not in ("", disk_format)
            and disk_format in ("raw", "qcow2")
            and row.container_format == "bare"
        ):
            await self._look(run, key, disk_format, row.container_format, None)
            key = f"{args.image_id}.converted"
            try:
                await convert(
                    room.staging / args.image_id, disk_format, room.staging / key, requested
                )
            except ConversionFailed as error:
                raise StepFailed(f"The image could not be converted: {error}.") from error
            disk_format = requested
        found = await self._look(run, key, disk_format, row.container_format, verifier)
        return Looked(
            key=key,
            size=found.size,
            virtual_size=found.virtual_size,
            md5=found.md5,
            sha512=found.sha512,
            disk_format=disk_format,
            signed_as=None if verifier is None else verifier.mark,
        )

    async def _look(
        self,
        run: Run[ImportImage, Images],
        key: str,
        disk_format: str,
        container_format: str,
        verifier: Verifier | None,
    ) -> data.Taken:
        room = run.tools
        size = await FileStore(room.staging).size(key)
        if size is None:
            raise StepFailed("The staged data is not there.")
        stream = watched(run, FileStore(room.staging).get(key, 0, size))
        try:
            return await data.look(
                room,
                stream,
                disk_format=disk_format,
                container_format=container_format,
                verifier=verifier,
            )
        except StoreBroken as error:
            raise StepFailed("The staged data could not be read.", detail=str(error)) from error

    async def save(
        self, run: Run[ImportImage, Images], tx: Transaction, result: Looked | None
    ) -> None:
        row = await images.get_any(tx, run.args.image_id)
        if row is None:
            raise StepFailed("The image was deleted while its data was being imported.")
        each = row.size or 0 if result is None else result.size
        await quotas.check(tx, run.tools, row.owner, quotas.SIZE, more=each * len(run.args.stores))


class StoreData(Step["ImportImage", Images, None], name="store_data"):
    """The bytes are in the stores; the image is active."""

    deadline_s = TRANSFER_S

    async def do(self, run: Run[ImportImage, Images]) -> None:
        args = run.args
        row = await imported(run)
        looked = run.result(LookAtData)
        there = {one.store for one in (await self._locations(run))}
        done = 0
        for store in args.stores:
            if store not in there:
                try:
                    await self._put(run, store, row, looked)
                except StoreBroken as error:
                    log.warning("image %s does not get into store %s: %s", row.id, store, error)
                    await self._tell(run, store, failed=True)
                    if args.all_stores_must_succeed:
                        raise StepFailed(
                            f"The data could not be written to store {store}.", detail=str(error)
                        ) from error
                    continue
                await self._tell(run, store, failed=False)
            done += 1
        if not done:
            raise StepFailed("None of the stores took the data.")

    async def _locations(self, run: Run[ImportImage, Images]) -> list[Any]:
        return (await run.read(images.locations, [run.args.image_id]))[run.args.image_id]

    async def _put(
        self, run: Run[ImportImage, Images], store: str, row: Any, looked: Looked | None
    ) -> None:
        room = run.tools
        if await run.read(images.in_trash, store, row.id):
            raise StoreBroken("what it had of the image before is not deleted yet")
        target = data.store_of(room, store)
        await target.abandon(row.id, attempt=run.operation_id)
        if looked is not None:
            stream = FileStore(room.staging).get(looked.key, 0, looked.size)
        else:
            stream = data.read_any(room, await self._locations(run), 0, row.size or 0)
            verifier = await verifier_of(run)
            if verifier is not None:
                stream = verified(verifier, stream)
        try:
            size = await target.put(row.id, watched(run, stream), attempt=run.operation_id)
        except (StepFailed, SignatureProblem):
            raise
        except HanokError as error:
            raise StoreBroken(f"{error.message} {error.detail}") from error
        if size != (row.size if looked is None else looked.size):
            await target.delete(row.id)
            raise StoreBroken("it did not get all of the data")

    async def _tell(self, run: Run[ImportImage, Images], store: str, *, failed: bool) -> None:
        """Say on the image that this store has it, or that it has not."""
        args, now = run.args, run.clock.now()
        async with run.transaction() as tx:
            row = await images.get_any(tx, args.image_id)
            if row is None or row.import_task != args.task_id:
                raise StepFailed("The image was deleted while its data was being imported.")
            left = [one for one in (row.importing_to or "").split(",") if one not in ("", store)]
            values = {"importing_to": ",".join(left)}
            if failed:
                bad = [one for one in (row.failed_import or "").split(",") if one]
                values["failed_import"] = ",".join(dict.fromkeys([*bad, store]))
            else:
                await images.add_location(tx, args.image_id, store, args.image_id)
            await images.change_import(tx, args.image_id, args.task_id, values, now)

    async def save(self, run: Run[ImportImage, Images], tx: Transaction, result: None) -> None:
        args, looked, now = run.args, run.result(LookAtData), run.clock.now()
        values: dict[str, Any] = {"import_task": None, "importing_to": ""}
        if looked is not None:
            values |= {
                "status": "active",
                "disk_format": looked.disk_format,
                "size": looked.size,
                "virtual_size": looked.virtual_size,
                "checksum": looked.md5,
                "os_hash_algo": "sha512",
                "os_hash_value": looked.sha512,
                "signed_as": looked.signed_as,
            }
        if not await images.change_import(tx, args.image_id, args.task_id, values, now):
            raise StepFailed("The image was deleted while its data was being imported.")
        settings = run.tools.settings
        spared = {role.lower() for role in settings.inject_ignore_roles} & set(args.roles)
        if looked is not None and settings.inject and not spared:
            properties, _ = await images.extras(tx, [args.image_id])
            await images.set_properties(
                tx, args.image_id, properties[args.image_id] | settings.inject
            )
        kinds = ("image.update",) if looked is None else ("image.upload", "image.activate")
        await news.happened(tx, run.tools, args.image_id, *kinds)
        await tasks.ended(tx, run.tools, args.task_id, result={"image_id": args.image_id})

    async def undo(self, run: Run[ImportImage, Images]) -> None:
        room, args = run.tools, run.args
        for store in args.stores:
            with contextlib.suppress(StoreBroken, HanokError):
                await data.store_of(room, store).abandon(args.image_id, attempt=run.operation_id)
        async with run.transaction() as tx:
            rows = (await images.locations(tx, [args.image_id]))[args.image_id]
            for row in rows:
                if row.store in args.stores:
                    await images.remove_location(tx, row, run.clock.now())
            for store in args.stores:
                await images.throw_away(tx, store, args.image_id, run.clock.now())
        await data.empty_trash(room, args.image_id)


class ForgetStaged(Step["ImportImage", Images, None], name="forget_staged"):
    """The staging folder is free again."""

    async def do(self, run: Run[ImportImage, Images]) -> None:
        with contextlib.suppress(StoreBroken):
            await asyncio.shield(forget_staged(run))


class ImportImage(Operation, frozen=True, kw_only=True, tag="image.import_image"):
    """From an image that is importing (or active, for a copy) to one with data in all of the stores.

    source: for glance-download. roles: of who asked, in small letters.
    """

    with_files = True
    steps = (DescribeData, FetchData, LookAtData, StoreData, ForgetStaged)
    pool = "transfer"
    deadline_s = 3 * TRANSFER_S

    image_id: str
    task_id: str
    method: str
    uri: str = ""
    stores: tuple[str, ...]
    all_stores_must_succeed: bool = True
    certificate: Certificate | None = None
    source: remote.Source | None = None
    roles: tuple[str, ...] = ()

    @property
    def resource(self) -> str:
        return f"image:{self.image_id}"

    @property
    def event(self) -> str:
        return "image.image.import"

    async def news(self, run: Run[Any, Images], tx: Transaction) -> dict[str, Any]:
        return {"id": self.image_id, "method": self.method, "stores": list(self.stores)}

    async def stuck(self, run: Run[Any, Images], tx: Transaction, why: str) -> None:
        await tasks.told(tx, self.task_id, why, run.clock.now())

    async def failed(self, run: Run[Any, Images], tx: Transaction, why: str) -> None:
        values: dict[str, Any] = {"import_task": None, "importing_to": ""}
        if self.method != "copy-image":
            values |= {"status": "queued", "size": None}
        if self.method != "copy-image" or self.all_stores_must_succeed:
            values["failed_import"] = ",".join(self.stores)
        await images.change_import(tx, self.image_id, self.task_id, values, run.clock.now())
        await tasks.ended(tx, run.tools, self.task_id, message=why)

    async def cancelled(self, run: Run[Any, Images], tx: Transaction) -> None:
        await self.failed(run, tx, "The image was deleted.")
