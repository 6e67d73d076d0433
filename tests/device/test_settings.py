"""Ranges and rules of each field, at both ends and one beyond, each refusal for its own reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from mfp_sim.device.printer_profile import profile_named
from mfp_sim.device.settings import AutoRequestSettings, CommunicationSettings, KeySettings, Polling
from mfp_sim.shared.errors import Refused

MODEL = profile_named("canon-ir-adv-dx")
KEY = KeySettings("tls", "192.0.2.10")


def reason_of(action) -> str | None:
    try:
        action()
    except Refused as refused:
        return refused.reason if refused.message else "no message"
    return None


@pytest.mark.parametrize(
    ("url", "port", "reason"),
    [
        ("http://ca.example/scep", 80, None),
        ("HTTP://ca.example/scep", 80, None),
        ("http://ca.example", 80, None),
        ("http://ca.example:8080/scep", 8080, None),
        ("http://ca.example:8080/scep", 80, "port-conflict"),
        ("http://ca.example:80/scep", 8080, "port-conflict"),
        ("http://[2001:db8::1]/scep", 80, None),
        ("http://[2001:db8::1]:81/scep", 81, None),
        ("http://[2001:db8::1/scep", 80, "bad-url"),
        ("http://2001:db8::1/scep", 80, "bad-url"),
        ("http://192.0.2.1/scep/", 80, None),
        ("http://ca.example/scep?ca=1&x=2", 80, None),
        ("https://ca.example/scep", 443, "https-not-supported"),
        ("ftp://ca.example/scep", 80, "bad-url"),
        ("ca.example/scep", 80, "bad-url"),
        ("http:///scep", 80, "bad-url"),
        ("http://user@ca.example/scep", 80, "bad-url"),
        ("http://:pass@ca.example/scep", 80, "bad-url"),
        ("http://ca.example/scep#top", 80, "bad-url"),
        ("http://ca.example/scep#", 80, "bad-url"),
        ("http://ca example/scep", 80, "bad-url"),
        ("http://ca.example/scep\r\nX: y", 80, "bad-url"),
        ("http://ca.example/søk", 80, "bad-url"),
        ("http://-ca.example/scep", 80, "bad-url"),
        ("http://ca.example:99999/scep", 80, "bad-url"),
        ("http://ca.example:x/scep", 80, "bad-url"),
        ("http://1.2.3/scep", 80, "bad-url"),
        ("http://ca.1/scep", 80, "bad-url"),
        ("http://1.ca/scep", 80, None),
        ("http://ca.example./scep", 80, None),
        ("http://ca.example../scep", 80, "bad-url"),
        ("", 80, "bad-url"),
        ("http://ca.example/" + "a" * (255 - 18), 80, None),
        ("http://ca.example/" + "a" * (256 - 18), 80, "bad-url"),
        ("http://ca.example/scep", 1, None),
        ("http://ca.example/scep", 65535, None),
        ("http://ca.example/scep", 0, "bad-port"),
        ("http://ca.example/scep", 65536, "bad-port"),
        ("http://ca.example/scep", -1, "bad-port"),
    ],
)
def test_url_and_port(url: str, port: int, reason: str | None) -> None:
    assert reason_of(lambda: CommunicationSettings(url, port).validate(MODEL)) == reason


@pytest.mark.parametrize(("timeout", "reason"), [(0, "bad-timeout"), (1, None), (300, None), (301, "bad-timeout")])
def test_timeout(timeout: int, reason: str | None) -> None:
    assert reason_of(lambda: CommunicationSettings("http://ca.example/", timeout=timeout).validate(MODEL)) == reason


@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        ("http://ca.example", "ca.example", "/"),
        ("http://ca.example:81/a/b/", "ca.example", "/a/b/"),
        ("http://[2001:db8::1]:81/a?ca=x", "2001:db8::1", "/a?ca=x"),
        ("http://CA.example/A?x", "ca.example", "/A?x"),
    ],
)
def test_host_and_target_never_hold_the_port(url: str, host: str, target: str) -> None:
    settings = CommunicationSettings(url, 81)
    assert (settings.host, settings.target) == (host, target)


KEY_CASES = [
    ({"name": "a" * 24}, None),
    ({"name": "a" * 25}, "bad-key-name"),
    ({"name": ""}, "bad-key-name"),
    ({"name": "tls 2026_a-b"}, None),
    ({"name": "nøkkel"}, "bad-key-name"),
    ({"name": "a\n"}, "bad-key-name"),
    ({"name": "../../etc"}, "bad-key-name"),
    ({"signature": "SHA1"}, None),
    ({"signature": "SHA512"}, None),
    ({"signature": "MD5"}, "bad-signature-algorithm"),
    ({"signature": "sha256"}, "bad-signature-algorithm"),
    ({"length": 1024}, None),
    ({"length": 4096}, None),
    ({"length": 512}, "bad-key-length"),
    ({"length": 2047}, "bad-key-length"),
    ({"organization": "Ø" * 64}, None),
    ({"organization": "Ø" * 65}, "bad-organization"),
    ({"organization": "a\0b"}, "bad-organization"),
    ({"organization": "a\nb"}, "bad-organization"),
    ({"organization": "\ud800"}, "bad-organization"),
    ({"organization": "<script>alert(1)</script>"}, None),
    ({"common_name": ""}, "bad-common-name"),
    ({"common_name": "a"}, "fqdn-without-dns"),
    ({"common_name": "2001:db8::1"}, None),
    ({"common_name": "999.1.1.1"}, "bad-common-name"),
    ({"common_name": "printer_1.example"}, "bad-common-name"),
    ({"common_name": "printer.example"}, "fqdn-without-dns"),
    ({"common_name": "a." * 31 + "ab"}, "fqdn-without-dns"),
    ({"common_name": "a." * 31 + "abc"}, "bad-common-name"),
    ({"common_name": "-printer.example"}, "bad-common-name"),
    ({"common_name": "printer..example"}, "bad-common-name"),
    ({"challenge": ""}, None),
    ({"challenge": "~ " * 127 + "x"}, None),
    ({"challenge": "x" * 256}, "bad-challenge"),
    ({"challenge": "pässword"}, "bad-challenge"),
    ({"challenge": "a\tb"}, "bad-challenge"),
    ({"use": "IEEE 802.1X"}, None),
    ({"use": "SIP"}, "bad-use"),
    ({"use": "tls"}, "bad-use"),
    ({"use": "IPSec"}, "bad-policy"),
    ({"use": "TLS", "policy": "hq"}, "bad-policy"),
    ({"use": "IPSec", "policy": "hq"}, None),
    ({"use": "IPSec", "policy": "nowhere"}, "no-such-policy"),
]


@pytest.mark.parametrize(("changes", "reason"), KEY_CASES, ids=lambda case: str(case)[:40])
def test_key_settings(changes: dict[str, object], reason: str | None) -> None:
    key = replace(KEY, **changes)  # type: ignore[arg-type]
    assert reason_of(lambda: key.validate(MODEL, dns=False, policies=("hq",))) == reason


@pytest.mark.parametrize(
    ("last", "reason"), [("a", None), ("a.", None), ("ab", "bad-common-name"), ("ab.", "bad-common-name")]
)
def test_a_name_in_the_dns_has_253_letters_at_most_whatever_a_model_takes(last: str, reason: str | None) -> None:
    """RFC 1035, 2.3.4: 255 bytes on the wire, one of them before the first label and one after the last."""
    model = replace(MODEL, common_name_length=255)
    assert reason_of(lambda: replace(KEY, common_name="a." * 126 + last).validate(model, dns=True)) == reason


@pytest.mark.parametrize(
    ("name", "needed"), [("192.0.2.1", False), ("2001:db8::1", False), ("printer.example", True), ("printer", True)]
)
def test_a_name_needs_a_dns_server_and_an_address_does_not(name: str, needed: bool) -> None:
    """MFP-REQ-03."""
    assert replace(KEY, common_name=name).needs_dns is needed


def test_a_refused_challenge_is_in_no_message() -> None:
    with pytest.raises(Refused) as caught:
        replace(KEY, challenge="höchst-geheim").validate(MODEL, dns=False)
    assert "geheim" not in str(caught.value)
    assert "geheim" not in repr(replace(KEY, challenge="höchst-geheim"))


def test_sip_and_device_signature_are_taken_by_a_model_that_has_them() -> None:
    model = profile_named("canon-sip")
    for use in ("SIP", "Device Signature"):
        replace(KEY, use=use).validate(model, dns=False)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"polling": Polling(1, 1)}, None),
        ({"polling": Polling(100, 1440)}, None),
        ({"polling": Polling(0, 1)}, "bad-poll-count"),
        ({"polling": Polling(101, 1)}, "bad-poll-count"),
        ({"polling": Polling(1, 0)}, "bad-poll-interval"),
        ({"polling": Polling(1, 1441)}, "bad-poll-interval"),
        ({"every_days": 1}, None),
        ({"every_days": 365}, None),
        ({"every_days": 0}, "bad-request-interval"),
        ({"every_days": 366}, "bad-request-interval"),
        ({"key": None}, "incomplete"),
        ({"start": None}, "incomplete"),
        ({"key": replace(KEY, length=7)}, "bad-key-length"),
    ],
    ids=str,
)
def test_automatic_request(changes: dict[str, object], reason: str | None) -> None:
    settings = replace(AutoRequestSettings(True, datetime(2026, 3, 2, 9), KEY), **changes)  # type: ignore[arg-type]
    assert reason_of(lambda: settings.validate(MODEL, dns=False)) == reason


def test_a_model_that_goes_by_expiry_takes_no_interval() -> None:
    settings = AutoRequestSettings(True, datetime(2026, 3, 2, 9), KEY, every_days=30)
    assert reason_of(lambda: settings.validate(profile_named("percent-of-validity"), dns=False)) == (
        "bad-request-interval"
    )
