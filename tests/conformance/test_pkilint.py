"""A second opinion on certificates: pkilint over the mock's and over spoiled ones, beside our own rules.

Where one of the two finds what the other does not, the row says why.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from pkilint import loader
from pkilint.pkix import certificate, extension, name
from pkilint.validation import ValidationFindingSeverity

from mfp_sim.conformance.checks.issued_certificates import issued_in
from mfp_sim.conformance.linting import CA_RULES, LEAF_RULES, Held, wrong_in
from mfp_sim.conformance.model import Proof
from mfp_sim.conformance.selftest import bench

RFC5280 = certificate.create_pkix_certificate_validator_container(
    certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
    [
        certificate.create_issuer_validator_container([]),
        certificate.create_validity_validator_container(),
        certificate.create_subject_validator_container([]),
        certificate.create_extensions_validator_container([]),
        certificate.create_spki_validator_container([]),
    ],
)
ALONE = "it looks at the certificate alone, without its CA"
UNKNOWN = "it leaves critical extensions that are not known to who verifies a path"


@dataclass(frozen=True)
class Row:
    """A spoiled mock, the slugs that our rules find, and the codes of pkilint; ``why`` one of the two says nothing."""

    proof: Proof
    ours: frozenset[str]
    theirs: frozenset[str]
    why: str = ""


def _row(proof: Proof, ours: str = "", theirs: str = "", why: str = "") -> Row:
    return Row(proof, frozenset(ours.split()), frozenset(theirs.split()), why)


def _lint(form: str) -> Proof:
    return Proof("", f"{{cert-lint: {form}}}")


def _defect(slug: str) -> Proof:
    return Proof("", defects=(slug,))


LEAVES = {
    "as it should be": _row(Proof("")),
    "negative serial": _row(_lint("negative-serial"), "not-rfc5280", "certificate_serial_number_out_of_range"),
    "serial of 21 bytes": _row(_lint("long-serial"), "not-rfc5280", "certificate_serial_number_out_of_range"),
    "serial 0": _row(_lint("zero-serial"), "not-rfc5280", "certificate_serial_number_out_of_range"),
    "version 1": _row(
        _lint("version-1"), "not-rfc5280", "certificate_version_is_not_v3 authority_key_identifier_extension_absent"
    ),
    "beyond its CA": _row(_lint("outlives-ca"), "dates", why=ALONE),
    "another key's identifier": _row(_lint("authority-key"), "key-identifiers", why=ALONE),
    "the CA's identifier": _row(_lint("subject-key"), "key-identifiers", why=ALONE),
    "an extension twice": _row(_lint("extension-twice"), "encoding", "duplicate_extension"),
    "unknown and critical": _row(_defect("issues-unknown-critical"), "critical", why=UNKNOWN),
    "critical identifier": _row(
        _defect("issues-critical-key-identifier"), "critical", "certificate_skid_extension_critical"
    ),
    "a path length and no cA": _row(_defect("issues-path-length"), "constraints", "invalid_asn1_syntax"),
    "no purpose": _row(_defect("issues-empty-purposes"), "empty", "invalid_asn1_syntax"),
    "a TeletexString": _row(
        _defect("issues-teletex-subject"), "string-types",
        why="it allows TeletexString, which RFC 5280 does for subjects that had a certificate before",
    ),
    "the issuer in other types": _row(_defect("issues-with-issuer-anew"), "issuer-encoding", why=ALONE),
    "cA and no keyCertSign": _row(
        _defect("issues-ca-certificates"), "constraints", "ca_certificate_keycertsign_keyusage_not_set"
    ),
}  # fmt: skip
CAS = {
    "as it should be": _row(Proof("")),
    "constraints": _row(
        _defect("ca-constraints-not-critical"), "constraints-not-critical", "basic_constraints_extension_not_critical"
    ),
    "identifier": _row(_defect("ca-without-key-identifier"), "no-key-identifier", "certificate_skid_ca_missing"),
    "name": _row(_defect("ca-without-a-name"), "no-name", "name_empty"),
    "critical": _row(_defect("ca-with-unknown-critical"), "critical", why=UNKNOWN),
}


def _pkilint(octets: bytes) -> frozenset[str]:
    """The codes of its errors."""
    results = RFC5280.validate(loader.load_certificate(octets, "certificate").root)
    findings = [described.finding for result in results for described in result.finding_descriptions]
    worst = [finding for finding in findings if finding.severity <= ValidationFindingSeverity.ERROR]
    return frozenset(finding.code.partition(".")[2] for finding in worst)


@pytest.mark.parametrize("row", LEAVES.values(), ids=LEAVES)
def test_what_is_issued(row: Row) -> None:
    with bench(row.proof) as session:
        session.ask(session.order(sans=("printer.example",)))
        (held,) = [held for held, _ in issued_in(session)]
    assert {slug for slug, _, rules in LEAF_RULES if wrong_in(held, rules)} == row.ours
    assert _pkilint(held.certificate.der) == row.theirs
    assert bool(row.why) == (bool(row.ours) != bool(row.theirs))


@pytest.mark.parametrize("row", CAS.values(), ids=CAS)
def test_what_issues(row: Row) -> None:
    with bench(row.proof) as session:
        (shown,) = session.ca_certificates
    assert {slug for slug, _, rules in CA_RULES if wrong_in(Held(shown, shown), rules)} == row.ours
    assert _pkilint(shown.der) == row.theirs
    assert bool(row.why) == (bool(row.ours) != bool(row.theirs))


@pytest.mark.parametrize("shape", ["none", "single", "split"])
def test_all_that_a_right_mock_shows_and_issues_is_right_to_both(shape: str) -> None:
    with bench(Proof("", setup={"ra": shape})) as session:
        for names in ((), ("printer.example", "192.0.2.7")):
            session.ask(session.order(sans=names))
        found = [*(held.certificate for held, _ in issued_in(session)), *session.ca_certificates]
    assert len(found) >= 3
    assert [_pkilint(entry.der) for entry in found] == [frozenset()] * len(found)
