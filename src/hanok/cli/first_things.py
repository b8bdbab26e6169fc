"""What a new cloud has from the start: three flavors and the image `cirros`, registered through the public APIs."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

from hanok.base.errors import HanokError
from hanok.cli import guest, packages
from hanok.cli.api import API, Refused
from hanok.cli.output import Failure, Steps, warn
from hanok.supervisor.settings import Cloud, write_whole

GUESTS = Path("/var/lib/hanok/guest")
IMAGE = "cirros"
FLAVORS = (  # name, MiB, GiB, vCPUs; the small guest image boots from 80 MiB on
    ("m1.nano", 128, 1, 1),
    ("m1.tiny", 512, 1, 1),
    ("m1.small", 2048, 10, 1),
)


AGENT = {"hw_qemu_guest_agent": "yes", "os_admin_user": "cirros"}
"""Properties of the small guest image: its agent sets the password of its user."""


def marker(cloud: Cloud) -> Path:
    """Written when all is registered: what an administrator deletes later stays deleted."""
    return cloud.state / "registered"


def register(cloud: Cloud, image: Path | None, steps: Steps) -> None:
    """Flavors and image are there; without one, flavors, and the next `up` looks for an image again.

    Raises:
        Failure: the cloud refuses them.
    """
    if marker(cloud).exists():
        return
    api = API(cloud)
    try:
        api.sign_in()
        _flavors(api)
        if image is None:
            return
        upload(api, IMAGE, image, steps)
    except Refused as refused:
        if refused.status == 401:
            raise Failure(
                "the administrator's password was changed before the cloud was complete; "
                f"put the new one into {cloud.password_file} and run hanok up again"
            ) from None
        raise Failure(f"flavors and image could not be registered: {refused}") from None
    write_whole(marker(cloud), "flavors, image\n")


def _flavors(api: API) -> None:
    there = {flavor["name"] for flavor in api.get("/compute/v2.1/flavors")["flavors"]}
    for name, ram, disk, vcpus in FLAVORS:
        if name not in there:
            body = {"name": name, "ram": ram, "disk": disk, "vcpus": vcpus}
            api.post("/compute/v2.1/flavors", {"flavor": body})


def upload(api: API, name: str, path: Path, steps: Steps) -> None:
    """The image of this name is there, for everybody."""
    found = api.get(f"/image/v2/images?name={name}&visibility=public")["images"]
    for image in found:
        if image["status"] == "active":
            return
        api("DELETE", f"/image/v2/images/{image['id']}")  # an upload that was interrupted
    steps.tell(f"uploading {name}, {path.stat().st_size / 1e6:.1f} MB")
    body = {
        "name": name,
        "disk_format": "qcow2",
        "container_format": "bare",
        "visibility": "public",
        "min_disk": 1,
        **AGENT,
    }
    made = api.post("/image/v2/images", body)
    with open(path, "rb") as file:
        api.upload(f"/image/v2/images/{made['id']}/file", file)


def guest_image() -> Path:
    """Where the built image is; named by what it is built from, so a newer recipe is built anew."""
    digest = hashlib.sha256(Path(guest.__file__).read_bytes())
    for file in sorted(guest.FILES.iterdir()):
        if file.is_file():
            digest.update(file.read_bytes())
    return GUESTS / f"cirros-{digest.hexdigest()[:12]}.qcow2"


def build_guest(steps: Steps) -> Path:
    """The guest image, built unless it was.

    Raises:
        Failure: it cannot be built.
    """
    path = guest_image()
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            guest.build(path, steps.tell)
        except HanokError as error:
            raise Failure(
                f"the guest image could not be built: {error.message.rstrip('.')}; are the mirrors of Debian's "
                "packages reachable? A second call tries again"
            ) from None
        for older in path.parent.glob("cirros-*.qcow2"):
            if older != path:
                older.unlink(missing_ok=True)
    return path


def guest_for(cloud: Cloud, steps: Steps, *, layout: bool) -> Path | None:
    """The guest image, for a cloud that has none yet, or for a layout; None where it is not needed, or cannot be.

    A cloud that has its image starts without mirrors, also after a newer version would build another one.

    Raises:
        Failure: it can be built here, and was not.
    """
    if marker(cloud).exists() and not layout:
        return None
    return guest_if_it_can_be(steps)


def guest_if_it_can_be(steps: Steps) -> Path | None:
    """The guest image; None where this system's packages do not make one, which is said.

    Raises:
        Failure: they should.
    """
    try:
        return build_guest(steps)
    except Failure as failure:
        kind, version, name = packages.distribution()
        if (kind, version) == ("debian", "12"):
            raise
        first = failure.message.splitlines()[0].rstrip(".")
        warn(
            f"{first}. It is made of Debian 12's packages, and this is {name}: the cloud has no image at first; "
            "openstack image create uploads one"
        )
        return None


def write_tiny_image(path: Path) -> Path:
    """A valid qcow2 of 40 MiB without content, for guests that are simulated.

    Source: QEMU, docs/interop/qcow2.txt, version 3.
    """
    bits, size = 12, 40 << 20
    cluster = 1 << bits
    tables = -(-size // (cluster * cluster // 8))  # each covers as many clusters as it has entries
    header = struct.pack(
        ">4sIQIIQIIQQIIQQQQII",
        *(b"QFI\xfb", 3, 0, 0, bits, size, 0),
        *(tables, 3 * cluster, cluster, 1, 0, 0),  # L1 table, refcount table, snapshots
        *(0, 0, 0, 4, 104),  # features, refcounts of 16 bits, header's length
    )
    table = struct.pack(">Q", 2 * cluster)  # the one refcount block
    block = struct.pack(">4H", 1, 1, 1, 1)  # header, refcount table, its block, L1 table
    path.write_bytes(
        header.ljust(cluster, b"\0")
        + table.ljust(cluster, b"\0")
        + block.ljust(cluster, b"\0")
        + bytes(cluster)
    )
    return path
