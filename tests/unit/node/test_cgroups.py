"""Control groups: where they are made, and what is written into them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hanok.commands.limits import Limits
from hanok.node import cgroups, endings
from hanok.node.cgroups import Mount, Tree

SERVER = "11111111-0000-4000-8000-00000000000a"


@pytest.mark.parametrize(
    ("version", "limits", "vcpus", "written"),
    [
        (2, Limits(), 1, {"cpu.weight": "39", "cpu.max": "max 100000"}),
        (2, Limits(cpu_shares=262144), 4, {"cpu.weight": "10000", "cpu.max": "max 100000"}),
        (
            2,
            Limits(cpu_quota_us=5000, cpu_period_us=10000),
            2,
            {"cpu.weight": "79", "cpu.max": "10000 10000"},
        ),
        (
            1,
            Limits(cpu_shares=100, cpu_quota_us=5000),
            2,
            {"cpu.shares": "100", "cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "10000"},
        ),
        (
            1,
            Limits(),
            300,
            {"cpu.shares": "262144", "cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "-1"},
        ),
    ],
)
def test_limits_as_the_kernel_has_them(
    version: int, limits: Limits, vcpus: int, written: dict[str, str]
) -> None:
    assert cgroups.cpu_values(version, limits, vcpus) == written


@pytest.mark.parametrize(
    ("mounts", "own", "found"),
    [
        ({}, {"cpu": "/"}, []),
        ({"cpu": Mount(Path("/cg/cpu"))}, {"cpu": "/a"}, [Tree(1, Path("/cg/cpu/a"))]),
        ({"": Mount(Path("/cg"))}, {"": "/"}, [Tree(2, Path("/cg"))]),
        ({"": Mount(Path("/cg"))}, {"": "/system.slice/x"}, [Tree(2, Path("/cg/system.slice"))]),
        (  # in a container that sees its own group as the first
            {"cpu": Mount(Path("/cg/cpu"), "/docker/1")},
            {"cpu": "/docker/1/b"},
            [Tree(1, Path("/cg/cpu/b"))],
        ),
        (
            {"cpu": Mount(Path("/cg/cpu")), "": Mount(Path("/cg/unified"))},
            {"cpu": "/", "": "/"},
            [Tree(1, Path("/cg/cpu")), Tree(2, Path("/cg/unified"))],
        ),
    ],
)
def test_where_groups_are_made(
    mounts: dict[str, Mount], own: dict[str, str], found: list[Tree]
) -> None:
    assert cgroups.places("cpu", mounts, own) == found


def proc(folder: Path, mountinfo: str, own: str) -> Path:
    (folder / "self").mkdir()
    (folder / "self/mountinfo").write_text(mountinfo)
    (folder / "self/cgroup").write_text(own)
    return folder


def test_memory_is_what_the_tightest_group_has(tmp_path: Path) -> None:
    mount = tmp_path / "cg"
    for name, limit, used, dropped in (
        ("", "max", 0, 0),
        ("a", "400", 300, 50),
        ("a/b", "max", 90, 5),
    ):
        folder = mount / name
        folder.mkdir(exist_ok=True)
        (folder / "memory.max").write_text(limit if limit == "max" else str(int(limit) << 20))
        (folder / "memory.current").write_text(str(used << 20))
        (folder / "memory.stat").write_text(f"anon 5\ninactive_file {dropped << 20}\n")
    line = f"30 24 0:26 / {mount} rw,nosuid - cgroup2 cgroup2 rw\n"
    here = proc(tmp_path, line, "0::/a/b\n")
    assert cgroups.memory_limit(here) == (400, 150)


def test_without_groups_nothing_bounds_memory(tmp_path: Path) -> None:
    assert cgroups.memory_limit(tmp_path) is None
    groups = cgroups.find("hanok-x", tmp_path)
    assert groups.trees == {}
    groups.admit(SERVER, 1, Limits(), vcpus=1, maximum_mib=1)
    groups.forget(SERVER)
    groups.tidy(set())
    assert not groups.ran_out_of_memory(SERVER)


@pytest.mark.parametrize(
    ("status", "bound", "said"),
    [
        ("", 0, "ended unexpectedly."),
        ("was ended by the signal SIGKILL", 0, "it was ended by the signal SIGKILL."),
        ("was ended by the signal SIGKILL", 640, "more than the 640 MiB"),
    ],
)
def test_why_a_process_ended(status: str, bound: int, said: str) -> None:
    assert said in endings.why(status, maximum_mib=bound)


@pytest.mark.parametrize(
    ("words", "said", "transient"),
    [
        (
            "qemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate memory",
            "free memory",
            True,
        ),
        (
            "qemu-system-x86_64: -device x: 'x' is not a valid device model name",
            "'x' is not a valid",
            False,
        ),
        (
            "qemu-system-x86_64: Could not open '/var/lib/h/a,b': No such file",
            "(a file of the host)",
            False,
        ),
        ("", "could not start the server.", False),
    ],
)
def test_why_qemu_did_not_start(tmp_path: Path, words: str, said: str, transient: bool) -> None:
    log = tmp_path / "qemu.log"
    log.write_text(words)
    why = endings.explained(log)
    assert said in why.message and "/var" not in why.message
    assert getattr(why, "transient", False) is transient
