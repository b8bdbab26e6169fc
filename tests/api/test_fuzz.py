"""Odd requests from the project's own OpenAPI document, with a fixed seed: each gets an answer, none a 500."""

from __future__ import annotations

import pytest
from bench.fuzz import fuzz

from hanok.cli.commands.routes import openapi_document

TURNS = 3  # of each operation, so that the share of one does not shrink while the document grows


@pytest.mark.slow
async def test_odd_requests_get_no_500() -> None:
    there = sum(len(methods) for methods in openapi_document(None)["paths"].values())
    found = await fuzz(TURNS * there, seed=1)
    assert not found.failures, "\n\n".join(f"{k}\n{v}" for k, v in found.failures.items())
    assert sum(found.statuses.values()) == TURNS * there
    assert len(found.operations) > there * 0.9
    assert len(found.succeeded) > there / 3, "the requests do not get beyond the first checks"
