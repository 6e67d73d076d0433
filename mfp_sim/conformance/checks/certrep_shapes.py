"""The structure of a CertRep: EnvelopedData inside SignedData. RFC 8894, 3, 3.1 and 3.2; RFC 5652."""

from __future__ import annotations

from functools import partial

from mfp_sim.conformance.answers import Answer
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.model import CheckVerdict, Proof
from mfp_sim.conformance.watching import noted, over, watch
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.http_messages import PKI_MESSAGE

watch_here = partial(watch, __name__)
_ENVELOPE = der.oid(v.ENVELOPED_DATA)


def _granted(answer: Answer) -> bool:
    return answer.granted


def _enveloped(answer: Answer) -> bool:
    return answer.granted and answer.envelope is not None


def _without_data(answer: Answer) -> bool:
    return answer.refused or answer.parked


watch_here(
    "certrep-two-layers",
    "A CertRep is EnvelopedData inside SignedData",
    "SCEP-3-01",
    judge=noted("not-signed-outside", "the outer layer is SignedData", broken=lambda e: e.path.endswith("contentType")),
    why="A client first reads the outer layer as SignedData; anything else is a parse error on every device.",
    proofs=(Proof("not-signed-outside", "layers-swapped"),),
)


def _absent(_: Client, answer: Answer) -> str | None:
    assert answer.signed is not None
    content = answer.signed.content
    return None if content is None or answer.envelope is not None else f"eContent of {len(content)} bytes"


def _no_envelope(_: Client, answer: Answer) -> str | None:
    return None if answer.envelope is None else "an EnvelopedData"


watch_here(
    "certrep-without-data",
    "A CertRep without messageData has no pkcsPKIEnvelope",
    "SCEP-3-02",
    judge=over(
        "empty-content",
        "FAILURE and PENDING have no eContent",
        _absent,
        only=_without_data,
        at_most=CheckVerdict.WARN,
        element="encapContentInfo.eContent",
        mistake="the server writes an empty OCTET STRING instead of leaving the optional field out",
    ),
    why="Clients with strict CMS readers reject empty content; other clients reject absent content. Only the RFC's "
    "form can be required.",
    field_failures=("F-E07", "F-E15"),
    at_most=CheckVerdict.WARN,
    mild="clients differ: some reject empty content, others reject absent content",
    proofs=(Proof("empty-content", ca={"empty_content": "zero"}),),
)

for _identifier, _status, _requirement, _only, _fault in (
    ("failure-no-envelope", "FAILURE", "SCEP-3.3.2.2-03", lambda a: a.refused, "failure-with-envelope"),
    ("pending-no-envelope", "PENDING", "SCEP-3.3.2.3-01", lambda a: a.parked, "pending-with-envelope"),
):
    watch_here(
        _identifier,
        f"A {_status} has no pkcsPKIEnvelope",
        _requirement,
        judge=over("enveloped", f"{_status} has no envelope", _no_envelope, only=_only, element="encapContentInfo"),
        why=f"No client installs a certificate from a {_status}, but the CA assumes that it is in use.",
        field_failures=("F-E07",),
        proofs=(Proof("enveloped", _fault, answer="" if _status == "FAILURE" else "pending"),),
    )


def _by_known_signer(answer: Answer) -> bool:
    return answer.signer is not None and not answer.unverifiable


def _digest(_: Client, answer: Answer) -> str | None:
    return answer.distrust if answer.distrust and "messageDigest" in answer.distrust else None


watch_here(
    "certrep-message-digest",
    "messageDigest is the digest of the eContent, or of zero bytes if there is no content",
    "SCEP-3-03",
    judge=over("wrong-digest", "messageDigest matches the content", _digest, only=_by_known_signer),
    why="A wrong digest of absent content is the most common mistake in a FAILURE: the client reports a broken "
    "signature instead of the reason for the refusal.",
    field_failures=("F-E02",),
    breaches=("wrong-digest",),
    proofs=(Proof("wrong-digest", "bad-message-digest"),),
)

watch_here(
    "certrep-no-trailing",
    "The body of a CertRep is exactly one CMS structure",
    "SCEP-3-05",
    judge=noted("trailing", "nothing after the message", "SCEP-3-05"),
    why="Strict readers reject a message with a line break or padding after it.",
    proofs=(Proof("trailing", "certrep-trailing"),),
)


def _wrongly_signed(_: Client, answer: Answer) -> str | None:
    reason = answer.distrust
    return None if reason is None or "messageDigest" in reason else reason


watch_here(
    "certrep-signature",
    "The CertRep's signature verifies with a certificate of GetCACert",
    "SCEP-3.2-05",
    "SCEP-3.1-06",
    judge=over(
        "bad-signature",
        "a signature of the server that verifies",
        _wrongly_signed,
        only=lambda a: not a.unverifiable,
        element="signerInfos[0].signature",
        mistake="the signature is by another key than GetCACert shows, over another encoding, or by an RA that "
        "GetCACert does not list",
    ),
    why="A client drops a reply that it cannot verify, although the certificate has been issued.",
    field_failures=("F-R09", "F-R17", "F-E04"),
    tags=("security",),
    breaches=("bad-signature",),
    proofs=(Proof("bad-signature", "bad-signature"),),
)

watch_here(
    "certrep-encrypted",
    "A SUCCESS is always encrypted",
    "SCEP-3.1-05",
    judge=over(
        "not-encrypted",
        "the issued certificate in an EnvelopedData",
        lambda _, a: "a SUCCESS with content that is not an EnvelopedData" if a.envelope is None else None,
        only=lambda a: _enveloped(a) or (a.granted and a.payload.plain is not None and bool(a.payload.certificates)),
        element="encapContentInfo.eContent",
    ),
    why="Without the envelope, anyone on the network can read which certificate was issued to which client.",
    proofs=(Proof("not-encrypted", "certrep-unencrypted"),),
)


def _transport(_: Client, answer: Answer) -> str | None:
    envelope = answer.envelope
    if envelope is None:
        return None
    schemes = {r.transport.scheme if r.transport else r.key_algorithm for r in envelope.recipients}
    return f"key transport {', '.join(sorted(schemes - {'pkcs1'}))}" if schemes - {"pkcs1"} else None


watch_here(
    "certrep-key-transport",
    "The reply's content key is encrypted with RSA PKCS#1 v1.5",
    "SCEP-3.1-03",
    "SCEP-3.1-02",
    judge=over("oaep", "rsaEncryption", _transport, only=_enveloped, element="recipientInfos[0].keyEncryptionAlgorithm",
               mistake="the platform's CMS library uses OAEP by default, which most embedded clients cannot decrypt"),
    why="Embedded clients support only PKCS#1 v1.5; they cannot decrypt a reply that uses OAEP.",
    field_failures=("F-E14", "F-A08"),
    proofs=(Proof("oaep", "env-oaep"),),
)  # fmt: skip

watch_here(
    "certrep-econtent-type",
    "eContentType is id-data",
    "SCEP-3.2-01",
    judge=noted("other-type", "data (1.2.840.113549.1.7.1)", "SCEP-3.2-01",
                mistake="CMS libraries name the inner type; SCEP requires id-data for every content"),
    why="Clients compare the type and reject others. This is the most common structural error of new servers.",
    field_failures=("F-E03",),
    proofs=(Proof("other-type", "econtenttype-enveloped"),),
)  # fmt: skip


def _wrapped(_: Client, answer: Answer) -> str | None:
    assert answer.signed is not None
    content = answer.signed.content
    if answer.envelope is not None:
        return None
    return f"{len(content or b'')} bytes that are not a ContentInfo with EnvelopedData"


def _with_content(answer: Answer) -> bool:
    """A SUCCESS with content; an unreadable envelope still counts as an envelope."""
    content = answer.signed.content if answer.granted and answer.signed is not None else None
    if content in (None, b"", b"\x00"):
        return False
    return answer.envelope is not None or _ENVELOPE not in (content or b"")[:24]


watch_here(
    "certrep-content-is-envelope",
    "The signed content is a pkcsPKIEnvelope",
    "SCEP-3.2-02",
    judge=over("no-envelope", "a ContentInfo with EnvelopedData as eContent", _wrapped, only=_with_content,
               element="encapContentInfo.eContent"),
    why="A client reads the content as an envelope; anything else ends the enrolment.",
    proofs=(Proof("no-envelope", "econtent-garbage"),),
)  # fmt: skip

watch_here(
    "certrep-signed-attributes",
    "The SignerInfo has signed attributes",
    "SCEP-3.2-04",
    judge=noted("no-signed-attributes", "signedAttrs are present",
                broken=lambda e: e.path.endswith("signedAttrs") and e.got == "none"),
    why="Status, transaction and nonce are signed attributes: without them, a client cannot trust the reply.",
    tags=("security",),
    breaches=("no-signed-attributes",),
    proofs=(Proof("no-signed-attributes", "no-signed-attrs"),),
)  # fmt: skip

watch_here(
    "certrep-signer-included",
    "A CertRep contains its signer's certificate",
    "SCEP-3.2-07",
    judge=noted("signer-missing", "the signer's certificate in certificates", "SCEP-3.2-07"),
    why="Clients that look for the signer only in the message cannot verify a reply without it.",
    field_failures=("F-R06",),
    proofs=(Proof("signer-missing", "certrep-no-certs"),),
)

watch_here(
    "certrep-one-signer",
    "A CertRep has exactly one SignerInfo",
    "SCEP-3.2-09",
    judge=noted("signers", "one SignerInfo", broken=lambda e: e.path == "signerInfos"),
    why="Two signers can contradict each other, and clients differ in which one they use.",
    tags=("security",),
    proofs=(Proof("signers", "two-signers"),),
)

watch_here(
    "certrep-signer-form",
    "SignedData and SignerInfo have version 1 and identify the signer by issuerAndSerialNumber",
    "SCEP-3.2-10",
    judge=noted("signer-form", "version 1, issuerAndSerialNumber", "SCEP-3.2-10"),
    why="Older clients support only this form.",
    proofs=(Proof("signer-form", "sid-ski"),),
)

watch_here(
    "certrep-digest-listed",
    "digestAlgorithms lists the signer's digest algorithm",
    "SCEP-3.2-11",
    judge=noted("not-listed", "the signer's digest algorithm", "SCEP-3.2-11"),
    why="One-pass readers compute only the listed digests, so they report a wrong messageDigest.",
    field_failures=("F-E02",),
    proofs=(Proof("not-listed", "digest-alg-mismatch"),),
)


def _signature_algorithm(_: Client, answer: Answer) -> str | None:
    assert answer.signed is not None
    name = answer.signed.signature_algorithm
    return None if name in _PLAIN else v.oid_text(name)


_PLAIN = {v.RSA_ENCRYPTION, *v.RSA_SIGNATURE_OIDS.values(), *v.ECDSA_SIGNATURE_OIDS.values(), v.EC_PUBLIC_KEY}
watch_here(
    "certrep-signature-algorithm",
    "The signature algorithm is RSA PKCS#1 v1.5, which every client supports",
    "SCEP-3.2-12",
    judge=over("unusual", "rsaEncryption or <digest>WithRSAEncryption", _signature_algorithm,
               element="signerInfos[0].signatureAlgorithm"),
    why="iOS and most embedded clients refuse RSASSA-PSS.",
    field_failures=("F-A13",),
    proofs=(Proof("unusual", "sigalg-pss"),),
)  # fmt: skip

watch_here(
    "certrep-attributes-sorted",
    "Signed attributes are sent and signed in DER order",
    "SCEP-3.2-13",
    judge=noted("unsorted", "in DER order", "SCEP-3.2-13"),
    why="A verifier that encodes the attributes again in DER order gets another digest: the signature is wrong.",
    field_failures=("F-E04", "F-E10"),
    proofs=(Proof("unsorted", "{attrs-unsorted: signed-unsorted}"), Proof("unsorted", "attrs-unsorted")),
)


def _expired(session: Client, answer: Answer) -> str | None:
    assert answer.signed is not None
    now = session.clock.now()
    for signer in answer.trusted:
        if answer.signed.names_signer(signer) and not signer.not_before <= now <= signer.not_after:
            return f"{signer.subject_text} is valid from {signer.not_before} to {signer.not_after}"
    return None


watch_here(
    "certrep-signer-valid",
    "The certificate that signs CertReps is valid",
    "SCEP-3.2-14",
    judge=over("signer-not-valid", "valid now", _expired, only=lambda a: a.signer is not None),
    why="An expired RA certificate is the most common reason why a whole fleet stops enrolling on one day.",
    field_failures=("F-C06", "F-R12"),
    proofs=(Proof("signer-not-valid", "ra-expired"),),
)


def _single(_: Client, answer: Answer) -> str | None:
    envelope = answer.envelope
    if envelope is None:
        return None
    count = len(envelope.recipients) + len(envelope.password_recipients) + len(envelope.others)
    return None if count == 1 else f"{count} RecipientInfos"


watch_here(
    "envelope-one-recipient",
    "A reply's envelope has exactly one recipient",
    "SCEP-3.2.2-03",
    judge=over("recipients", "one KeyTransRecipientInfo", _single, only=_enveloped, element="recipientInfos"),
    why="A client that reads only the first RecipientInfo may not be able to decrypt the reply.",
    field_failures=("F-R16",),
    proofs=(Proof("recipients", "env-two-recipients"),),
)

watch_here(
    "envelope-shape",
    "EnvelopedData has version 0 and identifies the recipient by issuerAndSerialNumber",
    "SCEP-3.2.2-03",
    judge=noted("shape", "version 0, issuerAndSerialNumber", "SCEP-3.2.2-03"),
    why="All clients support this form.",
    proofs=(Proof("shape", "env-ski-recipient"),),
)

watch_here(
    "envelope-content-type",
    "encryptedContentInfo.contentType is id-data",
    "SCEP-3.2.2-01",
    judge=noted("other-type", "data", "SCEP-3.2.2-01"),
    why="Clients that check the type reject another one.",
    proofs=(Proof("other-type", "eci-contenttype"),),
)


def _opens(_: Client, answer: Answer) -> str | None:
    return None if answer.payload.plain is not None else answer.payload.problem


watch_here(
    "envelope-opens",
    "The client can decrypt the envelope: key, IV and padding are right",
    "SCEP-3.2.2-05",
    judge=over("does-not-open", "the key that signed the request decrypts it", _opens, only=_granted,
               element="encryptedContentInfo",
               mistake="the reply is encrypted to another key, or the IV or the padding is wrong (RFC 5652, 6.3)"),
    why="If the device cannot decrypt the reply, the issued certificate is lost.",
    field_failures=("F-R16", "F-A05"),
    proofs=(Proof("does-not-open", "bad-padding"), Proof("does-not-open", "bad-iv")),
)  # fmt: skip

watch_here(
    "envelope-primitive",
    "encryptedContent is primitive",
    "SCEP-3.2.2-06",
    judge=noted("constructed", "a primitive [0]", "SCEP-3.2.2-06"),
    why="Readers without BER support treat a constructed encryptedContent as empty.",
    field_failures=("F-E01",),
    proofs=(Proof("constructed", "certrep-ber"),),
)


def _to_signer(_: Client, answer: Answer) -> str | None:
    envelope, signer = answer.envelope, answer.order.signer
    if envelope is None or not envelope.recipients or any(r.names(signer) for r in envelope.recipients):
        return None
    if any(r.key_identifier is not None for r in envelope.recipients):
        return None  # by key: the key that opens it shows the recipient
    first = envelope.recipients[0]
    return f"the RecipientInfo has serial {first.serial:x}, but serial {signer.serial:x} signed the request"


watch_here(
    "envelope-to-signer",
    "A SUCCESS is encrypted to the certificate that signed the request",
    "SCEP-2.3-15",
    judge=over("other-recipient", "the signer's issuer and serial number", _to_signer, only=_enveloped,
               element="recipientInfos[0].rid",
               mistake="the reply is encrypted to the new certificate instead of the one that signed the request"),
    why="Clients look for the RecipientInfo of their self-signed certificate: they do not have the new one yet.",
    field_failures=("F-R16",),
    proofs=(Proof("other-recipient", "env-wrong-recipient"),),
)  # fmt: skip


def _issued(answer: Answer) -> bool:
    return answer.granted and answer.issued is not None


def _in_clear(_: Client, answer: Answer) -> str | None:
    outer = answer.signed.certificates if answer.signed else ()
    wrong = [c for c in outer if answer.issued is not None and c.der == answer.issued.der]
    return "the issued certificate in the outer certificates" if wrong else None


watch_here(
    "issued-not-in-clear",
    "The issued certificate does not occur outside the envelope",
    "SCEP-7.7-02",
    judge=over("in-clear", "only the signer and its chain outside the envelope", _in_clear, only=_issued,
               element="certificates"),
    why="A copy outside the envelope defeats the encryption.",
    proofs=(Proof("in-clear", defects=("issued-in-clear",)),),
)  # fmt: skip


def _names_error(_: Client, answer: Answer) -> str | None:
    return None if answer.message is not None else f"{answer.problem}"


watch_here(
    "certrep-is-pkimessage",
    "A reply of type application/x-pki-message is a pkiMessage",
    "SCEP-6.4-01",
    judge=over("not-readable", "a pkiMessage with one signer", _names_error,
               only=lambda a: a.reply is not None and a.reply.media_type == PKI_MESSAGE),
    why="SCEP clients parse every reply of this media type as a pkiMessage.",
    proofs=(Proof("not-readable", "missing-messagetype"),),
)  # fmt: skip
