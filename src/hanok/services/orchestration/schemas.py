"""Bodies of requests.

Source: Orchestration API reference.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType


class StackBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of what makes, previews or checks a stack."""

    stack_name: str | UnsetType = UNSET
    template: Any | UnsetType = UNSET
    template_url: str | UnsetType | None = UNSET
    environment: Any | UnsetType = UNSET
    environment_files: list[str] | UnsetType | None = UNSET
    files: dict[str, Any] | UnsetType | None = UNSET
    files_container: str | UnsetType | None = UNSET
    parameters: dict[str, Any] | UnsetType | None = UNSET
    clear_parameters: list[str] | UnsetType = UNSET
    disable_rollback: bool | str | UnsetType | None = UNSET
    timeout_mins: int | str | UnsetType | None = UNSET
    timeout: int | str | UnsetType | None = UNSET  # as some clients call timeout_mins
    tags: str | UnsetType | None = UNSET
    adopt_stack_data: Any | UnsetType = UNSET


class UpdateBody(StackBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of what changes a stack, or would."""

    converge: bool | str | UnsetType = UNSET  # hold it against what is really there
    existing: bool | str | UnsetType = UNSET  # what is not sent stays, but for the template


class SnapshotBody(Struct, frozen=True, forbid_unknown_fields=True):
    name: str | None = None


class MarkBody(Struct, frozen=True, forbid_unknown_fields=True):
    mark_unhealthy: bool | str
    resource_status_reason: str = ""


class ConfigBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str = ""
    group: str = "Heat::Ungrouped"
    config: Any = ""
    inputs: list[dict[str, Any]] | None = None
    outputs: list[dict[str, Any]] | None = None
    options: dict[str, Any] | None = None


class DeploymentBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    config_id: str
    server_id: str
    action: str | None = None
    status: str | None = None
    status_reason: str | None = None
    input_values: dict[str, Any] | None = None
    stack_user_project_id: str | None = None
    id: str | UnsetType = UNSET


class DeploymentChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    config_id: str | UnsetType = UNSET
    action: str | UnsetType | None = UNSET
    status: str | UnsetType | None = UNSET
    status_reason: str | UnsetType | None = UNSET
    input_values: dict[str, Any] | UnsetType | None = UNSET
    output_values: dict[str, Any] | UnsetType | None = UNSET
