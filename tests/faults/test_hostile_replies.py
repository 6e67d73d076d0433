"""Replies that reach a limit of the printer, or that it cannot follow: the reason why each ends as it does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography import x509
from fault_proofs import SITUATIONS, Proof, prove_rules

from mfp_sim.client.exchange import NOTE_LETTERS, NOTES
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.http_messages import HttpReply, scep_request
from mfp_sim.shared.scep.messages import read_ca_certificates
from mfp_sim.shared.scep.url import Url
from mfp_sim.shared.scep.vocabulary import Operation
from mfp_sim.testing import Bench, script_of
from mock_scep_server.faults.families.http import LOCATIONS

FOLLOWING = replace(SITUATIONS["enrol"], settings="{redirects: followed}")
"""A printer that follows redirects."""
NOTE = "SCEP-3.3.2.1-13 GetCACert: "


# --- redirects --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["http-redirect", "http-redirect-everything"])
@pytest.mark.parametrize("to", ["unreadable", "wrong-port", "no-host", "blank"])
def test_a_location_that_cannot_be_followed_ends_like_none(fault: str, to: str) -> None:
    def outcome(word: str) -> Proof:
        return prove_rules(FOLLOWING, (f"{{{fault}: {word}}}",))

    found, without = outcome(to), outcome("none")
    assert found.rows == without.rows == ("error top-error-302",)
    assert found.diagnosis == without.diagnosis == "the server replied with HTTP 302"
    assert (found.keys, found.unsound, found.findings) == (without.keys, (), without.findings)
    requests, requests_without = ([(e.name, e.status) for e in proof.journal] for proof in (found, without))
    assert requests == requests_without
    assert len(requests) == (3 if fault == "http-redirect" else 2)


def test_the_printer_of_these_tests_does_follow() -> None:
    found = prove_rules(FOLLOWING, ("{http-redirect: login}",))
    assert [entry.status for entry in found.journal] == [200, 200, 302, 400]
    assert found.rows == ("error top-error-400",)


def test_each_of_these_locations_fails_at_another_point() -> None:
    located = {to: str(LOCATIONS[to]) for to in ("unreadable", "wrong-port", "no-host", "blank")}
    with pytest.raises(ValueError, match="Invalid IPv6 URL"):
        Url.parse(located["unreadable"])
    with pytest.raises(ValueError, match="Port out of range 0-65535"):
        _ = Url.parse(located["wrong-port"]).port
    assert Url.parse(located["no-host"]).host == ""
    assert " " in Url.parse(located["blank"]).target
    for to, parts in {"wrong-port": "host", "no-host": "port", "blank": "port"}.items():
        assert getattr(Url.parse(located[to]), parts)  # nothing else is wrong with it


# --- many certificates ------------------------------------------------------------------------------------


def _notes(fault: str) -> list[str]:
    proof = prove_rules(SITUATIONS["enrol"], (fault,))
    assert proof.rows == ("successful",)
    assert proof.unsound == ()
    return [text.removeprefix(NOTE) for text in proof.findings if text.startswith(NOTE)]


@pytest.mark.parametrize(("count", "noted"), [(1, 1), (99, 99), (100, 100), (101, 100), (150, 100), (300, 100)])
def test_the_printer_notes_the_first_hundred_certificates(count: int, noted: int) -> None:
    assert NOTES == 100
    notes = _notes(f"{{getcacert-many-expired: {{count: {count}}}}}")
    span = "from 2025-01-26 07:01:00 to 2026-03-01 07:01:00 UTC"
    assert notes == [
        f"CN=Expired CA {number} (tests only),O=mfp-sim is not valid now: {span}" for number in range(1, noted + 1)
    ]


def test_a_note_ends_after_500_letters() -> None:
    assert NOTE_LETTERS == 500
    notes = _notes("{getcacert-many-expired: long}")
    subjects = [certificate.subject_text for certificate in _published("{getcacert-many-expired: long}")[1:]]
    assert min(len(subject) for subject in subjects) > NOTE_LETTERS
    assert notes == [f"{subject[:500]}…" for subject in subjects[:NOTES]]


PLACE = "certificates[335].tbsCertificate.extensions.list[0] at byte 279041"
UNREADABLE = f"bad-ca-certificates: the reply to GetCACert cannot be used: {PLACE}: expected at most 10000 elements"
TOO_LARGE = "GetCACert: the reply of ca.example:80 is larger than 1048576 bytes"


@pytest.mark.parametrize(
    ("argument", "row", "diagnosis"),
    [
        ("{count: 400}", "error scep-error", f"{UNREADABLE}, got more"),
        ("{names: long, count: 600}", "error top-error", TOO_LARGE),
    ],
)
def test_a_reply_beyond_what_the_printer_reads_is_refused_with_the_reason(
    argument: str, row: str, diagnosis: str
) -> None:
    for _ in range(2):  # certificates that were read before change nothing
        proof = prove_rules(SITUATIONS["enrol"], (f"{{getcacert-many-expired: {argument}}}",))
        assert (proof.rows, proof.diagnosis) == ((row,), diagnosis)
        assert [entry.name for entry in proof.journal] == ["GetCACaps", "GetCACert"]
        assert [text for text in proof.findings if text.startswith(NOTE)] == []


def test_the_journal_shortens_long_names() -> None:
    proof = prove_rules(SITUATIONS["enrol"], ("{getcacert-many-expired: {names: long, count: 1}}",))
    (change,) = proof.changes
    assert ", CN=Expired CA 1 (tests only),OU=long-name-long-name-long-name-long-nam… 2025-01-26 07:01 to " in change


BOUNDS = {"CN": 64, "OU": 64, "O": 64, "L": 128}
"""RFC 5280, appendix A: the upper bounds of X.520."""


@pytest.mark.parametrize("names", ["short", "long"])
def test_the_certificates_are_valid_apart_from_their_dates(names: str) -> None:
    bench = Bench(challenge=None)
    _, *expired = _published(f"{{getcacert-many-expired: {names}}}", bench)
    assert len({certificate.subject for certificate in expired}) == len(expired) == 150
    assert len({certificate.spki for certificate in expired}) == 1
    for certificate in expired:
        theirs = x509.load_der_x509_certificate(certificate.der)
        theirs.verify_directly_issued_by(theirs)
        assert theirs.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        assert theirs.not_valid_after_utc < bench.clock.now()
        for attribute in theirs.subject:
            assert 0 < len(str(attribute.value)) <= BOUNDS[attribute.rfc4514_attribute_name]


def test_the_certificates_stay_the_same() -> None:
    bench = Bench(challenge=None)
    first = _published("{getcacert-many-expired: {count: 20}}", bench)
    bench.pass_time(hours=1)
    assert _published("{getcacert-many-expired: {count: 20}}", bench) == first
    assert _published("{getcacert-many-expired: {count: 30}}", bench)[:21] == first


def _published(fault: str, bench: Bench | None = None) -> list[Certificate]:
    """The certificates in GetCACert: the CA's own, and those of the fault."""
    bench = bench or Bench(challenge=None)
    bench.ca.script.replace(script_of(f"[{{faults: [{fault}]}}]"))
    request = scep_request("/scep", Operation.GET_CA_CERT)
    reply: HttpReply = bench.transport.exchange("127.0.0.1", 80, request, 20)
    certificates, notes = read_ca_certificates(reply.body, reply.media_type)
    assert notes == ()
    return list(certificates)
