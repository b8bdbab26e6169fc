"""A memory that forgets the oldest."""

from __future__ import annotations

from hanok.base.recent import Recent


def test_the_oldest_goes_and_the_others_stay() -> None:
    recent: Recent[str, int] = Recent(3)
    for number, name in enumerate("abc"):
        recent.put(name, number)
    assert recent.get("a") == 0  # looked at: b is the oldest now
    recent.put("d", 3)
    assert [recent.get(name) for name in "abcd"] == [0, None, 2, 3]
    assert len(recent) == 3


def test_what_is_put_again_takes_no_second_place() -> None:
    recent: Recent[str, int] = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    recent.put("a", 3)
    assert (recent.get("a"), recent.get("b"), len(recent)) == (3, 2, 2)
    recent.forget("a")
    recent.forget("never there")
    assert (recent.get("a"), len(recent)) == (None, 1)


def test_what_is_kept_weighs_no_more_than_it_may() -> None:
    recent: Recent[str, bytes] = Recent(10, 5, len)
    for name in "abc":
        recent.put(name, b"12")
    assert [recent.get(name) for name in "abc"] == [None, b"12", b"12"]
    recent.put("c", b"123")
    recent.put("d", b"")
    assert [recent.get(name) for name in "bcd"] == [b"12", b"123", b""]
    recent.put("e", b"123456")  # the newest is there until the next
    assert (len(recent), recent.get("e")) == (1, b"123456")
    recent.put("f", b"1")
    assert (len(recent), recent.get("f")) == (1, b"1")
