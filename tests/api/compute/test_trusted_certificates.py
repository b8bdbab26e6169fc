"""Servers whose image must be signed by somebody whom named certificates vouch for."""

from __future__ import annotations

import asyncio
import base64
import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hanok.base import failpoints
from hanok.events import Event
from hanok.events.tables import events
from tests.api.compute.ground import PLACES, SERVERS, Ground, at, standing
from tests.api.image.helpers import image, patch, upload
from tests.cloud import NEWEST, Client, a_server
from tests.disks import qcow2


class Issuer:
    """A key, and a certificate of it that `above` has signed; without one, it has itself."""

    def __init__(self, name: str, above: Issuer | None = None, *, ca: bool = True) -> None:
        self.key = ec.generate_private_key(ec.SECP384R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name((above or self).name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .sign((above or self).key, hashes.SHA256())
        )
        self.pem = made.public_bytes(serialization.Encoding.PEM)

    def signature(self, data: bytes) -> str:
        return base64.b64encode(self.key.sign(data, ec.ECDSA(hashes.SHA256()))).decode()

    async def kept(self, client: Client) -> str:
        """The id of a secret that is the certificate."""
        sent = {
            "secret_type": "certificate",
            "payload": self.pem.decode(),
            "payload_content_type": "text/plain",
        }
        made = await client.post("/key-manager/v1/secrets", sent)
        return str(made["secret_ref"]).rsplit("/", 1)[-1]


class Signed:
    """A project with a root, what that vouches for, and a signer, and an image of the signer's."""

    def __init__(self) -> None:
        self.root = Issuer("root")
        self.middle = Issuer("middle", self.root)
        self.signer = Issuer("signer", self.middle, ca=False)

    async def settled(self, here: Ground) -> Signed:
        admin, user = here.admin, here.user
        roles = (await admin.get("/v3/roles"))["roles"]
        role = next(one["id"] for one in roles if one["name"] == "creator")
        path = f"/v3/projects/{user.project_id}/users/{user.user_id}/roles/{role}"
        await admin("PUT", path, status=204)
        self.root_id, self.middle_id = await self.root.kept(user), await self.middle.kept(user)
        self.signer_id = await self.signer.kept(user)
        self.chain = [self.middle_id, self.root_id]
        self.image = await self.an_image(user)
        return self

    def said(self, signer: Issuer, secret_id: str) -> dict[str, str]:
        return {
            "img_signature": signer.signature(qcow2()),
            "img_signature_hash_method": "SHA-256",
            "img_signature_key_type": "ECC_SECP384R1",
            "img_signature_certificate_uuid": secret_id,
        }

    async def sign_later(self, user: Client, image_id: str, **other: str) -> None:
        """An image that has its data says that it is signed."""
        said = {**self.said(self.signer, self.signer_id), **other}
        lines = [{"op": "add", "path": f"/{name}", "value": one} for name, one in said.items()]
        await patch(user, image_id, *lines)

    async def an_image(self, user: Client) -> str:
        made = await image(user, **self.said(self.signer, self.signer_id))
        await upload(user, made, qcow2())
        return made


async def told(here: Ground, server_id: str) -> list[tuple[str, Any]]:
    """What versioned notifications of ends say of certificates, each with the name of its payload."""
    house, found = here.cloud.control.house, []
    async with here.cloud.control.database.read() as tx:
        rows = await tx.all(sa.select(events).order_by(events.c.sequence))
    for row in rows:
        if row.resource == f"server:{server_id}" and row.kind.endswith(".end"):
            event = Event(kind=row.kind, resource=row.resource, payload=row.payload)
            form = house.notifications(event)[0]["payload"]
            data = form["nova_object.data"]
            found.append((form["nova_object.name"], data["trusted_image_certificates"]))
    return found


async def statuses(here: Ground) -> list[str]:
    return [one["status"] for one in (await here.user.get(f"{SERVERS}/detail"))["servers"]]


async def refused(here: Ground, image_id: str, certificates: Any, **more: Any) -> str:
    server = {
        "name": "vm",
        "imageRef": image_id,
        "flavorRef": here.flavor,
        "networks": "none",
        "trusted_image_certificates": certificates,
        **more,
    }
    answer = await here.user("POST", SERVERS, {"server": server}, status=400, headers=NEWEST)
    return answer.text


async def test_a_server_of_an_image_that_trusted_certificates_vouch_for(
    tmp_path: Path, database_url: str
) -> None:
    async with standing(tmp_path, database=database_url) as here:
        signed = await Signed().settled(here)
        plain, here.image = here.image, signed.image
        server = await here.server(trusted_image_certificates=signed.chain)
        shown = await here.show(server, here.user)
        assert shown["status"] == "ACTIVE"
        assert shown["trusted_image_certificates"] == signed.chain
        page = await here.user.get(f"{SERVERS}/detail", headers=NEWEST)
        assert page["servers"][0]["trusted_image_certificates"] == signed.chain
        old = (await here.user.get(f"{SERVERS}/{server}", headers=at(62)))["server"]
        assert "trusted_image_certificates" not in old
        # What a rebuild does not name stays, and the next image is held against it, too.
        said = await here.ask(server, "rebuild", {"imageRef": plain}, status=400)
        assert "The image is not signed." in said.text
        again = {"imageRef": await signed.an_image(here.user)}
        answer = await here.act(server, "rebuild", again)
        assert answer.json()["server"]["trusted_image_certificates"] == signed.chain
        more = {"imageRef": signed.image, "trusted_image_certificates": [signed.middle_id]}
        said = await here.ask(server, "rebuild", more, status=400)
        assert "do not lead" in said.text
        assert (await here.show(server))["trusted_image_certificates"] == signed.chain
        none = {"imageRef": plain, "trusted_image_certificates": None}
        await here.act(server, "rebuild", none)
        shown = await here.show(server)
        assert shown["trusted_image_certificates"] is None and shown["image"]["id"] == plain
        assert await told(here, server) == [
            ("InstanceCreatePayload", signed.chain),
            ("InstanceActionRebuildPayload", signed.chain),
            ("InstanceActionRebuildPayload", None),
        ]


async def test_who_vouches_for_nobody(tmp_path: Path, database_url: str) -> None:
    async with standing(tmp_path, database=database_url) as here:
        signed = await Signed().settled(here)
        user, chain = here.user, signed.chain
        other = await Issuer("root").kept(user)
        for certificates in ([chain[0]], [chain[1]], [chain[0], other], [signed.signer_id]):
            assert "do not lead" in await refused(here, signed.image, certificates)
        stranger = await here.cloud.project_with("q", "member", "creator")
        theirs = await signed.root.kept(stranger)
        said = await refused(here, signed.image, [chain[0], theirs])
        assert f"does not give the certificate {theirs}" in said
        assert "The image is not signed." in await refused(here, here.image, chain)
        for bad in (["x"], [chain[0]] * 2, [], chain * 26):
            assert "trusted_image_certificates" in await refused(here, signed.image, bad)
        # Who is no authority vouches for nobody.
        leaf = Issuer("leaf", signed.root, ca=False)
        below = Issuer("below", leaf, ca=False)
        made = await image(user, **signed.said(below, await below.kept(user)))
        await upload(user, made, qcow2())
        assert "do not lead" in await refused(here, made, [await leaf.kept(user), chain[1]])
        # What is wrong with a signature that came after the data is said before that is read.
        late = await image(user)
        await upload(user, late, qcow2())
        await signed.sign_later(user, late, img_signature_key_type="RSA-PSS")
        assert "is not a RSA-PSS key" in await refused(here, late, chain)
        assert (await user.get(SERVERS))["servers"] == []


async def test_a_signature_that_came_after_the_data_is_held_against_it(
    tmp_path: Path, database_url: str
) -> None:
    async with standing(tmp_path, database=database_url) as here:
        signed = await Signed().settled(here)
        user, chain = here.user, signed.chain
        late = await image(user)
        await upload(user, late, qcow2())
        before = (await user.get(f"/image/v2/images/{late}"))["checksum"]
        await signed.sign_later(user, late)
        here.image = late
        several = {"min_count": 3, "trusted_image_certificates": chain}
        await here.server(**several)
        assert await statuses(here) == ["ACTIVE"] * 3
        assert (await user.get(f"/image/v2/images/{late}"))["checksum"] == before
        server = await here.server(trusted_image_certificates=chain)
        assert await here.status(server) == "ACTIVE"
        again = await image(user)
        await upload(user, again, qcow2())
        await signed.sign_later(user, again)
        await here.act(server, "rebuild", {"imageRef": again})
        shown = await here.show(server)
        assert (shown["status"], shown["image"]["id"]) == ("ACTIVE", again)
        await here.assert_clean()


async def test_a_signature_that_is_not_of_the_data_is_found_out_once(
    tmp_path: Path, database_url: str
) -> None:
    async with standing(tmp_path, database=database_url) as here:
        signed = await Signed().settled(here)
        user, chain = here.user, signed.chain
        bad = await image(user)
        await upload(user, bad, qcow2(2 << 20))
        await signed.sign_later(user, bad)
        good, here.image = signed.image, bad
        server = await here.server(trusted_image_certificates=chain)
        shown = await here.show(server)
        assert shown["status"] == "ERROR"
        assert "the signature is not of this data." in shown["fault"]["message"]
        assert "The signature is not of the image's data." in await refused(here, bad, chain)
        # Another signature is another matter.
        await patch(
            user, bad, {"op": "replace", "path": "/img_signature", "value": signed.signer.signature(b"x")}
        )  # fmt: skip
        here.image = good
        other = await here.server(trusted_image_certificates=chain)
        await here.act(other, "rebuild", {"imageRef": bad})
        shown = await here.show(other)
        assert (shown["status"], shown["image"]["id"]) == ("ACTIVE", good)
        assert (await here.actions(other))[0] == ("rebuild", "Error")
        said = await here.ask(other, "rebuild", {"imageRef": bad}, status=400)
        assert "The signature is not of the image's data." in said.text
        await here.delete(server)
        await here.assert_clean()


@pytest.mark.parametrize(
    ("place", "mode", "status"),
    [*((one, "raise", "ERROR") for one in PLACES), ("before_do", "twice", "ACTIVE")],
)
async def test_reading_the_data_that_breaks_leaves_nothing(
    tmp_path: Path, place: str, mode: str, status: str
) -> None:
    async with standing(tmp_path) as here:
        signed = await Signed().settled(here)
        here.image = await image(here.user)
        await upload(here.user, here.image, qcow2())
        await signed.sign_later(here.user, here.image)
        with failpoints.armed(f"image.check_signature.ReadData.{place}", mode):
            server = await here.server(trusted_image_certificates=signed.chain)
        assert await here.status(server) == status
        later = await here.server(trusted_image_certificates=signed.chain)
        assert await here.status(later) == "ACTIVE"
        await here.delete(server)
        await here.delete(later)
        await here.assert_nothing_left()


async def test_data_that_is_not_what_its_checksum_says_is_not_taken_for_signed(
    tmp_path: Path,
) -> None:
    async with standing(tmp_path) as here:
        signed = await Signed().settled(here)
        here.image = await image(here.user)
        await upload(here.user, here.image, qcow2(2 << 20))
        await signed.sign_later(here.user, here.image)  # of what will be there in its place
        [file] = tmp_path.rglob(here.image)
        kept = file.read_bytes()
        file.write_bytes(qcow2())
        server = await here.server(trusted_image_certificates=signed.chain)
        shown = await here.show(server)
        assert shown["status"] == "ERROR"
        assert "does not match its checksum" in shown["fault"]["message"]
        file.write_bytes(kept)
        value = signed.signer.signature(kept)
        line = {"op": "replace", "path": "/img_signature", "value": value}
        await patch(here.user, here.image, line)
        again = await here.server(trusted_image_certificates=signed.chain)
        assert await here.status(again) == "ACTIVE"


async def test_who_is_deleted_while_the_data_is_read(tmp_path: Path) -> None:
    async with standing(tmp_path) as here:
        signed = await Signed().settled(here)
        here.image = await image(here.user)
        await upload(here.user, here.image, qcow2())
        await signed.sign_later(here.user, here.image)
        point = "image.check_signature.ReadData.before_do"
        failpoints.arm(point, "hang", 1)
        server = await a_server(
            here.user,
            here.image,
            here.flavor,
            here.network,
            trusted_image_certificates=signed.chain,
        )
        while not failpoints.waiting(point):
            await asyncio.sleep(0)
        shown = await here.show(server)
        assert (shown["status"], shown["OS-EXT-STS:vm_state"]) == ("BUILD", "building")
        await here.delete(server)
        assert await here.status(server) == "gone"
        await here.assert_nothing_left()
