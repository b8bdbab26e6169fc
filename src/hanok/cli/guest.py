"""A small guest image, built from Debian packages: what `hanok up` offers so that there is something to boot.

Nothing is mounted and nothing is installed: packages are fetched by `apt-get download` and unpacked into a build
folder, from which the disk is put together. Disk: MBR, partition 1 FAT with syslinux, kernel and a small
initramfs, partition 2 ext4, which fills the disk at each start. User `cirros`, password `gocubsgo`, as people who
know CirrOS expect. The scripts that run inside are in `guest_files/`.

Needs on the building machine: apt, dpkg, e2fsprogs, dosfstools, mtools, syslinux, fdisk and qemu-utils.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from hanok.base.errors import HanokError

FILES = Path(__file__).parent / "guest_files"
SECTOR = 512
BOOT_START = 2048  # sectors; 1 MiB, where everybody starts the first partition
BOOT_MIB = 20
ROOT_MIB = 64
TIME = "1767225600"  # 2026-01-01: times inside the file systems, so that a second build is the same
RUN_S = 300.0  # a slow mirror; everything else takes seconds
PASSWORD = (  # "gocubsgo"
    "$6$hanokguest$Rj2FOy4FBdUAbS0InMxFmC0XAV8IyvPni3lwuhZ964x8TW/0Am4fHNzcCLIbe6p6xTqI4bMHCfmqDnQlx4Jc2."
)
KERNEL_PACKAGE = "linux-image-cloud-amd64"

REQUESTED: dict[str, tuple[str, ...]] = {
    "busybox-static": ("bin/busybox",),
    "dropbear-bin": ("usr/sbin/dropbear", "usr/bin/dropbearkey"),
    "libtomcrypt1": ("*.so.*",),
    "libtommath1": ("*.so.*",),
    "libgmp10": ("*/libgmp.so.*",),
    "libcrypt1": ("*.so.*",),
    "zlib1g": ("*.so.*",),
    "libc6": tuple(
        f"*/{name}" for name in ("ld-linux-x86-64.so.2", "libc.so.6", "libm.so.6", "libresolv.so.2")
    ),
    "sudo": ("usr/bin/sudo", "usr/lib*/sudo/sudoers.so", "usr/lib*/sudo/libsudo_util.so*"),
    "libaudit1": ("*.so.*",),
    "libcap-ng0": ("*.so.*",),
    "libpam0g": ("*/libpam.so.*",),
    "libpam-modules": ("*/security/pam_permit.so",),
    "libselinux1": ("*.so.*",),
    "libpcre2-8-0": ("*.so.*",),
    "e2fsprogs": (
        *(f"*sbin/{name}" for name in ("resize2fs", "mke2fs", "mkfs.ext?")),
        "etc/mke2fs.conf",
    ),
    "libext2fs2": ("*/libext2fs.so.*", "*/libe2p.so.*"),
    "libcom-err2": ("*.so.*",),
    "qemu-guest-agent": ("usr/sbin/qemu-ga",),
    "passwd": ("usr/sbin/chpasswd",),
    "util-linux": ("bin/lsblk", "sbin/blkid", "sbin/mkfs"),
    "dosfstools": ("sbin/mkfs.fat", "sbin/mkfs.vfat"),
    "libuuid1": ("*.so.*",),
    "libblkid1": ("*.so.*",),
    "libmount1": ("*.so.*",),
    "libsmartcols1": ("*.so.*",),
    "libglib2.0-0": ("*/libglib-2.0.so.*", "*/libgmodule-2.0.so.*"),
    "liburing2": ("*/liburing.so.*",),
    "libudev1": ("*.so.*",),
    "libnuma1": ("*/libnuma.so.*",),
    "curl": ("usr/bin/curl",),
    **dict.fromkeys(
        # What curl is linked to.
        "libcurl4 libnghttp2-14 libidn2-0 librtmp1 libssh2-1 libpsl5 libssl3 libgssapi-krb5-2 libldap-2.5-0 "
        "libzstd1 libbrotli1 libunistring2 libgnutls30 libhogweed6 libnettle8 libkrb5-3 libk5crypto3 libkrb5support0 "
        "libsasl2-2 libp11-kit0 libtasn1-6 libkeyutils1 libffi8".split(),
        ("*.so.*",),
    ),
}
EARLY_MODULES = ("virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod")
LATER_MODULES = (
    "virtio_net", "virtio_scsi", "virtio_rng", "virtio_balloon", "virtio_console", "virtio_mem",
    "sd_mod", "sr_mod", "isofs", "vfat", "nls_cp437", "nls_ascii", "nls_iso8859-1", "button", "evdev",
    "8021q", "pci_hotplug", "acpiphp",
)  # fmt: skip
COMMAND_LINE = (
    "root=LABEL=hanok-root ro console=tty0 console=ttyS0,115200 loglevel=7 mitigations=off audit=0 "
    "random.trust_cpu=on panic=10 tsc=reliable no_timer_check nmi_watchdog=0 net.ifnames=0"
)

INITTAB = (
    "::sysinit:/etc/hanok/boot.sh\n"
    "::once:/etc/hanok/later.sh\n"
    "ttyS0::respawn:/sbin/getty -L 115200 ttyS0 vt100\n"
    "tty1::respawn:/sbin/getty 38400 tty1\n"
    "::ctrlaltdel:/sbin/reboot\n"
    "::shutdown:/bin/umount -a -r\n"
)

TEXTS: dict[str, str] = {
    "etc/passwd": (
        "root:x:0:0:root:/root:/bin/sh\n"
        "cirros:x:1000:1000:cirros:/home/cirros:/bin/sh\n"
        "nobody:x:65534:65534:nobody:/:/bin/false\n"
    ),
    "etc/group": "root:x:0:\ntty:x:5:\nsudo:x:27:cirros\ncirros:x:1000:\nnogroup:x:65534:\n",
    "etc/shadow": f"root:*:20454::::::\ncirros:{PASSWORD}:20454::::::\nnobody:*:20454::::::\n",
    "etc/hostname": "cirros\n",
    "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 cirros\n",
    "etc/issue": "\nSign in as 'cirros' with the password 'gocubsgo'; 'sudo' makes you root.\n\n",
    "etc/profile": "export PATH=/usr/sbin:/usr/bin:/sbin:/bin\n"
    "[ \"$(id -u)\" = 0 ] && PS1='# ' || PS1='$ '\n",
    "etc/shells": "/bin/sh\n",
    "etc/inittab": INITTAB,
    "etc/os-release": 'NAME="Hanok guest"\nID=hanok-guest\nPRETTY_NAME="Hanok guest (Debian 12 parts)"\n',
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
    "etc/pam.d/sudo": "auth required pam_permit.so\naccount required pam_permit.so\n"
    "session required pam_permit.so\n",
    "etc/sudoers": "Defaults !fqdn\nroot ALL=(ALL:ALL) ALL\ncirros ALL=(ALL:ALL) NOPASSWD: ALL\n",
    "etc/ld.so.conf": "/lib/x86_64-linux-gnu\n/usr/lib/x86_64-linux-gnu\n",
    "etc/acpi/PWRF/00000080": "#!/bin/sh\nexec poweroff\n",
}
MODES = {
    "etc/shadow": 0o600,
    "etc/sudoers": 0o440,
    "etc/acpi/PWRF/00000080": 0o755,
    "usr/bin/sudo": 0o4755,
    "root": 0o700,
    "tmp": 0o1777,
    "home/cirros": 0o755,
}
SCRIPTS = {
    "boot.sh": "etc/hanok/boot.sh",
    "identity.sh": "etc/hanok/identity.sh",
    "later.sh": "etc/hanok/later.sh",
    "udhcpc.sh": "etc/udhcpc.sh",
    "chpasswd.sh": "usr/local/sbin/chpasswd",
}
FOLDERS = (
    "bin", "sbin", "usr/bin", "usr/sbin", "dev", "proc", "sys", "run", "tmp", "root", "mnt", "var/lib",
    "var/log", "etc", "home/cirros",
)  # fmt: skip


class BuildFailed(HanokError):
    """The image could not be built; the message says what is missing."""


def build(out: Path, progress: Callable[[str], None] = lambda _: None) -> Path:
    """Build the image and put it at `out`, whole or not at all. Under a minute with a near mirror.

    Raises:
        BuildFailed: a tool or a package is missing, or a tool failed.
    """
    out = out.absolute()
    for tool in (
        "apt-get",
        "dpkg",
        "mke2fs",
        "mkfs.vfat",
        "mcopy",
        "syslinux",
        "sfdisk",
        "qemu-img",
    ):
        if shutil.which(tool, path=_PATH) is None:
            raise BuildFailed(
                f"building the guest image needs the program {tool}, which is not here"
            )
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".guest-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        progress("fetching packages")
        _fetch(folder / "packages")
        progress("putting the root together")
        version = _root(folder)
        progress("writing the disk")
        disk = _disk(folder, version)
        progress("compressing")
        run(
            "qemu-img",
            "convert",
            "-f",
            "raw",
            "-O",
            "qcow2",
            "-c",
            disk,
            folder / "done",
            cwd=folder,
        )
        (folder / "done").chmod(0o644)
        (folder / "done").replace(out)
    progress(f"built {out.name}, {out.stat().st_size / 1e6:.1f} MB")
    return out


_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def run(*argv: str | Path, cwd: Path, timeout_s: float = RUN_S) -> str:
    """What a tool wrote.

    Raises:
        BuildFailed: it failed, or took too long.
    """
    environment = {
        "PATH": _PATH,
        "LC_ALL": "C",
        "SOURCE_DATE_EPOCH": TIME,
        "E2FSPROGS_FAKE_TIME": TIME,
        "MTOOLS_SKIP_CHECK": "1",
        "TZ": "UTC",
    }
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        if name in os.environ:
            environment[name] = os.environ[name]
    try:
        done = subprocess.run(
            [str(word) for word in argv],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=True,
        )
    except subprocess.TimeoutExpired:
        raise BuildFailed(f"{argv[0]} did not end within {timeout_s:g} s") from None
    except subprocess.CalledProcessError as error:
        text = reason(error.stderr or error.stdout or "")
        raise BuildFailed(f"{argv[0]} failed: {text}", detail=" ".join(map(str, argv))) from None
    return done.stdout


def reason(printed: str) -> str:
    """The line of what a tool printed that says why it failed: apt's first error, or the last line."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    errors = [line.removeprefix("E: ") for line in lines if line.startswith("E: ")]
    return (errors or lines[-1:] or ["it gave no reason"])[0][:400]


def _fetch(folder: Path) -> None:
    """Download the packages and unpack each into a folder of its own."""
    folder.mkdir()
    try:
        kernel = _download(folder)
    except BuildFailed:
        if os.geteuid() != 0:
            raise
        # A machine that was made from an image often has no lists of packages, or old ones.
        run("apt-get", "-q", "update", cwd=folder)
        kernel = _download(folder)
    for deb in sorted(folder.glob("*.deb")):
        package = deb.name.partition("_")[0]
        to = folder / ("kernel" if package == kernel else package)
        run("dpkg", "-x", deb, to, cwd=folder)
        deb.unlink()


def _download(folder: Path) -> str:
    """Fetch the packages; returns the name of the kernel's."""
    depends = run("apt-cache", "depends", "--important", KERNEL_PACKAGE, cwd=folder)
    kernel = re.search(r"Depends: (linux-image-\S+)", depends)
    if kernel is None:
        raise BuildFailed(
            f"apt does not know the package {KERNEL_PACKAGE}: apt-get update may help"
        )
    # apt warns that its own user may not write here; as that it would not matter.
    names = [kernel[1], *REQUESTED]
    run("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *names, cwd=folder)
    return kernel[1]


def _root(folder: Path) -> str:
    """Fill `root/` and write `initrd.img`; returns the kernel's version."""
    packages, root = folder / "packages", folder / "root"
    for name in FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    for package, patterns in REQUESTED.items():
        for pattern in patterns:
            found = list(_matching(packages / package, pattern))
            if not found:
                raise BuildFailed(f"the package {package} has no {pattern}")
            for source in found:
                target = root / source.relative_to(packages / package)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target, follow_symlinks=False)
    (root / "var/run").symlink_to("/run")
    _busybox(root)
    for name, text in TEXTS.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name, target_name in SCRIPTS.items():
        (root / target_name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(FILES / name, root / target_name)
        (root / target_name).chmod(0o755)
    for name, mode in MODES.items():
        (root / name).chmod(mode)
    modules = next((packages / "kernel/lib/modules").iterdir())
    _modules(modules, root / "lib/modules" / modules.name)
    (folder / "initrd.img").write_bytes(_initramfs(root, modules))
    return modules.name


def _matching(folder: Path, pattern: str) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if not path.is_dir() and path.relative_to(folder).match(pattern):
            yield path


def _busybox(root: Path) -> None:
    """A link for each applet, but where a package brought the real program."""
    listed = run(root / "bin/busybox", "--list-full", cwd=root).split()
    for name in listed:
        link = root / name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(link):
            link.symlink_to("/bin/busybox")
    # Without the set-user-id bit, login and su could not change the user.
    (root / "bin/busybox").chmod(0o4755)


def _depends(module: Path) -> list[str]:
    """What a kernel module says it needs (in its .modinfo section)."""
    found = re.search(rb"\0depends=([^\0]*)\0", module.read_bytes())
    return [name for name in (found[1].decode().split(",") if found else []) if name]


def _closure(folder: Path, names: tuple[str, ...]) -> dict[str, Path]:
    """Modules by name with all they need, the needed ones first. What is built in or absent is left out."""
    known = {path.stem.replace("-", "_"): path for path in folder.rglob("*.ko")}
    ordered: dict[str, Path] = {}

    def add(name: str) -> None:
        path = known.get(name.replace("-", "_"))
        if path is None or path.stem in ordered:
            return
        for needed in _depends(path):
            add(needed)
        ordered[path.stem] = path

    for name in names:
        add(name)
    return ordered


def _modules(source: Path, target: Path) -> None:
    """Copy the modules the guest may want later, with the list of dependencies that modprobe reads."""
    chosen = _closure(source, EARLY_MODULES + LATER_MODULES)
    lines = []
    for path in chosen.values():
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
        names = _closure(source, (path.stem,))
        needs = [
            str(p.relative_to(source)) for name, p in reversed(names.items()) if name != path.stem
        ]
        lines.append(f"{path.relative_to(source)}: {' '.join(needs)}".rstrip())
    (target / "modules.dep").write_text("\n".join(lines) + "\n")


def _initramfs(root: Path, modules: Path) -> bytes:
    """A cpio archive ("newc") with busybox, the disk drivers and early.sh."""
    archive = bytearray()
    for name in ("bin", "dev", "proc", "sys", "root", "modules"):
        archive += _cpio(name, 0o040755, b"")
    archive += _cpio("bin/busybox", 0o100755, (root / "bin/busybox").read_bytes())
    for applet in (
        "sh", "mount", "cat", "insmod", "findfs", "usleep", "echo", "printf", "dd", "blockdev", "mkdir",
        "switch_root",
    ):  # fmt: skip
        archive += _cpio(f"bin/{applet}", 0o120777, b"busybox")
    early = _closure(modules, EARLY_MODULES)
    for name, path in early.items():
        archive += _cpio(f"modules/{name}.ko", 0o100644, path.read_bytes())
    archive += _cpio("modules/order", 0o100644, "\n".join(early).encode())
    archive += _cpio("init", 0o100755, (FILES / "early.sh").read_bytes())
    archive += _cpio("TRAILER!!!", 0, b"")
    return gzip.compress(bytes(archive), 9, mtime=0)


def _cpio(name: str, mode: int, content: bytes) -> bytes:
    path = name.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
    head = b"070701" + b"".join(b"%08X" % value for value in fields) + path
    return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)


def _disk(folder: Path, version: str) -> Path:
    """Write disk.raw: MBR, FAT with kernel, ext4 root."""
    shutil.copyfile(folder / "packages/kernel/boot" / f"vmlinuz-{version}", folder / "vmlinuz")
    own = "chown -R 0:0 root && chown -R 1000:1000 root/home/cirros && chmod 4755 root/usr/bin/sudo root/bin/busybox"
    return write_disk(folder, COMMAND_LINE, "hanok-root", owners=own)


def write_disk(
    folder: Path,
    command_line: str,
    label: str,
    *,
    boot_mib: int = BOOT_MIB,
    root_mib: int = ROOT_MIB,
    owners: str = "true",
) -> Path:
    """Write disk.raw of `vmlinuz`, `initrd.img` and the folder `root`: MBR, FAT with syslinux, ext4.

    owners: a command of the shell that says whose the files are, before they are written.
    """
    boot, part, disk = folder / "boot.img", folder / "part.img", folder / "disk.raw"
    (folder / "syslinux.cfg").write_text(
        f"DEFAULT linux\nPROMPT 0\nTIMEOUT 0\nLABEL linux\n  LINUX vmlinuz\n  INITRD initrd.img\n"
        f"  APPEND {command_line}\n"
    )
    boot.write_bytes(b"")
    os.truncate(boot, boot_mib << 20)
    # -h: syslinux reads from the file system where the partition starts.
    run("mkfs.vfat", "--invariant", "-n", "BOOT", "-h", str(BOOT_START), boot, cwd=folder)
    run("mcopy", "-i", boot, "vmlinuz", "initrd.img", "syslinux.cfg", "::", cwd=folder)
    run("syslinux", "--install", boot, cwd=folder)

    uuid = "6b0a5d2e-58c6-4f7e-9d4a-3f1d0c2b9a10"
    mke2fs = (
        f"{owners} && mke2fs -q -t ext4 -L {label} -U {uuid} -E hash_seed={uuid},lazy_itable_init=0 "
        f"-m 0 -d root part.img {root_mib}M"
    )
    shell = ("sh", "-c", mke2fs)
    run(*(shell if os.geteuid() == 0 else ("fakeroot", *shell)), cwd=folder)

    start = BOOT_START + (boot_mib << 20) // SECTOR
    with disk.open("wb") as file:
        file.truncate((start * SECTOR) + (root_mib << 20) + (1 << 20))
        file.write(_mbr(start, root_mib))
        for place, source in ((BOOT_START, boot), (start, part)):
            file.seek(place * SECTOR)
            with source.open("rb") as bytes_:
                _copy_sparse(bytes_, file)
    return disk


def _copy_sparse(source: BinaryIO, target: BinaryIO) -> None:
    """Copy, and pass over what is only zeros: the target has zeros there."""
    while block := source.read(1 << 20):
        if block.count(0) == len(block):
            target.seek(len(block), os.SEEK_CUR)
        else:
            target.write(block)


def _mbr(root_start: int, root_mib: int) -> bytes:
    """The first sector: syslinux's loader and the two partitions."""
    loader = next(
        (
            p
            for p in map(Path, ("/usr/lib/syslinux/mbr/mbr.bin", "/usr/share/syslinux/mbr.bin"))
            if p.exists()
        ),
        None,
    )
    if loader is None:
        raise BuildFailed("building the guest image needs syslinux's mbr.bin, which is not here")
    chs = b"\xfe\xff\xff"  # "beyond what cylinders can say": the sector numbers count
    boot = struct.pack("<B3sB3sII", 0x80, chs, 0x0C, chs, BOOT_START, root_start - BOOT_START)
    root = struct.pack("<B3sB3sII", 0, chs, 0x83, chs, root_start, (root_mib << 20) // SECTOR)
    return (
        loader.read_bytes()[:440].ljust(440, b"\0")
        + b"HANO\0\0"
        + boot
        + root
        + bytes(32)
        + b"\x55\xaa"
    )
