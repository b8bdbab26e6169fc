"""What becomes of a description in the kernel's rules, and of what members answer."""

from __future__ import annotations

from msgspec import structs
from tests.node.balancer_plans import listener, plan, pool

from hanok.drivers.netfilter.table import Content, script
from hanok.node import datagram_rules
from hanok.node.datagram_rules import Around
from hanok.node.member_checks import expected

MEMBERS = (("10.0.0.11", 53), ("10.0.0.12", 53), ("10.0.0.13", 53))


def test_numbers_stay_while_what_was_is_known() -> None:
    web = pool(*MEMBERS)
    one = plan(listener(53, web, mode="udp"), listener(80, web), web)
    first = datagram_rules.numbered(one, {})
    assert sorted(first.values()) == [1, 2, 3, 4] and one.listeners[1].id not in first
    other = structs.replace(web, members=(*web.members[1:], *pool(("10.0.0.14", 53)).members))
    again = datagram_rules.numbered(structs.replace(one, pools=(other,)), first)
    assert again == {**first, other.members[-1].id: 5}
    fewer = {name: number for name, number in first.items() if number != 2}
    assert sorted(datagram_rules.numbered(one, fewer).values()) == [1, 2, 3, 4]


def test_backups_serve_where_nobody_else_does() -> None:
    members = pool(*MEMBERS).members
    members = (
        members[0],
        structs.replace(members[1], backup=True),
        structs.replace(members[2], weight=0),
    )
    web = structs.replace(pool(), members=members)
    one = plan(listener(53, web, mode="udp"), web)
    numbers = datagram_rules.numbered(one, {})
    choices = [
        [rule for rule in chosen.rules["l1_4"] if "numgen" in rule]
        for down in ((), {members[0].id}, {members[0].id, members[1].id})
        for chosen in [datagram_rules.write(one, Around(numbers=numbers, down=down))]
    ]
    assert choices == [
        ["meta mark set numgen inc mod 1 map { 0 : 0x10002 }"],
        ["meta mark set numgen inc mod 1 map { 0 : 0x10003 }"],
        [],
    ]


def test_the_next_flows_go_to_who_has_the_fewest() -> None:
    one, two, _ = pool(*MEMBERS).members
    two = structs.replace(two, weight=2)
    turns = [each.id for each in datagram_rules.by_fewest((one, two), {one.id: 0, two.id: 4})]
    assert turns[:2] == [one.id, one.id]
    assert turns.count(two.id) - turns.count(one.id) in range(15, 25)


def test_what_is_not_told_of_any_more_goes() -> None:
    content = Content(
        objects={("counter", "in1"): ""}, base={"b": "type x;"}, rules={"b": ["accept"]}
    )
    lines = script(
        content, [("counter", "in1"), ("counter", "in2"), ("chain", "l7_4")]
    ).splitlines()
    assert lines[-2:] == ["delete counter inet hanok in2", "delete chain inet hanok l7_4"]


def test_codes_that_are_expected() -> None:
    assert expected("204", "200-204") and expected("202", "200,202") and expected("200", "200")
    assert not (expected("205", "200-204") or expected("²00", "200") or expected("", "200"))


def test_what_a_listener_asks_for_does_not_widen_what_a_balancer_may_cost() -> None:
    web = pool(*MEMBERS)
    for maximum, counted in ((0, 8192), (2**31 - 1, 8192), (7, 7)):
        one = plan(listener(53, web, mode="udp", maximum=maximum), web)
        made = datagram_rules.write(one, Around(numbers=datagram_rules.numbered(one, {})))
        bounds = [rule for rule in made.rules["l1_4"] if "ct count" in rule]
        assert [rule.partition("over ")[2].split()[0] for rule in bounds] == [
            str(counted),
            str(datagram_rules.ALL),
        ]
