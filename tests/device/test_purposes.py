"""Extended key usage and use locations (A-42): which fit, and what the machine does where they do not."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from mfp_sim.device.purposes import misfit
from mfp_sim.device.settings import KeySettings
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.simtime import Entropy, PooledKeys

MAIL = "1.3.6.1.5.5.7.3.4"
START, END = datetime(2026, 1, 1, tzinfo=timezone.utc), datetime(2027, 1, 1, tzinfo=timezone.utc)


def certificate(*extensions: tuple[str, bool, bytes]) -> Certificate:
    key = PooledKeys(Entropy(1)).rsa(2048)
    name = x509.name(("CN", "192.0.2.10"))
    return x509.issue(
        signing_key=key, spki=x509.spki_of(key), issuer=name, subject=name, serial=7, not_before=START, not_after=END,
        extensions=extensions,
    )  # fmt: skip


def usage(*purposes: str) -> Certificate:
    return certificate(x509.extended_key_usage_extension(*purposes))


@pytest.mark.parametrize(
    ("purposes", "fitting"),
    [
        ((v.SERVER_AUTH,), {"TLS"}),
        ((v.CLIENT_AUTH,), {"IEEE 802.1X"}),
        ((v.CLIENT_AUTH, v.SERVER_AUTH), {"TLS", "IEEE 802.1X"}),
        ((MAIL,), set()),
        ((MAIL, v.ANY_PURPOSE), {"TLS", "IEEE 802.1X"}),
        ((), set()),
    ],
)
def test_which_use_locations_a_certificate_is_for(purposes: tuple[str, ...], fitting: set[str]) -> None:
    made = usage(*purposes)
    assert {use for use in ("TLS", "IEEE 802.1X") if misfit(made, use) is None} == fitting
    assert [misfit(made, use) for use in ("None", "IPSec", "SIP", "Device Signature")] == [None] * 4


def test_a_certificate_without_the_extension_is_for_any_use() -> None:
    assert misfit(certificate(), "TLS") is None
    assert certificate().purposes is None


@pytest.mark.parametrize(
    "value", [b"", b"\x30\x80", b"\x04\x01\x00", der.sequence(der.integer(1)), b"\x30\x03\x06\x01\x80"]
)
def test_an_extension_that_is_none_is_told_and_raises_nothing(value: bytes) -> None:
    made = certificate((v.EXTENDED_KEY_USAGE, True, value))
    assert misfit(made, "TLS") == ("its extended key usage is not readable, and the use location TLS needs serverAuth")
    assert misfit(made, "IPSec") is None


def test_a_long_list_is_told_in_part() -> None:
    told = misfit(usage(*[f"1.3.6.1.4.1.32473.{n}" for n in range(1000)]), "TLS")
    assert told is not None
    assert told.count("32473") == 10


@pytest.mark.parametrize(("reading", "state"), [("register", "successful"), ("refuse", "error")])
def test_a42_a_certificate_for_clients_only(machine, reading: str, state: str) -> None:
    world = machine(flips=(f"A-42={reading}",), script="[{faults: [success-unfit-usage]}]")
    world.printer.send_request(KeySettings("tls", "192.0.2.10", use="TLS", challenge="s3cret"))
    assert world.shown[0] == state
    word = {"register": "finding OK: tls: ", "refuse": "request failed NG: unfit-usage: "}[reading]
    assert (
        f"{word}its extended key usage allows clientAuth, and the use location TLS needs serverAuth" in world.diagnoses
    )
