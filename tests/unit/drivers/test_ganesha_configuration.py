"""What a share server reads: of addresses, ids and numbers only."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

from hanok.drivers.nfs.exports import Client, Export
from hanok.drivers.nfs.ganesha import Ganesha

ID = "11111111-2222-4333-8444-555555555555"


def test_who_is_not_named_has_no_access() -> None:
    server = Ganesha(Path("/run/s"), Path("/state/r"), ID)
    clients = (
        Client(ip_network("10.0.0.5/32"), writes=True),
        Client(ip_network("fd00::/64"), writes=False),
    )
    text = server.write([Export(7, ID, Path("/elsewhere"), clients)])
    _, _, export = text.partition("\nEXPORT {")
    own, *listed = export.split("CLIENT {")
    assert f'Export_Id = 7; Path = "/run/s/x/{ID}"; Pseudo = "/{ID}";' in own
    assert "Access_Type = NONE;" in own
    assert [one.split(";")[:2] for one in listed] == [
        [" Clients = 10.0.0.5/32", " Access_Type = RW"],
        [" Clients = fd00::/64", " Access_Type = RO"],
    ]


def test_old_versions_and_other_protocols_are_off() -> None:
    text = Ganesha(Path("/run/s"), Path("/state/r"), ID).write([])
    assert "Protocols = 4;" in text and "Minor_Versions = 1, 2;" in text
    for name in ("Enable_NLM", "Enable_RQUOTA", "Enable_UDP", "Active_krb5"):
        assert f"{name} = false;" in text
    assert "Graceless" not in text
