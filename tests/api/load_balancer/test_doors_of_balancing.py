"""Every door of load balancing: without a token, with odd bodies and filters, as another project."""

from __future__ import annotations

import pytest

from hanok.services.load_balancer.policy import RULES
from hanok.services.load_balancer.routes import ROUTES
from hanok.web.policy import Enforcer
from hanok.web.routes import PUBLIC, SIGNED_IN
from tests.api.load_balancer.balancing import BASE, Balancing, balancing
from tests.cloud import Cloud

NOWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def web(cloud: Cloud) -> Balancing:
    return await balancing(cloud)


def _address(path: str) -> str:
    parts = [NOWHERE if part.startswith("{") else part for part in path.split("/")]
    return "/load-balancer" + "/".join(parts)


async def test_odd_things_below_a_load_balancer_are_refused(web: Balancing) -> None:
    pool = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    front = {"protocol": "HTTP", "protocol_port": 80}
    for below in (
        {"listeners": 7},
        {"listeners": [{**front, "default_pool": {"name": []}}]},
        {"listeners": [{**front, "l7policies": [{"action": "REJECT", "rules": [None]}]}]},
        {"pools": [{**pool, "members": [1]}]},
        {"pools": [{**pool, "healthmonitor": []}]},
    ):
        body = {"loadbalancer": {"vip_subnet_id": web.subnet, **below}}
        await web.user("POST", f"{BASE}/loadbalancers", body, status=400)


async def test_every_filter_and_sort_key_is_read_or_refused(web: Balancing) -> None:
    await web.balancer()
    for route in ROUTES:
        if route.method != "GET" or "{" in route.path or route.rules[0] in (PUBLIC, SIGNED_IN):
            continue
        path = _address(route.path)
        names = route.query if isinstance(route.query, tuple) else ()
        for name in names:
            for value in ("", "x", "-1", "2026-01-31T12:00:00", "true", "9" * 30):
                answer = await web.user("GET", f"{path}?{name}={value}")
                assert answer.status_code in (200, 400, 403), f"{path}?{name}={value} {answer.text}"
        answer = await web.user("GET", f"{path}?nonsense=1")
        assert answer.status_code in (400, 403), path


def test_each_rule_is_asked() -> None:
    applied = {rule for route in ROUTES for rule in route.rules}
    # Those of single attributes, and those that are there for others.
    aside = {"os_load-balancer_api:loadbalancer:put:vip_sg_ids", "context_is_admin"}
    own = {rule.name for rule in RULES if rule.name.startswith("os_load-balancer_api:")}
    assert own - applied - aside == set()
    enforcer = Enforcer("load-balancer", RULES)
    for rule in applied - {PUBLIC, SIGNED_IN}:
        assert enforcer.knows(rule), rule


async def test_lists_have_pages_in_order(web: Balancing) -> None:
    for name in ("c", "a", "b"):
        await web.balancer(name=name)
    path = f"{BASE}/loadbalancers"
    found = await web.user.get(f"{path}?sort=name:desc&limit=2")
    assert [one["name"] for one in found["loadbalancers"]] == ["c", "b"]
    (link,) = (one["href"] for one in found["loadbalancers_links"] if one["rel"] == "next")
    rest = await web.user.get("/load-balancer" + link.partition("/load-balancer")[2])
    assert [one["name"] for one in rest["loadbalancers"]] == ["a"]
    found = await web.user.get("/load-balancer/v2/lbaas/loadbalancers?fields=name&name=a")
    assert found["loadbalancers"] == [{"name": "a"}]
