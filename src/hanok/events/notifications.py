"""Events in the form of the field's notifications: an envelope, an event type, a payload.

A room says how the field calls what happened in it, and what the payload holds (`Room.notifications`); telemetry and
whoever listens for changes read that.

Source: the message format of oslo.messaging's notifier; "Versioned notifications" of the compute service.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hanok.events.outbox import Event


def envelope(
    event: Event, event_type: str, publisher: str, payload: Mapping[str, Any]
) -> dict[str, Any]:
    """A notification.

    Args:
        event_type: as the field calls it ("port.update.end"). publisher: a service and where it runs
            ("compute.host-1").
    """
    return {
        "message_id": event.id,
        "publisher_id": publisher,
        "event_type": event_type,
        "priority": "ERROR" if event_type.endswith(".error") else "INFO",
        "timestamp": None if event.created_at is None else _time(event),
        "payload": dict(payload),
        "_context_request_id": event.request_id,
        "_context_project_id": event.project_id,
        "_context_user_id": event.user_id,
    }


def _time(event: Event) -> str:
    assert event.created_at is not None
    return event.created_at.replace(tzinfo=None).isoformat(" ", "microseconds")


def versioned(name: str, version: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """An object of the compute service's versioned notifications: its name, its version, what it holds."""
    return {
        "nova_object.name": name,
        "nova_object.namespace": "nova",
        "nova_object.version": version,
        "nova_object.data": dict(data),
    }
