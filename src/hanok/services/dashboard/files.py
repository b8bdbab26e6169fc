"""The client's files: as they are in the package, packed once, under an address that changes when one of them does."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from time import monotonic

import msgspec
from msgspec import Struct
from starlette.responses import Response

FOLDER = Path(__file__).parent / "static"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
FIRST = tuple(f"vendor/{name}.js" for name in ("preact", "hooks", "signals-core", "signals", "htm"))
LATER = (
    "js/keys.js",
    "js/console.js",
    "js/serial.js",
    "js/sockets.js",
    "js/course.js",
    "js/steps.js",
    "js/emptying.js",
    "js/refusals.js",
    "js/pages/topology.js",
    "js/pages/usage.js",
    "js/pages/classes.js",
    "js/pages/launch.js",
    "js/pages/types.js",
    "js/pages/stacks.js",
    "js/pages/balancers.js",
    "js/pages/alarms.js",
    "js/charts.js",
    "js/moving.js",
    "js/pages/containers.js",
    "js/pages/definitions.js",
    "js/pages/federation.js",
    "js/pages/volume_groups.js",
    "js/pages/shares.js",
    "js/pages/share_networks.js",
)  # loaded when they are needed
LOOK_S = 1.0  # between two looks at whether a file has changed
FOR_EVER = "public, max-age=31536000, immutable"


class File(Struct, frozen=True):
    """A file of the client. packed: by gzip."""

    type: str
    plain: bytes
    packed: bytes


class Files:
    """All files of the client, read when the first page is asked for."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._stamp = 0
        self._looked_s = 0.0

    @cached_property
    def _all(self) -> dict[str, File]:
        return dict(self._read())

    def _read(self) -> Iterator[tuple[str, File]]:
        for path in sorted(self._folder.rglob("*")):
            name = path.relative_to(self._folder).as_posix()
            if path.is_file() and path.suffix in TYPES and not name.startswith("locales/"):
                yield name, _file(name, path.read_bytes())
        for folder in sorted((self._folder / "locales").iterdir()):
            whole = msgspec.json.encode(catalogue(folder))
            yield f"locales/{folder.name}.json", _file("x.json", whole)

    @cached_property
    def version(self) -> str:
        """Of all files together; the first segment of their address."""
        said = hashlib.sha256()
        for name, file in self._all.items():
            said.update(name.encode() + b"\0" + file.plain + b"\0")
        return said.hexdigest()[:16]

    def page(self) -> File:
        """The one page that there is; files that were changed meanwhile (in a checkout) are read again."""
        if self._stamp and monotonic() - self._looked_s < LOOK_S:
            return self._page  # a look costs two milliseconds, and anybody may ask for the page
        self._looked_s = monotonic()
        stamp = sum(hash((str(one), one.stat().st_mtime_ns)) for one in self._folder.rglob("*"))
        if stamp != self._stamp:
            for name in ("_all", "version", "_page"):
                self.__dict__.pop(name, None)
            self._stamp = stamp
        return self._page

    @cached_property
    def _page(self) -> File:
        """With the address of the files it needs."""
        scripts = [one for one in self._all if one.startswith("js/") or one in FIRST]
        preload = "\n".join(
            f'<link rel="modulepreload" href="/dashboard/files/{{version}}/{one}">'
            for one in scripts
            if one not in LATER
        )
        whole = self._all["index.html"].plain.replace(b"{preload}", preload.encode())
        whole = whole.replace(b"{version}", self.version.encode())
        return File(TYPES[".html"], whole, gzip.compress(whole, 6, mtime=0))

    def answer(self, path: str, *, packs: bool) -> Response | None:
        """A file, or None. path: behind the version. packs: whether the browser takes gzip."""
        file = self._all.get(path)
        return None if file is None else shown(file, FOR_EVER, packs=packs)


def catalogue(folder: Path) -> dict[str, str]:
    """The texts of a language: a file for the frame and one a page, together."""
    found: dict[str, str] = {}
    for path in sorted(folder.glob("*.json")):
        found.update(msgspec.json.decode(path.read_bytes(), type=dict[str, str]))
    return found


def _file(name: str, plain: bytes) -> File:
    kind = TYPES[Path(name).suffix]
    return File(kind, plain, gzip.compress(plain, 6, mtime=0))


def shown(file: File, kept: str, *, packs: bool) -> Response:
    headers = {"Cache-Control": kept, "Vary": "Accept-Encoding"}
    if packs:
        headers["Content-Encoding"] = "gzip"
    return Response(file.packed if packs else file.plain, media_type=file.type, headers=headers)
