"""Environments: values for parameters, and what stands for which type of resource.

Source: the template guide, "Environments".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from hanok.services.orchestration.logic import texts
from hanok.services.orchestration.logic.functions import Wrong

SECTIONS = ("parameters", "parameter_defaults", "resource_registry", "event_sinks", "encrypted_param_names",
            "parameter_merge_strategies")  # fmt: skip
HOOKS = ("pre-create", "pre-update", "pre-delete", "post-create", "post-update", "post-delete")
ACTIONS = ("update", "replace")  # that may be restricted
STRATEGIES = ("overwrite", "merge", "deep_merge")
TEMPLATES = (".yaml", ".template", ".yml", ".json")


class Environment(Struct, frozen=True, kw_only=True):
    """registry: what stands for a type, by the type's name; and under "resources", by the resource's.

    encrypted: names of parameters whose values are to be kept hidden, whatever the template says of them.
    """

    parameters: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    registry: dict[str, Any] = {}
    strategies: dict[str, Any] = {}
    encrypted: list[str] = []

    def shown(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "parameters": self.parameters,
            "parameter_defaults": self.defaults,
            "resource_registry": {"resources": {}, **self.registry},
            "event_sinks": [],
        }

    def of_resource(self, name: str) -> dict[str, Any]:
        """What the registry says of a resource by its name; names may have * in them."""
        found: dict[str, Any] = {}
        for pattern, said in (self.registry.get("resources") or {}).items():
            if isinstance(said, dict) and (
                pattern == name or ("*" in pattern and _like(pattern, name))
            ):
                found.update(said)
        return found

    def hooks(self, name: str) -> list[str]:
        """The places at which the work on a resource pauses."""
        said = self.of_resource(name).get("hooks") or []
        return [said] if isinstance(said, str) else list(said)

    def restricted(self, name: str) -> list[str]:
        """What may not be done to a resource."""
        said = self.of_resource(name).get("restricted_actions") or []
        return [said] if isinstance(said, str) else list(said)

    def type_of(self, kind: str, name: str) -> str:
        """The type, or the file of the template, that stands for a type of a resource."""
        own = self.of_resource(name)
        for _ in range(10):
            found = own.get(kind) or self.registry.get(kind) or self._by_star(kind)
            if not isinstance(found, str) or found == kind:
                return kind
            kind = found
        raise Wrong(f"The resource registry maps {kind[:100]} to itself.")

    def _by_star(self, kind: str) -> str | None:
        for pattern, found in self.registry.items():
            if pattern.endswith("*") and isinstance(found, str) and kind.startswith(pattern[:-1]):
                rest = kind[len(pattern) - 1 :]
                return found[:-1] + rest if found.endswith("*") else found
        return None


def _like(pattern: str, name: str) -> bool:
    first, *rest = pattern.split("*")
    if not name.startswith(first):
        return False
    at = len(first)
    for part in rest[:-1]:
        found = name.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return name.endswith(rest[-1]) and len(name) >= at + len(rest[-1])


def read(raw: Any, *, maximum: int) -> Environment:
    """An environment from a body: a map, or the text of one.

    Raises:
        Wrong
    """
    if isinstance(raw, str):
        raw = texts.parse(raw, "environment", maximum=maximum) if raw.strip() else {}
    if raw is None:
        raw = {}
    if not isinstance(raw, dict):
        raise Wrong("The environment is not a valid YAML mapping data type.")
    if odd := [key for key in raw if key not in SECTIONS]:
        raise Wrong(f'environment has wrong section "{odd[0][:100]}"')
    if raw.get("event_sinks"):
        raise Wrong("event_sinks are not supported: there is no messaging service.")
    maps = {key: _map(raw, key) for key in SECTIONS[:3] + SECTIONS[5:]}
    _check_registry(maps["resource_registry"])
    for name, how in maps["parameter_merge_strategies"].items():
        if how not in STRATEGIES:
            raise Wrong(
                f'Invalid merge strategy "{str(how)[:50]}" of {name[:100]}, '
                f"it must be one of: {', '.join(STRATEGIES)}"
            )
    return Environment(
        parameters=maps["parameters"],
        defaults=maps["parameter_defaults"],
        registry=maps["resource_registry"],
        strategies=maps["parameter_merge_strategies"],
        encrypted=_names(raw.get("encrypted_param_names")),
    )


def _names(raw: Any) -> list[str]:
    if not isinstance(raw or [], list) or not all(isinstance(one, str) for one in raw or ()):
        raise Wrong('The environment\'s "encrypted_param_names" must be a list of names.')
    return sorted(set(raw or ()))


def _map(raw: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = raw.get(key)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Wrong(f'The environment\'s "{key}" must be a map.')
    return found


def _check_registry(registry: dict[str, Any]) -> None:
    """
    Raises:
        Wrong
    """
    said = registry.get("resources") or {}
    if not isinstance(said, dict):
        raise Wrong('The registry\'s "resources" must be a map.')
    for name, one in said.items():
        _check_of_resource(name, one)
    if registry.get("base_url"):
        raise Wrong("base_url is not supported: the client sends the files themselves.")
    for name, found in registry.items():
        if name not in ("resources", "base_url") and not isinstance(found, str):
            raise Wrong(f"The registry entry of the type {name[:100]} must be a string.")


def _check_of_resource(name: str, said: Any) -> None:
    if not isinstance(said, dict):
        raise Wrong(f"The registry entry of the resource {name[:100]} must be a map.")
    for key, value in said.items():
        known = {"hooks": HOOKS, "restricted_actions": ACTIONS}.get(key)
        if known is None:
            if not isinstance(value, str | dict):
                raise Wrong(
                    f"The registry entry of the resource {name[:100]} is not a valid resource type."
                )
            continue
        some = [value] if isinstance(value, str) else value or []
        if not isinstance(some, list):
            raise Wrong(f"The {key} of the resource {name[:100]} must be a list.")
        for one in some:
            if one not in known:
                raise Wrong(
                    f'Invalid {key} type "{str(one)[:50]}" for resource "{name}", '
                    f"it must be one of: {', '.join(known)}"
                )


def merged(some: Iterable[Environment]) -> Environment:
    """Several in one: later ones win, but a parameter's strategy may say to merge its values."""
    made = Environment()
    for one in some:
        strategies = {**made.strategies, **one.strategies}
        resources = {
            **(made.registry.get("resources") or {}),
            **(one.registry.get("resources") or {}),
        }
        registry = {
            **made.registry,
            **one.registry,
            **({"resources": resources} if resources else {}),
        }
        made = Environment(
            parameters=_joined(made.parameters, one.parameters, strategies),
            defaults=_joined(made.defaults, one.defaults, strategies),
            registry=registry,
            strategies=strategies,
            encrypted=sorted({*made.encrypted, *one.encrypted}),
        )
    return made


def _joined(
    before: dict[str, Any], after: dict[str, Any], strategies: Mapping[str, Any]
) -> dict[str, Any]:
    made = dict(before)
    for name, value in after.items():
        how = strategies.get(name, strategies.get("default", "overwrite"))
        old = before.get(name)
        if how in ("merge", "deep_merge") and isinstance(old, dict) and isinstance(value, dict):
            made[name] = _joined(old, value, {"default": how} if how == "deep_merge" else {})
        elif how in ("merge", "deep_merge") and isinstance(old, list) and isinstance(value, list):
            made[name] = old + value
        else:
            made[name] = value
    return made
