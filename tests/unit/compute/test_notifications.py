"""Events of servers in the field's two forms."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Literal

import pytest

from hanok.events import Event
from hanok.services.compute.logic import notices, notifications, quiescing

SERVER: dict[str, Any] = {
    "uuid": "s", "tenant_id": "p", "user_id": "u", "display_name": "vm", "reservation_id": "r",
    "host_name": "vm", "architecture": None, "os_type": None, "host": "host-1", "node": "host-1",
    "availability_zone": "nova", "created_at": "c", "launched_at": None, "terminated_at": None,
    "deleted_at": None, "image_uuid": "i", "state": "active", "task_state": None, "metadata": {},
    "power_state": 1,
    "flavor": {
        "flavorid": "1", "name": "small", "vcpus": 1, "memory_mb": 64, "root_gb": 2, "ephemeral_gb": 3,
    },
    "fixed_ips": [{"address": "10.0.0.3", "version": 4, "mac": "fa:16:3e:00:00:01"}],
}  # fmt: skip


def told(kind: str = "create.end", **values: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    payload = {**SERVER, **values}
    event = Event(kind=f"compute.instance.{kind}", resource="server:s", payload=payload)
    new, old = notifications.notifications(event)
    return new, old


def test_who_tells_is_the_host_where_there_is_one() -> None:
    new, old = told()
    assert (new["publisher_id"], old["publisher_id"]) == ("nova-compute:host-1", "compute.host-1")
    new, old = told(host=None)
    assert (new["publisher_id"], old["publisher_id"]) == ("nova-compute:compute", "compute.compute")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("create.end", "InstanceCreatePayload"),
        ("snapshot.start", "InstanceActionSnapshotPayload"),
        ("rebuild.end", "InstanceActionRebuildPayload"),
        ("rescue.start", "InstanceActionRescuePayload"),
        ("power_off.end", "InstanceActionPayload"),
    ],
)
def test_an_action_has_its_payload(kind: str, name: str) -> None:
    new, old = told(kind)
    assert (new["event_type"], old["event_type"]) == (
        f"instance.{kind}",
        f"compute.instance.{kind}",
    )
    assert new["payload"]["nova_object.name"] == name


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("create.end", {"trusted_image_certificates", "instance_name", "tags"}),
        ("rebuild.start", {"trusted_image_certificates"}),
        ("rescue.end", {"rescue_image_ref"}),
        ("snapshot.end", {"snapshot_image_id"}),
        ("update", {"tags"}),
        ("power_off.end", set()),
    ],
)
def test_what_only_some_actions_tell(kind: str, names: set[str]) -> None:
    own = {
        "trusted_image_certificates": ["c"], "instance_name": "instance-1", "tags": ["t"],
        "rescue_image_ref": "i", "snapshot_image_id": "j",
    }  # fmt: skip
    new, old = told(kind, **own)
    data = new["payload"]["nova_object.data"]
    assert {name: data[name] for name in own if name in data} == {name: own[name] for name in names}
    assert not set(own) & set(old["payload"])


def test_times_and_tasks_that_there_are_not_are_empty_in_the_older_form() -> None:
    names = {
        "launched_at": "launched_at", "terminated_at": "terminated_at", "deleted_at": "deleted_at",
        "task_state": "state_description",
    }  # fmt: skip
    _, old = told()
    assert {old["payload"][one] for one in names.values()} == {""}
    _, old = told(**{name: f"the {name}" for name in names})
    assert {old["payload"][old_name]: name for name, old_name in names.items()} == {
        f"the {name}": name for name in names
    }
    assert old["payload"]["disk_gb"] == 5
    assert old["payload"]["fixed_ips"] == [
        {"address": "10.0.0.3", "version": 4, "vif_mac": "fa:16:3e:00:00:01"}
    ]


def test_a_fault_is_told_where_there_is_one() -> None:
    new, old = told()
    assert new["payload"]["nova_object.data"]["fault"] is None and "message" not in old["payload"]
    new, old = told("create.error", fault={"message": "No valid host"})
    fault = new["payload"]["nova_object.data"]["fault"]
    assert fault["nova_object.name"] == "ExceptionPayload"
    assert fault["nova_object.data"]["exception_message"] == "No valid host"
    assert old["payload"]["message"] == "No valid host" and old["priority"] == "ERROR"


@pytest.mark.parametrize(
    ("number", "word"), [(0, "pending"), (1, "running"), (7, "suspended"), (99, "pending")]
)
def test_power_is_told_by_name(number: int, word: str) -> None:
    new, _ = told(power_state=number)
    assert new["payload"]["nova_object.data"]["power_state"] == word


def test_of_a_server_that_is_gone_for_good_only_its_id_is_told() -> None:
    event = Event(kind="compute.instance.delete.end", resource="server:s", payload={"uuid": "s"})
    new, old = notifications.notifications(event)
    assert new["payload"]["nova_object.data"] == {"uuid": "s"}
    assert old["payload"] == {"instance_id": "s"}


def test_a_service_tells_of_itself_and_the_api_of_all_else() -> None:
    payload = {"binary": "nova-compute", "host": "host-1"}
    (one,) = notices.notifications(
        Event(kind="compute.service.update", resource="service:1", payload=payload)
    )
    assert one["publisher_id"] == "nova-compute:host-1"
    (one,) = notices.notifications(
        Event(kind="compute.keypair.create.end", resource="keypair:1", payload={"name": "mine"})
    )
    assert one["publisher_id"].startswith("nova-api:")


@pytest.mark.parametrize(
    ("agent", "requires", "state", "expected"),
    [
        (None, None, "active", "no"),
        ("yes", None, "active", "try"),
        ("yes", None, "stopped", "no"),
        ("no", None, "active", "no"),
        (None, "true", "active", "require"),
        ("yes", "true", "active", "require"),
        ("yes", "true", "stopped", "no"),
        ("yes", "no", "active", "try"),
    ],
)
def test_a_guest_is_asked_to_be_quiet_where_an_agent_can(
    agent: str | None, requires: str | None, state: str, expected: Literal["no", "try", "require"]
) -> None:
    named = {"hw_qemu_guest_agent": agent, "os_require_quiesce": requires}
    properties = {name: one for name, one in named.items() if one is not None}
    row: Any = SimpleNamespace(image_properties=properties, vm_state=state)
    assert quiescing.how(row) == expected
