"""OS::Barbican types.

Source: the template guide, "OpenStack Resource Types", OS::Barbican; Key Manager API reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hanok.services.orchestration.logic.types.model import (
    Attribute,
    Failed,
    Property,
    ResourceType,
    one_of,
    within,
)
from hanok.services.orchestration.logic.types.rest import Rest, same
from hanok.services.orchestration.logic.work import Work

BASE = "/key-manager/v1"


class Kept(Rest):
    """A thing of the key manager: what get_resource gives is its address, as other services want it."""

    state = "status"
    done = ("ACTIVE",)
    bad = ("ERROR",)
    put = ""

    def __init__(self, noun: str, fields: Mapping[str, str]) -> None:
        self.noun, self.fields = noun, fields
        self.path = f"{BASE}/{noun}s"

    async def create(self, work: Work) -> str | None:
        made = await work.cloud("POST", self.path, self.body(work), request_id=work.part.attempt)
        return str(made[f"{self.noun}_ref"]).rpartition("/")[2]

    def reference(self, work: Work) -> Any:
        if not work.part.physical_id:
            return work.part.name
        return f"{work.origin}{self.path}/{work.part.physical_id}"

    async def attribute(self, work: Work, name: str) -> Any:
        if name == f"{self.noun}_ref":
            return self.reference(work)
        return await super().attribute(work, name)


class Secret(Kept):
    async def attribute(self, work: Work, name: str) -> Any:
        if name != "decrypted_payload":
            return await super().attribute(work, name)
        status, _, raw = await work.cloud.raw("GET", f"{self.address(work)}/payload")
        return raw.decode("utf-8", "replace") if status == 200 else None


class Order(Kept):
    def body(self, work: Work) -> dict[str, Any]:
        return {"type": work.properties["type"], "meta": super().body(work)}

    async def created(self, work: Work) -> bool:
        shown = await self.show(work)
        if shown["status"] == "ERROR":
            raise Failed(str(shown.get("error_reason") or "the order has failed"))
        return bool(shown["status"] == "ACTIVE")


class Container(Kept):
    """secrets: the names of its secrets by the properties that name them."""

    def __init__(self, kind: str, secrets: Mapping[str, str]) -> None:
        super().__init__("container", {"name": "name"})
        self.kind, self.secrets = kind, secrets

    def body(self, work: Work) -> dict[str, Any]:
        given = work.properties
        named = [(one["name"], one["ref"]) for one in given.get("secrets") or ()]
        named += [(name, given[key]) for key, name in self.secrets.items() if given[key]]
        refs = [{"name": name, "secret_ref": ref} for name, ref in named]
        return {**super().body(work), "type": self.kind, "secret_refs": refs}


_KEY = {
    "name": Property(),
    "payload_content_type": Property(),
    "mode": Property(),
    "expiration": Property(),
    "algorithm": Property(),
    "bit_length": Property(type="integer", constraints=within(0)),
}
_STATUS = {"status": Attribute("The status of the thing.")}
_ABOUT_CONTAINER = {
    **_STATUS,
    "container_ref": Attribute("The URI to the container."),
    "secret_refs": Attribute("The URIs to secrets stored in container.", "list"),
    "consumers": Attribute("The URIs to container consumers.", "list"),
}


def _container(name: str, kind: str, named: Mapping[str, str], **more: Property) -> ResourceType:
    properties = {"name": Property(), **{key: Property() for key in named}, **more}
    return ResourceType(
        name=name,
        service="key-manager",
        description="A container that holds references to secrets.",
        properties=properties,
        attributes=_ABOUT_CONTAINER,
        driver=Container(kind, named),
    )


TYPES = (
    ResourceType(
        name="OS::Barbican::Secret",
        service="key-manager",
        description="The resource provides access to the secret/keying stored material.",
        properties={
            **_KEY,
            "payload": Property(),
            "payload_content_encoding": Property(constraints=one_of("base64")),
            "secret_type": Property(
                default="opaque",
                constraints=one_of(
                    "symmetric", "public", "private", "certificate", "passphrase", "opaque"
                ),
            ),
        },
        attributes={
            **_STATUS,
            "secret_ref": Attribute("The URI to the secret."),
            "decrypted_payload": Attribute("The decrypted secret payload."),
        },
        driver=Secret("secret", same(*_KEY, "payload", "payload_content_encoding", "secret_type")),
    ),
    ResourceType(
        name="OS::Barbican::Order",
        service="key-manager",
        description="A resource allowing for the generation of secret material by Barbican.",
        properties={
            **_KEY,
            "type": Property(required=True, constraints=one_of("key", "asymmetric")),
        },
        attributes={
            **_STATUS,
            "order_ref": Attribute("The URI to the order."),
            "secret_ref": Attribute("The URI to the created secret."),
            "container_ref": Attribute("The URI to the created container."),
        },
        driver=Order("order", same(*_KEY)),
    ),
    _container(
        "OS::Barbican::GenericContainer",
        "generic",
        {},
        secrets=Property(
            type="list",
            item=Property(
                type="map",
                within={"name": Property(required=True), "ref": Property(required=True)},
            ),
        ),
    ),
    _container(
        "OS::Barbican::RSAContainer",
        "rsa",
        {
            "private_key_ref": "private_key",
            "private_key_passphrase_ref": "private_key_passphrase",
            "public_key_ref": "public_key",
        },
    ),
    _container(
        "OS::Barbican::CertificateContainer",
        "certificate",
        {
            "certificate_ref": "certificate",
            "private_key_ref": "private_key",
            "private_key_passphrase_ref": "private_key_passphrase",
            "intermediates_ref": "intermediates",
        },
    ),
)
