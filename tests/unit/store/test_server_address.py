"""Addresses of PostgreSQL as its own tools take them."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hanok.base.authority import Authority
from hanok.store.server import WrongAddress, arguments


@pytest.mark.parametrize(
    ("url", "found"),
    [
        (
            "postgresql://me:p%40ss@db.example:6432/cloud",
            {"host": "db.example", "port": 6432, "user": "me", "password": "p@ss", "database": "cloud"},
        ),
        (
            "postgresql://me@/cloud?host=/run/sockets",
            {"host": "/run/sockets", "port": 5432, "user": "me", "database": "cloud"},
        ),
        (
            "postgresql://me@a,b:6432/cloud?application_name=hanok",
            {
                "host": ["a", "b"], "port": [5432, 6432], "user": "me", "database": "cloud",
                "target_session_attrs": "read-write", "timeout": 3.0,
                "server_settings": {"application_name": "hanok"},
            },
        ),
        (
            "postgresql://me@/cloud?host=a,b&port=1,2&connect_timeout=9",
            {
                "host": ["a", "b"], "port": [1, 2], "user": "me", "database": "cloud",
                "target_session_attrs": "read-write", "timeout": 9.0,
            },
        ),
        (
            "postgresql://me@[::1]:7/cloud?sslmode=require",
            {"host": "::1", "port": 7, "user": "me", "database": "cloud", "ssl": "require"},
        ),
    ],
)  # fmt: skip
def test_what_the_driver_is_told(url: str, found: dict[str, object]) -> None:
    assert arguments(url) == found


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("mysql://me@a/cloud", "postgresql://"),
        ("postgresql://me@a/cloud?sslmod=require", "unknown parameter"),
        ("postgresql://me@a/cloud?sslmode=always", "Not a sslmode"),
        ("postgresql://me@a:x/cloud", "Not a port"),
        ("postgresql://me@a/cloud?connect_timeout=soon", "number of seconds"),
        ("postgresql://me@a/cloud?sslmode=verify-ca&sslrootcert=/nowhere", "A certificate"),
        ("postgresql://me@a/cloud?sslrootcert=/nowhere", "go with sslmode"),
    ],
)
def test_what_is_no_address(url: str, why: str) -> None:
    with pytest.raises(WrongAddress, match=why):
        arguments(url)


def test_a_certificate_is_held_against_its_authority(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(Authority.new("cloud", datetime.now(UTC)).certificate)
    for mode, name in (("verify-ca", False), ("verify-full", True)):
        found = arguments(f"postgresql://me@a/cloud?sslmode={mode}&sslrootcert={file}")["ssl"]
        assert found.verify_mode == ssl.CERT_REQUIRED
        assert found.check_hostname is name
