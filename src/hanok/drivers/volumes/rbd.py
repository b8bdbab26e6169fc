"""Layers as images of a pool of Ceph.

A layer is an image whose bytes are a qcow2, as a file's would be: chains, snapshots, moves and what is right after a
crash are the same everywhere (docs/decisions/0054). QEMU opens images by its own driver; `rbd` and `ceph` make and
remove them. What is read of the cluster's state is a few seconds old: a cluster that hangs holds up nobody else.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from msgspec.structs import replace

from hanok.drivers import luks, qcow2
from hanok.drivers.image_format import HEAD_BYTES, Found, Inspector
from hanok.drivers.volumes.backend import RESERVE, SEALED, BackendFailed, Space, is_plain
from hanok.drivers.volumes.layer import Layer, RBDImage

_LAYER = re.compile(r"(l[0-9a-f]{24})\.(qcow2|raw)")
ASK_S = 60.0
COPY_S = 4 * 3600.0
STATE_S = 5.0  # how old what is known of the cluster may be before it is looked at again
CLUSTER = 64 << 10
NOT_THERE = 2  # ENOENT, as `rbd` ends with
FEATURES = "layering,exclusive-lock,object-map,fast-diff"
MAXIMUM_LOOKED_AT = 64  # images that are no layers; of more only the size of the image is told
_KEY = re.compile(r"\s*key\s*=\s*(\S+)\s*$")
_KEYRING = re.compile(r"^\s*keyring\s*=\s*(.+?)\s*$", re.M)


def _key_of(user: str, keyring: str) -> str | None:
    """The key of a user in the text of a keyring."""
    section = ""
    for line in keyring.splitlines():
        if line.startswith("["):
            section = line.strip()
        elif section == f"[client.{user}]" and (found := _KEY.match(line)):
            return found[1]
    return None


@dataclass(frozen=True)
class Cluster:
    """A user's access to a pool.

    conf: of the operator. own: where a copy of it is for whom QEMU runs as (owner), with the user's key beside it.
    """

    pool: str
    user: str
    conf: Path
    own: Path
    owner: tuple[int, int] | None = None

    def write_own(self) -> None:
        """A copy of the operator's settings that the process which opens images can read, and nobody else.

        Raises:
            BackendFailed: they, or the user's key, are not there.
        """
        try:
            text = self.conf.read_text()
            key = self._key(text)
        except OSError as error:
            raise BackendFailed(f"{error.filename} cannot be read: {error.strerror}") from error
        keyring = self.own.with_suffix(".keyring")
        bare = "\n".join(line for line in text.splitlines() if not _KEYRING.match(line))
        section = f"\n[client.{self.user}]\nkeyring = {keyring}\nadmin_socket =\nlog_file =\n"
        self.own.parent.mkdir(parents=True, exist_ok=True)
        self.own.parent.chmod(0o711)
        self._put(keyring, f"[client.{self.user}]\n\tkey = {key}\n")
        self._put(self.own, bare + section)

    def _key(self, conf: str) -> str:
        named = _KEYRING.search(conf)
        places = [Path(f"/etc/ceph/ceph.client.{self.user}.keyring")]
        if named:
            pattern = named[1].replace("$cluster", "ceph").replace("$name", f"client.{self.user}")
            places.insert(0, Path(pattern))
        place = next((one for one in places if one.exists()), places[0])
        key = _key_of(self.user, place.read_text())
        if key is None:
            raise BackendFailed(f"{place} has no key of client.{self.user}")
        return key

    def _put(self, path: Path, text: str) -> None:
        path.unlink(missing_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(fd, "w") as file:
            if self.owner is not None:
                os.fchown(fd, *self.owner)
            file.write(text)


@dataclass
class _State:
    read_at: float = -1e9
    trouble: str = ""
    space: Space = Space(0, 0)  # noqa: RUF009 - it is not changed


class RBDBackend:
    """A pool. name: of the back end, in the cloud."""

    driver = "rbd"
    bare = "qcow2"  # what librbd has not written yet is in the daemon's memory, whatever the format

    def __init__(self, name: str, cluster: Cluster) -> None:
        self.name, self._cluster = name, cluster
        self._state = _State()
        self._looking = threading.Lock()

    # ---- the cluster

    def trouble(self) -> str:
        self._look()
        return self._state.trouble

    def space(self) -> Space:
        self._look()
        return self._state.space

    def _look(self) -> None:
        """What is known is new enough, or soon will be. The first look is waited for."""
        if time.monotonic() - self._state.read_at < STATE_S or not self._looking.acquire(
            blocking=False
        ):
            return
        if self._state.read_at > 0:
            threading.Thread(
                target=self._refresh, name=f"back end {self.name}", daemon=True
            ).start()
        else:
            self._refresh()

    def _refresh(self) -> None:
        try:
            self._state = self._read_state()
        finally:
            self._looking.release()

    def _read_state(self) -> _State:
        now = time.monotonic()
        if lacking := missing():
            return _State(now, lacking)
        try:
            if not self._cluster.own.exists():
                self._cluster.write_own()
            found = json.loads(self._ask("ceph", "--connect-timeout", "5", "-f", "json", "df"))
        except BackendFailed as error:
            return _State(time.monotonic(), error.message)
        for pool in found.get("pools", []):
            if pool["name"] == self._cluster.pool:
                free = int(pool["stats"]["max_avail"])
                space = Space(int(pool["stats"]["bytes_used"]) + free, free)
                return _State(time.monotonic(), "", space)
        return _State(time.monotonic(), f"the cluster has no pool {self._cluster.pool}")

    def _argv(self, *argv: str) -> list[str]:
        return [argv[0], "--conf", str(self._cluster.own), "--id", self._cluster.user, *argv[1:]]

    def _ask(self, *argv: str) -> bytes:
        """What a program of Ceph's says.

        Raises:
            BackendFailed
        """
        code, said, words = self._run(*argv)
        if code:
            raise _failed(argv[0], words)
        return said

    def _run(
        self,
        *argv: str,
        given: IO[bytes] | None = None,
        timeout_s: float = ASK_S,
    ) -> tuple[int, bytes, str]:
        """How it ended, what it said, and what it complained of. given: a file that it reads."""
        try:
            done = subprocess.run(
                self._argv(*argv),
                stdin=given or subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout_s,
                cwd="/",
                check=False,
            )
        except subprocess.TimeoutExpired:
            return 1, b"", "the cluster does not answer"
        except OSError as error:
            return 1, b"", f"{argv[0]} could not be started: {error.strerror}"
        return done.returncode, done.stdout, done.stderr.decode(errors="replace")

    def _image(self, name: str) -> str:
        return f"{self._cluster.pool}/{name}"

    # ---- layers

    def located(self, layer: Layer) -> Layer:
        pool, user, conf = self._cluster.pool, self._cluster.user, str(self._cluster.own)
        name = f"{layer.id}.{layer.format}"
        return replace(layer, rbd=RBDImage(pool=pool, image=name, user=user, conf=conf))

    def _name(self, layer: Layer) -> str:
        return f"{layer.id}.{layer.format}" if layer.rbd is None else layer.rbd.image

    def make(self, layer: Layer, secret: str) -> None:
        self.check_space(0)
        with tempfile.TemporaryFile() as file:
            qcow2.write_empty(file, layer.size_bytes, luks.header(secret) if secret else b"")
            self._import(layer, file)

    def _import(self, layer: Layer, file: IO[bytes]) -> None:
        """An image with these bytes, and with room for what they may become: growing costs a round trip each time."""
        file.seek(0)
        image = self._image(self._name(layer))
        how = ("import", "--no-progress", "--image-feature", FEATURES)
        code, _, words = self._run("rbd", *how, "-", image, given=file, timeout_s=COPY_S)
        if code:
            raise _failed("rbd", words)
        room = layer.size_bytes + layer.size_bytes // 1024 + (8 << 20)
        self._ask("rbd", "resize", "--no-progress", "--size", f"{room}B", image)

    def make_with(self, layer: Layer, content: str) -> None:
        self.check_space(os.stat(content).st_blocks * 512)
        with open(content, "rb") as file:
            self._import(layer, file)

    def take_out(self, layer: Layer, target: Path) -> None:
        image = self._image(self._name(layer))
        how = ("export", "--no-progress", image, str(target))
        code, _, words = self._run("rbd", *how, timeout_s=COPY_S)
        if code:
            raise _failed("rbd", words)
        os.truncate(target, _end_of_data(target))  # an image has room for more

    def used(self, layer: Layer) -> int:
        code, said, _ = self._run("rbd", "du", "--format", "json", self._image(self._name(layer)))
        images = json.loads(said)["images"] if not code else []
        return sum(int(one["used_size"]) for one in images)

    def remove(self, layer: Layer) -> None:
        image = self._image(self._name(layer))
        code, _, words = self._run("rbd", "rm", "--no-progress", image)
        if code not in (0, NOT_THERE):  # one that died may count as its user for half a minute
            raise _failed("rbd", words)

    def layers(self) -> Iterator[Layer]:
        for name in self._names():
            if found := _LAYER.fullmatch(name):
                yield self.located(Layer(id=found[1], format=found[2], path="", backend=self.name))

    def _names(self) -> list[str]:
        return sorted(json.loads(self._ask("rbd", "ls", "--format", "json", self._cluster.pool)))

    # ---- what is not ours

    def others(self) -> Iterator[tuple[str, int]]:
        names = [name for name in self._names() if not _LAYER.fullmatch(name)]
        for name in names[:MAXIMUM_LOOKED_AT]:
            with contextlib.suppress(BackendFailed):
                yield name, self._found(name).virtual_size_bytes

    def _found(self, name: str) -> Found:
        """What an image is, by how it begins."""
        info = json.loads(self._ask("rbd", "info", "--format", "json", self._image(name)))
        inspector = Inspector()
        inspector.feed(self._head(name))
        inspector.size_bytes = int(info["size"])
        return inspector.finish()

    def _head(self, name: str) -> bytes:
        argv = self._argv("rbd", "export", "--no-progress", self._image(name), "-")
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/")
        assert process.stdout is not None
        with process, process.stdout:
            found = process.stdout.read(HEAD_BYTES)
            process.kill()
        return found

    def leave(self, layer: Layer, name: str) -> None:
        if name in self._names():
            raise BackendFailed(f"The back end {self.name} has an image {name} already.")
        self._ask("rbd", "rename", self._image(self._name(layer)), self._image(name))

    def plain(self, layer: Layer) -> bool:
        return is_plain(self._found(self._name(layer)))

    def take(self, name: str, layer_id: str, *, encrypted: bool) -> Layer:
        if _LAYER.fullmatch(name) or name not in self._names():
            raise BackendFailed(f"The back end has no volume {name}.")
        found = self._found(name)
        problems = [one for one in found.problems if not (encrypted and one in SEALED)]
        if found.format not in ("qcow2", "raw", "iso") or problems:
            why = "; ".join(problems) or f"it is {found.format}"
            raise BackendFailed(f"The image {name} cannot be a volume: {why}.")
        layer = self.located(
            Layer(
                id=layer_id, path="", format="qcow2" if found.format == "qcow2" else "raw",
                size_bytes=found.virtual_size_bytes, backend=self.name, encrypted=encrypted,
            )
        )  # fmt: skip
        self._ask("rbd", "rename", self._image(name), self._image(self._name(layer)))
        return layer

    def check_space(self, more: int) -> None:
        """Raises BackendFailed when so many bytes more would leave guests no room to write."""
        if self.space().free < more + RESERVE:
            raise BackendFailed(f"The back end {self.name} has not enough space.", transient=True)


def _failed(program: str, words: str) -> BackendFailed:
    last = words.strip().rpartition("\n")[2]
    return BackendFailed(f"{program} failed: {last}", transient=True)


def _end_of_data(path: Path) -> int:
    """Where the last cluster of a sparse file ends that is not zero."""
    begin = end = 0
    with path.open("rb") as file:
        with contextlib.suppress(OSError):  # none comes after
            while True:
                begin = os.lseek(file.fileno(), end, os.SEEK_DATA)
                end = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
        while end > begin:
            file.seek(max(begin, end - CLUSTER))
            if file.read(end - file.tell()).strip(b"\0"):
                break
            end = max(begin, end - CLUSTER)
    return end


def missing() -> str:
    """What is not installed that a back end of Ceph needs; "" for nothing."""
    packages = {"rbd": "ceph-common", "ceph": "ceph-common"}
    for program, package in packages.items():
        if shutil.which(program) is None:
            return f"the program {program} is not installed (package {package})"
    if not _qemu_has_driver():
        return "QEMU's driver rbd is not installed (package qemu-block-extra)"
    return ""


def _qemu_has_driver() -> bool:
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        said = subprocess.run(
            ["qemu-img", "--help"], capture_output=True, timeout=30, check=False
        ).stdout
        return b" rbd" in said.rpartition(b"Supported formats:")[2]
    return False
