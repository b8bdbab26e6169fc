"""Microversion negotiation by header, as compute, placement and block storage do it.

Source: API working group, "Microversion specification".
"""

from __future__ import annotations

import re

from msgspec import Struct

from hanok.base.errors import BadInput, NotAcceptable
from hanok.web.pages import capped

Version = tuple[int, int]
_FORM = re.compile(r"([1-9]\d*)\.([1-9]\d*|0)")


def text(version: Version) -> str:
    return f"{version[0]}.{version[1]}"


class Change(Struct, frozen=True):
    """A version: what it brought, and where that shows; empty: nowhere yet."""

    version: Version
    line: str
    where: str = ""


class Range(Struct, frozen=True, kw_only=True):
    """The versions a service speaks.

    header_type: the name in OpenStack-API-Version ("compute"); legacy_header: an older header of its own, or "".
    told_range: whether the refusal of another version has fields that name both ends.
    form: what a version looks like; what does not is none at all, which is told from one that is out of range.
    """

    header_type: str
    minimum: Version
    maximum: Version
    legacy_header: str = ""
    told_range: bool = False
    form: re.Pattern[str] = _FORM

    def negotiate(self, header: str | None, legacy: str | None) -> Version:
        """The version a request wants; the minimum without a header.

        Raises:
            BadInput: no version. NotAcceptable: out of range.
        """
        requested: str | None = None
        for item in (header or "").split(","):
            service, _, version = item.strip().partition(" ")
            if service.lower() == self.header_type and version:
                requested = version.strip()
        if requested is None:
            requested = legacy.strip() if legacy else None
        if requested is None:
            return self.minimum
        if requested.lower() == "latest":
            return self.maximum
        form = self.form.fullmatch(requested)
        if form is None:
            raise BadInput(
                f"API Version String {requested[:100]} is of invalid format. Must be of format MajorNum.MinorNum."
            )
        found = (capped(form[1]), capped(form[2]))
        if not self.minimum <= found <= self.maximum:
            raise NotAcceptable(
                f"Version {requested[:100]} is not supported by the API. Minimum is {text(self.minimum)} and "
                f"maximum is {text(self.maximum)}.",
                extra=self.out_of_range,
            )
        return found

    @property
    def out_of_range(self) -> dict[str, str]:
        if not self.told_range:
            return {}
        return {"min_version": text(self.minimum), "max_version": text(self.maximum)}

    def headers(self, version: Version) -> dict[str, str]:
        """What every answer of the service says about versions."""
        headers = {
            "OpenStack-API-Version": f"{self.header_type} {text(version)}",
            "Vary": "OpenStack-API-Version",
        }
        if self.legacy_header:
            headers[self.legacy_header] = text(version)
            headers["Vary"] = f"{self.legacy_header}, OpenStack-API-Version"
        return headers
