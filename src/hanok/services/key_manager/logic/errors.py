"""What is refused, in the service's words.

Source: Key Manager API v1 reference, "HTTP Status Codes" of each operation.
"""

from __future__ import annotations

from uuid import UUID

from hanok.base.errors import BadInput, Forbidden, NotFound


def unfit(kind: str, why: str, name: str) -> BadInput:
    return BadInput(
        f"Provided object does not match schema '{kind}': {why}. Invalid property: '{name}'"
    )


def _none(kind: str, sent: str) -> NotFound:
    """Ids are UUIDs of version 4: another one is no id of anything."""
    try:
        valid = UUID(sent).version == 4
    except ValueError:
        valid = False
    return NotFound(f"{kind.title()} not found." if valid else f"Provided {kind} id is invalid.")


def no_secret(secret_id: str) -> NotFound:
    return _none("secret", secret_id)


def no_container(container_id: str) -> NotFound:
    return _none("container", container_id)


def no_order(order_id: str) -> NotFound:
    return _none("order", order_id)


def no_store() -> NotFound:
    return NotFound("Secret store not found.")


def no_preferred_store() -> NotFound:
    return NotFound("No preferred secret store found for this project.")


def no_transport_key() -> NotFound:
    return NotFound("Transport Key not found.")


def quota_reached(project_id: str, maximum: int, what: str) -> Forbidden:
    return Forbidden(f"Quota reached for project {project_id}. Only {maximum} {what} are allowed.")
