"""Odd requests from the project's own OpenAPI document, with a fixed seed: each gets an answer, none a 500."""

from __future__ import annotations

import pytest
from bench.fuzz import fuzz


@pytest.mark.slow
async def test_odd_requests_get_no_500() -> None:
    found = await fuzz(2_000, seed=1)
    assert not found.failures, "\n\n".join(f"{k}\n{v}" for k, v in found.failures.items())
    assert sum(found.statuses.values()) == 2_000
    assert len(found.operations) > 400
    assert len(found.succeeded) > 300, "the requests do not get beyond the first checks"
