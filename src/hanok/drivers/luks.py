"""The header of LUKS 1, made in milliseconds: what holds the key of an encrypted disk, sealed with a passphrase.

QEMU's own tool measures for seconds how often a passphrase has to be stretched here. Ours are random, 32 bytes, so that
nothing is gained by that: the least that readers accept is enough.

Source: "LUKS On-Disk Format Specification", version 1.2.3.
"""

from __future__ import annotations

import hashlib
import os
import struct
import uuid

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

SECTOR = 512
KEY_BYTES = 64  # of AES-256 in the mode XTS
STRIPES = 4000
ITERATIONS = 1000
SLOTS = 8
ENABLED, DISABLED = 0x00AC71F3, 0x0000DEAD
FIRST_SLOT = 8  # sectors
SLOT_SECTORS = -(-KEY_BYTES * STRIPES // 4096) * 8
PAYLOAD_SECTORS = FIRST_SLOT + SLOTS * SLOT_SECTORS
HEADER_BYTES = PAYLOAD_SECTORS * SECTOR


def header(passphrase: str) -> bytes:
    """A header for a new random key, that this passphrase opens; what is encrypted comes behind it, or elsewhere."""
    key, salt = os.urandom(KEY_BYTES), os.urandom(32)
    derived = hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, ITERATIONS, KEY_BYTES)
    material = _encrypted(_split(key), derived)
    head = _head(key) + _slot(ENABLED, ITERATIONS, salt, 0)
    for number in range(1, SLOTS):
        head += _slot(DISABLED, 0, bytes(32), number)
    return (head.ljust(FIRST_SLOT * SECTOR, b"\0") + material).ljust(HEADER_BYTES, b"\0")


def _head(key: bytes) -> bytes:
    salt = os.urandom(32)
    digest = hashlib.pbkdf2_hmac("sha256", key, salt, ITERATIONS, 20)
    names = (b"aes", b"xts-plain64", b"sha256")
    text = struct.pack(">6sH32s32s32sII", b"LUKS\xba\xbe", 1, *names, PAYLOAD_SECTORS, KEY_BYTES)
    return text + struct.pack(">20s32sI40s", digest, salt, ITERATIONS, str(uuid.uuid4()).encode())


def _slot(state: int, iterations: int, salt: bytes, number: int) -> bytes:
    place = FIRST_SLOT + number * SLOT_SECTORS
    return struct.pack(">II32sII", state, iterations, salt, place, STRIPES)


def _split(key: bytes) -> bytes:
    """The key in many pieces, none of which can be spared to have it again."""
    pieces, mixed = [], bytes(KEY_BYTES)
    for _ in range(STRIPES - 1):
        piece = os.urandom(KEY_BYTES)
        pieces.append(piece)
        mixed = _diffused(_xor(mixed, piece))
    return b"".join([*pieces, _xor(mixed, key)])


def _diffused(block: bytes) -> bytes:
    return b"".join(
        hashlib.sha256(struct.pack(">I", number) + block[32 * number : 32 * number + 32]).digest()
        for number in range(KEY_BYTES // 32)
    )


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).to_bytes(len(one), "big")


def _encrypted(data: bytes, key: bytes) -> bytes:
    """Sector by sector, counted from 0."""
    found = []
    for number in range(len(data) // SECTOR):
        tweak = struct.pack("<QQ", number, 0)
        encryptor = Cipher(algorithms.AES(key), modes.XTS(tweak)).encryptor()
        piece = data[number * SECTOR : (number + 1) * SECTOR]
        found.append(encryptor.update(piece) + encryptor.finalize())
    return b"".join(found)
