"""A Debian image with cloud-init, for tests with a guest as others make it: `python -m bench.debian_guest OUT.qcow2`.

`--advanced` adds what Neutron's scenario tests look for in their "advanced image".

mmdebstrap puts the root together from Debian's packages; nothing is mounted. The disk is laid out as the small guest's
is (`hanok.cli.guest`): MBR, a FAT partition with syslinux, kernel and initramfs, an ext4 root that cloud-init grows.
Nothing of this cloud is in it: key, name, network and user data are cloud-init's to fetch.

Needs root and, beside what the small guest needs, Debian's packages mmdebstrap and syslinux. Takes two minutes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from hanok.cli import guest

PACKAGES = (
    "linux-image-cloud-amd64", "initramfs-tools", "busybox", "systemd-sysv", "udev", "dbus", "cloud-init",
    "python3-cffi-backend", "cloud-guest-utils", "openssh-server", "ifupdown", "iproute2", "isc-dhcp-client",
    "sudo", "e2fsprogs", "fdisk", "qemu-guest-agent", "netbase", "ca-certificates",
)  # fmt: skip
ADVANCED = (
    "python3", "tcpdump", "iperf3", "ncat", "netcat-openbsd", "vlan", "iputils-ping", "iputils-arping", "curl",
    "keepalived", "iptables", "conntrack", "psmisc", "procps", "bind9-dnsutils", "net-tools",
)  # fmt: skip
SUITE = "bookworm"
BOOTSTRAP_S = 1800.0  # two minutes where nothing else works
CACHE = Path("/var/cache/hanok")
ROOT_MIB, ADVANCED_ROOT_MIB = 900, 1300
COMMAND_LINE = (
    "root=LABEL=debian-root ro console=tty0 console=ttyS0,115200 mitigations=off audit=0 random.trust_cpu=on "
    "net.ifnames=0 biosdevname=0 systemd.show_status=yes"
)
LEFT_OUT = ("doc", "man", "info", "locale", "lintian", "bug")

SETTINGS: dict[str, str] = {
    "etc/fstab": "LABEL=debian-root / ext4 defaults 0 1\n",
    # Only this cloud's address is asked: other sources each cost seconds of an emulated guest.
    "etc/cloud/cloud.cfg.d/90_sources.cfg": (
        "datasource_list: [ConfigDrive, OpenStack, None]\nlocale: false\n"
    ),
    "etc/initramfs-tools/conf.d/small": "MODULES=list\nCOMPRESS=gzip\n",
    "etc/initramfs-tools/modules": "virtio_pci\nvirtio_blk\nvirtio_scsi\nsd_mod\n",
}


def cached() -> Path:
    """The image, built unless this recipe's is there."""
    digest = hashlib.sha256(Path(__file__).read_bytes() + Path(guest.__file__).read_bytes())
    path = CACHE / f"debian-{digest.hexdigest()[:12]}.qcow2"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        build(path)
    return path


def build(out: Path, progress: Callable[[str], None] = print, *, advanced: bool = False) -> Path:
    """Build the image and put it at `out`, whole or not at all.

    Raises:
        BuildFailed: a tool is missing, or failed.
    """
    with tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=".debian-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        progress("putting the root together")
        _root(folder, PACKAGES + ADVANCED if advanced else PACKAGES)
        progress("writing the disk")
        disk = _disk(folder, ADVANCED_ROOT_MIB if advanced else ROOT_MIB)
        progress("compressing")
        compressed = ("-c", "-o", "compression_type=zstd")
        convert = ("qemu-img", "convert", "-f", "raw", "-O", "qcow2", *compressed)
        guest.run(*convert, disk, folder / "done", cwd=folder)
        (folder / "done").replace(out)
    progress(f"built {out.name}, {out.stat().st_size / 1e6:.1f} MB")
    return out


def _root(folder: Path, packages: Sequence[str]) -> None:
    settings = folder / "settings"
    for path, text in SETTINGS.items():
        (settings / path).parent.mkdir(parents=True, exist_ok=True)
        (settings / path).write_text(text)
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in LEFT_OUT]
    guest.run(
        # Its mounts and processes end with it, however it ends.
        *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
        "mmdebstrap",
        "--variant=minbase",
        "--mode=root",
        f"--include={','.join(packages)}",
        *excluded,
        f"--essential-hook=copy-in {settings}/etc /",
        '--customize-hook=rm -f "$1"/etc/ssh/ssh_host_* "$1"/etc/hostname "$1"/etc/resolv.conf',
        '--customize-hook=truncate -s 0 "$1"/etc/machine-id',
        SUITE,
        folder / "root",
        cwd=folder,
        timeout_s=BOOTSTRAP_S,
    )


def _disk(folder: Path, root_mib: int) -> Path:
    boot = folder / "root/boot"
    shutil.copyfile(next(boot.glob("vmlinuz-*")), folder / "vmlinuz")
    shutil.copyfile(next(boot.glob("initrd.img-*")), folder / "initrd.img")
    return guest.write_disk(folder, COMMAND_LINE, "debian-root", boot_mib=64, root_mib=root_mib)


if __name__ == "__main__":
    os.umask(0o022)
    build(Path(sys.argv[1]), advanced="--advanced" in sys.argv[2:])
