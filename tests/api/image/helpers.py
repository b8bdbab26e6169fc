"""What the tests of images share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cloud import Client, Cloud, settle

OCTETS = {"Content-Type": "application/octet-stream"}
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
IMAGES = "/image/v2/images"


def files_in(folder: Path) -> list[str]:
    """Names of what is in a folder; nothing where there is no folder."""
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


async def image(client: Client, name: str = "i", **values: Any) -> str:
    body = {"name": name, "disk_format": "qcow2", "container_format": "bare", **values}
    return str((await client.post(IMAGES, body))["id"])


async def upload(
    client: Client, image_id: str, data: bytes, status: int = 204, *, store: str = ""
) -> str:
    headers = {**OCTETS, "X-Image-Meta-Store": store} if store else OCTETS
    answer = await client(
        "PUT", f"{IMAGES}/{image_id}/file", content=data, headers=headers, status=status
    )
    return answer.text


async def stage(client: Client, image_id: str, data: bytes, status: int = 204) -> None:
    path = f"{IMAGES}/{image_id}/stage"
    await client("PUT", path, content=data, headers=OCTETS, status=status)


async def patch(client: Client, image_id: str, *changes: dict[str, Any], status: int = 200) -> Any:
    response = await client(
        "PATCH",
        f"{IMAGES}/{image_id}",
        content=json.dumps(changes).encode(),
        headers=PATCH,
        status=status,
    )
    return response.json() if status == 200 else response.text


async def bring_in(
    cloud: Cloud, client: Client, image_id: str, method: str, status: int = 202, **more: Any
) -> dict[str, Any]:
    """Import, wait for its end, and show the image. uri: part of the method."""
    uri = {"uri": more.pop("uri")} if "uri" in more else {}
    body = {"method": {"name": method, **uri}, **more}
    answer = await client("POST", f"{IMAGES}/{image_id}/import", body, status=status)
    if status != 202:
        return {"text": answer.text}
    await settle(cloud)
    return dict(await client.get(f"{IMAGES}/{image_id}"))


async def data_of(client: Client, image_id: str) -> bytes:
    return (await client("GET", f"{IMAGES}/{image_id}/file", status=200)).content


async def looked(cloud: Cloud) -> list[str]:
    """What the inventory says of images."""
    admin = await cloud.sign_in()
    found = (await admin.get("/hanok/v1/inventory"))["differences"]
    return [one["detail"] for one in found if one["what"] == "image"]
