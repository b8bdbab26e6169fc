"""Microversions, the tree of routes, access rules, pages: without a server."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from hanok.base.errors import BadInput, NotAcceptable
from hanok.control.settings import ROOMS
from hanok.store import Database
from hanok.web.app import Application, MisbuiltHouse, check_tables
from hanok.web.faults import compute
from hanok.web.microversions import Range
from hanok.web.pages import Direction, limit_of, ordered
from hanok.web.policy import Enforcer, Rule
from hanok.web.request import Request
from hanok.web.routes import Route, Router, Service
from hanok.web.token import Token

RANGE = Range(header_type="compute", minimum=(2, 1), maximum=(2, 104), legacy_header="X-Old")


def test_versions_are_taken_from_the_header_then_the_older_one_then_the_minimum() -> None:
    assert RANGE.negotiate(None, None) == (2, 1)
    assert RANGE.negotiate("compute 2.53", "2.10") == (2, 53)
    assert RANGE.negotiate("volume 3.1", "2.10") == (2, 10)
    assert RANGE.negotiate("volume 3.1, compute latest", None) == (2, 104)
    for wrong in ("compute 2", "compute two", "compute 2.1.1", "compute 02.1"):
        with pytest.raises(BadInput):
            RANGE.negotiate(wrong, None)
    with pytest.raises(NotAcceptable):
        RANGE.negotiate("compute 2.105", None)


async def _handler(request: Request, room: Any) -> Any:
    raise AssertionError


def route(path: str, method: str = "GET", rules: tuple[str, ...] = ("r",)) -> Route:
    return Route(method, path, _handler, rules)


def test_a_named_segment_wins_over_a_parameter_and_falls_back_to_it() -> None:
    router = Router([route("/v1/a/{x}"), route("/v1/a/detail"), route("/v1/{y}/b")])
    found = router.find(["v1", "a", "detail"])
    assert found is not None and found[0]["GET"][0].path == "/v1/a/detail" and found[1] == []
    found = router.find(["v1", "a", "b"])
    assert found is not None and found[0]["GET"][0].path == "/v1/a/{x}"
    found = router.find(["v1", "c", "b"])
    assert found is not None and found[1] == ["c"]
    assert router.find(["v1"]) is None and router.find(["v1", "a", ""]) is None


def enforcer(*rules: Rule) -> Enforcer:
    return Enforcer("test", rules)


def test_null_never_equals_null_and_an_unknown_rule_means_no() -> None:
    rules = enforcer(Rule("own", "project_id:%(project_id)s"))
    nobody: dict[str, Any] = {"roles": [], "project_id": None}
    assert not rules.allows("own", {"project_id": None}, nobody)
    assert not rules.allows("own", {}, nobody)
    assert not rules.allows("nonsense", {}, {"roles": ["admin"]})
    assert rules.allows("own", {"project_id": "p"}, {"roles": [], "project_id": "p"})


def test_a_check_against_none_looks_for_an_attribute_that_is_there_without_a_value() -> None:
    rules = enforcer(
        Rule("of nobody", "None:%(role.domain_id)s"),
        Rule("of somebody", "not None:%(role.domain_id)s"),
        Rule("text", "None:None"),
    )
    caller: dict[str, Any] = {"roles": [], "domain_id": None}
    assert rules.allows("of nobody", {"role.domain_id": None}, caller)
    assert not rules.allows("of somebody", {"role.domain_id": None}, caller)
    for target in ({"role.domain_id": "d"}, {"role.domain_id": "None"}, {}):
        assert not rules.allows("of nobody", target, caller), target
        assert rules.allows("of somebody", target, caller), target
    assert not rules.allows("text", {}, caller)


def test_rules_that_lead_back_to_themselves_are_refused() -> None:
    with pytest.raises(ValueError, match="the rule 'a' leads back to itself"):
        enforcer(Rule("a", "rule:b"), Rule("b", "rule:a"))


@pytest.mark.parametrize("name", [name for name in ROOMS if name != "dashboard"])
def test_the_tables_of_each_service_agree_with_its_rules(name: str) -> None:
    routes = importlib.import_module(f"hanok.services.{name}.routes").ROUTES
    rules = importlib.import_module(f"hanok.services.{name}.policy").RULES
    check_tables(name, routes, Enforcer(name, rules))


async def nobody(token: str) -> Token | None:
    return None


def test_a_table_that_is_given_later_is_asked_for_when_it_is_used() -> None:
    mounted = []

    def routes() -> list[Route]:
        mounted.append("t")
        return [route("/", rules=("unknown",))]

    rules = (Rule("r", "@"),)
    service = Service(kind="t", room=None, rules=rules, mounts=("t",), routes=routes, fault=compute)
    database = Database("sqlite://")
    Application([service], database=database, authenticate=nobody)
    assert mounted == []
    with pytest.raises(MisbuiltHouse):
        Application([service], database=database, authenticate=nobody, loaded=True)
    assert mounted == ["t"]


def test_a_house_with_an_unruled_or_misruled_route_does_not_start() -> None:
    for rules in ((), ("unknown",)):
        with pytest.raises(MisbuiltHouse):
            check_tables("t", [route("/", rules=rules)], enforcer(Rule("r", "@")))


def test_limits_are_whole_and_not_negative() -> None:
    assert limit_of("9" * 5000, maximum=7) == 7
    assert limit_of(None, maximum=7) == 7 and limit_of("9", maximum=7) == 7
    for wrong in ("-1", "x", "1.5", "", " 5", "1_0", "\u0663", "-" + "9" * 5000):
        with pytest.raises(BadInput):
            limit_of(wrong)


table = sa.Table(
    "t",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(5)),
)


@given(
    names=st.lists(st.one_of(st.none(), st.sampled_from("abc")), max_size=12),
    direction=st.sampled_from(["asc", "desc"]),
    limit=st.integers(1, 4),
)
def test_pages_one_after_another_are_the_whole_list_in_order(
    names: list[str | None], direction: Direction, limit: int
) -> None:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        table.create(connection)
        if names:
            rows = [{"id": number, "name": name} for number, name in enumerate(names)]
            connection.execute(table.insert(), rows)
        keys: list[tuple[sa.Column[Any], Direction]] = [
            (table.c.name, direction),
            (table.c.id, direction),
        ]
        whole = [row.id for row in connection.execute(ordered(sa.select(table), keys))]
        paged: list[int] = []
        after = None
        while True:
            page = connection.execute(
                ordered(sa.select(table), keys, after=after, limit=limit)
            ).all()
            paged += [row.id for row in page]
            if len(page) < limit:
                break
            after = page[-1]._mapping
    engine.dispose()
    expected = sorted(
        range(len(names)),
        key=lambda number: (names[number] is not None, names[number] or "", number),
        reverse=direction == "desc",
    )
    assert paged == whole == expected
