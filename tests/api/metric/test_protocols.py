"""Measures by InfluxDB's lines and Prometheus' remote write."""

from __future__ import annotations

import struct

import pytest

from tests.cloud import Cloud

BASE = "/metric/v1"
TEXT = {"content-type": "text/plain"}
PROTOBUF = {"content-type": "application/x-protobuf", "content-encoding": "snappy"}


async def test_lines_become_resources_with_metrics(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    await admin("POST", f"{BASE}/influxdb/query?q=create+database+rack", status=204)
    await admin("POST", f"{BASE}/influxdb/query?q=select+all", status=501)
    lines = b'load,host=a/1,core=0 one=1.5,text="a b, c=d",five=2i 1772805600\nload,host=a/1 one=3 1772805900'
    path = f"{BASE}/influxdb/write?db=rack&precision=s"
    await admin("POST", path, content=lines, headers=TEXT, status=204)
    shown = await admin.get(f"{BASE}/resource/rack/a_1")
    assert set(shown["metrics"]) == {"load.one@core=0", "load.five@core=0", "load.one"}
    found = await admin.get(f"{BASE}/metric/{shown['metrics']['load.one']}/measures")
    assert found == [["2026-03-06T14:05:00+00:00", 300.0, 3.0]]
    for odd in (
        b"load one=1",
        b"load,host=a",
        b"load,host=a one=x",
        b"\xff",
        b"load,host=a one=1 x",
    ):
        await admin("POST", path, content=odd, headers=TEXT, status=400)
    await admin("POST", f"{BASE}/influxdb/write?db=nosuch", content=lines, headers=TEXT, status=404)


def field(number: int, raw: bytes) -> bytes:
    return bytes([number << 3 | 2, len(raw)]) + raw


def write(value: float, at_ms: int) -> bytes:
    """A request of Prometheus' with one sample, in a literal of Snappy's and a copy."""
    labels = {"__name__": "up", "job": "node", "instance": "host:9100"}
    pairs = b"".join(
        field(1, field(1, a.encode()) + field(2, b.encode())) for a, b in labels.items()
    )
    number, rest = b"", at_ms
    while rest > 127:
        number, rest = number + bytes([rest & 127 | 128]), rest >> 7
    sample = b"\x09" + struct.pack("<d", value) + b"\x10" + number + bytes([rest])
    return field(1, pairs + field(2, sample))


def snapped(raw: bytes) -> bytes:
    size = bytes([len(raw) & 127 | 128, len(raw) >> 7]) if len(raw) > 127 else bytes([len(raw)])
    return size + bytes([60 << 2, len(raw) - 1]) + raw


async def test_a_remote_write_is_taken(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    path = f"{BASE}/prometheus/write"
    sent = snapped(write(1.0, 1772805600000))
    await member("POST", path, content=sent, headers=PROTOBUF, status=202)
    shown = await member.get(f"{BASE}/resource/prometheus/node@host:9100")
    found = await member.get(f"{BASE}/metric/{shown['metrics']['up']}/measures")
    assert found == [["2026-03-06T14:00:00+00:00", 300.0, 1.0]]


async def test_a_write_without_measures_is_taken(cloud: Cloud) -> None:
    """Prometheus writes what its metrics mean by themselves, and the end of a series as NaN; it would try for ever."""
    member = await cloud.project_with("p", "member")
    path = f"{BASE}/prometheus/write"
    meaning = field(3, b"\x08\x01" + field(2, b"up") + field(4, b"Whether it is up."))
    for raw in (b"", meaning, write(float("nan"), 1772805600000)):
        sent = snapped(raw) if raw else b"\x00"
        await member("POST", path, content=sent, headers=PROTOBUF, status=202)
    admin = await cloud.sign_in()
    await admin("POST", f"{BASE}/influxdb/query?q=create+database+rack", status=204)
    lines = f"{BASE}/influxdb/write?db=rack"
    await member("POST", lines, content=b"# nothing\n", headers=TEXT, status=204)
    assert await member.get(f"{BASE}/resource/generic") == []


async def test_many_resources_of_one_write_are_taken_some_at_a_time(cloud: Cloud) -> None:
    """One that is refused takes nothing back of the many before it, so nobody waits for all of them."""
    admin = await cloud.sign_in()
    await admin("POST", f"{BASE}/influxdb/query?q=create+database+rack", status=204)
    lines = [f"load,host=h{number} one=1 1772805600" for number in range(120)]
    lines.append(f"load,host={'h' * 300} one=1 1772805600")
    path = f"{BASE}/influxdb/write?db=rack&precision=s"
    await admin("POST", path, content="\n".join(lines).encode(), headers=TEXT, status=400)
    found = await admin.get(f"{BASE}/resource/rack?limit=200")
    assert len(found) == 100


BOMB = b"\xff\xff\xff\x7f" + b"\x00a" + b"\xfe\x01\x00" * 1000


@pytest.mark.parametrize(
    "odd", [b"", b"\x05", b"\x05\x01\x09", BOMB, snapped(b"\x0a\x7f"), b"\xff" * 20]
)
async def test_what_is_no_remote_write_is_refused(cloud: Cloud, odd: bytes) -> None:
    member = await cloud.project_with("p", "member")
    answer = await member("POST", f"{BASE}/prometheus/write", content=odd, headers=PROTOBUF)
    assert answer.status_code in (400, 413), answer.text
