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
