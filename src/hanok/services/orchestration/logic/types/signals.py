"""Types that wait for signals or act on them: wait conditions, deployments, scaling policies.

Each resource that takes signals has an address of its own with a secret of its own; whoever has it can signal that one
resource and nothing else.

Source: the template guide, "OpenStack Resource Types", OS::Heat.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

import msgspec

from hanok.base.errors import HanokError, NotFound
from hanok.services.orchestration.logic import configs, mailboxes, nested, parts, signals, users
from hanok.services.orchestration.logic.functions import Budget, Wrong
from hanok.services.orchestration.logic.types import rolling
from hanok.services.orchestration.logic.types.groups import (
    AutoScalingGroup,
    Group,
    cooled_down,
    resized,
)
from hanok.services.orchestration.logic.types.model import (
    Attribute,
    Driver,
    Failed,
    Property,
    ResourceType,
    one_of,
    within,
)
from hanok.services.orchestration.logic.work import Work

CFN = "/heat-api-cfn/v1"


def with_address(work: Work) -> None:
    """Have a secret for the address at which a resource is signalled."""
    work.data.setdefault("signal_key", secrets.token_urlsafe(32))
    work.data.setdefault("origin", work.origin)


def address(work: Work, noun: str = "signal") -> str:
    """Where a resource is signalled, by whoever has the address."""
    return f"{work.data.get('origin', '')}{CFN}/{noun}/{work.part.id}?Signature={work.data.get('signal_key', '')}"


BY_USERS = ("HEAT_SIGNAL", "TOKEN_SIGNAL")
BY_OBJECTS = "TEMP_URL_SIGNAL"
OBJECT = "signal"  # that a handle's signals are put into


def _transport(work: Work) -> str:
    return str(work.properties.get("signal_transport") or "CFN_SIGNAL")


class Signalled(Driver):
    """What is signalled: at its own address, or by a user that may do so and nothing else."""

    def prepare(self, work: Work) -> None:
        with_address(work)
        if _transport(work) in BY_USERS:
            users.choose(work)
        if _transport(work) == BY_OBJECTS:
            mailboxes.choose(work)

    async def collect(self, work: Work, name: str) -> None:
        """Take what was put into the object of this name since the last look."""

        async def take(id_: str, details: Any) -> None:
            try:
                await self.take(work, id_, details)
            except Wrong as error:
                raise Failed(error.message) from None

        if _transport(work) == BY_OBJECTS:
            await mailboxes.collect(work, name, take)

    async def take(self, work: Work, id_: str, details: Any) -> None:
        """Take one signal that was put there; id_: its own, by which it is the same one if it comes again."""
        await self.signal(work, details)


async def with_way(work: Work) -> None:
    """A resource has what it is signalled with."""
    if _transport(work) in BY_USERS:
        await users.ensure(work)
    if _transport(work) == BY_OBJECTS:
        await mailboxes.ensure(work)


async def without_way(work: Work) -> None:
    """What a resource was signalled with is gone."""
    if _transport(work) in BY_USERS:
        await users.forget(work)
    if _transport(work) == BY_OBJECTS:
        await mailboxes.remove(work)


def at_api(work: Work) -> str:
    """Where the user of a resource signals it with a token."""
    path = "/".join(quote(one, safe="") for one in ("stacks", work.stack.name, work.stack.id,
                                                    "resources", work.part.name, "signal"))  # fmt: skip
    return f"{work.data.get('origin', '')}/heat-api/v1/{users.project_of(work.stack)}/{path}"


def of_user(work: Work, before: str) -> dict[str, str]:
    """What a guest needs to signal as the user of a resource. before: each name."""
    told = {**users.credentials(work), "stack_id": f"{work.stack.name}/{work.stack.id}"}
    told["resource_name"] = work.part.name
    return {f"{before}{name}": value for name, value in told.items()}


# ---- wait conditions ----


class Handle(Signalled):
    """Keeps signals for a wait condition."""

    noun = "signal"

    async def create(self, work: Work) -> str | None:
        await with_way(work)
        if _transport(work) == "TOKEN_SIGNAL":
            user, project = work.data["user_id"], users.project_of(work.stack)
            work.data["token"] = await work.room.users.token(user, project)
        return work.name_of_resource

    async def delete(self, work: Work) -> None:
        await without_way(work)

    async def attribute(self, work: Work, name: str) -> Any:
        transport = _transport(work)
        by_user = transport in BY_USERS
        url = self._url(work, transport)
        if name == "token":
            return work.data.get("token")
        if name == "curl_cli" and transport == BY_OBJECTS:
            return f"curl -i -X PUT '{url}'"
        if name == "curl_cli":
            token = f" -H 'X-Auth-Token: {work.data.get('token')}'" if "token" in work.data else ""
            return (
                f"curl -i -X POST{token} -H 'Content-Type: application/json' "
                f"-H 'Accept: application/json' '{url}'"
            )
        if name == "endpoint":
            return url
        if name == "signal":
            told = {"alarm_url": url} if not by_user else of_user(work, "")
            return msgspec.json.encode(told).decode()
        return None

    def _url(self, work: Work, transport: str) -> str:
        if transport == BY_OBJECTS:
            return mailboxes.address(work, OBJECT)
        return at_api(work) if transport in BY_USERS else address(work, self.noun)

    async def take(self, work: Work, id_: str, details: Any) -> None:
        await self.signal(work, {"id": id_, **_metadata(details)})

    async def signal(self, work: Work, details: Any) -> str:
        said = _metadata(details)
        async with work.room.database.write() as tx:
            await tx.serialize("signals", work.part.id)
            there = await signals.of_part(tx, work.part.id)
            said.setdefault("id", str(len(there) + 1))
            size = len(msgspec.json.encode([*there, said]))
            if size > signals.LARGEST or not await signals.add(tx, work.part.id, said):
                raise Wrong("This resource has received the maximum number of signals.")
        return f"status:{said['status']} reason:{said['reason']}"


def _metadata(details: Any) -> dict[str, Any]:
    """A signal in its own form.

    Raises:
        Wrong
    """
    raw = details or {}
    if not isinstance(raw, dict):
        raise Wrong("Metadata format invalid")
    names: dict[str, str] = {
        "Status": "status",
        "Reason": "reason",
        "Data": "data",
        "UniqueId": "id",
    }
    said: dict[str, Any] = {names.get(str(name), str(name)): value for name, value in raw.items()}
    if odd := [name for name in said if name not in names.values()]:
        raise Wrong(f"Metadata format invalid: {odd[0][:50]}")
    said.setdefault("status", "SUCCESS")
    said.setdefault("reason", "Signal received")
    if said["status"] not in ("SUCCESS", "FAILURE"):
        raise Wrong(f"Invalid status {str(said['status'])[:50]}, expected one of SUCCESS, FAILURE")
    if "id" in said:
        said["id"] = str(said["id"])[:255]
    return said


class AWSHandle(Handle):
    noun = "waitcondition"

    def reference(self, work: Work) -> Any:
        return address(work, self.noun)


class WaitCondition(Driver):
    """Is there when its handle was signalled often enough."""

    async def create(self, work: Work) -> str | None:
        handle = self._handle(work)
        if handle is None:
            raise Failed("The handle of a wait condition must be a resource of the same stack.")
        work.data["handle"] = handle.id
        return work.name_of_resource

    def _handle(self, work: Work) -> Any:
        given = work.properties["handle"]
        for part in work.reader.current.values():
            if isinstance(work.reader.type_of(part).driver, Handle) and given in (
                work.reader.reference(part.name), part.physical_id, part.name,
            ):  # fmt: skip
                return part
        return None

    async def created(self, work: Work) -> bool:
        await self._collect(work)
        said = await self._said(work)
        if bad := [one for one in said.values() if one["status"] != "SUCCESS"]:
            reasons = ";".join(str(one["reason"]) for one in bad)
            raise Failed(f"WaitConditionFailure: {reasons}")
        if len(said) >= work.properties["count"]:
            return True
        if work.age_s > work.properties["timeout"]:
            raise Failed(
                f"WaitConditionTimeout: {len(said)} of {work.properties['count']} received"
            )
        return False

    async def _collect(self, work: Work) -> None:
        handle = self._handle(work)
        if handle is not None:
            driver = work.reader.type_of(handle).driver
            await driver.collect(work.reader.work(handle), OBJECT)

    async def _said(self, work: Work) -> dict[str, Any]:
        async with work.room.database.read() as tx:
            return {
                one["id"]: one for one in await signals.of_part(tx, work.data.get("handle", ""))
            }

    async def attribute(self, work: Work, name: str) -> Any:
        said = await self._said(work)
        return msgspec.json.encode({key: one.get("data") for key, one in said.items()}).decode()


# ---- deployments ----


class SoftwareDeployment(Signalled):
    """A config that a server shall have, until the server says how it went."""

    async def create(self, work: Work) -> str | None:
        await with_way(work)
        await self._deploy(work, "CREATE")
        return work.part.id

    async def update(self, work: Work, changed: Mapping[str, Any]) -> None:
        await self._deploy(work, "UPDATE")

    async def _deploy(self, work: Work, action: str) -> None:
        room, given = work.room, work.properties
        waits = await self._acts(work, action)
        status = "IN_PROGRESS" if waits else "COMPLETE"
        config_id = self._config_id(work)
        async with room.database.write() as tx:
            derived = await self._derived(tx, work, action)
            await configs.create(tx, room, work.stack.project_id, derived, id=config_id)
            body = {
                "server_id": given["server"],
                "config_id": config_id,
                "action": action,
                "status": status,
                "status_reason": "Deploy data available",
                "input_values": given["input_values"] or {},
            }
            before = await configs.of_deployment(tx, work.part.id)
            await configs.deploy(tx, room, work.stack.project_id, body, id=work.part.id)
            values = {
                name: body[name]
                for name in ("config_id", "action", "status", "status_reason", "input_values")
            }
            await configs.change(tx, room, work.part.id, values)
            if before not in (None, config_id):
                await configs.forget(tx, str(before))

    def _config_id(self, work: Work) -> str:
        """Of the config of this change of the deployment: the same, however often the change is begun."""
        return str(uuid5(NAMESPACE_URL, f"{work.part.id}/{work.part.updated_at}"))

    async def _derived(self, tx: Any, work: Work, action: str) -> dict[str, Any]:
        """The config with the values of its inputs, and how to say what came of it."""
        given = work.properties
        try:
            base = configs.shown(await configs.config(tx, given["config"], work.stack.project_id))
        except HanokError as error:
            raise Failed(error.message) from None
        values = given["input_values"] or {}
        inputs = [
            {**one, "value": values.get(one["name"], one.get("default"))} for one in base["inputs"]
        ]
        declared = {one["name"] for one in inputs}
        inputs += [
            {"name": name, "type": "String", "value": value}
            for name, value in values.items()
            if name not in declared
        ]
        inputs += [
            {"name": name, "type": "String", "value": value, "description": words}
            for name, value, words in self._told(work, action)
        ]
        text = self.config(work, base["config"], {one["name"]: one["value"] for one in inputs})
        name = given["name"] or work.name_of_resource
        return {**base, "config": text, "inputs": inputs, "name": name}

    def config(self, work: Work, raw: Any, values: Mapping[str, Any]) -> Any:
        """What the config becomes with the values of its inputs."""
        return raw

    def _told(self, work: Work, action: str) -> list[tuple[str, Any, str]]:
        transport = work.properties["signal_transport"]
        return [
            ("deploy_server_id", work.properties["server"], "ID of the server being deployed to"),
            ("deploy_action", action, "Name of the current action being deployed"),
            (
                "deploy_stack_id",
                f"{work.stack.name}/{work.stack.id}",
                "ID of the stack this deployment belongs to",
            ),
            (
                "deploy_resource_name",
                work.part.name,
                "Name of this deployment resource in the stack",
            ),
            (
                "deploy_signal_transport",
                transport,
                "How the server should signal to heat with the deployment output values.",
            ),
            (
                "deploy_signal_id",
                "" if transport == "NO_SIGNAL" else self._place(work, transport),
                "ID of signal to use for signaling output values",
            ),
            (
                "deploy_signal_verb",
                "PUT" if transport == BY_OBJECTS else "POST",
                "HTTP verb to use for signaling output values",
            ),
            *self._user(work),
        ]

    def _place(self, work: Work, transport: str) -> str:
        if transport == BY_OBJECTS:
            return mailboxes.address(work, self._config_id(work))
        return at_api(work) if transport == "HEAT_SIGNAL" else address(work)

    def _user(self, work: Work) -> list[tuple[str, Any, str]]:
        """How a guest signs in that signals with a token."""
        if _transport(work) != "HEAT_SIGNAL":
            return []
        names = ("auth_url", "username", "user_id", "password", "project_id", "region_name")
        told = users.credentials(work)
        return [
            (f"deploy_{name}", told[name], "Of the user that signals output values")
            for name in names
        ]

    async def _acts(self, work: Work, action: str) -> bool:
        """Whether the server is to do something, and to say how it went, at an action of the stack."""
        given = work.properties
        return given["signal_transport"] != "NO_SIGNAL" and action in await self._actions(work)

    async def _actions(self, work: Work) -> list[str]:
        """The actions of the stack at which there is something to do: a component says so itself.

        There is none where the config is gone.
        """
        given, project = work.properties, work.stack.project_id
        async with work.room.database.read() as tx:
            try:
                base = configs.shown(await configs.config(tx, given["config"], project))
            except HanokError:
                return []
        if base["group"] != configs.COMPONENT or not isinstance(base["config"], dict):
            return list(given["actions"] or ())
        return configs.actions_of(base["config"])

    async def created(self, work: Work) -> bool:
        await self.collect(work, self._config_id(work))
        async with work.room.database.read() as tx:
            row = await configs.deployment(tx, work.part.id, None)
        if row.status == "FAILED":
            raise Failed(f"Error: {row.status_reason}")
        return bool(row.status == "COMPLETE")

    async def aborted(self, work: Work) -> None:
        async with work.room.database.write() as tx:
            await configs.change(
                tx,
                work.room,
                work.part.id,
                {"status": "FAILED", "status_reason": "Deployment cancelled."},
            )

    async def suspend(self, work: Work) -> None:
        await self._at(work, "SUSPEND")

    async def suspended(self, work: Work) -> bool:
        return await self._was_done(work, "SUSPEND")

    async def resume(self, work: Work) -> None:
        await self._at(work, "RESUME")

    async def resumed(self, work: Work) -> bool:
        return await self._was_done(work, "RESUME")

    async def _was_done(self, work: Work, action: str) -> bool:
        """Whether the server has said how an action went, or has not been told of it."""
        async with work.room.database.read() as tx:
            told = await configs.action_of(tx, work.part.id)
        return told != action or await self.created(work)

    async def _at(self, work: Work, action: str) -> bool:
        """Tell the server of an action of the stack, if it is to do something then; whether it is."""
        if not work.part.physical_id or not await self._acts(work, action):
            return False
        await self._deploy(work, action)
        return True

    async def delete(self, work: Work) -> None:
        if not await self._at(work, "DELETE"):
            await self._undeploy(work)

    async def deleted(self, work: Work) -> bool:
        """Not before the server has said how that went which it is to do then, or somebody deleted the deployment."""
        try:
            if not await self._was_done(work, "DELETE"):
                return False
        except NotFound:  # it went between two looks
            pass
        await self._undeploy(work)
        return True

    async def _undeploy(self, work: Work) -> None:
        """The deployment is gone, and before it what it is signalled with: as long as it is there, this is to do."""
        await without_way(work)
        async with work.room.database.write() as tx:
            derived = await configs.of_deployment(tx, work.part.id)
            await configs.undeploy(tx, work.part.id)
            await configs.forget(tx, derived or self._config_id(work))

    async def signal(self, work: Work, details: Any) -> str:
        said = details if isinstance(details, dict) else {}
        code = said.get("deploy_status_code")
        bad = str(code) not in ("0", "None", "")
        outputs = {str(name): value for name, value in said.items()}
        outputs["deploy_status_code"] = code if code is not None else 0
        reason = (
            f"deploy_status_code : Deployment exited with non-zero status code: {code}"
            if bad
            else "Outputs received"
        )
        async with work.room.database.write() as tx:
            await configs.change(
                tx,
                work.room,
                work.part.id,
                {
                    "status": "FAILED" if bad else "COMPLETE",
                    "status_reason": reason,
                    "output_values": outputs,
                },
            )
        return f"deployment {'failed' if bad else 'succeeded'}"

    async def attribute(self, work: Work, name: str) -> Any:
        async with work.room.database.read() as tx:
            row = await configs.deployment(tx, work.part.id, None)
        return (row.output_values or {}).get(name)


class StructuredDeployment(SoftwareDeployment):
    """The same, where the config's own texts ask for inputs: {get_input: NAME}, or as `input_key` says."""

    def config(self, work: Work, raw: Any, values: Mapping[str, Any]) -> Any:
        key, strict = work.properties["input_key"], work.properties["input_values_validate"]
        budget = Budget()

        def put_in(one: Any) -> Any:
            budget.spend(1)
            if isinstance(one, list):
                return [put_in(each) for each in one]
            if not isinstance(one, dict):
                return one
            name = one.get(key) if len(one) == 1 else None
            if not isinstance(name, str):
                return {each: put_in(value) for each, value in one.items()}
            if strict == "STRICT" and values.get(name) is None:
                raise Failed(f"The Parameter ({name[:100]}) was not provided.")
            budget.take(values.get(name))
            return values.get(name)

        return put_in(raw)


class SoftwareDeploymentGroup(Group):
    """The same on several servers; member: the type of each."""

    def __init__(self, member: str) -> None:
        self.member = member

    async def names(self, work: Work) -> list[str]:
        return list(work.properties["servers"] or {})

    def made_of(self, work: Work, names: list[str]) -> rolling.Members:
        given = {
            name: value
            for name, value in work.properties.items()
            if value is not None and name != "servers"
        }
        servers = work.properties["servers"] or {}
        return {
            name: {"type": self.member, "properties": {**given, "server": servers[name]}}
            for name in names
            if name in servers
        }

    async def attribute(self, work: Work, name: str) -> Any:
        members = await nested.members(work)
        key = {
            "deploy_stdouts": "deploy_stdout",
            "deploy_stderrs": "deploy_stderr",
            "deploy_status_codes": "deploy_status_code",
        }.get(name, name)
        return {one.name: await nested.of_member(work, one.name, key) for one in members}


# ---- scaling ----


class ScalingPolicy(Driver):
    """Changes how many a group has, when it is signalled."""

    def prepare(self, work: Work) -> None:
        with_address(work)

    async def update(self, work: Work, changed: Mapping[str, Any]) -> None:
        return None

    async def attribute(self, work: Work, name: str) -> Any:
        return address(work)

    def reference(self, work: Work) -> Any:
        return work.part.physical_id or work.part.name

    async def signal(self, work: Work, details: Any) -> str:
        told = details or {}
        if not isinstance(told, dict):
            raise Wrong("Error: the state of an alarm must be a map")
        state = str(told.get("current", told.get("state", "alarm"))).lower()
        if state not in ("alarm", "insufficient data", "ok"):
            raise Wrong(f"Error: {state[:50]} is not a valid alarm state")
        if state != "alarm":
            return f"alarm state changed to {state}"
        group = self._group(work)
        return await _scale(work, group)

    def _group(self, work: Work) -> parts.Part:
        desired = work.properties.get("auto_scaling_group_id") or work.properties.get(
            "AutoScalingGroupName"
        )
        for part in work.reader.current.values():
            is_group = isinstance(work.reader.type_of(part).driver, AutoScalingGroup)
            if is_group and desired in (part.physical_id, part.name):
                return part  # type: ignore[no-any-return]
        raise Wrong(f"Scaling group {str(desired)[:100]} could not be found in the policy's stack.")


def _adjustment(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """A policy's properties by the names of OS::Heat::ScalingPolicy."""
    names = {
        "ScalingAdjustment": "scaling_adjustment",
        "AdjustmentType": "adjustment_type",
        "Cooldown": "cooldown",
        "MinAdjustmentStep": "min_adjustment_step",
    }
    return {names.get(name, name): value for name, value in given.items()}


def _bounds(given: Mapping[str, Any]) -> tuple[int, int, int]:
    """The least and the most members of a group, and its cooldown (seconds)."""
    if "Size" in given:
        return 0, 1000, 0
    low, high = (
        given.get("min_size", given.get("MinSize")),
        given.get("max_size", given.get("MaxSize")),
    )
    return int(low or 0), int(high or 0), int(given.get("cooldown", given.get("Cooldown")) or 0)


async def _scale(work: Work, group: parts.Part) -> str:
    given, room = _adjustment(work.properties), work.room
    if work.stack.status == "IN_PROGRESS" or group.status != "COMPLETE" or group.action == "DELETE":
        raise Wrong("The group is being changed and cannot be scaled now.")
    on_group = work.reader.work(group)
    low, high, calm_s = _bounds(group.properties)
    members = await nested.members(on_group)
    seconds = max(given["cooldown"] or 0, calm_s)
    if not cooled_down(group.data, seconds, room.clock.now()):
        raise Wrong("the group was adjusted a short while ago: it is cooling down")
    least = given.get("min_adjustment_step")
    size = resized(
        len(members), low, high, given["adjustment_type"], given["scaling_adjustment"], least
    )
    if size == len(members):
        return f"alarm: the group stays at {size}"
    group.data["size"] = size
    group.data["adjusted_at"] = room.clock.now().isoformat()
    driver = work.reader.type_of(group).driver
    await nested.ensure(on_group, await driver.source(on_group), "UPDATE")
    async with room.database.write() as tx:
        await parts.save(tx, [group], room.key)
    return f"alarm: from {len(members)} to {size}"


_HANDLE = {
    "curl_cli": Attribute("Convenience attribute, provides curl CLI command prefix."),
    "endpoint": Attribute("Endpoint/url which can be used for signalling handle."),
    "signal": Attribute("JSON serialized map that includes the endpoint."),
    "token": Attribute(
        "Token for the stack's user when signal_transport is TOKEN_SIGNAL. None for all others."
    ),
}
_TRANSPORTS = ("CFN_SIGNAL", "HEAT_SIGNAL", BY_OBJECTS)
_DEPLOYMENT = {
    "config": Property(update=True, required=True),
    "input_values": Property(type="map", update=True),
    "actions": Property(type="list", update=True, default=["CREATE", "UPDATE"]),
    "name": Property(update=True),
    "signal_transport": Property(
        default="CFN_SIGNAL", constraints=one_of(*_TRANSPORTS, "NO_SIGNAL")
    ),
}
_STRUCTURED = {
    "input_key": Property(default="get_input"),
    "input_values_validate": Property(default="LAX", constraints=one_of("LAX", "STRICT")),
}
_OUTPUTS = {
    "deploy_stdout": Attribute("Captured stdout from the configuration execution."),
    "deploy_stderr": Attribute("Captured stderr from the configuration execution."),
    "deploy_status_code": Attribute("Returned status code from the configuration execution."),
    "*": Attribute("The outputs of the config.", "any"),
}
_GROUP = {
    "deploy_stdouts": Attribute("Map of stdouts.", "map"), "deploy_stderrs": Attribute("Map of stderrs.", "map"),
    "deploy_status_codes": Attribute("Map of status codes.", "map"), "*": Attribute("Maps of outputs.", "map"),
    "resource.": Attribute("Of a member."),
}  # fmt: skip
_ADJUSTMENTS = ("change_in_capacity", "exact_capacity", "percent_change_in_capacity")


def _handle(name: str, driver: Handle) -> ResourceType:
    return ResourceType(
        name=name,
        description="Resource for managing instance signals.",
        properties={
            "signal_transport": Property(
                default="CFN_SIGNAL",
                constraints=one_of(*_TRANSPORTS, "TOKEN_SIGNAL", "NO_SIGNAL"),
            )
        },
        attributes=_HANDLE,
        driver=driver,
    )


def _group(name: str, member: str, **more: Property) -> ResourceType:
    servers = Property(type="map", update=True, required=True)
    return ResourceType(
        name=name,
        description="This resource associates a group of servers with some configuration.",
        properties={**_DEPLOYMENT, **more, "servers": servers},
        attributes=_GROUP,
        driver=SoftwareDeploymentGroup(member),
        policies={
            name: Property(type="map", within=rolling.SIZES)
            for name in ("rolling_update", "batch_create")
        },
    )


def _wait_condition(name: str, **more: Property) -> ResourceType:
    return ResourceType(
        name=name,
        description="Resource for handling signals received by a handle.",
        properties={
            "handle": Property(required=True),
            "timeout": Property(type="number", required=True, constraints=within(1, 43200)),
            "count": Property(type="integer", default=1, update=True, constraints=within(1)),
            **more,
        },
        attributes={
            "data": Attribute("JSON string containing data associated with wait condition signals.")
        },
        driver=WaitCondition(),
    )


class AWSWaitCondition(WaitCondition):
    """The same with the names of CloudFormation."""

    def _named(self, work: Work) -> Work:
        given = work.properties
        work.properties = {"handle": given.get("Handle", given.get("handle")),
                           "timeout": float(given.get("Timeout") or given.get("timeout") or 0),
                           "count": given.get("Count") or given.get("count") or 1}  # fmt: skip
        return work

    async def create(self, work: Work) -> str | None:
        return await super().create(self._named(work))

    async def created(self, work: Work) -> bool:
        return await super().created(self._named(work))


def _deployment(name: str, driver: SoftwareDeployment, **more: Property) -> ResourceType:
    server = Property(required=True, finds="nova.server")
    return ResourceType(
        name=name,
        description="This resource associates a server with some configuration.",
        properties={**_DEPLOYMENT, **more, "server": server},
        attributes=_OUTPUTS,
        driver=driver,
    )


TYPES = (
    _handle("OS::Heat::WaitConditionHandle", Handle()),
    _handle("OS::Heat::UpdateWaitConditionHandle", Handle()),
    ResourceType(
        name="AWS::CloudFormation::WaitConditionHandle",
        description="AWS WaitConditionHandle resource.",
        properties={},
        attributes={},
        driver=AWSHandle(),
    ),
    _wait_condition("OS::Heat::WaitCondition"),
    ResourceType(
        name="AWS::CloudFormation::WaitCondition",
        properties={
            "Handle": Property(required=True),
            "Timeout": Property(type="number", required=True, constraints=within(1, 43200)),
            "Count": Property(type="integer", default=1, update=True, constraints=within(1)),
        },
        attributes={
            "Data": Attribute("JSON string containing data associated with wait condition signals.")
        },
        driver=AWSWaitCondition(),
    ),
    _deployment("OS::Heat::SoftwareDeployment", SoftwareDeployment()),
    _deployment("OS::Heat::StructuredDeployment", StructuredDeployment(), **_STRUCTURED),
    _group("OS::Heat::SoftwareDeployments", "OS::Heat::SoftwareDeployment"),
    _group("OS::Heat::SoftwareDeploymentGroup", "OS::Heat::SoftwareDeployment"),
    _group("OS::Heat::StructuredDeployments", "OS::Heat::StructuredDeployment", **_STRUCTURED),
    _group("OS::Heat::StructuredDeploymentGroup", "OS::Heat::StructuredDeployment", **_STRUCTURED),
    ResourceType(
        name="OS::Heat::ScalingPolicy",
        description="A resource to manage scaling of OS::Heat::AutoScalingGroup.",
        properties={
            "auto_scaling_group_id": Property(required=True),
            "scaling_adjustment": Property(type="number", required=True, update=True),
            "adjustment_type": Property(
                required=True, update=True, constraints=one_of(*_ADJUSTMENTS)
            ),
            "cooldown": Property(type="number", update=True),
            "min_adjustment_step": Property(type="integer", update=True, constraints=within(0)),
        },
        attributes={
            "alarm_url": Attribute("A signed url to handle the alarm."),
            "signal_url": Attribute("A url to handle the alarm."),
        },
        driver=ScalingPolicy(),
    ),
)

__all__ = ["CFN", "TYPES"]
