"""What joining asks of a token before it asks the cloud."""

from __future__ import annotations

import pytest

from hanok.base.authority import JoinToken
from hanok.cli.commands.join import _source
from hanok.cli.output import Failure


def test_a_cloud_on_this_machine_is_reached_from_its_loopback() -> None:
    assert _source(JoinToken("https://127.0.0.1:5980", "0" * 64, "s")) == "127.0.0.1"


@pytest.mark.parametrize(
    "url", ["https://[fd00::1]:5980", "https://10.0.0.1:99999", "https://10.0.0.1:x", "https://[::"]
)
def test_a_cloud_that_is_not_reached_by_ipv4_is_said(url: str) -> None:
    with pytest.raises(Failure, match="does not reach the cloud at"):
        _source(JoinToken(url, "0" * 64, "s"))
