"""Random worlds of projects, groups and roles, and a plain model of who holds what in them."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import strategies as st

USERS = ("ann", "bob", "cid")
GROUPS = ("staff", "crew")
DOMAINS = ("north", "south")
# One role may imply those after it; the first one is a role of the domain north.
ROLES = ("local", "chief", "clerk", "guest")
SYSTEM = "system"


class Given(NamedTuple):
    """One assignment. place: a domain's name, the name of a project (p0, p1, …) or the system."""

    actor: str
    role: str
    place: str
    inherited: bool


class World(NamedTuple):
    """parents: of p0, p1, …: a domain or a project before it. implied: (prior, implied)."""

    parents: tuple[str, ...]
    members: frozenset[tuple[str, str]]
    implied: frozenset[tuple[str, str]]
    given: frozenset[Given]

    @property
    def projects(self) -> list[str]:
        return [f"p{number}" for number in range(len(self.parents))]

    @property
    def places(self) -> list[str]:
        return [*self.projects, *DOMAINS, SYSTEM]

    def parent(self, place: str) -> str | None:
        return self.parents[int(place[1:])] if place in self.projects else None

    def domain(self, place: str) -> str:
        parent = self.parent(place)
        return place if parent is None else self.domain(parent)

    def holds(self, user: str, role: str, place: str) -> bool:
        """Whether a user has a role at a place, by whatever way."""
        actors = {user} | {group for group, member in self.members if member == user}
        if any(Given(actor, role, place, False) in self.given for actor in actors):
            return True
        if any(self._comes_down(actor, role, self.parent(place)) for actor in actors):
            return True
        return any(self.holds(user, prior, place) for prior, one in self.implied if one == role)

    def _comes_down(self, actor: str, role: str, place: str | None) -> bool:
        if place is None:
            return False
        here = Given(actor, role, place, True) in self.given
        return here or self._comes_down(actor, role, self.parent(place))

    def roles(self, user: str, place: str) -> set[str]:
        """What a token says: roles of a domain only lead to others."""
        return {role for role in ROLES[1:] if self.holds(user, role, place)}


@st.composite
def worlds(draw: st.DrawFn) -> World:
    parents: list[str] = []
    for number in range(draw(st.integers(1, 5))):
        parents.append(draw(st.sampled_from([*DOMAINS, *(f"p{one}" for one in range(number))])))
    pairs = [(ROLES[a], ROLES[b]) for b in range(len(ROLES)) for a in range(b)]
    memberships = [(group, user) for group in GROUPS for user in USERS]
    world = World(
        tuple(parents),
        frozenset(draw(st.sets(st.sampled_from(memberships)))),
        frozenset(draw(st.sets(st.sampled_from(pairs), max_size=4))),
        frozenset(),
    )
    given = st.builds(
        Given,
        st.sampled_from([*USERS, *GROUPS]),
        st.sampled_from(ROLES),
        st.sampled_from(world.places),
        st.booleans(),
    ).filter(lambda one: _may_be(world, one))
    return world._replace(given=frozenset(draw(st.sets(given, max_size=8))))


def _may_be(world: World, given: Given) -> bool:
    """Nothing is below the system, and a role of a domain stays there."""
    if given.place == SYSTEM:
        return not given.inherited and given.role != ROLES[0]
    return given.role != ROLES[0] or world.domain(given.place) == DOMAINS[0]
