"""The orchestration service's."""

from __future__ import annotations

from typing import Any

from tests.api.orchestration.stackery import STACKS, random, template
from tests.api.ways import Things, Way, Ways
from tests.cloud import Client, Cloud, settle

_STACK = "/v1/stacks/{stack_name}/{stack_id}"
_RESOURCE = f"{_STACK}/resources/{{resource_name}}"
_SERVER = "00000000-0000-4000-8000-000000000001"
TEMPLATE = template(
    {"a": random(length=4), "h": {"type": "OS::Heat::WaitConditionHandle"}},
    outputs={"o": {"value": {"get_attr": ["a", "value"]}}},
)


async def a_stack(client: Client, name: str) -> str:
    body = {"stack_name": name, "template": TEMPLATE}
    return str((await client.post(STACKS, body))["stack"]["id"])


async def things(cloud: Cloud, owner: Client) -> Things:
    """A stack, with a config and a deployment of it."""
    stack = await a_stack(owner, "s")
    base = STACKS.removesuffix("/stacks")
    config = (await owner.post(f"{base}/software_configs", {"name": "c"}, 200))["software_config"]
    on = {"config_id": config["id"], "server_id": _SERVER}
    path = f"{base}/software_deployments"
    deployed = (await owner.post(path, on, 200))["software_deployment"]
    await settle(cloud)
    found = {
        "stack_name": "s",
        "stack_id": stack,
        "stack_identity": stack,
        "resource_name": "h",
        "config_id": config["id"],
        "deployment_id": deployed["id"],
    }
    return {("orchestration", name): str(one) for name, one in found.items()}


async def ways(cloud: Cloud, admin: Client, things: Things) -> Ways:
    """With a snapshot, an event, a config that nothing has, and stacks to take away."""
    here = f"{STACKS}/s/{things['orchestration', 'stack_id']}"
    kept = (await admin.post(f"{here}/snapshots", {"name": "kept"}, 200))["id"]
    gone = {"stack_name": "gone", "stack_id": await a_stack(admin, "gone")}
    base = STACKS.removesuffix("/stacks")
    spare = (await admin.post(f"{base}/software_configs", {}, 200))["software_config"]["id"]
    await settle(cloud)
    events = (await admin.get(f"{here}/resources/h/events"))["events"]
    things |= {
        ("orchestration", "snapshot_id"): kept,
        ("orchestration", "event_id"): events[0]["id"],
    }
    on = {"config_id": things["orchestration", "config_id"], "server_id": _SERVER}
    made: dict[str, Any] = {"stack_name": "new", "template": TEMPLATE}
    changed = {"template": TEMPLATE}
    name = {"type_name": "OS::Heat::Value"}
    found: Ways = {
        ("POST /v1/stacks", ""): Way(body=made),
        ("POST /v1/stacks/preview", ""): Way(body=made),
        ("POST /v1/validate", ""): Way(body=changed),
        ("GET /v1/stacks", "stacks:global_index"): Way(query="global_tenant=true"),
        ("GET /v1/software_configs", "software_configs:global_index"): Way(
            query="global_tenant=true"
        ),
        (f"PATCH {_STACK}", "stacks:update_no_change"): Way(body={"existing": True}),
        (f"GET {_STACK}/outputs/{{output_key}}", ""): Way(path={"output_key": "o"}),
        (f"POST {_RESOURCE}/signal", ""): Way(body={"status": "SUCCESS"}),
        (f"PATCH {_RESOURCE}", ""): Way(
            path={"resource_name": "a"}, body={"mark_unhealthy": False}
        ),
        (f"DELETE {_STACK}/abandon", ""): Way(path=gone),
        ("GET /v1/template_versions/{template_version}/functions", ""): Way(
            path={"template_version": "heat_template_version.2016-10-14"}
        ),
        ("GET /v1/resource_types/{type_name}", ""): Way(path=name),
        ("GET /v1/resource_types/{type_name}/template", ""): Way(path=name),
        ("POST /v1/software_configs", ""): Way(body={"name": "d"}),
        ("DELETE /v1/software_configs/{config_id}", ""): Way(path={"config_id": spare}),
        ("POST /v1/software_deployments", ""): Way(body=on),
        ("PUT /v1/software_deployments/{deployment_id}", ""): Way(body={"status": "COMPLETE"}),
    }
    for at in (f"PUT {_STACK}", f"PATCH {_STACK}"):
        found[at, ""] = Way(body=changed)
        found[f"{at}/preview", ""] = Way(body=changed)
    for action in ("suspend", "resume", "check", "cancel_update", "cancel_without_rollback"):
        found[f"POST {_STACK}/actions", f"actions:{action}"] = Way(body={action: None})
    return found
