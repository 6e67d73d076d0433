"""Requests that are unusual but right, as real clients send them. RFC 8894, 3; peers and field failures."""

from __future__ import annotations

from collections.abc import Iterator

from mfp_sim.conformance.client import Client
from mfp_sim.conformance.facts import answered, processed, processes, told
from mfp_sim.conformance.model import Fact, Proof
from mfp_sim.conformance.outcomes import Inconclusive, NotApplicable
from mfp_sim.conformance.registry import check, row
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.messages import Oddities

# (id, title, requirements, request, oddities, why, rows, proof)
_ROWS = (
    ("accepts-ber", "A request in BER is processed", ("SCEP-3-04", "SCEP-3.2.2-06"),
     "a request in BER", Oddities(ber=True),
     "Bouncy Castle and jscep write BER with indefinite lengths and constructed strings.", ("F-E01", "F-E16"),
     Proof("not-processed", defects=("refuses-ber",))),
    ("accepts-constructed-ciphertext", "A request with a constructed encryptedContent is processed", ("SCEP-3.2.2-06",),
     "an encryptedContent as [0] { OCTET STRING }", Oddities(constructed_ciphertext=True),
     "micromdm's client writes this form.", ("F-E01", "F-E15"), Proof("not-processed", defects=("refuses-ber",))),
    ("accepts-extra-attributes", "Unknown signed attributes in a request are ignored", ("SCEP-3.2.1-19",),
     "unknown signed attributes",
     Oddities(extra_signed=((v.RANDOM_NONCE, (der.octet_string(bytes(16)),)),
                            ("1.3.6.1.4.1.32473.1", (der.utf8_string("x" * 200),)))),
     "cryptlib adds randomNonce, and other clients add their own attributes.", ("F-E05",),
     Proof("not-processed", defects=("refuses-extra-attributes",))),
    ("accepts-superfluous-attributes", "pkiStatus and recipientNonce in a request are ignored", ("SCEP-3.2.1-20",),
     "a pkiStatus and a recipientNonce in a request",
     Oddities(repeat=(("pkiStatus", (der.printable_string("0"),)), ("recipientNonce", (der.octet_string(bytes(16)),)))),
     "Clients that build all messages with the same code send them.", ("F-E05",),
     Proof("not-processed", defects=("refuses-superfluous-attributes",))),
    ("accepts-combined-signature-name", "signatureAlgorithm sha256WithRSAEncryption in a request is accepted",
     ("SCEP-3.2-12",), "sha256WithRSAEncryption as signatureAlgorithm", Oddities(signature_name="combined"),
     "Clients use this name as often as rsaEncryption.", ("F-E04",),
     Proof("not-processed", defects=("refuses-pss-names",))),
    ("accepts-digest-without-parameters", "A digest algorithm without parameters in a request is accepted",
     ("SCEP-3.2-11",),
     "a digest algorithm without NULL", Oddities(digest_parameters="absent"),
     "RFC 5754 requires absent parameters, although most clients write NULL.", (),
     Proof("not-processed", defects=("wants-null",))),
    ("accepts-envelope-version-1", "A request with an EnvelopedData of version 1 is processed", ("SCEP-3.2.2-03",),
     "an EnvelopedData with version 1", Oddities(envelope_version=1), "PyScep writes version 1.", ("F-E16",),
     Proof("not-processed", defects=("wants-envelope-version-0",))),
)  # fmt: skip

for _id, _title, _ids, _what, _oddities, _why, _fields, _proof in _ROWS:
    row(
        __name__,
        _id,
        _title,
        *_ids,
        run=processes(_what, oddities=_oddities),
        why=_why,
        field_failures=_fields,
        cost=1,
        tags=("clients",),
        proofs=(_proof,),
    )


@check(
    "accepts-several-recipients",
    "The server finds its RecipientInfo among several",
    "SCEP-3.2.2-04",
    why="micromdm's client encrypts to every certificate of GetCACert.",
    field_failures=("F-R10",),
    cost=1,
    tags=("clients",),
    proofs=(Proof("not-processed", defects=("refuses-several-recipients",)),),
)
def several_recipients(session: Client) -> Iterator[Fact]:
    stranger = session.self_signed(session.key(), session.subject())
    answer = session.ask(session.order(oddities=Oddities(other_recipients=(stranger,))))
    yield processed(answer, "an envelope to an unknown certificate and to the server")


@check(
    "accepts-each-certificate",
    "A request encrypted to any RSA certificate of GetCACert gets a CertRep",
    "SCEP-4.2.1.2-02",
    why="Clients choose a certificate by keyUsage or by position, or use the CA certificate.",
    field_failures=("F-R05", "F-R10", "F-R16"),
    reads=True,
    tags=("clients",),
    proofs=(Proof("not-decrypted", setup={"ra": "split"}),),
)
def each_certificate(session: Client) -> Iterator[Fact]:
    usable = [c for c in session.ca_certificates if c.stated_usage is None or "keyEncipherment" in c.stated_usage]
    if len(usable) < 2:
        raise NotApplicable("only one certificate of GetCACert allows encryption")
    normal = told(session.ask(session.harmless()))
    if not normal.refused:
        raise Inconclusive(f"a poll for an unknown transaction is not refused: {normal.text}")
    for certificate in usable:
        answer = session.ask(session.harmless(recipient=certificate))
        same = answer.refused and answer.fail_info == normal.fail_info
        yield answered(
            "not-decrypted", same, f"a poll encrypted to {certificate.subject_text} is read: {normal.text}", answer
        )
