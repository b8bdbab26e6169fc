"""The config drive, read back."""

from __future__ import annotations

import io

import pycdlib
import pytest

from hanok.drivers.image_format import inspect
from hanok.drivers.qemu.config_drive import build

FILES = {
    "openstack/latest/meta_data.json": b'{"uuid": "x"}',
    "openstack/latest/user_data": b"#!/bin/sh\n",
    "openstack/2018-08-27/meta_data.json": b"{}",
    "ec2/latest/a-name.that_is.long": bytes(5000),
    "openstack/latest/empty": b"",
}


@pytest.mark.parametrize("view", ["rr_path", "joliet_path"])
def test_every_file_is_there_under_its_name(view: str) -> None:
    disk = pycdlib.PyCdlib()
    disk.open_fp(io.BytesIO(build(FILES)))
    for path, content in FILES.items():
        out = io.BytesIO()
        disk.get_file_from_iso_fp(out, **{view: f"/{path}"})
        assert out.getvalue() == content
    disk.close()


def test_the_label_is_the_one_guests_look_for() -> None:
    data = build(FILES)
    assert data[0x8000 + 40 : 0x8000 + 48] == b"config-2"
    assert inspect(data).format == "iso"


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/x", ""])
def test_no_path_leads_out(path: str) -> None:
    with pytest.raises(ValueError, match="not a path"):
        build({path: b""})
