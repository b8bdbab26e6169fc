"""The data of an image whose signature came later is read once more, and held against it."""

from __future__ import annotations

import hashlib
from typing import Any

from hanok.base.errors import StepFailed
from hanok.operations import Operation, Run, Step
from hanok.services.image.logic import data, images, signatures
from hanok.services.image.logic.signatures import Certificate, SignatureProblem, Verifier
from hanok.services.image.operations.import_image import TRANSFER_S
from hanok.services.image.room import Images
from hanok.store import Transaction

NOT_OF_IT = "the signature is not of this data."


class ReadData(Step["CheckSignature", Images, str], name="read_data"):
    """All of the data is what was signed; returns the mark of that.

    What was found is kept, either way: the same signature is held against the same data once.
    """

    deadline_s = TRANSFER_S

    result_type = str

    async def do(self, run: Run[CheckSignature, Images]) -> str:
        image_id = run.args.image_id
        row = await run.read(images.get_any, image_id)
        if row is None or row.status != "active":
            raise StepFailed(
                "The image was deleted or deactivated before its signature was verified."
            )
        properties, _ = await run.read(images.extras, [image_id])
        now = run.clock.now()
        verifier = signatures.verifier(properties[image_id], run.args.certificate, now)
        if verifier is None:
            raise SignatureProblem("the image is not signed any more.")
        if row.signed_as == signatures.refused(verifier.mark):
            raise SignatureProblem(NOT_OF_IT)
        if row.signed_as != verifier.mark:
            await self._hold(run, row, verifier)
        return verifier.mark

    @staticmethod
    async def _hold(run: Run[CheckSignature, Images], row: Any, verifier: Verifier) -> None:
        """Raises SignatureProblem, StepFailed: the data is not what was signed, or not what the image says."""
        room, there = run.tools, await run.read(images.locations, [row.id])
        # A location may lead to what others write: what hosts will use is what has this hash.
        digest = hashlib.new(row.os_hash_algo) if row.os_hash_value else None
        looks = [verifier.update] if digest is None else [verifier.update, digest.update]
        async for piece in data.read_any(room, there[row.id], 0, row.size or 0):
            await data.in_threads(piece, *([look] for look in looks))
        if digest is not None and digest.hexdigest() != row.os_hash_value.lower():
            raise StepFailed("The image's data does not match its checksum.")
        try:
            verifier.check()
        except SignatureProblem:
            async with run.transaction() as tx:
                await images.note_signed(tx, row.id, signatures.refused(verifier.mark))
            raise

    async def save(self, run: Run[CheckSignature, Images], tx: Transaction, result: str) -> None:
        await images.note_signed(tx, run.args.image_id, result)


class CheckSignature(Operation, frozen=True, kw_only=True, tag="image.check_signature"):
    """Hold an image's data against its signature, which whoever uses the data waits for.

    certificate: the signer's, as it was when somebody asked for this with a token.
    """

    with_files = True
    steps = (ReadData,)
    pool = "transfer"
    deadline_s = 3 * TRANSFER_S

    image_id: str
    certificate: Certificate

    @property
    def resource(self) -> str:
        return f"image-signature:{self.image_id}"
