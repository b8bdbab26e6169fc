"""What is refused, in the service's words.

Source: Key Manager API v1 reference, "HTTP Status Codes" of each operation.
"""

from __future__ import annotations

from hanok.base.errors import BadInput, Forbidden, NotFound


def unfit(kind: str, why: str, name: str) -> BadInput:
    return BadInput(
        f"Provided object does not match schema '{kind}': {why}. Invalid property: '{name}'"
    )


def no_secret() -> NotFound:
    return NotFound("Secret not found.")


def no_container() -> NotFound:
    return NotFound("Container not found.")


def no_order() -> NotFound:
    return NotFound("Order not found.")


def no_store() -> NotFound:
    return NotFound("Secret store not found.")


def no_preferred_store() -> NotFound:
    return NotFound("No preferred secret store found for this project.")


def no_transport_key() -> NotFound:
    return NotFound("Transport Key not found.")


def quota_reached(project_id: str, maximum: int, what: str) -> Forbidden:
    return Forbidden(f"Quota reached for project {project_id}. Only {maximum} {what} are allowed.")
