"""The keys of encrypted volumes, sealed while they are in the database."""

from __future__ import annotations

import secrets as random
from typing import Any

import msgspec
from sqlalchemy import Row

from hanok.base.errors import BadInput, StepFailed
from hanok.commands.volumes import VolumeKey
from hanok.services.block_storage.room import Volumes

KEY_BYTES = 32
CIPHERS = ("aes-xts-plain64", "aes-xts-essiv", "aes-cbc-essiv")
PROVIDERS = (
    "luks",
    "LuksEncryptor",
    "nova.volume.encryptors.luks.LuksEncryptor",
    "luks2",
)
CIPHER, SIZES = "aes-xts-plain64", (256, 512)
"""What hosts do. Both sizes get a key of 512 bits, of which half is the tweak's."""
BITS = (128, 192, 256, 512)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(VolumeKey).decode


def new(room: Volumes, encryption: Row[Any]) -> str:
    """A new key for a volume of an encrypted type, sealed.

    Raises:
        BadInput: no host can encrypt as the type says.
    """
    if encryption.provider not in PROVIDERS:
        raise BadInput(
            f"Invalid encryption provider: {encryption.provider}. Volumes are encrypted by 'luks'."
        )
    if encryption.cipher not in (None, CIPHER) or encryption.key_size not in (None, *SIZES):
        raise BadInput(
            f"Invalid encryption: {encryption.cipher or CIPHER} with a key_size of {encryption.key_size}. Volumes are "
            f"encrypted by {CIPHER} with 256 or 512 bits."
        )
    key = VolumeKey(
        key=random.token_bytes(KEY_BYTES),
        cipher=encryption.cipher or CIPHER,
        bits=encryption.key_size or 256,
    )
    return room.secrets.seal(_encode(key))


def of(room: Volumes, row: Row[Any] | None) -> VolumeKey | None:
    """A volume's key; None: it is not encrypted.

    Raises:
        StepFailed: it cannot be unsealed.
    """
    if row is None or row.sealed_key is None:
        return None
    raw = room.secrets.open(row.sealed_key)
    if raw is None:
        raise StepFailed("The key of the volume cannot be unsealed with the cloud's keys.")
    return _decode(raw)


def check(values: dict[str, Any]) -> None:
    """Raises BadInput for a cipher or key that no host can do; providers are named freely, until one is to act."""
    cipher = values.get("cipher")
    if cipher is not None and cipher not in CIPHERS:
        raise BadInput(f"Invalid cipher: {cipher[:255]}. One of {', '.join(CIPHERS)} is expected.")
    if values.get("key_size") is not None and values["key_size"] not in BITS:
        raise BadInput(
            f"Invalid key_size: {values['key_size']}. One of 128, 192, 256, 512 is expected."
        )
