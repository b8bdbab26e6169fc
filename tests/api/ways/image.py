"""The image service's."""

from __future__ import annotations

import json
from typing import Any

from tests.api.image.helpers import OCTETS, PATCH
from tests.api.ways import Things, Way, Ways
from tests.cloud import Client

_NAMESPACE = "/v2/metadefs/namespaces/{namespace_name}"


async def ways(admin: Client, owner: Client, things: Things) -> Ways:
    """With a namespace and all that can be in one, and an image with a member."""
    whole = {
        "namespace": "N",
        "visibility": "private",
        "resource_type_associations": [{"name": "OS::Glance::Image", "prefix": "hw_"}],
        "properties": {"p": {"title": "P", "type": "integer"}},
        "objects": [{"name": "o", "properties": {}}],
        "tags": [{"name": "t"}],
    }
    await admin.post("/image/v2/metadefs/namespaces", whole)
    things |= {
        ("image", "namespace_name"): "N",
        ("image", "property_name"): "p",
        ("image", "object_name"): "o",
        ("image", "tag_name"): "t",
        ("image", "name"): "OS::Glance::Image",
    }
    image = things["image", "image_id"]
    shared = str((await owner.post("/image/v2/images", {"name": "shared"}))["id"])
    await owner("PUT", f"/image/v2/images/{image}/tags/red", status=204)
    await owner.post(f"/image/v2/images/{shared}/members", {"member": admin.project_id}, 200)

    def patched(op: str, path: str, value: Any = None) -> Way:
        change = {"op": op, "path": path} | ({} if value is None else {"value": value})
        return Way(content=json.dumps([change]).encode(), headers=PATCH)

    def imported(method: str) -> Way:
        return Way(body={"method": {"name": method}, "all_stores": True})

    def task(visibility: str) -> Way:
        given = {
            "import_from": "http://example.org/disk",
            "import_from_format": "qcow2",
            "image_properties": {
                "name": "i", "disk_format": "qcow2", "container_format": "bare",
                "visibility": visibility,
            },
        }  # fmt: skip
        return Way(body={"type": "import", "input": given})

    located = {"url": "http://example.org/disk", "metadata": {}}
    found: Ways = {
        ("PATCH /v2/images/{image_id}", "get_image_location"): patched("replace", "/name", "n"),
        ("POST /v2/images", "publicize_image"): Way(body={"visibility": "public"}),
        ("POST /v2/images", "communitize_image"): Way(body={"visibility": "community"}),
        ("PATCH /v2/images/{image_id}", "modify_image"): patched("replace", "/name", "n"),
        ("PATCH /v2/images/{image_id}", "publicize_image"): patched(
            "replace", "/visibility", "public"
        ),
        ("PATCH /v2/images/{image_id}", "communitize_image"): patched(
            "replace", "/visibility", "community"
        ),
        ("PATCH /v2/images/{image_id}", "set_image_location"): patched(
            "add", "/locations/-", located
        ),
        ("PATCH /v2/images/{image_id}", "delete_image_location"): patched("remove", "/locations/9"),
        ("DELETE /v2/images/{image_id}/tags/{tag}", ""): Way(
            path={"image_id": image, "tag": "red"}
        ),
        ("PUT /v2/images/{image_id}/file", ""): Way(content=b"", headers=OCTETS),
        ("PUT /v2/images/{image_id}/stage", ""): Way(content=b"", headers=OCTETS),
        ("POST /v2/images/{image_id}/import", "get_image"): imported("copy-image"),
        ("POST /v2/images/{image_id}/import", "modify_image"): imported("glance-direct"),
        ("POST /v2/images/{image_id}/import", "copy_image"): imported("copy-image"),
        ("POST /v2/tasks", "add_image"): task("private"),
        ("POST /v2/tasks", "publicize_image"): task("public"),
        ("POST /v2/tasks", "communitize_image"): task("community"),
        ("POST /v2/images/{image_id}/locations", ""): Way(body={"url": located["url"]}),
        ("POST /v2/images/{image_id}/members", ""): Way(
            path={"image_id": shared}, body={"member": "somebody"}
        ),
        ("PUT /v2/images/{image_id}/members/{member_id}", ""): Way(
            path={"image_id": shared, "member_id": admin.project_id}, body={"status": "accepted"}
        ),
        ("GET /v2/images/{image_id}/members/{member_id}", ""): Way(
            path={"image_id": shared, "member_id": admin.project_id}
        ),
        ("DELETE /v2/images/{image_id}/members/{member_id}", ""): Way(
            path={"image_id": shared, "member_id": admin.project_id}
        ),
        (f"PUT {_NAMESPACE}", ""): Way(body={"namespace": "N"}),
        (f"POST {_NAMESPACE}/objects", ""): Way(body={"name": "new"}),
        (f"PUT {_NAMESPACE}/objects/{{object_name}}", ""): Way(body={"name": "o"}),
        (f"POST {_NAMESPACE}/properties", ""): Way(
            body={"name": "new", "title": "New", "type": "string"}
        ),
        (f"PUT {_NAMESPACE}/properties/{{property_name}}", ""): Way(
            body={"name": "p", "title": "P", "type": "integer"}
        ),
        (f"GET {_NAMESPACE}/properties/{{property_name}}", "get_metadef_resource_type"): Way(
            query="resource_type=OS::Glance::Image",
            path={"namespace_name": "N", "property_name": "hw_p"},
        ),
        (f"POST {_NAMESPACE}/resource_types", ""): Way(body={"name": "OS::Nova::Flavor"}),
        (f"POST {_NAMESPACE}/tags", ""): Way(body={"tags": [{"name": "t"}]}),
        (f"PUT {_NAMESPACE}/tags/{{tag_name}}", ""): Way(body={"name": "t"}),
    }
    for part, rule in (
        ("resource_type_associations", "add_metadef_resource_type_association"),
        ("objects", "add_metadef_object"),
        ("properties", "add_metadef_property"),
        ("tags", "add_metadef_tag"),
    ):
        body = {"namespace": f"with {part}", part: whole[part]}
        found["POST /v2/metadefs/namespaces", rule] = Way(body=body)
    return found
