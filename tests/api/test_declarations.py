"""What the tables of routes declare of versions, asked over the API: made from the tables, for every route."""

from __future__ import annotations

from hanok.cli.commands.routes import documented, openapi_document
from hanok.services.compute.routes import MICROVERSIONS
from hanok.services.compute.routes import ROUTES as COMPUTE
from hanok.services.placement.routes import ROUTES as PLACEMENT
from hanok.web.microversions import Version, text
from hanok.web.routes import PUBLIC, Route
from hanok.web.versions import Query
from tests.api.test_every_route import MOUNTS, address
from tests.api.test_rules_take_effect import VERSIONED
from tests.api.ways import own
from tests.cloud import Cloud


def served(route: Route, version: Version) -> bool:
    return (route.minimum is None or version >= route.minimum) and (
        route.maximum is None or version <= route.maximum
    )


def closed(route: Route) -> Version:
    """The version from which compute refuses what it does not know."""
    own = route.query.closed if isinstance(route.query, Query) else None
    return min(own or (2, 102), (2, 102))


async def test_the_document_has_the_addresses_where_services_answer(cloud: Cloud) -> None:
    """Who asks there without a token is told that they need one; where nothing is, that nothing is there."""
    checked = set()
    for path, methods in openapi_document()["paths"].items():
        for operation in methods.values():
            (service,) = operation["tags"]
            if operation["security"] and "get" in methods and service not in checked:
                await cloud.anonymous("GET", path.replace("{", "").replace("}", ""), status=401)
                checked.add(service)
    assert checked == set(documented())


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


async def test_services_of_one_version_refuse_unknown_parameters(cloud: Cloud) -> None:
    """All operations of telemetry's, and the lists of those that stand on other services."""
    admin = await cloud.sign_in()
    for kind in own.KINDS - VERSIONED:
        mount, routes = MOUNTS[kind]
        for route in routes:
            listed = "marker" in route.query and "{" not in route.path
            if route.rules[0] == PUBLIC or route.method == "HEAD":
                continue
            if not (listed or kind in ("metric", "alarming")):
                continue
            answer = await admin(route.method, address(mount, route) + "?nosuch=1", {}, status=400)
            assert "nosuch" in answer.text, f"{kind} {route.method} {route.path}"


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
