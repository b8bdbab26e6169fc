"""OS::Heat types that ask no other service.

Source: the template guide, "OpenStack Resource Types", OS::Heat.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Any

from hanok.services.orchestration.logic import configs
from hanok.services.orchestration.logic.functions import Wrong
from hanok.services.orchestration.logic.types.model import (
    Attribute,
    Driver,
    Failed,
    Property,
    Replace,
    ResourceType,
    known,
    long,
    one_of,
    within,
)
from hanok.services.orchestration.logic.work import Work

_SEQUENCES = {
    "lettersdigits": string.ascii_letters + string.digits,
    "letters": string.ascii_letters,
    "lowercase": string.ascii_lowercase,
    "uppercase": string.ascii_uppercase,
    "digits": string.digits,
    "hexdigits": string.digits + "ABCDEF",
    "octdigits": string.octdigits,
}


class RandomString(Driver):
    adopts = frozenset(("value",))

    async def create(self, work: Work) -> str | None:
        work.data["value"] = _random(work.properties)
        return work.name_of_resource

    def reference(self, work: Work) -> Any:
        return work.data.get("value") if work.part.status != "FAILED" else work.part.name

    async def attribute(self, work: Work, name: str) -> Any:
        return work.data.get("value")

    def check_properties(self, name: str, properties: Mapping[str, Any]) -> None:
        length = properties["length"]
        least = sum(
            _least(one)
            for key in ("character_classes", "character_sequences")
            for one in known(properties[key])
        )
        if isinstance(length, int) and least > length:
            raise Wrong(
                f"Property error: {name}: Length property cannot be smaller than combined character class "
                "and character sequence minimums"
            )


def _least(one: Mapping[str, Any]) -> int:
    count = one.get("min") or 1
    return count * len(one.get("sequence") or "x")


def _random(properties: Mapping[str, Any]) -> str:
    chosen: list[str] = []
    classes = properties["character_classes"] or []
    sequences = properties["character_sequences"] or []
    if not classes and not sequences:
        classes = [{"class": "lettersdigits", "min": 1}]
    letters = ""
    for one in classes:
        some = _SEQUENCES[one["class"]]
        letters += some
        chosen += [secrets.choice(some) for _ in range(one["min"])]
    for one in sequences:
        letters += one["sequence"] if not classes else ""
        chosen += [one["sequence"]] * one["min"]
    while sum(map(len, chosen)) < properties["length"]:
        chosen.append(secrets.choice(letters))
    secrets.SystemRandom().shuffle(chosen)
    return "".join(chosen)[: properties["length"]]


class Value(Driver):
    async def create(self, work: Work) -> str | None:
        return work.name_of_resource

    async def attribute(self, work: Work, name: str) -> Any:
        return work.properties.get("value")

    def check_properties(self, name: str, properties: Mapping[str, Any]) -> None:
        kind, value = properties["type"], properties["value"]
        if kind is None or not isinstance(value, bool | int | float | str | list | dict):
            return
        types: dict[str, Any] = {"string": str, "number": (int, float, str), "comma_delimited_list": (list, str),
                                 "json": (dict, list, str), "boolean": (bool, str)}  # fmt: skip
        if not isinstance(value, types[kind]):
            raise Wrong(f"Property error: {name}.value: the value is not a valid {kind}")


class TestResource(Driver):
    """Waits and fails as it is told to; for tests of whoever uses stacks."""

    adopts = frozenset(("value",))

    async def create(self, work: Work) -> str | None:
        self._keep(work)
        return work.name_of_resource

    def _keep(self, work: Work) -> None:
        value = work.properties["value"]
        work.data["value"] = value
        work.data["ensured"] = value if value is not None else "not_none"

    async def created(self, work: Work) -> bool:
        waits = work.properties["action_wait_secs"] or {}
        wait_s = waits.get(work.part.action.lower()) or work.properties["wait_secs"] or 0
        if work.age_s < wait_s:
            return False
        if work.properties["fail"]:
            raise Failed("ValueError: Test Resource failed " + work.part.name)
        return True

    async def update(self, work: Work, changed: Mapping[str, Any]) -> None:
        given = work.properties
        if changed.get("update_replace") or changed.get("update_replace_value"):
            raise Replace
        if "value" in changed and given["update_replace"] and not given["update_replace_value"]:
            raise Replace
        self._keep(work)

    async def delete(self, work: Work) -> None:
        return None

    async def deleted(self, work: Work) -> bool:
        waits = work.properties.get("action_wait_secs") or {}
        wait_s = waits.get("delete") or work.properties.get("wait_secs") or 0
        return work.age_s >= wait_s

    async def attribute(self, work: Work, name: str) -> Any:
        return work.data.get("ensured" if name == "ensured" else "value")


class Nothing(Driver):
    """Takes any properties and makes nothing."""

    async def attribute(self, work: Work, name: str) -> Any:
        return None


class SoftwareConfig(Driver):
    """Text for servers; a row of ours that is never changed."""

    async def create(self, work: Work) -> str | None:
        body = {name: value for name, value in self.body(work).items() if value is not None}
        body["name"] = work.name_of_resource
        return await configs.ensure(work.room, work.stack.project_id, work.part.id, body)

    def body(self, work: Work) -> dict[str, Any]:
        given = work.properties
        return {
            name: given.get(name) for name in ("group", "config", "inputs", "outputs", "options")
        }

    async def delete(self, work: Work) -> None:
        if work.part.physical_id:
            await configs.drop(work.room, work.id, work.stack.project_id)

    async def attribute(self, work: Work, name: str) -> Any:
        return await configs.text_of(work.room, work.id, work.stack.project_id)


class CloudConfig(SoftwareConfig):
    def body(self, work: Work) -> dict[str, Any]:
        import yaml

        text = yaml.safe_dump(work.properties["cloud_config"] or {}, default_flow_style=False)
        return {"group": "Heat::Ungrouped", "config": f"#cloud-config\n{text}"}


class MultipartMime(SoftwareConfig):
    """Several texts in one, for cloud-init."""

    async def create(self, work: Work) -> str | None:
        message = MIMEMultipart()
        for part in work.properties["parts"] or ():
            text = await self._config(work, part["config"])
            if part["type"] == "multipart":
                _append(message, text)
            else:
                message.attach(_text_part(text, part["subtype"], part["filename"]))
        body = {
            "group": "Heat::Ungrouped",
            "config": message.as_string(),
            "name": work.name_of_resource,
        }
        return await configs.ensure(work.room, work.stack.project_id, work.part.id, body)

    async def _config(self, work: Work, value: str) -> str:
        found = await configs.text_of(work.room, value, work.stack.project_id)
        return value if found is None else str(found)


def _text_part(text: str, subtype: str, filename: str | None) -> Message:
    part = MIMEText(
        text, _subtype=subtype or "plain", _charset="us-ascii" if text.isascii() else "utf-8"
    )
    if filename:
        part.add_header("Content-Disposition", "attachment", filename=filename)
    return part


def _append(message: MIMEMultipart, text: str) -> None:
    import email

    inner = email.message_from_string(text)
    if not inner.is_multipart():
        message.attach(_text_part(text, "plain", None))
        return
    for part in inner.get_payload():
        if isinstance(part, Message):
            message.attach(part)


_ANY = {"value": Attribute("The random string.")}
_INPUT = Property(
    type="map",
    within={
        "name": Property(required=True),
        "description": Property(),
        "type": Property(
            default="String",
            constraints=one_of("String", "Number", "CommaDelimitedList", "Json", "Boolean"),
        ),
        "default": Property(type="any"),
        "replace_on_change": Property(type="boolean", default=False),
    },
)
_OUTPUT = Property(
    type="map",
    within={
        "name": Property(required=True),
        "description": Property(),
        "type": Property(default="String"),
        "error_output": Property(type="boolean", default=False),
    },
)
_CONFIG = {
    "group": Property(default="Heat::Ungrouped"),
    "config": Property(type="string"),
    "options": Property(type="map"),
    "inputs": Property(type="list", item=_INPUT),
    "outputs": Property(type="list", item=_OUTPUT),
}
_CONFIG_TELLS = {"config": Attribute("The config value of the software config.")}

TYPES = (
    ResourceType(
        name="OS::Heat::RandomString",
        description="A resource which generates a random string.",
        properties={
            "length": Property(type="integer", default=32, constraints=within(1, 512)),
            "character_classes": Property(
                type="list",
                item=Property(
                    type="map",
                    within={
                        "class": Property(default="lettersdigits", constraints=one_of(*_SEQUENCES)),
                        "min": Property(type="integer", default=1, constraints=within(1, 512)),
                    },
                ),
            ),
            "character_sequences": Property(
                type="list",
                item=Property(
                    type="map",
                    within={
                        "sequence": Property(required=True, constraints=long(1, 512)),
                        "min": Property(type="integer", default=1, constraints=within(1, 512)),
                    },
                ),
            ),
            "salt": Property(
                description="Value which can be set or changed on stack update to trigger the resource for replacement."
            ),
        },
        attributes=_ANY,
        driver=RandomString(),
    ),
    ResourceType(
        name="OS::Heat::Value",
        description="A resource which exposes its value property as an attribute.",
        properties={
            "value": Property(type="any", required=True, update=True),
            "type": Property(
                constraints=one_of("string", "number", "comma_delimited_list", "json", "boolean")
            ),
        },
        attributes={"value": Attribute("The value generated by this resource.", "any")},
        driver=Value(),
    ),
    ResourceType(
        name="OS::Heat::TestResource",
        description="A resource which stores the string value that was provided.",
        properties={
            "value": Property(default="test_string", update=True),
            "fail": Property(type="boolean", default=False, update=True),
            "update_replace": Property(type="boolean", default=False, update=True),
            "update_replace_value": Property(update=True),
            "wait_secs": Property(
                type="number", default=0, update=True, constraints=within(0, 86400)
            ),
            "action_wait_secs": Property(
                type="map",
                update=True,
                within={
                    name: Property(type="number", constraints=within(0, 86400))
                    for name in ("create", "update", "delete")
                },
            ),
            "client_name": Property(
                default="", update=True, refused="client actions are not supported."
            ),
            "entity_name": Property(
                default="", update=True, refused="client actions are not supported."
            ),
            "constraint_prop_secs": Property(
                type="number",
                default=0,
                update=True,
                refused="delayed lookups are not supported.",
            ),
        },
        attributes={
            "output": Attribute("The string that was stored."),
            "ensured": Attribute("The same, or a string in its place."),
        },
        driver=TestResource(),
    ),
    ResourceType(
        name="OS::Heat::None",
        description="Enables easily disabling certain resources via the resource_registry.",
        properties={},
        attributes={"*": Attribute("There are none.")},
        driver=Nothing(),
        open=True,
    ),
    ResourceType(
        name="OS::Heat::SoftwareConfig",
        description="A resource for describing and storing software configuration.",
        properties=_CONFIG,
        attributes=_CONFIG_TELLS,
        driver=SoftwareConfig(),
    ),
    ResourceType(
        name="OS::Heat::StructuredConfig",
        description="A resource which has same logic with OS::Heat::SoftwareConfig; its config is a map.",
        properties={**_CONFIG, "config": Property(type="map")},
        attributes=_CONFIG_TELLS,
        driver=SoftwareConfig(),
    ),
    ResourceType(
        name="OS::Heat::CloudConfig",
        description="A configuration resource for representing cloud-init cloud-config.",
        properties={"cloud_config": Property(type="map")},
        attributes=_CONFIG_TELLS,
        driver=CloudConfig(),
    ),
    ResourceType(
        name="OS::Heat::MultipartMime",
        description="Assembles a collection of software configurations as a multi-part mime message.",
        properties={
            "group": Property(default="Heat::Ungrouped"),
            "parts": Property(
                type="list",
                item=Property(
                    type="map",
                    within={
                        "config": Property(required=True),
                        "filename": Property(),
                        "type": Property(default="text", constraints=one_of("text", "multipart")),
                        "subtype": Property(default="plain"),
                    },
                ),
            ),
        },
        attributes=_CONFIG_TELLS,
        driver=MultipartMime(),
    ),
)
