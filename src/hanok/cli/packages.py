"""What a real cloud needs of the machine: Debian packages, installed without leaving their services running."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hanok.cli.output import Failure, Steps
from hanok.drivers.ovn.engines import missing_programs

PACKAGES = (
    "qemu-system-x86", "qemu-system-common", "qemu-utils", "seabios", "ovmf", "swtpm",
    "ovn-central", "ovn-host", "openvswitch-switch",
    "nats-server", "haproxy", "novnc", "iproute2", "nftables", "openssh-client",
    # for shared file systems
    "nfs-ganesha", "nfs-ganesha-vfs", "btrfs-progs", "rpcbind",
    # for building the guest image
    "e2fsprogs", "dosfstools", "mtools", "syslinux", "syslinux-common", "fdisk",
)  # fmt: skip
DISTRIBUTIONS = {
    ("debian", "12"): "Debian 12",
    ("debian", "13"): "Debian 13",
    ("ubuntu", "24.04"): "Ubuntu 24.04",
}
"""Where all of these packages have these names."""
RELEASE = Path("/etc/os-release")
PROGRAMS = (
    "qemu-system-x86_64",
    "qemu-img",
    "qemu-storage-daemon",
    "nats-server",
    "haproxy",
    "nft",
)
SERVICES = (
    "ovn-central",
    "ovn-host",
    "openvswitch-switch",
    "nats-server",
    "haproxy",
    "nfs-ganesha",
    "rpcbind",  # Ganesha's package wants it; we do not
    "postgresql",
    "slapd",
)
INSTALL_S = 1800  # a slow line; usually a minute
POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_TEXT = "#!/bin/sh\n# hanok: packages are being installed; their services are not to be started\nexit 101\n"


def missing() -> list[str]:
    """The packages that are not installed."""
    if shutil.which("dpkg-query") is None:
        return []
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n", *PACKAGES],
        capture_output=True,
        text=True,
    )
    installed = {
        line.split()[1] for line in done.stdout.splitlines() if line.startswith("installed ")
    }
    return [name for name in PACKAGES if name not in installed]


def distribution(release: Path = RELEASE) -> tuple[str, str, str]:
    """What this system is: its id, its version, and its name as people say it; empty where nothing says."""
    try:
        lines = release.read_text("utf-8", "replace").splitlines()
    except OSError:
        return "", "", "this system"
    pairs = dict(line.split("=", 1) for line in lines if "=" in line)
    said = {name: value.strip().strip("\"'") for name, value in pairs.items()}
    version = said.get("VERSION_ID", "")
    return said.get("ID", ""), version, said.get("PRETTY_NAME") or said.get("NAME") or "this system"


def ensure(steps: Steps, release: Path = RELEASE) -> None:
    """Everything is installed.

    Raises:
        Failure: something is not and cannot be.
    """
    kind, version, name = distribution(release)
    known = (kind, version) in DISTRIBUTIONS and shutil.which("apt-get") is not None
    requested = missing() if known else []
    if requested:
        steps.tell(f"installing {len(requested)} packages: {', '.join(requested)}")
        install(requested)
    lacking = missing_programs() + [name for name in PROGRAMS if shutil.which(name) is None]
    if lacking:
        raise Failure(_without(name, lacking, known=known))


def _without(name: str, lacking: Sequence[str], *, known: bool) -> str:
    """What is said where programs are missing after all that can be done."""
    what = f"these programs are missing: {', '.join(lacking)}"
    if not known:
        what += f"; hanok up installs what it needs on {_and(list(DISTRIBUTIONS.values()))}, and this is {name}: "
        what += "install QEMU, Open vSwitch, OVN, nats-server, HAProxy and nftables first, then call it again"
    return f"{what} (or use `hanok up --simulated`, which needs none)"


def _and(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def install(names: Sequence[str]) -> None:
    """Install packages by apt. Services that were not there before are neither started nor enabled.

    Raises:
        Failure: apt failed; its last words are in the text.
    """
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    command = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300"]
    command += ["install", "--no-install-recommends", *names]
    with _services_stay_off(names):
        # An interrupted installation of before is finished first; there is usually none.
        _apt(["dpkg", "--configure", "-a"], environment)
        done = _apt(command, environment)
        if done.returncode:
            _apt(["apt-get", "-q", "update"], environment)
            done = _apt(command, environment)
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()
        errors = [word for word in words if word.startswith("E:")] or words[-1:]
        if any("No space left" in word or "enough free space" in word for word in words):
            raise Failure("the disk is full: make room and run the same command again")
        if distribution()[0] == "ubuntu" and any("Unable to locate" in word for word in errors):
            raise Failure(
                f"{' '.join(errors)}; on Ubuntu most are in universe: add-apt-repository universe"
            )
        raise Failure(f"apt could not install the packages: {' '.join(errors)}")


def _apt(command: Sequence[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_S,
        )
    except subprocess.TimeoutExpired:
        raise Failure(f"{command[0]} did not end within {INSTALL_S} s") from None


@contextmanager
def _services_stay_off(names: Sequence[str]) -> Iterator[None]:
    """While packages are installed, their services do not start; afterwards they are disabled.

    Hanok runs its own copies of these programs, and the packages' would hold ports and memory.
    """
    ours = not POLICY.exists() or POLICY.read_text() == POLICY_TEXT  # ours: of an interrupted run
    if ours:
        POLICY.write_text(POLICY_TEXT)
        POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            POLICY.unlink(missing_ok=True)
        units = [name for name in SERVICES if name in names]
        if "rpcbind" in units:
            units.append("rpcbind.socket")
        if units and has_systemd():
            subprocess.run(
                ["systemctl", "-q", "disable", "--now", *units], capture_output=True, timeout=120
            )


def has_systemd() -> bool:
    """Whether systemd runs this machine (not only: is installed)."""
    return Path("/run/systemd/system").is_dir()
