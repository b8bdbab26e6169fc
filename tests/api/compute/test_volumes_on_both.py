"""Volumes of servers, on each database: attached, booted from, imaged, and gone with their server."""

from __future__ import annotations

from tests.api.block_storage.grounds import backends_told
from tests.api.compute.test_boot_from_volume import BLANK, boot, of_image, volumes_of
from tests.api.compute.volume_ground import VolumeGround
from tests.cloud import Cloud, a_flavor, a_network, an_image


async def test_a_server_and_its_volumes(cloud: Cloud) -> None:
    admin, user = await cloud.sign_in(), await cloud.project_with("p", "member")
    await backends_told(admin)
    image, flavor, network = await an_image(user), await a_flavor(admin), await a_network(user)
    ground = VolumeGround(cloud, admin, user, image, flavor, network)
    server = await boot(ground, of_image(ground, delete_on_termination=True), BLANK)
    assert (await ground.show(server))["status"] == "ACTIVE"
    data = await ground.volume()
    await ground.attach(server, data)
    (root, blank, last) = await volumes_of(ground, server)
    assert last == data
    await ground.act(server, "createImage", {"name": "kept"})
    await ground.act(server, "shelve")
    await ground.act(server, "unshelve")
    assert set(ground.guest_volumes(server)) == {root, blank, data}
    await ground.detach(server, data)
    await ground.assert_clean()
    await ground.delete(server)
    for one in (blank, data):
        assert (await ground.volume_of(one))["status"] == "available"
    assert (await ground.volume_of(root))["status"] == "available"  # it has a snapshot
    await ground.assert_clean()
