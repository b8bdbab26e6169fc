"""A pair of keys is generated aside: a large one takes seconds of a processor."""

from __future__ import annotations

from typing import Any

import msgspec

from hanok.base.errors import Forbidden, StepFailed, Unavailable
from hanok.operations import Operation, Run, Step
from hanok.services.key_manager.logic import orders
from hanok.services.key_manager.room import KeyManager
from hanok.store import Transaction

_decode = msgspec.json.Decoder(orders.Pair).decode


class Generate(Step["GeneratePair", KeyManager, dict[str, str]], name="generate_pair"):
    """Gives both keys, sealed with the cloud's key; nothing of them is in the database in the clear."""

    result_type = dict[str, str]
    deadline_s = 600.0

    async def do(self, run: Run[GeneratePair, KeyManager]) -> dict[str, str]:
        async with run.tools.database.read() as tx:
            row = await orders.find(tx, run.args.order_id)
        words = b"" if row.sealed is None else run.tools.key.open(row.sealed) or b""
        requested = {
            "algorithm": str(row.meta["algorithm"]).lower(),
            "bits": row.meta["bit_length"],
            "passphrase": words.decode(),
        }
        try:
            said = await run.tools.aside.run(
                row.project_id, orders.PAIR, msgspec.json.encode(requested)
            )
            pair = _decode(said)
        except TimeoutError:
            raise Unavailable("No key was generated in time.") from None
        except msgspec.MsgspecError:
            raise StepFailed("The key could not be generated.") from None
        seal = run.tools.key.seal
        return {"private_key": seal(pair.private), "public_key": seal(pair.public)}

    async def save(
        self, run: Run[GeneratePair, KeyManager], tx: Transaction, result: dict[str, str]
    ) -> None:
        try:
            await orders.put_pair(tx, run.tools, run.args.order_id, result)
        except Forbidden as error:
            raise StepFailed(error.message) from error


class GeneratePair(Operation, frozen=True, kw_only=True, tag="key_manager.generate_pair"):
    """What an order of two keys asks for."""

    order_id: str
    steps = (Generate,)

    @property
    def resource(self) -> str:
        return f"order:{self.order_id}"

    async def failed(self, run: Run[Any, KeyManager], tx: Transaction, why: str) -> None:
        await orders.fail(tx, run.tools, self.order_id, why)

    async def stuck(self, run: Run[Any, KeyManager], tx: Transaction, why: str) -> None:
        await orders.fail(tx, run.tools, self.order_id, why)
