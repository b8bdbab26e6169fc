"""Servers that wait until an image's data is held against its signature: broken at every place of that.

It ends right, nothing is left over, and quota and allocations equal a recount.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hanok.base import failpoints
from hanok.services.image.facade import CheckSignature
from tests.api.compute.ground import SERVERS
from tests.api.compute.test_trusted_certificates import Signed
from tests.api.compute.volume_ground import with_volumes
from tests.api.image.helpers import image, upload
from tests.cloud import a_server
from tests.disks import qcow2
from tests.operations.test_every_operation import EVERYWHERE, NEWEST, RAISE, Site

pytestmark = pytest.mark.slow

POINT = "image.check_signature.ReadData."
REQUESTED = ("create", "rebuild")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("hanok.operations.execution.RETRY_S", (0.0,) * 5)
    monkeypatch.setattr("hanok.operations.execution.UNDO_RETRY_S", (0.0,) * 5)
    monkeypatch.setattr("hanok.operations.execution.CHILDREN_S", 0.0)
    yield
    failpoints.disarm()


class SignedSite(Site):
    """Certificates, and images whose signature came later, each a new one: what is found of one is kept."""

    signed: Signed

    async def late_image(self) -> str:
        made = await image(self.user)
        await upload(self.user, made, qcow2())
        await self.signed.sign_later(self.user, made)
        return made

    async def before(self, how: str) -> str:
        """The server that is there before it is asked for."""
        if how == "create":
            return ""
        server_id = await a_server(self.user, self.image, self.flavor, self.network)
        await self.settled()
        return server_id

    async def ask_for(self, how: str, server_id: str, image_id: str) -> str:
        said = {"trusted_image_certificates": self.signed.chain}
        if how == "create":
            return await a_server(self.user, image_id, self.flavor, self.network, **said)
        path, body = f"{SERVERS}/{server_id}/action", {"rebuild": {"imageRef": image_id, **said}}
        await self.user("POST", path, body, headers=NEWEST, status=202)
        return server_id

    async def image_of(self, server_id: str) -> str:
        return str((await self.show(server_id))["image"]["id"])


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[SignedSite]:
    async with with_volumes(tmp_path, hosts=2) as ground:
        made = SignedSite(
            ground.cloud, ground.admin, ground.user, ground.image, ground.flavor, ground.network
        )
        made.signed = await Signed().settled(made)
        yield made


@pytest.mark.parametrize("how", REQUESTED)
async def test_an_error_at_each_place(site: SignedSite, how: str) -> None:
    """And what is asked for again can be done."""
    for place in RAISE:
        server_id, late = await site.before(how), await site.late_image()
        with failpoints.armed(POINT + place, "raise"):
            server_id = await site.ask_for(how, server_id, late)
            await site.settled()
        await site.assert_right()
        shown = await site.show(server_id)
        assert shown["OS-EXT-STS:task_state"] is None, place
        if how == "create":
            assert (shown["status"], bool(shown["fault"]["message"])) == ("ERROR", True), place
            assert await site.status(await site.ask_for(how, "", late)) == "BUILD"
        else:
            assert (shown["status"], shown["image"]["id"]) == ("ACTIVE", site.image), place
            await site.ask_for(how, server_id, late)
        await site.settled()
        statuses = {one["id"]: one["status"] for one in await site.found()}
        statuses.pop(server_id) if how == "create" else None
        assert set(statuses.values()) == {"ACTIVE"}, place
        await site.assert_right()
        await site.end()


@pytest.mark.parametrize("how", REQUESTED)
async def test_another_takes_it_up_wherever_what_read_died(site: SignedSite, how: str) -> None:
    for place in EVERYWHERE:
        server_id, late = await site.before(how), await site.late_image()
        failpoints.arm(POINT + place, "hang", 1)
        server_id = await site.ask_for(how, server_id, late)
        await site.crash(POINT + place, CheckSignature, site.cloud.images)
        await site.settled()
        assert await site.status(server_id) == "ACTIVE", place
        assert await site.image_of(server_id) == late, place
        await site.assert_right()
        await site.end()


@pytest.mark.parametrize("how", REQUESTED)
async def test_a_delete_wins_wherever_it_stands(site: SignedSite, how: str) -> None:
    for place in EVERYWHERE:
        server_id, late = await site.before(how), await site.late_image()
        failpoints.arm(POINT + place, "hang", 1)
        server_id = await site.ask_for(how, server_id, late)
        await site.reached(POINT + place)
        path = f"{SERVERS}/{server_id}/action"
        await site.admin("POST", path, {"forceDelete": None}, headers=NEWEST, status=202)
        failpoints.release(POINT + place)
        await site.settled()
        assert await site.status(server_id) == "gone", place
        await site.assert_right()
        await site.end()


@pytest.mark.parametrize("how", REQUESTED)
async def test_the_image_is_deleted_while_its_data_is_read(site: SignedSite, how: str) -> None:
    """The server says so, or has been made before; it does not wait for what is not there any more."""
    for place in EVERYWHERE:
        server_id, late = await site.before(how), await site.late_image()
        failpoints.arm(POINT + place, "hang", 1)
        server_id = await site.ask_for(how, server_id, late)
        await site.reached(POINT + place)
        await site.user("DELETE", f"/image/v2/images/{late}", status=204)
        failpoints.release(POINT + place)
        await site.settled()
        shown = await site.show(server_id)
        assert shown["OS-EXT-STS:task_state"] is None, place
        if how == "create":
            assert (shown["status"], bool(shown["fault"]["message"])) == ("ERROR", True), place
        else:
            assert (shown["status"], shown["image"]["id"]) == ("ACTIVE", site.image), place
        await site.assert_right()
        await site.end()


async def test_of_several_servers_the_one_that_is_deleted_does_not_end_the_reading(
    site: SignedSite,
) -> None:
    late = await site.late_image()
    failpoints.arm(POINT + "before_do", "hang", -1)
    first = await site.ask_for("create", "", late)
    await site.reached(POINT + "before_do")
    others = [await site.ask_for("create", "", late) for _ in range(2)]
    await site.admin("DELETE", f"{SERVERS}/{first}", status=204)
    failpoints.disarm()
    failpoints.release(POINT + "before_do")
    await site.settled()
    assert [await site.status(one) for one in others] == ["ACTIVE"] * 2
    assert await site.status(first) == "gone"
    await site.assert_right()
    await site.end()
