"""Things of other services, made by one request each: where, of which properties, and when they are done, in data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hanok.services.orchestration.logic.types.model import (
    Attribute,
    Driver,
    Failed,
    Property,
    Replace,
)
from hanok.services.orchestration.logic.work import Refusal, Work

TEXT = Property(update=True)
TRUTH = Property(type="boolean", update=True)
MAP = Property(type="map", update=True)
LIST = Property(type="list", update=True)


class Rest(Driver):
    """A thing at an address.

    path: of the collection. key: of bodies and answers. fields: properties that are sent, with their names there where
    they have others. names: the property that gets a name of the stack's where none is given. state: the attribute that
    says how far it is; done, bad: its values; none: it is done when it is made. put: the method that changes it; empty:
    nothing does.
    """

    found_by_request = True

    path: str = ""
    key: str = ""
    fields: Mapping[str, str] = {}
    names: str = ""
    state: str = "status"
    done: tuple[str, ...] = ()
    bad: tuple[str, ...] = ("ERROR", "error")
    put: str = "PUT"
    id: str = "id"
    tells: Mapping[str, str] = {}
    waits_gone: bool = False

    def place(self, work: Work) -> str:
        return self.path

    def body(self, work: Work) -> dict[str, Any]:
        """What it is made of."""
        found = {
            other: work.properties[name]
            for name, other in self.fields.items()
            if work.properties.get(name) is not None
        }
        if self.names and not work.properties.get(self.names):
            found[self.fields.get(self.names, self.names)] = work.name_of_resource
        return {**found, **(work.properties.get("value_specs") or {})}

    def changes(self, work: Work, changed: Mapping[str, Any]) -> dict[str, Any]:
        """What is sent to change it."""
        found = {self.fields[name]: value for name, value in changed.items() if name in self.fields}
        return {**found, **(changed.get("value_specs") or {})}

    def headers(self, work: Work) -> dict[str, str]:
        return {}

    def wrapped(self, body: dict[str, Any]) -> dict[str, Any]:
        return {self.key: body} if self.key else body

    async def create(self, work: Work) -> str | None:
        made = await work.cloud(
            "POST",
            self.place(work),
            self.wrapped(self.body(work)),
            headers=self.headers(work),
            request_id=work.part.attempt,
        )
        return str((made[self.key] if self.key else made)[self.id])

    def address(self, work: Work) -> str:
        return f"{self.place(work)}/{work.id}"

    async def show(self, work: Work) -> dict[str, Any]:
        shown = await work.cloud("GET", self.address(work), headers=self.headers(work))
        found: dict[str, Any] = shown[self.key] if self.key else shown
        return found

    async def show_or_none(self, work: Work) -> dict[str, Any] | None:
        """See show; None: it is not there."""
        if not work.part.physical_id:
            return None
        try:
            return await self.show(work)
        except Refusal as error:
            if error.status == 404:
                return None
            raise

    async def created(self, work: Work) -> bool:
        if not self.done:
            return True
        shown = await self.show(work)
        status = str(shown.get(self.state))
        if status in self.bad:
            raise Failed(self.why(shown))
        return status in self.done

    async def live(self, work: Work) -> Mapping[str, Any]:
        """See Driver. Of plain values only: what is nested is answered in other shapes than it is sent."""
        try:
            shown = await self.show_or_none(work)
        except Refusal:
            return {}  # what cannot be seen is taken to be as it was
        if shown is None:
            raise Replace
        return {
            name: shown[other]
            for name, other in self.fields.items()
            if isinstance(applied := work.properties.get(name), str | int | float | bool)
            and type(shown.get(other)) is type(applied)
            and shown[other] != applied
        }

    def why(self, shown: Mapping[str, Any]) -> str:
        return f'Went to status {shown.get(self.state)} due to "{(shown.get("fault") or {}).get("message", "Unknown")}"'

    async def update(self, work: Work, changed: Mapping[str, Any]) -> None:
        body = self.changes(work, changed)
        if body and self.put:
            await work.cloud(
                self.put, self.address(work), self.wrapped(body), headers=self.headers(work)
            )

    async def delete(self, work: Work) -> None:
        if work.part.physical_id:
            await work.cloud.gone("DELETE", self.address(work))

    async def deleted(self, work: Work) -> bool:
        shown = await self.show_or_none(work) if self.waits_gone else None
        if shown is None:
            return True
        status = str(shown.get(self.state))
        if status in ("error_deleting", "ERROR"):
            raise Failed(f"Resource DELETE failed: it went to status {status}")
        return False

    async def check(self, work: Work) -> None:
        shown = await self.show(work)
        if self.done and str(shown.get(self.state)) not in self.done:
            raise Failed(
                f"'{self.state}': expected '{self.done[0]}', got '{shown.get(self.state)}'"
            )

    async def attribute(self, work: Work, name: str) -> Any:
        shown = await self.show_or_none(work)
        if shown is None:
            return None
        return shown if name == "show" else self.told(work, shown, name)

    def told(self, work: Work, shown: Mapping[str, Any], name: str) -> Any:
        return shown.get(self.tells.get(name, name))


class Thing(Rest):
    """A thing whose address begins as all of its service's: base. more: what else its declaration says, see Rest."""

    base: str = ""

    def __init__(self, plural: str, key: str, fields: Mapping[str, str], **more: Any) -> None:
        self.path, self.key, self.fields = f"{self.base}/{plural}", key, fields
        for name, value in more.items():
            setattr(self, name, value)


def same(*names: str) -> dict[str, str]:
    """Fields that have the same name on both sides."""
    return {name: name for name in names}


def telling(*names: str, **typed: Any) -> dict[str, Attribute]:
    return {
        **{name: Attribute() for name in names},
        **{name: Attribute("", kind) for name, kind in typed.items()},
    }
