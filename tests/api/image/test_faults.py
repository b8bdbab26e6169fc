"""Image's errors in the form that the client asks for."""

from __future__ import annotations

import pytest

from tests.cloud import Cloud

NOWHERE = "/image/v2/images/00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "text/html"),
        ("text/html", "text/html"),
        ("application/json", "application/json"),
        ("application/json, */*;q=0.1", "application/json"),
        ("application/json;q=0.2, text/html", "text/html"),
        ("text/*;q=0.1, application/*", "application/json"),
        ("text/plain", "text/plain"),
        ("application/json;q=0", "text/plain"),
        ("nonsense;;q=x,,", "text/plain"),
    ],
)
async def test_an_error_has_the_form_that_is_asked_for(
    cloud: Cloud, accept: str, kind: str
) -> None:
    admin = await cloud.sign_in()
    answer = await admin("GET", NOWHERE, headers={"Accept": accept}, status=404)
    assert answer.headers["content-type"].split(";")[0] == kind
    assert "Failed to find image" in answer.text or "could not be found" in answer.text.lower()
    if kind == "application/json":
        said = answer.json()
        assert said["code"] == "404 Not Found" and said["title"] == "Not Found"
