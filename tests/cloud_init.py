"""Debian's cloud-init, to read what guests are told with: unpacked, never installed.

Installed, it would take part in the next boot of the machine on which the tests run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from hanok.node.metadata import look_up

PACKAGES = ("cloud-init", "python3-configobj", "python3-netifaces", "python3-six")
DOWNLOAD_S, READ_S = 120, 60

# What runs with cloud-init's modules in a process of its own.
READER = """
import json, sys
from cloudinit.net import netplan, network_state
from cloudinit.sources.helpers import ec2, openstack

kind, place, macs = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
if kind == "ec2":
    print(json.dumps(ec2.get_instance_metadata("latest", place, retries=0, timeout=10)))
    sys.exit()
reader = openstack.ConfigDriveReader if kind == "drive" else openstack.MetadataReader
found = reader(place).read_v2()
config = openstack.convert_net_json(found["networkdata"], known_macs=macs)
state = network_state.parse_net_config_data(config)
print(json.dumps({
    "metadata": found["metadata"],
    "userdata": found["userdata"].decode() if found.get("userdata") else None,
    "config": config,
    "netplan": netplan.Renderer()._render_content(state),
}, default=lambda one: one.decode("latin-1")))
"""


def unpacked(folder: Path) -> Path | None:
    """A folder with cloud-init's modules; None where Debian's packages cannot be had."""
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        return None
    download = ("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *PACKAGES)
    done = subprocess.run(download, cwd=folder, capture_output=True, timeout=DOWNLOAD_S)
    if done.returncode:
        return None
    for package in folder.glob("*.deb"):
        subprocess.run(("dpkg", "-x", str(package), "."), cwd=folder, check=True)
    return folder / "usr/lib/python3/dist-packages"


class CloudInit:
    """cloud-init as a guest would run it."""

    def __init__(self, modules: Path, folder: Path) -> None:
        self._modules, self._folder = modules, folder

    def drive(self, files: Mapping[str, bytes], nics: Mapping[str, str]) -> Any:
        """What it makes of a config drive. nics: names of the cards by MAC address."""
        for path, content in files.items():
            place = self._folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        return self._read("drive", str(self._folder), nics)

    def address(self, files: Mapping[str, bytes], nics: Mapping[str, str]) -> Any:
        """What it makes of the metadata address, by OpenStack's tree."""
        with served(files) as url:
            return self._read("address", url, nics)

    def ec2(self, files: Mapping[str, bytes]) -> Any:
        """What it makes of the metadata address, by EC2's tree."""
        with served(files) as url:
            return self._read("ec2", url, {})

    def _read(self, kind: str, place: str, nics: Mapping[str, str]) -> Any:
        done = subprocess.run(
            [sys.executable, "-c", READER, kind, place, json.dumps(nics)],
            env={**os.environ, "PYTHONPATH": str(self._modules)},
            capture_output=True,
            text=True,
            timeout=READ_S,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout)


@contextmanager
def served(files: Mapping[str, bytes]) -> Iterator[str]:
    """Serve files and listings over HTTP on the loopback interface, as a host does to its guests."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = look_up(files, self.path)
            self.send_response(404 if found is None else 200)
            self.end_headers()
            self.wfile.write(found or b"")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
