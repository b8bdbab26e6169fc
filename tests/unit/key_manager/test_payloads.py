"""Which payloads are taken, as what they are answered, and how references and pages are read."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET, UnsetType

from hanok.base.errors import BadInput, HanokError, NotAcceptable, TooLarge, UnsupportedType
from hanok.services.key_manager.logic import common, containers, payloads
from hanok.services.key_manager.logic.payloads import BYTES, PKCS8, TEXT
from hanok.services.key_manager.room import KeyManager, KeyManagerSettings
from hanok.services.key_manager.schemas import NewContainer, NewSecret, SecretRef

ID = "00000000-0000-4000-8000-00000000000{}"


class Room:
    """What these decisions look at of the room."""

    settings = KeyManagerSettings(maximum_secret_bytes=8, secrets_each=3)


ROOM: KeyManager = Room()  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        ("text/plain", TEXT),
        (" Text/Plain ; charset=UTF-8", TEXT),
        ("text/plain;charset = utf-8", TEXT),
        ("text/plain; charset=latin-1", None),
        ("text/html", None),
        (BYTES, BYTES),
        (PKCS8.upper(), PKCS8),
        (f"{BYTES}; charset=utf-8", None),
        ("", None),
    ],
)
def test_types_of_payloads(sent: str, kind: str | None) -> None:
    assert payloads.content_type(sent) == kind


@pytest.mark.parametrize(
    ("payload", "kind", "encoding", "kept"),
    [
        (" abc\n", TEXT, None, b"abc"),
        ("12345678", TEXT, None, b"12345678"),
        ("YWJj\n ZGVm", BYTES, "base64", b"abcdef"),
        ("YWJj", PKCS8, "base64", b"abc"),
        ("123456789", TEXT, None, TooLarge),
        ("MTIzNDU2Nzg5", BYTES, "base64", TooLarge),
        (" \n", TEXT, None, BadInput),
        ("YWJ", BYTES, "base64", BadInput),
        ("abc", TEXT, "base64", BadInput),
        ("abc", TEXT, "", BadInput),
        ("YWJj", BYTES, None, BadInput),
        ("YWJj", BYTES, "binary", BadInput),
        ("abc", "text/html", None, BadInput),
        ("abc", None, None, BadInput),
        (UNSET, TEXT, None, BadInput),
        (UNSET, None, "base64", None),
        (UNSET, None, None, None),
    ],
)
def test_a_payload_that_comes_with_its_secret(
    payload: str | UnsetType, kind: str | None, encoding: str | None, kept: Any
) -> None:
    body = NewSecret(payload=payload, payload_content_type=kind, payload_content_encoding=encoding)
    if isinstance(kept, type):
        with pytest.raises(kept):
            payloads.of_body(ROOM, body)
    else:
        assert payloads.of_body(ROOM, body) == (kept if kept is None else (kept, kind))


@pytest.mark.parametrize(
    ("raw", "kind", "encoding", "kept"),
    [
        (b"abc", TEXT, "", b"abc"),
        (b" abc ", TEXT, "identity", b" abc "),
        (b"\x00\xff", BYTES, "", b"\x00\xff"),
        (b"\x00\xff", BYTES, "binary", b"\x00\xff"),
        (b"AP8=", BYTES, " Base64 ", b"\x00\xff"),
        (b"AP8=", PKCS8, "base64", b"\x00\xff"),
        (b"\xff", TEXT, "", BadInput),
        (b"YWJj", TEXT, "base64", BadInput),
        (b"AP8", BYTES, "base64", BadInput),
        (b"abc", BYTES, "gzip", BadInput),
        (b"abc", TEXT, "gzip", BadInput),
        (b"", TEXT, "", BadInput),
        (b"123456789", TEXT, "", TooLarge),
        (b"abc", "text/html", "", UnsupportedType),
        (b"abc", "", "", UnsupportedType),
    ],
)
def test_a_payload_that_comes_later(raw: bytes, kind: str, encoding: str, kept: Any) -> None:
    if isinstance(kept, type):
        with pytest.raises(kept):
            payloads.of_upload(ROOM, raw, kind, encoding)
    else:
        assert payloads.of_upload(ROOM, raw, kind, encoding) == (kept, kind)


@pytest.mark.parametrize(
    ("raw", "kind", "accept", "answered"),
    [
        (b"abc", TEXT, "*/*", TEXT),
        (b"abc", TEXT, "", TEXT),
        (b"abc", TEXT, BYTES, BYTES),
        (b"\x00\xff", BYTES, "*/*", BYTES),
        (b"\x00\xff", BYTES, PKCS8, PKCS8),
        (b"abc", BYTES, TEXT, TEXT),
        (b"\x00\xff", BYTES, TEXT, None),
        (b"abc", TEXT, "image/png", None),
    ],
)
def test_as_what_a_payload_is_answered(
    raw: bytes, kind: str, accept: str, answered: str | None
) -> None:
    if answered is None:
        with pytest.raises(NotAcceptable):
            payloads.offered(raw, kind, accept)
    else:
        assert payloads.offered(raw, kind, accept) == answered


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        (f"http://h/key-manager/v1/secrets/{ID.format(1)}", ID.format(1)),
        (f"https://other/v1/secrets/{ID.format(1)}/", ID.format(1)),
        (f"secrets/{ID.format(1)}", ID.format(1)),
        (f"http://h/v1/containers/{ID.format(1)}", ""),
        (f"http://h/v1/secrets/{ID.format(1)}/payload", ""),
        ("http://h/v1/secrets/short", ""),
        (ID.format(1), ""),
        ("", ""),
    ],
)
def test_what_a_reference_means(reference: str, found: str) -> None:
    assert common.id_of(reference) == found


@pytest.mark.parametrize(
    ("offset", "limit", "page"),
    [
        (None, None, (0, 10)),
        ("", "", (0, 10)),
        ("7", "1", (7, 1)),
        ("0", "100", (0, 100)),
        ("0", "101", (0, 100)),
        ("-1", None, None),
        (None, "0", None),
        (None, "x", None),
        (None, "\u0661", None),
        ("9" * 11, None, None),
        (str(2**31 + 1), None, None),
    ],
)
def test_pages(offset: str | None, limit: str | None, page: tuple[int, int] | None) -> None:
    if page is None:
        with pytest.raises(BadInput):
            common.Page(offset, limit)
    else:
        found = common.Page(offset, limit)
        assert (found.offset, found.limit) == page


@pytest.mark.parametrize(
    ("offset", "total", "beside"),
    [(0, 5, set()), (0, 6, {"next"}), (5, 10, {"previous"}), (5, 11, {"previous", "next"}), (3, 4, {"previous"})],
)  # fmt: skip
def test_the_pages_beside_one(offset: int, total: int, beside: set[str]) -> None:
    page = common.Page(str(offset), "5")
    answer = page.answer("secrets", [], total, "http://h/secrets", "name=a")
    assert set(answer) - {"secrets", "total"} == beside
    if "previous" in beside:
        back = max(0, offset - 5)
        assert answer["previous"] == f"http://h/secrets?limit=5&offset={back}&name=a"


def container(kind: Any, *names: str | None, same: bool = False) -> NewContainer:
    refs = [
        SecretRef(name=name, secret_ref=f"http://h/v1/secrets/{ID.format(0 if same else number)}")
        for number, name in enumerate(names)
    ]
    return NewContainer(type=kind, secret_refs=refs)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (container("generic", "a", "b", None), ""),
        (container("generic"), ""),
        (container("rsa"), ""),
        (container("rsa", "public_key", "private_key"), ""),
        (container("rsa", "public_key", "private_key", "private_key_passphrase"), ""),
        (container("certificate", "certificate", "intermediates"), ""),
        (container("generic", "a", "b", "c", "d"), "at most 3"),
        (container("generic", "a", "a"), "Duplicate reference names"),
        (container("generic", None, ""), "Duplicate reference names"),
        (container("generic", "a", "b", same=True), "Duplicate secret ids"),
        (container("rsa", "public_key"), "minimum required"),
        (container("rsa", "public_key", "private_key", "more"), "only 'public_key'"),
        (container("certificate", "private_key"), "minimum required"),
        (container("certificate", "certificate", "public_key"), "only 'certificate'"),
    ],
)
def test_what_a_container_of_a_type_holds(body: NewContainer, why: str) -> None:
    if not why:
        containers._fits(ROOM, body)
        return
    with pytest.raises(HanokError, match=why):
        containers._fits(ROOM, body)
