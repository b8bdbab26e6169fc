"""The config drive: an ISO 9660 disk labelled config-2 whose files tell a guest who it is.

Rock Ridge carries the names for Linux and Joliet for Windows; the plain ISO names are only numbers.
Source: OpenStack's "Config drives", section "Configuration drive format".
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import PurePosixPath

LABEL = "config-2"
MAX_BYTES = 64 << 20  # the largest that the field's tools expect


def build(files: Mapping[str, bytes]) -> bytes:
    """The bytes of the disk. files: path inside ("openstack/latest/meta_data.json") and content.

    Raises:
        ValueError: a path leads out of the disk, or all of it is too large.
    """
    if sum(map(len, files.values())) > MAX_BYTES:
        raise ValueError(f"a config drive has at most {MAX_BYTES >> 20} MiB")
    import pycdlib  # only for a drive that is made: not every process makes one

    disk = pycdlib.PyCdlib()
    disk.new(interchange_level=3, vol_ident=LABEL, joliet=3, rock_ridge="1.09")
    places: dict[PurePosixPath, str] = {PurePosixPath("/"): ""}
    for number, (name, content) in enumerate(sorted(files.items())):
        path = PurePosixPath("/") / name
        if path == PurePosixPath("/") or ".." in path.parts or name.startswith("/"):
            raise ValueError(f"not a path inside a config drive: {name!r}")
        for folder in reversed(path.parents):
            if folder not in places:
                places[folder] = f"{places[folder.parent]}/D{len(places)}"
                disk.add_directory(places[folder], rr_name=folder.name, joliet_path=str(folder))
        disk.add_fp(
            io.BytesIO(content),
            len(content),
            f"{places[path.parent]}/F{number}.;1",
            rr_name=path.name,
            joliet_path=str(path),
        )
    out = io.BytesIO()
    disk.write_fp(out)
    disk.close()
    return out.getvalue()
