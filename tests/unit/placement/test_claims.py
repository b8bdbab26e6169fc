"""Claims against a plain model, in random histories."""

from __future__ import annotations

import asyncio
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hanok.services.placement import facade as placement
from tests.databases import opened

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOSTS = {"a": 4, "b": 2}
ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["claim", "release"]),
        st.sampled_from(["one", "two", "three", "four"]),
        st.sampled_from(sorted(HOSTS)),
        st.integers(1, 5),
    ),
    max_size=25,
)


async def play(actions: list[tuple[str, str, str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = await opened(Path(folder))
        async with database.write() as tx:
            for host, total in HOSTS.items():
                await placement.ensure_provider(
                    tx,
                    provider_id=host,
                    name=host,
                    totals={"MEMORY_MB": (100, 0, 1.0), "VCPU": (total, 0, 1.0)},
                    traits=(),
                    now=NOW,
                )
        model: dict[str, tuple[str, int]] = {}
        for action, who, host, amount in actions:
            others = sum(n for w, (h, n) in model.items() if h == host and w != who)
            fits = others + amount <= HOSTS[host]
            async with database.write() as tx:
                if action == "release":
                    await placement.release(tx, who, NOW)
                    model.pop(who, None)
                else:
                    try:  # refused, it has done nothing, though the transaction goes on and is kept
                        await placement.claim(
                            tx,
                            consumer_id=who,
                            resources={host: {"MEMORY_MB": amount, "VCPU": amount}},
                            project_id="p",
                            user_id="u",
                            now=NOW,
                        )
                        assert fits
                        model[who] = (host, amount)
                    except placement.Full:
                        assert not fits
            async with database.read() as tx:
                for name in HOSTS:
                    taken = sum(n for h, n in model.values() if h == name)
                    assert (await placement.used(tx, name))["VCPU"][2] == taken
                assert await placement.miscounted(tx) == []
                assert await placement.all_consumers(tx) == set(model)
        await database.close()


@given(ACTIONS)
def test_claims_follow_the_model_and_the_sums_add_up(
    actions: list[tuple[str, str, str, int]],
) -> None:
    asyncio.run(play(actions))
