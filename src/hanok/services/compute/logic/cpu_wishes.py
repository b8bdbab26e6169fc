"""What flavor and image ask of CPUs, NUMA nodes and memory pages: the same words, checked together, as one wish.

Pure: nothing is read. The flavor decides; an image says what the flavor leaves open, and is refused where it would take
more than that.

Source: "CPU topologies", "Huge pages" and "Flavor extra specs" in the compute guides of OpenStack; their error texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from hanok.base.errors import BadInput

DEDICATED, MIXED, SHARED = "dedicated", "mixed", "shared"
POLICIES = (DEDICATED, MIXED, SHARED)
THREADS = ("prefer", "isolate", "require")
AFFINITIES = ("required", "preferred", "legacy")
SMALL_KIB = 4
MAXIMUM_CPUS = 1024  # of one server; each is looked at

_SPECS = re.compile(
    r"hw:(cpu_policy|cpu_thread_policy|cpu_dedicated_mask|numa_nodes|numa_cpus\.\d{1,3}|numa_mem\.\d{1,3}"
    r"|mem_page_size|emulator_threads_policy|pci_numa_affinity_policy)"
)
_PROPERTIES = re.compile(
    r"hw_(cpu_policy|cpu_thread_policy|numa_nodes|numa_cpus\.\d{1,3}|numa_mem\.\d{1,3}|mem_page_size"
    r"|pci_numa_affinity_policy)"
)
_OF_NODE = re.compile(r"hw[:_]numa_(?:cpus|mem)\.(\d+)")
_PAGE = re.compile(r"(\d{1,12})\s*(k|kb|kib|m|mb|mib|g|gb|gib)?", re.IGNORECASE)
_FACTOR = {"k": 1, "m": 1024, "g": 1024 * 1024}


def is_spec(name: str) -> bool:
    """Whether an extra spec is one of those that act here."""
    return _SPECS.fullmatch(name) is not None


def is_property(name: str) -> bool:
    """Whether an image's property is one of those that act here."""
    return _PROPERTIES.fullmatch(name) is not None


class Node(Struct, frozen=True):
    """A NUMA node of a guest: its CPUs, which of them have a CPU of the host of their own, and its memory."""

    cpus: tuple[int, ...]
    pinned: tuple[int, ...]
    memory_mib: int


class Wish(Struct, frozen=True, kw_only=True):
    """What a host must have for a guest.

    page: "small", "large", "any", a size in KiB, or "" where nothing was said.
    threads: "" where nothing was said. own_emulator: one more CPU for the emulator alone; shared_emulator: the emulator
        keeps to the host's shared CPUs.
    affinity: how near PCI devices must be.
    """

    nodes: tuple[Node, ...]
    policy: str = SHARED
    threads: str = ""
    page: str | int = ""
    own_emulator: bool = False
    shared_emulator: bool = False
    affinity: str = "legacy"

    @property
    def dedicated(self) -> int:
        """How many CPUs of the host it has for itself."""
        return sum(len(node.pinned) for node in self.nodes) + self.own_emulator

    @property
    def shared(self) -> int:
        return sum(len(node.cpus) - len(node.pinned) for node in self.nodes)


def wish(
    vcpus: int, memory_mib: int, specs: Mapping[str, Any], properties: Mapping[str, Any]
) -> Wish | None:
    """The wish of a flavor (vcpus, memory_mib, specs) with an image (properties); None: any CPUs and memory do.

    Raises:
        BadInput: they do not fit together.
    """
    mine = {name: str(value).strip() for name, value in specs.items() if is_spec(name)}
    image = {name: str(value).strip() for name, value in properties.items() if is_property(name)}
    if not mine and not image:
        return None
    if vcpus > MAXIMUM_CPUS:
        raise BadInput(
            f"A server whose flavor or image says where its CPUs or its memory are can have {MAXIMUM_CPUS} vCPUs."
        )
    policy = _policy(mine.get("hw:cpu_policy"), image.get("hw_cpu_policy"))
    threads = _threads(mine.get("hw:cpu_thread_policy"), image.get("hw_cpu_thread_policy"), policy)
    pinned = _pinned(mine.get("hw:cpu_dedicated_mask"), policy, vcpus)
    emulator = _emulator(mine.get("hw:emulator_threads_policy"), policy)
    page = _page(mine.get("hw:mem_page_size"), image.get("hw_mem_page_size"))
    affinity = _affinity(mine, image)
    nodes = _nodes(vcpus, memory_mib, mine, image)
    if not nodes:
        if policy == SHARED and page == "":
            return None
        nodes = [(tuple(range(vcpus)), memory_mib)]
    return Wish(
        nodes=tuple(
            Node(cpus, tuple(cpu for cpu in cpus if cpu in pinned), memory)
            for cpus, memory in nodes
        ),
        policy=policy,
        threads=threads,
        page=page,
        own_emulator=emulator == "isolate",
        shared_emulator=emulator == "share",
        affinity=affinity,
    )


def _one_of(value: str | None, known: tuple[str, ...], what: str) -> str | None:
    if value is not None and value not in known:
        raise BadInput(f"Invalid {what} '{value[:100]}'; must be one of: {', '.join(known)}.")
    return value


def _policy(flavor: str | None, image: str | None) -> str:
    flavor = _one_of(flavor, POLICIES, "CPU allocation policy of the flavor")
    image = _one_of(image, POLICIES, "CPU allocation policy of the image")
    too_much = {MIXED: (DEDICATED,), SHARED: (DEDICATED, MIXED)}
    if image in too_much.get(flavor or "", ()):
        raise BadInput(
            "Image property 'hw_cpu_policy' is not permitted to override CPU pinning policy set "
            "against the flavor"
        )
    return flavor or image or SHARED


def _threads(flavor: str | None, image: str | None, policy: str) -> str:
    flavor = _one_of(flavor, THREADS, "CPU thread allocation policy of the flavor")
    image = _one_of(image, THREADS, "CPU thread allocation policy of the image")
    if flavor not in (None, "prefer") and image not in (None, flavor):
        raise BadInput(
            "Image property 'hw_cpu_thread_policy' is not permitted to override CPU thread pinning "
            "policy set against the flavor"
        )
    found = (image or flavor) if flavor in (None, "prefer") else flavor
    if found and policy == SHARED:
        raise BadInput("Cannot set cpu thread pinning policy in a non dedicated cpu pinning policy")
    return found or ""


def _pinned(mask: str | None, policy: str, vcpus: int) -> frozenset[int]:
    every = frozenset(range(vcpus))
    if policy != MIXED:
        if mask is not None:
            raise BadInput("Cannot specify 'hw:cpu_dedicated_mask' without the 'mixed' policy.")
        return every if policy == DEDICATED else frozenset()
    if mask is None:
        raise BadInput("Must specify 'hw:cpu_dedicated_mask' when using 'mixed' CPU policy.")
    found = cpu_set(f"0-{vcpus - 1},{mask}" if mask.startswith("^") else mask)
    if not found < every or not found:
        raise BadInput(
            "Mixed instance must have at least 1 pinned vCPU and 1 unpinned vCPU. See "
            "'hw:cpu_dedicated_mask'."
        )
    return found


def cpu_set(text: str) -> frozenset[int]:
    """CPUs as they are written: "0-3,^1,8".

    Raises:
        BadInput
    """
    added, taken = set[int](), set[int]()
    for part in text.split(","):
        match = re.fullmatch(r"(\^)?\s*(\d{1,4})(?:-(\d{1,4}))?", part.strip())
        if match is None or (match[3] and int(match[3]) < int(match[2])):
            raise BadInput(f"Invalid set of CPUs '{text[:100]}'; it reads like 0-3,^1,8.")
        cpus = range(int(match[2]), int(match[3] or match[2]) + 1)
        (taken if match[1] else added).update(cpus)
    return frozenset(added - taken)


def _emulator(value: str | None, policy: str) -> str | None:
    found = _one_of(value, ("share", "isolate"), "emulator threads policy")
    if found == "isolate" and policy == SHARED:
        raise BadInput(
            "An isolated CPU emulator threads option requires a dedicated CPU policy option."
        )
    return found


def _page(flavor: str | None, image: str | None) -> str | int:
    if flavor is None and image is None:
        return ""
    if flavor is None or (image is not None and _size(flavor) not in ("any", "large")):
        raise BadInput(f"Page size {str(image)[:100]} forbidden against '{flavor or '<empty>'}'")
    return _size(flavor if image is None else image)


def _size(text: str) -> str | int:
    """A page size: a word, or KiB."""
    if text.lower() in ("small", "large", "any"):
        return text.lower()
    match = _PAGE.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise BadInput(f"Invalid memory page size '{text[:100]}'")
    return int(match[1]) * _FACTOR[(match[2] or "k")[0].lower()]


def _affinity(specs: Mapping[str, str], properties: Mapping[str, str]) -> str:
    flavor = _one_of(
        specs.get("hw:pci_numa_affinity_policy"), AFFINITIES, "PCI NUMA affinity policy"
    )
    image = _one_of(
        properties.get("hw_pci_numa_affinity_policy"), AFFINITIES, "PCI NUMA affinity policy"
    )
    if flavor and image and flavor != image:
        raise BadInput(
            "Image property 'hw_pci_numa_affinity_policy' is not permitted to override the policy set against "
            "the flavor"
        )
    return flavor or image or "legacy"


# ---- nodes ----

_FORBIDDEN = (
    "Image property '{name}' is not permitted to override NUMA configuration set against the flavor"
)


def _nodes(
    vcpus: int, memory_mib: int, specs: Mapping[str, str], properties: Mapping[str, str]
) -> list[tuple[tuple[int, ...], int]]:
    """CPUs and memory of each node; empty where no nodes are asked for."""
    count = _count(_either("numa_nodes", specs, properties))
    _check_named(count, (*specs, *properties))
    if not count:
        return []
    if count > vcpus:
        raise BadInput(_ASYMMETRIC)
    cpus = [_either(f"numa_cpus.{number}", specs, properties) for number in range(count)]
    memory = [_either(f"numa_mem.{number}", specs, properties) for number in range(count)]
    given = [one is not None for one in (*cpus, *memory)]
    if not any(given):
        return _evenly(vcpus, memory_mib, count)
    if not all(given):
        raise BadInput("CPU and memory allocation must be provided for all NUMA nodes")
    sets = [cpu_set(str(one)) for one in cpus]
    _check_cpus(sets, vcpus)
    sizes = [_memory(str(one)) for one in memory]
    if sum(sizes) != memory_mib:
        raise BadInput(f"{sum(sizes)} MB of memory assigned, but expected {memory_mib} MB")
    return [(tuple(sorted(one)), size) for one, size in zip(sets, sizes, strict=True)]


def _count(text: str | None) -> int:
    """How many nodes there are; 0 where nothing was said."""
    if text is None:
        return 0
    if not re.fullmatch(r"[1-9]\d{0,3}", text):
        raise BadInput(
            f"The property 'numa_nodes' cannot be '{text[:100]}'. It must be a number greater than 0"
        )
    return int(text)


def _check_named(count: int, names: Iterable[str]) -> None:
    """Raises BadInput when CPUs or memory are given to a node that there is not."""
    for name in names:
        match = _OF_NODE.fullmatch(name)
        if match is not None and int(match[1]) >= count:
            raise BadInput(
                f"'{name}' is of a NUMA node that there is not: 'numa_nodes' is {count}."
            )


def _either(name: str, specs: Mapping[str, str], properties: Mapping[str, str]) -> str | None:
    flavor, image = specs.get(f"hw:{name}"), properties.get(f"hw_{name}")
    if flavor is not None and image is not None:
        raise BadInput(_FORBIDDEN.format(name=f"hw_{name.partition('.')[0]}"))
    return image if flavor is None else flavor


_ASYMMETRIC = (
    "Instance CPUs and/or memory cannot be evenly distributed across instance NUMA nodes. Explicit assignment of "
    "CPUs and memory to nodes is required"
)


def _evenly(vcpus: int, memory_mib: int, count: int) -> list[tuple[tuple[int, ...], int]]:
    if vcpus % count or memory_mib % count:
        raise BadInput(_ASYMMETRIC)
    each = vcpus // count
    return [
        (tuple(range(number * each, (number + 1) * each)), memory_mib // count)
        for number in range(count)
    ]


def _check_cpus(sets: list[frozenset[int]], vcpus: int) -> None:
    seen = set[int]()
    for one in sets:
        for cpu in sorted(one):
            if cpu >= vcpus:
                raise BadInput(f"CPU number {cpu} is larger than max {vcpus - 1}")
            if cpu in seen:
                raise BadInput(f"CPU number {cpu} is assigned to two nodes")
            seen.add(cpu)
    if missing := sorted(set(range(vcpus)) - seen):
        raise BadInput(f"CPU number {', '.join(map(str, missing))} is not assigned to any node")


def _memory(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,9}", text):
        raise BadInput(f"The memory of a NUMA node cannot be '{text[:100]}' MB.")
    return int(text)
