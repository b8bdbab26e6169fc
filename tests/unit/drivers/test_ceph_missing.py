"""A back end of Ceph on a host where its packages are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from hanok.drivers.volumes.rbd import Cluster, RBDBackend


def test_a_host_without_ceph_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    place = RBDBackend("ceph", Cluster("pool", "user", tmp_path / "conf", tmp_path / "own"))
    assert place.trouble() == "the program rbd is not installed (package ceph-common)"
    for name in ("rbd", "ceph"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    other = RBDBackend("ceph", Cluster("pool", "user", tmp_path / "conf", tmp_path / "own"))
    assert "package qemu-block-extra" in other.trouble()
