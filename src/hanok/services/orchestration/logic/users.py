"""Users of stacks: whoever has one's password may signal one resource, or is what AWS::IAM::User makes."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any

from hanok.services.orchestration.logic.parts import Part
from hanok.services.orchestration.logic.work import Work

IAM_USER = "AWS::IAM::User"


def project_of(stack: Any) -> str:
    """The id of the project of a stack's users: one for a stack with all within it."""
    return str(stack.root_id).replace("-", "")


def id_for(work: Work) -> str:
    """Of what a resource makes in identity: known before it is made, and after a crash."""
    return work.part.id.replace("-", "")


def choose(work: Work) -> None:
    """Who the user of a resource will be."""
    data = work.data
    data.setdefault("user_id", id_for(work))
    data.setdefault("user_name", work.name_of_resource)
    data.setdefault("user_password", secrets.token_urlsafe(24))


async def ensure(work: Work) -> None:
    """A resource has the user that was chosen."""
    data = work.data
    data["user_domain"] = await work.room.users.ensure(
        data["user_id"], data["user_name"], project_of(work.stack), data["user_password"]
    )


async def forget(work: Work) -> None:
    """Its user is gone, also one that was made by a process that died before it wrote that down."""
    await work.room.users.forget(id_for(work))


def credentials(work: Work) -> dict[str, str]:
    """How the user signs in."""
    data = work.data
    return {
        "auth_url": f"{data.get('origin', '')}/identity/v3",
        "username": data.get("user_name", ""),
        "user_id": data.get("user_id", ""),
        "password": data.get("user_password", ""),
        "project_id": project_of(work.stack),
        "domain_id": data.get("user_domain", ""),
        "region_name": work.room.region,
    }


def may_reach(user_id: str | None, name: str, some: Iterable[Part]) -> bool:
    """Whether a user that a stack has made may signal a resource of it, and read its metadata.

    The user of a resource reaches that one; that of AWS::IAM::User all, or those that each of its policies names.
    """
    there = {one.name: one for one in some if one.replaced_by is None}
    own = next((one for one in there.values() if one.data.get("user_id") == user_id), None)
    if own is None or not user_id or name not in there:
        return False
    return own.name == name or (own.type == IAM_USER and _allowed(own, name, there))


def _allowed(user: Part, name: str, there: dict[str, Part]) -> bool:
    policies = [one for one in user.properties.get("Policies") or () if isinstance(one, str)]
    return all(
        policy in there and name in (there[policy].properties.get("AllowedResources") or ())
        for policy in policies
    )
