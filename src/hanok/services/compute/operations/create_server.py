"""From the row that the request wrote (BUILD) to a running guest (ACTIVE)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from hanok.base.errors import HanokError, StepFailed, Unavailable
from hanok.commands import (
    Devices,
    DiskFile,
    Done,
    EnsureImage,
    EnsureInstance,
    ImageState,
    InstanceState,
    RemoveInstance,
    RescueDisk,
)
from hanok.operations import Operation, Run, Step
from hanok.rooms import NotHeardYet
from hanok.services.compute.logic import (
    disks,
    explaining,
    hardware,
    hosts,
    limits,
    metadata,
    notifications,
    scheduling,
    server_groups,
    server_volumes,
    servers,
    topologies,
    weighing,
)
from hanok.services.compute.logic.explaining import Verdict
from hanok.services.compute.logic.weighing import Candidate
from hanok.services.compute.room import Compute
from hanok.services.image import facade as images
from hanok.services.network import facade as networks
from hanok.services.network.facade import NICPlan, ServerPort
from hanok.services.placement import facade as placement
from hanok.store import Transaction

COPY_S = 600.0  # an image of tens of GiB on a slow disk
START_S = 120.0  # QEMU under TCG on a busy host answers in seconds; this is for a host that swaps
APPLY_S = 30.0


async def building(run: Run[Any, Compute]) -> Any:
    """The server's row.

    Raises:
        StepFailed: it is gone.
    """
    row = await run.read(servers.get_any, run.args.server_id)
    if row is None:
        raise StepFailed("The server was deleted while it was being built.")
    return row


class AskPlacement(Step["CreateServer", Compute, list[Candidate]], name="ask_placement"):
    """Ask placement which hosts can take it, and filter them (steps 5 and 6 of the course)."""

    result_type: ClassVar[Any] = list[Candidate]

    async def do(self, run: Run[CreateServer, Compute]) -> list[Candidate]:
        row = await building(run)
        async with run.reading() as tx:
            settings, now = run.tools.settings, run.clock.now()
            request = await scheduling.request_of(tx, row, settings)
            enough = scheduling.ENOUGH
            found = await scheduling.candidates(tx, request, settings, now, maximum=enough)
            if found:
                return found
            if await hosts.unsure(tx, run.tools):
                raise NotHeardYet
            verdict = await scheduling.verdict(tx, request, settings, now)
        await refused(run, verdict)
        raise StepFailed(f"No valid host was found. {verdict.text}")


async def refused(run: Run[Any, Compute], verdict: Verdict) -> None:
    """Keep why no host takes the server."""
    async with run.transaction() as tx:
        record = explaining.refused(verdict)
        await explaining.note(tx, run.args.server_id, run.operation_id, record, run.clock.now())


class WeighHosts(Step["CreateServer", Compute, list[Candidate]], name="weigh_hosts"):
    """Weigh what is left: the host with the most free memory first (steps 7 and 8)."""

    result_type: ClassVar[Any] = list[Candidate]

    async def do(self, run: Run[CreateServer, Compute]) -> list[Candidate]:
        found: list[Candidate] = run.result(AskPlacement) or []
        return weighing.weighed(found, run.tools.settings)


class ClaimHost(Step["CreateServer", Compute, None], name="claim_host"):
    """Take the host's resources for the server: the first of the weighed that still has them (step 9)."""

    async def do(self, run: Run[CreateServer, Compute]) -> None:
        return None

    async def save(self, run: Run[CreateServer, Compute], tx: Transaction, result: None) -> None:
        row = await servers.get_any(tx, run.args.server_id)
        if row is None:
            raise StepFailed("The server was deleted while it was being built.")
        if "group" in row.scheduler_hints:
            await server_groups.hold(tx, row.id)
        settings, now = run.tools.settings, run.clock.now()
        request = await scheduling.request_of(tx, row, settings)
        if await self._claim_first(run, tx, row, request, run.result(WeighHosts) or []):
            return
        # Others weighed the same hosts at the same moment: look once more at what is free now.
        found = weighing.weighed(
            await scheduling.candidates(tx, request, settings, now, maximum=None), settings
        )
        if not found:
            verdict = await scheduling.verdict(tx, request, settings, now)
            raise StepFailed(f"No valid host was found. {verdict.text}")
        if not await self._claim_first(run, tx, row, request, found):
            raise StepFailed("No valid host was found. Others were faster at every host.")

    @staticmethod
    async def _claim_first(
        run: Run[CreateServer, Compute],
        tx: Transaction,
        row: Any,
        request: scheduling.Request,
        found: list[Candidate],
    ) -> bool:
        """Whether one of these hosts took the server."""
        settings, now = run.tools.settings, run.clock.now()
        lost: list[str] = []
        for one in found:
            lost.append(one.host)
            try:
                await placement.claim(
                    tx,
                    consumer_id=row.id,
                    resources=one.resources
                    or {one.provider_id: request.groups[""].resources},  # as was written before
                    project_id=row.project_id,
                    user_id=row.user_id,
                    now=now,
                )
            except placement.Full:
                continue
            # Whoever changes what a host is for waits for the claim, or the claim for them.
            host = await scheduling.take(
                tx, row, request, one.provider_id, one.resources, settings, now
            )
            if host is not None:
                await servers.claimed(tx, row.id, host.name, host.zone, now)
                record = explaining.placed(host.name, found, lost[:-1])
                await explaining.note(tx, row.id, run.operation_id, record, now)
                return True
            await placement.release(tx, row.id, now)
        return False

    async def unsave(self, run: Run[CreateServer, Compute], tx: Transaction) -> None:
        await placement.release(tx, run.args.server_id, run.clock.now())
        await servers.unclaimed(tx, run.args.server_id, run.clock.now())


async def ensure_image(run: Run[Any, Compute], row: Any, image_id: str = "") -> None:
    """The server's image, or another one, is in its host's cache, and so is what it is started with.

    Raises:
        StepFailed: the image is not to be had any more, or its bytes are not what they were.
    """
    for one in (image_id or row.image_id, row.kernel_id, row.ramdisk_id):
        if one:
            await image_at(run, one, row.host)


async def image_at(run: Run[Any, Compute], image_id: str, host: str) -> None:
    """An image is in a host's cache. Raises as `ensure_image`."""
    async with run.reading() as tx:
        image = await images.get(tx, image_id)
    if image is None or image.status != "active":
        raise StepFailed("The image was deleted or deactivated while the server was being built.")
    await images.bring(run.tools.images, image_id)
    command = EnsureImage(
        image_id=image_id,
        disk_format=image.disk_format or "raw",
        size_bytes=image.size_bytes or 0,
        hash_algorithm=image.hash_algorithm or "",
        hash_value=image.hash_value or "",
        source=run.tools.tickets.to_read(image_id, host, image.size_bytes or 0),
        request_id=run.request_id,
    )
    await run.ask(host, command, ImageState, timeout_s=COPY_S)


async def signature_holds(run: Run[Any, Compute], image_id: str) -> None:
    """The image's data is what its signer signed, where that is still to be looked at.

    Raises:
        Waiting: all of it is being read. StepFailed: it is not.
    """
    if run.args.signer is not None:
        await run.children(images.CheckSignature(image_id=image_id, certificate=run.args.signer))


class FetchImage(Step["CreateServer", Compute, None], name="fetch_image"):
    """Bring the image into the host's cache; a second server of it copies nothing (steps 10 and 11)."""

    deadline_s = (
        3 * COPY_S
    )  # two tries of a host that copies slowly, and what comes from a far store before

    async def do(self, run: Run[CreateServer, Compute]) -> None:
        row = await building(run)
        await signature_holds(run, row.image_id)
        await ensure_image(run, row)

    async def save(self, run: Run[CreateServer, Compute], tx: Transaction, result: None) -> None:
        await servers.set_task(tx, run.args.server_id, "networking", run.clock.now())


class BindPorts(Step["CreateServer", Compute, None], name="bind_ports"):
    """Make and bind the ports with their addresses, and wait until the network engine knows them."""

    async def do(self, run: Run[CreateServer, Compute]) -> None:
        row = await building(run)
        plans = msgspec.convert(row.nics, list[NICPlan])
        if not plans:
            return
        network = run.tools.network
        async with run.transaction() as tx:
            if await servers.get_any(tx, row.id) is None:
                raise StepFailed("The server was deleted while it was being built.")
            try:
                await networks.bind(
                    tx,
                    network,
                    plans,
                    server_id=row.id,
                    project_id=row.project_id,
                    user_id=row.user_id,
                    host=row.host,
                    hostname=row.hostname,
                    zone=row.availability_zone or "",
                    security_groups=row.security_groups,
                )
            except Unavailable:
                raise
            except HanokError as error:
                raise StepFailed(
                    f"The server's ports could not be made: {error.message}", detail=error.detail
                ) from error
        await networks.applied(network, row.id, timeout_s=APPLY_S)

    async def save(self, run: Run[CreateServer, Compute], tx: Transaction, result: None) -> None:
        await servers.set_task(tx, run.args.server_id, "spawning", run.clock.now())

    async def unsave(self, run: Run[CreateServer, Compute], tx: Transaction) -> None:
        row = await servers.get_even_deleted(tx, run.args.server_id)
        if row is not None:
            plans = msgspec.convert(row.nics, list[NICPlan])
            await networks.release_plans(tx, run.tools.network, row.id, plans)


def drive_of(
    row: Any,
    ports: Sequence[ServerPort],
    admin_pass: str | None,
    volumes: Sequence[Any],
    domain: str,
) -> tuple[DiskFile, ...]:
    """The files of a server's config drive; none where it has none. domain: that host names are in."""
    if not row.config_drive:
        return ()
    files = metadata.drive_files(row, ports, admin_pass, volumes, domain)
    return tuple(DiskFile(path=path, content=content) for path, content in sorted(files.items()))


async def instance_command(
    run: Run[Any, Compute], row: Any, generation: int, admin_pass: str | None
) -> EnsureInstance:
    async with run.reading() as tx:
        return await command_of(run.tools, tx, row, generation, admin_pass, run.request_id)


async def command_of(
    room: Compute,
    tx: Transaction,
    row: Any,
    generation: int,
    admin_pass: str | None = None,
    request_id: str = "",
) -> EnsureInstance:
    """What a server's host is told of it: the row as it is."""
    nics = await networks.nics(tx, row.id)
    ports = (await networks.ports_of(tx, [row.id])).get(row.id, [])
    exact = scheduling.is_placed_exactly(row)
    placed = await topologies.of_server(tx, row) if exact else topologies.Placed()
    volumes = await server_volumes.of_server(tx, row.id)
    return EnsureInstance(
        server_id=row.id,
        generation=generation,
        name=row.name,
        hostname=row.hostname,
        project_id=row.project_id,
        user_id=row.user_id,
        vcpus=row.vcpus,
        memory_mib=row.memory_mib,
        disk_gib=row.disk_gib,
        disks=disks.of(row, room.settings.default_ephemeral_format),
        scsi_model=disks.scsi_model(row),
        kernel=disks.kernel(row),
        image_id=row.image_id,
        image_format=row.image_format,
        nics=nics,
        config_drive=drive_of(row, ports, admin_pass, volumes, room.settings.dhcp_domain),
        volumes=server_volumes.guest_volumes(volumes),
        disk_generation=row.disk_generation,
        topology=placed.topology,
        host_devices=placed.devices,
        rescue=None if row.rescue is None else msgspec.convert(row.rescue, RescueDisk),
        limits=limits.of(row.flavor.get("extra_specs") or {}),
        devices=_devices(row),
        request_id=request_id,
    )


def _devices(row: Any) -> Devices:
    """What the guest is made of; while it is rescued, as the image asks that it is rescued with."""
    properties = (row.rescue or {}).get("properties", row.image_properties)
    return hardware.requirements(row.flavor.get("extra_specs") or {}, properties, row.vcpus).devices


def _password(run: Run[CreateServer, Compute]) -> str | None:
    """What the guest's administrator is to have; None where the guest is not told.

    Raises:
        Unavailable: it was sealed with a key that this process does not know, or not yet.
    """
    if not run.args.admin_pass:
        return None
    password = run.tools.secrets.open(run.args.admin_pass)
    if password is None:
        raise Unavailable("The server's password cannot be opened: its key is not known here.")
    return password.decode()


class StartGuest(Step["CreateServer", Compute, None], name="start_guest"):
    """Start the guest on the claimed host; it is named by the server's id (step 12)."""

    deadline_s = 3 * COPY_S  # the image may have to come once more

    async def do(self, run: Run[CreateServer, Compute]) -> None:
        row = await building(run)
        # Much may have happened since it was fetched: the host restarted, its cache was emptied.
        await ensure_image(run, row)
        command = await instance_command(run, row, run.args.generation, _password(run))
        try:
            await run.ask(row.host, command, InstanceState, timeout_s=START_S)
        except StepFailed:
            async with run.transaction() as tx:
                await hosts.built(tx, row.host, well=False)
            raise

    async def save(self, run: Run[CreateServer, Compute], tx: Transaction, result: None) -> None:
        await servers.launched(tx, run.args.server_id, run.clock.now())
        if (row := await servers.get_any(tx, run.args.server_id)) is not None and row.host:
            await hosts.built(tx, row.host, well=True)

    async def undo(self, run: Run[CreateServer, Compute]) -> None:
        row = await run.read(servers.get_even_deleted, run.args.server_id)
        if row is not None and row.host:
            # A later generation than the start's: a start that comes late finds the door shut.
            command = RemoveInstance(
                server_id=row.id, generation=run.args.generation + 1, request_id=run.request_id
            )
            await run.ask_or_owe(row.host, command, Done, timeout_s=START_S)

    async def unsave(self, run: Run[CreateServer, Compute], tx: Transaction) -> None:
        await servers.raise_generation(tx, run.args.server_id, run.args.generation + 1)


async def note_failure(run: Run[Any, Compute], tx: Transaction, why: str) -> None:
    """Keep why a server got no host, where that is not kept yet."""
    server_id, operation_id = run.args.server_id, run.operation_id
    if why.startswith("No valid host") and not await explaining.is_noted(
        tx, server_id, operation_id
    ):
        verdict = Verdict(why.removeprefix("No valid host was found. ").removesuffix("."))
        await explaining.note(
            tx, server_id, operation_id, explaining.refused(verdict), run.clock.now()
        )


class CreateServer(Operation, frozen=True, kw_only=True, tag="compute.create_server"):
    """Build a server whose row was written.

    admin_pass: sealed; only where the server has a config drive. signer: the certificate that the image's data is still
    to be held against, where the server trusts no other.
    """

    server_id: str
    generation: int = 1
    admin_pass: str = ""
    signer: images.Certificate | None = None
    steps: ClassVar[tuple[type[Step[Any, Any, Any]], ...]] = (
        AskPlacement,
        WeighHosts,
        ClaimHost,
        FetchImage,
        BindPorts,
        StartGuest,
    )

    @property
    def resource(self) -> str:
        return f"server:{self.server_id}"

    @property
    def event(self) -> str:
        return "compute.instance.create"

    async def news(self, run: Run[Any, Compute], tx: Transaction) -> dict[str, Any]:
        return await notifications.news(tx, run.tools.network, self.server_id)

    async def stuck(self, run: Run[Any, Compute], tx: Transaction, why: str) -> None:
        await servers.stuck(tx, self.server_id, why, run.clock.now())

    async def failed(self, run: Run[Any, Compute], tx: Transaction, why: str) -> None:
        await note_failure(run, tx, why)
        await servers.failed(tx, self.server_id, why, "", run.clock.now())
