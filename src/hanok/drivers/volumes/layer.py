"""A file of a volume's chain, and what QEMU is told of it. Pure: nothing here touches the host.

What a volume shows is its topmost layer, and where that has nothing, the one that it stands on. Only the topmost is
written to. Chains are ours: what a file says of others in its header is never followed.
"""

from __future__ import annotations

import secrets
from typing import Any

from msgspec import Struct

NODE_NAME_LIMIT = 31  # QEMU's, in bytes


class RBDImage(Struct, frozen=True, kw_only=True):
    """An image in a pool of Ceph. conf: a file with settings and the user's key."""

    pool: str
    image: str
    user: str
    conf: str


class Layer(Struct, frozen=True, kw_only=True):
    """A layer. id: also the name of its node. backing: the id of the layer that it stands on; "" for none.

    path: absolute; rbd: instead of a file. encrypted: with LUKS, by the volume's key. image_id: of one that is an image
    in the host's cache.
    """

    id: str
    path: str
    format: str = "qcow2"
    backing: str = ""
    size_bytes: int = 0
    encrypted: bool = False
    backend: str = ""
    image_id: str = ""
    rbd: RBDImage | None = None


def new_layer_id() -> str:
    return f"l{secrets.token_hex(12)}"


def image_layer_id(image_id: str) -> str:
    """The name of an image's node; ids are a little too long for one."""
    return f"i{image_id.replace('-', '')}"[:NODE_NAME_LIMIT]


def node(layer: Layer, *, read_only: bool, secret: str = "") -> dict[str, Any]:
    """For blockdev-add, where what it stands on is there by its name. secret: the object with the key."""
    found: dict[str, Any] = {
        "driver": layer.format,
        "node-name": layer.id,
        "read-only": read_only,
        "discard": "unmap",
        # It is read-only as the node above is: a merge opens the lower one for writing.
        "file": {**_bytes_of(layer), "discard": "unmap"},
    }
    if layer.format == "qcow2":
        found["backing"] = layer.backing or None
        if layer.encrypted:
            found["encrypt"] = {"format": "luks", "key-secret": secret}
    return found


def _bytes_of(layer: Layer) -> dict[str, Any]:
    """Where they are."""
    if (at := layer.rbd) is None:
        return {"driver": "file", "filename": layer.path}
    return {"driver": "rbd", "pool": at.pool, "image": at.image, "user": at.user, "conf": at.conf}


def whole(chain: list[Layer], secret: str = "") -> dict[str, Any]:
    """A chain, the lowest layer first, as one description for a tool that only reads."""
    found: dict[str, Any] | None = None
    for layer in chain:
        one = node(layer, read_only=True, secret=secret)
        del one["node-name"]
        one["file"].pop("discard")
        one.pop("discard")
        if layer.format == "qcow2":
            one["backing"] = found
        if layer.format == "luks":
            one["key-secret"] = secret
        found = one
    assert found is not None
    return found
