"""What a request asks a stack to be: its body, held to limits, as a source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from hanok.base.errors import BadInput
from hanok.services.orchestration.logic import environments, templates, texts
from hanok.services.orchestration.logic.environments import Environment
from hanok.services.orchestration.logic.functions import Wrong
from hanok.services.orchestration.logic.parameters import truth
from hanok.services.orchestration.logic.program import Source
from hanok.services.orchestration.room import OrchestrationSettings
from hanok.services.orchestration.schemas import StackBody

_TAG = 80
_TAGS = 64


class Wish(Struct, frozen=True, kw_only=True):
    """source: with what an existing stack keeps. The others are None where nothing was said.

    keeps: whether what was not sent stays as it is. converge: whether an update looks at what is really there.
    """

    source: Source
    disable_rollback: bool | None = None
    timeout_mins: int | None = None
    tags: list[str] | None = None
    keeps: bool = False
    converge: bool = False


def given(value: Any) -> Any:
    return None if value is UNSET else value


def read(
    body: StackBody,
    settings: OrchestrationSettings,
    before: Source | None = None,
    *,
    patch: bool = False,
) -> Wish:
    """
    Args:
        before: the source of the stack that is changed. patch: whether what is not sent stays as it is.

    Raises:
        BadInput
    """
    if given(body.template_url):
        raise BadInput("template_url is not supported: the client sends the template itself.")
    if given(body.files_container):
        raise BadInput("files_container is not supported: the client sends the files themselves.")
    files = _files(body, settings, before if patch else None)
    template = _template(body, settings, before if patch else None)
    environment, encrypted = _environment(body, settings, files, before if patch else None)
    return Wish(
        source=Source(template=template, files=files, environment=environment, hidden=encrypted),
        disable_rollback=truth_of(body.disable_rollback, "disable_rollback"),
        timeout_mins=_minutes(given(body.timeout_mins) or given(body.timeout)),
        tags=tags_of(given(body.tags)),
    )


def _files(
    body: StackBody, settings: OrchestrationSettings, before: Source | None
) -> dict[str, str]:
    files: dict[str, Any] = dict(before.files) if before is not None else {}
    files.update(given(body.files) or {})
    for name, content in files.items():
        if not isinstance(content, str):
            raise BadInput(f"The file {name[:100]} is not a string.")
    size = sum(len(name) + len(one) for name, one in files.items())
    if size > settings.max_files_size:
        raise BadInput(
            f"Request limit exceeded: the files have {size} characters, {settings.max_files_size} are allowed.",
            code="RequestLimitExceeded",
        )
    return files


def _template(
    body: StackBody, settings: OrchestrationSettings, before: Source | None
) -> dict[str, Any]:
    raw = given(body.template)
    if raw is None and isinstance(given(body.adopt_stack_data), str | dict):
        raw = adopted(body).get("template")
    if raw is None:
        if before is not None:
            return before.template
        raise BadInput("No template specified")
    if isinstance(raw, str):
        raw = texts.parse(raw, "template", maximum=settings.max_template_size)
    if not isinstance(raw, dict):
        raise Wrong("The template is not a JSON object or YAML mapping.")
    return raw


def adopted(body: StackBody) -> dict[str, Any]:
    """What is told of resources that a stack is to take over."""
    raw = given(body.adopt_stack_data)
    if isinstance(raw, str):
        raw = texts.parse(raw, "adopt_stack_data", maximum=1 << 20)
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise BadInput("Invalid adopt data: it must be a map")
    _check_adopted(raw.get("resources"))
    return raw


def _check_adopted(some: Any) -> None:
    """
    Raises:
        BadInput: what is told of a resource, or of those of a stack within, has not its form.
    """
    if some is None:
        return
    if not isinstance(some, dict) or not all(isinstance(one, dict) for one in some.values()):
        raise BadInput('Invalid adopt data: "resources" must be a map of maps')
    for name, one in some.items():
        made = one.get("resource_id")
        if made is not None and not (isinstance(made, str) and len(made) <= 255):
            raise BadInput(f"Invalid adopt data: the resource_id of {name[:100]} is not a valid ID")
        for key in ("resource_data", "metadata"):
            if not isinstance(one.get(key) or {}, dict):
                raise BadInput(f'Invalid adopt data: "{key}" of {name[:100]} must be a map')
        _check_adopted(one.get("resources"))


def _environment(
    body: StackBody,
    settings: OrchestrationSettings,
    files: Mapping[str, str],
    before: Source | None,
) -> tuple[dict[str, Any], list[str]]:
    """What is kept of it, and the names of parameters that are to be hidden."""
    some: list[Environment] = [before.env] if before is not None else []
    own = adopted(body).get("environment") if given(body.adopt_stack_data) is not None else None
    if own:
        some.append(environments.read(own, maximum=settings.max_template_size))
    for name in given(body.environment_files) or ():
        if name not in files:
            raise BadInput(f'No content found in the "files" section for {name[:200]}')
        some.append(environments.read(files[name], maximum=settings.max_template_size))
    some.append(environments.read(given(body.environment), maximum=settings.max_template_size))
    made = environments.merged(some)
    parameters = {**made.parameters, **(given(body.parameters) or {})}
    for name in given(body.clear_parameters) or ():
        parameters.pop(name, None)
    found = {
        "parameters": {name: value for name, value in parameters.items() if value is not None},
        "parameter_defaults": made.defaults,
        "resource_registry": made.registry,
    }
    size = len(msgspec.json.encode(found))
    if size > 2 * settings.max_template_size:  # what was there before counts, too
        raise BadInput(
            f"Request limit exceeded: the environment has {size} bytes, "
            f"{2 * settings.max_template_size} are allowed.",
            code="RequestLimitExceeded",
        )
    return found, made.encrypted


def known_parameters(source: Source, before: Source) -> Source:
    """A patched source without values for parameters that its new template has no more."""
    declared = templates.read(source.template).parameters
    there = before.env.parameters
    kept = {
        name: value
        for name, value in source.env.parameters.items()
        if name in declared or name not in there
    }
    return Source(
        template=source.template,
        files=source.files,
        environment={**source.environment, "parameters": kept},
        hidden=sorted({*source.hidden, *_still_hidden(source, before)}),
    )


def _still_hidden(source: Source, before: Source) -> list[str]:
    """Parameters whose hidden values stay: a new template does not uncover them."""
    declared = templates.read(before.template).parameters
    hidden = {name for name, one in declared.items() if one.hidden} | set(before.hidden)
    return sorted(
        name
        for name in hidden
        if any(
            name in there and there[name] == now.get(name)
            for there, now in (
                (before.env.parameters, source.env.parameters),
                (before.env.defaults, source.env.defaults),
            )
        )
    )


def truth_of(raw: Any, name: str) -> bool | None:
    """
    Raises:
        BadInput
    """
    if raw is None or raw is UNSET:
        return None
    try:
        return truth(raw)
    except ValueError as error:
        raise BadInput(f'{error} for "{name}"') from None


def _minutes(raw: Any) -> int | None:
    if raw is None:
        return None
    try:
        minutes = int(str(raw))
    except ValueError:
        raise BadInput(f"Only integer is allowed as timeout_mins: {str(raw)[:50]}") from None
    if not 0 <= minutes <= 525_600:
        raise BadInput(f"Invalid timeout value {minutes}")
    return minutes or None


def tags_of(raw: Any) -> list[str] | None:
    if raw is None:
        return None
    found: list[str] = raw.split(",")  # of "" one that is empty, as upstream; Terraform leans on it
    for one in found:
        if len(one) > _TAG:
            raise BadInput(f'Invalid tag, "{one[:100]}" is longer than {_TAG} characters')
    if len(found) > _TAGS:
        raise BadInput(f"A stack has at most {_TAGS} tags.")
    return found
