"""PKCS#12 is read aside, by a process that may not cost more than so much.

A file says how often it is derived from its pass phrase, and can say so within what it seals, where nobody sees it
before it is opened. So a process opens it whose time and memory are bounded; what it found is kept for a while. Nobody
holds a transaction meanwhile: who finds one unread leaves (`Unread`), has it read, and begins anew (`reading`).
"""

from __future__ import annotations

import base64
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from hanok.base.aside import Aside
from hanok.base.errors import BadInput, HanokError, Unavailable
from hanok.base.later import later
from hanok.services.load_balancer.logic.material import Certificate, check_bounds

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
else:
    x509 = later("cryptography.x509")
    serialization = later("cryptography.hazmat.primitives.serialization")

KEPT = 256  # bundles, of some 20 KiB at most
CPU_S = 2  # of a process, for those of a request
ROUNDS = 10  # of a request: something else is referred to each time
Result = TypeVar("Result")

# It is told bundles in lines of base64 and answers each with a line of JSON, as long as it may live.
_READER = """
import base64, json, sys
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12
text = lambda raw: base64.b64encode(raw).decode()
def read(raw):
    for password in (None, b""):
        try:
            found = pkcs12.load_pkcs12(raw, password)
            shown = [found.cert, *found.additional_certs]
            return {
                "key": text(found.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())),
                "certificates": [text(one.certificate.public_bytes(Encoding.DER)) for one in shown],
            }
        except Exception:
            pass
for line in sys.stdin.buffer.read().splitlines():
    print(json.dumps(read(base64.b64decode(line))), flush=True)
"""


class Unread(HanokError):
    """Bundles that nobody has read yet."""

    def __init__(self, raw: Sequence[bytes]) -> None:
        super().__init__("A PKCS12 bundle is not read yet.")
        self.raw = raw


class Found(msgspec.Struct):
    key: bytes
    certificates: list[bytes]


_decode = msgspec.json.Decoder(Found | None).decode


class Bundles:
    """What was read."""

    def __init__(self) -> None:
        self._read: OrderedDict[bytes, Found | None] = OrderedDict()
        self._aside = Aside(cpu_s=CPU_S)

    def certificates(self, raw: Mapping[str, bytes]) -> dict[str, Certificate]:
        """The same names with what is in their bundles. Raises BadInput, Unread."""
        for one in raw.values():
            check_bounds(one)
        if unread := [one for one in raw.values() if _digest(one) not in self._read]:
            raise Unread(list(dict.fromkeys(unread)))
        return {name: _opened(self._read[_digest(one)]) for name, one in raw.items()}

    async def reading(self, project_id: str, doing: Callable[[], Awaitable[Result]]) -> Result:
        """Do something, as often as it finds bundles that are to be read first.

        Raises:
            Unavailable: they are not read in time, or become others all the time.
        """
        for _ in range(ROUNDS):
            try:
                return await doing()
            except Unread as error:
                await self._have_read(project_id, error.raw)
        raise Unavailable("The TLS references change while they are read.")

    async def _have_read(self, project_id: str, raw: Sequence[bytes]) -> None:
        try:
            said = await self._aside.run(
                project_id, _READER, b"\n".join(map(base64.b64encode, raw)) + b"\n"
            )
        except TimeoutError:
            raise Unavailable("The PKCS12 bundles were not read in time.") from None
        lines = said.splitlines()
        for one, line in zip(raw, lines, strict=False):
            self._keep(one, _decode(line))
        if len(lines) < len(raw):  # it ended by this one
            self._keep(raw[len(lines)], None)

    def _keep(self, raw: bytes, found: Found | None) -> None:
        self._read[_digest(raw)] = found
        while len(self._read) > KEPT:
            self._read.popitem(last=False)


def _digest(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()


def _opened(found: Found | None) -> Certificate:
    """Raises BadInput."""
    if found is None:
        raise BadInput(
            "The PKCS12 bundle is unreadable. Please check the PKCS12 bundle validity. In addition, make sure it "
            "does not require a pass phrase."
        )
    first, *others = map(x509.load_der_x509_certificate, found.certificates)
    key: Any = serialization.load_der_private_key(
        found.key, None, unsafe_skip_rsa_key_validation=True
    )
    return Certificate(first, key, others)
