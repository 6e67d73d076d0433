"""Exchanges in packet captures: in any form and order of packets, and an error that says what is wrong."""

from __future__ import annotations

import builtins
import io
import json
import random
from collections.abc import Iterable
from pathlib import Path

import dpkt
import pytest

from mfp_sim.cli.main import main as mfp_sim
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.scep.http_messages import (
    HttpReply,
    HttpRequest,
    Operation,
    render_reply,
    render_request,
    scep_request,
)
from mfp_sim.testing import Bench
from mock_scep_server.captures import captured_exchanges, is_capture
from mock_scep_server.cli import main as mock

CLIENT, SERVER = (b"\xc0\x00\x02\x0a", 40001), (b"\xc0\x00\x02\x01", 8088)
SIX = (b"\x20\x01\x0d\xb8" + bytes(11) + b"\x01", 40001), (b"\x20\x01\x0d\xb8" + bytes(11) + b"\x02", 80)
SYN, ACK = dpkt.tcp.TH_SYN, dpkt.tcp.TH_ACK


def segment(source, target, sequence: int, octets: bytes = b"", flags: int = ACK):
    tcp = dpkt.tcp.TCP(sport=source[1], dport=target[1], seq=sequence % 2**32, flags=flags, data=octets)
    if len(source[0]) == 16:
        return dpkt.ip6.IP6(src=source[0], dst=target[0], nxt=6, plen=len(bytes(tcp)), hlim=64, data=tcp)
    return dpkt.ip.IP(src=source[0], dst=target[0], p=6, len=20 + len(bytes(tcp)), data=tcp)


def conversation(
    asked: bytes, came: bytes, *, ends=(CLIENT, SERVER), at: int = 1000, size: int = 500, syn: bool = True
):
    """The packets of a connection."""
    client, server = ends
    found = [segment(client, server, at - 1, flags=SYN), segment(server, client, 6999, flags=SYN | ACK)] if syn else []
    found += [segment(client, server, at + i, asked[i : i + size]) for i in range(0, len(asked), size)]
    return found + [segment(server, client, 7000 + i, came[i : i + size]) for i in range(0, len(came), size)]


LINKS = {
    1: lambda ip: bytes(dpkt.ethernet.Ethernet(src=bytes(6), dst=bytes(6), type=0x0800 if ip.v == 4 else 0x86DD, data=ip)),
    101: bytes,
    113: lambda ip: bytes(dpkt.sll.SLL(type=0, hrd=1, hlen=6, ethtype=0x0800, data=bytes(ip))),
    0: lambda ip: b"\x02\x00\x00\x00" + bytes(ip),
}  # fmt: skip


def capture(packets: Iterable, *, link: int = 101, form: str = "pcap") -> bytes:
    stream = io.BytesIO()
    writer = dpkt.pcap.Writer(stream, linktype=link) if form == "pcap" else dpkt.pcapng.Writer(stream)
    for number, ip in enumerate(packets):
        writer.writepkt(LINKS[link](ip), ts=1.0 + number)
    return stream.getvalue()


BENCH = Bench()
MESSAGE = BENCH.client().encode(BENCH.client().order(nonce=bytes(16)))
REQUESTS = [
    scep_request("/scep", Operation.GET_CA_CAPS), scep_request("/scep", Operation.PKI_OPERATION, MESSAGE, method="POST"),
]  # fmt: skip
REPLIES = [
    HttpReply(200, headers=(("Content-Type", "text/plain"),), body=b"AES\nSHA-256\n"),
    HttpReply(500, body=b"no"),
]
ASKED = b"".join(render_request(one, "ca.example", 8088) for one in REQUESTS)
CAME = b"".join(map(render_reply, REPLIES))


def read(octets: bytes) -> list[tuple[str, str, str, int | None]]:
    assert is_capture(octets)
    found = captured_exchanges(octets, Path("x.pcap"))
    return [
        (e.client, e.server, e.request.target.partition("=")[2], e.reply.status if e.reply else None) for e in found
    ]


BOTH = [
    ("192.0.2.10:40001", "192.0.2.1:8088", op, status) for op, status in (("GetCACaps", 200), ("PKIOperation", 500))
]


@pytest.mark.parametrize("link", LINKS)
def test_links_of_each_kind(link: int) -> None:
    assert read(capture(conversation(ASKED, CAME), link=link)) == BOTH


def test_pcapng() -> None:
    assert read(capture(conversation(ASKED, CAME), link=1, form="pcapng")) == BOTH


def test_ipv6() -> None:
    found = read(capture(conversation(ASKED, CAME, ends=SIX), link=1))
    assert found[0][:2] == ("[2001:db8::1]:40001", "[2001:db8::2]:80")


@pytest.mark.parametrize("seed", range(5))
def test_segments_in_any_order_and_twice(seed: int) -> None:
    packets = conversation(ASKED, CAME, size=97)
    rest = packets[2:] * 2
    random.Random(seed).shuffle(rest)
    assert read(capture([*packets[:2], *rest])) == BOTH


@pytest.mark.parametrize("at", [2**32 - 10, 2**32 - 1, 0, 2**31])
def test_sequence_numbers_that_wrap_around(at: int) -> None:
    assert read(capture(conversation(ASKED, CAME, at=at, size=64))) == BOTH
    assert read(capture(conversation(ASKED, CAME, at=at, size=64, syn=False))) == BOTH


def test_an_overlap_and_a_keepalive_change_nothing() -> None:
    packets = conversation(ASKED, CAME, size=50)
    probe = segment(CLIENT, SERVER, 999, b"\x00")
    longer = segment(CLIENT, SERVER, 1000 + 30, ASKED[30:200])
    assert read(capture([*packets, probe, longer])) == BOTH


def test_a_gap_ends_the_stream() -> None:
    packets = conversation(ASKED, CAME, size=200)
    assert read(capture([p for p in packets if p.data.seq != 1400])) == [*BOTH[:1], (*BOTH[0][:2], "", None)]
    without = [p for p in packets if p.data.seq != 7000]
    assert read(capture(without)) == [(*one[:3], None) for one in BOTH]


def test_a_port_that_is_used_again_is_another_connection() -> None:
    first, second = conversation(ASKED, CAME), conversation(ASKED, CAME, at=900_000)
    found = captured_exchanges(capture([*first, *second]), Path("x"))
    assert [exchange.connection for exchange in found] == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (capture(conversation(b"\x16\x03\x01\x02\x00\x01", b"\x16\x03\x03")),
         "contains TLS, which cannot be read without its secrets (put mfp-sim proxy between printer and CA"),
        (capture(conversation(b"SSH-2.0-x\r\n", b"SSH-2.0-y\r\n")), "contains no complete HTTP request (1 TCP connections)"),
        (capture([]), "contains no complete HTTP request (0 TCP connections)"),
        (capture([dpkt.ip.IP(src=CLIENT[0], dst=SERVER[0], p=6, len=28, mf=1, data=bytes(8))]), "1 IP fragments that are not reassembled"),
        (b"\xd4\xc3\xb2\xa1", "is not a readable capture"),
        (b"\x0a\x0d\x0d\x0a" + bytes(40), "is not a readable capture"),
        (capture(conversation(ASKED, CAME))[:20] + b"\xee\x00\x00\x00", "link type 238 is not supported"),
        (capture(conversation(ASKED, CAME))[:200], "contains no complete HTTP request"),
    ],
)  # fmt: skip
def test_what_holds_no_exchange_says_why(octets: bytes, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        captured_exchanges(octets, Path("x.pcap"))
    assert said in str(raised.value)


def test_hostile_octets_end_in_an_error_or_in_exchanges() -> None:
    whole, chance = bytearray(capture(conversation(ASKED, CAME), link=1)), random.Random(3)
    ended = set()
    for _ in range(300):
        broken = bytearray(whole)
        for _ in range(chance.randint(1, 20)):
            broken[chance.randrange(24, len(broken))] = chance.randrange(256)
        try:
            ended.add(bool(captured_exchanges(bytes(broken), Path("x.pcap"))))
        except UsageError:
            ended.add(False)
    assert ended == {True, False}


def test_without_dpkt_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *more, **words):
        if name == "dpkt":
            raise ImportError(name)
        return real(name, *more, **words)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"reading a capture needs dpkt \(pip install 'mfp-sim\[pcap\]'\)"):
        captured_exchanges(capture([]), Path("x"))


# --- the commands -----------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    twice = ASKED + render_request(HttpRequest("GET", "/scep?operation=PKIOperation&message=MAA"), "ca.example", 8088)
    (tmp_path / "seen.pcapng").write_bytes(capture(conversation(twice, CAME), link=1, form="pcapng"))
    return tmp_path / "seen.pcapng"


def test_decode_shows_each_message(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert mfp_sim(["decode", str(file)]) == 0
    told = capsys.readouterr().out
    assert (
        "exchange 1, 192.0.2.10:40001 -> 192.0.2.1:8088: GET /scep?operation=GetCACaps -> status 200, text/plain"
        in told
    )
    assert "reply:\ncapabilities, status 200, text/plain, 12 bytes" in told
    assert "request:\nPKCSReq (pkiMessage), operation PKIOperation" in told
    assert "not readable: " in told
    assert mfp_sim(["decode", str(file), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row.get("request", {}).get("kind") for row in rows][:2] == [None, "PKCSReq (pkiMessage)"]
    assert [row["came"] for row in rows] == ["status 200, text/plain", "status 500, no media type", "no whole reply"]


BROKEN = ASKED + b"GET /scep HTTP/1.1\r\nHost : ca.example\r\n\r\n" + ASKED


def test_a_request_that_is_not_http_is_listed_and_not_passed_over(tmp_path: Path, capsys) -> None:
    file = tmp_path / "seen.pcap"
    file.write_bytes(capture(conversation(BROKEN, CAME)))
    assert mock(["judge", str(file), "--caps", "AES,SHA-256,POSTPKIOperation"]) == 2
    told = capsys.readouterr().out
    assert "exchange 3 of 192.0.2.10:40001: not judged: the HTTP request cannot be read: " in told
    assert told.splitlines()[-1].startswith("PKCSReq, no findings; 1 not judged")
    assert mfp_sim(["decode", str(file)]) == 0
    assert "exchange 3, 192.0.2.10:40001 -> 192.0.2.1:8088: not readable as HTTP: " in capsys.readouterr().out
    assert mfp_sim(["decode", str(file), "--json"]) == 0
    *_, row = json.loads(capsys.readouterr().out)
    assert (row["exchange"], len(row["notes"])) == (3, 1)


BOUNDARY = 1000 + len(render_request(REQUESTS[0], "ca.example", 8088))
LOST = "bytes are missing in the capture"


@pytest.mark.parametrize(
    ("packets", "listed"),
    [
        (conversation(ASKED[:-1], CAME), {2: "the capture ends before the request does"}),
        (conversation(ASKED[: BOUNDARY - 990], CAME), {2: "the capture ends before the request does"}),
        ([p for p in conversation(ASKED, CAME, size=200) if p.data.seq != 1400], {2: LOST}),
        ([*conversation(ASKED[: BOUNDARY - 1000], CAME), segment(CLIENT, SERVER, BOUNDARY + 50, ASKED[BOUNDARY - 950 :])], {2: LOST}),
        ([*conversation(ASKED, CAME), *(p for p in conversation(ASKED, CAME, at=900_000) if p.data.seq != 900_000)], {3: LOST}),
    ],
    ids=["one byte", "a head", "a gap in a request", "a gap between requests", "a gap at the start"],
)  # fmt: skip
def test_a_request_that_was_cut_off_is_listed_and_not_passed_over(
    packets, listed: dict[int, str], tmp_path: Path, capsys
) -> None:
    file = tmp_path / "seen.pcap"
    file.write_bytes(capture(packets))
    assert mock(["judge", str(file), "--caps", "AES,SHA-256,POSTPKIOperation", "--json"]) == 2
    rows = json.loads(capsys.readouterr().out)
    assert [(row["message"], row["text"]) for row in rows if row["verdict"] == "not judged"] == [
        (f"exchange {number} of 192.0.2.10:40001", f"the HTTP request cannot be read: {why}")
        for number, why in listed.items()
    ]


def test_a_connection_that_is_not_http_is_not_listed() -> None:
    packets = conversation(b"SSH-2.0-x\r\n" * 9, b"SSH-2.0-y\r\n", at=900_000, size=50)
    assert read(capture([*conversation(ASKED, CAME), *(p for p in packets if p.data.seq != 900_000)])) == BOTH


def test_judge_judges_each_request(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert mock(["judge", str(file), "--caps", "AES,SHA-256"]) == 0
    told = capsys.readouterr().out
    assert "exchange 2 of 192.0.2.10:40001: PKCSReq" in told
    assert "note SCEP-4.1-08 POST is used although the CA does not advertise it" in told
    assert "exchange 3 of 192.0.2.10:40001: PKIOperation\n  note SCEP-4.1-11 " in told
    assert mock(["judge", str(file)]) == 0  # GetCACaps is in the capture, and lists no POST
    assert "SCEP-4.1-08" in capsys.readouterr().out
