"""What the operator of a simulated cloud says that its hosts have: `simulated.toml` in the state directory.

[every]                                   # all hosts
without = ["COMPUTE_SECURITY_TPM_2_0"]

numa_cells = 2
dedicated_cpus = 8
huge_pages = {2048 = 512}
pci = {"8086:1563" = 2}
latency_s = 2.0
boot_s = 5.0
copy_s = 2.0
move_s = 30.0
[every.backends.files]
gib = 100
[every.backends.slow]
gib = 1000
over_subscription = 1.0
[every.share_backends.folder]
gib = 100

[hosts.simulated-2]                       # one of them, besides
vcpus = 64
traits = ["HW_CPU_X86_AVX512F", "CUSTOM_GOLD"]
without = ["watchdog"]
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from hanok.node.simulated import Shape
from hanok.node.simulated_shares import SimulatedShareBackend
from hanok.node.simulated_volumes import SimulatedBackend

FILE = "simulated.toml"
SIZES = (
    "vcpus",
    "memory_mib",
    "disk_gib",
    "numa_cells",
    "threads",
    "dedicated_cpus",
    "huge_pages",
    "pci",
    "ratios",
    "backends",
    "latency_s",
    "boot_s",
    "copy_s",
    "move_s",
    "share_backends",
)
Whole = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Cells = Annotated[int, Meta(ge=1, le=64)]
Devices = Annotated[int, Meta(ge=0, le=256)]
BackendName = Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
Seconds = Annotated[float, Meta(ge=0, le=3600)]
Latency = Annotated[float, Meta(ge=0, le=5)]  # what asks hosts waits longer than that
Ratio = Annotated[float, Meta(gt=0)]


class Told(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of a host.

    numa_cells, threads, dedicated_cpus, huge_pages, pci, ratios, backends, latency_s, boot_s, copy_s, move_s,
    share_backends: as of a `Shape`.
    traits: that it has besides. offers: what no trait stands for, besides ("machine:pc-q35-9.0").
    without: traits and offers that it does not have.
    """

    vcpus: int | None = None
    memory_mib: int | None = None
    disk_gib: int | None = None
    numa_cells: Cells | None = None
    threads: Positive | None = None
    dedicated_cpus: Whole | None = None
    huge_pages: dict[Annotated[str, Meta(pattern="^[1-9][0-9]{0,9}$")], Whole] | None = None
    pci: dict[Annotated[str, Meta(pattern="^[0-9a-f]{4}:[0-9a-f]{4}$")], Devices] | None = None
    ratios: dict[Literal["VCPU", "MEMORY_MB", "DISK_GB"], Ratio] | None = None
    backends: dict[BackendName, SimulatedBackend] | None = None
    latency_s: Latency | None = None
    boot_s: Seconds | None = None
    copy_s: Seconds | None = None
    move_s: Seconds | None = None
    share_backends: dict[BackendName, SimulatedShareBackend] | None = None
    traits: tuple[str, ...] = ()
    offers: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def of(self, shape: Shape) -> Shape:
        """A shape with what is told of it."""
        sizes = {name: value for name in SIZES if (value := getattr(self, name)) is not None}
        return msgspec.structs.replace(
            shape,
            **sizes,
            traits=self._left(shape.traits, self.traits),
            offers=self._left(shape.offers, self.offers),
        )

    def _left(self, usual: Iterable[str], more: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted({*usual, *more} - set(self.without)))


class Shapes(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    every: Told = Told()
    hosts: dict[str, Told] = {}


def read(folder: Path, names: Iterable[str]) -> dict[str, Shape]:
    """The shapes of these hosts; the usual one where no file says otherwise.

    Raises:
        msgspec.MsgspecError: the file cannot be read.
    """
    try:
        told = msgspec.toml.decode((folder / FILE).read_bytes(), type=Shapes)
    except FileNotFoundError:
        return {}
    usual = told.every.of(Shape())
    return {name: told.hosts[name].of(usual) if name in told.hosts else usual for name in names}
