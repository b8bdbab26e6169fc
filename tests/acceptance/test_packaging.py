"""The action's step, the container's entry point and the Debian package, run as they are, in places of their own."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import yaml

from hanok import __version__
from hanok.cli import packages
from tests.acceptance.clouds import ROOT
from tests.ports import free_port

PACKAGING = ROOT / "packaging"
needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="builds with dpkg-deb")


def _environment(**more: str) -> dict[str, str]:
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": programs, "PYTHONPATH": str(ROOT / "src"), **more}


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/v3", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_the_action_starts_a_cloud_and_tells_later_steps_where_it_is(tmp_path: Path) -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    [step] = action["runs"]["steps"]
    assert step["run"].endswith("/packaging/action.sh")
    port, told, said = str(free_port()), tmp_path / "env", tmp_path / "output"
    env = _environment(RUNNER_TEMP=str(tmp_path), GITHUB_ENV=str(told), GITHUB_OUTPUT=str(said))
    for name, value in step["env"].items():
        requested = re.search(r"inputs\.(\w+)", value)
        assert requested is not None and requested[1] in action["inputs"]
        env[name] = port if requested[1] == "port" else action["inputs"][requested[1]]["default"]
    state = tmp_path / "hanok-cloud"
    try:
        subprocess.run([PACKAGING / "action.sh"], env=env, check=True, timeout=300)
        values = dict(line.split("=", 1) for line in told.read_text().splitlines())
        assert values == {
            "OS_CLIENT_CONFIG_FILE": f"{state}/clouds.yaml",
            "OS_CLOUD": "devstack-admin",
        }
        outputs = dict(line.split("=", 1) for line in said.read_text().splitlines())
        assert outputs["url"] == f"http://127.0.0.1:{port}" and _answers(outputs["url"])
        assert set(action["outputs"]) == set(outputs)
        client = [
            str(Path(sys.executable).with_name("openstack")),
            "network",
            "list",
            "-f",
            "value",
        ]
        found = subprocess.run(
            client, env={**env, **values}, check=True, capture_output=True, text=True
        )
        assert "private" in found.stdout
    finally:
        hanok = [sys.executable, "-m", "hanok.cli", "destroy", "--yes", "--state-dir", str(state)]
        subprocess.run(hanok, env=env, check=True, timeout=60)


def test_the_entry_point_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    hanok = programs / "hanok"  # as the wheel installs it
    hanok.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hanok.cli "$@"\n')
    hanok.chmod(0o755)
    port, state = free_port(), tmp_path / "state"
    env = _environment(
        HANOK_STATE_DIR=str(state), HANOK_PORT=str(port), HANOK_LISTEN="127.0.0.1", HANOK_HOSTS="2"
    )
    env["PATH"] = f"{programs}{os.pathsep}{env['PATH']}"
    process = subprocess.Popen([PACKAGING / "entrypoint.sh"], env=env, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while not _answers(f"http://127.0.0.1:{port}"):
            assert time.monotonic() < until and process.poll() is None
            time.sleep(0.1)
    finally:
        process.terminate()
    assert process.wait(timeout=60) == 0
    assert not _answers(f"http://127.0.0.1:{port}")


# ---- the Debian package


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deb")
    env = {**os.environ, "SOURCE_DATE_EPOCH": "1790000000"}
    built = subprocess.run(
        [PACKAGING / "build-deb.sh", folder], env=env, check=True, capture_output=True, text=True
    )
    return Path(built.stdout.strip())


def _unpacked(package: Path, folder: Path, what: str = "-x") -> Path:
    subprocess.run(["dpkg-deb", what, package, folder], check=True)
    return folder


@needs_dpkg
def test_the_package_has_the_checkout_and_nothing_else(package: Path, tmp_path: Path) -> None:
    listed = subprocess.run(["dpkg-deb", "-c", package], check=True, capture_output=True, text=True)
    entries = [line.split() for line in listed.stdout.splitlines()]
    assert {one[1] for one in entries} == {"root/root"}
    assert {one[0] for one in entries} <= {"drwxr-xr-x", "-rw-r--r--", "-rwxr-xr-x"}
    root = _unpacked(package, tmp_path)
    library = root / "usr/lib/hanok"
    ours = [
        path.relative_to(ROOT)
        for path in (ROOT / "src" / "hanok").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    shipped = [path.relative_to(library) for path in library.rglob("*") if path.is_file()]
    assert sorted(shipped) == sorted([*ours, Path("hanok"), Path("requirements.lock")])
    for path in shipped:
        assert (library / path).read_bytes() == (ROOT / path).read_bytes()
    elsewhere = {path.relative_to(root).parts[:3] for path in root.rglob("*") if path.is_file()}
    assert elsewhere == {
        ("usr", "bin", "hanok"), ("usr", "lib", "hanok"), ("usr", "lib", "systemd"), ("usr", "share", "doc"),
    }  # fmt: skip


@needs_dpkg
def test_the_package_says_what_it_needs(package: Path, tmp_path: Path) -> None:
    told = subprocess.run(["dpkg-deb", "-f", package], check=True, capture_output=True, text=True)
    fields = dict(
        line.split(": ", 1) for line in told.stdout.splitlines() if not line.startswith(" ")
    )
    assert fields["Package"] == "hanok" and fields["Version"] == __version__
    assert fields["Recommends"].split(", ") == list(packages.PACKAGES)
    scripts = _unpacked(package, tmp_path / "control", "-e")
    for name in ("postinst", "prerm", "postrm"):
        assert os.access(scripts / name, os.X_OK)
        subprocess.run(["sh", "-n", scripts / name], check=True)
    root = _unpacked(package, tmp_path / "root")
    for unit in ("hanok.service", "hanok@.service"):
        text = (root / "usr/lib/systemd/system" / unit).read_text()
        folder = "%i" if "@" in unit else "default"
        for order in ("up", "down"):
            assert f"=/usr/bin/hanok {order} --state-dir /var/lib/hanok/{folder}\n" in text


@needs_dpkg
def test_the_packages_command_does_what_the_checkouts_does(package: Path, tmp_path: Path) -> None:
    root = _unpacked(package, tmp_path / "root")
    lock = hashlib.sha256((ROOT / "requirements.lock").read_bytes()).hexdigest()[:12]
    environment = tmp_path / "home" / f"env-{lock}"  # as it is after the first call
    (environment / "bin").mkdir(parents=True)
    (environment / "ready").touch()
    python = environment / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    env = {**os.environ, "HANOK_ENV_HOME": str(tmp_path / "home")}
    env.pop("PYTHONPATH", None)
    env.pop("HANOK_CHECKOUT", None)
    state, port = tmp_path / "state", str(free_port())

    def hanok(*words: str) -> str:
        command = [str(root / "usr/bin/hanok"), *words, "--state-dir", str(state)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    try:
        said = hanok("up", "--simulated", "--port", port)
        assert f"\n  hanok launch --state-dir {state}\n" in said
        status = json.loads(hanok("status", "--json"))
        assert status["serving"]
        # It runs from a copy: the package's files may be replaced under it.
        shutil.rmtree(root / "usr/lib/hanok/src/hanok/services")
        assert _answers(f"http://127.0.0.1:{port}")
        [copy] = (environment / "source").iterdir()
        pid = int((state / "lock").read_text())
        assert f"PYTHONPATH={copy}".encode() in Path(f"/proc/{pid}/environ").read_bytes()
    finally:
        argv = [sys.executable, "-m", "hanok.cli", "destroy", "--yes", "--state-dir", str(state)]
        subprocess.run(argv, env=_environment(), check=True, timeout=60)
