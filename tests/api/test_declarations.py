"""What the tables of routes declare of versions, asked over the API: made from the tables, for every route."""

from __future__ import annotations

from hanok.services.compute.routes import MICROVERSIONS
from hanok.services.compute.routes import ROUTES as COMPUTE
from hanok.services.placement.routes import ROUTES as PLACEMENT
from hanok.web.microversions import Version, text
from hanok.web.routes import PUBLIC, Route
from hanok.web.versions import Query
from tests.api.test_every_route import address
from tests.cloud import Cloud


def served(route: Route, version: Version) -> bool:
    return (route.minimum is None or version >= route.minimum) and (
        route.maximum is None or version <= route.maximum
    )


def closed(route: Route) -> Version:
    """The version from which compute refuses what it does not know."""
    own = route.query.closed if isinstance(route.query, Query) else None
    return min(own or (2, 102), (2, 102))


async def test_compute_refuses_unknown_parameters_from_the_version_on_that_upstream_does(
    cloud: Cloud,
) -> None:
    admin = await cloud.sign_in()
    refused = 0
    for route in COMPUTE:
        if route.rules[0] == PUBLIC:
            continue
        since = closed(route)
        for version in {(since[0], since[1] - 1), since, MICROVERSIONS.maximum}:
            if not served(route, version):
                continue
            header = {"OpenStack-API-Version": f"compute {text(version)}"}
            body = {route.body_key: None} if route.body_key else {}
            path = address("/compute", route) + "?nosuch=1"
            answer = await admin(route.method, path, body, headers=header)
            said = "'nosuch' was unexpected" in answer.text
            assert said == (version >= since), (
                f"{route.method} {route.path} {version}: {answer.text[:200]}"
            )
            refused += said
    assert refused > 80


async def test_placement_refuses_unknown_parameters_where_it_knows_any(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    for route in PLACEMENT:
        if not isinstance(route.query, Query):
            continue
        version = route.minimum or route.maximum or (1, 0)
        header = {"OpenStack-API-Version": f"placement {text(version)}"}
        path = address("/placement", route) + "?nosuch=1"
        answer = await admin(route.method, path, headers=header, status=400)
        assert "'nosuch' was unexpected" in answer.text


async def test_a_parameter_is_refused_before_its_version(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    tried = 0
    for kind, routes in (("compute", COMPUTE), ("placement", PLACEMENT)):
        for route in routes:
            if not isinstance(route.query, Query) or route.query.closed is None:
                continue
            for one in route.query.parameters:
                first = min(
                    other.since or (0, 0)
                    for other in route.query.parameters
                    if other.name == one.name
                )
                version = (first[0], first[1] - 1)
                if first == (0, 0) or version < route.query.closed or not served(route, version):
                    continue
                name = f"{one.name}1" if one.suffix else one.name
                header = {"OpenStack-API-Version": f"{kind} {text(version)}"}
                path = f"{address('/' + kind, route)}?{name}=1"
                answer = await admin(route.method, path, headers=header, status=400)
                assert f"'{name}' was unexpected" in answer.text, (route.path, name, version)
                tried += 1
    assert tried > 15
