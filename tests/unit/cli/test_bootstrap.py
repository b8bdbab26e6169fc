"""The environment of `./hanok`: whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hanok.cli import bootstrap

ROOT = Path(__file__).parents[3]


def test_an_environment_without_its_mark_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "_install", lambda env, lock: None)
    env = tmp_path / "env-1"
    (env / "bin").mkdir(parents=True)
    (env / "rubbish").write_text("of an interrupted run")
    lock = tmp_path / "requirements.lock"
    lock.write_text("")
    bootstrap.make_environment(env, lock)
    assert (env / "ready").exists()
    assert not (env / "rubbish").exists()
    made = (env / "ready").stat().st_mtime_ns
    bootstrap.make_environment(env, lock)
    assert (env / "ready").stat().st_mtime_ns == made


def test_an_installation_that_fails_leaves_no_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(env: Path, lock: Path) -> None:
        raise bootstrap.Trouble("no registry")

    monkeypatch.setattr(bootstrap, "_install", broken)
    lock = tmp_path / "requirements.lock"
    lock.write_text("")
    assert bootstrap.main([str(tmp_path / "env"), str(lock)]) == 1
    assert capsys.readouterr().err.endswith("hanok: no registry\n")
    assert not (tmp_path / "env/ready").exists()


def test_a_copy_is_readable_for_everybody_and_follows_the_source(tmp_path: Path) -> None:
    source, env = tmp_path / "src", tmp_path / "env"
    (source / "hanok").mkdir(parents=True)
    env.mkdir()
    (source / "hanok/a.py").write_text("a = 1\n")
    (source / "hanok/a.py").chmod(0o600)
    first = bootstrap.copy_source(env, source)
    assert bootstrap.copy_source(env, source) == first
    assert (first / "hanok/a.py").stat().st_mode & 0o777 == 0o644
    (source / "hanok/a.py").write_text("a = 2\n")
    second = bootstrap.copy_source(env, source)
    assert second != first
    assert (second / "hanok/a.py").read_text() == "a = 2\n"


def test_the_locks_pin_with_hashes_and_name_no_host() -> None:
    for name in ("requirements.lock", "requirements-test.lock"):
        text = (ROOT / name).read_text()
        assert "://" not in text
        assert "--index" not in text
        pins = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        assert pins
        assert all("==" in pin for pin in pins)
        assert text.count("--hash=sha256:") >= len(pins)


def test_the_test_lock_has_the_same_versions() -> None:
    def pins(name: str) -> set[str]:
        lines = (ROOT / name).read_text().splitlines()
        return {line.split()[0] for line in lines if "==" in line and not line.startswith(" ")}

    assert pins("requirements.lock") <= pins("requirements-test.lock")


def test_the_script_hands_over_without_a_second_installation(tmp_path: Path) -> None:
    """With the environment in place it costs a process or two; it is found by the lock's digest."""
    import hashlib

    digest = hashlib.sha256((ROOT / "requirements.lock").read_bytes()).hexdigest()[:12]
    env = tmp_path / f"env-{digest}"
    (env / "bin").mkdir(parents=True)
    (env / "ready").write_text("")
    (env / "bin/python").symlink_to(sys.executable)
    done = subprocess.run(
        [ROOT / "hanok", "--version"],
        env={**os.environ, "HANOK_ENV_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    # A Python outside of its own environment may lack our packages; it was handed over to, though.
    assert "making the Python environment" not in done.stderr
