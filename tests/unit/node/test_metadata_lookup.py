"""Files and listings of the metadata tree."""

from __future__ import annotations

from hanok.node.metadata import look_up, response

FILES = {
    "openstack/latest/meta_data.json": b"{}",
    "openstack/latest/user_data": b"#!",
    "latest/meta-data/hostname": b"web",
    "latest/meta-data/public-keys/": b"0=mine",
    "latest/meta-data/public-keys/0/openssh-key": b"ssh-ed25519 A",
    "latest/user-data": b"#!",
}


def test_files_are_found_with_odd_slashes() -> None:
    assert look_up(FILES, "/latest/meta-data/hostname") == b"web"
    assert look_up(FILES, "//latest//meta-data/hostname/") == b"web"


def test_directories_are_listed() -> None:
    assert look_up(FILES, "/") == look_up(FILES, "/ec2") == b"latest"
    assert look_up(FILES, "/openstack") == b"latest"
    assert look_up(FILES, "/openstack/latest") == b"meta_data.json\nuser_data"
    assert look_up(FILES, "/latest") == look_up(FILES, "/ec2/latest/") == b"meta-data/\nuser-data"
    assert look_up(FILES, "/latest/meta-data/") == b"hostname\npublic-keys/"
    assert look_up(FILES, "/latest/meta-data/public-keys/") == b"0=mine"
    assert look_up(FILES, "/latest/meta-data/public-keys/0") == b"openssh-key"


def test_what_is_not_there() -> None:
    assert look_up(FILES, "/latest/dynamic") is None
    assert look_up(FILES, "/latest/../latest/user-data") is None
    assert look_up({}, "/") is None


def test_an_answer_says_its_length_and_ends_the_connection() -> None:
    head, _, body = response(200, b"{}", json=True).partition(b"\r\n\r\n")
    assert body == b"{}" and b"Content-Length: 2" in head and b"Connection: close" in head
    assert response(200, b"{}", bodiless=True).endswith(b"\r\n\r\n")
