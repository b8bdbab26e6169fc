"""Control groups: what holds a guest's process to its share of processors and memory.

One group a guest, below the group that the node itself is in (version 1), or beside it (version 2, where a group with
processes of its own cannot have others below it). So whatever holds the node down holds its guests, too. Version 1
has a tree for each controller, version 2 one for all; a machine with both has each controller in one of them.

Source: the kernel's documentation, "Control Group v2" and "Control Groups version 1" (cpu, memory).
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hanok.base.ids import is_uuid
from hanok.commands.limits import Limits

log = logging.getLogger(__name__)

PROC = Path("/proc")
MIB = 1 << 20
PERIOD_US = 100_000  # the kernel's own
SHARES = 1024  # of a processor, where nothing else is said
KILLS, KILL_S = 100, 0.02  # looks whether what was killed has ended, and the time between
NO_LIMIT = 1 << 60  # bytes; version 1 says a little less than 2**63 where there is none


@dataclass(frozen=True)
class Tree:
    """Where groups with a controller are made. version: 1 or 2."""

    version: int
    folder: Path


@dataclass
class Groups:
    """The groups of one node's guests. trees: by controller, "cpu" and "memory", as far as there are any."""

    name: str
    trees: Mapping[str, Tree] = field(default_factory=dict)

    def admit(
        self, server_id: str, pid: int, limits: Limits, *, vcpus: int, maximum_mib: int
    ) -> None:
        """A guest's process is in its groups, whose limits are these. What there is no controller for is passed over.

        Raises:
            OSError: the kernel does not take it.
        """
        for controller, tree in self.trees.items():
            _let_through(tree, self.name, controller)
            folder = self._folder(tree, server_id)
            folder.mkdir(exist_ok=True)
            values = cpu_values(tree.version, limits, vcpus) if controller == "cpu" else {}
            if controller == "memory":
                values = memory_values(tree.version, maximum_mib)
            for name, value in values.items():
                (folder / name).write_text(value)
            (folder / "cgroup.procs").write_text(str(pid))

    def ran_out_of_memory(self, server_id: str) -> bool:
        """Whether the kernel has ended a process of the guest for want of memory."""
        tree = self.trees.get("memory")
        if tree is None:
            return False
        name = "memory.events" if tree.version == 2 else "memory.oom_control"
        with contextlib.suppress(OSError):
            words = (self._folder(tree, server_id) / name).read_text()
            return re.search(r"^oom_kill [1-9]", words, re.M) is not None
        return False

    def kill(self, server_id: str) -> None:
        """What is in the guest's groups ends, whatever it calls itself: what it has started cannot leave them."""
        for _ in range(KILLS):
            if not (pids := self._pids(server_id)):
                return
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(KILL_S)
        log.warning("what is in the control group of %s does not end", server_id)

    def _pids(self, server_id: str) -> set[int]:
        found: set[int] = set()
        for tree in self.trees.values():
            with contextlib.suppress(OSError):
                text = (self._folder(tree, server_id) / "cgroup.procs").read_text()
                found |= set(map(int, text.split()))
        return found

    def forget(self, server_id: str) -> None:
        """The guest has no groups. Its process is gone."""
        for tree in self.trees.values():
            with contextlib.suppress(OSError):  # it never had one; or the kernel is not done yet
                self._folder(tree, server_id).rmdir()
            with contextlib.suppress(OSError):  # others have theirs
                (tree.folder / self.name).rmdir()

    def tidy(self, kept: set[str]) -> None:
        """Groups of guests that are not here any more are gone."""
        for tree in self.trees.values():
            with contextlib.suppress(OSError):
                for folder in (tree.folder / self.name).iterdir():
                    if is_uuid(folder.name) and folder.name not in kept:
                        self.forget(folder.name)

    def _folder(self, tree: Tree, server_id: str) -> Path:
        return tree.folder / self.name / server_id


def cpu_values(version: int, limits: Limits, vcpus: int) -> dict[str, str]:
    """What is written where for a guest's processors: their weight, and how long they run."""
    shares = limits.cpu_shares or SHARES * vcpus
    period = limits.cpu_period_us or PERIOD_US
    quota = limits.cpu_quota_us * vcpus
    if version == 2:
        return {
            "cpu.weight": str(weight(shares)),
            "cpu.max": f"{quota or 'max'} {period}",
        }
    return {
        "cpu.shares": str(min(max(shares, 2), 262_144)),
        "cpu.cfs_period_us": str(period),
        "cpu.cfs_quota_us": str(quota or -1),
    }


def weight(shares: int) -> int:
    """Version 1's shares (2 to 262144) as version 2's weight (1 to 10000)."""
    bounded = min(max(shares, 2), 262_144)
    return 1 + (bounded - 2) * 9999 // 262_142


def memory_values(version: int, maximum_mib: int) -> dict[str, str]:
    name = "memory.max" if version == 2 else "memory.limit_in_bytes"
    return {name: str(maximum_mib * MIB)}


# ---- what this machine has ----


def name_of(run_dir: str) -> str:
    """What the group is called that a node's guests are in: the same after a restart, another for another cloud."""
    return f"hanok-{hashlib.sha256(run_dir.encode()).hexdigest()[:12]}"


def find(name: str, proc: Path = PROC) -> Groups:
    """The controllers in which groups called `name` can be made; each was tried."""
    found: dict[str, Tree] = {}
    for controller in ("cpu", "memory"):
        for tree in places(controller, _mounts(proc), _own(proc)):
            if _can_be_made(tree, controller, name):
                found[controller] = tree
                break
    return Groups(name, found)


def clear(name: str, proc: Path = PROC) -> None:
    """No groups called `name` are left that are empty of processes, whatever group the node was in."""
    for mount in {one.where for one in _mounts(proc).values()}:
        # Groups of others come and go meanwhile, which a walk passes over.
        for folder in [Path(at) / name for at, inside, _ in os.walk(mount) if name in inside]:
            for one in (*(inner for inner in folder.iterdir() if inner.is_dir()), folder):
                with contextlib.suppress(OSError):
                    one.rmdir()


def places(controller: str, mounts: Mapping[str, Mount], own: Mapping[str, str]) -> list[Tree]:
    """Where groups with a controller may be made.

    Args:
        mounts: of version 1 by controller, and of version 2 under "". own: the paths of this process's group, likewise.
    """
    found = []
    if controller in mounts and controller in own:
        found.append(Tree(1, mounts[controller].folder(own[controller])))
    if "" in mounts and "" in own:
        mine = mounts[""].folder(own[""])
        found.append(Tree(2, mine if mine == mounts[""].where else mine.parent))
    return found


@dataclass(frozen=True)
class Mount:
    """A tree as it is mounted. root: the group that is seen there, which in a container is not the first."""

    where: Path
    root: str = "/"

    def folder(self, path: str) -> Path:
        """Where a group is, by its path in the whole tree."""
        inside = path == self.root or path.startswith(f"{self.root.rstrip('/')}/")
        return self.where / (path[len(self.root) :] if inside else path).lstrip("/")


def _mounts(proc: Path) -> dict[str, Mount]:
    """Mounted trees: of version 1 by controller, of version 2 under ""."""
    found: dict[str, Mount] = {}
    with contextlib.suppress(OSError):
        for line in (proc / "self/mountinfo").read_text().splitlines():
            before, _, after = line.partition(" - ")
            kind, _, options = after.split(" ", 2)
            root, where = before.split(" ")[3:5]
            mount = Mount(Path(where), root)
            if kind == "cgroup2":
                found[""] = mount
            elif kind == "cgroup":
                found |= dict.fromkeys(options.split(","), mount)
    return found


def _own(proc: Path) -> dict[str, str]:
    """The path of this process's group by controller; of version 2 under ""."""
    found: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in (proc / "self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            found |= dict.fromkeys(controllers.split(","), path)
    return found


def _can_be_made(tree: Tree, controller: str, name: str) -> bool:
    """Try it: with version 2, a controller has to be let through by each group on the way."""
    trial = tree.folder / name / "trial"
    try:
        _let_through(tree, name, controller)
        trial.mkdir(exist_ok=True)
        values = (
            memory_values(tree.version, 1)
            if controller == "memory"
            else cpu_values(tree.version, Limits(), 1)
        )
        for file, value in values.items():
            (trial / file).write_text(value)
    except OSError as error:
        log.info("guests get no control group for %s: %s", controller, error)
        return False
    finally:
        for folder in (trial, trial.parent):
            with contextlib.suppress(OSError):
                folder.rmdir()
    return True


def _let_through(tree: Tree, name: str, controller: str) -> None:
    """The group of all guests is there; with version 2, it and the one above hand the controller on."""
    base = tree.folder / name
    base.mkdir(exist_ok=True)
    if tree.version == 2:
        for folder in (tree.folder, base):
            (folder / "cgroup.subtree_control").write_text(f"+{controller}")


def memory_limit(proc: Path = PROC) -> tuple[int, int] | None:
    """What this process's group may have of memory, and how much of that is free, in MiB; None where nothing bounds it.

    Pages that the kernel can drop count as free.
    """
    mounts, own = _mounts(proc), _own(proc)
    if "memory" in mounts and "memory" in own:
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        return _tightest(mounts["memory"], own["memory"], names)
    if "" in mounts and "" in own:
        return _tightest(mounts[""], own[""], ("memory.max", "memory.current", "inactive_file"))
    return None


def _tightest(mount: Mount, path: str, names: tuple[str, str, str]) -> tuple[int, int] | None:
    found = []
    folder = mount.folder(path)
    while True:
        with contextlib.suppress(OSError, ValueError):
            limit, used = (
                int((folder / name).read_text()) for name in names[:2]
            )  # "max" is no number
            stat = (folder / "memory.stat").read_text()
            free = limit - used + _counted(stat, names[2])
            if limit < NO_LIMIT:
                found.append((limit // MIB, max(free, 0) // MIB))
        if folder == mount.where or mount.where not in folder.parents:
            break
        folder = folder.parent
    if not found:
        return None
    return min(limit for limit, _ in found), min(free for _, free in found)


def _counted(stat: str, name: str) -> int:
    """A figure of a group's statistics; 0 where it is not told."""
    found = (line.partition(" ") for line in stat.splitlines())
    return next((int(figure) for word, _, figure in found if word == name), 0)
