"""Bodies of load balancers that are made with what is below them: nested objects, each read by its own table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hanok.base.errors import BadInput
from hanok.services.load_balancer.routes.api import BODIES
from hanok.services.load_balancer.schemas import resources
from hanok.web.attributes import Attribute

MAXIMUM = 500  # objects of one request
_UNNESTED = ("loadbalancer_id", "listener_id", "pool_id", "project_id")


def _nested(attributes: Mapping[str, Attribute], *but: str) -> dict[str, Attribute]:
    """The attributes of an object that stands in another: who it belongs to is not said."""
    return {name: one for name, one in attributes.items() if name not in (*_UNNESTED, *but)}


_LISTENER, _POOL = _nested(resources.LISTENER), _nested(resources.POOL)
_MEMBER, _MONITOR = _nested(resources.MEMBER), _nested(resources.HEALTH_MONITOR)
_POLICY, _RULE = _nested(resources.L7POLICY), _nested(resources.L7RULE)


class Reading:
    """Reads one body; counts, so that a small body cannot ask for much."""

    def __init__(self) -> None:
        self._left = MAXIMUM

    def graph(self, listeners: Any, pools: Any) -> dict[str, Any]:
        """The listeners and the pools at the top. Raises BadInput."""
        return {
            "listeners": [self._listener(one) for one in self._list(listeners, "listeners")],
            "pools": [self._pool(one) for one in self._list(pools, "pools")],
        }

    def _list(self, value: Any, name: str) -> list[dict[str, Any]]:
        found = [] if value is None else value
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise BadInput(f"Invalid input for field/attribute {name}. A list of objects is needed")
        self._left -= len(found)
        if self._left < 0:
            raise BadInput(f"A request makes {MAXIMUM} objects at most.")
        return list(found)

    def _read(
        self, value: dict[str, Any], name: str, attributes: Mapping[str, Attribute], *below: str
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """An object's own values, and what is below it."""
        inner = {key: one for key, one in value.items() if key in below}
        own = {key: one for key, one in value.items() if key not in below}
        return BODIES.made({name: own}, name, attributes).values, inner

    def _listener(self, value: dict[str, Any]) -> dict[str, Any]:
        values, inner = self._read(value, "listener", _LISTENER, "default_pool", "l7policies")
        policies = self._list(inner.get("l7policies"), "l7policies")
        return {
            "values": values,
            "default_pool": self._one_of(inner.get("default_pool"), "default_pool"),
            "l7policies": [self._policy(one) for one in policies],
        }

    def _one_of(self, value: Any, name: str) -> dict[str, Any] | None:
        """A pool of its own, or the name of one at the top."""
        if value is None:
            return None
        if not isinstance(value, dict):
            raise BadInput(f"Invalid input for field/attribute {name}. An object is needed")
        if list(value) == ["name"] and isinstance(value["name"], str):
            return {"name": value["name"]}
        return self._pool(value)

    def _pool(self, value: dict[str, Any]) -> dict[str, Any]:
        values, inner = self._read(value, "pool", _POOL, "members", "healthmonitor")
        members = self._list(inner.get("members"), "members")
        monitor = inner.get("healthmonitor")
        return {
            "values": values,
            "members": [self._read(one, "member", _MEMBER)[0] for one in members],
            "healthmonitor": None
            if monitor is None
            else BODIES.made({"healthmonitor": monitor}, "healthmonitor", _MONITOR).values,
        }

    def _policy(self, value: dict[str, Any]) -> dict[str, Any]:
        values, inner = self._read(value, "l7policy", _POLICY, "redirect_pool", "rules")
        return {
            "values": values,
            "redirect_pool": self._one_of(inner.get("redirect_pool"), "redirect_pool"),
            "rules": [
                self._read(one, "rule", _RULE)[0] for one in self._list(inner.get("rules"), "rules")
            ],
        }


def split(body: Any) -> tuple[Any, dict[str, Any] | None]:
    """A body without what is below the load balancer, and that, if there is any.

    Raises:
        BadInput
    """
    if not isinstance(body, dict) or not isinstance(body.get("loadbalancer"), dict):
        return body, None
    sent = body["loadbalancer"]
    if not sent.get("listeners") and not sent.get("pools"):
        own = {key: one for key, one in sent.items() if key not in ("listeners", "pools") or one}
        return {**body, "loadbalancer": own}, None
    graph = Reading().graph(sent.get("listeners"), sent.get("pools"))
    own = {key: one for key, one in sent.items() if key not in ("listeners", "pools")}
    return {**body, "loadbalancer": own}, graph
